use std::sync::{Mutex, MutexGuard, PoisonError};

use super::*;

/// A file that another test's child still has open for writing cannot be executed.
fn one_at_a_time() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An executable script that plays the executor's side of the handshake.
fn script(folder: &Path, body: &str) -> EmbeddedOptions {
    let path = folder.join("codemode");
    std::fs::write(&path, format!("#!/bin/sh\nexec 2>/dev/null\n{body}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    EmbeddedOptions::new(path)
}

#[test]
fn the_request_reaches_the_child_and_its_life_hangs_on_us() {
    let _turn = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    // Notes what it was given, says ok on its own stdin, and goes when that ends.
    let body = r#"read line; echo "$line" > "$0.request"; env > "$0.env"; echo '{"ok":true}' >&0; cat >/dev/null"#;
    let mut options = script(folder.path(), body);
    options.policy = Some(json!({ "limits": { "cpus": 1 } }));
    let (child, location) = launch(&options).unwrap();

    let request = std::fs::read(folder.path().join("codemode.request")).unwrap();
    let request: Value = serde_json::from_slice(&request).unwrap();
    assert_eq!(request["socket"], location.socket.as_str());
    assert_eq!(request["api_key"].as_str().map(str::len), Some(64));
    assert_eq!(request["policy"]["limits"]["cpus"], 1);
    let environment = std::fs::read_to_string(folder.path().join("codemode.env")).unwrap();
    let foreign = environment.lines().find(|line| {
        let name = line.split('=').next().unwrap_or_default();
        // The shell sets the last three itself.
        !KEPT.contains(&name) && !["PWD", "SHLVL", "_"].contains(&name)
    });
    assert_eq!(foreign, None);

    let home = Path::new(&location.socket).parent().unwrap().to_path_buf();
    assert_eq!(std::fs::metadata(&home).unwrap().permissions().mode() & 0o777, 0o700);
    let copy = child.lifeline.try_clone().unwrap();
    drop(child);
    assert!(!home.exists());
    // A copy of our end, as a forked process has one, does not hold up an explicit end.
    drop(copy);
}

#[test]
fn a_refusal_is_passed_on() {
    let _turn = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let answer = |line: &str| script(folder.path(), &format!("read request; echo '{line}' >&0; cat >/dev/null"));
    let error = launch(&answer(r#"{"ok":false,"code":"isolation","message":"no user namespaces"}"#)).err().unwrap();
    assert_eq!((error.code(), error.to_string().contains("no user namespaces")), ("isolation", true));
    let error = launch(&answer(r#"{"ok":false,"code":"policy","message":"limits.cpu: unknown"}"#)).err().unwrap();
    assert!(matches!(error, ClientError::Config { .. }), "{error:?}");
}

#[test]
fn an_early_end_is_told_with_its_status() {
    let _turn = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let error = launch(&script(folder.path(), "read request; exit 3")).err().unwrap();
    assert!(error.to_string().contains("exit status: 3"), "{error}");
    let error = launch(&EmbeddedOptions::new("/nowhere/codemode")).err().unwrap();
    assert!(error.to_string().contains("/nowhere/codemode"), "{error}");
}

#[test]
fn only_the_variables_that_a_policy_names_are_passed_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.yaml");
    std::fs::write(&file, "a: ${PATH}\nb: ${NOT_SET_ANYWHERE:-x}\n").unwrap();
    assert_eq!(named_variables(&file).into_keys().collect::<Vec<_>>(), ["PATH"]);
}
