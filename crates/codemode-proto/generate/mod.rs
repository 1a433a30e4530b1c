//! From `proto/` to Rust, without protoc. Shared by `examples/generate.rs`, which writes the files, and by
//! `tests/it`, which fails when they are stale.

use std::{fs, io, path::PathBuf};

use prost::Message;

pub(crate) struct Generated {
    pub(crate) rust: String,
    /// An encoded `FileDescriptorSet`, for reflection.
    pub(crate) descriptors: Vec<u8>,
    /// The published package's protocol, which is not the contract.
    pub(crate) compat: String,
}

pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/generated")
}

pub(crate) const RUST: &str = "codemode.v1.rs";
pub(crate) const DESCRIPTORS: &str = "codemode.v1.bin";
pub(crate) const COMPAT: &str = "codemode.rs";

/// Compiles the contract and the published protocol; nothing outside `scratch` is written.
pub(crate) fn generate(scratch: PathBuf) -> io::Result<Generated> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    let set = protox::compile(["codemode/v1/executor.proto"], [&root]).map_err(io::Error::other)?;
    let published = protox::compile(["compat/codemode.proto"], [&root]).map_err(io::Error::other)?;
    let descriptors = set.encode_to_vec();
    fs::create_dir_all(&scratch)?;
    tonic_prost_build::configure()
        .build_transport(false)
        .emit_rerun_if_changed(false)
        .out_dir(&scratch)
        .compile_fds(published)?;
    tonic_prost_build::configure()
        .build_transport(false)
        .bytes(".codemode.v1.Output.data")
        .bytes(".codemode.v1.ToolResultPart.data")
        .emit_rerun_if_changed(false)
        .out_dir(&scratch)
        .compile_fds(set)?;
    Ok(Generated {
        rust: fs::read_to_string(scratch.join(RUST))?,
        descriptors,
        compat: fs::read_to_string(scratch.join(COMPAT))?,
    })
}
