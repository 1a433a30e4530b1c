use std::time::{SystemTime, UNIX_EPOCH};

use codemode_types::{CorrelationId, ExecutionId, ExecutionReport, LimitOverrides};
use rustix::rand::{GetRandomFlags, getrandom};
use tokio_util::sync::CancellationToken;

use crate::ClientError;

/// One piece of code to run.
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
    pub overrides: LimitOverrides,
    /// Runs the code although it calls tools that do not exist, or with parameters that they do not have.
    pub skip_tool_check: bool,
    /// How many bytes of the files in /outputs are to come with the report, at most.
    pub artifact_bytes: u64,
    /// Cancels the execution and still delivers its report (outcome `cancelled`, output so far), unlike dropping the
    /// future of `execute`, which cancels as well.
    pub cancel: CancellationToken,
}

impl Request {
    pub fn new(code: impl Into<Vec<u8>>) -> Self {
        Self { code: code.into(), ..Self::default() }
    }
}

/// What came of an execution. A failed one is an outcome, too.
#[derive(Clone, Debug)]
pub struct ExecutionOutcome {
    pub report: ExecutionReport,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

/// A UUIDv7 in its simple form.
///
/// The random bits are the kernel's: a generator in this process would repeat itself in forked children, which share
/// an embedded executor with their parent.
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
