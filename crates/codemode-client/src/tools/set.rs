use std::{fmt, future::Future, sync::Arc};

use codemode_types::ToolSpec;

use super::{
    META_TOOLS, RegistrationError, Tool, ToolCall, ToolFuture, ToolHost, answer, meta, registration::Registered,
    unknown,
};
use crate::{ApprovalDecision, ApprovalRequest, approval::Approver};

/// Tools that were checked, with schemas and approval that are enforced. Clones are cheap.
///
/// ```
/// use codemode_client::{Tool, ToolHost, Tools, Value, json};
///
/// let mut tools = Tools::new();
/// tools.register(Tool::new("now", "Seconds since 1970", |_: Value| async { Ok(json!(1_700_000_000)) }))?;
/// assert_eq!(tools.specs()[0].name, "now");
/// # Ok::<(), codemode_client::RegistrationError>(())
/// ```
#[derive(Clone, Default)]
pub struct Tools {
    tools: Vec<Arc<Registered>>,
    approver: Option<Approver>,
}

impl Tools {
    /// No tools yet.
    ///
    /// ```
    /// assert!(codemode_client::Tools::new().names().is_empty());
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// All of these, or why one of them cannot be registered.
    ///
    /// ```
    /// use codemode_client::{Tool, Tools, Value, json};
    ///
    /// let tools = Tools::of([
    ///     Tool::new("one", "1", |_: Value| async { Ok(json!(1)) }),
    ///     Tool::new("two", "2", |_: Value| async { Ok(json!(2)) }),
    /// ])?;
    /// assert_eq!(tools.names(), ["one", "two"]);
    /// # Ok::<(), codemode_client::RegistrationError>(())
    /// ```
    pub fn of(tools: impl IntoIterator<Item = Tool>) -> Result<Self, RegistrationError> {
        let mut found = Self::new();
        for tool in tools {
            found.register(tool)?;
        }
        Ok(found)
    }

    /// Adds a tool, unless it could not work: a name that is taken, empty or reserved, no description, a schema that is
    /// none, an approval that cannot be meant, a timeout of nothing.
    ///
    /// ```
    /// use codemode_client::{Tool, Tools, Value, json};
    ///
    /// let error = Tools::new().register(Tool::new("now", "", |_: Value| async { Ok(json!(0)) })).unwrap_err();
    /// assert_eq!(error.to_string(), "tool 'now' has no description: models choose tools by it");
    /// ```
    pub fn register(&mut self, tool: Tool) -> Result<(), RegistrationError> {
        let tool = Registered::of(tool)?;
        if self.find(&tool.spec.name).is_some() {
            return Err(RegistrationError::Duplicate { name: tool.spec.name });
        }
        self.tools.push(Arc::new(tool));
        Ok(())
    }

    /// Their names, in the order of their registration.
    ///
    /// ```
    /// use codemode_client::{Tool, Tools, Value, json};
    ///
    /// let tools = Tools::of([Tool::new("now", "The time", |_: Value| async { Ok(json!(0)) })])?;
    /// assert_eq!(tools.names(), ["now"]);
    /// # Ok::<(), codemode_client::RegistrationError>(())
    /// ```
    pub fn names(&self) -> Vec<&str> {
        self.tools.iter().map(|tool| tool.spec.name.as_str()).collect()
    }

    /// Only those of these names, for executions that may have no others.
    ///
    /// ```
    /// use codemode_client::{Tool, Tools, Value, json};
    ///
    /// let tool = |name| Tool::new(name, "A tool", |_: Value| async { Ok(json!(0)) });
    /// let tools = Tools::of([tool("read"), tool("write")])?;
    /// assert_eq!(tools.scoped(["read"])?.names(), ["read"]);
    /// assert_eq!(
    ///     tools.scoped(["raed"]).unwrap_err().to_string(),
    ///     "no tool 'raed', did you mean 'read'? (available tools: read, write)",
    /// );
    /// # Ok::<(), codemode_client::RegistrationError>(())
    /// ```
    pub fn scoped<N: AsRef<str>>(&self, names: impl IntoIterator<Item = N>) -> Result<Self, RegistrationError> {
        let names: Vec<N> = names.into_iter().collect();
        if let Some(absent) = names.iter().find(|name| self.find(name.as_ref()).is_none()) {
            return Err(RegistrationError::unknown(absent.as_ref(), &self.names()));
        }
        let is_named = |tool: &&Arc<Registered>| names.iter().any(|name| name.as_ref() == tool.spec.name);
        Ok(Self { tools: self.tools.iter().filter(is_named).cloned().collect(), approver: self.approver.clone() })
    }

    /// Who decides about calls for which a tool's approval says `ask`: a `bool` or an [`ApprovalDecision`]. While it
    /// decides, the clock of the call stands still. Without this, and where it panics, the answer is no.
    ///
    /// ```
    /// use codemode_client::{ApprovalDecision, ApprovalRequest, Tools};
    ///
    /// let tools = Tools::new().on_approval(|request: ApprovalRequest| async move {
    ///     match request.arguments["amount"].as_f64() {
    ///         Some(amount) if amount < 100.0 => ApprovalDecision::allow(),
    ///         _ => ApprovalDecision::deny("amounts from 100 on need a person"),
    ///     }
    /// });
    /// # drop(tools);
    /// ```
    #[must_use]
    pub fn on_approval<F, R>(self, callback: F) -> Self
    where
        F: Fn(ApprovalRequest) -> R + Send + Sync + 'static,
        R: Future<Output: Into<ApprovalDecision>> + Send + 'static,
    {
        Self { approver: Some(Approver::new(callback)), ..self }
    }

    fn find(&self, name: &str) -> Option<&Arc<Registered>> {
        self.tools.iter().find(|tool| tool.spec.name == name)
    }
}

impl ToolHost for Tools {
    fn specs(&self) -> Vec<ToolSpec> {
        self.tools.iter().map(|tool| tool.spec.clone()).collect()
    }

    fn call(&self, call: ToolCall) -> ToolFuture {
        if META_TOOLS.contains(&call.name.as_str()) {
            let answer = meta::answer(&self.tools, &call);
            return Box::pin(async move { answer });
        }
        match self.find(&call.name) {
            Some(tool) => Box::pin(answer::answer(Arc::clone(tool), self.approver.clone(), call)),
            None => {
                let failure = unknown(&call.name, &self.names());
                Box::pin(async move { Err(failure) })
            }
        }
    }
}

impl fmt::Debug for Tools {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.names()).finish()
    }
}
