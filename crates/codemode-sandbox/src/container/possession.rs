//! Taking the container's folders at start, and giving back what was changed.

use std::{
    fs as std_fs, io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::{MetadataExt, PermissionsExt, chown, symlink},
    },
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};
use thiserror::Error;

use super::{OUTPUTS, SANDBOX, SHARED_MEMORY, TEMPORARY, files, is_cell_user, stage, warden};

/// Why the folders cannot be had. Each says what to do.
#[derive(Debug, Error)]
pub enum PossessionError {
    #[error("{path}: {source}; tier container needs it (the image brings it)")]
    Folder { path: PathBuf, source: io::Error },
    #[error(
        "{folder} holds {name}, which is not this executor's: in tier container the code works in {folder} itself. Run \
         the executor in a container of its own, or mount an empty tmpfs there"
    )]
    Inhabited { folder: &'static str, name: String },
    #[error("{folder} still holds what an earlier execution left, and it cannot be removed: {reason}")]
    Leftovers { folder: &'static str, reason: String },
    #[error("{SANDBOX} and {SHARED_MEMORY} are in use by another executor of this container; one container holds one")]
    Taken,
    #[error(
        "{OUTPUTS} is a mount, or a folder that is not empty, and in tier container the code writes to a private folder \
         of that name. Make {OUTPUTS} a symbolic link to the folder that is mounted, as the image does, or reach tier full"
    )]
    OutputsTaken,
    #[error("{OUTPUTS} cannot be pointed at a private folder: {0}; tier container needs a writable root folder")]
    Outputs(#[source] io::Error),
}

/// The folders are ours while this lives.
#[derive(Debug)]
pub struct Possession {
    /// Held so that no second executor takes them.
    _lock: OwnedFd,
    /// Where /outputs led before.
    original: Option<PathBuf>,
}

/// Takes the folders: they must be empty, or hold only what our own sandboxes left.
pub fn take() -> Result<Possession, PossessionError> {
    // Not on /sandbox, which may be shut: before the lock is ours, nothing may be changed.
    let lock = files::open_folder(SHARED_MEMORY)
        .map_err(|source| PossessionError::Folder { path: SHARED_MEMORY.into(), source })?;
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Err(PossessionError::Taken);
    }
    for folder in [SANDBOX, TEMPORARY, SHARED_MEMORY] {
        clean(folder)?;
    }
    stage::found().map_err(|source| PossessionError::Folder { path: stage::stages(), source })?;
    let original = original_outputs();
    link_outputs(original.as_deref())?;
    Ok(Possession { _lock: lock, original })
}

/// Where the image's link leads; `None`: /outputs is no link.
fn original_outputs() -> Option<PathBuf> {
    let target = std_fs::read_link(OUTPUTS).ok()?;
    // After a sudden end the link is still ours.
    if stage::is_ours(&target) { std_fs::read_link(stage::memory()).ok() } else { Some(target) }
}

/// Where files for the host go when the policy says `/outputs`: what the link led to before it was ours.
pub fn real_outputs() -> io::Result<PathBuf> {
    match std_fs::read_link(OUTPUTS) {
        // A start after a sudden end: the link is still ours, and perhaps a volume is mounted where it leads.
        Ok(target) if stage::is_ours(&target) && !stage::is_mount(&target) => {
            original_outputs().unwrap_or(target).canonicalize()
        }
        Ok(_) => Path::new(OUTPUTS).canonicalize(),
        Err(_) => Ok(OUTPUTS.into()),
    }
}

fn link_outputs(original: Option<&Path>) -> Result<(), PossessionError> {
    let path = Path::new(OUTPUTS);
    let status = path.symlink_metadata();
    match status {
        Ok(status) if status.is_symlink() => {}
        // A folder of the image: gone if it is empty, in the way if it is not.
        Ok(_) => match std_fs::remove_dir(path) {
            Ok(()) => {}
            Err(error) if matches!(error.raw_os_error(), Some(libc::EBUSY | libc::ENOTEMPTY)) => {
                return Err(PossessionError::OutputsTaken);
            }
            Err(error) => return Err(PossessionError::Outputs(error)),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(PossessionError::Outputs(error)),
    }
    let remembered = original.map_or(Ok(()), |original| replace_link(&stage::memory(), original));
    remembered.and_then(|()| replace_link(path, &stage::current())).map_err(PossessionError::Outputs)
}

fn replace_link(path: &Path, target: &Path) -> io::Result<()> {
    let new = path.with_extension("codemode-new");
    let _ = std_fs::remove_file(&new);
    symlink(target, &new)?;
    std_fs::rename(&new, path)
}

impl Drop for Possession {
    /// `docker restart` mounts the volume where the link leads: to be where it was.
    fn drop(&mut self) {
        if let Some(original) = &self.original
            && replace_link(Path::new(OUTPUTS), original).is_ok()
        {
            let _ = std_fs::remove_file(stage::memory());
        }
    }
}

/// Opens a folder as root's own, whoever had it last.
fn own(path: &Path) -> Result<OwnedFd, PossessionError> {
    let failed = |source| PossessionError::Folder { path: path.into(), source };
    if is_cell_user(path.metadata().map_err(failed)?.uid()) {
        chown(path, Some(0), Some(0)).map_err(failed)?;
        std_fs::set_permissions(path, std_fs::Permissions::from_mode(0o755)).map_err(failed)?;
    }
    files::open_folder(&path.to_string_lossy()).map_err(failed)
}

/// What sandboxes left behind when an executor ended suddenly goes; what is somebody else's stays, and refuses.
fn clean(folder: &'static str) -> Result<(), PossessionError> {
    let opened = own(Path::new(folder))?;
    let entries =
        || files::names(opened.as_fd()).map_err(|source| PossessionError::Folder { path: folder.into(), source });
    for name in entries()? {
        let name = name.to_string_lossy().into_owned();
        let path = Path::new(folder).join(&name);
        let Ok(status) = path.symlink_metadata() else { continue };
        if stage::is_stages(folder, &name) && status.uid() == 0 {
            continue;
        }
        if !is_cell_user(status.uid()) {
            return Err(PossessionError::Inhabited { folder, name });
        }
        sweep(folder, status.uid())
            .map_err(|error| PossessionError::Leftovers { folder, reason: error.to_string() })?;
        if path.symlink_metadata().is_ok() {
            return Err(PossessionError::Leftovers { folder, reason: format!("{} is still there", path.display()) });
        }
    }
    Ok(())
}

/// /sandbox is not open to everyone, as the others are: its user has it for the while.
fn sweep(folder: &str, user: u32) -> io::Result<()> {
    if folder != SANDBOX {
        return warden::sweep(user);
    }
    chown(folder, Some(user), Some(user))?;
    let swept = warden::sweep(user);
    chown(folder, Some(0), Some(0))?;
    swept
}
