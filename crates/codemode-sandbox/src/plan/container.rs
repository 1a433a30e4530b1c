//! What tier container cannot do for a policy, and what it does in place of covering files.

use std::{
    fs,
    path::{Path, PathBuf},
};

use codemode_types::Policy;
use thiserror::Error;

use super::Mask;
use crate::container::{SANDBOX, usage};

const WORKSPACE: &str = "/workspace";

#[derive(Debug, Error)]
pub enum ContainerError {
    #[error(
        "filesystem.workspace.mount: {0} would have to be mounted at {WORKSPACE}, which takes tier full; in tier \
         container mount it there from outside and name {WORKSPACE}"
    )]
    Workspace(PathBuf),
    #[error("isolation.allow_unix_sockets takes tier full: in tier container the sockets are the container's own")]
    UnixSockets,
    #[error(
        "max_concurrent_executions: {0} takes tier full; in tier container there is one {SANDBOX}, so one execution \
         runs at a time and the rest queue. Set it to 1 or leave it out, and scale by replicas"
    )]
    Concurrency(u32),
    #[error(
        "guest.environments takes tier full: in tier container the folders belong to one interpreter at a time. Leave it \
         out, and run one executor for each"
    )]
    Environments,
    #[error(
        "filesystem.sandbox.max_size cannot be enforced here: {SANDBOX} is no file system of its own. Mount a tmpfs \
         there (as in the compose file), or leave max_size out: then a watch over the size of the files stands in"
    )]
    NoQuota,
}

pub(super) fn check(policy: &Policy) -> Result<(), ContainerError> {
    if let Some(mount) = &policy.filesystem.workspace.mount
        && mount.canonicalize().is_ok_and(|real| real != Path::new(WORKSPACE))
    {
        return Err(ContainerError::Workspace(mount.clone()));
    }
    if policy.isolation.allow_unix_sockets {
        return Err(ContainerError::UnixSockets);
    }
    if !policy.guest.environments.is_empty() {
        return Err(ContainerError::Environments);
    }
    if let Some(asked @ 2..) = policy.max_concurrent_executions {
        return Err(ContainerError::Concurrency(asked));
    }
    if policy.filesystem.sandbox.max_size.is_some() && !usage::is_tmpfs_of_its_own(SANDBOX) {
        return Err(ContainerError::NoQuota);
    }
    Ok(())
}

/// Replaces folders that hold something masked by what else they hold. Gives the folders that were replaced: their
/// names may still be listed.
pub(super) fn leave_out(readable: &mut Vec<PathBuf>, masks: &[Mask]) -> Vec<PathBuf> {
    let mut listable = Vec::new();
    let mut kept = Vec::new();
    let mut pending = std::mem::take(readable);
    while let Some(path) = pending.pop() {
        if masks.iter().any(|mask| path == mask.path) {
            continue;
        }
        if !masks.iter().any(|mask| mask.path.starts_with(&path)) {
            kept.push(path);
            continue;
        }
        let entries = fs::read_dir(&path).into_iter().flatten().flatten();
        // A link leads to what has a rule of its own, or none.
        pending.extend(entries.map(|entry| entry.path()).filter(|path| !path.is_symlink()));
        listable.push(path);
    }
    *readable = kept;
    listable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_file_is_not_readable_and_its_neighbours_are() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path();
        for name in ["a/program", "a/library.py", "b/more.py"] {
            fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            fs::write(root.join(name), "").unwrap();
        }
        let mut readable = vec![root.to_owned()];
        let masks = [Mask { path: root.join("a/program"), is_directory: false }];
        let mut listable = leave_out(&mut readable, &masks);
        readable.sort();
        listable.sort();
        assert_eq!(readable, [root.join("a/library.py"), root.join("b")]);
        assert_eq!(listable, [root.to_owned(), root.join("a")]);
    }

    #[test]
    fn more_than_one_at_a_time_is_refused() {
        let policy = Policy { max_concurrent_executions: Some(4), ..Policy::default() };
        assert!(check(&policy).unwrap_err().to_string().contains("max_concurrent_executions: 4"));
    }
}
