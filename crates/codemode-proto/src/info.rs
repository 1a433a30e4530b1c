use std::path::Path;

use codemode_types::{Isolation, Policy};

use crate::{DecodeError, TOOL_RESULT_CREDIT, v1};

/// What an executor says of itself: the answer to `Hello` and to `GetInfo`.
#[derive(Clone, Debug, PartialEq)]
pub struct ExecutorInfo {
    pub version: String,
    pub isolation: Isolation,
    /// What holds for this stream: the executor's own policy, narrowed by `Hello.policy`.
    pub policy: Policy,
    pub max_concurrent_executions: u32,
    /// The version of the interpreter that runs the code, such as `3.11.7`.
    pub python: String,
    /// What is installed for it, each as `name version`, in the order of the names.
    pub packages: Vec<String>,
    /// Others that an execution may ask for by name.
    pub environments: Vec<EnvironmentInfo>,
}

/// An interpreter besides the executor's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvironmentInfo {
    pub name: String,
    /// As [`ExecutorInfo::python`].
    pub python: String,
    /// As [`ExecutorInfo::packages`].
    pub packages: Vec<String>,
}

impl ExecutorInfo {
    /// The same for code that runs in that environment; `None`: there is no such.
    pub fn within(&self, environment: &str) -> Option<Self> {
        let info = self.environments.iter().find(|info| info.name == environment)?;
        Some(Self { python: info.python.clone(), packages: info.packages.clone(), ..self.clone() })
    }
}

impl From<EnvironmentInfo> for v1::Environment {
    fn from(info: EnvironmentInfo) -> Self {
        let EnvironmentInfo { name, python, packages } = info;
        Self { name, python, packages }
    }
}

impl From<v1::Environment> for EnvironmentInfo {
    fn from(info: v1::Environment) -> Self {
        let v1::Environment { name, python, packages } = info;
        Self { name, python, packages }
    }
}

impl From<ExecutorInfo> for v1::Info {
    fn from(info: ExecutorInfo) -> Self {
        Self {
            version: info.version,
            isolation: Some(info.isolation.into()),
            policy: info.policy.to_value().to_string().into_bytes(),
            max_concurrent_executions: info.max_concurrent_executions,
            python: info.python,
            packages: info.packages,
            tool_result_credit: TOOL_RESULT_CREDIT,
            environments: info.environments.into_iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<v1::Info> for ExecutorInfo {
    type Error = DecodeError;

    fn try_from(info: v1::Info) -> Result<Self, DecodeError> {
        let policy =
            serde_json::from_slice(&info.policy).map_err(|error| DecodeError::invalid("info.policy", error))?;
        Ok(Self {
            version: info.version,
            isolation: info.isolation.ok_or(DecodeError::Missing("info.isolation"))?.try_into()?,
            // Mounts are the executor's own absolute paths already.
            policy: Policy::from_value(&policy, Path::new("/"))
                .map_err(|error| DecodeError::invalid("info.policy", error))?,
            max_concurrent_executions: info.max_concurrent_executions,
            python: info.python,
            packages: info.packages,
            environments: info.environments.into_iter().map(Into::into).collect(),
        })
    }
}
