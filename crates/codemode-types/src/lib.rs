//! The words of the domain, shared by every crate: plain data, no I/O.
#![forbid(unsafe_code)]

pub mod address;
pub mod catalogue;
pub mod domain;

mod error;
mod globals;
mod id;
mod isolation;
mod limits;
mod outcome;
mod policy;
mod problem;
mod report;
mod size;
mod suggest;
mod tool;

pub use error::{ErrorCode, Rejection};
pub use globals::Globals;
pub use id::{CorrelationId, ExecutionId, InvalidId};
pub use isolation::{Isolation, Tier};
pub use limits::{LimitOverrides, Limits};
pub use outcome::Outcome;
pub use policy::{
    EnvironmentPolicy, ExecutionPolicy, FilesystemPolicy, GuestPolicy, IsolationPolicy, MinimumTier, NetworkMode,
    NetworkPolicy, POLICY_KEYS, PROXY_PORT, Policy, PolicyError, PolicyKey, PolicyKind, PoolPolicy, RESOLVER_PORT,
};
pub use problem::{Place, Problem};
pub use report::{
    Artifact, ExecutionFailure, ExecutionReport, OutputStream, ToolCallRecord, ToolCallStatus, Usage, Violation,
    ViolationSource,
};
pub use size::{ByteSize, InvalidByteSize};
pub use suggest::nearest;
pub use tool::{ToolFailure, ToolSpec};
