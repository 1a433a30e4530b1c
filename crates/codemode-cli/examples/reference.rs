//! Writes the pages of the documentation that the code knows better: `cargo run -p codemode-cli --example reference -- docs`.
#![forbid(unsafe_code)]

use std::{fs, io, path::PathBuf};

#[path = "../reference/mod.rs"]
mod reference;

fn main() -> io::Result<()> {
    let docs = std::env::args_os().nth(1).map_or_else(|| "docs".into(), PathBuf::from);
    for stale in reference::stray(&docs)? {
        fs::remove_file(stale)?;
    }
    for page in reference::pages() {
        let file = docs.join(&page.path);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(file, page.text)?;
    }
    Ok(())
}
