//! Rust client of a Codemode executor, remote or embedded.
//!
//! A [`Client`] keeps one outbound connection with one long-lived stream, and any number of executions share it. It
//! dials when it is first used, and again when an execution begins after the connection broke. Nothing is repeated
//! once it may have started.
//!
//! ```no_run
//! use std::sync::Arc;
//! use codemode_client::{Client, ClientOptions, Request, Tools, Value, json};
//!
//! # async fn run() -> Result<(), codemode_client::ClientError> {
//! let client = Client::connect(ClientOptions { api_key: Some("…".into()), ..ClientOptions::new("http://127.0.0.1:8001") })?;
//! let tools = Tools::new().tool("weather", "Weather at a place", |arguments: Value| async move {
//!     Ok(json!({ "location": arguments["location"], "celsius": 21 }))
//! });
//! let code = "tools['weather'].run(location='Oslo')['celsius'] * 2";
//! let outcome = client.execute(Request::new(code), Arc::new(tools), |_stream, _bytes| ()).await?;
//! assert_eq!(outcome.report.result.as_deref(), Some(&b"42"[..]));
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod address;
mod client;
mod dial;
mod embedded;
mod error;
mod execution;
mod greeting;
mod link;
mod options;
mod output;
mod request;
mod size;
mod status;
mod tls;
mod tools;
mod wire;

pub use codemode_proto::ExecutorInfo;
pub use serde_json::{Value, json};

pub use client::Client;
pub use embedded::EmbeddedOptions;
pub use error::ClientError;
pub use link::Hold;
pub use options::{ClientOptions, DEFAULT_TIMEOUT};
pub use output::OutputSink;
pub use request::{ExecutionOutcome, Request, new_execution_id};
pub use tls::{TlsMode, TlsOptions, TlsProblem};
pub use tokio_util::sync::CancellationToken;
pub use tools::{META_TOOLS, NoTools, ToolCall, ToolFuture, ToolHost, Tools};
