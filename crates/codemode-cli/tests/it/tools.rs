//! How `codemode tools` becomes the interpreter. What that does then is shown with the installed package, in Python.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use crate::support::{Ran, codemode, command};

/// An interpreter that prints what it was asked to do.
fn echo(folder: &Path) -> String {
    let path = folder.join("python");
    fs::write(&path, "#!/bin/sh\nshift 2\nprintf '%s\\n' \"$@\"\nexit 7\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().into()
}

fn with_interpreter(path: &str, arguments: &[&str]) -> Ran {
    command(arguments).env("CODEMODE_GUEST_INTERPRETER", path).output().unwrap().into()
}

#[test]
fn sources_and_options_arrive_in_order_and_the_exit_code_is_the_interpreters() {
    let folder = tempfile::tempdir().unwrap();
    let python = echo(folder.path());
    let arguments = ["tools", "stubs", "--tools", "a.py", "--tools", "shop.tools", "-o", "my stubs.pyi"];
    let ran = with_interpreter(&python, &arguments);
    assert_eq!((ran.exit, ran.stderr.as_str()), (7, ""));
    assert_eq!(ran.stdout, "stubs\n--tools=a.py\n--tools=shop.tools\n--output=my stubs.pyi\n");
    let ran = with_interpreter(&python, &["tools", "list", "--tools=-x", "--json"]);
    assert_eq!((ran.exit, ran.stdout.as_str()), (7, "list\n--tools=-x\n--json\n"));
}

#[test]
fn an_interpreter_without_the_package_is_named_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    // A folder with a module of our name is no package of ours.
    fs::write(folder.path().join("codemode.py"), "raise SystemExit('the wrong codemode')").unwrap();
    let mut command = command(&["tools", "list", "--tools", "my_tools.py"]);
    command.env("CODEMODE_GUEST_INTERPRETER", "/usr/bin/python3").env("PYTHONNOUSERSITE", "1");
    let ran: Ran = command.current_dir(&folder).output().unwrap().into();
    assert_eq!((ran.exit, ran.stdout.as_str()), (69, ""));
    insta::assert_snapshot!(ran.stderr);
}

#[test]
fn an_interpreter_that_cannot_be_run_is_named() {
    let ran = with_interpreter("/no/python", &["tools", "stubs", "--tools", "my_tools.py"]);
    assert_eq!(ran.exit, 69);
    insta::assert_snapshot!(ran.stderr);
}

#[test]
fn tools_are_needed() {
    let ran = codemode(&["tools", "stubs"]);
    assert_eq!(ran.exit, 64);
    insta::assert_snapshot!(ran.stderr);
}

#[test]
fn run_has_its_tools_served_by_the_same_interpreter() {
    let folder = tempfile::tempdir().unwrap();
    let python = echo(folder.path());
    let arguments = ["run", "/dev/null", "--tools=-x", "--tools", "shop.tools", "--tool-filter", "a,b", "--json"];
    let ran = with_interpreter(&python, &arguments);
    assert_eq!((ran.exit, ran.stdout.as_str()), (2, ""));
    let asked = "serve\n--tools=-x\n--tools=shop.tools\n--tool-filter=a\n--tool-filter=b\n";
    assert_eq!(ran.stderr, format!("{asked}codemode: loading the tools ended Python: exit status: 7\n"));
    let ran = with_interpreter("/no/python", &["run", "/dev/null", "--tools", "a.py"]);
    assert_eq!((ran.exit, ran.stdout.as_str()), (69, ""));
    assert!(ran.stderr.contains("/no/python"), "{}", ran.stderr);
}
