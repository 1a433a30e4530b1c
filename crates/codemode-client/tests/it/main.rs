//! The client against a scripted executor: what travels, in which order, and what becomes of a broken stream.

mod executor;
mod multiplex;
mod refusals;
