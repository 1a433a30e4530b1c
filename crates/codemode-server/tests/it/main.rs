//! The server's surface. Modules above the line need no sandbox; those below run the real engine.
#![forbid(unsafe_code)]

mod config;
mod listening;
