"""What the executor tries on itself before it serves, in a sandbox of its own making.

The attacks call the kernel, not Python's os: what holds them is to be a wall, not the guest's courtesy. Each returns
what it achieved, or None. None does harm where it succeeds, but for what it leaves in the sandbox that it ran in.
"""

import ctypes
import os
import struct
import sys

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.syscall.restype = ctypes.c_long
_LIBC.syscall.argtypes = [ctypes.c_long] + [ctypes.c_void_p] * 6

# By name: on x86_64, on aarch64.
_NUMBERS = {
    "openat": (257, 56),
    "fcntl": (72, 25),
    "mkdirat": (258, 34),
    "mknodat": (259, 33),
    "symlinkat": (266, 36),
    "unlinkat": (263, 35),
    "fchmodat": (268, 53),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "socket": (41, 198),
    "connect": (42, 203),
    "sendto": (44, 206),
    "kill": (62, 129),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "setuid": (105, 146),
    "setgid": (106, 144),
    "setresuid": (117, 147),
    "setresgid": (119, 149),
    "setgroups": (116, 159),
    "capget": (125, 90),
    "prctl": (157, 167),
    "unshare": (272, 97),
    "setns": (308, 268),
    "clone": (56, 220),
    "clone3": (435, 435),
    "io_uring_setup": (425, 425),
    "userfaultfd": (323, 282),
    "keyctl": (250, 219),
    "personality": (135, 92),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "mount": (165, 40),
    "chroot": (161, 51),
    "fsopen": (430, 430),
    "open_tree": (428, 428),
    "fanotify_init": (300, 262),
    "kcmp": (312, 272),
    "splice": (275, 76),
    "sethostname": (170, 161),
    "vhangup": (153, 58),
}
_COLUMN = ("x86_64", "aarch64").index(os.uname().machine)

_HERE = -100  # AT_FDCWD

# A program that does nothing but end well: mov eax, 60; xor edi, edi; syscall, or the same for the other machine.
_LOADED_AT, _HEADERS = 0x400000, 64 + 56
_CODE = ("b83c00000031ff0f05", "a80b8052000080d2010000d4")[_COLUMN]


def _call(name, *arguments):
    """One system call: what it gives, or -1."""
    rest = (0,) * (6 - len(arguments))
    return _LIBC.syscall(_NUMBERS[name][_COLUMN], *arguments, *rest)


def _open(path, flags, mode=0):
    return _call("openat", _HERE, os.fsencode(path), flags | os.O_CLOEXEC | os.O_NONBLOCK, mode)


def _strangers(host):
    """Processes that are not this one, nor its parent, which is the sandbox's init."""
    own = (os.getpid(), os.getppid())
    return [pid for pid in (*host["pids"], *range(1, 65)) if pid not in own]


def descriptors(host):
    for descriptor in range(4, 1024):
        if _call("fcntl", descriptor, 1) >= 0:  # F_GETFD
            return f"descriptor {descriptor} is open"
    return None


def host_files(host):
    link = f"/sandbox/{host['mark']}-link"
    for path, device, inode in host["files"]:
        _call("symlinkat", os.fsencode(path), _HERE, os.fsencode(link))
        ways = ("", "//", "/proc/self/root", "/proc/1/root", "/sandbox/../..")
        for spelling in (*(way + path for way in ways), link):
            if _opens(spelling, device, inode):
                return f"opened the host's {path} as {spelling}"
        _call("unlinkat", _HERE, os.fsencode(link), 0)
    if _open("/", os.O_RDONLY | os.O_DIRECTORY) >= 0:
        return "opened the root folder to list it"
    for pid in _strangers(host):
        for name in ("environ", "maps", "mem"):
            if _open(f"/proc/{pid}/{name}", os.O_RDONLY) >= 0:
                return f"opened /proc/{pid}/{name}"
    return None


def _opens(path, device, inode):
    """Whether the path leads to that file and not to a namesake."""
    descriptor = _open(path, os.O_RDONLY)
    if descriptor < 0:
        return False
    found = os.fstat(descriptor)
    os.close(descriptor)
    return (found.st_dev, found.st_ino) == (device, inode)


def read_only_folders(host):
    for folder in ("/", "/etc", "/usr", "/workspace", os.path.dirname(os.__file__)):
        path = os.fsencode(f"{folder}/{host['mark']}")
        made = (
            _open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600) >= 0
            or _call("mkdirat", _HERE, path, 0o700) >= 0
            or _call("symlinkat", b"/", _HERE, path) >= 0
            or _call("mknodat", _HERE, path, 0o010600) >= 0
        )
        if made:
            for flags in (0, 0x200):  # AT_REMOVEDIR
                _call("unlinkat", _HERE, path, flags)
            return f"made something in {folder}"
    for path in filter(os.path.exists, (os.__file__, sys.executable, *_some_file("/workspace"))):
        if _open(path, os.O_WRONLY | os.O_APPEND) >= 0:
            return f"opened {path} to write"
        if _call("fchmodat", _HERE, os.fsencode(path), os.stat(path).st_mode & 0o7777) >= 0:
            return f"changed the mode of {path}"
    return None


def _some_file(folder):
    try:
        with os.scandir(folder) as entries:
            return [entry.path for entry in entries if entry.is_file(follow_symlinks=False)][:1]
    except OSError:
        return []


def unlisted_commands(host):
    for program in host["programs"]:
        if _starts(program):
            return f"started {program}"
    for folder in ("/sandbox", "/tmp", "/dev/shm"):
        path = f"{folder}/{host['mark']}-program"
        descriptor = _open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o700)
        if descriptor < 0:
            continue
        os.write(descriptor, _program())
        os.close(descriptor)
        if _starts(path):
            return f"started a program of its own making in {folder}"
    return None


def _program():
    """An ELF file of one segment, statically linked."""
    code = bytes.fromhex(_CODE)
    size = _HEADERS + len(code)
    machine, entry = (62, 183)[_COLUMN], _LOADED_AT + _HEADERS
    header = struct.pack(
        "<4s5B7x2HI3QI6H", b"\x7fELF", 2, 1, 1, 0, 0, 2, machine, 1, entry, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )
    segment = struct.pack("<2I6Q", 1, 5, 0, _LOADED_AT, _LOADED_AT, size, size, 0x1000)
    return header + segment + code


def _starts(program):
    path = os.fsencode(program)
    pid = ctypes.c_int()
    arguments, environment = (ctypes.c_char_p * 2)(path, None), (ctypes.c_char_p * 1)(None)
    if _LIBC.posix_spawn(ctypes.byref(pid), path, None, None, arguments, environment) != 0:
        return False
    _, status = os.waitpid(pid.value, 0)
    return os.waitstatus_to_exitcode(status) != 127  # what the C library says of a program that did not start


def anonymous_files(host):
    for name, flags in (("memfd_create", 0), ("memfd_create", 0x10)):  # MFD_EXEC
        if _call(name, host["mark"].encode(), flags) >= 0:
            return f"{name} with flags {flags:#x} gave a file that could be executed"
    if _call("memfd_secret", 0) >= 0:
        return "memfd_secret gave memory that nothing accounts for"
    return None


def canaries(host):
    token = host["token"].encode()
    for name, family, address in host["canaries"]:
        address = bytes.fromhex(address)
        descriptor = _call("socket", family, 1, 0)  # SOCK_STREAM
        if descriptor < 0:
            continue
        if _call("connect", descriptor, address, len(address)) >= 0:
            _call("sendto", descriptor, token, len(token))
            return f"connected to {name}"
        flags = 0x20004000  # MSG_FASTOPEN, MSG_NOSIGNAL
        if _call("sendto", descriptor, token, len(token), flags, address, len(address)) >= 0:
            return f"sent to {name} without connecting first"
    return None


def socket_families(host):
    for family in (number for number in range(64) if number != 1):  # AF_UNIX
        for kind in (1, 2, 3, 5):
            if [family, kind] not in host["sockets"] and _call("socket", family, kind, 0) >= 0:
                return f"made a socket of family {family}, type {kind}"
    for kind, protocol in ((1, 262), (1, 132), (5, 132), (3, 1), (2, 136), (2, 1)):  # MPTCP, SCTP, ICMP, UDP-Lite
        if _call("socket", 2, kind, protocol) >= 0:
            return f"made a socket of type {kind} for protocol {protocol}"
    return None


def egress(host):
    if not host["proxy"]:
        return None
    targets = [name for name, family, _ in host["canaries"] if family == 2] + ["codemode-self-test.invalid:443"]
    for target in targets:
        for asked in (f"CONNECT {target}", f"GET http://{target}/"):
            descriptor = _call("socket", 2, 1, 0)
            if descriptor < 0 or _call("connect", descriptor, bytes.fromhex(host["proxy"]), 16) < 0:
                raise OSError(ctypes.get_errno(), "the proxy inside the sandbox cannot be reached")
            os.write(descriptor, f"{asked} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
            answer = os.read(descriptor, 4096)
            os.close(descriptor)
            if answer.split(b" ", 2)[1:2] in ([], [b"200"]):
                return f"the proxy answered {answer[:60]!r} for {target}"
    return None


def other_processes(host):
    for pid in _strangers(host):
        if _call("kill", pid, 0) >= 0:
            return f"may signal process {pid}"
        if _call("ptrace", 0x4206, pid) >= 0:  # PTRACE_SEIZE
            return f"traces process {pid}"
    return None


def privileges(host):
    if 0 in (*os.getresuid(), *os.getresgid(), *os.getgroups()):
        return "is root"
    header, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    _call("capget", header, sets)
    if any(sets):
        return f"holds capabilities: {list(sets)}"
    if _call("prctl", 39) != 1:  # PR_GET_NO_NEW_PRIVS
        return "may gain rights through execve"
    if _call("prctl", 21) != 2:  # PR_GET_SECCOMP
        return "runs without a filter of system calls"
    root = (ctypes.c_uint32 * 1)(0)
    for name, arguments in (
        ("setuid", (0,)),
        ("setgid", (0,)),
        ("setresuid", (0, 0, 0)),
        ("setresgid", (0, 0, 0)),
        ("setgroups", (1, root)),
        ("prctl", (47, 2, 21)),  # PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN
    ):
        if _call(name, *arguments) >= 0:
            return f"{name}{arguments} was allowed"
    return None


def io_uring(host):
    return "made a ring" if _call("io_uring_setup", 8, ctypes.create_string_buffer(120)) >= 0 else None


def kernel_calls(host):
    some = ctypes.create_string_buffer(128)
    for name, arguments in (
        ("userfaultfd", (1,)),  # UFFD_USER_MODE_ONLY
        ("keyctl", (0, -1, 1)),  # KEYCTL_GET_KEYRING_ID of the thread, made
        ("personality", (0x0040000,)),  # ADDR_NO_RANDOMIZE
        ("bpf", (0, some, 128)),
        ("perf_event_open", (some, 0, -1, -1, 0)),
        ("mount", (b"none", b"/sandbox", b"tmpfs")),
        ("chroot", (b"/sandbox",)),
        ("fsopen", (b"tmpfs", 0)),
        ("open_tree", (_HERE, b"/sandbox", 1)),
        ("fanotify_init", (0, 0)),
        ("kcmp", (os.getpid(), os.getpid(), 0)),
        ("splice", (0, 0, 1, 0, 0)),
        ("sethostname", (b"escaped", 7)),
        ("process_vm_readv", (os.getpid(), 0, 0, 0, 0, 0)),
        ("ptrace", (0,)),  # PTRACE_TRACEME
    ):
        if _call(name, *arguments) >= 0:
            return f"{name} was allowed"
    return None


def namespaces(host):
    kinds = {
        "user": 0x10000000,
        "mount": 0x20000,
        "pid": 0x20000000,
        "net": 0x40000000,
        "ipc": 0x8000000,
        "uts": 0x4000000,
        "cgroup": 0x2000000,
        "time": 0x80,
    }
    for kind, flag in kinds.items():
        pid = _call("clone", flag | 17)  # SIGCHLD
        if pid == 0:
            os._exit(0)
        if pid > 0:
            os.waitpid(pid, 0)
            return f"started a process in a new {kind} namespace"
        if _call("unshare", flag) >= 0:
            return f"moved into a new {kind} namespace"
    arguments = (ctypes.c_uint64 * 11)(kinds["user"], 0, 0, 0, 17)
    pid = _call("clone3", arguments, ctypes.sizeof(arguments))
    if pid == 0:
        os._exit(0)
    return "clone3 is there" if pid > 0 else None
