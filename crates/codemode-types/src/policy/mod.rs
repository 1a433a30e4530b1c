//! The policy: the seeds' YAML blocks as data. See `parse` for how text becomes one and `narrow` for requests.

mod guest;
mod keys;
mod kind;
mod narrow;
mod network;
mod parse;
mod words;

use std::path::PathBuf;

pub use guest::{EnvironmentPolicy, GuestPolicy};
pub use keys::{POLICY_KEYS, PolicyKey};
pub use kind::PolicyKind;
pub use network::{NetworkMode, NetworkPolicy, PROXY_PORT, RESOLVER_PORT};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{ByteSize, Limits, Problem, Tier};

/// What executed code may do. Every field is enforced by the kernel or the daemon, or refused at start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    pub execution: ExecutionPolicy,
    pub filesystem: FilesystemPolicy,
    pub network: NetworkPolicy,
    pub limits: Limits,
    pub isolation: IsolationPolicy,
    pub guest: GuestPolicy,
    pub pool: PoolPolicy,
    /// `None`: 2 × cores.
    pub max_concurrent_executions: Option<u32>,
    /// Requests that may wait for a free place.
    pub queue: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExecutionPolicy {
    /// Absent: true exactly when `allowed_commands` names something. `false` wins over a list that names some: no
    /// program starts. The pair is accepted because it is how a request narrows an executor that has a list.
    pub allow_direct_execution: Option<bool>,
    pub allowed_commands: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FilesystemPolicy {
    pub workspace: WorkspacePolicy,
    pub sandbox: SandboxPolicy,
    pub outputs: OutputsPolicy,
    pub tmp: TmpPolicy,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkspacePolicy {
    /// A host folder; absent: /workspace is empty.
    pub mount: Option<PathBuf>,
    pub readonly: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SandboxPolicy {
    /// `/sandbox`, the guest's own path, means a private tmpfs.
    pub mount: PathBuf,
    pub readonly: bool,
    /// Absent: [`SandboxPolicy::DEFAULT_SIZE`]. A size that somebody asked for is enforced by the kernel, or refused.
    pub max_size: Option<ByteSize>,
}

impl SandboxPolicy {
    pub const DEFAULT_SIZE: ByteSize = ByteSize::mib(1024);

    pub fn size(&self) -> ByteSize {
        self.max_size.unwrap_or(Self::DEFAULT_SIZE)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OutputsPolicy {
    /// A host folder that files are moved to after each execution; absent: they are listed, then dropped.
    pub mount: Option<PathBuf>,
    pub readonly: bool,
    pub max_size: ByteSize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TmpPolicy {
    pub max_size: ByteSize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MinimumTier {
    /// The best tier found.
    #[default]
    None,
    Container,
    Full,
}

impl MinimumTier {
    pub const fn tier(self) -> Option<Tier> {
        match self {
            Self::None => None,
            Self::Container => Some(Tier::Container),
            Self::Full => Some(Tier::Full),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IsolationPolicy {
    pub minimum: MinimumTier,
    /// Layers for which no substitute is accepted, such as `cgroup`.
    pub require: Vec<String>,
    /// Leaves PR_SET_MDWE off, for numba, cffi callbacks and node.
    pub allow_jit: bool,
    /// Lets code connect to Unix sockets by path also where a workspace is mounted that may hold the host's own, and the
    /// kernel's Landlock is too old to tell them apart. `multiprocessing.Manager` needs it there.
    pub allow_unix_sockets: bool,
    /// Starts an interpreter for each execution instead of forking one that is ready: none shares memory layout or hash
    /// seed with another, and each costs its start.
    pub fresh_interpreter: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PoolPolicy {
    /// Sandboxes always parked ready.
    pub min: u32,
    /// Absent: `max_concurrent_executions`.
    pub max: Option<u32>,
    /// What the interpreters of [`GuestPolicy::environments`] may hold together while none of their code runs.
    pub environments_memory: ByteSize,
}

/// Everything wrong with a policy, at once.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct PolicyError {
    pub problems: Vec<Problem>,
}

impl Policy {
    /// Whether executed code may start programs at all.
    pub fn direct_execution(&self) -> bool {
        self.execution.allow_direct_execution.unwrap_or(!self.execution.allowed_commands.is_empty())
    }

    /// The size of /sandbox. Files on tmpfs count against memory, so it stays an eighth below the memory limit: a full
    /// folder is then an error that the code can handle, not the end of its process.
    pub fn sandbox_size(&self) -> ByteSize {
        let memory = self.limits.memory_limit.bytes();
        self.filesystem.sandbox.size().min(ByteSize(memory - memory / 8))
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            execution: ExecutionPolicy::default(),
            filesystem: FilesystemPolicy::default(),
            network: NetworkPolicy::default(),
            limits: Limits::default(),
            isolation: IsolationPolicy::default(),
            guest: GuestPolicy::default(),
            pool: PoolPolicy::default(),
            max_concurrent_executions: None,
            queue: 256,
        }
    }
}

impl Default for WorkspacePolicy {
    fn default() -> Self {
        Self { mount: None, readonly: true }
    }
}

impl Default for SandboxPolicy {
    fn default() -> Self {
        Self { mount: "/sandbox".into(), readonly: false, max_size: None }
    }
}

impl Default for OutputsPolicy {
    fn default() -> Self {
        Self { mount: None, readonly: false, max_size: ByteSize::mib(256) }
    }
}

impl Default for TmpPolicy {
    fn default() -> Self {
        Self { max_size: ByteSize::mib(100) }
    }
}

impl Default for PoolPolicy {
    fn default() -> Self {
        Self { min: 1, max: None, environments_memory: ByteSize::mib(512) }
    }
}
