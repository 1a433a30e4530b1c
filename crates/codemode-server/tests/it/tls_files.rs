//! Files that hold no certificate, no key, or the wrong one.

use std::os::unix::fs::symlink;

use codemode_server::{Tls, TlsSettings};
use rcgen::{CertificateParams, KeyPair};

use crate::certificates::{Authority, Files, named_file};

fn problems(files: &Files, settings: TlsSettings) -> String {
    let error = Tls::load(settings).unwrap_err();
    error.to_string().replace(&files.folder.path().display().to_string(), "[folder]")
}

#[test]
fn each_file_that_cannot_be_used_says_why() {
    let authority = Authority::new("a");
    let files = Files::of(&authority);
    let (mut seen, key) = (String::new(), authority.server().key);
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let cut = key.replace("-----END PRIVATE KEY-----\n", "");
    let texts = [("empty", ""), ("text", "no PEM\n"), ("encrypted", encrypted), ("key", &key), ("cut", &cut)];
    let two = format!("{key}{key}");
    let not_der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let broken = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let texts = texts.into_iter().chain([("two", two.as_str()), ("not-der", not_der), ("broken", broken)]);
    texts.for_each(|(name, text)| drop(files.write(name, text)));
    symlink("nowhere", files.path("dangling")).unwrap();
    for name in ["missing", "dangling", ".", "empty", "text", "key", "not-der"] {
        let certificate = named_file("tls.cert_file", &files.path(name));
        seen.push_str(&problems(&files, TlsSettings { certificate, ..files.settings(None) }));
        seen.push('\n');
    }
    for name in ["missing", "empty", "encrypted", "ca.pem", "key", "cut", "two", "broken"] {
        let key = named_file("tls.key_file", &files.path(name));
        seen.push_str(&problems(&files, TlsSettings { key, ..files.settings(None) }));
        seen.push('\n');
    }
    insta::assert_snapshot!(seen, @r"
    tls.cert_file: cannot read [folder]/missing: No such file or directory (os error 2)
    tls.cert_file: cannot read [folder]/dangling: No such file or directory (os error 2)
    tls.cert_file: cannot read [folder]/.: it is no regular file
    tls.cert_file: [folder]/empty holds no certificate in PEM form
    tls.cert_file: [folder]/text holds no certificate in PEM form
    tls.cert_file: [folder]/key holds no certificate in PEM form; it holds a private key: are the certificate and the key swapped?
    tls.cert_file: [folder]/not-der holds a certificate that is not well formed
    tls.key_file: cannot read [folder]/missing: No such file or directory (os error 2)
    tls.key_file: [folder]/empty holds no private key in PEM form (PKCS#8, PKCS#1 or SEC1)
    tls.key_file: [folder]/encrypted holds an encrypted private key; write it without a passphrase (openssl pkey -in FILE -out NEW)
    tls.key_file: [folder]/ca.pem holds a certificate and no private key: are the certificate and the key swapped?
    tls.key_file: [folder]/key is not the key of [folder]/server.pem: the two do not belong together
    tls.key_file: [folder]/cut is not well-formed PEM; is a part of it missing?
    tls.key_file: [folder]/two holds more than one private key; leave one
    tls.key_file: [folder]/broken cannot be used: failed to parse private key as RSA, ECDSA, or EdDSA
    ");
}

#[test]
fn all_of_them_are_reported_at_once() {
    let files = Files::of(&Authority::new("a"));
    for name in ["server.pem", "server-key.pem", "ca.pem"] {
        files.write(name, "");
    }
    insta::assert_snapshot!(problems(&files, files.settings(Some(true))), @r"
    tls.cert_file: [folder]/server.pem holds no certificate in PEM form
    tls.key_file: [folder]/server-key.pem holds no private key in PEM form (PKCS#8, PKCS#1 or SEC1)
    tls.ca_file: [folder]/ca.pem holds no certificate in PEM form
    ");
}

#[test]
fn dates_do_not_keep_the_executor_from_serving() {
    // What replaces it may be on its way. The log says it; see the command's own tests.
    let authority = Authority::new("a");
    let files = Files::of(&authority);
    for (from, until) in [((1999, 1, 1), (1999, 2, 1)), ((9000, 1, 1), (9999, 12, 31)), ((1949, 1, 1), (1951, 1, 1))] {
        let mut params = CertificateParams::new(vec!["localhost".into()]).unwrap();
        params.not_before = rcgen::date_time_ymd(from.0, from.1, from.2);
        params.not_after = rcgen::date_time_ymd(until.0, until.1, until.2);
        files.put(&authority.issue(params));
        files.load(None);
    }
    // Without a name, too.
    files.put(&authority.issue(CertificateParams::default()));
    files.load(None);
}

#[test]
fn a_chain_is_shown_whole() {
    let authority = Authority::new("a");
    let files = Files::of(&authority);
    let server = authority.server();
    files.put(&server);
    files.write("server.pem", &format!("{}{}", server.certificate, authority.pem));
    files.load(None);
    let other = KeyPair::generate().unwrap().serialize_pem();
    files.write("server-key.pem", &other);
    assert!(problems(&files, files.settings(None)).contains("the two do not belong together"));
}
