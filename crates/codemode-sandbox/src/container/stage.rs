//! What passes from one execution to the next: /sandbox changes its owner, and /outputs is another folder.
//!
//! Every cell has its own /outputs from the start, beside the others under [`stages`], where nobody but root may list
//! or rename. The one whose code runs is called `outputs`, which is where the link at /outputs leads.
//!
//! The daemon moves folders from name to name, and the zygote takes away those of cells whose warden was killed. Each
//! does it under a lock on the folder of all stages, which no sandbox can open.

use std::{
    fs as std_fs, io,
    os::{
        fd::OwnedFd,
        unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown},
    },
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};

use super::{SANDBOX, SHARED_MEMORY, files, is_cell_user, warden};

/// Two names: where an executor ended suddenly, its container engine mounts the volume for /outputs where the link
/// leads, which is in the folder of that time.
const STAGES: [&str; 2] = ["codemode", "codemode-2"];
const CURRENT: &str = "outputs";

/// The folder of all stages.
pub(super) fn stages() -> PathBuf {
    let free = STAGES.into_iter().find(|name| !is_mount(&in_memory(name).join(CURRENT)));
    in_memory(free.unwrap_or(STAGES[0]))
}

fn in_memory(name: &str) -> PathBuf {
    Path::new(SHARED_MEMORY).join(name)
}

pub(super) fn is_stages(folder: &str, name: &str) -> bool {
    folder == SHARED_MEMORY && STAGES.contains(&name)
}

pub(super) fn current() -> PathBuf {
    stages().join(CURRENT)
}

/// A link that remembers where /outputs led before: it has to outlive a sudden end.
pub(super) fn memory() -> PathBuf {
    "/.codemode-outputs".into()
}

pub(super) fn is_ours(path: &Path) -> bool {
    STAGES.into_iter().any(|name| path.starts_with(in_memory(name)))
}

/// Whether something is mounted right there.
pub(super) fn is_mount(path: &Path) -> bool {
    let device = |path: &Path| path.symlink_metadata().map(|status| status.dev());
    matches!((device(path), path.parent().map(device)), (Ok(own), Some(Ok(above))) if own != above)
}

fn of(user: u32) -> PathBuf {
    stages().join(user.to_string())
}

/// Let go when it is dropped.
fn lock() -> io::Result<OwnedFd> {
    let folder = files::open_folder(&stages().to_string_lossy())?;
    loop {
        match flock(&folder, FlockOperation::LockExclusive) {
            Ok(()) => return Ok(folder),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Makes the folder of all stages, and empties it of what a sudden end left.
pub(super) fn found() -> io::Result<()> {
    for name in STAGES {
        let path = in_memory(name);
        if is_mount(&path.join(CURRENT)) {
            // The host's own folder: the code, which may use the rest of /dev/shm, gets no further than here.
            std_fs::set_permissions(&path, std_fs::Permissions::from_mode(0o700))?;
        }
    }
    let path = stages();
    match std_fs::DirBuilder::new().mode(0o711).create(&path) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let status = path.symlink_metadata()?;
    if !status.is_dir() || status.uid() != 0 {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it is not this executor's"));
    }
    let _lock = lock()?;
    for entry in std_fs::read_dir(&path)? {
        let path = entry?.path();
        let owner = path.symlink_metadata()?.uid();
        if is_cell_user(owner) {
            warden::sweep_folder(owner, &path).map_err(io::Error::other)?;
        }
        std_fs::remove_dir(&path)?;
    }
    Ok(())
}

/// A new, private /outputs for a cell. Root's own until it is given away.
pub(super) fn create(user: u32) -> io::Result<OwnedFd> {
    let path = of(user);
    std_fs::DirBuilder::new().mode(0o700).create(&path)?;
    let folder = files::open_folder(&path.to_string_lossy())?;
    chown(&path, Some(user), Some(user))?;
    Ok(folder)
}

/// The folder of a cell whose warden was killed, out of the daemon's reach: from now on it is neither handed over nor
/// handed back.
#[derive(Debug)]
pub(super) struct Withdrawn {
    user: u32,
    path: PathBuf,
}

/// `None`: the cell's user never had one.
pub(super) fn withdraw(user: u32) -> io::Result<Option<Withdrawn>> {
    let _lock = lock()?;
    let is_its = |path: &PathBuf| path.symlink_metadata().is_ok_and(|status| status.uid() == user);
    let Some(found) = [current(), of(user)].into_iter().find(is_its) else { return Ok(None) };
    let path = stages().join(format!("{user}-withdrawn"));
    std_fs::rename(found, &path)?;
    Ok(Some(Withdrawn { user, path }))
}

impl Withdrawn {
    /// Takes it away with all that is in it.
    pub(super) fn remove(self) -> io::Result<()> {
        warden::sweep_folder(self.user, &self.path)?;
        std_fs::remove_dir(&self.path)
    }
}

/// Takes the emptied folder of a cell away.
pub fn remove(user: u32) {
    // It is not there where the cell got no further than its identity.
    let _ = std_fs::remove_dir(of(user));
}

/// The folders are this user's from now on: its code may start. One at a time. `NotFound`: its warden was killed.
pub fn hand_over(user: u32) -> io::Result<()> {
    let _lock = lock()?;
    std_fs::rename(of(user), current())?;
    chown(SANDBOX, Some(user), Some(user))
}

/// The code of `user` has ended and its files were collected.
pub fn hand_back(user: u32) -> io::Result<()> {
    let _lock = lock()?;
    match std_fs::rename(current(), of(user)) {
        // Its warden was killed, and the zygote has withdrawn it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
