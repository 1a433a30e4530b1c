//! The reader of ELF files. It is compiled here once more: nothing outside its crate should reach it.

use std::{fs, path::Path};

// Where libraries are looked for is the host's business and not read from the file.
#[allow(dead_code, missing_debug_implementations, unreachable_pub)]
#[path = "../../crates/codemode-sandbox/src/plan/elf.rs"]
mod reader;

/// Any file is read or refused, and its names are as short as names are.
pub fn elf(content: &[u8]) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("x");
    fs::write(&path, content).expect("written");
    let Some(object) = reader::read(&path) else { return };
    assert!(object.interpreter.is_none_or(|loader| loader.as_os_str().len() <= content.len()));
    assert!(object.needed.iter().all(|name| name.len() < 4096 && !name.contains('\0')), "{:?}", object.needed);
    let origin = folder.path().as_os_str().len();
    assert!(object.search_paths.iter().all(|path| path != Path::new("") && path.as_os_str().len() < 4096 * origin));
}
