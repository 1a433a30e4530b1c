//! What an executor gives up is gone, for it and for what it starts; a step that does not hold is named.

use std::{
    fs,
    os::unix::process::ExitStatusExt,
    process::{Command, Output},
};

use crate::{harness::interpreter, missing::example};

/// What a program says that started hardened: `name: …` for each thing given up, then its own output.
fn hardened(options: &[&str], code: &str) -> (Output, String) {
    let output =
        Command::new(example("harden")).args(options).arg(real_python()).args(["-I", "-c", code]).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output, text)
}

/// Not a wrapper, which starts programs of its own.
fn real_python() -> String {
    let code = "import os, sys; print(os.path.realpath(sys.executable), end='')";
    let output = Command::new(interpreter()).args(["-I", "-c", code]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

const ATTEMPT: &str = "
import ctypes, errno, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    return 'allowed' if libc.syscall(*arguments) >= 0 else errno.errorcode[ctypes.get_errno()]
def attempt(act):
    try:
        act()
        return 'allowed'
    except OSError as error:
        return errno.errorcode[error.errno]
";

fn said(options: &[&str], code: &str) -> Vec<String> {
    let (output, text) = hardened(options, &format!("{ATTEMPT}{code}"));
    assert!(output.status.success(), "{text}");
    text.lines().skip_while(|line| !line.starts_with("then")).skip(1).map(str::to_owned).collect()
}

#[test]
fn the_kernel_confirms_each_for_children_too() {
    let code = "
import resource
print('then')
status = dict(line.rstrip('\\n').split(':\\t', 1) for line in open('/proc/self/status') if ':\\t' in line)
print(status['NoNewPrivs'], status['Seccomp'], resource.getrlimit(resource.RLIMIT_CORE)[1] <= 1)";
    assert_eq!(said(&[], code), ["1 2 True"]);
}

#[test]
fn calls_that_nothing_needs_are_refused() {
    // ptrace: PTRACE_TRACEME; personality: ADDR_NO_RANDOMIZE, then the question.
    #[cfg(target_arch = "x86_64")]
    let numbers = [250, 321, 425, 323, 298, 101, 135];
    #[cfg(target_arch = "aarch64")]
    let numbers = [219, 280, 425, 282, 241, 117, 92];
    let [keyctl, bpf, io_uring, userfaultfd, perf, ptrace, personality] = numbers;
    let code = format!(
        "
import fcntl, pty, termios
print('then')
for number in {keyctl}, {bpf}, {io_uring}, {userfaultfd}, {perf}, {ptrace}:
    print(call(number, 0, 0, 0, 0, 0))
print(call({personality}, 0x40000), call({personality}, 0xffffffff), call(9999))
families = [socket.AF_ALG if hasattr(socket, 'AF_ALG') else 38, 40, socket.AF_PACKET]
print(*(attempt(lambda: socket.socket(family, socket.SOCK_SEQPACKET)) for family in families))
print(attempt(lambda: fcntl.ioctl(pty.openpty()[1], termios.TIOCSTI, b'x')))"
    );
    let refused = ["EPERM"; 6].into_iter();
    let rest = ["EPERM allowed ENOSYS", "EAFNOSUPPORT EAFNOSUPPORT EAFNOSUPPORT", "EPERM"];
    assert_eq!(said(&[], &code), refused.chain(rest).collect::<Vec<_>>());
}

#[test]
#[cfg(target_arch = "x86_64")]
fn calls_of_another_abi_end_the_process() {
    let (output, text) = hardened(&[], "import ctypes; ctypes.CDLL(None).syscall(0x40000000 | 39)");
    assert_eq!(output.status.signal(), Some(libc_sigsys()), "{text}");
}

#[cfg(target_arch = "x86_64")]
fn libc_sigsys() -> i32 {
    rustix::process::Signal::SYS.as_raw()
}

#[test]
fn nothing_connects_out_and_few_ports_can_be_had() {
    let code = "
print('then')
print(attempt(lambda: socket.create_connection(('127.0.0.1', 9))))
for port in 0, 4321, 5000:
    print(attempt(lambda: socket.socket().bind(('127.0.0.1', port))))
print(attempt(lambda: os.kill(os.getppid(), 0)))";
    assert_eq!(said(&[], code), ["EACCES", "allowed", "allowed", "EACCES", "EPERM"]);
}

#[test]
fn it_connects_to_the_one_port_that_it_dials() {
    let code = "
print('then')
for port in 5001, 5002, 4321:
    print(attempt(lambda: socket.create_connection(('127.0.0.1', port))))
print(attempt(lambda: socket.socket().bind(('127.0.0.1', 5001))))";
    // Nobody listens there: the connection is tried, and not forbidden.
    assert_eq!(said(&["--dials", "5001"], code), ["ECONNREFUSED", "EACCES", "EACCES", "EACCES"]);
}

#[test]
fn sandboxes_can_still_be_made() {
    let code = "
print('then')
NEWNS, NEWUSER, PRIVATE, REC = 0x20000, 0x10000000, 1 << 18, 0x4000
flags = NEWNS if os.geteuid() == 0 else NEWNS | NEWUSER
print(libc.unshare(flags), libc.mount(None, b'/', None, REC | PRIVATE, None))";
    assert_eq!(said(&[], code), ["0 0"]);
}

#[test]
fn in_tier_container_files_are_shut_too() {
    let made = tempfile::Builder::new().tempdir_in("/var/tmp").unwrap();
    let folder = made.path();
    for name in ["outputs", "log", "run", "beside"] {
        fs::create_dir(folder.join(name)).unwrap();
    }
    fs::write(folder.join("beside/there"), "read").unwrap();
    let code = format!(
        "
import subprocess, sys, tempfile
os.chdir('{}')
print('then')
print(attempt(lambda: open('outputs/made', 'w').write('x')), attempt(lambda: open('beside/made', 'w')))
print(attempt(lambda: open('log/audit', 'a')), attempt(lambda: os.mkdir('log/folder')))
print(attempt(lambda: socket.socket(socket.AF_UNIX).bind('run/socket')), attempt(lambda: open('run/made', 'w')))
print(attempt(lambda: tempfile.NamedTemporaryFile(dir='/tmp')), attempt(lambda: os.mknod('/tmp/device', 0o020600)))
print(attempt(lambda: open('/dev/null', 'w')), attempt(lambda: open('beside/there', 'a')), open('beside/there').read())
print(attempt(lambda: subprocess.run([sys.executable, '-c', ''], check=True)), attempt(lambda: subprocess.run(['/bin/sh'])))
print(attempt(lambda: os.link('outputs/made', 'beside/linked')))
print(call({MOUNT}, b'none', b'/', 0, 0, 0))",
        folder.display()
    );
    let said = said(&["--container", &folder.display().to_string()], &code);
    let pairs = ["allowed EACCES"; 4].into_iter();
    let expected = pairs.chain(["allowed EACCES read", "allowed EACCES", "EACCES", "EPERM"]).collect::<Vec<_>>();
    assert_eq!(said, expected);
}

#[cfg(target_arch = "x86_64")]
const MOUNT: u32 = 165;
#[cfg(target_arch = "aarch64")]
const MOUNT: u32 = 40;

#[test]
fn a_step_that_does_not_hold_is_named() {
    let without = |call: &str, errno: i32| {
        let output = Command::new(example("without"))
            .args([call, &errno.to_string()])
            .arg(example("harden"))
            .arg("/bin/true")
            .output()
            .unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    // The kernel says no.
    assert!(without("seccomp", libc::ENOSYS).contains("Seccomp"));
    assert!(without("landlock_restrict_self", libc::EOPNOTSUPP).contains("Landlock"));
    // The kernel says yes and does nothing.
    assert!(without("seccomp", 0).contains("the kernel counts no filter more than before"));
    assert!(without("landlock_restrict_self", 0).contains("a connection: refused, but with Connection refused"));
    assert!(without("setrlimit", 0).contains("core limit: the kernel says"));
}

#[test]
fn a_kernel_without_landlock_is_told_of() {
    let mut command = Command::new(example("without"));
    command.args(["landlock_create_ruleset", "38"]).arg(example("harden")).arg("/bin/true");
    let output = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert!(output.contains("landlock: Optional(\"ABI 0 has nothing to give up here\")"), "{output}");
}
