//! A wall that is missing, or that the kernel only claims to have built, ends the sandbox before it sees code.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Command};

use codemode_sandbox::plan::SandboxPlan;
use codemode_wire::cell::FromCell;

use crate::harness::{Zygote, interpreter, means, ordinary, policy};

pub(crate) fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(path.is_file(), "{} is missing: run `cargo build -p codemode-sandbox --examples`", path.display());
    path
}

/// How a cell ends when its interpreter runs without a system call: the step, and what the kernel said.
fn cell_without(call: &str, errno: i32) -> (String, String) {
    let mut plan = SandboxPlan::build(&policy(&[], None), &interpreter(), means()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let wrapper = folder.path().join("python");
    let (without, python) = (example("without"), &plan.interpreter);
    let script = format!("#!/bin/sh\nexec {} {call} {errno} {} \"$@\"\n", without.display(), python.display());
    fs::write(&wrapper, script).unwrap();
    fs::set_permissions(&wrapper, PermissionsExt::from_mode(0o755)).unwrap();
    plan.interpreter = wrapper;
    match Zygote::start_plan(&plan).try_spawn(ordinary(&[])) {
        Err(FromCell::Failed { step, message }) => (step, message),
        other => panic!("without {call} ({errno}): {other:?}"),
    }
}

#[test]
fn a_wall_that_cannot_be_built_is_named() {
    assert_eq!(cell_without("landlock_restrict_self", libc::EOPNOTSUPP).0, "landlock");
    assert_eq!(cell_without("seccomp", libc::ENOSYS).0, "seccomp");
    assert_eq!(cell_without("capset", libc::EPERM).0, "capabilities");
    assert_eq!(cell_without("setrlimit", libc::EPERM).0, "resource limits");
}

#[test]
fn a_wall_that_only_seems_to_stand_is_found_out() {
    let landlock = cell_without("landlock_restrict_self", 0);
    assert_eq!(landlock, ("verify".into(), "reading outside the granted folders was allowed".into()));
    let seccomp = cell_without("seccomp", 0);
    assert_eq!(seccomp, ("verify".into(), "a new user namespace was allowed".into()));
    let limits = cell_without("setrlimit", 0);
    assert_eq!(limits, ("verify".into(), "resource limits are not in force".into()));
    if rustix::process::geteuid().is_root() {
        assert_eq!(cell_without("setresuid", 0), ("verify".into(), "the code would run as root".into()));
    } else {
        assert_eq!(cell_without("capset", 0), ("verify".into(), "capabilities are left".into()));
    }
}

#[test]
fn the_probe_names_what_the_kernel_lacks() {
    let output = Command::new(example("without"))
        .args(["landlock_create_ruleset", "38"])
        .arg(example("probe"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("tier: None"), "{text}");
    assert!(text.contains("this kernel has it not, or not switched on (lsm=landlock)"), "{text}");
}
