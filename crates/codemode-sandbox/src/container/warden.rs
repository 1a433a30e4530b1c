//! The warden of one cell: the process that may signal and clean up after exactly one user id.
//!
//! Its credentials are (real W, effective U, saved W). `kill(-1)` from it reaches every process of U and of W, of which
//! there is none but itself; U may neither signal nor trace it. Two orders come over its leash: [`KILL`] ends everything,
//! wipes what U left and says so; [`RELEASE`], or the end of whoever holds the leash, does that and ends the warden.
#![allow(unsafe_code)] // the fork path

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
    time::Duration,
};

use codemode_wire::{
    cell::{FromCell, Used},
    zygote::Spawn,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs as descriptors_fs, io as fd_io,
    process::{DumpableBehavior, Gid, Uid, set_child_subreaper, set_dumpable_behavior},
    thread::{
        CapabilitySet, CapabilitySets, clear_ambient_capability_set, set_capabilities, set_no_new_privs,
        set_thread_groups, set_thread_res_gid, set_thread_res_uid,
    },
};

use super::{OUTPUTS, SANDBOX, SHARED_MEMORY, TEMPORARY, broker::Broker, files, stage, usage, warden_of};
use crate::{
    apply::{
        Filters, Step, StepError,
        cell::{self, CellDescriptors},
    },
    packet,
    sys::{self, CloneFlags, Cloned},
};

pub const KILL: u8 = b'k';
pub const RELEASE: u8 = b'r';

/// Between two looks at how full the folders are.
const PERIOD: Duration = Duration::from_millis(100);
/// A killed process is gone in less, as a rule.
pub const ROUND: Duration = Duration::from_micros(100);

/// What the warden keeps open.
#[derive(Debug)]
struct Warden {
    user: u32,
    cell: OwnedFd,
    leash: OwnedFd,
    /// With a restricted network.
    broker: Option<Broker>,
    outputs: OwnedFd,
    bounded: Vec<usage::Bounded>,
    used: Used,
    runner: i32,
    quiet: bool,
}

/// What it speaks to others by.
pub(crate) struct Channels {
    pub(crate) cell: OwnedFd,
    /// Told once it has given up its rights.
    pub(crate) when_confined: OwnedFd,
    pub(crate) leash: OwnedFd,
    pub(crate) broker: Option<OwnedFd>,
}

/// A cell's /outputs, its tmpfs folders for the daemon to watch, and what the warden watches itself.
#[derive(Debug)]
pub(crate) struct Ground {
    outputs: OwnedFd,
    bounded: Vec<usage::Bounded>,
}

/// What needs rights, before the code's process exists: runs in the fresh fork of the zygote.
pub(crate) fn build(spawn: &Spawn, descriptors: &CellDescriptors) -> Result<Ground, StepError> {
    for cgroup in &descriptors.cgroups {
        fd_io::write(cgroup, b"0").map_err(|error| StepError::new(Step::JoinCgroup, error))?;
    }
    let failed = |error: io::Error| StepError::new(Step::WritableMounts, error);
    // Whoever loses its parent in this cell is ours from then on.
    set_child_subreaper(Some(rustix::process::getpid())).map_err(|error| failed(error.into()))?;
    let outputs = stage::create(spawn.uid).map_err(failed)?;
    let in_memory = usage::in_memory();
    let mut sent = vec![outputs.as_fd()];
    sent.extend(in_memory.iter().map(AsFd::as_fd));
    packet::send(descriptors.cell.as_fd(), &FromCell::Folders.encode(), &sent).map_err(failed)?;
    let watched = outputs.try_clone().map_err(failed)?;
    let mut bounded = vec![usage::Bounded::of(OUTPUTS, watched, spawn.outputs_bytes)];
    for (path, limit) in [(SANDBOX, spawn.sandbox_bytes), (TEMPORARY, spawn.tmp_bytes)] {
        bounded.push(usage::Bounded::at(path, limit).map_err(|error| failed(error.into()))?);
    }
    Ok(Ground { outputs, bounded })
}

/// The rest of the fork's life.
pub(crate) fn guard(spawn: &Spawn, filters: &Filters, ground: Ground, channels: Channels, runner: i32) -> ! {
    let Ground { outputs, bounded } = ground;
    let Channels { cell, when_confined, leash, broker } = channels;
    // Without one every connect fails.
    let broker = broker.and_then(|engine| Broker::new(engine).ok());
    let mut warden =
        Warden { user: spawn.uid, cell, leash, broker, outputs, bounded, used: Used::default(), runner, quiet: false };
    let ready = keep_only(&warden, &when_confined).and_then(|()| confine(spawn.uid, filters)).and_then(|ends| {
        fd_io::write(&when_confined, b"1").map_err(|error| StepError::new(Step::Report, error)).map(|_| ends)
    });
    drop(when_confined);
    let ends = match ready {
        Ok(ends) => ends,
        Err(error) => {
            warden.report(&cell::failed(&error));
            // Nobody to end the code's process but its own death signal and our end.
            sys::exit_now(1)
        }
    };
    warden.watch(ends.as_fd())
}

/// Not the zygote's channel, not the code's, not the host's stdio.
fn keep_only(warden: &Warden, when_confined: &OwnedFd) -> Result<(), StepError> {
    let failed = |error: io::Error| StepError::new(Step::Descriptors, error);
    let null = std::fs::File::open("/dev/null").map_err(failed)?;
    for target in 0..3 {
        std::mem::forget(sys::place_descriptor(null.as_fd(), target, false).map_err(failed)?);
    }
    drop(null);
    let mut kept = vec![warden.cell.as_fd(), warden.leash.as_fd(), warden.outputs.as_fd(), when_confined.as_fd()];
    kept.extend(warden.bounded.iter().filter_map(usage::Bounded::descriptor));
    kept.extend(warden.broker.as_ref().map(Broker::channel));
    sys::close_all_but(&kept).map_err(failed)
}

fn confine(user: u32, filters: &Filters) -> Result<OwnedFd, StepError> {
    become_warden(user)?;
    // Before the filter, which knows no such descriptors.
    let ends = sys::child_ends().map_err(|error| StepError::new(Step::Fork, error))?;
    filters.install_for_init()?;
    Ok(ends)
}

/// For good: no way back to root, no capability, nobody's business to look into.
fn become_warden(user: u32) -> Result<(), StepError> {
    let failed =
        |what: &str, error: rustix::io::Errno| StepError::new(Step::Identity, format_args!("warden: {what}: {error}"));
    let (real, effective, group) = (Uid::from_raw(warden_of(user)), Uid::from_raw(user), Gid::from_raw(user));
    set_thread_groups(&[]).map_err(|error| failed("setgroups", error))?;
    set_thread_res_gid(group, group, group).map_err(|error| failed("setresgid", error))?;
    set_thread_res_uid(real, effective, real).map_err(|error| failed("setresuid", error))?;
    clear_ambient_capability_set().map_err(|error| failed("ambient set", error))?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
        .map_err(|error| failed("capset", error))?;
    set_no_new_privs(true).map_err(|error| failed("no_new_privs", error))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|error| failed("dumpable", error))?;
    // What follows may kill everyone: it must not be everyone.
    let identity = (rustix::process::getuid(), rustix::process::geteuid());
    match identity == (real, effective) && !real.is_root() && !effective.is_root() {
        true => Ok(()),
        false => Err(StepError::new(Step::Identity, "the warden is somebody else")),
    }
}

/// Whether the caller may take these credentials. It has them afterwards. Makes system calls only.
pub(crate) fn can_become(user: u32) -> bool {
    let (real, effective) = (Uid::from_raw(warden_of(user)), Uid::from_raw(user));
    set_thread_res_uid(real, effective, real).is_ok()
}

impl Warden {
    fn watch(&mut self, ends: BorrowedFd<'_>) -> ! {
        // Whoever ended before there was a descriptor to say so.
        self.reap();
        loop {
            let (ended, ordered) = self.wait(ends);
            if ended {
                let _ = fd_io::read(ends, &mut [0; 256]);
                self.reap();
            }
            if ordered {
                self.obey();
            }
            self.serve_connections();
            if !self.quiet
                && self.has_the_folders()
                && let Some(name) =
                    self.bounded.iter().find(|bounded| bounded.is_overfull()).map(|bounded| bounded.name)
            {
                self.report(&FromCell::Overfull { folder: name.into() });
                self.end_everyone();
            }
        }
    }

    /// Until then what fills them is another execution's.
    fn has_the_folders(&self) -> bool {
        descriptors_fs::stat(SANDBOX).is_ok_and(|status| status.st_uid == self.user)
    }

    fn serve_connections(&mut self) {
        let served = self.broker.as_mut().map_or(Ok(()), Broker::serve);
        if self.quiet || served.is_err() {
            self.broker = None;
        }
    }

    /// (a child ended, an order came)
    fn wait(&self, ends: BorrowedFd<'_>) -> (bool, bool) {
        let mut watched = vec![PollFd::from_borrowed_fd(ends, PollFlags::IN), PollFd::new(&self.leash, PollFlags::IN)];
        watched.extend(self.broker.iter().flat_map(Broker::watched));
        let period = Timespec { tv_sec: 0, tv_nsec: i64::from(PERIOD.subsec_nanos()) };
        let _ = poll(&mut watched, if self.quiet { None } else { Some(&period) });
        (!watched[0].revents().is_empty(), !watched[1].revents().is_empty())
    }

    fn obey(&mut self) {
        let mut orders = [0; 8];
        match fd_io::read(&self.leash, &mut orders) {
            Ok(count @ 1..) if !orders[..count].contains(&RELEASE) => self.quieten(),
            Err(fd_io::Errno::INTR) => {}
            // Released, or whoever held the leash is gone.
            Ok(_) | Err(_) => {
                self.quieten();
                let clean = files::remove_all_of(self.user, self.outputs.as_fd());
                sys::exit_now(i32::from(clean.is_err()))
            }
        }
    }

    /// Nothing of the cell runs any more and nothing of it is left but what it put in /outputs.
    fn quieten(&mut self) {
        if self.quiet {
            return;
        }
        self.quiet = true;
        self.end_everyone();
        let open = descriptors_fs::Mode::from_raw_mode(0o755);
        let wiped = wipe(self.user)
            .and_then(|()| Ok(descriptors_fs::fchmod(&self.outputs, open)?))
            .and_then(|()| files::open_up(self.outputs.as_fd()));
        if let Err(error) = wiped {
            // The zygote sees this end, tries again, and makes no further cell if it fails as well.
            self.report(&cell::failed(&StepError::new(Step::WritableMounts, error)));
            sys::exit_now(1)
        }
        self.report(&FromCell::Quiet(self.used));
    }

    /// As often as it takes: what was being forked meanwhile, or had not yet become the user, is hit by the next round.
    fn end_everyone(&mut self) {
        loop {
            // It cannot fail for who is not root, and whatever it did not reach is still a child.
            let _ = sys::kill_everyone();
            self.reap();
            // Who lost its parent became a child of this one: without children there is nobody.
            if !sys::has_children() {
                return;
            }
            std::thread::sleep(ROUND);
        }
    }

    fn reap(&mut self) {
        while let Ok(Some(reaped)) = sys::reap_any() {
            self.account(reaped);
        }
    }

    fn account(&mut self, reaped: sys::Reaped) {
        reaped.add_to(&mut self.used);
        if reaped.pid == self.runner {
            self.report(&FromCell::Exited { status: reaped.status, quiet: None });
        }
    }

    /// The daemon may be gone; then the leash says so.
    fn report(&self, message: &FromCell) {
        let _ = packet::send(self.cell.as_fd(), &message.encode(), &[]);
    }
}

/// Everything of `user` in the folders that all executions share, one after the other.
fn wipe(user: u32) -> io::Result<()> {
    for path in [SANDBOX, TEMPORARY, SHARED_MEMORY] {
        // Its owner may have shut it, and is who we are.
        let _ = descriptors_fs::chmod(path, descriptors_fs::Mode::from_raw_mode(0o700));
        match files::open_folder(path) {
            Ok(folder) => files::remove_all_of(user, folder.as_fd())?,
            // Another user's /sandbox: nothing of this one is in there.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && path == SANDBOX => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// After the end of a warden: whatever it could not do is done for it, and then nothing of its cell is left but dead
/// children for the zygote to reap.
pub fn settle(user: u32, ended_well: bool) -> io::Result<()> {
    if !ended_well {
        // First of all: the daemon may be about to hand the folders to this cell, or to take them back.
        let withdrawn = stage::withdraw(user)?;
        sweep(user)?;
        withdrawn.map_or(Ok(()), stage::Withdrawn::remove)?;
    }
    stage::remove(user);
    Ok(())
}

/// Whether the caller still has a child that a killed warden of `user` left, dead or dying: one of that user's, or one
/// that had yet to become it. `is_cell`: whether it is a child for another reason.
pub fn has_orphans(user: u32, is_cell: impl Fn(i32) -> bool) -> bool {
    let (own, own_user) = (rustix::process::getpid(), rustix::process::getuid().as_raw());
    processes().any(|process| {
        process.parent == own.as_raw_pid() && [user, own_user].contains(&process.user) && !is_cell(process.pid)
    })
}

/// Whether a process of that user runs.
fn lives(user: u32) -> bool {
    processes().any(|process| process.user == user && !process.is_zombie)
}

struct Process {
    pid: i32,
    parent: i32,
    /// The real one.
    user: u32,
    is_zombie: bool,
}

fn processes() -> impl Iterator<Item = Process> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| process(entry.file_name().to_str()?.parse().ok()?))
}

fn process(pid: i32) -> Option<Process> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |key| status.lines().find_map(|line| line.strip_prefix(key)?.split_ascii_whitespace().next());
    let (parent, user) = (field("PPid:")?.parse().ok()?, field("Uid:")?.parse().ok()?);
    Some(Process { pid, parent, user, is_zombie: field("State:")? == "Z" })
}

/// Ends and wipes what is left of a user.
pub(super) fn sweep(user: u32) -> io::Result<()> {
    as_warden(user, || wipe(user))
}

/// Empties one folder of a user's.
pub(super) fn sweep_folder(user: u32, path: &Path) -> io::Result<()> {
    as_warden(user, || {
        let path = path.to_string_lossy();
        descriptors_fs::chmod(path.as_ref(), descriptors_fs::Mode::from_raw_mode(0o700))?;
        files::remove_all_of(user, files::open_folder(&path)?.as_fd())
    })
}

/// Runs in a fork that is the user's warden, once every process of that user is dead.
fn as_warden(user: u32, clean: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    // SAFETY: the zygote runs one thread, and the child ends without the C library's thread machinery.
    match unsafe { sys::clone_process(CloneFlags::NONE) }? {
        Cloned::Child => {
            let clean = become_warden(user).is_ok() && {
                while sys::kill_everyone().is_ok() && lives(user) {
                    std::thread::sleep(ROUND);
                }
                clean().is_ok()
            };
            sys::exit_now(i32::from(!clean))
        }
        Cloned::Parent { pid, .. } => match sys::wait_for_pid(pid)? {
            Some(reaped) if reaped.status == 0 => Ok(()),
            _ => Err(io::Error::other(format!("what user {user} left cannot be removed"))),
        },
    }
}
