//! Files that a command writes for a person to keep: what is there already is theirs, and stays without `--force`.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use crate::exit::Failure;

#[derive(Debug)]
pub(crate) struct NewFile {
    pub(crate) path: PathBuf,
    pub(crate) contents: Vec<u8>,
    /// The permissions; what is not the world's to write.
    pub(crate) mode: u32,
}

impl NewFile {
    pub(crate) fn text(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self { path: path.into(), contents: text.into().into_bytes(), mode: 0o644 }
    }
}

/// Writes all of them, with their folders, or none where one is in the way.
pub(crate) fn write_new(files: &[NewFile], force: bool) -> Result<(), Failure> {
    if !force {
        let there = files.iter().filter(|file| file.path.symlink_metadata().is_ok());
        let there = there.map(|file| file.path.display().to_string()).collect::<Vec<_>>();
        match there.as_slice() {
            [] => {}
            [one] => return Err(Failure::usage(format!("{one} is there already; --force replaces it"))),
            more => {
                return Err(Failure::usage(format!("{} are there already; --force replaces them", more.join(", "))));
            }
        }
    }
    let cannot = |file: &NewFile, error| Failure::usage(format!("cannot write {}: {error}", file.path.display()));
    // A folder, or a device such as /dev/null, which root would replace.
    let is_other = |there: fs::Metadata| !there.is_file() && !there.is_symlink();
    if let Some(file) = files.iter().find(|file| file.path.symlink_metadata().is_ok_and(is_other)) {
        return Err(Failure::usage(format!("{} is there already and is no file", file.path.display())));
    }
    // All of them before the first takes its place: a disk that has no room for one gets none.
    let written = files.iter().map(|file| beside(file).map_err(|error| cannot(file, error)));
    let written = written.collect::<Result<Vec<_>, _>>()?;
    let mut placed = files.iter().zip(written);
    placed.try_for_each(|(file, beside)| place(beside, &file.path, force).map_err(|error| cannot(file, error)))
}

/// The whole of it, under another name in the same folder; gone if it is dropped.
fn beside(file: &NewFile) -> io::Result<NamedTempFile> {
    let folder = match file.path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder)?;
    let mut beside = NamedTempFile::new_in(folder)?;
    beside.write_all(&file.contents)?;
    beside.as_file().set_permissions(fs::Permissions::from_mode(file.mode))?;
    Ok(beside)
}

/// Never through a link that waits there.
fn place(beside: NamedTempFile, path: &Path, force: bool) -> io::Result<()> {
    match force {
        true => beside.persist(path),
        // Made meanwhile is there as well.
        false => beside.persist_noclobber(path),
    }
    .map(drop)
    .map_err(|refused| refused.error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_or_none_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        let files = || vec![NewFile::text(place("new/a"), "A"), NewFile::text(place("b"), "B")];
        fs::write(place("b"), "mine").unwrap();
        let refused = write_new(&files(), false).unwrap_err();
        assert_eq!(refused.message, format!("{} is there already; --force replaces it", place("b").display()));
        assert!(!place("new").exists() && fs::read_to_string(place("b")).unwrap() == "mine");
        write_new(&files(), true).unwrap();
        assert_eq!(fs::read_to_string(place("new/a")).unwrap() + &fs::read_to_string(place("b")).unwrap(), "AB");
        assert!(write_new(&files(), false).unwrap_err().message.ends_with("are there already; --force replaces them"));
    }

    #[test]
    fn one_that_cannot_be_written_leaves_the_others_unwritten() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        fs::create_dir(place("folder")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(place("socket")).unwrap();
        for (second, force) in [(place("folder"), true), (place("socket"), true), ("/proc/none/file".into(), false)] {
            let refused = write_new(&[NewFile::text(place("a"), "A"), NewFile::text(&second, "")], force).unwrap_err();
            assert!(refused.message.contains(&second.display().to_string()), "{}", refused.message);
            let mut names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort_unstable();
            assert_eq!(names, ["folder", "socket"]);
        }
    }

    #[test]
    fn a_link_is_replaced_and_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        fs::write(&target, "mine").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(write_new(&[NewFile::text(&link, "new")], false).is_err());
        write_new(&[NewFile::text(&link, "new")], true).unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "mine");
        assert!(link.symlink_metadata().unwrap().is_file());
    }

    #[test]
    fn where_nothing_can_be_written_it_says_where() {
        let message = write_new(&[NewFile::text("/proc/none/file", "")], false).unwrap_err().message;
        assert!(message.starts_with("cannot write /proc/none/file: "), "{message}");
    }
}
