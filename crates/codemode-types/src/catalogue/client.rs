//! What a client says when it gets no answer.

use super::{Entry, Kind, entry};

const CLIENT: Entry = entry(Kind::Client);
const USAGE: Option<&str> = Some("64");
const UNAVAILABLE: Option<&str> = Some("69");

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        code: "connection",
        title: "No connection to the executor",
        python: Some("ExecutorConnectionError"),
        exit: UNAVAILABLE,
        happened: "No connection came about, so nothing ran.",
        causes: &[
            "No executor runs there.",
            "The address or the port is wrong, or a firewall is in between.",
            "The executor listens on loopback only, which it does without an API key.",
            "The executor speaks TLS and the URL says `http://`.",
        ],
        remedies: &[
            "Start one with `codemode serve`, and ask it with `codemode health --url URL`.",
            "Look at `executor_url` or `CODEMODE_EXECUTOR_URL`. Without one the client starts an executor of its own.",
            "For other machines start the executor with `--host` and an API key.",
        ],
        retryable: true,
        ..CLIENT
    },
    Entry {
        code: "connection_lost",
        title: "The connection broke during an execution",
        python: Some("ExecutorConnectionError"),
        exit: UNAVAILABLE,
        happened: "The connection broke under an execution that may have run. It is never repeated by itself, because its \
                   tools may have had effects. The executor ends the execution when it notices.",
        causes: &[
            "The executor was killed or restarted.",
            "A proxy in between closes connections that are open for long.",
        ],
        remedies: &[
            "Look into the executor's log for the execution's id, which the error has.",
            "Repeat it only if its tools can bear that.",
        ],
        ..CLIENT
    },
    Entry {
        code: "timeout",
        title: "No sign of life from the executor",
        python: Some("ExecutorTimeoutError"),
        exit: UNAVAILABLE,
        happened: "For the whole of the client's `timeout` nothing came from the executor, not even a keepalive. This is \
                   not about code that runs long.",
        causes: &[
            "The network between them is interrupted.",
            "The executor's machine has no time or memory left.",
            "`timeout` is too short for this network.",
        ],
        remedies: &[
            "Look whether the executor answers: `codemode health --url URL`.",
            "Raise the client's `timeout` (`CODEMODE_EXECUTOR_TIMEOUT`).",
            "Where `retryable` is true no execution was under way, and the same call may be made again.",
        ],
        ..CLIENT
    },
    Entry {
        code: "config",
        title: "A setting is wrong",
        python: Some("ConfigError"),
        exit: USAGE,
        happened: "A setting of the client does not follow its rule, or two of them cannot both hold. Every problem is \
                   listed, each with its key, and with the line where it stands in a file.",
        causes: &[
            "A key is misspelt: the message has the nearest one.",
            "A value has the wrong type, or lies outside of its range.",
            "Two spellings of one variable say different things.",
            "A file does not exist or is no YAML.",
        ],
        remedies: &[
            "Read the message: each line is one problem.",
            "`codemode config check FILE` reads a file without starting anything.",
            "The configuration reference has each key and its rule.",
        ],
        ..CLIENT
    },
    Entry {
        code: "closed",
        title: "The client is closed",
        python: Some("CodemodeError"),
        happened: "The client was closed before, or while an execution ran. The executor ends what runs.",
        causes: &["The `with` block of the client is over.", "Another thread called `close()`."],
        remedies: &["Make a new client, or close this one later."],
        ..CLIENT
    },
    Entry {
        code: "protocol",
        title: "The other end speaks something else",
        python: Some("ExecutorConnectionError"),
        exit: UNAVAILABLE,
        happened: "What came is not the protocol `codemode.v1`.",
        causes: &[
            "Something else listens at that address: a web server, or a proxy that does not pass HTTP/2 on.",
            "Client and executor are of versions that do not fit.",
        ],
        remedies: &[
            "Look at the URL.",
            "`codemode version` on both sides, and use the same version.",
            "Let the proxy pass gRPC on, which is HTTP/2 from end to end.",
        ],
        ..CLIENT
    },
    Entry {
        code: "embedded_start",
        title: "The private executor did not start",
        python: Some("ExecutorConnectionError"),
        exit: UNAVAILABLE,
        happened: "A client without an executor's URL starts one of its own. That one ended before it was ready.",
        causes: &[
            "The machine lacks a layer of isolation, such as user namespaces for an ordinary user.",
            "The application runs in a container without namespaces, where an executor needs a container of its own.",
            "No Python could be found that runs the code.",
        ],
        remedies: &[
            "`codemode doctor` says which layers there are, and what is missing.",
            "Use a shared executor, and give the client its URL.",
            "Name an interpreter in `guest.interpreter` of the policy.",
        ],
        ..CLIENT
    },
];
