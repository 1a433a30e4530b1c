//! The application's functions that executed code may call.

mod answer;
mod call;
mod meta;
mod registration;
mod set;
mod tool;

use std::{future::Future, pin::Pin, time::Duration};

use bytes::Bytes;
use codemode_types::{ExecutionId, ToolFailure, ToolSpec, nearest};
use serde_json::Value;

use crate::{CallReporter, Hold, new_execution_id, python::quoted};

pub use call::Call;
pub use registration::RegistrationError;
pub use set::Tools;
pub use tool::Tool;

/// Every execution has these without a registration; they are not in [`ToolHost::specs`].
///
/// ```
/// assert_eq!(codemode_client::META_TOOLS, ["__list__", "__schema__", "__search__"]);
/// ```
pub const META_TOOLS: [&str; 3] = ["__list__", "__schema__", "__search__"];

/// Of a call that no executor waits for.
const DETACHED_TIMEOUT: Duration = Duration::from_secs(60);
const DETACHED_BYTES: u64 = 16 << 20;

/// A call that executed code makes.
///
/// ```
/// use codemode_client::{Tool, ToolCall, ToolHost, Tools, Value, json};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tools = Tools::of([Tool::new("double", "Twice as much", |arguments: Value| async move {
///     Ok(json!(arguments["x"].as_i64().unwrap_or(0) * 2))
/// })])?;
/// let answer = tools.call(ToolCall::detached("double", &json!({"x": 21}))?).await;
/// assert_eq!(answer.unwrap(), b"42");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ToolCall {
    /// The execution that makes it.
    pub execution_id: ExecutionId,
    /// Unique in its execution.
    pub call_id: u64,
    /// Of the tool.
    pub name: String,
    /// Tagged JSON: an object of keyword arguments. Written by hostile code.
    pub arguments: Vec<u8>,
    /// What the client gave the execution: tagged JSON that the code cannot change; empty for none.
    pub context: Bytes,
    /// An answer after this is dropped.
    pub timeout: Duration,
    /// A larger answer becomes a failure.
    pub value_bytes: u64,
    /// Whether raw bytes may stand behind the JSON of the answer, as the published contract has it.
    pub bytes_behind: bool,
    /// Stops the clock of `timeout` while a person is asked.
    pub hold: Hold,
    /// Tells a reader of [`Client::stream`](crate::Client::stream) about the call.
    pub reporter: CallReporter,
}

impl ToolCall {
    /// A call that no execution makes, to try a [`ToolHost`] out. It has a minute, and 16 MiB for the answer.
    ///
    /// ```
    /// use codemode_client::{NoTools, ToolCall, ToolHost, json};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let failure = NoTools.call(ToolCall::detached("weather", &json!({}))?).await.unwrap_err();
    /// assert_eq!(failure.message, "no tool 'weather' (no tool is available)");
    /// # Ok(())
    /// # }
    /// ```
    pub fn detached(name: impl Into<String>, arguments: &Value) -> Result<Self, crate::ClientError> {
        let name = name.into();
        Ok(Self {
            execution_id: new_execution_id()?,
            call_id: 0,
            reporter: CallReporter::silent(),
            name,
            arguments: arguments.to_string().into_bytes(),
            context: Bytes::new(),
            timeout: DETACHED_TIMEOUT,
            value_bytes: DETACHED_BYTES,
            bytes_behind: false,
            hold: Hold::detached(),
        })
    }
}

/// Resolves to tagged JSON. Dropped when the execution no longer waits for it.
///
/// ```
/// use codemode_client::ToolFuture;
///
/// let answer: ToolFuture = Box::pin(async { Ok(b"42".to_vec()) });
/// # drop(answer);
/// ```
pub type ToolFuture = Pin<Box<dyn Future<Output = Result<Vec<u8>, ToolFailure>> + Send>>;

/// The application's tools, as one execution sees them. [`Tools`] is one, and checks what it gets; one's own may
/// forward calls to somewhere else.
///
/// ```
/// use codemode_client::{ToolCall, ToolFuture, ToolHost, ToolSpec};
///
/// /// Answers every call with the arguments themselves.
/// struct Echo;
///
/// impl ToolHost for Echo {
///     fn specs(&self) -> Vec<ToolSpec> {
///         vec![ToolSpec { name: "echo".into(), description: "The same".into(), ..ToolSpec::default() }]
///     }
///
///     fn call(&self, call: ToolCall) -> ToolFuture {
///         Box::pin(async move { Ok(call.arguments) })
///     }
/// }
/// # assert_eq!(Echo.specs().len(), 1);
/// ```
pub trait ToolHost: Send + Sync {
    /// Asked once per execution; no call of another name reaches `call`, but for [`META_TOOLS`].
    ///
    /// ```
    /// use codemode_client::{NoTools, ToolHost};
    ///
    /// assert!(NoTools.specs().is_empty());
    /// ```
    fn specs(&self) -> Vec<ToolSpec>;

    /// Calls run concurrently, each in a task of its own. Do not block here.
    ///
    /// ```
    /// use codemode_client::{NoTools, ToolCall, ToolHost, json};
    ///
    /// # fn main() -> Result<(), codemode_client::ClientError> {
    /// let answer = NoTools.call(ToolCall::detached("weather", &json!({}))?);
    /// # drop(answer);
    /// # Ok(())
    /// # }
    /// ```
    fn call(&self, call: ToolCall) -> ToolFuture;
}

/// For code that calls nothing.
///
/// ```
/// use codemode_client::{NoTools, ToolHost};
///
/// assert!(NoTools.specs().is_empty());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTools;

impl ToolHost for NoTools {
    fn specs(&self) -> Vec<ToolSpec> {
        Vec::new()
    }

    fn call(&self, call: ToolCall) -> ToolFuture {
        let failure = unknown(&call.name, &[]);
        Box::pin(async move { Err(failure) })
    }
}

/// The failure of a call to a tool that this execution does not have.
pub(crate) fn unknown(name: &str, known: &[&str]) -> ToolFailure {
    let near = nearest(name, known.iter().copied());
    let mut failure = ToolFailure::new("ToolNotFound", missing(name, near, known));
    failure.suggestions = near.map(String::from).into_iter().collect();
    failure
}

fn missing(name: &str, near: Option<&str>, known: &[&str]) -> String {
    let hint = near.map_or(String::new(), |near| format!(", did you mean {}?", quoted(near)));
    let there = match known {
        [] => "no tool is available".into(),
        known => format!("available tools: {}", known.join(", ")),
    };
    format!("no tool {}{hint} ({there})", quoted(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_tool_names_the_nearest() {
        let failure = unknown("wether", &["weather", "alert"]);
        assert_eq!(failure.suggestions, ["weather"]);
        assert_eq!(failure.message, "no tool 'wether', did you mean 'weather'? (available tools: weather, alert)");
    }
}
