//! The sandbox through its own channels: a real zygote, real cells, no engine.

mod cell;
mod dependencies;
mod harness;
