use std::time::Duration;

/// A tool as the client offers it to one execution. Schemas are JSON Schema text that the engine passes on unread.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolSpec {
    pub name: String,
    pub description: String,
    pub input_schema: Option<Vec<u8>>,
    pub output_schema: Option<Vec<u8>>,
    pub is_async: bool,
    pub has_context: bool,
    /// How long one call may take, where that is less than the limit for all of them.
    pub timeout: Option<Duration>,
}

/// Why a tool call has no value; becomes a `ToolError` in the guest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolFailure {
    /// The exception's name, such as `ValueError`.
    pub kind: String,
    pub message: String,
    /// `*` marks a required one.
    pub valid_parameters: Vec<String>,
    pub suggestions: Vec<String>,
}

impl ToolFailure {
    pub fn new(kind: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind: kind.into(), message: message.into(), ..Self::default() }
    }
}
