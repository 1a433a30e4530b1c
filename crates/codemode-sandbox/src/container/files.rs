//! Trees that hostile code made, handled with its own rights and after its end.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    fs::{self, AtFlags, Dir, FileType, Mode, OFlags, Stat},
    io::Errno,
};

/// Deeper than what is collected from /outputs.
const OPENED_DEPTH: usize = 64;
/// As deep as a path of the longest kind leads, and twice as many entries as tier full has room for. Beyond either, a
/// folder counts as full.
const COUNTED_DEPTH: usize = 2_048;
const COUNTED_ENTRIES: u32 = 32_768;

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

pub(super) fn open_folder(path: &str) -> io::Result<OwnedFd> {
    Ok(fs::open(path, FOLDER, Mode::empty())?)
}

/// Names in a folder, without itself and its parent.
pub(super) fn names(folder: BorrowedFd<'_>) -> io::Result<Vec<std::ffi::CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let name = entry?.file_name().to_owned();
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name);
        }
    }
    Ok(names)
}

fn status(folder: BorrowedFd<'_>, name: &std::ffi::CStr) -> io::Result<Stat> {
    Ok(fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?)
}

fn is_folder(status: &Stat) -> bool {
    FileType::from_raw_mode(status.st_mode) == FileType::Directory
}

/// Opens a subfolder whatever mode its owner gave it.
fn enter(folder: BorrowedFd<'_>, name: &std::ffi::CStr) -> io::Result<OwnedFd> {
    fs::chmodat(folder, name, Mode::from_raw_mode(0o700), AtFlags::empty())?;
    Ok(fs::openat(folder, name, FOLDER, Mode::empty())?)
}

/// Removes everything that `owner` has in `folder`, which stays. However deep it is nested, two folders are open at a
/// time: what is below a subfolder is first moved up.
pub(super) fn remove_all_of(owner: u32, folder: BorrowedFd<'_>) -> io::Result<()> {
    let mut moved = 0_u64;
    loop {
        let mut left = false;
        for name in names(folder)? {
            let found = match status(folder, &name) {
                Ok(found) if found.st_uid == owner => found,
                // Another's, and as such free to go at any moment.
                Ok(_) => continue,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            if is_folder(&found) {
                left |= empty(folder, &name, &mut moved)?;
                fs::unlinkat(folder, &name, AtFlags::REMOVEDIR)?;
            } else {
                fs::unlinkat(folder, &name, AtFlags::empty())?;
            }
        }
        if !left {
            return Ok(());
        }
    }
}

/// Whether something was moved up and is still to be removed.
fn empty(top: BorrowedFd<'_>, name: &std::ffi::CStr, moved: &mut u64) -> io::Result<bool> {
    let folder = enter(top, name)?;
    let mut up = false;
    for below in names(folder.as_fd())? {
        if !is_folder(&status(folder.as_fd(), &below)?) {
            fs::unlinkat(&folder, &below, AtFlags::empty())?;
            continue;
        }
        // A folder that changes its parent has to be writable itself.
        fs::chmodat(&folder, &below, Mode::from_raw_mode(0o700), AtFlags::empty())?;
        loop {
            *moved += 1;
            match fs::renameat_with(&folder, &below, top, format!(".moved-{moved}"), fs::RenameFlags::NOREPLACE) {
                Ok(()) => break,
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        up = true;
    }
    Ok(up)
}

/// Lets everybody read what is there: the executor has no right to override its owner's modes.
pub(super) fn open_up(folder: BorrowedFd<'_>) -> io::Result<()> {
    open_up_at(folder, 0)
}

fn open_up_at(folder: BorrowedFd<'_>, depth: usize) -> io::Result<()> {
    if depth >= OPENED_DEPTH {
        return Ok(());
    }
    for name in names(folder)? {
        match FileType::from_raw_mode(status(folder, &name)?.st_mode) {
            FileType::Directory => {
                open_up_at(enter(folder, &name)?.as_fd(), depth + 1)?;
                fs::chmodat(folder, &name, Mode::from_raw_mode(0o755), AtFlags::empty())?;
            }
            FileType::RegularFile => fs::chmodat(folder, &name, Mode::from_raw_mode(0o644), AtFlags::empty())?,
            _ => {}
        }
    }
    Ok(())
}

/// Bytes that the files below take; a bounded walk that follows no link. Folders that their owner, who is the caller,
/// has shut are opened for it: nothing is to be hidden there.
pub(super) fn occupied(folder: BorrowedFd<'_>) -> u64 {
    let mut left = COUNTED_ENTRIES;
    occupied_at(folder, 0, &mut left)
}

fn occupied_at(folder: BorrowedFd<'_>, depth: usize, left: &mut u32) -> u64 {
    let Ok(names) = names(folder) else { return 0 };
    let mut total = 0_u64;
    for name in names {
        if *left == 0 || depth >= COUNTED_DEPTH {
            return u64::MAX;
        }
        *left -= 1;
        let Ok(found) = status(folder, &name) else { continue };
        total = total.saturating_add(u64::try_from(found.st_blocks).unwrap_or(0).saturating_mul(512));
        if is_folder(&found)
            && let Ok(below) = fs::openat(folder, &name, FOLDER, Mode::empty())
                .map_err(io::Error::from)
                .or_else(|_| enter(folder, &name))
        {
            total = total.saturating_add(occupied_at(below.as_fd(), depth + 1, left));
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn me() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    #[test]
    fn whatever_was_left_goes_and_links_are_not_followed() {
        let (place, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(elsewhere.path().join("kept"), "x").unwrap();
        symlink(elsewhere.path(), place.path().join("link")).unwrap();
        let mut deep = place.path().to_owned();
        for _ in 0..200 {
            deep.push("d");
        }
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::write(deep.join("file"), "x").unwrap();
        std::fs::write(place.path().join(".moved-1"), "in the way").unwrap();
        let shut = place.path().join("shut");
        std::fs::create_dir_all(shut.join("more")).unwrap();
        std::fs::set_permissions(&shut, std::fs::Permissions::from_mode(0o000)).unwrap();
        let folder = open_folder(place.path().to_str().unwrap()).unwrap();
        remove_all_of(me(), folder.as_fd()).unwrap();
        assert_eq!(names(folder.as_fd()).unwrap(), Vec::<std::ffi::CString>::new());
        assert!(elsewhere.path().join("kept").exists());
    }

    #[test]
    fn files_of_others_stay() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("mine"), "x").unwrap();
        let folder = open_folder(place.path().to_str().unwrap()).unwrap();
        remove_all_of(me() + 1, folder.as_fd()).unwrap();
        assert!(place.path().join("mine").exists());
    }

    #[test]
    fn private_files_are_opened_and_counted() {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir(place.path().join("sub")).unwrap();
        let file = place.path().join("sub/a");
        std::fs::write(&file, vec![1; 100_000]).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o000)).unwrap();
        let folder = open_folder(place.path().to_str().unwrap()).unwrap();
        open_up(folder.as_fd()).unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o644);
        assert!(occupied(folder.as_fd()) >= 100_000);
    }
}
