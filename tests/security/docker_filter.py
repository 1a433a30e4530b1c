"""The refusals of a container engine's default system call filter, for a container without CAP_SYS_ADMIN.

The engine's own list says what is allowed; this one says what of the rest matters to a sandbox: whatever tier
`container` must do without. Refused calls answer EPERM, clone3 answers ENOSYS, so that libraries fall back to clone.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from security.namespaces import call

# By machine: x86_64, aarch64; None where the call does not exist.
REFUSED: dict[str, tuple[int | None, int]] = {
    # name spaces
    "unshare": (272, 97), "setns": (308, 268),
    # mounts, by the old interface and the new
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431),
    "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    # the kernel's own programs, counters and faults
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    # keys
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    # other processes, and files by handle
    "kcmp": (312, 272), "pidfd_getfd": (438, 438), "open_by_handle_at": (304, 265), "process_madvise": (440, 440),
    "fanotify_init": (300, 262), "lookup_dcookie": (212, 18),
    # memory of several nodes
    "mbind": (237, 235), "set_mempolicy": (238, 237), "get_mempolicy": (239, 236), "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    # the machine
    "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225), "sethostname": (170, 161),
    "setdomainname": (171, 162), "acct": (163, 89), "syslog": (103, 116), "vhangup": (153, 58), "quotactl": (179, 60),
    "quotactl_fd": (443, 443), "settimeofday": (164, 170), "clock_settime": (227, 112), "init_module": (175, 105),
    "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104), "kexec_file_load": (320, 294),
    "iopl": (172, -1), "ioperm": (173, -1), "uselib": (134, -1), "ustat": (136, -1), "sysfs": (139, -1),
}  # fmt: skip
CLONE, CLONE3, SOCKET, PERSONALITY = (56, 220), (435, 435), (41, 198), (135, 92)
# Any of CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
NEW_NAMESPACES = 0x7E020000
AF_ALG, AF_VSOCK = 38, 40
USUAL_PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)

_MACHINE = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_PR_SET_SECCOMP, _MODE_FILTER = 22, 2

Instruction = tuple[int, int, int, int]


def program() -> list[Instruction]:
    """As classic BPF. Calls of another architecture pass, as they do there."""
    column, architecture = _MACHINE[os.uname().machine]

    def returns(value: int) -> Instruction:
        return (_RETURN, 0, 0, value)

    def on(number: int | None, *then: Instruction) -> list[Instruction]:
        """`then` runs for this call only, and ends it."""
        known = number is not None and number >= 0
        return [(_EQUAL, 0, len(then), number), *then] if known and number is not None else []

    refuse, allow, first = returns(_ERRNO | errno.EPERM), returns(_ALLOW), (_LOAD, 0, 0, _FIRST_ARGUMENT)
    made = [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, architecture), allow, (_LOAD, 0, 0, _NUMBER)]
    for numbers in REFUSED.values():
        made += on(numbers[column], refuse)
    made += on(CLONE3[column], returns(_ERRNO | errno.ENOSYS))
    made += on(CLONE[column], first, (_ANY_BIT, 0, 1, NEW_NAMESPACES), refuse, allow)
    made += on(SOCKET[column], first, (_EQUAL, 1, 0, AF_ALG), (_EQUAL, 0, 1, AF_VSOCK), refuse, allow)
    usual = [(_EQUAL, len(USUAL_PERSONALITIES) - index, 0, each) for index, each in enumerate(USUAL_PERSONALITIES)]
    made += on(PERSONALITY[column], first, *usual, refuse, allow)
    return [*made, allow]


def install() -> None:
    """On this process and all that come from it. no_new_privs must be set."""
    text = b"".join(struct.pack("=HBBI", *instruction) for instruction in program())
    instructions = ctypes.create_string_buffer(text, len(text))
    header = struct.pack("HP", len(text) // 8, ctypes.addressof(instructions))
    call("prctl", _PR_SET_SECCOMP, _MODE_FILTER, header, 0, 0)
