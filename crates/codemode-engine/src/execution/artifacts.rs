//! What the code left in /outputs.

use std::{
    os::fd::{AsFd, OwnedFd},
    path::PathBuf,
};

use codemode_sandbox::outputs::{Collected, Collection, Writer, collect};
use codemode_types::Artifact;
use rustix::fs::{Dir, FsWord, fstatfs};

#[derive(Debug, Default)]
pub(crate) struct Artifacts {
    pub(crate) files: Vec<Artifact>,
    pub(crate) warnings: Vec<String>,
}

/// Moves the files into `destination`, or only lists them. To be called once nothing of the sandbox is left.
/// Brings along as much of their contents as `wanted` bytes have room for.
pub(crate) async fn gather(
    directory: Option<OwnedFd>,
    destination: Option<PathBuf>,
    writer: Writer,
    wanted: u64,
) -> Artifacts {
    let Some(directory) = directory else { return Artifacts::default() };
    // The common case, and a thread's time is worth more than this look.
    if is_empty(&directory) {
        return Artifacts::default();
    }
    let gathered = tokio::task::spawn_blocking(move || gather_blocking(&directory, destination, writer, wanted)).await;
    gathered.unwrap_or_else(|error| Artifacts { warnings: vec![warning(&error)], ..Artifacts::default() })
}

fn is_empty(directory: &OwnedFd) -> bool {
    if is_all_of_its_filesystem(directory) {
        return true;
    }
    let Ok(entries) = Dir::read_from(directory) else { return false };
    entries.filter_map(Result::ok).all(|entry| matches!(entry.file_name().to_bytes(), b"." | b".."))
}

/// Whether it is the root of a tmpfs that counts no other inode: one call instead of a listing.
fn is_all_of_its_filesystem(directory: &OwnedFd) -> bool {
    const TMPFS_MAGIC: FsWord = 0x0102_1994;
    fstatfs(directory)
        .is_ok_and(|found| found.f_type == TMPFS_MAGIC && found.f_files.checked_sub(found.f_ffree) == Some(1))
}

fn gather_blocking(directory: &OwnedFd, destination: Option<PathBuf>, writer: Writer, wanted: u64) -> Artifacts {
    let mut warnings = Vec::new();
    let destination = destination.filter(|folder| match std::fs::create_dir_all(folder) {
        Ok(()) => true,
        Err(error) => {
            warnings.push(format!("files in /outputs could not be kept: {}: {error}", folder.display()));
            false
        }
    });
    match collect(directory.as_fd(), destination.as_deref(), writer, wanted) {
        Ok(Collection { files, skipped }) => {
            warnings.extend(skipped);
            Artifacts { files: files.into_iter().map(artifact).collect(), warnings }
        }
        Err(error) => {
            warnings.push(warning(&error));
            Artifacts { files: Vec::new(), warnings }
        }
    }
}

fn warning(error: &impl std::fmt::Display) -> String {
    format!("files in /outputs could not be collected: {error}")
}

fn artifact(file: Collected) -> Artifact {
    let Collected { path, size, sha256, host_path, data } = file;
    Artifact { mime_type: mime_type(&path), path, size, sha256, host_path, data }
}

fn mime_type(path: &str) -> String {
    mime_guess::from_path(path).first_or_octet_stream().essence_str().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_come_from_the_name() {
        assert_eq!(mime_type("plots/a.PNG"), "image/png");
        assert_eq!(mime_type("report.csv"), "text/csv");
        assert_eq!(mime_type("no-extension"), "application/octet-stream");
    }

    #[test]
    fn an_empty_folder_is_seen_as_empty() {
        let folder = tempfile::tempdir().unwrap();
        let open = || OwnedFd::from(std::fs::File::open(folder.path()).unwrap());
        assert!(is_empty(&open()));
        std::fs::write(folder.path().join("a"), "").unwrap();
        assert!(!is_empty(&open()));
    }
}
