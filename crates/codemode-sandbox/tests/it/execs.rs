//! Starts of programs are seen by the daemon, refusals are told by name, and nothing else changes.

use std::os::fd::{AsFd, OwnedFd};

use codemode_sandbox::{
    execs::{self, Programs},
    plan::{Means, SandboxPlan},
};

use crate::{
    cell::result,
    harness::{Ended, Zygote, interpreter, means, ordinary, policy},
};

const COMMANDS: [&str; 8] = ["bash", "cat", "env", "find", "grep", "python3", "true", "xargs"];

fn run(code: &str) -> Ended {
    let zygote = Zygote::start(&policy(&COMMANDS, None));
    zygote.spawn(ordinary(&COMMANDS)).run(code, &COMMANDS.map(str::to_owned))
}

#[test]
fn the_daemon_alone_has_the_listener() {
    let zygote = Zygote::start(&policy(&["cat"], None));
    let cell = zygote.spawn(ordinary(&["cat"]));
    assert!(cell.listener.is_some());
    assert!(cell.layers.iter().any(|layer| layer == "starts of programs observed"), "{:?}", cell.layers);
    let code = "
import os, subprocess
with os.scandir('/proc/self/fd') as entries:
    here = sorted((int(entry.name), os.readlink(entry.path).split(':')[0]) for entry in entries)
below = subprocess.run(['cat', '/proc/self/fdinfo/3'], capture_output=True).returncode
[[number for number, _ in here], [what for _, what in here if 'seccomp' in what], below]";
    let ended = cell.run(code, &["cat".to_owned()]);
    // The fifth is the one that lists them. Programs below have none but stdio.
    assert_eq!(result(&ended), "[[0,1,2,3,4],[],1]");
}

#[test]
fn nobody_below_can_listen() {
    let code = "
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
seccomp = {'x86_64': 317, 'aarch64': 277}[os.uname().machine]
MODE_FILTER, NEW_LISTENER, PR_SET_SECCOMP = 1, 8, 22
tried = [(libc.syscall(seccomp, MODE_FILTER, NEW_LISTENER, 0), ctypes.get_errno())]
tried.append((libc.prctl(PR_SET_SECCOMP, 2, 0), ctypes.get_errno()))
result = [list(one) for one in tried]";
    assert_eq!(result(&run(code)), "[[-1,1],[-1,1]]");
}

#[test]
fn what_is_refused_below_a_listed_program_is_told_once_by_name() {
    let code = "
import os, subprocess
def run(*words):
    done = subprocess.run(words, input='a\\n', capture_output=True, text=True)
    return done.returncode, done.stderr
with open('/sandbox/script.sh', 'w') as script: script.write('#!/usr/bin/bash\\n')
os.chmod('/sandbox/script.sh', 0o755)
by_bash = run('bash', '-c', 'rm -rf /sandbox/x; /bin/rm x; exec -a grep rm x')
ways = [run('find', '/sandbox', '-name', 'script.sh', '-exec', 'mv', '{}', '/tmp', ';'), run('xargs', 'touch'),
    run('env', 'no-such-program'), run('bash', '-c', '/sandbox/script.sh'), run('bash', '-c', 'PATH=/sandbox mkdir x')]
result = [by_bash[0], by_bash[1].count('Permission denied') >= 3, ['Permission denied' in said for _, said in ways]]";
    let ended = run(code);
    assert_eq!(result(&ended), "[126,true,[true,true,false,true,false]]");
    assert_eq!(ended.refused, ["rm", "mv", "touch", "no-such-program", "script.sh"]);
}

#[test]
fn listed_programs_are_told_by_no_name() {
    let code = "
import os, subprocess, sys
for words in (['grep', '-c', 'a', '/etc/passwd'], ['/usr/bin/true'], ['/bin/true'], ['env', 'true'],
              ['bash', '-c', 'cat /dev/null | grep x; env true; cd /usr && bin/true; python3 -c 1; true'],
              ['find', '/sandbox', '-exec', 'true', ';'], ['xargs', 'true'],
              ['env', 'PATH=/sandbox:/nowhere:/usr/bin', 'grep', '-q', 'x', '/etc/passwd']):
    subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
os.symlink(subprocess.run(['bash', '-c', 'type -p python3'], capture_output=True, text=True).stdout.strip(), '/sandbox/python')
again = subprocess.run(['bash', '-c', '/sandbox/python -c \"print(6 * 7)\"'], capture_output=True, text=True)
[again.stdout, again.stderr]";
    let ended = run(code);
    assert_eq!(result(&ended), r#"["42\n",""]"#);
    assert_eq!(ended.refused, [""; 0]);
}

#[test]
fn the_answer_is_yes_whatever_was_read() {
    // A path that cannot be read, one without an end, none at all, and more arguments than fit.
    let code = "
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def start(path, arguments=None):
    libc.execve(path, arguments, None)
    return ctypes.get_errno()
endless = ctypes.create_string_buffer(b'/' + b'a' * 5000)
many = (ctypes.c_char_p * 40000)(*[b'a' * 1000] * 39999, None)
result = [start(ctypes.c_void_p(16)), start(endless), start(b''), start(b'/usr/bin/true', many)]";
    let ended = run(code);
    // EFAULT, ENAMETOOLONG, ENOENT, E2BIG: the kernel's answers.
    assert_eq!(result(&ended), "[14,36,2,7]");
    assert_eq!(ended.refused, [""; 0]);
}

#[test]
fn the_codes_own_process_shows_its_memory_to_root_only() {
    let code = "
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
result = [libc.execve(b'/usr/bin/rm', None, None), ctypes.get_errno()]";
    let ended = run(code);
    assert_eq!(result(&ended), "[-1,13]");
    let seen = if means() == Means::Root { vec!["rm"] } else { Vec::new() };
    assert_eq!(ended.refused, seen);
}

#[test]
fn a_storm_of_refusals_is_one_name() {
    let code = "
import subprocess
script = 'import os\\nfor _ in range(1000):\\n    try: os.execv(\"/usr/bin/rm\", [\"rm\"])\\n    except OSError as error: last = error.errno\\nprint(last)'
subprocess.run(['python3', '-c', script], capture_output=True, text=True).stdout";
    let ended = run(code);
    assert_eq!((result(&ended).as_str(), ended.refused), (r#""13\n""#, vec!["rm".to_owned()]));
}

#[test]
fn where_nobody_listens_nothing_is_started() {
    let zygote = Zygote::start(&policy(&["true"], None));
    let mut cell = zygote.spawn(ordinary(&["true"]));
    drop(cell.listener.take());
    let code = "
import os
try:
    os.execv('/usr/bin/true', ['true'])
except OSError as error:
    result = error.errno";
    let ended = cell.run(code, &["true".to_owned()]);
    // ENOSYS
    assert_eq!(result(&ended), "38");
}

#[test]
fn without_commands_there_is_nothing_to_hear_and_a_plan_may_do_without() {
    let zygote = Zygote::start(&policy(&["true"], None));
    assert!(zygote.spawn(ordinary(&[])).listener.is_none());
    let plan = SandboxPlan::build(&policy(&["true"], None), &interpreter(), means()).unwrap();
    let plan = SandboxPlan { observe_exec: false, ..plan };
    assert!(Programs::of(&plan).is_none());
    let cell = Zygote::start_plan(&plan).spawn(ordinary(&["true"]));
    assert!(cell.listener.is_none());
    assert!(!cell.layers.iter().any(|layer| layer.contains("observed")), "{:?}", cell.layers);
}

#[test]
fn what_ends_while_it_waits_ends() {
    let zygote = Zygote::start(&policy(&["true"], None));
    let mut cell = zygote.spawn(ordinary(&["true"]));
    let listener: OwnedFd = cell.listener.take().unwrap();
    let granted = Programs::of(&SandboxPlan::build(&policy(&["true"], None), &interpreter(), means()).unwrap())
        .map(|programs| programs.granted(&["true".to_owned()]))
        .unwrap();
    let code = "
import os, signal
child = os.fork()
if child == 0:
    os.execv('/usr/bin/true', ['true'])
# Asleep in the call that nobody answers: 'S' only once it is there.
while open(f'/proc/{child}/stat').read().rpartition(')')[2].split()[0] != 'S': os.sched_yield()
os.kill(child, signal.SIGKILL)
result = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])";
    assert_eq!(result(&cell.run(code, &["true".to_owned()])), "-9");
    let mut names = Vec::new();
    let served = execs::serve(listener.as_fd(), &granted, &mut 10, |name| names.push(name));
    assert_eq!((served, names), (execs::Served::Ended, Vec::new()));
}
