//! The system call filters of one zygote, compiled once and installed in every cell.

use std::os::fd::OwnedFd;

use codemode_types::NetworkMode;
use codemode_wire::zygote::{Network, Spawn};

use super::{
    LANDLOCK_SCOPES, Step, StepError,
    cell::is_brokered,
    error::AtStep,
    seccomp::{self, FilterOptions, Internet, Local, Sockets},
};
use crate::{
    plan::{Means, SandboxPlan},
    sys::{self, BpfInstruction},
};

/// What is said of a filter that somebody listens to.
const OBSERVED: &str = "starts of programs observed";

type Program = Vec<BpfInstruction>;

#[derive(Debug)]
pub struct Filters {
    /// As wide as the plan's network.
    own: Set,
    /// For requests that narrow it.
    narrower: Vec<Set>,
    /// Of init, or in tier container of wardens, which run none of the code and need no network.
    init: Program,
}

/// One for each kind of code.
#[derive(Debug)]
struct Set {
    mode: NetworkMode,
    with_exec: Program,
    /// The same, with every start of a program seen by the daemon first.
    observed: Option<Program>,
    without_exec: Program,
}

impl Filters {
    pub fn compile(plan: &SandboxPlan) -> Self {
        let narrower = [NetworkMode::None, NetworkMode::Restricted];
        Self {
            own: Set::compile(plan, plan.network.mode),
            narrower: narrower
                .into_iter()
                .filter(|mode| *mode < plan.network.mode)
                .map(|mode| Set::compile(plan, mode))
                .collect(),
            init: match plan.means {
                Means::Root | Means::UserNamespace => seccomp::init_program(),
                // They end what the code started, and empty its folders.
                Means::Container => Set::compile(plan, NetworkMode::None).without_exec,
            },
        }
    }

    /// Installs what the spawn asks for: the filter, the end that hears of its notifications, and what that is called.
    /// The listener is not this process's to keep.
    pub(super) fn install(
        &self,
        plan: &SandboxPlan,
        spawn: &Spawn,
    ) -> Result<(Option<OwnedFd>, Option<&'static str>), StepError> {
        let set = self.set(mode(&spawn.network))?;
        let allow_exec = !spawn.commands.is_empty();
        let brokered = is_brokered(plan.means, &spawn.network);
        let (filter, listened) = match &set.observed {
            Some(observed) if allow_exec => (observed, true),
            _ if allow_exec => (&set.with_exec, brokered),
            _ => (&set.without_exec, brokered),
        };
        if listened {
            let listener = seccomp::install_observed(filter).at(Step::Seccomp, "install, with a listener")?;
            match listener {
                Some(listener) => return Ok((Some(listener), (!brokered).then_some(OBSERVED))),
                None if brokered && !seccomp::is_off() => {
                    return Err(StepError::new(
                        Step::Seccomp,
                        "something else listens to this process's calls, so connections cannot be brokered",
                    ));
                }
                // Nobody will answer: what is not observed runs without.
                None => {}
            }
        }
        let filter = if allow_exec { &set.with_exec } else { &set.without_exec };
        seccomp::install(filter).at(Step::Seccomp, "install").map(|()| (None, None))
    }

    pub(crate) fn install_for_init(&self) -> Result<(), StepError> {
        seccomp::install(&self.init).at(Step::Seccomp, "init")
    }

    fn set(&self, mode: NetworkMode) -> Result<&Set, StepError> {
        let mut sets = [&self.own].into_iter().chain(&self.narrower);
        sets.find(|set| set.mode == mode)
            .ok_or_else(|| StepError::new(Step::Seccomp, format_args!("network mode {mode} is wider than the plan's")))
    }
}

const fn mode(network: &Network) -> NetworkMode {
    match network {
        Network::None => NetworkMode::None,
        Network::Restricted { .. } => NetworkMode::Restricted,
        Network::All => NetworkMode::All,
    }
}

impl Set {
    fn compile(plan: &SandboxPlan, mode: NetworkMode) -> Self {
        let sockets = Sockets { local: local(plan, mode), internet: internet(plan.means, mode) };
        let allow_inotify = plan.means == Means::Root;
        let program = |allow_exec, observe_exec| {
            seccomp::program(FilterOptions { allow_exec, observe_exec, sockets, allow_inotify })
        };
        Self {
            mode,
            with_exec: program(true, false),
            observed: plan.observe_exec.then(|| program(true, true)),
            without_exec: program(false, false),
        }
    }
}

const fn internet(means: Means, mode: NetworkMode) -> Internet {
    match (mode, means) {
        (NetworkMode::None, _) => Internet::None,
        (NetworkMode::Restricted, Means::Container) => Internet::Brokered,
        (NetworkMode::Restricted, _) => Internet::Proxied,
        (NetworkMode::All, _) => Internet::Whole,
    }
}

fn local(plan: &SandboxPlan, mode: NetworkMode) -> Local {
    match mode {
        // The container's own sockets can be seen.
        _ if plan.means == Means::Container => Local::Pairs,
        // Abstract sockets belong to the network namespace, which is the daemon's.
        NetworkMode::All if sys::landlock_abi() < LANDLOCK_SCOPES => Local::Pairs,
        _ if plan.allow_connect => Local::All,
        // Without connect they would be of some use; with one that cannot be told from any other, none.
        NetworkMode::Restricted | NetworkMode::All => Local::Pairs,
        NetworkMode::None => Local::Unconnected,
    }
}
