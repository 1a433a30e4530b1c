//! Which attacks there are, and which wall each one tries.

/// A function of the same name in [`Attacks::source`]: `def NAME(host)` returns what it achieved as text, or None.
#[derive(Clone, Copy, Debug)]
pub struct Attack {
    pub name: &'static str,
    /// What should hold, and what holds it.
    pub wall: &'static str,
    /// The walls whose removal may let it through, by the names that a library with removable walls uses.
    pub removable: &'static [&'static str],
}

/// Attacks that share a text.
#[derive(Clone, Copy, Debug)]
pub struct Attacks {
    /// Python, run as any code is.
    pub source: &'static str,
    pub list: &'static [Attack],
}

pub(super) const ATTEMPT: &str = include_str!("attempt.py");
pub(super) const TRACES: &str = include_str!("traces.py");

pub(super) const DESCRIPTORS: Attack =
    Attack { name: "descriptors", wall: "code holds no descriptor but its own channels (close_range)", removable: &[] };

pub(super) const CANARIES: Attack = Attack {
    name: "canaries",
    wall: "nothing that listens on this machine can be reached (network namespace, seccomp, Landlock)",
    removable: &["namespaces", "seccomp", "landlock"],
};

/// Tried by the second execution.
pub(super) const LEFT_FILES: Attack = Attack {
    name: "left_files",
    wall: "files of one execution are gone in the next (mount namespace or wipe)",
    removable: &["namespaces"],
};

/// Its verdict is the executor's own look at the machine's processes.
pub(super) const LEFT_PROCESS: Attack = Attack {
    name: "left_process",
    wall: "every process of an execution is dead when it is over (pid namespace or warden, cgroup)",
    removable: &["namespaces"],
};

pub(super) const FIRST: Attacks = Attacks {
    source: include_str!("attacks.py"),
    list: &[
        // First: what the others open would be found.
        DESCRIPTORS,
        Attack {
            name: "host_files",
            wall: "the host's files cannot be opened (mount namespace, Landlock)",
            removable: &["landlock", "namespaces"],
        },
        Attack {
            name: "read_only_folders",
            wall: "nothing outside the granted folders can be changed (read-only mounts, Landlock)",
            removable: &["landlock"],
        },
        Attack {
            name: "unlisted_commands",
            wall: "no program starts that is not listed (Landlock, noexec mounts, seccomp)",
            removable: &["landlock", "seccomp"],
        },
        Attack { name: "anonymous_files", wall: "no program can be made in memory (seccomp)", removable: &["seccomp"] },
        CANARIES,
        Attack {
            name: "socket_families",
            wall: "there are no sockets but those that the network's mode has (seccomp)",
            removable: &["seccomp"],
        },
        Attack {
            name: "egress",
            wall: "of a restricted network only the listed names are reached (egress proxy)",
            removable: &["namespaces", "seccomp"],
        },
        Attack {
            name: "other_processes",
            wall: "other processes can be neither signalled nor traced (pid namespace, user id, Landlock, seccomp)",
            removable: &["namespaces", "landlock", "seccomp"],
        },
        Attack {
            name: "privileges",
            wall: "code is nobody and can become nobody else (user id, capabilities, no_new_privs, seccomp)",
            removable: &["seccomp"],
        },
        Attack { name: "io_uring", wall: "there is no io_uring (seccomp)", removable: &["seccomp"] },
        Attack {
            name: "kernel_calls",
            wall: "the kernel's wider surface is shut (seccomp, no capabilities)",
            removable: &["seccomp"],
        },
        // Last: one that succeeds changes who the code is.
        Attack { name: "namespaces", wall: "no namespace can be made or entered (seccomp)", removable: &["seccomp"] },
    ],
};
