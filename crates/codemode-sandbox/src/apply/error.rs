use std::{fmt, io};

/// The steps of building a sandbox, in the order in which they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    ReadPlan,
    UserNamespace,
    MountNamespace,
    OpenSource,
    BaseRoot,
    PivotRoot,
    JoinCgroup,
    Hostname,
    Network,
    ProcFilesystem,
    Workspace,
    WritableMounts,
    DeathSignal,
    Fork,
    Session,
    Descriptors,
    ResourceLimits,
    Identity,
    Capabilities,
    NoNewPrivileges,
    Landlock,
    ExecutableMemory,
    Seccomp,
    Verify,
    Report,
}

impl Step {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadPlan => "read plan",
            Self::UserNamespace => "user namespace",
            Self::MountNamespace => "mount namespace",
            Self::OpenSource => "open source",
            Self::BaseRoot => "base root",
            Self::PivotRoot => "pivot_root",
            Self::JoinCgroup => "join cgroup",
            Self::Hostname => "hostname",
            Self::Network => "network",
            Self::ProcFilesystem => "proc filesystem",
            Self::Workspace => "workspace",
            Self::WritableMounts => "writable mounts",
            Self::DeathSignal => "death signal",
            Self::Fork => "fork",
            Self::Session => "session",
            Self::Descriptors => "descriptors",
            Self::ResourceLimits => "resource limits",
            Self::Identity => "identity",
            Self::Capabilities => "capabilities",
            Self::NoNewPrivileges => "no_new_privs",
            Self::Landlock => "landlock",
            Self::ExecutableMemory => "executable memory",
            Self::Seccomp => "seccomp",
            Self::Verify => "verify",
            Self::Report => "report",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A step that failed: nothing behind it ran.
#[derive(Debug, thiserror::Error)]
#[error("{step}: {what}")]
pub struct StepError {
    pub step: Step,
    /// The object and the kernel's answer.
    pub what: String,
}

impl StepError {
    pub fn new(step: Step, what: impl fmt::Display) -> Self {
        Self { step, what: what.to_string() }
    }
}

/// Names the step, and the object, of a failed call.
pub(super) trait AtStep<T> {
    fn at(self, step: Step, object: impl fmt::Display) -> Result<T, StepError>;
}

impl<T, E: Into<io::Error>> AtStep<T> for Result<T, E> {
    fn at(self, step: Step, object: impl fmt::Display) -> Result<T, StepError> {
        self.map_err(|error| StepError::new(step, format_args!("{object}: {}", error.into())))
    }
}
