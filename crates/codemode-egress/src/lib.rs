//! The only way out of a sandbox with network mode `restricted`.
#![forbid(unsafe_code)]

mod answer;
mod captured;
mod connection;
mod decision;
mod dial;
mod gate;
pub mod head;
pub mod hello;
mod http;
mod limits;
mod metered;
mod proxy;
mod request;
mod resolve;
mod secured;
mod session;
mod sniff;
pub mod socks;
pub mod stub;
mod tunnel;
mod upstream;

pub use decision::{Decision, Refusal, Via};
pub use dial::{Connect, SystemConnect};
pub use resolve::{BoxFuture, Resolve, ResolveError, Resolver};
pub use session::{Egress, Service, Session};
