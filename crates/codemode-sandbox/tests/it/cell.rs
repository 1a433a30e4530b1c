use std::fs;

use codemode_sandbox::outputs;

use crate::harness::{Ended, Zygote, ordinary, policy};

pub(crate) fn run_with(commands: &[&str], code: &str) -> Ended {
    let workspace = tempfile::tempdir().unwrap();
    fs::write(workspace.path().join("a.txt"), "alpha\nbeta\n").unwrap();
    let zygote = Zygote::start(&policy(commands, Some(workspace.path())));
    let cell = zygote.spawn(ordinary(commands));
    let names: Vec<String> = commands.iter().map(|name| (*name).to_owned()).collect();
    cell.run(code, &names)
}

pub(crate) fn result(ended: &Ended) -> String {
    let finish = ended.finish.as_ref().unwrap_or_else(|| panic!("no finish; stderr: {}", ended.stderr));
    assert_eq!(finish.failure, None, "{:?}", finish.failure);
    String::from_utf8(finish.result.clone().unwrap_or_default()).unwrap()
}

#[test]
fn an_expression_has_a_value() {
    let ended = run_with(&[], "print('hi')\n2 + 2");
    assert_eq!((result(&ended).as_str(), ended.stdout.as_str(), ended.status), ("4", "hi\n", 0));
}

#[test]
fn the_code_is_nobody_and_sees_only_its_own_processes() {
    let code = "
import os
status = dict(line.split(':', 1) for line in open('/proc/self/status').read().splitlines() if ':' in line)
result = [os.getuid() != 0, os.getpid(), status['CapEff'].strip(), status['CapBnd'].strip(), status['NoNewPrivs'].strip(),
          status['Seccomp'].strip(), sorted(int(p) for p in os.listdir('/proc') if p.isdigit())]";
    let ended = run_with(&[], code);
    assert_eq!(result(&ended), r#"[true,2,"0000000000000000","0000000000000000","1","2",[1,2]]"#);
}

#[test]
fn only_granted_folders_exist() {
    let code = "
import os
def attempt(f):
    try:
        return str(f())
    except OSError as e:
        return type(e).__name__
result = [attempt(lambda: os.listdir('/boot')), attempt(lambda: os.stat('/etc/shadow')), attempt(lambda: os.listdir('/')),
    attempt(lambda: os.open('/workspace/new', os.O_CREAT | os.O_WRONLY)), open('/workspace/a.txt').read(),
    attempt(lambda: os.open('/usr/new', os.O_CREAT | os.O_WRONLY)), os.listdir('/sandbox'), os.getcwd()]";
    assert_eq!(
        result(&run_with(&[], code)),
        r#"["PermissionError","FileNotFoundError","PermissionError","OSError","alpha\nbeta\n","PermissionError",[],"/sandbox"]"#
    );
}

#[test]
fn sockets_of_the_host_in_the_workspace_stay_shut() {
    let workspace = tempfile::tempdir().unwrap();
    let path = workspace.path().join("service.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let zygote = Zygote::start(&policy(&[], Some(workspace.path())));
    let code = "
import os, socket
def attempt(f):
    try:
        f()
        return 'reached'
    except OSError as e:
        return e.errno in (1, 13)
stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
left, right = socket.socketpair()
left.send(b'x')
result = [os.path.exists('/workspace/service.sock'), attempt(lambda: stream.connect('/workspace/service.sock')),
    attempt(lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)), right.recv(1)]";
    let ended = zygote.spawn(ordinary(&[])).run(code, &[]);
    assert_eq!(result(&ended), r#"[true,true,true,{"$codemode":"bytes","v":"eA=="}]"#);
}

#[test]
fn limits_and_signals_are_the_sandboxs_own() {
    let code = "
import resource, signal
result = [resource.getrlimit(resource.RLIMIT_CORE) == (1, 1), len(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
    signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL]";
    assert_eq!(result(&run_with(&[], code)), "[true,0,true,true]");
}

#[test]
fn listed_commands_run_and_others_are_refused() {
    let code = "
import subprocess
grep = subprocess.run(['grep', '-c', 'a', '/workspace/a.txt'], capture_output=True, text=True)
bash = subprocess.run(['bash', '-c', 'rm -rf /sandbox; echo $?'], capture_output=True, text=True)
result = [grep.stdout, grep.stderr, bash.stdout]";
    assert_eq!(result(&run_with(&["grep", "bash"], code)), r#"["2\n","","126\n"]"#);
}

#[test]
fn a_command_that_this_sandbox_was_not_given_is_refused() {
    let zygote = Zygote::start(&policy(&["grep", "cat"], None));
    let cell = zygote.spawn(ordinary(&["cat"]));
    let code = "
import os
try:
    os.execv('/usr/bin/grep', ['grep'])
except PermissionError as e:
    result = e.errno";
    // The guest's courtesy is told that grep is fine: only the kernel is left to refuse.
    let ended = cell.run(code, &["cat".to_owned(), "grep".to_owned()]);
    assert_eq!(result(&ended), "13");
}

#[test]
fn what_is_left_in_outputs_can_be_read_once_all_is_dead() {
    let zygote = Zygote::start(&policy(&[], None));
    let cell = zygote.spawn(ordinary(&[]));
    let outputs = rustix::io::dup(&cell.outputs).unwrap();
    cell.run("open('/outputs/report.txt', 'w').write('done')", &[]);
    let target = tempfile::tempdir().unwrap();
    let collection =
        outputs::collect(std::os::fd::AsFd::as_fd(&outputs), Some(target.path()), outputs::Writer::Oneself, 4).unwrap();
    assert_eq!(collection.files[0].data.as_deref(), Some(&b"done"[..]));
    assert_eq!(collection.files.len(), 1);
    assert_eq!(fs::read_to_string(target.path().join("report.txt")).unwrap(), "done");
}

#[test]
fn many_cells_come_from_one_zygote() {
    let zygote = Zygote::start(&policy(&[], None));
    for _ in 0..20 {
        let cell = zygote.spawn(ordinary(&[]));
        assert!(cell.layers.iter().any(|layer| layer == "seccomp"), "{:?}", cell.layers);
        let ended = cell.run("2 + 2", &[]);
        assert_eq!(result(&ended), "4");
        assert!(matches!(zygote.hear().0, codemode_wire::zygote::FromZygote::Gone { .. }));
    }
}
