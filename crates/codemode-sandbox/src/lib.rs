//! Kernel-enforced sandboxes.
//!
//! Read it in this order: [`probe`] finds what the kernel offers, [`plan`] turns a policy into an explicit list of
//! what a sandbox will contain (pure), [`apply`] builds it, step by step, in the zygote and in each sandbox's own
//! processes. [`cgroup`], [`watch`], [`execs`] and [`outputs`] are the daemon's side, and
//! [`harden`] is what the daemon itself gives up. Only [`sys`] may be unsafe. No tokio.
#![deny(unsafe_code)]

pub mod apply;
mod bpf;
pub mod cgroup;
pub mod container;
pub mod execs;
pub mod harden;
pub mod launch;
pub mod outputs;
pub mod packet;
pub mod plan;
pub mod probe;
#[allow(unsafe_code)]
pub mod sys;
pub mod watch;
