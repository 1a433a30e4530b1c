//! How executions end. A limit that the code met as an ordinary error and survived changes nothing: it is a violation.

use super::{Entry, Kind, entry};
use crate::Outcome;

/// Python raises for these only where it is asked to: `execute(..., check=True)`, `raise_for_error()`.
const FAILED: Entry = Entry { python: Some("ExecutionFailed"), ..entry(Kind::Outcome) };
const OWN_OR_KILLED: Option<&str> = Some("the code's own if it ended by itself, else 137");

/// In the order of `Outcome::ALL`; then what only a refusal has.
pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        code: Outcome::Ok.as_str(),
        title: "The code came to its end",
        exit: Some("0"),
        happened: "The code ended by itself without an error. `result` is the variable of that name, else the value of the \
                   last expression, else nothing.",
        ..entry(Kind::Outcome)
    },
    Entry {
        code: Outcome::Error.as_str(),
        title: "The code failed",
        exit: Some("1, or what the code gave to `sys.exit`"),
        happened: "The code raised an exception that it did not catch, or ended itself with another exit code than 0. \
                   `error.error_type` is the name of the exception, `error.line` the line of the code.",
        causes: &[
            "A mistake in the code: `error.traceback` has its own lines.",
            "A tool failed, and the code did not catch the `ToolError`.",
            "The kernel refused something, and the code died of the `PermissionError`: see `violations`.",
        ],
        remedies: &["Show the model the result's text, which is made for it, and let it try again."],
        ..FAILED
    },
    Entry {
        code: Outcome::Timeout.as_str(),
        title: "The code took too long",
        error_type: Outcome::Timeout.error_type(),
        exit: Some("124"),
        happened: "The execution was ended when its time was over: `limits.code_timeout`, in which the time of pending tool \
                   calls does not count, or `limits.total_timeout`, in which it does. The message says which.",
        causes: &[
            "The work is long, or it waits for something that does not come.",
            "A tool is slow: only `total_timeout` ends that.",
        ],
        remedies: &[
            "Ask for more: `execution_timeout` in Python, `--timeout` on the command line, `code_timeout` over HTTP.",
            "Where the executor lowers what is asked for, raise `limits.code_timeout` or `limits.total_timeout` in its \
             policy. A warning in the result says so.",
        ],
        ..FAILED
    },
    Entry {
        code: Outcome::CpuLimit.as_str(),
        title: "The code used too much CPU time",
        error_type: Outcome::CpuLimit.error_type(),
        exit: Some("152"),
        happened: "All processes of the execution together used more CPU time than `limits.code_timeout` times \
                   `limits.cpus`. This clock never stands still, also not while a tool call is pending.",
        causes: &["A loop without an end.", "Several processes or threads compute at once."],
        remedies: &["Raise `limits.code_timeout` or `limits.cpus`.", "Compute less, or in a tool."],
        ..FAILED
    },
    Entry {
        code: Outcome::MemoryLimit.as_str(),
        title: "The code needed too much memory",
        error_type: Outcome::MemoryLimit.error_type(),
        exit: Some("137"),
        happened: "The code and all that it started needed more than `limits.memory_limit`, so it was ended, or it died of a \
                   `MemoryError`. Files in `/sandbox`, `/outputs` and `/tmp` count.",
        causes: &["A large file is read as a whole.", "Large files lie in `/sandbox` or `/tmp`."],
        remedies: &["Read in pieces, and remove files that are not needed.", "Raise `limits.memory_limit`."],
        ..FAILED
    },
    Entry {
        code: Outcome::DiskLimit.as_str(),
        title: "The code wrote too much",
        error_type: Outcome::DiskLimit.error_type(),
        exit: OWN_OR_KILLED,
        happened: "A folder was full, or a file larger than `limits.file_size`, and the code did not survive it. The message \
                   says which.",
        causes: &["More was written to `/sandbox`, `/outputs` or `/tmp` than its `max_size`."],
        remedies: &[
            "Raise `filesystem.sandbox.max_size`, `.outputs.max_size`, `.tmp.max_size` or `limits.file_size`. The folders \
             count as memory, so `limits.memory_limit` may have to grow as well.",
        ],
        ..FAILED
    },
    Entry {
        code: Outcome::ProcessLimit.as_str(),
        title: "The code started too many processes",
        error_type: Outcome::ProcessLimit.error_type(),
        exit: OWN_OR_KILLED,
        happened: "No further process or thread could be started, and the code did not survive it. Processes and threads \
                   count together.",
        causes: &["A pool with many workers.", "Libraries that start a thread for each core."],
        remedies: &["Use smaller pools.", "Raise `limits.processes`."],
        ..FAILED
    },
    Entry {
        code: Outcome::OutputLimit.as_str(),
        title: "The output was cut",
        error_type: Outcome::OutputLimit.error_type(),
        exit: Some("the code's own if it ended by itself: 0; else 137"),
        happened: "The code came to its end, but stdout or stderr was longer than `limits.output_bytes`. What came first is \
                   in the result, and so is the value.",
        causes: &["The code prints data that belongs into a file or into the result."],
        remedies: &["Print less, return the value, or write it to `/outputs`.", "Raise `limits.output_bytes`."],
        ..FAILED
    },
    Entry {
        code: Outcome::ResultTooLarge.as_str(),
        title: "The result is too large",
        error_type: Outcome::ResultTooLarge.error_type(),
        exit: Some("137"),
        happened: "The code came to its end, but its value takes more than `limits.result_bytes`.",
        causes: &["A whole table or file is the result."],
        remedies: &["Return the part that matters.", "Write it to `/outputs`.", "Raise `limits.result_bytes`."],
        ..FAILED
    },
    Entry {
        code: Outcome::ToolCallLimit.as_str(),
        title: "The code made too many tool calls",
        error_type: Outcome::ToolCallLimit.error_type(),
        exit: OWN_OR_KILLED,
        happened: "A call of a tool was refused because there had been as many as `limits.max_tool_calls` allows, and the \
                   code did not catch that. What it was told is a `ToolError` with this `error_type`.",
        causes: &["A loop that calls a tool for each item."],
        remedies: &[
            "Give the tool a parameter for many items at once.",
            "Raise `limits.max_tool_calls`, or `max_tool_calls` of `execute()` where that is lower.",
        ],
        ..FAILED
    },
    Entry {
        code: Outcome::Killed.as_str(),
        title: "The code killed itself",
        error_type: Outcome::Killed.error_type(),
        exit: Some("137: 128 and the number of the signal"),
        happened: "The code's process, or all of its sandbox, was ended by SIGKILL from within. No limit was the reason.",
        causes: &["The code sends a signal to itself, or to every process that it sees."],
        remedies: &["Look for `os.kill` and `kill` in the code."],
        ..FAILED
    },
    Entry {
        code: Outcome::Crashed.as_str(),
        title: "The interpreter crashed",
        error_type: Outcome::Crashed.error_type(),
        exit: Some("128 and the number of the signal; 137 where there is none"),
        happened: "A signal such as SIGSEGV or SIGSYS ended the interpreter.",
        causes: &[
            "A package with compiled parts has a defect, or `ctypes` was used wrongly.",
            "A recursion without an end in compiled code.",
        ],
        remedies: &["The message names the signal. Look which compiled package was in use."],
        ..FAILED
    },
    Entry {
        code: Outcome::Cancelled.as_str(),
        title: "The caller cancelled it",
        error_type: Outcome::Cancelled.error_type(),
        http: Some(499),
        exit: Some("143"),
        happened: "The caller cancelled the execution, or went away. Every process of it was ended.",
        causes: &["Ctrl-C at `codemode run`, a cancelled task in Python, a closed connection."],
        remedies: &["Run it again where it was not meant. Tools that it called have run."],
        ..FAILED
    },
    Entry {
        code: Outcome::Interrupted.as_str(),
        title: "The executor ended it",
        error_type: Outcome::Interrupted.error_type(),
        http: Some(409),
        exit: Some("143"),
        happened: "The executor stopped before the code finished, or could make no sandbox for it. The message says whether \
                   anything ran.",
        causes: &[
            "The executor was told to stop, and `drain_timeout` was over.",
            "The process that sandboxes come from ended; the executor starts another.",
            "The machine has no memory or process left for a sandbox.",
        ],
        remedies: &[
            "Run it again if its tools can bear that.",
            "Raise `drain_timeout` for long executions.",
            "Look into the executor's log.",
        ],
        ..FAILED
    },
    Entry {
        code: Outcome::ProtocolError.as_str(),
        title: "The sandbox sent nonsense",
        error_type: Outcome::ProtocolError.error_type(),
        exit: Some("1"),
        happened: "What came from the sandbox is not the protocol, so it was killed. Or it sent a result that the Python \
                   package cannot read.",
        causes: &["The code writes to descriptors that it did not open.", "The code is hostile."],
        remedies: &["Look at the code. The executor and other executions are not touched by it."],
        ..FAILED
    },
    Entry {
        code: "rejected",
        title: "The code was refused before it ran",
        error_type: Some("Rejected"),
        exit: Some("64"),
        happened: "Nothing ran. The message begins with the code of the refusal, such as `invalid_code`.",
        causes: &["The code is empty, no text, or too long.", "Its context or configuration cannot be read."],
        remedies: &["Look up the code that the message begins with."],
        ..FAILED
    },
];
