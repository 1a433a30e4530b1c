use std::{fmt, future::Future, sync::Arc, time::Duration};

use codemode_types::ToolFailure;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{Call, ToolFuture, answer::given};
use crate::{Approval, to_tagged, values};

/// Of arguments that were checked already.
pub(super) type Function = Arc<dyn Fn(Value, Call) -> ToolFuture + Send + Sync>;

/// One function that executed code may call, and what is known of it. [`Tools`](crate::Tools) checks and holds it.
///
/// ```
/// use std::time::Duration;
/// use codemode_client::{Tool, Tools, Value, json};
///
/// let weather = Tool::new("weather", "The temperature at a place", |arguments: Value| async move {
///     Ok(json!({"location": arguments["location"], "celsius": 21}))
/// })
/// .input_schema(&json!({
///     "type": "object",
///     "properties": {"location": {"type": "string"}},
///     "required": ["location"],
///     "additionalProperties": false,
/// }))
/// .output_schema(&json!({"type": "object", "properties": {"celsius": {"type": "number"}}}))
/// .timeout(Duration::from_secs(5));
/// let tools = Tools::of([weather])?;
/// # Ok::<(), codemode_client::RegistrationError>(())
/// ```
#[must_use]
pub struct Tool {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) input_schema: Option<Value>,
    pub(super) output_schema: Option<Value>,
    pub(super) timeout: Option<Duration>,
    pub(super) approval: Option<Approval>,
    pub(super) has_context: bool,
    pub(super) function: Function,
}

impl Tool {
    /// A tool on types of one's own, or on [`Value`]. What the arguments may be is told in
    /// [`from_tagged`](crate::from_tagged); arguments that the type does not take become an error in the code, which
    /// says which and why.
    ///
    /// ```
    /// use codemode_client::{Tool, ToolFailure};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Order {
    ///     item: String,
    ///     pieces: u32,
    /// }
    ///
    /// let order = Tool::new("order", "Orders an item", |order: Order| async move {
    ///     match order.pieces {
    ///         0 => Err(ToolFailure::new("ValueError", format!("no pieces of {}", order.item))),
    ///         pieces => Ok(format!("{pieces} of {}", order.item)),
    ///     }
    /// });
    /// # drop(order);
    /// ```
    pub fn new<F, A, R, T>(name: impl Into<String>, description: impl Into<String>, function: F) -> Self
    where
        F: Fn(A) -> R + Send + Sync + 'static,
        A: DeserializeOwned + Send + 'static,
        R: Future<Output = Result<T, ToolFailure>> + Send + 'static,
        T: Serialize + 'static,
    {
        let tool = Self::with_call(name, description, move |arguments, _| function(arguments));
        Self { has_context: false, ..tool }
    }

    /// The same for a function that also gets the [`Call`]: who calls, the client's context, progress.
    ///
    /// ```
    /// use codemode_client::{Call, Tool, Value, json};
    ///
    /// let tool = Tool::with_call("whoami", "Who asks", |_: Value, call: Call| async move {
    ///     Ok(json!(call.context()["user"]))
    /// });
    /// # drop(tool);
    /// ```
    pub fn with_call<F, A, R, T>(name: impl Into<String>, description: impl Into<String>, function: F) -> Self
    where
        F: Fn(A, Call) -> R + Send + Sync + 'static,
        A: DeserializeOwned + Send + 'static,
        R: Future<Output = Result<T, ToolFailure>> + Send + 'static,
        T: Serialize + 'static,
    {
        let function = Arc::new(function);
        Self::of(name, description, move |arguments, call| {
            let function = Arc::clone(&function);
            Box::pin(async move {
                let arguments = given(&arguments, call.name())?;
                let value = function(arguments, call).await?;
                to_tagged(&value)
                    .map_err(|error| ToolFailure::new("ValueError", format!("the result cannot be carried: {error}")))
            })
        })
    }

    /// A tool on tagged JSON as it travels: exact for every value that Python has. The arguments are an object, and
    /// those that were checked.
    ///
    /// ```
    /// use codemode_client::{Call, Tool};
    ///
    /// let echo = Tool::raw("echo", "The same", |arguments: Vec<u8>, _: Call| async move { Ok(arguments) });
    /// # drop(echo);
    /// ```
    pub fn raw<F, R>(name: impl Into<String>, description: impl Into<String>, function: F) -> Self
    where
        F: Fn(Vec<u8>, Call) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Vec<u8>, ToolFailure>> + Send + 'static,
    {
        // Written anew: what a second reader makes of the code's own text need not be what was checked.
        Self::of(name, description, move |arguments, call| Box::pin(function(values::text(&arguments), call)))
    }

    fn of<F>(name: impl Into<String>, description: impl Into<String>, function: F) -> Self
    where
        F: Fn(Value, Call) -> ToolFuture + Send + Sync + 'static,
    {
        Self {
            name: name.into(),
            description: description.into(),
            input_schema: None,
            output_schema: None,
            timeout: None,
            approval: None,
            has_context: true,
            function: Arc::new(function),
        }
    }

    /// The JSON Schema of the arguments, an object's. Calls that do not fit it fail before the function runs. Without
    /// one, any arguments go.
    ///
    /// ```
    /// use codemode_client::{Tool, ToolCall, ToolHost, Tools, Value, json};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let tool = Tool::new("double", "Twice as much", |arguments: Value| async move { Ok(json!(2)) })
    ///     .input_schema(&json!({"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}));
    /// let tools = Tools::of([tool])?;
    /// let failure = tools.call(ToolCall::detached("double", &json!({"x": "2"}))?).await.unwrap_err();
    /// assert_eq!(failure.kind, "InvalidArguments");
    /// assert_eq!(failure.message, "invalid arguments for tool 'double': x: expected int, got str '2'");
    /// assert_eq!(failure.valid_parameters[0], "x*: int");
    /// # Ok(())
    /// # }
    /// ```
    pub fn input_schema(self, schema: &Value) -> Self {
        Self { input_schema: Some(schema.clone()), ..self }
    }

    /// The JSON Schema of the result. One that does not fit it fails, and the code does not get it.
    ///
    /// ```
    /// use codemode_client::{Tool, ToolCall, ToolHost, Tools, Value, json};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let tool = Tool::new("celsius", "The temperature", |_: Value| async move { Ok(json!("warm")) })
    ///     .output_schema(&json!({"type": "number"}));
    /// let tools = Tools::of([tool])?;
    /// let failure = tools.call(ToolCall::detached("celsius", &json!({}))?).await.unwrap_err();
    /// assert_eq!(failure.kind, "InvalidResult");
    /// # Ok(())
    /// # }
    /// ```
    pub fn output_schema(self, schema: &Value) -> Self {
        Self { output_schema: Some(schema.clone()), ..self }
    }

    /// How long one call may take. The executor's `limits.tool_timeout` holds where that is less.
    ///
    /// ```
    /// use std::time::Duration;
    /// use codemode_client::{Tool, ToolHost, Tools, Value, json};
    ///
    /// let tool = Tool::new("quick", "Quick", |_: Value| async { Ok(json!(1)) }).timeout(Duration::from_millis(500));
    /// assert_eq!(Tools::of([tool])?.specs()[0].timeout, Some(Duration::from_millis(500)));
    /// # Ok::<(), codemode_client::RegistrationError>(())
    /// ```
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    /// Which calls run, which never do, and which a person decides with
    /// [`Tools::on_approval`](crate::Tools::on_approval). Checked after the arguments are valid.
    ///
    /// ```
    /// use codemode_client::{Approval, Tool, ToolCall, ToolHost, Tools, Value, json};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let tool = Tool::new("pay", "Pays", |_: Value| async { Ok(json!("paid")) }).approval(Approval::ask());
    /// let tools = Tools::of([tool])?;
    /// let failure = tools.call(ToolCall::detached("pay", &json!({}))?).await.unwrap_err();
    /// assert_eq!(failure.kind, "ApprovalDenied");
    /// let tools = tools.on_approval(|_| async { true });
    /// assert_eq!(tools.call(ToolCall::detached("pay", &json!({}))?).await.unwrap(), br#""paid""#);
    /// # Ok(())
    /// # }
    /// ```
    pub fn approval(self, approval: Approval) -> Self {
        Self { approval: Some(approval), ..self }
    }
}

impl fmt::Debug for Tool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Tool")
            .field("name", &self.name)
            .field("description", &self.description)
            .field("timeout", &self.timeout)
            .field("approval", &self.approval)
            .finish_non_exhaustive()
    }
}
