//! What a cell has of its own: a /proc, a name for its user, and the writable folders.

use std::{
    io::Write as _,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
};

use codemode_types::NetworkMode;
use codemode_wire::zygote::Spawn;
use rustix::{
    fs::{self, CWD, Mode, OFlags},
    io::Errno,
};

use super::{Step, StepError, error::AtStep, mounts, root};
use crate::plan::{Bind, SandboxPlan, network};

/// The workspace once more, its owner's files now the code's own to read.
pub(super) fn mount_workspace(owners: BorrowedFd<'_>) -> Result<(), StepError> {
    let path = Path::new("/workspace");
    let mount = mounts::copy_of(path, true, mounts::DATA, Step::Workspace)?;
    match mounts::map_owners(mount.as_fd(), owners) {
        Ok(()) => mounts::attach(mount.as_fd(), path).at(Step::Workspace, "/workspace"),
        // A file system without idmapped mounts (overlay, network and user-space ones): what others may read, the code
        // may, and no more.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP)) => Ok(()),
        Err(error) => Err(StepError::new(Step::Workspace, error)),
    }
}

/// Inodes of a writable folder: enough for real work, too few to fill the kernel with.
const INODES: u64 = 16_384;

const PAGE: usize = 4 << 10;

const SHARED_MEMORY_BYTES: u64 = 64 << 20;

/// The writable folders, in the order in which `FromCell::Folders` carries them: the daemon reads /outputs once every
/// process of the cell is dead, and watches how full the others are.
pub(super) fn mount_all(plan: &SandboxPlan, spawn: &Spawn, owner: u32) -> Result<[OwnedFd; 4], StepError> {
    mount_identity(plan, spawn, owner)?;
    let covered = covered_parts(plan)?;
    let folders = [
        mount_scratch("/outputs", spawn.outputs_bytes, owner)?,
        mount_scratch("/sandbox", spawn.sandbox_bytes, owner)?,
        mount_scratch("/tmp", spawn.tmp_bytes, owner)?,
        mount_scratch("/dev/shm", SHARED_MEMORY_BYTES, owner)?,
    ];
    uncover(plan, covered)?;
    Ok(folders)
}

/// A /proc of this pid namespace that shows processes only, read-only.
pub(super) fn mount_proc(plan: &SandboxPlan) -> Result<(), StepError> {
    match mounts::new_filesystem("proc", &[("subset", "pid")], mounts::SCRATCH) {
        Ok(proc) => {
            prefer_as_victim(proc.as_fd(), "self/oom_score_adj")?;
            mounts::harden(proc.as_fd(), mounts::DATA, false).at(Step::ProcFilesystem, "read-only")?;
            mounts::attach(proc.as_fd(), Path::new("/proc")).at(Step::ProcFilesystem, "/proc")?;
        }
        // Inside a container that masks parts of /proc the kernel lets nobody have an unmasked one: the code has none.
        Err(Errno::PERM) if plan.rootless() => {
            let host = fs::openat(CWD, root::HOST_PROC, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
                .at(Step::ProcFilesystem, root::HOST_PROC)?;
            prefer_as_victim(host.as_fd(), "self/oom_score_adj")?;
        }
        Err(error) => return Err(StepError::new(Step::ProcFilesystem, error)),
    }
    match plan.rootless() {
        true => cover_host_proc(),
        false => Ok(()),
    }
}

/// The out-of-memory killer takes the code before it takes the daemon. Inherited by the code's process.
pub(super) fn prefer_as_victim(folder: impl AsFd, path: &str) -> Result<(), StepError> {
    let file = fs::openat(folder, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
        .at(Step::ProcFilesystem, "oom_score_adj")?;
    std::fs::File::from(file).write_all(b"600").at(Step::ProcFilesystem, "oom_score_adj")
}

/// It came from the zygote's namespace, so this one may not take it away; nor can it take away what covers it, once
/// the right to unmount is gone.
fn cover_host_proc() -> Result<(), StepError> {
    let empty = mounts::new_filesystem("tmpfs", &[("size", "4k"), ("nr_inodes", "1"), ("mode", "000")], mounts::DATA)
        .at(Step::ProcFilesystem, root::HOST_PROC)?;
    mounts::attach(empty.as_fd(), Path::new(root::HOST_PROC)).at(Step::ProcFilesystem, root::HOST_PROC)
}

/// A private writable folder; a descriptor of it.
fn mount_scratch(path: &str, bytes: u64, owner: u32) -> Result<OwnedFd, StepError> {
    let mount = mounts::new_tmpfs(bytes, INODES, "700", owner).at(Step::WritableMounts, path)?;
    mounts::attach(mount.as_fd(), Path::new(path)).at(Step::WritableMounts, path)?;
    mounts::open_root(mount.as_fd()).at(Step::WritableMounts, path)
}

/// Folders that a scratch folder is about to cover though the plan has something below them.
const COVERING: [&str; 4] = ["/tmp", "/sandbox", "/outputs", "/dev/shm"];

/// Takes a hold of parts of the plan, such as an interpreter under /tmp, that a scratch folder will cover.
fn covered_parts(plan: &SandboxPlan) -> Result<Vec<(&Bind, OwnedFd)>, StepError> {
    plan.binds
        .iter()
        .filter(|bind| is_covered(&bind.path))
        .map(|bind| {
            let part = mounts::copy_of(&bind.path, bind.is_directory, mounts::PROGRAMS, Step::WritableMounts)?;
            Ok((bind, part))
        })
        .collect()
}

fn is_covered(path: &Path) -> bool {
    COVERING.iter().any(|folder| path.starts_with(folder))
}

/// Puts them, and the links that lead to them, on top.
fn uncover(plan: &SandboxPlan, covered: Vec<(&Bind, OwnedFd)>) -> Result<(), StepError> {
    let make_folder = |path: &Path| std::fs::create_dir_all(path).at(Step::WritableMounts, path.display());
    for (bind, part) in covered {
        match bind.is_directory {
            true => make_folder(&bind.path)?,
            false => {
                bind.path.parent().map_or(Ok(()), make_folder)?;
                std::fs::File::create(&bind.path).at(Step::WritableMounts, bind.path.display())?;
            }
        }
        mounts::attach(part.as_fd(), &bind.path).at(Step::WritableMounts, bind.path.display())?;
    }
    for (link, target) in plan.links.iter().filter(|(link, _)| is_covered(link)) {
        link.parent().map_or(Ok(()), make_folder)?;
        std::os::unix::fs::symlink(target, link).at(Step::WritableMounts, link.display())?;
    }
    Ok(())
}

/// What differs from cell to cell of the files below /etc: names for the user that the code runs as, and where a plan
/// has one, its network.
fn mount_identity(plan: &SandboxPlan, spawn: &Spawn, owner: u32) -> Result<(), StepError> {
    let passwd =
        format!("sandbox:x:{owner}:{owner}:sandbox:/sandbox:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n");
    let group = format!("sandbox:x:{owner}:\nnogroup:x:65534:\n");
    let mut files = vec![("passwd", passwd.as_str()), ("group", group.as_str())];
    if plan.network.mode != NetworkMode::None {
        files.extend(network::FILES.into_iter().zip(plan.network.texts(&spawn.network)));
    }
    let bytes: usize = files.iter().map(|(_, text)| (text.len() + PAGE).next_multiple_of(PAGE)).sum();
    let mount = mounts::new_tmpfs(bytes as u64, 8, "755", owner).at(Step::WritableMounts, "/run")?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    for (name, text) in files {
        let file = fs::openat(&mount, name, flags, Mode::from_raw_mode(0o644)).at(Step::WritableMounts, name)?;
        std::fs::File::from(file).write_all(text.as_bytes()).at(Step::WritableMounts, name)?;
    }
    mounts::harden(mount.as_fd(), mounts::DATA, false).at(Step::WritableMounts, "/run")?;
    mounts::attach(mount.as_fd(), Path::new("/run")).at(Step::WritableMounts, "/run")
}
