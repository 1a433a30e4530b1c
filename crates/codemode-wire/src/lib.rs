//! Frames between the executor daemon, its zygotes and its sandboxes.
//!
//! Channels with typed ends: [`guest`] (daemon ↔ executed code's process, hostile, a stream of
//! length-prefixed frames), [`cell`] (the sandbox's own init → daemon, one message per packet) [`zygote`]
//! (daemon ↔ zygote, one message per packet) and [`broker`] (engine ↔ warden, about connections). Decoding never trusts a length, never panics and never allocates more
//! than what has arrived.
#![forbid(unsafe_code)]

pub mod broker;
pub mod cell;
mod codec;
mod frame;
pub mod guest;
pub mod zygote;

pub use codec::DecodeError;
pub use frame::{FrameDecoder, FrameTooLong, HEADER_BYTES};
