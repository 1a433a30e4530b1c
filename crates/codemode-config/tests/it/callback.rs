//! Where the application serves its tools to the published protocol: what may say it, and what is refused.

use codemode_config::sidecar::{Authorities, ListenAddress};

use crate::support::{file, nothing};

#[test]
fn the_published_sidecars_file_and_variables_say_it() {
    let yaml = "main_app_grpc_target: ${CODEMODE_MAIN_APP_TARGET:-localhost:50051}\ncallback_tls: {enabled: false}\n";
    let callback = file(yaml).load().callback.unwrap();
    assert_eq!((callback.target.to_string().as_str(), callback.tls), ("localhost:50051", None));
    for name in ["CODEMODE_MAIN_APP_TARGET", "MAIN_APP_GRPC_TARGET"] {
        let callback = nothing().env(name, "[::1]:50051").load().callback.unwrap();
        assert_eq!(callback.target, ListenAddress::Tcp { host: "::1".into(), port: 50051 });
    }
    assert_eq!(nothing().load().callback, None);
    let unix = file("main_app_grpc_target: unix:/run/app.sock\n").load().callback.unwrap();
    assert_eq!(unix.target, ListenAddress::Unix("/run/app.sock".into()));
}

#[test]
fn tls_to_it_is_said_in_the_published_words() {
    let target = "main_app_grpc_target: app:50051\n";
    let case = file(&format!("{target}callback_tls: {{ca_file: ca.pem, client_cert: c.pem, client_key: k.pem}}\n"));
    let tls = case.load().callback.unwrap().tls.unwrap();
    let Authorities::File(authorities) = tls.authorities else { panic!("a file") };
    let identity = tls.identity.unwrap();
    let paths = [authorities.path, identity.certificate.path, identity.key.path];
    assert_eq!(paths, ["ca.pem", "c.pem", "k.pem"].map(|name| case.folder.path().join(name)));
    let variables = nothing()
        .env("CODEMODE_MAIN_APP_TARGET", "app:50051")
        .env("CODEMODE_CALLBACK_TLS_CLIENT_CERT", "/c")
        .env("CODEMODE_CALLBACK_TLS_CLIENT_KEY", "/k")
        .env("CODEMODE_CALLBACK_TLS_ENABLED", "true");
    let tls = variables.load().callback.unwrap().tls.unwrap();
    assert_eq!(tls.authorities, Authorities::System("CODEMODE_CALLBACK_TLS_ENABLED".into()));
    let variables = variables.env("CODEMODE_CALLBACK_TLS_CA_FILE", "/a");
    assert!(matches!(variables.load().callback.unwrap().tls.unwrap().authorities, Authorities::File(_)));
    assert_eq!(variables.load().to_value()["callback_tls"]["client_key"], "/k");
}

#[test]
fn what_contradicts_itself_is_refused() {
    insta::assert_snapshot!(file("main_app_grpc_target: nowhere\n").problems(), @r#"codemode.yaml:1: main_app_grpc_target: must be HOST:PORT or unix:PATH, found the text "nowhere""#);
    insta::assert_snapshot!(file("main_app_grpc_target: app:0\n").problems(), @"codemode.yaml:1: main_app_grpc_target: must name the port that the application's ToolService listens on");
    insta::assert_snapshot!(file("callback_tls: {enabled: true}\n").problems(), @"codemode.yaml:1: callback_tls.enabled: has no effect without main_app_grpc_target; set it, or leave this out");
    insta::assert_snapshot!(file("main_app_grpc_target: app:1\ncallback_tls: {enabled: false, ca_file: c}\n").problems(), @"codemode.yaml:2: callback_tls.ca_file: has no effect while callback_tls.enabled is false; drop one of them");
    insta::assert_snapshot!(file("main_app_grpc_target: unix:/s\ncallback_tls: {ca_file: c}\n").problems(), @"codemode.yaml:2: callback_tls.ca_file: is for TCP, and main_app_grpc_target is a Unix socket; drop one of them");
    insta::assert_snapshot!(file("main_app_grpc_target: app:1\ncallback_tls: {client_key: k}\n").problems(), @"codemode.yaml:2: callback_tls.client_key: needs callback_tls.client_cert: a certificate and its key belong together");
    insta::assert_snapshot!(file("main_app_grpc_target: app:1\ncallback_tls: {client_crt: k}\n").problems(), @"codemode.yaml:2: callback_tls.client_crt: unknown key; did you mean `client_cert`?");
}
