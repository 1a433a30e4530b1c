//! The path from the zygote into a sandbox. You are in the child as soon as `clone_process` says so.
#![allow(unsafe_code)]

use std::{fs::File, io, os::fd::OwnedFd};

use codemode_sandbox::{
    apply::{
        Filters,
        cell::{self, CellDescriptors, Provided},
    },
    plan::{Means, SandboxPlan, network},
    sys::{self, Cloned},
};
use codemode_wire::zygote::{Network, Spawn};
use pyo3::{ffi, prelude::*};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::{
    bridge::Bridge,
    footprint::{Footprint, Mirror},
    python::rehearsal,
};

/// A sandbox's init, or in tier container its warden, as the zygote sees it.
pub(crate) struct Cell {
    pub(crate) pid: i32,
    pub(crate) pidfd: OwnedFd,
}

/// Forks a sandbox. Returns in the zygote only; the child runs the code and ends.
#[allow(clippy::too_many_arguments)] // what a zygote has, and what one sandbox is given
pub(crate) fn spawn(
    py: Python<'_>,
    runner: &Bound<'_, PyModule>,
    footprint: &Footprint,
    plan: &SandboxPlan,
    filters: &Filters,
    spawn: &Spawn,
    descriptors: CellDescriptors,
    provided: Provided<'_>,
) -> io::Result<Cell> {
    // SAFETY: the GIL is held; the matching call follows on every path below.
    unsafe { ffi::PyOS_BeforeFork() };
    // SAFETY: the zygote runs one thread, and the child forks once more through the C library before it runs Python.
    let cloned = unsafe { sys::clone_process(cell::namespaces(plan, &spawn.network, provided.network.is_some())) };
    match cloned {
        Ok(Cloned::Child) => {
            let unconfined = cell::enter(plan, spawn, filters, descriptors, provided);
            // Copying pages that are about to be written takes longer than writing them: not while the code waits.
            footprint.bring();
            // SAFETY: the matching call of PyOS_BeforeFork, in the child of its child.
            unsafe { ffi::PyOS_AfterFork_Child() };
            if let Err(error) = tell_of_network(py, &spawn.network) {
                error.print(py);
                sys::exit_now(1)
            }
            let socket = unconfined.confine();
            sys::exit_now(run_code(py, runner, socket, roots(plan)))
        }
        Ok(Cloned::Parent { pid, pidfd }) => {
            // SAFETY: the matching call of PyOS_BeforeFork, in the parent.
            unsafe { ffi::PyOS_AfterFork_Parent() };
            Ok(Cell { pid, pidfd })
        }
        Err(error) => {
            // SAFETY: as above; there is no child.
            unsafe { ffi::PyOS_AfterFork_Parent() };
            Err(error)
        }
    }
}

/// Has a fork of the zygote rehearse, and learns from it what executions touch.
pub(crate) fn learn(py: Python<'_>, runner: &Bound<'_, PyModule>, mirror: &Mirror) -> io::Result<Footprint> {
    let (learned, tell) = pipe_with(PipeFlags::CLOEXEC)?;
    let mapped = mirror.mapped()?;
    // SAFETY: the GIL is held; the matching call follows on every path below.
    unsafe { ffi::PyOS_BeforeFork() };
    // SAFETY: the zygote runs one thread.
    let forked = unsafe { sys::fork_process() };
    if let Ok(None) = forked {
        // SAFETY: the matching call of PyOS_BeforeFork, in the child.
        unsafe { ffi::PyOS_AfterFork_Child() };
        // With it this process would wait for itself to read, were the zygote gone.
        drop(learned);
        if let Err(error) = rehearsal(py).and_then(|rehearsal| runner.call_method1("rehearse", (rehearsal,))) {
            error.print(py);
            sys::exit_now(1)
        }
        let told = Footprint::of_this_process(mirror, mapped).and_then(|footprint| footprint.send(File::from(tell)));
        sys::exit_now(i32::from(told.is_err()))
    }
    // SAFETY: the matching call of PyOS_BeforeFork, in the parent, or there is no child.
    unsafe { ffi::PyOS_AfterFork_Parent() };
    drop(tell);
    let footprint = Footprint::receive(File::from(learned));
    match forked?.map(sys::wait_for_pid).transpose()?.flatten() {
        Some(ended) if ended.status == 0 => footprint,
        _ => Err(io::Error::other("the rehearsal failed")),
    }
}

/// Programs find their way out by variables.
fn tell_of_network(py: Python<'_>, network: &Network) -> PyResult<()> {
    let variables = network::environment(network);
    if variables.is_empty() {
        return Ok(());
    }
    let environment = py.import("os")?.getattr("environ")?;
    variables.iter().try_for_each(|(name, value)| environment.set_item(name, value))
}

/// Waits for the code and runs it; the exit code.
fn run_code(py: Python<'_>, runner: &Bound<'_, PyModule>, socket: OwnedFd, roots: Vec<String>) -> i32 {
    let bridge = Bridge::new(socket, roots).map_err(PyErr::from);
    let outcome = bridge.and_then(|bridge| runner.call_method1("main", (bridge,))?.extract::<i32>());
    match outcome {
        Ok(code) => code,
        Err(error) => {
            // The daemon closed a parked sandbox, or the guest itself failed: the latter belongs on stderr.
            if !error.is_instance_of::<pyo3::exceptions::PyEOFError>(py) {
                error.print(py);
            }
            1
        }
    }
}

/// What user code may open; only for texts, never for enforcement.
fn roots(plan: &SandboxPlan) -> Vec<String> {
    let proc = if plan.means == Means::Container { "/proc/self" } else { "/proc" };
    let own = ["/workspace", "/sandbox", "/outputs", "/tmp", "/dev", proc].map(str::to_owned);
    let folders = plan.readable.iter().filter_map(|path| path.to_str()).map(str::to_owned);
    own.into_iter().chain(folders).collect()
}
