//! The executor's face: configuration, authentication, gRPC, HTTP, health.
//!
//! `config` says what to serve and where, `listen` binds it, `start` serves an engine on the bound listeners and `run`
//! waits for a signal and drains.
#![forbid(unsafe_code)]

mod audit;
mod auth;
mod callers;
mod compat;
pub mod config;
mod executions;
mod grpc;
mod http;
mod listen;
mod refusal;
mod reload;
mod run;
mod secret_file;
mod seldom;
mod serve;
mod tls;

pub use audit::{Audit, AuditError, AuditTarget, escaped, escaped_lines};
pub use auth::ApiKeys;
pub use callers::Reception;
pub use compat::Callback;
#[doc(hidden)]
pub use compat::values as published_values;
pub use http::{Refusal, refusal_json, report_json};
pub use listen::{Encryption, ListenError, Listener, bind, bind_with};
pub use reload::Reloader;
pub use run::{Ending, SignalError, Signals, run};
pub use serve::{Running, start, start_with};
pub use tls::{Authorities, ClientCertificates, NamedFile, Tls, TlsSettings};
