//! What an ELF file asks the loader for, and where the loader would look.

use std::{
    ffi::OsStr,
    fs::{self, File},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use object::{
    Endianness, ReadCache, ReadRef,
    elf::{self, FileHeader64},
    read::elf::{Dyn, FileHeader, ProgramHeader},
};

/// The loader's questions, answered.
#[derive(Debug, Default)]
pub(super) struct Object {
    /// A program has one, a library usually not.
    pub(super) interpreter: Option<PathBuf>,
    pub(super) needed: Vec<String>,
    /// DT_RPATH and DT_RUNPATH with $ORIGIN replaced.
    pub(super) search_paths: Vec<PathBuf>,
}

/// `None`: not an ELF file of this machine's kind, or unreadable.
pub(super) fn read(path: &Path) -> Option<Object> {
    let cache = ReadCache::new(File::open(path).ok()?);
    let data = &cache;
    let header = FileHeader64::<Endianness>::parse(data).ok()?;
    let endian = header.endian().ok()?;
    let segments = header.program_headers(endian, data).ok()?;
    let mut object = Object::default();
    for segment in segments {
        if let Ok(Some(interpreter)) = segment.interpreter(endian, data) {
            object.interpreter = Some(PathBuf::from(OsStr::from_bytes(interpreter)));
        }
    }
    for segment in segments {
        if let Ok(Some(entries)) = segment.dynamic(endian, data) {
            read_dynamic(&mut object, path, entries, endian, |address| file_offset(segments, endian, address), data);
        }
    }
    Some(object)
}

type Segment = elf::ProgramHeader64<Endianness>;

fn file_offset(segments: &[Segment], endian: Endianness, address: u64) -> Option<u64> {
    segments.iter().filter(|segment| segment.p_type(endian) == elf::PT_LOAD).find_map(|segment| {
        let within = address.checked_sub(segment.p_vaddr(endian))?;
        if within < segment.p_filesz(endian) { segment.p_offset(endian).checked_add(within) } else { None }
    })
}

fn read_dynamic<'data>(
    object: &mut Object,
    path: &Path,
    entries: &[elf::Dyn64<Endianness>],
    endian: Endianness,
    offset_of: impl Fn(u64) -> Option<u64>,
    data: impl ReadRef<'data>,
) {
    let value = |tag| entries.iter().find(|entry| entry.d_tag(endian) == tag).map(|entry| entry.d_val(endian));
    let Some(strings) = value(elf::DT_STRTAB).and_then(offset_of) else { return };
    let text = |offset: u64| {
        let start = strings.checked_add(offset)?;
        let bytes = data.read_bytes_at_until(start..start.checked_add(4096)?, 0).ok()?;
        std::str::from_utf8(bytes).ok().map(str::to_owned)
    };
    for entry in entries {
        let Some(text) = text(entry.d_val(endian)) else { continue };
        match entry.d_tag(endian) {
            elf::DT_NEEDED => object.needed.push(text),
            elf::DT_RPATH | elf::DT_RUNPATH => {
                let origin = path.parent().unwrap_or(Path::new("/")).to_string_lossy();
                let expanded = text.replace("${ORIGIN}", &origin).replace("$ORIGIN", &origin);
                object.search_paths.extend(expanded.split(':').filter(|part| !part.is_empty()).map(PathBuf::from));
            }
            _ => {}
        }
    }
}

/// The loader's own folders: those of ld.so.conf, then the system's.
#[derive(Debug)]
pub(super) struct Search {
    folders: Vec<PathBuf>,
}

impl Default for Search {
    fn default() -> Self {
        let mut folders = Vec::new();
        read_configuration(Path::new("/etc/ld.so.conf"), &mut folders, 0);
        let architecture = std::env::consts::ARCH;
        for folder in [
            format!("/lib/{architecture}-linux-gnu"),
            format!("/usr/lib/{architecture}-linux-gnu"),
            "/lib64".into(),
            "/usr/lib64".into(),
            "/lib".into(),
            "/usr/lib".into(),
        ] {
            folders.push(folder.into());
        }
        Self { folders }
    }
}

impl Search {
    pub(super) fn find(&self, name: &str, first: &[PathBuf]) -> Option<PathBuf> {
        if name.contains('/') {
            return Some(PathBuf::from(name)).filter(|path| path.is_file());
        }
        first.iter().chain(&self.folders).map(|folder| folder.join(name)).find(|path| path.is_file())
    }
}

fn read_configuration(path: &Path, folders: &mut Vec<PathBuf>, depth: u32) {
    let Ok(text) = fs::read_to_string(path) else { return };
    for line in text.lines().map(str::trim).filter(|line| line.starts_with(['/', 'i'])) {
        match line.strip_prefix("include ") {
            Some(pattern) if depth < 4 => {
                // Distributions write exactly one pattern: a folder and `*.conf`.
                let Some(folder) = Path::new(pattern.trim()).parent() else { continue };
                let mut files: Vec<_> =
                    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
                files.sort();
                for file in files.iter().filter(|file| file.extension().is_some_and(|kind| kind == "conf")) {
                    read_configuration(file, folders, depth + 1);
                }
            }
            Some(_) => {}
            None => folders.push(line.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_very_program_names_its_loader_and_its_c_library() {
        let object = read(&std::env::current_exe().unwrap()).unwrap();
        assert!(object.interpreter.unwrap().is_file());
        assert!(object.needed.iter().any(|name| name.starts_with("libc.so")), "{:?}", object.needed);
        assert!(Search::default().find("libc.so.6", &[]).is_some());
    }

    #[test]
    fn what_is_no_program_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        for content in [&b""[..], b"#!/bin/sh\n", b"\x7fELF", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0"] {
            fs::write(&path, content).unwrap();
            assert!(read(&path).is_none_or(|object| object.needed.is_empty()));
        }
    }
}
