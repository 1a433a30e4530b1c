//! What configures each component: one model for the executor and one for the client, whoever reads them.
//!
//! A setting may be an argument, a variable of the environment or of `.env`, or a key of a YAML file; the first of these
//! that says something counts. Everything that is wrong is reported at once, each with its place.
#![forbid(unsafe_code)]

mod dotenv;
mod embedded;
mod environment;
mod error;
mod expand;
mod key;
mod policy;
mod secret;
mod settings;
mod sort;
mod yaml;

pub mod client;
pub mod sidecar;

pub use client::{ClientConfig, ClientSources, CommandOption};
pub use embedded::{EmbeddedConfig, PolicySource};
pub use error::ConfigError;
pub use key::{DescribedKey, LogLevel};
pub use secret::Secret;
pub use sidecar::{ListenAddress, SidecarConfig};
