//! Collecting /outputs: a folder made by hostile code, and a host folder that is not empty either.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fs::{self, File},
    os::{
        fd::AsFd,
        unix::{ffi::OsStrExt, fs::symlink},
    },
    path::{Component, Path, PathBuf},
};

use codemode_sandbox::outputs::{Collection, Writer, collect};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::choices::Choices;

const MOST_ENTRIES: usize = 40;
/// Bytes of content that are to come along.
const WANTED: u64 = 64;
/// More than any file system holds; nothing of it is ever written.
const HUGE: u64 = 1 << 50;

/// Nothing outside the destination is written, no link is followed, and what is said to be there is there.
pub fn outputs(input: &[u8]) {
    let mut choices = Choices::new(input);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [source, target, elsewhere] = ["source", "target", "elsewhere"].map(|name| {
        let path = folder.path().join(name);
        fs::create_dir(&path).expect("a new folder");
        path
    });
    fs::write(elsewhere.join("kept"), "old").expect("written");
    fs::create_dir(elsewhere.join("sub")).expect("a new folder");
    let kept = choices.coin();
    // Links of the host's folder stay within the temporary one, in case they are followed after all.
    fill(&target, &mut choices, 8, &[&elsewhere, &elsewhere.join("kept"), Path::new(".."), Path::new("a")]);
    fill(&source, &mut choices, MOST_ENTRIES, &[Path::new("/etc/passwd"), &elsewhere, Path::new(".."), Path::new("a")]);
    let before = [&source, &target, &elsewhere].map(|path| entries(path));

    let directory = File::open(&source).expect("the source");
    let kept = kept.then_some(target.as_path());
    let collection = collect(directory.as_fd(), kept, Writer::Oneself, WANTED).expect("a healthy folder");

    let after = [&source, &target, &elsewhere].map(|path| entries(path));
    assert_eq!(after[2], before[2], "something was written elsewhere");
    assert_eq!(after[0], before[0], "the source was changed");
    told(&collection, &before[0]);
    arrived(&collection, &before[1], &after[1], kept, &before[0]);
}

/// The report: every path is plain, and no file is missing in silence.
fn told(collection: &Collection, source: &Entries) {
    for line in &collection.skipped {
        assert!(!line.chars().any(char::is_control), "{line:?} would change a terminal");
    }
    let paths: BTreeSet<_> = collection.files.iter().map(|file| PathBuf::from(&file.path)).collect();
    assert_eq!(paths.len(), collection.files.len(), "a file was taken twice");
    let contents =
        || collection.files.iter().filter_map(|file| file.data.as_ref().map(|data| (file, data.len() as u64)));
    assert!(contents().all(|(file, length)| length == file.size), "a content was cut");
    assert!(contents().map(|(_, length)| length).sum::<u64>() <= WANTED, "more came along than was wanted");
    for file in &collection.files {
        let parts = Path::new(&file.path).components();
        assert!(parts.into_iter().all(|part| matches!(part, Component::Normal(_))), "{}", file.path);
        assert!(!file.path.chars().any(char::is_control), "{:?}", file.path);
        assert!(matches!(&source[Path::new(&file.path)], Entry::File(_)), "{} is no file", file.path);
    }
    let left = source.iter().find(|(path, entry)| **entry != Entry::Folder && !paths.contains(*path));
    assert!(left.is_none() || !collection.skipped.is_empty(), "{left:?} was left behind in silence");
}

/// The host's folder holds what it held, and the files that the report names.
fn arrived(collection: &Collection, before: &Entries, after: &Entries, target: Option<&Path>, source: &Entries) {
    let mut expected = before.clone();
    for file in &collection.files {
        assert_eq!(file.host_path, target.map(|target| target.join(&file.path)));
        let Entry::File(content) = &source[Path::new(&file.path)] else { continue };
        assert_eq!(file.size, content.len() as u64);
        if target.is_none() {
            continue;
        }
        expected.insert(PathBuf::from(&file.path), Entry::File(content.clone()));
    }
    for (path, entry) in &expected {
        assert_eq!(after.get(path), Some(entry), "{}", path.display());
    }
    let holds = |folder: &Path| source.get(folder) == Some(&Entry::Folder) && target.is_some();
    for (path, entry) in after {
        assert!(expected.contains_key(path) || (*entry == Entry::Folder && holds(path)), "{} is new", path.display());
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    File(Vec<u8>),
    /// A file that claims more than it can have.
    Huge,
    Link(PathBuf),
    Folder,
    Other,
}

type Entries = BTreeMap<PathBuf, Entry>;

/// Everything below a folder, by relative path.
fn entries(root: &Path) -> Entries {
    let mut found = Entries::new();
    let mut pending = vec![PathBuf::new()];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(root.join(&folder)).expect("a folder") {
            let name = folder.join(entry.expect("an entry").file_name());
            let path = root.join(&name);
            let status = fs::symlink_metadata(&path).expect("a status");
            let entry = match status.file_type() {
                kind if kind.is_symlink() => Entry::Link(fs::read_link(&path).expect("a link")),
                kind if kind.is_dir() => Entry::Folder,
                kind if kind.is_file() && status.len() < HUGE => Entry::File(fs::read(&path).expect("a file")),
                kind if kind.is_file() => Entry::Huge,
                _ => Entry::Other,
            };
            if entry == Entry::Folder {
                pending.push(name.clone());
            }
            found.insert(name, entry);
        }
    }
    found
}

/// Up to `most` entries of every kind, at any depth.
fn fill(root: &Path, choices: &mut Choices<'_>, most: usize, targets: &[&Path]) {
    let mut folders = vec![root.to_owned()];
    for _ in 0..most {
        if choices.is_empty() {
            return;
        }
        let path = choices.one_of(&folders).join(name(choices));
        // What the file system refuses (a name that is taken, a path that is too long) is not there; nothing else is
        // expected of it.
        let made = match choices.byte() % 8 {
            0 | 1 => fs::create_dir(&path).map(|()| folders.push(path)),
            2 => symlink(choices.one_of(targets), &path),
            3 => mknodat(CWD, &path, FileType::Fifo, Mode::RWXU, 0).map_err(Into::into),
            4 => new_file(&path).and_then(|file| file.set_len(HUGE)),
            5 => nested(&path, &mut folders),
            _ => new_file(&path).and_then(|mut file| std::io::Write::write_all(&mut file, choices.bytes(9))),
        };
        drop(made);
    }
}

fn new_file(path: &Path) -> std::io::Result<File> {
    File::options().write(true).create_new(true).open(path)
}

/// Deeper than what is collected.
fn nested(path: &Path, folders: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut deepest = path.to_owned();
    fs::create_dir(&deepest)?;
    for _ in 0..35 {
        deepest.push("d");
        fs::create_dir(&deepest)?;
    }
    folders.push(deepest);
    Ok(())
}

/// One part of a path: often a short one, so that names meet.
fn name(choices: &mut Choices<'_>) -> PathBuf {
    const SHORT: [&str; 4] = ["a", "b", "kept", "sub"];
    let length = usize::from(choices.byte() % 12);
    let bytes: Vec<u8> = choices.bytes(length).iter().copied().filter(|byte| !b"/\0".contains(byte)).collect();
    match &bytes[..] {
        b"" | b"." | b".." => PathBuf::from(choices.one_of(&SHORT)),
        name => PathBuf::from(OsStr::from_bytes(name)),
    }
}
