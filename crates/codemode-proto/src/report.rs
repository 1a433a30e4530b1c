use std::time::Duration;

use codemode_types::{
    Artifact, CorrelationId, ExecutionFailure, ExecutionId, ExecutionReport, ToolCallRecord, ToolCallStatus, Violation,
    ViolationSource,
};

use crate::{DecodeError, limits::microseconds, v1};

impl From<ExecutionReport> for v1::Finished {
    /// The execution's id is not in it: it travels in the envelope.
    fn from(report: ExecutionReport) -> Self {
        Self {
            outcome: report.outcome.as_str().into(),
            exit_code: report.exit_code,
            result: report.result,
            variables: report.variables,
            error: report.failure.map(Into::into),
            tool_calls: report.tool_calls.into_iter().map(Into::into).collect(),
            artifacts: report.artifacts.into_iter().map(Into::into).collect(),
            violations: report.violations.into_iter().map(Into::into).collect(),
            usage: Some(report.usage.into()),
            isolation: Some(report.isolation.into()),
            warnings: report.warnings,
            stdout_truncated: report.stdout_truncated,
            stderr_truncated: report.stderr_truncated,
            correlation_id: report.correlation_id.as_str().into(),
            duration_us: microseconds(report.duration),
        }
    }
}

impl v1::Finished {
    /// The report of the execution whose envelope this came in.
    pub fn into_report(self, execution_id: ExecutionId) -> Result<ExecutionReport, DecodeError> {
        Ok(ExecutionReport {
            execution_id,
            correlation_id: CorrelationId::parse(&self.correlation_id)
                .map_err(|error| DecodeError::invalid("finished.correlation_id", error))?,
            outcome: self.outcome.parse().map_err(|_| DecodeError::unknown("finished.outcome", &self.outcome))?,
            exit_code: self.exit_code,
            result: self.result,
            variables: self.variables,
            failure: self.error.map(Into::into),
            tool_calls: each(self.tool_calls)?,
            artifacts: self.artifacts.into_iter().map(Into::into).collect(),
            violations: each(self.violations)?,
            usage: self.usage.ok_or(DecodeError::Missing("finished.usage"))?.into(),
            isolation: self.isolation.ok_or(DecodeError::Missing("finished.isolation"))?.try_into()?,
            warnings: self.warnings,
            stdout_truncated: self.stdout_truncated,
            stderr_truncated: self.stderr_truncated,
            duration: Duration::from_micros(self.duration_us),
        })
    }
}

fn each<Wire, Domain: TryFrom<Wire>>(wire: Vec<Wire>) -> Result<Vec<Domain>, Domain::Error> {
    wire.into_iter().map(Domain::try_from).collect()
}

impl From<ExecutionFailure> for v1::ExecutionError {
    fn from(failure: ExecutionFailure) -> Self {
        Self {
            error_type: failure.error_type,
            message: failure.message,
            traceback: failure.traceback,
            line: failure.line,
        }
    }
}

impl From<v1::ExecutionError> for ExecutionFailure {
    fn from(error: v1::ExecutionError) -> Self {
        Self { error_type: error.error_type, message: error.message, traceback: error.traceback, line: error.line }
    }
}

impl From<ToolCallRecord> for v1::ToolCallRecord {
    fn from(record: ToolCallRecord) -> Self {
        Self {
            name: record.name,
            arguments: record.arguments,
            status: record.status.as_str().into(),
            duration_us: microseconds(record.duration),
            error: record.error,
        }
    }
}

impl TryFrom<v1::ToolCallRecord> for ToolCallRecord {
    type Error = DecodeError;

    fn try_from(record: v1::ToolCallRecord) -> Result<Self, DecodeError> {
        use ToolCallStatus::{Abandoned, Error, Ok as Done, Timeout};
        let status = [Done, Error, Timeout, Abandoned]
            .into_iter()
            .find(|status| status.as_str() == record.status)
            .ok_or_else(|| DecodeError::unknown("finished.tool_calls.status", &record.status))?;
        Ok(Self {
            name: record.name,
            arguments: record.arguments,
            status,
            duration: Duration::from_micros(record.duration_us),
            error: record.error,
        })
    }
}

impl From<Artifact> for v1::Artifact {
    fn from(artifact: Artifact) -> Self {
        Self {
            path: artifact.path,
            size: artifact.size,
            mime_type: artifact.mime_type,
            sha256: artifact.sha256,
            // A folder whose name is not UTF-8 is shown as it can be; nobody opens a file by this text.
            host_path: artifact.host_path.map(|path| path.to_string_lossy().into_owned()).unwrap_or_default(),
            data: artifact.data,
        }
    }
}

impl From<v1::Artifact> for Artifact {
    fn from(artifact: v1::Artifact) -> Self {
        Self {
            path: artifact.path,
            size: artifact.size,
            mime_type: artifact.mime_type,
            sha256: artifact.sha256,
            host_path: Some(artifact.host_path).filter(|path| !path.is_empty()).map(Into::into),
            data: artifact.data,
        }
    }
}

impl From<Violation> for v1::Violation {
    fn from(violation: Violation) -> Self {
        Self { kind: violation.kind, detail: violation.detail, source: violation.source.as_str().into() }
    }
}

impl TryFrom<v1::Violation> for Violation {
    type Error = DecodeError;

    fn try_from(violation: v1::Violation) -> Result<Self, DecodeError> {
        let source = [ViolationSource::Guest, ViolationSource::Supervisor]
            .into_iter()
            .find(|source| source.as_str() == violation.source)
            .ok_or_else(|| DecodeError::unknown("finished.violations.source", &violation.source))?;
        Ok(Self { kind: violation.kind, detail: violation.detail, source })
    }
}
