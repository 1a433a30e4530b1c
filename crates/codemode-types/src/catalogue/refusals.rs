//! What the executor refuses before anything runs. The titles are those of HTTP's problem documents.

use super::{Entry, Kind, entry};
use crate::ErrorCode;

const REFUSAL: Entry = entry(Kind::Refusal);
const USAGE: Option<&str> = Some("64");
const UNAVAILABLE: Option<&str> = Some("69");
const REJECTED: Option<&str> = Some("Rejected");

/// In the order of `ErrorCode::ALL`.
pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        code: ErrorCode::InvalidRequest.as_str(),
        title: "The request is malformed",
        python: Some("ExecutionFailed"),
        grpc: Some("INVALID_ARGUMENT"),
        http: Some(400),
        exit: USAGE,
        happened: "The request itself has the wrong form, so nothing ran. HTTP also answers 404, 405, 413, 415 or 422 with \
                   this code where that says more.",
        causes: &[
            "An id has the wrong form: an execution id is 1 to 64 of `[A-Za-z0-9_-]`, a correlation id 1 to 128 \
             printable ASCII characters.",
            "A body is no JSON, has a field that there is not, or is no `application/json`.",
            "A timeout is not above 0.",
            "Messages of the gRPC stream come in another order than `proto/codemode/v1/executor.proto` says.",
        ],
        remedies: &[
            "Read the message: it names the part that is wrong.",
            "Compare what is sent with the protobuf file, or use a client library, which cannot get this wrong.",
        ],
        ..REFUSAL
    },
    Entry {
        code: ErrorCode::InvalidCode.as_str(),
        title: "The code cannot be run",
        error_type: REJECTED,
        grpc: Some("INVALID_ARGUMENT"),
        http: Some(422),
        exit: USAGE,
        happened: "The code is not text that Python could read, so nothing ran. A mistake in the syntax is not this: it \
                   ends with outcome `error` and a `SyntaxError`.",
        causes: &["The code is empty.", "It is not UTF-8.", "It holds a NUL byte."],
        remedies: &["Look at what is passed as code: often a file that could not be read, or a model's empty answer."],
        ..REFUSAL
    },
    Entry {
        code: ErrorCode::CodeTooLong.as_str(),
        title: "The code is too long",
        error_type: REJECTED,
        grpc: Some("INVALID_ARGUMENT"),
        http: Some(422),
        exit: USAGE,
        happened: "The code has more characters than `limits.max_code_length` allows, so nothing ran.",
        causes: &[
            "Data was written into the code.",
            "The client asked for a smaller `max_code_length` than the executor has.",
        ],
        remedies: &[
            "Pass data as `context`, as `variables`, through a tool or as a file in the workspace.",
            "Raise `limits.max_code_length` in the executor's policy. A client can only lower it.",
        ],
        ..REFUSAL
    },
    Entry {
        code: ErrorCode::Policy.as_str(),
        title: "The executor's policy does not allow this",
        python: Some("ConfigError"),
        grpc: Some("INVALID_ARGUMENT"),
        http: Some(422),
        exit: USAGE,
        happened: "A policy is malformed, or a client asks for more than the executor's own policy allows. A client's \
                   policy is a request to narrow: it can take rights away and never add any.",
        causes: &[
            "A key of the client's policy is wider than the executor's: a command, a domain, a limit, a network mode.",
            "The client names a folder or an environment that the executor does not have.",
            "The policy of an embedded executor has a key or a value that there is not.",
        ],
        remedies: &[
            "Read the message: it names each key.",
            "Leave the key out of the client's policy, or widen the policy of `codemode serve`.",
            "`codemode config check` reads a file without starting anything.",
        ],
        ..REFUSAL
    },
    Entry {
        code: ErrorCode::Unauthenticated.as_str(),
        title: "Not authenticated",
        python: Some("AuthenticationError"),
        grpc: Some("UNAUTHENTICATED"),
        http: Some(401),
        exit: UNAVAILABLE,
        happened: "The executor wants an API key, and the request came with none or with another.",
        causes: &[
            "No key was given.",
            "The key was changed on the executor, and the time of `CODEMODE_API_KEY_PREVIOUS` is over.",
            "The key is that of another executor.",
        ],
        remedies: &[
            "Give the client the key that the executor was started with: `CODEMODE_EXECUTOR_API_KEY`, \
             `CODEMODE_EXECUTOR_API_KEY_FILE` or `executor_api_key`.",
            "Over HTTP send `Authorization: Bearer KEY`.",
            "`codemode health --url URL --api-key-file FILE` tells whether a key is let in.",
        ],
        ..REFUSAL
    },
    Entry {
        code: ErrorCode::Overloaded.as_str(),
        title: "The executor is busy",
        python: Some("ExecutorOverloaded"),
        grpc: Some("RESOURCE_EXHAUSTED"),
        http: Some(429),
        exit: UNAVAILABLE,
        happened: "As many executions run and wait as the executor takes. Nothing ran.",
        causes: &[
            "More requests come at once than `max_concurrent_executions` and `queue` have room for.",
            "The requests that wait hold too many bytes of code and values together.",
        ],
        remedies: &[
            "Try again later. The client does so by itself, unless `retry.enabled` is false. HTTP says when in `Retry-After`.",
            "Raise `max_concurrent_executions` or `queue`, or run more executors.",
        ],
        retryable: true,
        ..REFUSAL
    },
    Entry {
        code: ErrorCode::Draining.as_str(),
        title: "The executor is stopping",
        python: Some("ExecutorOverloaded"),
        grpc: Some("UNAVAILABLE"),
        http: Some(503),
        exit: UNAVAILABLE,
        happened: "The executor was told to stop. It finishes what runs and takes nothing new. Nothing ran.",
        causes: &["A restart, an update, or the end of the container."],
        remedies: &[
            "Try again: on another executor at once, on the same when it is back.",
            "Have load balancers ask `/readyz` or the gRPC health service, which say so first.",
        ],
        retryable: true,
        ..REFUSAL
    },
    Entry {
        code: ErrorCode::Internal.as_str(),
        title: "The executor failed",
        python: Some("ExecutionFailed"),
        grpc: Some("INTERNAL"),
        http: Some(500),
        exit: USAGE,
        happened: "The executor itself failed, for a reason that is not the caller's.",
        causes: &[
            "The audit log cannot be written, and nothing runs without it.",
            "The executor lost sight of an execution. Then the message says that the code may have run in part.",
        ],
        remedies: &["Look into the executor's log.", "Look whether the disk of the audit log is full."],
        ..REFUSAL
    },
];
