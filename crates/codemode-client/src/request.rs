use std::time::{SystemTime, UNIX_EPOCH};

use codemode_types::{CorrelationId, ExecutionId, ExecutionReport, Globals, LimitOverrides};
use rustix::rand::{GetRandomFlags, getrandom};
use serde::{Serialize, de::DeserializeOwned};
use tokio_util::sync::CancellationToken;

use crate::{ClientError, ValueError, from_tagged, to_tagged};

/// One piece of code to run.
///
/// ```
/// use std::time::Duration;
/// use codemode_client::{LimitOverrides, Request};
///
/// let request = Request {
///     overrides: LimitOverrides { code_timeout: Some(Duration::from_secs(5)), ..LimitOverrides::default() },
///     artifact_bytes: 1 << 20,
///     ..Request::new("open('/outputs/a.txt', 'w').write('kept')")
/// };
/// # drop(request);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `None`: a new one. Must be unused among the live executions of the executor.
    pub execution_id: Option<ExecutionId>,
    /// Python source; the executor refuses what is not UTF-8 or holds NUL.
    pub code: Vec<u8>,
    /// Tagged JSON; empty: none.
    pub context: Vec<u8>,
    /// Tagged JSON; empty: none.
    pub config: Vec<u8>,
    /// `None`: the executor makes one.
    pub correlation_id: Option<CorrelationId>,
    /// Lower limits for this execution. Asking for more than the executor allows is clamped, and the report says so.
    pub overrides: LimitOverrides,
    /// Runs the code although it calls tools that do not exist, or with parameters that they do not have.
    pub skip_tool_check: bool,
    /// How many bytes of the files in /outputs are to come with the report, at most.
    pub artifact_bytes: u64,
    /// What the code finds in `__main__`, and whether it comes back.
    pub globals: Globals,
    /// One of [`ExecutorInfo::environments`](crate::ExecutorInfo); `None`: the executor's own interpreter.
    pub environment: Option<String>,
    /// Cancels the execution and still delivers its report (outcome `cancelled`, output so far), unlike dropping the
    /// future of `execute`, which cancels as well.
    pub cancel: CancellationToken,
}

impl Request {
    /// This code, with the defaults for everything else.
    ///
    /// ```
    /// use codemode_client::Request;
    ///
    /// assert_eq!(Request::new("2 + 2").code, b"2 + 2");
    /// ```
    pub fn new(code: impl Into<Vec<u8>>) -> Self {
        Self { code: code.into(), ..Self::default() }
    }

    /// What the code reads as `context`, and tools that take a [`Call`](crate::Call) get from the client: who asks, for
    /// which tenant. The code cannot change what the tools get. See [`to_tagged`] for what may be in it.
    ///
    /// ```
    /// use codemode_client::{Request, json};
    ///
    /// let request = Request::new("context['user']").context(&json!({"user": "ada"}))?;
    /// assert_eq!(request.context, br#"{"user":"ada"}"#);
    /// # Ok::<(), codemode_client::ValueError>(())
    /// ```
    pub fn context<T: Serialize + ?Sized>(mut self, context: &T) -> Result<Self, ValueError> {
        self.context = to_tagged(context)?;
        Ok(self)
    }

    /// What the code reads as `config`.
    ///
    /// ```
    /// use codemode_client::{Request, json};
    ///
    /// let request = Request::new("config['retries']").config(&json!({"retries": 3}))?;
    /// assert_eq!(request.config, br#"{"retries":3}"#);
    /// # Ok::<(), codemode_client::ValueError>(())
    /// ```
    pub fn config<T: Serialize + ?Sized>(mut self, config: &T) -> Result<Self, ValueError> {
        self.config = to_tagged(config)?;
        Ok(self)
    }

    /// Names that are there before the first line of the code, from a map or a struct.
    ///
    /// ```
    /// use codemode_client::{Request, json};
    ///
    /// let request = Request::new("sum(prices)").variables(&json!({"prices": [2, 3]}))?;
    /// assert_eq!(request.globals.variables, br#"{"prices":[2,3]}"#);
    /// # Ok::<(), codemode_client::ValueError>(())
    /// ```
    pub fn variables<T: Serialize + ?Sized>(mut self, variables: &T) -> Result<Self, ValueError> {
        self.globals.variables = to_tagged(variables)?;
        Ok(self)
    }
}

/// What came of an execution. A failed one is an outcome, too.
///
/// ```
/// use codemode_client::{ExecutionOutcome, Outcome};
///
/// fn told(outcome: &ExecutionOutcome) -> String {
///     match (&outcome.report.outcome, &outcome.report.failure) {
///         (Outcome::Ok, _) => format!("{} bytes printed", outcome.stdout.len()),
///         (_, Some(failure)) => format!("{}: {}", failure.error_type, failure.message),
///         (other, None) => other.to_string(),
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct ExecutionOutcome {
    /// The executor's own account: how it ended, tool calls, artifacts, usage.
    pub report: ExecutionReport,
    /// Everything that was printed, up to `limits.output_bytes`.
    pub stdout: Vec<u8>,
    /// The same of the error stream.
    pub stderr: Vec<u8>,
}

impl ExecutionOutcome {
    /// The value of `result`, or of the last expression, as a type of one's own; `None` where the code has none. What
    /// the types may be is told in [`from_tagged`].
    ///
    /// ```
    /// use codemode_client::{ExecutionOutcome, ValueError};
    ///
    /// fn celsius(outcome: &ExecutionOutcome) -> Result<Option<f64>, ValueError> {
    ///     outcome.result()
    /// }
    /// ```
    pub fn result<T: DeserializeOwned>(&self) -> Result<Option<T>, ValueError> {
        self.report.result.as_deref().map(from_tagged).transpose()
    }

    /// The names at the top of the code as it left them, where [`Globals::keep_variables`] asked for them; functions,
    /// classes, modules and what cannot be carried are not among them.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// use codemode_client::{ExecutionOutcome, ValueError};
    ///
    /// fn numbers(outcome: &ExecutionOutcome) -> Result<Option<BTreeMap<String, f64>>, ValueError> {
    ///     outcome.variables()
    /// }
    /// ```
    pub fn variables<T: DeserializeOwned>(&self) -> Result<Option<T>, ValueError> {
        self.report.variables.as_deref().map(from_tagged).transpose()
    }
}

/// A UUIDv7 in its simple form.
///
/// The random bits are the kernel's: a generator in this process would repeat itself in forked children, which share
/// an embedded executor with their parent.
///
/// ```
/// use codemode_client::{Request, new_execution_id};
///
/// let request = Request { execution_id: Some(new_execution_id()?), ..Request::new("2 + 2") };
/// # drop(request);
/// # Ok::<(), codemode_client::ClientError>(())
/// ```
pub fn new_execution_id() -> Result<ExecutionId, ClientError> {
    let mut random = [0; 10];
    fill_random(&mut random)?;
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    let uuid = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
    ExecutionId::parse(&uuid.simple().to_string()).map_err(|error| ClientError::config(error.to_string()))
}

pub(crate) fn fill_random(buffer: &mut [u8]) -> Result<(), ClientError> {
    let mut filled = 0;
    while filled < buffer.len() {
        filled += getrandom(&mut buffer[filled..], GetRandomFlags::empty())
            .map_err(|error| ClientError::config(format!("the kernel gives no random bytes: {error}")))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn execution_ids_are_simple_version_7_uuids_and_differ() {
        let (first, second) = (new_execution_id().unwrap(), new_execution_id().unwrap());
        assert_ne!(first, second);
        assert_eq!(first.as_str().len(), 32);
        assert_eq!(first.as_str().as_bytes()[12], b'7');
    }
}
