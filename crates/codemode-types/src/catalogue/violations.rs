//! What executed code tried and may not. Limits that it met and survived are listed among these as well, under the
//! name of the outcome that they would be.

use super::{Entry, Kind, entry};

const VIOLATION: Entry = entry(Kind::Violation);

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        code: "unauthorized_command",
        title: "A program that is not listed",
        happened: "The code, or something that it started, tried to start a program. The kernel refused; Python code sees \
                   `PermissionError: unauthorized_command: NAME`.",
        causes: &[
            "The program is not in `execution.allowed_commands`.",
            "A listed command starts another one: a shell its commands, `git` its helpers.",
        ],
        remedies: &[
            "Put the name on the list. `codemode doctor --config FILE` shows what each listed command brings along.",
            "Use Python instead of a program.",
        ],
        ..VIOLATION
    },
    Entry {
        code: "unauthorized_path",
        title: "A path that is not there for the code",
        happened: "The code named a file outside of `/workspace`, `/sandbox`, `/outputs` and `/tmp`. Python code sees \
                   `PermissionError: unauthorized_path: PATH`.",
        causes: &["The code knows paths of the host.", "A library looks for its configuration."],
        remedies: &[
            "Put what the code needs into the workspace: `filesystem.workspace.mount`.",
            "Write to `/sandbox`, or to `/outputs` what shall stay.",
        ],
        ..VIOLATION
    },
    Entry {
        code: "unauthorized_network",
        title: "A connection that is not allowed",
        happened: "With `network.mode: restricted`, the code asked for a name or an address that the policy does not allow. \
                   The detail says which, and which rule.",
        causes: &[
            "The domain or the port is not listed.",
            "A listed name leads to a private address that `network.allowed_networks` does not name.",
            "What was sent is neither HTTP nor TLS.",
        ],
        remedies: &["Add the domain, the port or the network to the policy, if the code may reach it."],
        ..VIOLATION
    },
    Entry {
        code: "unauthorized_tool",
        title: "A tool that this execution does not have",
        happened: "The code asked the executor for a tool that it was not given. It sees `ToolNotFound`.",
        causes: &["The code goes around the names that it sees."],
        remedies: &["Register the tool, or let it through the filter, if the code may call it."],
        ..VIOLATION
    },
    Entry {
        code: "open_files_limit",
        title: "Too many open files",
        error_type: Some("OpenFilesLimitExceeded"),
        happened: "A process of the code had as many open files as `limits.open_files` allows. Code that dies of it has the \
                   outcome `error` with this `error_type`.",
        causes: &["Files or sockets are opened in a loop and not closed."],
        remedies: &["Close files: `with open(...)`.", "Raise `limits.open_files`."],
        ..VIOLATION
    },
];
