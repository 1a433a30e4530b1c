//! Envelopes: an execution's id around a message.

use codemode_types::ExecutionId;

use crate::v1;

impl v1::ClientMessage {
    pub fn new(id: &ExecutionId, message: impl Into<v1::client_message::Message>) -> Self {
        Self { execution_id: id.as_str().into(), message: Some(message.into()) }
    }

    /// The first message of a `Connect` stream.
    pub fn hello(hello: v1::Hello) -> Self {
        Self { execution_id: String::new(), message: Some(hello.into()) }
    }
}

impl v1::ServerMessage {
    /// `id` as the peer wrote it: a refusal names an id even when the id is what is wrong.
    pub fn new(id: &str, message: impl Into<v1::server_message::Message>) -> Self {
        Self { execution_id: id.into(), message: Some(message.into()) }
    }
}

macro_rules! into_message {
    ($module:ident: $($variant:ident),+) => {
        $(impl From<v1::$variant> for v1::$module::Message {
            fn from(message: v1::$variant) -> Self {
                Self::$variant(message)
            }
        })+
    };
}

into_message!(client_message: Hello, Start, ToolResult, ToolResultPart, ToolHeld, Cancel, Credit);
into_message!(server_message: Accepted, Output, ToolCall, ToolCallAbandoned, ToolResultCredit, Finished, Rejected);

impl From<v1::Info> for v1::server_message::Message {
    fn from(info: v1::Info) -> Self {
        Self::Welcome(info)
    }
}
