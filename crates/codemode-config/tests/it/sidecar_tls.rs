//! The settings of TLS: where they may stand, what they mean together, and what is refused.

use codemode_config::{
    EmbeddedConfig, PolicySource,
    sidecar::{Arguments, Authorities, ClientCertificates, TlsSettings},
};

use crate::support::{Case, file, nothing};

const PAIR: &str = "cert_file: s.pem, key_file: s-key.pem";

fn tls(yaml: &str) -> (Case, TlsSettings) {
    let case = file(&format!("tls: {{{yaml}}}\n"));
    let tls = case.load().tls.unwrap();
    (case, tls)
}

/// Whether each client must show a certificate; `None` where none is asked for.
fn required(yaml: &str) -> Option<bool> {
    match tls(yaml).1.clients {
        ClientCertificates::NotAsked => None,
        ClientCertificates::Verified { required, .. } => Some(required),
    }
}

#[test]
fn naming_the_files_is_enough() {
    let (case, tls) = tls(PAIR);
    assert_eq!((tls.certificate.setting.as_str(), tls.key.setting.as_str()), ("tls.cert_file", "tls.key_file"));
    assert_eq!(tls.certificate.path, case.folder.path().join("s.pem"));
    assert_eq!(tls.clients, ClientCertificates::NotAsked);
    let nested = file(&format!("executor: {{tls: {{{PAIR}}}}}\ntls: {{enabled: true}}\ntls_enabled: true\n"));
    assert_eq!(nested.load().tls.unwrap().certificate.path, nested.folder.path().join("s.pem"));
    let variables = nothing().env("CODEMODE_TLS_CERT_FILE", "/c").env("CODEMODE_TLS_KEY_FILE", "/k");
    let tls = variables.load().tls.unwrap();
    assert_eq!((tls.certificate.setting.as_str(), tls.key.path), ("CODEMODE_TLS_CERT_FILE", "/k".into()));
}

#[test]
fn arguments_beat_the_environment_beats_the_file() {
    let case = file(&format!("tls: {{{PAIR}, ca_file: ca.pem}}\n")).env("CODEMODE_TLS_CERT_FILE", "from-environment");
    let case = case.env("CODEMODE_TLS_KEY_FILE", "from-environment-key");
    let arguments = Arguments { tls_cert: Some("from-arguments".into()), ..Arguments::default() };
    let case = case.arguments(arguments);
    let tls = case.load().tls.unwrap();
    assert_eq!((tls.certificate.setting.as_str(), tls.certificate.path), ("--tls-cert", "from-arguments".into()));
    assert_eq!((tls.key.setting.as_str(), tls.key.path), ("CODEMODE_TLS_KEY_FILE", "from-environment-key".into()));
    let ClientCertificates::Verified { authorities: Authorities::File(authorities), .. } = tls.clients else {
        panic!()
    };
    assert_eq!(authorities.path, case.folder.path().join("ca.pem"));
    let case = case.env("CODEMODE_TLS_REQUIRE_CLIENT_AUTH", "off");
    assert!(matches!(case.load().tls.unwrap().clients, ClientCertificates::Verified { required: false, .. }));
}

#[test]
fn whoever_names_an_authority_for_clients_wants_their_certificates() {
    assert_eq!(required(PAIR), None);
    assert_eq!(required(&format!("{PAIR}, require_client_auth: false, mode: custom")), None);
    assert_eq!(required(&format!("{PAIR}, ca_file: ca.pem")), Some(true));
    assert_eq!(required(&format!("{PAIR}, mode: custom, ca_file: ca.pem, require_client_auth: true")), Some(true));
    assert_eq!(required(&format!("{PAIR}, ca_file: ca.pem, require_client_auth: false")), Some(false));
    let (_, system) = tls(&format!("{PAIR}, mode: system, require_client_auth: true"));
    let authorities = Authorities::System("tls.mode".into());
    assert_eq!(system.clients, ClientCertificates::Verified { authorities, required: true });
}

#[test]
fn off_is_off() {
    for off in [
        "tls: {enabled: false}\n",
        "tls: {enabled: false, mode: system, cert_file: null, require_client_auth: false}\n",
        "tls:\n",
        "tls: {}\n",
        "tls_enabled: false\n",
        "tls: {client_cert_file: c.pem, client_key_file: c-key.pem}\n",
    ] {
        assert_eq!(file(off).load().tls, None, "{off}");
    }
    for name in ["ENABLED", "CERT_FILE", "MODE"] {
        assert_eq!(nothing().env(&format!("CODEMODE_TLS_{name}"), "").load().tls, None);
    }
    assert!(file("tls: {required: true}\n").load().tls_required);
    assert!(nothing().env("CODEMODE_TLS_REQUIRED", "true").load().tls_required);
    assert!(!nothing().load().tls_required);
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let refused = |yaml: &str| file(&format!("tls: {{{yaml}}}\n")).problems();
    insta::assert_snapshot!([
        "enabled: true",
        "cert_file: s.pem",
        "key_file: s-key.pem",
        "ca_file: ca.pem",
        "require_client_auth: true",
        "enabled: false, cert_file: s.pem, key_file: s-key.pem, ca_file: ca.pem, require_client_auth: true",
        "cert_file: s.pem, key_file: s-key.pem, require_client_auth: true",
        "cert_file: s.pem, key_file: s-key.pem, mode: system",
        "cert_file: s.pem, key_file: s-key.pem, mode: system, ca_file: ca.pem",
    ].map(|yaml| format!("{yaml}\n{}\n", refused(yaml))).join("\n"), @r"
    enabled: true
    codemode.yaml:1: tls.cert_file: is missing: tls.enabled asks for TLS, which needs the executor's certificate; set it, or CODEMODE_TLS_CERT_FILE
    codemode.yaml:1: tls.key_file: is missing: tls.enabled asks for TLS, which needs the certificate's private key; set it, or CODEMODE_TLS_KEY_FILE

    cert_file: s.pem
    codemode.yaml:1: tls.key_file: is missing: tls.cert_file asks for TLS, which needs the certificate's private key; set it, or CODEMODE_TLS_KEY_FILE

    key_file: s-key.pem
    codemode.yaml:1: tls.cert_file: is missing: tls.key_file asks for TLS, which needs the executor's certificate; set it, or CODEMODE_TLS_CERT_FILE

    ca_file: ca.pem
    codemode.yaml:1: tls.cert_file: is missing: tls.ca_file asks for TLS, which needs the executor's certificate; set it, or CODEMODE_TLS_CERT_FILE
    codemode.yaml:1: tls.key_file: is missing: tls.ca_file asks for TLS, which needs the certificate's private key; set it, or CODEMODE_TLS_KEY_FILE

    require_client_auth: true
    codemode.yaml:1: tls.cert_file: is missing: tls.require_client_auth asks for TLS, which needs the executor's certificate; set it, or CODEMODE_TLS_CERT_FILE
    codemode.yaml:1: tls.key_file: is missing: tls.require_client_auth asks for TLS, which needs the certificate's private key; set it, or CODEMODE_TLS_KEY_FILE
    codemode.yaml:1: tls.require_client_auth: needs to know who vouches for clients: set tls.ca_file, or tls.mode: system

    enabled: false, cert_file: s.pem, key_file: s-key.pem, ca_file: ca.pem, require_client_auth: true
    codemode.yaml:1: tls.cert_file: has no effect while tls.enabled is false; drop one of them
    codemode.yaml:1: tls.key_file: has no effect while tls.enabled is false; drop one of them
    codemode.yaml:1: tls.ca_file: has no effect while tls.enabled is false; drop one of them
    codemode.yaml:1: tls.require_client_auth: has no effect while tls.enabled is false; drop one of them

    cert_file: s.pem, key_file: s-key.pem, require_client_auth: true
    codemode.yaml:1: tls.require_client_auth: needs to know who vouches for clients: set tls.ca_file, or tls.mode: system

    cert_file: s.pem, key_file: s-key.pem, mode: system
    codemode.yaml:1: tls.mode: system says who vouches for clients, and has no effect without tls.require_client_auth: true; leave it out

    cert_file: s.pem, key_file: s-key.pem, mode: system, ca_file: ca.pem
    codemode.yaml:1: tls.ca_file: has no effect while tls.mode is system; drop one of them
    ");
    insta::assert_snapshot!(file("tls_enabled: true\nexecutor: {tls: {enabled: false}}\n").problems(), @r"
    codemode.yaml:1: tls.cert_file: is missing: tls_enabled asks for TLS, which needs the executor's certificate; set it, or CODEMODE_TLS_CERT_FILE
    codemode.yaml:1: tls.key_file: is missing: tls_enabled asks for TLS, which needs the certificate's private key; set it, or CODEMODE_TLS_KEY_FILE
    codemode.yaml:2: tls.enabled: `executor.tls.enabled` says something else than `tls_enabled` (line 1), the same setting; keep one
    ");
    let unix = format!("listen: unix:/run/s\ntls: {{{PAIR}}}\n");
    insta::assert_snapshot!(file(&unix).problems(), @r"codemode.yaml:2: tls.cert_file: is for TCP, and the executor listens on unix:/run/s, which needs no TLS; drop one of them");
}

#[test]
fn what_is_misspelt_is_named() {
    let yaml = "tls: {cert_fil: a, enabled: 'yes', mode: both, cert_file: '', key_file: 7, required: 1}\n";
    let case = file(yaml).env("CODEMODE_TLS_REQUIRE_CLIENT_AUTH", "perhaps").env("CODEMODE_TLS_MODE", "Custom");
    insta::assert_snapshot!(case.problems(), @r#"
    codemode.yaml:1: tls.cert_fil: unknown key; did you mean `cert_file`?
    codemode.yaml:1: tls.enabled: must be true or false, found the text "yes"
    codemode.yaml:1: tls.mode: must be custom or system, found the text "both"
    codemode.yaml:1: tls.cert_file: must be the path of a file, as text, found the text ""
    codemode.yaml:1: tls.key_file: must be the path of a file, as text, found the number 7
    codemode.yaml:1: tls.required: must be true or false, found the number 1
    CODEMODE_TLS_MODE: must be custom or system, found the text "Custom"
    CODEMODE_TLS_REQUIRE_CLIENT_AUTH: must be true or false, found the text "perhaps"
    "#);
    assert_eq!(file("tls: yes\n").problems(), "codemode.yaml:1: tls: must be a mapping of keys to values");
}

#[test]
fn an_embedded_executor_has_no_port_to_protect() {
    let given = |value| EmbeddedConfig::load(PolicySource::Value(value, "/".into()), &Default::default());
    for value in [serde_json::json!({"tls": {"enabled": true}}), serde_json::json!({"tls_enabled": true})] {
        let error = given(value).unwrap_err().to_string();
        assert!(error.contains("is a setting of `codemode serve`"), "{error}");
    }
}
