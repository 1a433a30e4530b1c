//! What bad usage gets: exit 64, and a text that says how to mend it.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt};

use crate::support::{Ran, codemode, command};

fn with_environment(arguments: &[&str], environment: &[(&str, &str)]) -> Ran {
    command(arguments).envs(environment.iter().copied()).output().unwrap().into()
}

fn refusal(ran: &Ran) -> &str {
    assert_eq!((ran.exit, ran.stdout.as_str()), (64, ""), "{}", ran.stderr);
    &ran.stderr
}

#[test]
fn bad_usage_is_64() {
    insta::assert_snapshot!(refusal(&codemode(&["rnu"])));
    insta::assert_snapshot!(refusal(&codemode(&["run"])));
    insta::assert_snapshot!(refusal(&codemode(&["run", "-", "--timeout", "0"])));
    insta::assert_snapshot!(refusal(&codemode(&["serve", "--listen", "8001"])));
    insta::assert_snapshot!(refusal(&codemode(&["serve", "--port", "1", "--listen", "a:1"])));
    refusal(&codemode(&[]));
}

#[test]
fn embedded_is_not_for_people() {
    let ran = codemode(&["serve", "--embedded"]);
    assert!(refusal(&ran).starts_with("codemode: serve --embedded is for client libraries"), "{}", ran.stderr);
}

#[test]
fn a_wrong_configuration_is_64_with_every_problem() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.yaml");
    fs::write(&path, "prt: 1\nlimits: {memory_limt: 1g}\n").unwrap();
    let path = path.display().to_string();
    let said = |ran: &Ran| refusal(ran).replace(&path, "c.yaml");
    let ran = with_environment(&["serve", "--config", &path], &[("CODEMODE_API_KEY", "")]);
    insta::assert_snapshot!(said(&ran));
    let ran = codemode(&["run", "-", "--config", &path]);
    insta::assert_snapshot!(said(&ran));
    let ran = codemode(&["serve", "--config", "/nowhere"]);
    insta::assert_snapshot!(refusal(&ran));
}

#[test]
fn a_log_filter_that_is_none_is_64() {
    let malformed = [("CODEMODE_LOG", "codemode_server=loud")];
    let ran = with_environment(&["serve", "--port", "0"], &malformed);
    insta::assert_snapshot!(refusal(&ran), @r#"codemode: CODEMODE_LOG: `codemode_server=loud` is not a filter (error parsing level filter: expected one of "off", "error", "warn", "info", "debug", "trace", or a number 0-5); write a level, or parts such as codemode_server=debug"#);
    let ran = with_environment(&["run", "-"], &malformed);
    assert!(refusal(&ran).contains("CODEMODE_LOG: `codemode_server=loud` is not a filter"), "{}", ran.stderr);
}

#[test]
fn an_open_address_without_a_key_is_refused() {
    let ran = codemode(&["serve", "--host", "0.0.0.0", "--port", "0"]);
    assert_eq!(ran.exit, 69);
    assert!(ran.stderr.contains("no API key is set: set CODEMODE_API_KEY"), "{}", ran.stderr);
}

#[test]
fn run_says_what_it_cannot_read() {
    insta::assert_snapshot!(refusal(&codemode(&["run", "/nowhere/job.py"])));
    insta::assert_snapshot!(refusal(&codemode(&["run", "-", "--workspace", "/nowhere"])));
    insta::assert_snapshot!(refusal(&codemode(&["run", "-", "--workspace", "/etc/passwd"])));
    let remote = [("CODEMODE_EXECUTOR_URL", "http://127.0.0.1:1")];
    insta::assert_snapshot!(refusal(&with_environment(&["run", "-", "--workspace", "/"], &remote)));
    insta::assert_snapshot!(refusal(&codemode(&["run", "-", "--url", "ftp://x"])));
}

/// Before, the whole policy was lost with such a folder: its commands, its limits, and where outputs go.
#[test]
fn a_folder_whose_name_is_no_text_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let odd = folder.path().join(OsStr::from_bytes(b"odd\xff"));
    fs::create_dir(&odd).unwrap();
    for option in ["--workspace", "--outputs"] {
        let ran: Ran = command(&["run", "-", option]).arg(&odd).output().unwrap().into();
        let said = refusal(&ran);
        assert!(said.starts_with(&format!("codemode: {option}: ")) && said.contains("is not UTF-8"), "{said}");
    }
}

#[test]
fn an_executor_that_is_not_there_is_69() {
    // A port that was free a moment ago, and that nobody listens on.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let ran = codemode(&["run", "-", "--url", &url]);
    assert_eq!((ran.exit, ran.stdout.as_str()), (69, ""));
    assert!(ran.stderr.starts_with(&format!("codemode: cannot connect to the executor at {url}: ")), "{}", ran.stderr);
    let ran = codemode(&["run", "-", "--json", "--url", &url]);
    assert_eq!((ran.exit, ran.stderr.as_str()), (69, ""));
    let document: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let expected = (&false.into(), &serde_json::Value::Null, &"ExecutorConnectionError".into());
    assert_eq!((&document["success"], &document["outcome"], &document["error"]["error_type"]), expected);
}
