//! Writes `src/generated` anew from `proto/`: `cargo run -p codemode-proto --example generate`.
#![forbid(unsafe_code)]

use std::{fs, io};

#[path = "../generate/mod.rs"]
mod generate;

fn main() -> io::Result<()> {
    let scratch = std::env::temp_dir().join(format!("codemode-generate-{}", std::process::id()));
    let generated = generate::generate(scratch.clone());
    let _ = fs::remove_dir_all(&scratch);
    let generated = generated?;
    fs::create_dir_all(generate::folder())?;
    fs::write(generate::folder().join(generate::RUST), generated.rust)?;
    fs::write(generate::folder().join(generate::COMPAT), generated.compat)?;
    fs::write(generate::folder().join(generate::DESCRIPTORS), generated.descriptors)
}
