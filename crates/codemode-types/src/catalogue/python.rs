//! What only the Python package says.

use super::{Entry, Kind, entry};

const PYTHON: Entry = entry(Kind::Python);

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        code: "registry",
        title: "A component cannot be registered",
        python: Some("RegistryError"),
        happened: "What was given for a tool, an agent, a team or a flow cannot be used; the message says which part.",
        causes: &[
            "The tool has no description, a reserved name, or a name that is no printable text.",
            "A schema cannot be enforced, or is no schema.",
            "An approval rule names a parameter that the tool does not have.",
        ],
        remedies: &["Read the message: it names the component and the remedy."],
        ..PYTHON
    },
    Entry {
        code: "component_not_found",
        title: "No such component",
        python: Some("ComponentNotFoundError"),
        happened: "A name was asked for that nobody registered.",
        causes: &["It is misspelt.", "It is registered later, or in another registry."],
        remedies: &["Look at the names in the message, and at `suggestions` of the exception."],
        ..PYTHON
    },
    Entry {
        code: "component_exists",
        title: "The name is taken",
        python: Some("ComponentAlreadyExistsError"),
        happened: "A component of this kind has that name already.",
        causes: &["A module that registers is imported twice, or two tools have one name."],
        remedies: &["Take another name, or pass `overwrite=True`."],
        ..PYTHON
    },
    Entry {
        code: "stub_name",
        title: "A tool's name is no Python identifier",
        python: Some("RegistryError"),
        happened: "Stubs show tools as Python functions, so each name has to be an identifier. Calls do not need that.",
        causes: &["A name has a hyphen or a dot, is a keyword, or begins with an underscore."],
        remedies: &["Give the tool another name, or leave it out of the stubs."],
        ..PYTHON
    },
    Entry {
        code: "execution_failed",
        title: "The code failed",
        python: Some("ExecutionFailed"),
        happened: "The exception was made without a code of its own. One that `execute(..., check=True)` raises has the \
                   outcome as its code, and the result in `result`.",
        causes: &["An application raised `ExecutionFailed` itself."],
        remedies: &["Look at `result` of the exception, where it has one."],
        ..PYTHON
    },
    Entry {
        code: "would_block",
        title: "The call would block its own event loop",
        python: Some("CodemodeError"),
        happened: "A blocking method was called in the event loop that runs this client's async tools. The execution \
                   would wait for a tool, and the tool for the loop.",
        causes: &["An async tool calls `execute()` of the client that called it."],
        remedies: &["Await the async method that the message names."],
        ..PYTHON
    },
    Entry {
        code: "forked",
        title: "The stream belongs to another process",
        python: Some("CodemodeError"),
        happened: "The process forked while a stream was open. Only the process that began it hears of it.",
        causes: &["`multiprocessing` with the start method `fork`."],
        remedies: &["Begin a stream in the process that reads it, or use the start method `spawn`."],
        ..PYTHON
    },
    Entry {
        code: "artifact_unavailable",
        title: "The contents of an artifact are not here",
        python: Some("CodemodeError"),
        happened: "The result names the file, but its contents neither came along nor lie on this machine.",
        causes: &[
            "The file is larger than what was left of `artifact_bytes`.",
            "The executor keeps files on another machine, or has no folder for them.",
            "The file on this machine has been changed since.",
        ],
        remedies: &[
            "Pass a larger `artifact_bytes` to `execute()`; `limits.result_bytes` of the executor is the most.",
            "Give the executor a folder: `filesystem.outputs.mount`.",
        ],
        ..PYTHON
    },
    Entry {
        code: "artifact_path",
        title: "An artifact would be written outside of its folder",
        python: Some("CodemodeError"),
        happened: "The artifact's path, with the links that are there, leads out of the folder that was named. Nothing was \
                   written.",
        causes: &["A link in the folder leads elsewhere.", "The path does not come from an executor."],
        remedies: &["Save into an empty folder, or name a file instead."],
        ..PYTHON
    },
];
