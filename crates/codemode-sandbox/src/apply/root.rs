//! The base root, built once per zygote: read-only parts of the host, links, stub files, empty mount points. Every cell
//! starts from a copy of it and can see nothing else.

use std::{
    fs,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::PermissionsExt,
    },
    path::{Path, PathBuf},
};

use rustix::{
    mount::{MountPropagationFlags, mount_change},
    process::{chdir, getegid, geteuid, pivot_root},
};

use super::{
    Step, StepError,
    error::AtStep,
    mounts::{self, DATA, DEVICE, PROGRAMS},
};
use crate::{
    plan::SandboxPlan,
    sys::{self, CloneFlags},
};

/// Where the new root is put together; whatever the host has there is covered in this namespace only.
const STAGE: &str = "/tmp";

/// The id inside a user namespace.
pub const INNER_ID: u32 = 1000;

/// A rootless cell maps its ids through, and may mount its own /proc only beside, a visible one: kept here until then.
pub(super) const HOST_PROC: &str = "/.host-proc";

/// A file that every cell has and none may read: what Landlock is checked against.
pub(super) const LANDLOCK_WITNESS: &str = "/.landlock-witness";

const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];

const MOUNT_POINTS: [&str; 8] = ["/workspace", "/sandbox", "/outputs", "/tmp", "/run", "/proc", "/dev/shm", "/etc"];

/// Links that lead to what only a cell has.
const CELL_LINKS: [(&str, &str); 6] = [
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
    ("/etc/passwd", "/run/passwd"),
    ("/etc/group", "/run/group"),
];

/// Moves this process, which runs one thread, into a namespace whose root is the base root.
pub fn enter(plan: &SandboxPlan) -> Result<(), StepError> {
    match plan.rootless() {
        true => enter_user_namespace()?,
        false => sys::unshare_namespaces(CloneFlags::MOUNT).at(Step::MountNamespace, "unshare")?,
    }
    let all = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", all).at(Step::MountNamespace, "make private")?;
    let parts = open_parts(plan)?;
    let stage =
        mounts::new_filesystem("tmpfs", &[("size", "16m"), ("nr_inodes", "65536"), ("mode", "755")], mounts::BASE)
            .at(Step::BaseRoot, "tmpfs")?;
    mounts::attach(stage.as_fd(), Path::new(STAGE)).at(Step::BaseRoot, STAGE)?;
    lay_out(plan)?;
    for part in parts {
        mounts::attach(part.mount.as_fd(), &staged(&part.target)).at(Step::BaseRoot, part.target.display())?;
    }
    cover(plan)?;
    pivot()?;
    mounts::harden(stage.as_fd(), PROGRAMS, false).at(Step::BaseRoot, "read-only")
}

fn enter_user_namespace() -> Result<(), StepError> {
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    sys::unshare_namespaces(CloneFlags::USER.and(CloneFlags::MOUNT)).at(Step::UserNamespace, "unshare")?;
    map_ids(Path::new("/proc/self"), uid, gid)
}

/// Makes the one id that a user namespace of ours has: `INNER_ID` inside, the given ones in its parent.
pub(super) fn map_ids(process: &Path, uid: u32, gid: u32) -> Result<(), StepError> {
    for (name, text) in [
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("{INNER_ID} {uid} 1")),
        ("gid_map", format!("{INNER_ID} {gid} 1")),
    ] {
        let file = process.join(name);
        fs::write(&file, text).at(Step::UserNamespace, file.display())?;
    }
    Ok(())
}

struct Part {
    mount: OwnedFd,
    target: PathBuf,
}

/// Takes a hold of every part before anything is covered.
fn open_parts(plan: &SandboxPlan) -> Result<Vec<Part>, StepError> {
    let mut parts = Vec::new();
    let mut take = |source: &Path, target: PathBuf, recursive, attributes| {
        parts.push(Part { mount: mounts::copy_of(source, recursive, attributes, Step::OpenSource)?, target });
        Ok(())
    };
    for bind in &plan.binds {
        take(&bind.path, bind.path.clone(), bind.is_directory, PROGRAMS)?;
    }
    for device in DEVICES {
        let path = Path::new("/dev").join(device);
        take(&path, path.clone(), false, DEVICE)?;
    }
    if let Some(workspace) = &plan.workspace {
        take(workspace, "/workspace".into(), true, DATA)?;
    }
    if plan.rootless() {
        take(Path::new("/proc"), HOST_PROC.into(), true, mounts::SCRATCH)?;
    }
    // What lies inside another part, such as an environment inside the workspace, goes on top of it.
    parts.sort_by_key(|part| part.target.components().count());
    Ok(parts)
}

/// Directories, links and files on the staged tmpfs.
fn lay_out(plan: &SandboxPlan) -> Result<(), StepError> {
    for (link, target) in top_level_first(&plan.links) {
        let link = staged(link);
        make_parent(&link)?;
        if link.symlink_metadata().is_err() {
            std::os::unix::fs::symlink(target, &link).at(Step::BaseRoot, link.display())?;
        }
    }
    for mount_point in MOUNT_POINTS {
        make_folder(&staged(Path::new(mount_point)))?;
    }
    if plan.rootless() {
        make_folder(&staged(Path::new(HOST_PROC)))?;
    }
    for bind in &plan.binds {
        match bind.is_directory {
            true => make_folder(&staged(&bind.path))?,
            false => make_file(&staged(&bind.path), "")?,
        }
    }
    for device in DEVICES {
        make_file(&staged(&Path::new("/dev").join(device)), "")?;
    }
    for (link, target) in CELL_LINKS {
        let link = staged(Path::new(link));
        std::os::unix::fs::symlink(target, &link).at(Step::BaseRoot, link.display())?;
    }
    for (path, text) in &plan.files {
        make_file(&staged(path), text)?;
    }
    make_placeholders(&plan.placeholders)?;
    make_file(&staged(Path::new(LANDLOCK_WITNESS)), "readable only if Landlock is not in force\n")
}

/// One empty file that nobody may open or execute, under each of the names.
fn make_placeholders(paths: &[PathBuf]) -> Result<(), StepError> {
    let Some((first, others)) = paths.split_first() else { return Ok(()) };
    let first = staged(first);
    make_file(&first, "")?;
    fs::set_permissions(&first, fs::Permissions::from_mode(0o0)).at(Step::BaseRoot, first.display())?;
    for other in others {
        let other = staged(other);
        make_parent(&other)?;
        fs::hard_link(&first, &other).at(Step::BaseRoot, other.display())?;
    }
    Ok(())
}

/// Links such as /lib → usr/lib must stand before anything is made below them.
fn top_level_first(links: &[(PathBuf, PathBuf)]) -> Vec<(&PathBuf, &PathBuf)> {
    let mut ordered: Vec<_> = links.iter().map(|(link, target)| (link, target)).collect();
    ordered.sort_by_key(|(link, _)| link.components().count());
    ordered
}

/// Covers what the bound folders hold but no code should see.
fn cover(plan: &SandboxPlan) -> Result<(), StepError> {
    for mask in &plan.masks {
        let target = staged(&mask.path);
        if target.symlink_metadata().is_err() {
            continue;
        }
        let empty = match mask.is_directory {
            true => mounts::new_filesystem("tmpfs", &[("size", "4k"), ("nr_inodes", "2"), ("mode", "755")], DATA)
                .at(Step::BaseRoot, target.display())?,
            false => mounts::copy_of(&staged(Path::new("/dev/null")), false, DATA, Step::BaseRoot)?,
        };
        mounts::attach(empty.as_fd(), &target).at(Step::BaseRoot, target.display())?;
    }
    Ok(())
}

fn pivot() -> Result<(), StepError> {
    chdir(STAGE).at(Step::PivotRoot, STAGE)?;
    // The old root lands on top of the new one and is taken away again: no folder for it is needed.
    pivot_root(".", ".").at(Step::PivotRoot, "pivot_root")?;
    mounts::detach(Path::new(".")).at(Step::PivotRoot, "old root")?;
    chdir("/").at(Step::PivotRoot, "/")
}

fn staged(path: &Path) -> PathBuf {
    Path::new(STAGE).join(path.strip_prefix("/").unwrap_or(path))
}

fn make_parent(path: &Path) -> Result<(), StepError> {
    path.parent().map_or(Ok(()), make_folder)
}

fn make_folder(path: &Path) -> Result<(), StepError> {
    fs::create_dir_all(path).at(Step::BaseRoot, path.display())
}

fn make_file(path: &Path, text: &str) -> Result<(), StepError> {
    make_parent(path)?;
    if path.symlink_metadata().is_ok() {
        return Ok(());
    }
    fs::write(path, text).at(Step::BaseRoot, path.display())
}
