//! TLS as an operator sets it up: certificates to develop with, a daemon that shows them, and what it says of bad ones.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use rustix::process::Signal;

use crate::support::{Ran, codemode, command, daemon, line_with, rest, signal};

fn generate(folder: &Path, arguments: &[&str]) -> Ran {
    codemode(&[&["tls", "generate-certs", "--out", folder.to_str().unwrap()], arguments].concat())
}

fn shown(text: &str, folder: &Path) -> String {
    text.replace(folder.to_str().unwrap(), "[folder]")
}

fn modes(folder: &Path) -> Vec<(String, u32)> {
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().permissions().mode() & 0o777)
        })
        .collect();
    found.sort();
    found
}

#[test]
fn certificates_to_develop_with() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("a/certs");
    let ran = generate(&folder, &["--host", "executor,10.0.0.1", "--client", "alice"]);
    assert_eq!((ran.exit, ran.stderr.as_str()), (0, ""));
    insta::assert_snapshot!(shown(&ran.stdout, &folder));
    let names = ["alice-key.pem", "alice.pem", "ca-key.pem", "ca.pem", "server-key.pem", "server.pem"];
    let expected = names.map(|name| (name.to_owned(), if name.contains("-key") { 0o600 } else { 0o644 }));
    assert_eq!(modes(&folder), expected);
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn what_is_there_stays_unless_it_is_forced() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    assert_eq!(generate(folder, &[]).exit, 0);
    let (ca, key, server) = (read("ca.pem"), read("ca-key.pem"), read("server.pem"));
    let ran = generate(folder, &["--client", "alice"]);
    assert!(ran.exit == 0 && ran.stdout.contains("kept") && ran.stdout.contains("wrote"), "{}", ran.stdout);
    assert_eq!((read("ca.pem"), read("ca-key.pem"), read("server.pem")), (ca.clone(), key.clone(), server.clone()));
    let ran = generate(folder, &["--host", "executor"]);
    assert_eq!(ran.exit, 64);
    insta::assert_snapshot!(shown(&ran.stderr, folder), @r"codemode: [folder]/server.pem is there already, and may be for other names; --force replaces it");
    assert_eq!(read("server.pem"), server);
    let ran = generate(folder, &["--host", "executor", "--force"]);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    assert_eq!((read("ca.pem"), read("ca-key.pem")), (ca, key));
    assert_ne!(read("server.pem"), server);
    fs::remove_file(folder.join("ca-key.pem")).unwrap();
    let ran = generate(folder, &["--force"]);
    insta::assert_snapshot!(shown(&ran.stderr, folder), @r"codemode: [folder]/ca.pem is there and [folder]/ca-key.pem is not; move it away");
    fs::write(folder.join("ca-key.pem"), "nothing").unwrap();
    assert!(generate(folder, &["--force"]).stderr.contains("ca-key.pem cannot be used"));
}

#[test]
fn names_that_are_none_are_refused_before_anything_is_written() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("certs");
    for wrong in [["--host", "https://x"], ["--client", "../x"], ["--client", "ca"], ["--days", "0"]] {
        let ran = generate(&folder, &wrong);
        assert!(ran.exit == 64 && !folder.exists(), "{wrong:?}: {}", ran.stderr);
    }
    let file = parent.path().join("file");
    fs::write(&file, "").unwrap();
    let ran = generate(&file, &[]);
    assert!(ran.exit == 64 && ran.stderr.contains("cannot create"), "{}", ran.stderr);
}

/// A folder with certificates, and the arguments of a daemon that shows them.
struct Certs(tempfile::TempDir);

impl Certs {
    fn new() -> Self {
        let certs = Self(tempfile::tempdir().unwrap());
        certs.make("certs", &["--client", "alice"]);
        certs
    }

    fn make(&self, name: &str, arguments: &[&str]) -> PathBuf {
        let folder = self.0.path().join(name);
        assert_eq!(generate(&folder, arguments).exit, 0);
        folder
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join("certs").join(name).display().to_string()
    }

    fn arguments(&self) -> [String; 4] {
        ["--tls-cert".into(), self.path("server.pem"), "--tls-key".into(), self.path("server-key.pem")]
    }
}

fn serve(certs: &Certs, more: &[&str], environment: &[(&str, &str)]) -> crate::support::Daemon {
    let arguments = certs.arguments();
    let arguments: Vec<_> = ["--port", "0"].into_iter().chain(arguments.iter().map(String::as_str)).collect();
    daemon(&[&arguments, more].concat(), environment)
}

/// `openssl s_client`, an implementation that is not ours.
fn openssl(address: &str, arguments: &[&str]) -> String {
    let output = std::process::Command::new("openssl")
        .args([&["s_client", "-connect", address], arguments].concat())
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn certificates_are_read_again_on_sighup() {
    let certs = Certs::new();
    let mut daemon = serve(&certs, &[], &[]);
    let verified = |folder: &Path| {
        let authority = folder.join("ca.pem").display().to_string();
        openssl(&daemon.address, &["-CAfile", &authority, "-verify_hostname", "localhost"])
            .contains("Verify return code: 0 (ok)")
    };
    let (old, new) = (PathBuf::from(certs.path("")), certs.make("other", &[]));
    assert!(verified(&old) && !verified(&new));
    for name in ["server.pem", "server-key.pem"] {
        fs::copy(new.join(name), certs.path(name)).unwrap();
    }
    signal(&daemon.child, Signal::HUP);
    line_with(&mut daemon.log, "SIGHUP");
    line_with(&mut daemon.log, "certificates were read again and hold from now on");
    fs::write(certs.path("server-key.pem"), "nothing").unwrap();
    signal(&daemon.child, Signal::HUP);
    let line =
        line_with(&mut daemon.log, "certificates were read again and cannot be used; those from before still hold");
    assert!(line.contains("--tls-key: ") && line.contains("holds no private key"), "{line}");
    signal(&daemon.child, Signal::TERM);
    assert_eq!(daemon.child.wait().unwrap().code(), Some(0));
}

/// What the daemon says before it serves.
fn warnings(certs: &Certs) -> String {
    let mut child = command(&["serve", "--port", "0", "--log-level", "warn"])
        .args(certs.arguments())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = std::io::BufReader::new(child.stderr.take().unwrap());
    let line = line_with(&mut log, "WARN");
    child.kill().unwrap();
    child.wait().unwrap();
    line
}

#[test]
fn what_is_wrong_with_a_certificate_that_is_shown_is_said_aloud() {
    let certs = Certs::new();
    fs::set_permissions(certs.path("server-key.pem"), fs::Permissions::from_mode(0o644)).unwrap();
    let said = warnings(&certs);
    assert!(said.contains("every user of this machine can read the TLS private key"), "{said}");
    fs::set_permissions(certs.path("server-key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    let key = rcgen::KeyPair::from_pem(&fs::read_to_string(certs.path("server-key.pem")).unwrap()).unwrap();
    for (from, until, words) in [
        (1999, 2000, "expired on 2000-01-01T00:00:00Z: clients refuse it"),
        (9000, 9001, "is not valid before 9000-01-01T00:00:00Z: clients refuse it"),
        (1999, 9000, "names no host (subject alternative name): clients refuse it"),
    ] {
        let mut params = rcgen::CertificateParams::default();
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        fs::write(certs.path("server.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        let said = warnings(&certs);
        assert!(said.contains(words), "{said}");
    }
}

fn log_of(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let mut daemon = daemon(arguments, environment);
    signal(&daemon.child, Signal::TERM);
    assert_eq!(daemon.child.wait().unwrap().code(), Some(0));
    rest(&mut daemon.log)
}

#[test]
fn a_port_for_others_without_tls_is_warned_of_once() {
    let long = [("CODEMODE_API_KEY", "0123456789abcdef")];
    let open = ["--host", "0.0.0.0", "--port", "0"];
    let log = log_of(&open, &long);
    assert_eq!(log.matches(" WARN ").count(), 1, "{log}");
    assert!(log.contains("keys, code and results cross the network unencrypted"), "{log}");
    let log = log_of(&open, &[("CODEMODE_API_KEY", "0123456789abcde")]);
    assert!(log.contains("an API key has fewer than 16 bytes"), "{log}");
    let certs = Certs::new();
    let arguments = certs.arguments();
    let arguments: Vec<_> = open.into_iter().chain(arguments.iter().map(String::as_str)).collect();
    let log = log_of(&arguments, &long);
    assert!(!log.contains(" WARN "), "{log}");
    let log = log_of(&["--port", "0"], &[("CODEMODE_API_KEY", "short")]);
    assert!(!log.contains(" WARN "), "{log}");
}

#[test]
fn where_tls_is_required_no_port_for_others_goes_without() {
    let mut command = command(&["serve", "--host", "0.0.0.0", "--port", "0"]);
    let command = command.env("CODEMODE_API_KEY", "0123456789abcdef").env("CODEMODE_TLS_REQUIRED", "true");
    let ran: Ran = command.output().unwrap().into();
    assert_eq!(ran.exit, 69);
    insta::assert_snapshot!(ran.stderr.lines().last().unwrap(), @r"codemode: 0.0.0.0:0 can be reached from other machines and tls.required is true: set tls.cert_file and tls.key_file, or listen on 127.0.0.1 or on a Unix socket");
    log_of(&["--port", "0"], &[("CODEMODE_TLS_REQUIRED", "true")]);
}

#[test]
fn files_that_cannot_be_used_are_bad_configuration() {
    let certs = Certs::new();
    let (certificate, key) = (certs.path("server.pem"), certs.path("server-key.pem"));
    let ran = codemode(&["serve", "--tls-cert", &key, "--tls-key", &certificate, "--tls-client-ca", "/nowhere"]);
    assert_eq!(ran.exit, 64);
    insta::assert_snapshot!(shown(&ran.stderr, certs.0.path()), @r"
    codemode: configuration:
      --tls-cert: [folder]/certs/server-key.pem holds no certificate in PEM form; it holds a private key: are the certificate and the key swapped?
      --tls-key: [folder]/certs/server.pem holds a certificate and no private key: are the certificate and the key swapped?
      --tls-client-ca: cannot read /nowhere: No such file or directory (os error 2)
    ");
    let ran = codemode(&["serve", "--tls-cert", &certificate]);
    insta::assert_snapshot!(shown(&ran.stderr, certs.0.path()), @r"codemode: configuration: tls.key_file: is missing: --tls-cert asks for TLS, which needs the certificate's private key; set it, or CODEMODE_TLS_KEY_FILE");
}

#[test]
fn a_client_with_its_certificate_is_served() {
    let certs = Certs::new();
    let authority = certs.path("ca.pem");
    let mut daemon = serve(&certs, &["--tls-client-ca", &authority], &[("CODEMODE_API_KEY", "0123456789abcdef")]);
    let url = format!("https://{}", daemon.address);
    let job = certs.0.path().join("job.py");
    fs::write(&job, "6 * 7").unwrap();
    let run = |more: &[&str]| -> Ran {
        let mut command =
            command(&[&["run", job.to_str().unwrap(), "--url", &url, "--tls-ca", &authority], more].concat());
        command.env("CODEMODE_EXECUTOR_API_KEY", "0123456789abcdef").output().unwrap().into()
    };
    let (certificate, key) = (certs.path("alice.pem"), certs.path("alice-key.pem"));
    let ran = run(&["--tls-cert", &certificate, "--tls-key", &key]);
    assert_eq!((ran.exit, ran.stdout.as_str()), (0, "42\n"), "{}", ran.stderr);
    assert_eq!(run(&[]).exit, 69);
    let line = line_with(&mut daemon.log, "refused 127.0.0.1:");
    assert!(line.contains("a client certificate is required, and none came"), "{line}");
}
