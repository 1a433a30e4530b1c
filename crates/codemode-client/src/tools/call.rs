use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use codemode_types::ExecutionId;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::ToolCall;
use crate::{CallReporter, ValueError, from_tagged, schema::read_value};

/// What a tool knows of the call that it answers. Clones are about the same call.
///
/// ```
/// use codemode_client::{Call, Tool, Value, json};
///
/// let tool = Tool::with_call("whoami", "Who asks", |_: Value, call: Call| async move {
///     call.progress("looking", 0.5);
///     Ok(json!({"user": call.context()["user"]}))
/// });
/// # drop(tool);
/// ```
#[derive(Clone)]
pub struct Call {
    shared: Arc<Shared>,
}

struct Shared {
    execution_id: ExecutionId,
    call_id: u64,
    name: String,
    given: Bytes,
    context: OnceLock<Value>,
    reporter: CallReporter,
}

impl Call {
    pub(super) fn of(call: &ToolCall) -> Self {
        let shared = Shared {
            execution_id: call.execution_id.clone(),
            call_id: call.call_id,
            name: call.name.clone(),
            given: call.context.clone(),
            context: OnceLock::new(),
            reporter: call.reporter.clone(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The execution that makes it.
    ///
    /// ```
    /// use codemode_client::{Call, Tool, Value, json};
    ///
    /// let tool = Tool::with_call("id", "The execution's own name", |_: Value, call: Call| async move {
    ///     Ok(json!(call.execution_id().as_str()))
    /// });
    /// # drop(tool);
    /// ```
    pub fn execution_id(&self) -> &ExecutionId {
        &self.shared.execution_id
    }

    /// Unique in its execution.
    ///
    /// ```
    /// use codemode_client::{Call, Tool, Value, json};
    ///
    /// let tool = Tool::with_call("number", "Which call this is", |_: Value, call: Call| async move {
    ///     Ok(json!(call.call_id()))
    /// });
    /// # drop(tool);
    /// ```
    pub fn call_id(&self) -> u64 {
        self.shared.call_id
    }

    /// Of the tool.
    ///
    /// ```
    /// use codemode_client::{Call, Tool, Value, json};
    ///
    /// let tool = Tool::with_call("echo", "Its own name", |_: Value, call: Call| async move { Ok(json!(call.name())) });
    /// # drop(tool);
    /// ```
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// What the client gave the execution with [`Request::context`](crate::Request::context); null if nothing. The code
    /// can read it and cannot change it.
    ///
    /// ```
    /// use codemode_client::{Call, Tool, ToolFailure, Value, json};
    ///
    /// let tool = Tool::with_call("orders", "Orders of the customer", |_: Value, call: Call| async move {
    ///     match call.context()["customer"].as_str() {
    ///         Some(customer) => Ok(json!([format!("an order of {customer}")])),
    ///         None => Err(ToolFailure::new("PermissionError", "no customer is signed in")),
    ///     }
    /// });
    /// # drop(tool);
    /// ```
    pub fn context(&self) -> &Value {
        // The client wrote it; should it be no JSON, the executed code was told.
        self.shared.context.get_or_init(|| read_value(&self.shared.given).unwrap_or_default())
    }

    /// The same as a type of one's own.
    ///
    /// ```
    /// use codemode_client::{Call, Tool, ToolFailure, Value, json};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Session {
    ///     customer: String,
    /// }
    ///
    /// let tool = Tool::with_call("whoami", "Who asks", |_: Value, call: Call| async move {
    ///     let session: Session = call.context_as().map_err(|error| ToolFailure::new("ValueError", error.to_string()))?;
    ///     Ok(json!(session.customer))
    /// });
    /// # drop(tool);
    /// ```
    pub fn context_as<T: DeserializeOwned>(&self) -> Result<T, ValueError> {
        match self.shared.given.is_empty() {
            true => from_tagged(b"null"),
            false => from_tagged(&self.shared.given),
        }
    }

    /// Tells a reader of [`Client::stream`](crate::Client::stream) how far the tool is, from 0 to 1 where that is known.
    /// Does nothing where nobody reads, nothing for a reader that is far behind, and nothing after the call.
    ///
    /// ```
    /// use codemode_client::{Call, Tool, Value, json};
    ///
    /// let tool = Tool::with_call("load", "Loads all pages", |_: Value, call: Call| async move {
    ///     for page in 1..=4 {
    ///         call.progress(format!("page {page} of 4"), f64::from(page) / 4.0);
    ///     }
    ///     call.progress("sorting", None);
    ///     Ok(json!(null))
    /// });
    /// # drop(tool);
    /// ```
    pub fn progress(&self, message: impl Into<String>, fraction: impl Into<Option<f64>>) {
        self.shared.reporter.progress(message, fraction);
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Call")
            .field("execution_id", &self.shared.execution_id)
            .field("call_id", &self.shared.call_id)
            .field("name", &self.shared.name)
            .finish_non_exhaustive()
    }
}
