//! How `run` and `health` are told to reach an executor of others; `tests/python/e2e/test_tls_client.py` reaches one.

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    thread,
};

use crate::support::{Ran, codemode, command};

fn refused(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let ran: Ran = command(arguments).envs(environment.iter().copied()).output().unwrap().into();
    assert_eq!((ran.exit, ran.stdout.as_str()), (64, ""), "{}", ran.stderr);
    ran.stderr
}

#[test]
fn options_for_an_executor_of_others_need_its_address() {
    for option in ["--api-key-file", "--tls-ca", "--tls-cert", "--tls-key"] {
        let said = refused(&["run", "-", option, "x"], &[]);
        assert_eq!(said, format!("codemode: {option} is for an executor of others: give its address with --url\n"));
    }
}

#[test]
fn tls_and_an_address_without_it_contradict_each_other() {
    let tls = [("CODEMODE_TLS_ENABLED", "true")];
    insta::assert_snapshot!(refused(&["run", "-", "--url", "http://h:1"], &tls), @r"codemode: configuration: --url: http://h:1 says no TLS but CODEMODE_TLS_ENABLED is true; use https:// or leave CODEMODE_TLS_ENABLED out");
    insta::assert_snapshot!(refused(&["run", "-", "--url", "unix:/s", "--tls-ca", "ca.pem"], &[]), @r"codemode: configuration: --url: unix:/s says no TLS but --tls-ca is ca.pem; leave --tls-ca out");
    insta::assert_snapshot!(refused(&["health", "--url", "grpcs://h"], &[("CODEMODE_TLS_ENABLED", "0")]), @r"codemode: configuration: --url: grpcs://h says TLS but CODEMODE_TLS_ENABLED is false; use grpc:// or leave CODEMODE_TLS_ENABLED out");
    let mode = [("CODEMODE_TLS_MODE", "system")];
    insta::assert_snapshot!(refused(&["health", "--url", "https://h", "--tls-ca", "ca.pem"], &mode), @r"codemode: configuration: CODEMODE_TLS_MODE: is system but --tls-ca is set; use mode custom, or leave one out");
    // Where `codemode serve` would listen without TLS.
    let said = refused(&["health", "--tls-ca", "ca.pem"], &[]);
    assert!(said.contains(r#""http://127.0.0.1:8001" says no TLS, but tls.ca_file"#), "{said}");
}

#[test]
fn files_are_named_by_the_setting_that_names_them() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty");
    fs::write(&empty, "\n").unwrap();
    let empty = empty.to_str().unwrap();
    let said = refused(&["run", "-", "--url", "https://h", "--tls-cert", "c.pem"], &[]);
    insta::assert_snapshot!(said, @r"codemode: configuration: --tls-cert: needs tls.client_key_file: a certificate and its key belong together");
    let said = refused(&["run", "-", "--url", "https://h", "--tls-ca", "/no/ca.pem"], &[]);
    insta::assert_snapshot!(said, @"codemode: tls.ca_file (tls_cert_path, CODEMODE_TLS_CA_FILE, --tls-ca): cannot read /no/ca.pem: No such file or directory (os error 2)");
    for arguments in [["run", "-"].as_slice(), &["health"]] {
        let with_file = |path: &str| {
            let arguments: Vec<_> = [arguments, &["--url", "http://h", "--api-key-file", path]].concat();
            refused(&arguments, &[])
        };
        assert_eq!(with_file(empty), format!("codemode: --api-key-file: {empty} is empty\n"));
        assert!(with_file("/no/key").starts_with("codemode: --api-key-file: cannot read /no/key: No such file"));
    }
    let said = refused(&["run", "-", "--url", "http://h"], &[("CODEMODE_EXECUTOR_API_KEY_FILE", empty)]);
    assert_eq!(said, format!("codemode: configuration: CODEMODE_EXECUTOR_API_KEY_FILE: {empty} is empty\n"));
}

/// A file names the executor, or `.env` beside it does; both are read, and nobody is there.
#[test]
fn the_address_may_stand_in_a_file() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| -> Ran {
        let arguments = [&["run", "-"], arguments].concat();
        command(&arguments).current_dir(folder.path()).output().unwrap().into()
    };
    let unreachable = |ran: &Ran| {
        let said = format!("codemode: cannot connect to the executor at {url}: ");
        assert!(ran.exit == 69 && ran.stderr.starts_with(&said), "{} {}", ran.exit, ran.stderr);
    };
    let off = "retry: {enabled: false}\n";
    fs::write(folder.path().join("client.yaml"), format!("executor_url: {url}\n{off}limits: {{cpus: 1}}\n")).unwrap();
    unreachable(&run(&["--config", "client.yaml"]));
    fs::write(folder.path().join(".env"), format!("CODEMODE_EXECUTOR_URL={url}\nCODEMODE_RETRY_ENABLED=no\n")).unwrap();
    fs::write(folder.path().join("client.yaml"), "limits: {cpus: 1}\n").unwrap();
    unreachable(&run(&["--config", "client.yaml"]));
    // The folder that a client is started in may be anybody's: it does not name who gets the code.
    assert!(!run(&[]).stderr.contains("cannot connect"));
    // What is wrong with the policy is known before anybody is asked.
    fs::write(folder.path().join("client.yaml"), "limits:\n  cpu: 1\n").unwrap();
    let said = run(&["--config", "client.yaml"]);
    assert_eq!(said.stderr, "codemode: configuration: client.yaml:2: limits.cpu: unknown key; did you mean `cpus`?\n");
}

/// Something answers, and not with TLS.
#[test]
fn what_does_not_speak_tls_is_said_by_run_and_by_health() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let answering = thread::spawn(move || {
        for socket in listener.incoming().take(3) {
            let mut socket = socket.unwrap();
            let _ = socket.read(&mut [0; 1]);
            let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let said = format!(
        "the executor at {url} does not speak TLS: use {} if you trust the network, or set the executor's \
         tls.cert_file and tls.key_file",
        url.replace("https", "http")
    );
    // It does not come to a question of trust.
    let roots = folder.path().join("ca.pem");
    fs::write(&roots, rcgen::generate_simple_self_signed(["h".to_owned()]).unwrap().cert.pem()).unwrap();
    let roots = ["--url", &url, "--tls-ca", roots.to_str().unwrap()];
    let health = codemode(&[&["health"][..], &roots].concat());
    assert_eq!((health.exit, health.stderr), (1, format!("codemode: {said}\n")));
    let run = codemode(&[&["run", "-"][..], &roots].concat());
    assert_eq!((run.exit, run.stderr), (69, format!("codemode: {said}\n")));
    let json = codemode(&[&["run", "-", "--json"][..], &roots].concat());
    let document: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((json.exit, &document["error"]["message"]), (69, &said.into()));
    assert_eq!(document["error"]["error_type"], "ExecutorConnectionError");
    answering.join().unwrap();
}

#[test]
fn completions_know_the_options() {
    let script = codemode(&["completions", "bash"]).stdout;
    assert!(["--api-key-file", "--tls-ca", "--tls-cert", "--tls-key"].iter().all(|option| script.contains(option)));
}
