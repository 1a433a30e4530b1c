//! Rust client of a Codemode executor, remote or embedded.
//!
//! A [`Client`] keeps one outbound connection with one long-lived stream, and any number of executions share it. It
//! dials when it is first used, and again when an execution begins after the connection broke. Nothing is repeated
//! once it may have started.
//!
//! ```
//! use std::sync::Arc;
//! use codemode_client::{Client, EmbeddedOptions, Request, Tool, Tools, Value, json};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let Some(executable) = std::env::var_os("CODEMODE_EXECUTABLE") else {
//! #     return Ok(println!("not run: CODEMODE_EXECUTABLE names no executor"));
//! # };
//! let tools = Tools::of([Tool::new("weather", "Weather at a place", |arguments: Value| async move {
//!     Ok(json!({"location": arguments["location"], "celsius": 21}))
//! })
//! .input_schema(&json!({
//!     "type": "object",
//!     "properties": {"location": {"type": "string"}},
//!     "required": ["location"],
//! }))])?;
//! let client = Client::embedded(EmbeddedOptions::new(executable))?;
//! let code = "tools['weather'].run(location='Oslo')['celsius'] * 2";
//! let outcome = client.execute(Request::new(code), Arc::new(tools), |_stream, _bytes| ()).await?;
//! assert_eq!(outcome.result::<i64>()?, Some(42));
//! # Ok(())
//! # }
//! ```
//!
//! What it does, by topic:
//!
//! - Tools: [`Tool`] and [`Tools`]; schemas are enforced, per call there may be a timeout and an [`Approval`].
//! - Output and tool calls as they happen: [`Client::stream`].
//! - Values: [`Request::context`], [`ExecutionOutcome::result`], [`from_tagged`].
//! - Files that the code left: [`save`].
//! - Texts for models: [`Client::prompt`], [`stubs`].
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod address;
mod approval;
mod artifact;
mod client;
mod dial;
mod embedded;
mod error;
mod events;
mod execution;
mod greeting;
mod hold;
mod link;
mod options;
mod output;
mod parts;
pub mod prompt;
mod python;
mod request;
mod run;
pub mod schema;
mod settings;
mod size;
mod status;
pub mod stubs;
mod tls;
mod tools;
mod values;
mod wire;

pub use codemode_config as config;
pub use codemode_proto::{EnvironmentInfo, ExecutorInfo};
pub use codemode_types::{
    Artifact, ByteSize, CorrelationId, ErrorCode, ExecutionFailure, ExecutionId, ExecutionReport, Globals, Isolation,
    LimitOverrides, Limits, Outcome, OutputStream, Policy, Rejection, Tier, ToolCallRecord, ToolCallStatus,
    ToolFailure, ToolSpec, Usage, Violation, ViolationSource,
};
pub use serde_json::{Value, json};

pub use approval::{Approval, ApprovalAction, ApprovalDecision, ApprovalError, ApprovalRequest, Verdict};
pub use artifact::{ArtifactError, save};
pub use client::Client;
pub use embedded::EmbeddedOptions;
pub use error::ClientError;
pub use events::{CallReporter, CallStatus, Event, ExecutionStream};
pub use hold::Hold;
pub use options::{ClientOptions, DEFAULT_TIMEOUT};
pub use output::OutputSink;
pub use request::{ExecutionOutcome, Request, new_execution_id};
pub use tls::{TlsMode, TlsOptions, TlsProblem};
pub use tokio_util::sync::CancellationToken;
pub use tools::{Call, META_TOOLS, NoTools, RegistrationError, Tool, ToolCall, ToolFuture, ToolHost, Tools};
pub use values::{ValueError, from_tagged, to_tagged};
