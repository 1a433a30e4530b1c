//! The zygote: one thread, no secrets. It builds the base root, warms the interpreter, then forks a sandbox for every
//! packet that asks for one and reports those that are gone.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use codemode_sandbox::{
    apply::{
        Filters, Places, Step, StepError, cell::CellDescriptors, cell::Provided, networks::Networks, owners::OwnerMaps,
        removed, root,
    },
    container::{self, possession::Possession, warden},
    packet,
    plan::{Means, SandboxPlan},
    sys::{self, Reaped},
};
use codemode_wire::zygote::{FromZygote, PACKET_BYTES, Spawn, ToZygote};
use pyo3::prelude::*;
use rustix::{
    event::{PollFd, PollFlags, poll},
    pipe::{PipeFlags, pipe_with},
    process::{DumpableBehavior, Signal, pidfd_send_signal, set_dumpable_behavior, setsid},
};

use crate::{
    footprint::{Footprint, Mirror},
    fork, python,
};

struct LiveCell {
    ticket: u64,
    uid: u32,
    cell: fork::Cell,
    /// To be given back.
    network: Option<OwnedFd>,
}

struct Zygote<'py> {
    py: Python<'py>,
    control: OwnedFd,
    plan: SandboxPlan,
    filters: Filters,
    places: Places,
    owners: OwnerMaps,
    networks: Networks,
    /// The folders of tier container, ours until the end.
    container: Option<Possession>,
    runner: Bound<'py, PyModule>,
    footprint: Footprint,
    live: Vec<LiveCell>,
    /// Wardens that were reaped before their end was noticed.
    early: Vec<Reaped>,
}

pub(crate) fn run(py: Python<'_>) -> ! {
    let control = match sys::take_descriptor(0) {
        Ok(control) => control,
        Err(_) => sys::exit_now(1),
    };
    match boot(py, control.as_fd()) {
        Ok(Booted { plan, owners, networks, container, runner, footprint }) => {
            let (filters, places) = (Filters::compile(&plan), Places::open(&plan));
            let (live, early) = (Vec::new(), Vec::new());
            let mut zygote = Zygote {
                py,
                control,
                plan,
                filters,
                places,
                owners,
                networks,
                container,
                runner,
                footprint,
                live,
                early,
            };
            zygote.tell(&FromZygote::Ready { layers: removed::announcement() }, &[]);
            zygote.serve()
        }
        Err(error) => {
            let message = FromZygote::Failed { step: error.step.as_str().into(), message: error.what };
            let _ = packet::send(control.as_fd(), &message.encode(), &[]);
            sys::exit_now(1)
        }
    }
}

struct Booted<'py> {
    plan: SandboxPlan,
    owners: OwnerMaps,
    networks: Networks,
    container: Option<Possession>,
    runner: Bound<'py, PyModule>,
    footprint: Footprint,
}

fn boot<'py>(py: Python<'py>, control: BorrowedFd<'_>) -> Result<Booted<'py>, StepError> {
    // Out of the terminal's reach: Ctrl-C is the daemon's business, which ends us by closing the socket.
    setsid().map_err(|error| StepError::new(Step::Session, error))?;
    // Ctrl-C becomes an exception, and broken pipes and full files errors: these are Python's.
    sys::default_signals(&[Signal::INT.as_raw(), Signal::PIPE.as_raw(), Signal::XFSZ.as_raw()]);
    let mut plan = read_plan(control)?;
    python::prepare_on_host(py)
        .map_err(|error| StepError::new(Step::ReadPlan, format_args!("the interpreter: {error}")))?;
    #[cfg(feature = "removable-walls")]
    codemode_sandbox::apply::removed::choose();
    let mirror = Mirror::open();
    let owners = OwnerMaps::prepare(&plan)?;
    let networks = Networks::prepare(&plan)?;
    let container = match plan.means {
        Means::Container => Some(container::enter()?),
        Means::Root | Means::UserNamespace => {
            root::enter(&plan)?;
            None
        }
    };
    // Where the host keeps it is nothing that a copy of this memory should hold.
    plan.workspace = None;
    if !plan.rootless() {
        // A cell in a user namespace could not write its own oom_score_adj; each cell does this for itself.
        set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|error| StepError::new(Step::Identity, error))?;
    }
    let runner = python::prepare(py, &plan.environment, &plan.preload).map_err(|error| {
        StepError::new(Step::ReadPlan, format_args!("the interpreter inside the base root: {error}"))
    })?;
    let footprint = mirror.and_then(|mirror| fork::learn(py, &runner, &mirror)).unwrap_or_else(|error| {
        // Slower, no more; but nobody expects it.
        eprintln!("codemode: which pages an execution touches is not known, so each one begins slower: {error}");
        Footprint::default()
    });
    Ok(Booted { plan, owners, networks, container, runner, footprint })
}

fn has_ended(cell: &fork::Cell) -> bool {
    let zero = rustix::time::Timespec { tv_sec: 0, tv_nsec: 0 };
    matches!(poll(&mut [PollFd::new(&cell.pidfd, PollFlags::IN)], Some(&zero)), Ok(1..))
}

fn read_plan(control: BorrowedFd<'_>) -> Result<SandboxPlan, StepError> {
    let failed = |what: &dyn std::fmt::Display| StepError::new(Step::ReadPlan, what);
    let mut buffer = vec![0; PACKET_BYTES];
    let (length, descriptors) = packet::receive(control, &mut buffer).map_err(|error| failed(&error))?;
    match ToZygote::decode(&buffer[..length]) {
        Ok(ToZygote::Boot) => {}
        Ok(other) => return Err(failed(&format_args!("{other:?} came before the plan"))),
        Err(error) => return Err(failed(&error)),
    }
    let file = descriptors.into_iter().next().ok_or_else(|| failed(&"the plan is missing"))?;
    rustix::fs::seek(&file, rustix::fs::SeekFrom::Start(0)).map_err(|error| failed(&error))?;
    serde_json::from_reader(std::fs::File::from(file)).map_err(|error| failed(&error))
}

impl Zygote<'_> {
    fn serve(&mut self) -> ! {
        let mut buffer = vec![0; PACKET_BYTES];
        loop {
            let (asked, ended) = self.wait();
            if ended {
                self.reap();
            }
            if asked {
                self.answer(&mut buffer);
            }
        }
    }

    /// Blocks until the daemon speaks or a cell ends: (daemon, cells).
    fn wait(&self) -> (bool, bool) {
        let mut watched = vec![PollFd::new(&self.control, PollFlags::IN)];
        watched.extend(self.live.iter().map(|live| PollFd::new(&live.cell.pidfd, PollFlags::IN)));
        match poll(&mut watched, None) {
            Ok(_) => {
                let ready = |entry: &PollFd<'_>| !entry.revents().is_empty();
                (ready(&watched[0]), watched[1..].iter().any(ready))
            }
            Err(_) => (false, false),
        }
    }

    fn answer(&mut self, buffer: &mut [u8]) {
        let (length, descriptors) = match packet::receive(self.control.as_fd(), buffer) {
            Ok((0, _)) | Err(_) => self.end(),
            Ok(received) => received,
        };
        match ToZygote::decode(&buffer[..length]) {
            Ok(ToZygote::Spawn(spawn)) => self.spawn(&spawn, descriptors),
            // Daemon and zygote are of one build: anything else is a defect, and no state to go on from.
            Ok(ToZygote::Boot) | Err(_) => self.end(),
        }
    }

    fn spawn(&mut self, spawn: &Spawn, descriptors: Vec<OwnedFd>) {
        let ticket = spawn.ticket;
        let Some(descriptors) = CellDescriptors::from_packet(descriptors, self.plan.means, spawn) else {
            return self.tell(&FromZygote::SpawnFailed { ticket, message: "descriptors are missing".into() }, &[]);
        };
        let owners = match self.owners.for_user(spawn.uid) {
            Ok(owners) => owners,
            Err(error) => return self.tell(&FromZygote::SpawnFailed { ticket, message: error.to_string() }, &[]),
        };
        let (leash, held) = match self.container.as_ref().map(|_| pipe_with(PipeFlags::CLOEXEC)).transpose() {
            Ok(ends) => ends.unzip(),
            Err(error) => return self.tell(&FromZygote::SpawnFailed { ticket, message: error.to_string() }, &[]),
        };
        let spare = self.networks.take(&spawn.network);
        let provided = Provided { owners, network: spare.as_ref().map(AsFd::as_fd), places: Some(&self.places), leash };
        let (runner, footprint, plan, filters) = (&self.runner, &self.footprint, &self.plan, &self.filters);
        match fork::spawn(self.py, runner, footprint, plan, filters, spawn, descriptors, provided) {
            Ok(cell) => {
                let mut sent = vec![cell.pidfd.as_fd()];
                // Nobody but the daemon holds it: its end is the cell's.
                sent.extend(held.as_ref().map(AsFd::as_fd));
                self.tell(&FromZygote::Spawned { ticket, pid: cell.pid }, &sent);
                let network = spare.or_else(|| self.networks.made_for(cell.pid, &spawn.network));
                self.live.push(LiveCell { ticket, uid: spawn.uid, cell, network });
            }
            Err(error) => self.tell(&FromZygote::SpawnFailed { ticket, message: error.to_string() }, &[]),
        }
    }

    /// Collects every cell that has ended: once its init is reaped, nothing of its pid namespace is left.
    fn reap(&mut self) {
        let (mut ended, live): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.live).into_iter().partition(|entry| has_ended(&entry.cell));
        self.live = live;
        // All of them before any is settled: that takes whatever else has ended.
        let reaped: Vec<_> = ended.iter().map(|entry| self.status_of(entry.cell.pid)).collect();
        for (entry, reaped) in ended.iter_mut().zip(reaped) {
            if let Err(error) = entry.network.take().map_or(Ok(()), |network| self.networks.give_back(network)) {
                self.tell(&FromZygote::Failed { step: error.step.as_str().into(), message: error.what }, &[]);
                self.end()
            }
            if let Err(error) = self.settle(entry, reaped) {
                // Its user id would be another's next: stay away from it, and from everything else.
                self.tell(&FromZygote::Failed { step: "warden".into(), message: error.to_string() }, &[]);
                self.end()
            }
            let (cpu_micros, peak_memory_bytes) =
                reaped.map_or((0, 0), |reaped| (reaped.cpu_micros, reaped.peak_memory_bytes));
            self.tell(&FromZygote::Gone { ticket: entry.ticket, cpu_micros, peak_memory_bytes }, &[]);
        }
    }

    fn status_of(&mut self, pid: i32) -> Option<Reaped> {
        let early = self.early.iter().position(|reaped| reaped.pid == pid);
        early.map(|index| self.early.swap_remove(index)).or_else(|| sys::wait_for_pid(pid).ok().flatten())
    }

    /// In tier container, whatever the warden of a cell could not do.
    fn settle(&mut self, entry: &LiveCell, reaped: Option<Reaped>) -> io::Result<()> {
        if self.container.is_none() {
            return Ok(());
        }
        let ended_well = reaped.is_some_and(|reaped| reaped.status == 0);
        warden::settle(entry.uid, ended_well)?;
        if !ended_well {
            self.reap_orphans(entry.uid);
        }
        Ok(())
    }

    /// What a killed warden left became children of this process. All of them are dead, or about to be.
    fn reap_orphans(&mut self, user: u32) {
        loop {
            while let Ok(Some(reaped)) = sys::reap_any() {
                // Wardens among the dead have their turn.
                if self.is_cell(reaped.pid) {
                    self.early.push(reaped);
                }
            }
            if !warden::has_orphans(user, |pid| self.is_cell(pid)) {
                return;
            }
            std::thread::sleep(warden::ROUND);
        }
    }

    fn is_cell(&self, pid: i32) -> bool {
        self.live.iter().any(|live| live.cell.pid == pid)
    }

    /// A daemon that cannot be told anything is gone.
    fn tell(&mut self, message: &FromZygote, descriptors: &[BorrowedFd<'_>]) {
        if packet::send(self.control.as_fd(), &message.encode(), descriptors).is_err() {
            self.end();
        }
    }

    /// The daemon is gone, however it went: so is every sandbox, and then the zygote.
    fn end(&mut self) -> ! {
        for entry in &self.live {
            // Wardens are out of its reach, and end when nobody holds their leash any more.
            let _ = pidfd_send_signal(&entry.cell.pidfd, Signal::KILL);
        }
        while let Some(entry) = self.live.pop() {
            let reaped = self.status_of(entry.cell.pid);
            let _ = self.settle(&entry, reaped);
        }
        drop(self.container.take());
        sys::exit_now(0)
    }
}
