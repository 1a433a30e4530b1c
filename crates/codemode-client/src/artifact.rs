//! Files that executed code left behind, written where the application wants them.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Read},
    os::fd::{AsFd, OwnedFd},
    path::{Component, Path, PathBuf},
};

use codemode_types::Artifact;
use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags, mkdirat, openat, renameat, unlinkat},
    io::Errno,
};
use thiserror::Error;

use crate::{ClientError, new_execution_id, python::quoted};

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Why a file of an execution was not written.
///
/// ```
/// use codemode_client::{Artifact, ArtifactError, save};
///
/// let artifact = Artifact { path: "../x".into(), data: Some(vec![1]), size: 1, mime_type: String::new(), sha256: String::new(), host_path: None };
/// let error = save(&artifact, "/tmp").unwrap_err();
/// assert!(matches!(error, ArtifactError::Outside { .. }));
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ArtifactError {
    /// Its content is neither in the report nor in a file here.
    #[error(
        "the content of artifact {} is not here: ask for it with `artifact_bytes` of the request, \
         or give the executor an outputs folder on this machine",
        quoted(.path)
    )]
    NoContent {
        /// Relative to `/outputs`.
        path: String,
    },
    /// It would be written elsewhere.
    #[error("artifact {} leads out of the folder; nothing was written", quoted(.path))]
    Outside {
        /// As the executor told it.
        path: String,
    },
    /// Reading or writing failed.
    #[error("cannot save artifact {}: {source}", quoted(.path))]
    Io {
        /// Relative to `/outputs`.
        path: String,
        /// The system's reason.
        source: io::Error,
    },
}

/// Writes a file that the code left in `/outputs` under the same path in `folder`, which exists, and says where. What
/// was there is replaced whole. Nothing is ever written outside of `folder`: its links are not followed.
///
/// The content comes with the report up to [`Request::artifact_bytes`](crate::Request), or is copied from where an
/// executor on this machine put it.
///
/// ```
/// use codemode_client::{Artifact, save};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// let artifact = Artifact {
///     path: "plots/a.svg".into(),
///     data: Some(b"<svg/>".to_vec()),
///     size: 6,
///     mime_type: "image/svg+xml".into(),
///     sha256: String::new(),
///     host_path: None,
/// };
/// let saved = save(&artifact, folder)?;
/// assert_eq!(saved, folder.join("plots/a.svg"));
/// assert_eq!(std::fs::read(saved)?, b"<svg/>");
/// # Ok(())
/// # }
/// ```
pub fn save(artifact: &Artifact, folder: impl AsRef<Path>) -> Result<PathBuf, ArtifactError> {
    let folder = folder.as_ref();
    let steps = steps(&artifact.path)?;
    let Some((name, parents)) = steps.split_last() else { return Err(outside(&artifact.path)) };
    let mut content = content(artifact)?;
    let written = descend(folder, parents).and_then(|parent| replace(&parent, name, &mut content));
    match written {
        Ok(()) => Ok(folder.join(&artifact.path)),
        Err(Errno::LOOP | Errno::NOTDIR) if folder.is_dir() => Err(outside(&artifact.path)),
        Err(error) => Err(ArtifactError::Io { path: artifact.path.clone(), source: error.into() }),
    }
}

fn outside(path: &str) -> ArtifactError {
    ArtifactError::Outside { path: path.into() }
}

/// Names only: no root, no `..`.
fn steps(path: &str) -> Result<Vec<&OsStr>, ArtifactError> {
    let step = |component| match component {
        Component::Normal(name) => Ok(name),
        _ => Err(outside(path)),
    };
    Path::new(path).components().map(step).collect()
}

fn content(artifact: &Artifact) -> Result<Box<dyn Read + '_>, ArtifactError> {
    if let Some(data) = &artifact.data {
        return Ok(Box::new(data.as_slice()));
    }
    let path = || artifact.path.clone();
    let host_path = artifact.host_path.as_ref().ok_or_else(|| ArtifactError::NoContent { path: path() })?;
    match regular_file(host_path) {
        Ok(Some(file)) => Ok(Box::new(file)),
        Ok(None) => Err(ArtifactError::NoContent { path: path() }),
        Err(source) => Err(ArtifactError::Io { path: path(), source }),
    }
}

/// `None` where there is none, or something else by now.
fn regular_file(path: &Path) -> io::Result<Option<File>> {
    // A pipe in its place would keep us waiting.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match openat(CWD, path, flags, Mode::empty()) {
        Ok(file) => {
            let file = File::from(file);
            Ok(file.metadata()?.is_file().then_some(file))
        }
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Opens the folder below `folder`, making what is missing.
fn descend(folder: &Path, parents: &[&OsStr]) -> Result<OwnedFd, Errno> {
    let mut here = openat(CWD, folder, FOLDER, Mode::empty())?;
    for name in parents {
        match mkdirat(&here, *name, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
        here = openat(&here, *name, FOLDER | OFlags::NOFOLLOW, Mode::empty())?;
    }
    Ok(here)
}

/// Under another name first, so that nobody ever sees half a file.
fn replace(folder: &OwnedFd, name: &OsStr, content: &mut dyn Read) -> Result<(), Errno> {
    let id = new_execution_id().map_err(|_: ClientError| Errno::NOSYS)?;
    let part = format!(".{id}.part");
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(openat(folder.as_fd(), part.as_str(), flags, Mode::from_raw_mode(0o666))?);
    let written = io::copy(content, &mut file).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO));
    let done = written.and_then(|_| renameat(folder, part.as_str(), folder, name));
    if done.is_err() {
        // What is left of it is of no use.
        let _ = unlinkat(folder, part.as_str(), AtFlags::empty());
    }
    done
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    fn artifact(path: &str) -> Artifact {
        Artifact {
            path: path.into(),
            size: 3,
            mime_type: "text/plain".into(),
            sha256: String::new(),
            host_path: None,
            data: Some(b"new".to_vec()),
        }
    }

    #[test]
    fn nothing_is_written_outside_of_the_folder() {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        symlink(elsewhere.path(), folder.path().join("link")).unwrap();
        for path in ["../a", "/etc/a", "a/../../b", "", ".", "link/a", "x/.."] {
            let error = save(&artifact(path), folder.path()).unwrap_err();
            assert!(matches!(error, ArtifactError::Outside { .. }), "{path}: {error}");
        }
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
        // A link of the name itself is replaced and not followed.
        let target = elsewhere.path().join("kept");
        fs::write(&target, "old").unwrap();
        symlink(&target, folder.path().join("a")).unwrap();
        assert_eq!(fs::read(save(&artifact("a"), folder.path()).unwrap()).unwrap(), b"new");
        assert_eq!(fs::read(target).unwrap(), b"old");
    }

    #[test]
    fn content_comes_from_the_report_or_from_the_outputs_folder() {
        let (folder, outputs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let there = outputs.path().join("a.txt");
        fs::write(&there, "on the host").unwrap();
        let artifact = Artifact { data: None, host_path: Some(there.clone()), ..artifact("b/a.txt") };
        assert_eq!(fs::read(save(&artifact, folder.path()).unwrap()).unwrap(), b"on the host");
        fs::remove_file(there).unwrap();
        let error = save(&artifact, folder.path()).unwrap_err();
        assert!(error.to_string().contains("artifact_bytes"), "{error}");
        let names: Vec<_> =
            fs::read_dir(folder.path().join("b")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["a.txt"]);
    }
}
