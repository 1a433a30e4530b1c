//! `codemode health`, as a container's HEALTHCHECK and other supervisors call it.

use std::{fs, net::TcpListener};

use crate::support::{Ran, codemode, command, daemon};

#[test]
fn an_executor_that_serves_is_0_with_one_line() {
    let daemon = daemon(&["--port", "0"], &[("CODEMODE_API_KEY", "k")]);
    let url = format!("http://{}", daemon.address);
    let ran = codemode(&["health", "--url", &url]);
    assert_eq!((ran.exit, ran.stdout, ran.stderr), (0, format!("serving: {url}\n"), String::new()));
}

#[test]
fn a_unix_socket_is_asked_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let path = format!("unix:{}", folder.path().join("s").display());
    let file = folder.path().join("c.yaml");
    fs::write(&file, format!("listen: {path}\n")).unwrap();
    let file = file.to_str().unwrap();
    let _daemon = daemon(&["--config", file], &[]);
    for arguments in [["--url", &path], ["--config", file]] {
        let ran = codemode(&["health", arguments[0], arguments[1]]);
        assert_eq!((ran.exit, ran.stdout), (0, format!("serving: {path}\n")), "{}", ran.stderr);
    }
}

#[test]
fn it_asks_where_the_same_environment_would_serve() {
    // A port that was free a moment ago, and that nobody listens on.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let environment = [("CODEMODE_HOST", "0.0.0.0".to_owned()), ("CODEMODE_PORT", port.to_string())];
    let ran: Ran = command(&["health"]).envs(environment).output().unwrap().into();
    assert_eq!((ran.exit, ran.stdout.as_str()), (1, ""));
    let expected = format!("codemode: cannot connect to the executor at http://127.0.0.1:{port}: ");
    assert!(ran.stderr.starts_with(&expected) && ran.stderr.lines().count() == 1, "{}", ran.stderr);
}

#[test]
fn bad_usage_is_64() {
    assert_eq!(codemode(&["health", "--url", "ftp://x"]).exit, 64);
    assert_eq!(codemode(&["health", "--config", "/nowhere"]).exit, 64);
    assert_eq!(codemode(&["health", "--config", "c", "--url", "unix:s"]).exit, 64);
}
