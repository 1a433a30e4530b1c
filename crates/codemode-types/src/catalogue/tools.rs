//! What a call of a tool fails with, besides the exceptions of the tool itself. The code sees a `ToolError`.

use super::{Entry, Kind, entry};

const TOOL: Entry = entry(Kind::Tool);

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        code: "ToolError",
        title: "The tool failed",
        happened: "The tool raised. For another exception than `ToolError` its own name stands here instead, such as \
                   `ValueError`, and its message begins with that name. Paths of the application's machine are taken out.",
        causes: &["The tool could not do what it was asked."],
        remedies: &[
            "In the code, catch `ToolError` where it can go on without.",
            "In the tool, raise `codemode.ToolError` with words that help the code; they arrive unchanged.",
        ],
        ..TOOL
    },
    Entry {
        code: "ToolNotFound",
        title: "There is no such tool",
        happened: "The name is not one of the tools that this execution was given. For the code it is an `AttributeError` as \
                   well, so `hasattr(tools, name)` works.",
        causes: &[
            "The name is misspelt: `suggestions` has the nearest ones.",
            "`tool_filter` or a scope leaves the tool out.",
            "The request came over HTTP, which offers no tools.",
        ],
        remedies: &[
            "Look at the names: `list(tools)` in the code, `codemode tools list` for a module.",
            "Register the tool, or let it through the filter.",
        ],
        ..TOOL
    },
    Entry {
        code: "ToolCheckError",
        error_type: Some("ToolCheckError"),
        title: "A call cannot work, so the code did not run",
        happened: "Before the first line runs, calls of tools are looked at. One that can only fail ends the run with this \
                   error, which is a `SyntaxError` with the lines, and no `ToolError`. The outcome is `error`.",
        causes: &["A tool, a parameter or a method is misspelt.", "A required parameter is missing."],
        remedies: &[
            "Show the model the message, which names each line and the nearest name.",
            "`check_tools=False` leaves the check out. The call then fails where it stands.",
        ],
        ..TOOL
    },
    Entry {
        code: "InvalidArguments",
        title: "The arguments do not fit the tool",
        happened: "The application's side compared the arguments with the tool's input schema. The tool was not called.",
        causes: &[
            "A parameter is missing, misspelt or of the wrong type.",
            "More was given by position than there is.",
        ],
        remedies: &[
            "Look at `valid_parameters` and `suggestions` of the error.",
            "Say in the tool's docstring what each parameter is: the model reads it.",
        ],
        ..TOOL
    },
    Entry {
        code: "InvalidResult",
        title: "The tool returned what its schema does not allow",
        happened: "The tool ran. What it returned does not fit its own output schema, so the code does not get it.",
        causes: &["The tool's return annotation or `output_schema` does not say what the tool returns."],
        remedies: &["Correct the tool or its schema. The code can do nothing about it."],
        ..TOOL
    },
    Entry {
        code: "ApprovalDenied",
        title: "The call was denied",
        happened: "A rule of the tool, or whoever was asked, said no. The tool was not called.",
        causes: &[
            "A rule denies these arguments.",
            "`on_approval` returned False, raised, or returned something else than a decision.",
            "A rule asks, and the client has no `on_approval`.",
        ],
        remedies: &["The message has the reason.", "Pass `on_approval` to the client, or change the tool's rules."],
        ..TOOL
    },
    Entry {
        code: "ToolTimeout",
        title: "The tool did not answer in time",
        happened: "The tool took longer than its own timeout or `limits.tool_timeout`; the message says which. For the code \
                   it is a `TimeoutError` as well. The tool itself may still be running.",
        causes: &["The tool waits for something slow.", "The tool blocks."],
        remedies: &[
            "Raise `limits.tool_timeout`, or the tool's own where that is lower: `@tool(timeout=90)`.",
            "Let the tool do less in one call.",
        ],
        ..TOOL
    },
    Entry {
        code: "ToolArgumentsTooLarge",
        title: "The arguments are too large",
        happened: "The executor refused the arguments: they take more than `limits.value_bytes`. Code that calls tools the \
                   ordinary way meets `ValueTooLarge` first.",
        causes: &["A whole file or table is an argument."],
        remedies: &["Pass less, or in several calls.", "Raise `limits.value_bytes`."],
        ..TOOL
    },
    Entry {
        code: "ValueTooLarge",
        title: "The arguments take too many bytes",
        happened: "The arguments of a call take more than `limits.value_bytes`, so it was not made.",
        causes: &["A whole file or table is an argument."],
        remedies: &["Pass less, or in several calls.", "Raise `limits.value_bytes`."],
        ..TOOL
    },
    Entry {
        code: "ToolResultTooLarge",
        title: "The tool's result is too large",
        happened: "The tool ran. What it returned takes more than `limits.value_bytes`, so the code does not get it.",
        causes: &["The tool returns a whole file or table."],
        remedies: &["Let the tool return a part, with parameters for which one.", "Raise `limits.value_bytes`."],
        ..TOOL
    },
    Entry {
        code: "ToolAnswersUnread",
        title: "Too many answers wait unread",
        happened: "The tool ran, but the code has not read earlier answers, and there is no room for more.",
        causes: &["Many calls with large answers are made at once."],
        remedies: &["Make fewer calls at a time, or ask for less in each."],
        ..TOOL
    },
    Entry {
        code: "BadAnswer",
        title: "The tool's answer cannot be read",
        happened: "What came as the answer is not in the form that values have on the wire.",
        causes: &["A client of one's own writes answers that are not as the protobuf file says."],
        remedies: &["Correct that client. The client libraries here cannot do that."],
        ..TOOL
    },
    Entry {
        code: "Disconnected",
        title: "The executor is gone",
        happened: "The executor ended while the code waited for a tool. The code is about to be ended as well.",
        causes: &["The executor was killed."],
        remedies: &["Look into the executor's log."],
        ..TOOL
    },
    Entry {
        code: "ForkedProcess",
        title: "A forked process cannot call tools",
        happened: "Only the process that runs the code can call tools, not one that it forked.",
        causes: &["A worker of `multiprocessing` calls a tool."],
        remedies: &["Call the tool in the main process, and hand the values on. Threads can call tools."],
        ..TOOL
    },
    Entry {
        code: "Panic",
        title: "The tool panicked",
        happened: "A tool of a Rust application panicked. The application's log has the reason, the code does not.",
        causes: &["A defect of the tool."],
        remedies: &["Correct the tool: it should return an error."],
        ..TOOL
    },
    Entry {
        code: "ToolServiceUnreachable",
        title: "The published package's tools cannot be reached",
        happened: "A client of `opencodemode` serves its tools itself, and the executor could not reach them. Where this is \
                   noticed before the code begins, nothing ran.",
        causes: &[
            "`main_app_grpc_target` of the executor is not set, or names another address.",
            "The application does not serve its tools, or a firewall is in between.",
            "Only one of the two speaks TLS.",
        ],
        remedies: &[
            "Set `main_app_grpc_target` to where the application listens, and look into the executor's log.",
            "Where the application speaks TLS, set `callback_tls.enabled` and `callback_tls.ca_file`.",
        ],
        ..TOOL
    },
    Entry {
        code: "ToolServiceRefused",
        title: "The published package's tools refused the call",
        happened: "The executor reached the application's tools, and was answered with a gRPC status instead of a result. The \
                   message has its words.",
        causes: &["The application wants another API key than the executor's.", "The application is stopping."],
        remedies: &["Give both the same key, and look into the application's log."],
        ..TOOL
    },
];
