//! What ordinary programs expect, and get.

use std::{fs, process::Command};

use crate::{
    cell::{result, run_with},
    harness::{Zygote, interpreter, ordinary, policy},
};

#[test]
fn files_are_copied_with_their_attributes() {
    let code = "
import subprocess
copy = subprocess.run(['cp', '-a', '/workspace/a.txt', '/sandbox/b.txt'], capture_output=True, text=True)
move = subprocess.run(['mv', '/sandbox/b.txt', '/outputs/'], capture_output=True, text=True)
result = [copy.returncode, copy.stderr, move.returncode, move.stderr]";
    assert_eq!(result(&run_with(&["cp", "mv"], code)), r#"[0,"",0,""]"#);
}

#[test]
fn a_private_workspace_can_be_read_and_not_changed() {
    let workspace = tempfile::tempdir().unwrap();
    let private = |mode| std::os::unix::fs::PermissionsExt::from_mode(mode);
    fs::create_dir(workspace.path().join("sub")).unwrap();
    fs::write(workspace.path().join("sub/secret.txt"), "mine").unwrap();
    fs::set_permissions(workspace.path().join("sub/secret.txt"), private(0o600)).unwrap();
    fs::set_permissions(workspace.path().join("sub"), private(0o700)).unwrap();
    fs::set_permissions(workspace.path(), private(0o700)).unwrap();
    let zygote = Zygote::start(&policy(&[], Some(workspace.path())));
    let code = "
import os
def attempt(f):
    try:
        f()
        return 'changed'
    except OSError as e:
        return e.errno in (1, 13, 30)
path = '/workspace/sub/secret.txt'
result = [open(path).read(), attempt(lambda: open(path, 'a')), attempt(lambda: os.chmod(path, 0o666)),
    attempt(lambda: os.remove(path)), attempt(lambda: os.utime(path))]";
    let ended = zygote.spawn(ordinary(&[])).run(code, &[]);
    assert_eq!(result(&ended), r#"["mine",true,true,true,true]"#);
}

#[test]
fn the_user_has_a_name() {
    let code = "import os, pwd\nresult = pwd.getpwuid(os.getuid()).pw_name";
    assert_eq!(result(&run_with(&[], code)), "\"sandbox\"");
}

#[test]
fn native_callbacks_work() {
    let code = "
import ctypes
prototype = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)
callbacks = [prototype(lambda x: x + 1) for _ in range(100)]
result = callbacks[99](41)";
    assert_eq!(result(&run_with(&[], code)), "42");
}

#[test]
fn a_listed_python_is_started_by_its_own_name() {
    let code = "
import subprocess, sys
own = subprocess.run([sys.executable, '-c', 'print(6 * 7)'], capture_output=True, text=True)
result = [own.stdout, own.stderr]";
    assert_eq!(result(&run_with(&["python3"], code)), r#"["42\n",""]"#);
}

#[test]
fn an_environment_below_tmp_is_not_covered() {
    let folder = tempfile::Builder::new().prefix("environment").tempdir_in("/tmp").unwrap();
    let made = Command::new(interpreter()).args(["-m", "venv", "--without-pip"]).arg(folder.path()).status().unwrap();
    assert!(made.success());
    let packages = fs::read_dir(folder.path().join("lib")).unwrap().next().unwrap().unwrap().path();
    fs::write(packages.join("site-packages/only_here.py"), "answer = 42").unwrap();
    let zygote = Zygote::start_with(&policy(&["python3"], None), &folder.path().join("bin/python"));
    let code = "
import only_here, os, subprocess, sys
open('/tmp/own', 'w').write('x')
again = subprocess.run([sys.executable, '-c', 'import only_here; print(only_here.answer)'], capture_output=True, text=True)
result = [only_here.answer, os.path.exists('/tmp/own'), again.stdout, again.stderr]";
    let ended = zygote.spawn(ordinary(&["python3"])).run(code, &["python3".to_owned()]);
    assert_eq!(result(&ended), r#"[42,true,"42\n",""]"#);
}
