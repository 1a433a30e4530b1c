//! One sandbox: a pid namespace with an init of its own, and in it the process that will run the code.
//!
//! [`enter`] is the whole list, in order. It runs in a fresh clone of the zygote; init never returns from it, the
//! code's process does, unconfined, and must call [`Runner::confine`] before it does anything else.
#![allow(unsafe_code)] // the fork path

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
};

use codemode_wire::{
    cell::{FromCell, Used},
    zygote::{Network, Spawn},
};
use rustix::{
    fs::{self, CWD, Mode, OFlags},
    io as fd_io,
    pipe::{PipeFlags, pipe_with},
    process::{DumpableBehavior, Pid, Signal, chdir, getpid, getppid, set_parent_process_death_signal, setsid},
    system::sethostname,
};

use super::{
    Step, StepError,
    error::AtStep,
    filters::Filters,
    folders, identity, landlock, limits,
    limits::ResourceLimits,
    network, networks,
    places::Places,
    removed::{Wall, is_removed},
    root, verify,
};
use crate::{
    container::warden,
    packet,
    plan::{Means, SandboxPlan},
    sys::{self, CloneFlags},
};

/// Where the code's process has its channel to the daemon: the one descriptor beyond stdio.
pub const GUEST_DESCRIPTOR: i32 = 3;
const CELL_DESCRIPTOR: i32 = 4;
const RULES_DESCRIPTOR: i32 = 5;

/// What the zygote was handed for one sandbox.
#[derive(Debug)]
pub struct CellDescriptors {
    pub guest: OwnedFd,
    pub stdout: OwnedFd,
    pub stderr: OwnedFd,
    pub cell: OwnedFd,
    /// Between the engine and the warden.
    pub broker: Option<OwnedFd>,
    pub cgroups: Vec<OwnedFd>,
}

impl CellDescriptors {
    /// In the order in which `Spawn` carries them.
    pub fn from_packet(descriptors: Vec<OwnedFd>, means: Means, spawn: &Spawn) -> Option<Self> {
        let mut descriptors = descriptors.into_iter();
        let mut next = || descriptors.next();
        let (guest, stdout, stderr, cell) = (next()?, next()?, next()?, next()?);
        let broker = if is_brokered(means, &spawn.network) { Some(next()?) } else { None };
        Some(Self { guest, stdout, stderr, cell, broker, cgroups: descriptors.collect() })
    }
}

/// Whether connections of such a sandbox are made for it, by the engine: it has no network namespace to be served in.
pub fn is_brokered(means: Means, network: &Network) -> bool {
    means == Means::Container && network.is_restricted()
}

/// The code's process before its walls stand.
#[derive(Debug)]
pub struct Runner<'a> {
    plan: &'a SandboxPlan,
    spawn: &'a Spawn,
    filters: &'a Filters,
    places: Option<&'a Places>,
    descriptors: CellDescriptors,
    /// Readable once init has given up its rights too.
    init_confined: OwnedFd,
    /// In tier container, which has no namespace that ends with its init.
    warden: Option<Pid>,
}

/// What the zygote has ready for one sandbox.
#[derive(Debug, Default)]
pub struct Provided<'a> {
    /// Of the workspace's files, see [`super::owners`].
    pub owners: Option<BorrowedFd<'a>>,
    /// An empty network namespace that was another's, see [`super::networks`].
    pub network: Option<BorrowedFd<'a>>,
    /// What most Landlock rules are about.
    pub places: Option<&'a Places>,
    /// In tier container, the warden's end.
    pub leash: Option<OwnedFd>,
}

/// The namespaces that the clone for [`enter`] needs. `provided`: it will enter a network namespace that there is.
pub fn namespaces(plan: &SandboxPlan, network: &Network, provided: bool) -> CloneFlags {
    let own = match network {
        _ if is_removed(Wall::Namespaces) => CloneFlags::MOUNT,
        Network::None if provided => CloneFlags::CELL.without(CloneFlags::NETWORK),
        Network::None | Network::Restricted { .. } => CloneFlags::CELL,
        Network::All => CloneFlags::CELL.without(CloneFlags::NETWORK),
    };
    match plan.means {
        Means::Root => own,
        Means::UserNamespace => own.and(CloneFlags::USER),
        Means::Container => CloneFlags::NONE,
    }
}

/// Runs in the clone that is pid 1 of its namespace. Returns in its child, the code's process.
pub fn enter<'a>(
    plan: &'a SandboxPlan,
    spawn: &'a Spawn,
    filters: &'a Filters,
    descriptors: CellDescriptors,
    provided: Provided<'a>,
) -> Runner<'a> {
    if let Some(leash) = provided.leash {
        return enter_container(plan, spawn, filters, descriptors, leash);
    }
    let built = build(plan, spawn, &descriptors, &provided).and_then(|()| {
        let (confined, when_confined) = pipe_with(PipeFlags::CLOEXEC).at(Step::Fork, "pipe")?;
        // SAFETY: a clone of the zygote, which runs one thread, runs one thread.
        let runner = unsafe { sys::fork_process() }.at(Step::Fork, "fork")?;
        Ok((runner, confined, when_confined))
    });
    match built {
        Ok((None, confined, when_confined)) => {
            drop(when_confined);
            let places = provided.places;
            Runner { plan, spawn, filters, places, descriptors, init_confined: confined, warden: None }
        }
        Ok((Some(runner), confined, when_confined)) => {
            drop(confined);
            init(plan, spawn, filters, descriptors, when_confined, runner)
        }
        Err(error) => {
            report(descriptors.cell.as_fd(), &failed(&error));
            sys::exit_now(1)
        }
    }
}

/// The same in tier container: the clone becomes the warden.
fn enter_container<'a>(
    plan: &'a SandboxPlan,
    spawn: &'a Spawn,
    filters: &'a Filters,
    descriptors: CellDescriptors,
    leash: OwnedFd,
) -> Runner<'a> {
    let warden = getpid();
    let built = warden::build(spawn, &descriptors).and_then(|ground| {
        let (confined, when_confined) = pipe_with(PipeFlags::CLOEXEC).at(Step::Fork, "pipe")?;
        // SAFETY: a clone of the zygote, which runs one thread, runs one thread.
        let runner = unsafe { sys::fork_process() }.at(Step::Fork, "fork")?;
        if runner.is_none() {
            end_with(warden)?;
        }
        Ok((ground, runner, confined, when_confined))
    });
    match built {
        Ok((_, None, init_confined, _)) => {
            Runner { plan, spawn, filters, places: None, descriptors, init_confined, warden: Some(warden) }
        }
        Ok((ground, Some(runner), _, when_confined)) => {
            let CellDescriptors { cell, broker, .. } = descriptors;
            let channels = warden::Channels { cell, when_confined, leash, broker };
            warden::guard(spawn, filters, ground, channels, runner)
        }
        Err(error) => {
            report(descriptors.cell.as_fd(), &failed(&error));
            sys::exit_now(1)
        }
    }
}

/// The kernel's word that this process does not outlive its warden. A change of identity clears it.
fn end_with(warden: Pid) -> Result<(), StepError> {
    set_parent_process_death_signal(Some(Signal::KILL)).at(Step::DeathSignal, "prctl")?;
    if getppid() != Some(warden) {
        return Err(StepError::new(Step::DeathSignal, "the warden has ended"));
    }
    Ok(())
}

/// Everything that needs rights: all of it happens before the code's process exists.
fn build(
    plan: &SandboxPlan,
    spawn: &Spawn,
    descriptors: &CellDescriptors,
    provided: &Provided<'_>,
) -> Result<(), StepError> {
    if plan.rootless() {
        // A user namespace per cell: RLIMIT_NPROC counts per namespace, and cells share no id that means anything.
        root::map_ids(&Path::new(root::HOST_PROC).join("self"), root::INNER_ID, root::INNER_ID)?;
    }
    // First of what costs anything, so that all that follows is already accounted.
    for cgroup in &descriptors.cgroups {
        fd_io::write(cgroup, b"0").at(Step::JoinCgroup, "writing 0")?;
    }
    sethostname(b"sandbox").at(Step::Hostname, "sethostname")?;
    if let Some(network) = provided.network {
        networks::enter(network).at(Step::Network, "setns")?;
    }
    network::open(&spawn.network, &descriptors.cell)?;
    folders::mount_proc(plan)?;
    if let Some(owners) = provided.owners {
        folders::mount_workspace(owners)?;
    }
    let folders = folders::mount_all(plan, spawn, owner(plan, spawn))?;
    let folders = folders.each_ref().map(AsFd::as_fd);
    packet::send(descriptors.cell.as_fd(), &FromCell::Folders.encode(), &folders).at(Step::Report, "folders")?;
    chdir("/sandbox").at(Step::WritableMounts, "/sandbox")
}

const fn owner(plan: &SandboxPlan, spawn: &Spawn) -> u32 {
    if plan.rootless() { root::INNER_ID } else { spawn.uid }
}

/// pid 1: reaps, reports how the code's process ended, and by its own end ends every other process here.
fn init(
    plan: &SandboxPlan,
    spawn: &Spawn,
    filters: &Filters,
    descriptors: CellDescriptors,
    when_confined: OwnedFd,
    runner: i32,
) -> ! {
    let (cell, when_confined) = match keep_only(descriptors, when_confined) {
        Ok(kept) => kept,
        Err(_) => sys::exit_now(1),
    };
    let status = confine_init(plan, spawn, filters)
        .and_then(|()| fd_io::write(&when_confined, b"1").at(Step::Report, "init"))
        .and_then(|_| wait_for(runner));
    match status {
        Ok(exited) => {
            report(cell.as_fd(), &exited);
            if matches!(exited, FromCell::Exited { quiet: Some(_), .. }) {
                // The end of the last process takes the namespaces with it: when the daemon says so, behind the answer.
                let _ = fd_io::read(&cell, &mut [0; 1]);
            }
        }
        Err(error) => report(cell.as_fd(), &failed(&error)),
    }
    sys::exit_now(0)
}

/// Init needs the cell channel and nothing else: not the zygote's, not the other cells', not the host's stdio.
fn keep_only(descriptors: CellDescriptors, when_confined: OwnedFd) -> Result<(OwnedFd, OwnedFd), StepError> {
    let null = fs::openat(CWD, "/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .at(Step::Descriptors, "/dev/null")?;
    let high = |descriptor: &OwnedFd| fd_io::fcntl_dupfd_cloexec(descriptor, 64).at(Step::Descriptors, "dup");
    let (cell, confined) = (high(&descriptors.cell)?, high(&when_confined)?);
    for target in 0..3 {
        std::mem::forget(sys::place_descriptor(null.as_fd(), target, false).at(Step::Descriptors, target)?);
    }
    let kept = (
        sys::place_descriptor(cell.as_fd(), GUEST_DESCRIPTOR, true).at(Step::Descriptors, "cell")?,
        sys::place_descriptor(confined.as_fd(), CELL_DESCRIPTOR, true).at(Step::Descriptors, "confined")?,
    );
    std::mem::forget((descriptors, when_confined, null, cell, confined));
    sys::close_from(CELL_DESCRIPTOR + 1).at(Step::Descriptors, "close_range")?;
    Ok(kept)
}

fn confine_init(plan: &SandboxPlan, spawn: &Spawn, filters: &Filters) -> Result<(), StepError> {
    // Twice: from the first moment on, and again after the identity, whose change clears it. Our parent, the zygote,
    // runs one thread.
    set_parent_process_death_signal(Some(Signal::KILL)).at(Step::DeathSignal, "prctl")?;
    identity::drop_privileges(spawn.uid, plan.means, DumpableBehavior::NotDumpable)?;
    set_parent_process_death_signal(Some(Signal::KILL)).at(Step::DeathSignal, "prctl")?;
    filters.install_for_init()
}

/// Reaps until the code's process has ended.
fn wait_for(runner: i32) -> Result<FromCell, StepError> {
    let mut used = Used::default();
    let status = loop {
        let reaped = sys::wait_for_any().at(Step::Report, "wait")?;
        let reaped = reaped.ok_or_else(|| StepError::new(Step::Report, "the code's process vanished"))?;
        reaped.add_to(&mut used);
        if reaped.pid == runner {
            break reaped.status;
        }
    };
    while let Some(reaped) = sys::reap_any().at(Step::Report, "wait")? {
        reaped.add_to(&mut used);
    }
    // Who loses its parent becomes a child of init: without children there is nobody else in this namespace.
    let alone = getpid().is_init() && !sys::has_children();
    Ok(FromCell::Exited { status, quiet: alone.then_some(used) })
}

impl Runner<'_> {
    /// The walls, in order. When this returns they all stand and were checked; there is no way back.
    pub fn confine(self) -> OwnedFd {
        let Self { plan, spawn, filters, places, descriptors, init_confined, warden } = self;
        // Made while init gives up its rights.
        let rules = landlock::prepare(plan, spawn, places).and_then(|rules| await_init(&init_confined).map(|()| rules));
        let rules = match rules {
            Ok(rules) => rules,
            Err(error) => {
                report(descriptors.cell.as_fd(), &failed(&error));
                sys::exit_now(1)
            }
        };
        drop(init_confined);
        match confine(plan, spawn, filters, descriptors, rules, warden) {
            Ok(guest) => guest,
            Err((cell, error)) => {
                report(cell.as_fd(), &failed(&error));
                sys::exit_now(1)
            }
        }
    }
}

/// pid 1 still has every right until it says that it has none.
fn await_init(confined: &OwnedFd) -> Result<(), StepError> {
    match fd_io::read(confined, &mut [0; 1]).at(Step::Report, "init")? {
        1 => Ok(()),
        _ => Err(StepError::new(Step::Report, "the sandbox's init ended early")),
    }
}

fn confine(
    plan: &SandboxPlan,
    spawn: &Spawn,
    filters: &Filters,
    descriptors: CellDescriptors,
    rules: Option<OwnedFd>,
    warden: Option<Pid>,
) -> Result<OwnedFd, (OwnedFd, StepError)> {
    let (guest, cell, rules) = arrange(descriptors, rules)?;
    match raise_walls(plan, spawn, filters, rules, warden) {
        Ok((layers, listener)) => {
            let listener = listener.as_ref().map(AsFd::as_fd);
            let _ = packet::send(cell.as_fd(), &FromCell::Confined { layers }.encode(), listener.as_slice());
            Ok(guest)
        }
        Err(error) => Err((cell, error)),
    }
}

/// The layers that hold, and the daemon's end of the filter, if it has one.
fn raise_walls(
    plan: &SandboxPlan,
    spawn: &Spawn,
    filters: &Filters,
    rules: Option<OwnedFd>,
    warden: Option<Pid>,
) -> Result<(Vec<String>, Option<OwnedFd>), StepError> {
    // A session of its own: no controlling terminal.
    setsid().at(Step::Session, "setsid")?;
    if plan.means == Means::Container {
        folders::prefer_as_victim(CWD, "/proc/self/oom_score_adj")?;
    }
    limits::set(&ResourceLimits {
        processes: spawn.processes,
        open_files: spawn.open_files,
        file_size: spawn.file_size,
        cpu_seconds: spawn.cpu_seconds,
        address_space: spawn.address_space,
    })?;
    identity::drop_privileges(spawn.uid, plan.means, memory(plan, spawn))?;
    // Again: until there is somebody that a warden can kill, only the kernel ends this.
    warden.map_or(Ok(()), end_with)?;
    let abi = landlock::restrict(rules)?;
    let mut layers = layers(plan, &spawn.network, abi);
    if !spawn.allow_jit {
        match sys::refuse_executable_memory() {
            Ok(()) => layers.push("no new executable memory".into()),
            // Older than Linux 6.3: hardening that this kernel does not have, and the result does not claim.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {}
            Err(error) => return Err(StepError::new(Step::ExecutableMemory, error)),
        }
    }
    // Last: none of the calls above would pass it.
    let (listener, hears) = filters.install(plan, spawn)?;
    layers.extend(hears.map(str::to_owned));
    verify::walls_stand(plan.means, spawn, memory(plan, spawn))?;
    Ok((layers, listener))
}

/// A broker reads the addresses in it, and is of another real user.
fn memory(plan: &SandboxPlan, spawn: &Spawn) -> DumpableBehavior {
    match is_brokered(plan.means, &spawn.network) {
        true => DumpableBehavior::Dumpable,
        false => DumpableBehavior::NotDumpable,
    }
}

fn layers(plan: &SandboxPlan, network: &Network, abi: i32) -> Vec<String> {
    let own: &[&str] = match plan.means {
        Means::Container => &["user id of its own", "warden"],
        means => &[
            if means == Means::Root { "user id of its own" } else { "user namespace" },
            "mount namespace, minimal root",
            if Path::new("/proc/self").exists() { "a /proc of its own" } else { "no /proc" },
            "pid namespace",
            "ipc namespace",
            "uts namespace",
        ],
    };
    let network = match (network, plan.means) {
        (Network::None, Means::Container) => "no sockets but pairs",
        (Network::None, _) => "network namespace, empty",
        (Network::Restricted { .. }, Means::Container) => "no connections but the egress proxy's",
        (Network::Restricted { .. }, _) => "network namespace, only the egress proxy",
        (Network::All, _) => "no sockets but TCP and UDP",
    };
    let landlock = format!("landlock (ABI {abi})");
    let every = [network, "resource limits", "no capabilities", "no_new_privs", &landlock, "seccomp"];
    own.iter().copied().chain(every).map(str::to_owned).collect()
}

type Arranged = (OwnedFd, OwnedFd, Option<OwnedFd>);

/// Puts stdio, the guest channel and, until the walls stand, the cell channel and the rules in their places and closes
/// all else.
fn arrange(descriptors: CellDescriptors, rules: Option<OwnedFd>) -> Result<Arranged, (OwnedFd, StepError)> {
    let CellDescriptors { guest, stdout, stderr, cell, broker, cgroups } = descriptors;
    drop((broker, cgroups));
    let arranged = (|| -> Result<Arranged, StepError> {
        let null = fs::openat(CWD, "/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .at(Step::Descriptors, "/dev/null")?;
        // Above every target, so that no move overwrites what is still to be moved.
        let high = |descriptor: &OwnedFd| fd_io::fcntl_dupfd_cloexec(descriptor, 64).at(Step::Descriptors, "dup");
        let (null, stdout, stderr, guest, cell) =
            (high(&null)?, high(&stdout)?, high(&stderr)?, high(&guest)?, high(&cell)?);
        let rules = rules.as_ref().map(high).transpose()?;
        for (source, target) in [(&null, 0), (&stdout, 1), (&stderr, 2)] {
            // stdio belongs to the process, not to a value that would close it.
            std::mem::forget(sys::place_descriptor(source.as_fd(), target, false).at(Step::Descriptors, target)?);
        }
        let guest = sys::place_descriptor(guest.as_fd(), GUEST_DESCRIPTOR, true).at(Step::Descriptors, "guest")?;
        let cell = sys::place_descriptor(cell.as_fd(), CELL_DESCRIPTOR, true).at(Step::Descriptors, "cell")?;
        let place = |rules: OwnedFd| sys::place_descriptor(rules.as_fd(), RULES_DESCRIPTOR, true);
        let rules = rules.map(place).transpose().at(Step::Descriptors, "rules")?;
        Ok((guest, cell, rules))
    })();
    match arranged {
        Ok(placed) => {
            // Their descriptors are closed by number below, together with all that the zygote left open.
            std::mem::forget((guest, stdout, stderr, cell, rules));
            match sys::close_from(if placed.2.is_some() { RULES_DESCRIPTOR } else { CELL_DESCRIPTOR } + 1) {
                Ok(()) => Ok(placed),
                Err(error) => Err((placed.1, StepError::new(Step::Descriptors, error))),
            }
        }
        Err(error) => Err((cell, error)),
    }
}

pub(crate) fn failed(error: &StepError) -> FromCell {
    FromCell::Failed { step: error.step.as_str().into(), message: error.what.clone() }
}

/// The daemon may be gone; then so are we, soon.
fn report(cell: BorrowedFd<'_>, message: &FromCell) {
    let _ = packet::send(cell, &message.encode(), &[]);
}
