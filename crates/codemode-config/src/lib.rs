//! What configures each component: one model for the executor and one for the client, whoever reads them.
//!
//! A setting may be an argument, a variable of the environment or of `.env`, or a key of a YAML file; the first of these
//! that says something counts. Everything that is wrong is reported at once, each with its place.
#![forbid(unsafe_code)]

mod dotenv;
mod effective;
mod embedded;
mod environment;
mod error;
mod expand;
mod key;
mod outline;
mod policy;
mod schema;
mod secret;
mod settings;
mod side;
mod sort;
mod template;
mod yaml;

pub mod client;
pub mod sidecar;

pub use client::{ClientConfig, ClientSources, CommandOption};
pub use effective::{Effective, shown};
pub use embedded::{EmbeddedConfig, PolicySource};
pub use environment::{UnknownVariable, unknown_variables};
pub use error::ConfigError;
pub use expand::needs_variable;
pub use key::{DescribedKey, LogLevel};
pub use schema::schema;
pub use secret::Secret;
pub use side::Side;
pub use sidecar::{ListenAddress, SidecarConfig};
pub use template::template;
