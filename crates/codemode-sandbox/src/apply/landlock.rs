//! Landlock: what the code may open, change and execute, by file, for it and all its descendants.

use std::{
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
};

use codemode_types::{PROXY_PORT, RESOLVER_PORT};
use codemode_wire::zygote::{Network, Spawn};
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath, PathFdError, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, Scope,
};

use super::{
    Step, StepError,
    error::AtStep,
    places::{DEVICES, Place, Places},
    removed::{Wall, is_removed},
};
use crate::{
    plan::{Means, SandboxPlan, network},
    sys,
};

/// The oldest ABI that holds what this product promises: 3 knows truncation (Linux 6.2).
pub const FLOOR: i32 = 3;

/// From this ABI on (Linux 7.1) Landlock says which Unix sockets may be connected to by path.
pub const JUDGES_SOCKETS: i32 = 9;

/// From this ABI on (Linux 6.12) no abstract Unix socket of outside can be connected to.
pub(crate) const SCOPES: i32 = 6;

/// Folders that the code owns.
const WRITABLE: [&str; 4] = ["/sandbox", "/outputs", "/tmp", "/dev/shm"];

/// Its /outputs is below /dev/shm there. The link leads to another execution's still.
const WRITABLE_IN_CONTAINER: [&str; 3] = ["/sandbox", "/tmp", "/dev/shm"];

/// /proc, /etc and /run are the sandbox's own, made for it.
const READABLE: [&str; 4] = ["/workspace", "/proc", "/etc", "/run"];

/// Where they are the container's, the code has of /proc what is about its first process. Not all of that: `net`, there
/// and in `task`, is the container's network, with the addresses of whoever is connected to the executor.
const READABLE_IN_CONTAINER: [&str; 12] = [
    "/workspace",
    // Which distribution it is, as pip and others ask. They expect it to be missing, not to be shut.
    "/etc/os-release",
    "/etc/debian_version",
    "/proc/self/cmdline",
    "/proc/self/comm",
    "/proc/self/fd",
    "/proc/self/limits",
    "/proc/self/maps",
    "/proc/self/smaps",
    "/proc/self/stat",
    "/proc/self/statm",
    "/proc/self/status",
];

/// The rules of one cell, which bind nobody yet. Made in the cell, as what it mounted must be there. `None`: a test has
/// taken this wall away.
pub(super) fn prepare(
    plan: &SandboxPlan,
    spawn: &Spawn,
    places: Option<&Places>,
) -> Result<Option<OwnedFd>, StepError> {
    if is_removed(Wall::Landlock) {
        return Ok(None);
    }
    let abi = sys::landlock_abi();
    let known =
        known_abi(abi).ok_or_else(|| StepError::new(Step::Landlock, format_args!("ABI {abi} is below {FLOOR}")))?;
    // With hard requirements it is an error if the kernel would not enforce all of it.
    let ruleset = build(plan, spawn, places, known).map_err(|error| StepError::new(Step::Landlock, error))?;
    match ruleset.into() {
        Some(rules) => Ok(Some(rules)),
        None => Err(StepError::new(Step::Landlock, "the kernel has made no ruleset")),
    }
}

/// Confines this process for good; the ABI. no_new_privs must be set.
pub(super) fn restrict(rules: Option<OwnedFd>) -> Result<i32, StepError> {
    match rules {
        Some(rules) => {
            sys::landlock_restrict_self(rules.as_fd()).at(Step::Landlock, "restrict")?;
            Ok(sys::landlock_abi())
        }
        None if is_removed(Wall::Landlock) => Ok(0),
        None => Err(StepError::new(Step::Landlock, "there are no rules")),
    }
}

fn known_abi(abi: i32) -> Option<ABI> {
    Some(match abi {
        ..FLOOR => return None,
        3 => ABI::V3,
        4 => ABI::V4,
        5 => ABI::V5,
        6 => ABI::V6,
        7 => ABI::V7,
        8 => ABI::V8,
        9.. => ABI::V9,
    })
}

#[derive(Debug, thiserror::Error)]
enum RuleError {
    #[error("{0}")]
    Ruleset(#[from] RulesetError),
    #[error("{0}")]
    Path(#[from] PathFdError),
}

fn build(plan: &SandboxPlan, spawn: &Spawn, places: Option<&Places>, abi: ABI) -> Result<RulesetCreated, RuleError> {
    let Spawn { commands, network, .. } = spawn;
    let mut ruleset =
        Ruleset::default().set_compatibility(CompatLevel::HardRequirement).handle_access(AccessFs::from_all(abi))?;
    if abi >= ABI::V4 {
        // Nobody listens, also where the network is the daemon's: its port would be the next one's to take.
        ruleset = ruleset.handle_access(match network {
            Network::None | Network::Restricted { .. } => AccessNet::from_all(abi),
            Network::All => AccessNet::BindTcp.into(),
        })?;
    }
    if abi >= ABI::V6 {
        ruleset = ruleset.scope(Scope::AbstractUnixSocket | Scope::Signal)?;
    }
    let mut rules = Builder { ruleset: ruleset.create()?, abi, places };
    // In tier container nothing connects by itself: sockets come connected.
    if let Network::Restricted { ports } = network
        && abi >= ABI::V4
        && plan.means != Means::Container
    {
        for port in [PROXY_PORT, RESOLVER_PORT].iter().chain(ports) {
            rules.ruleset = rules.ruleset.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
        }
    }
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let own = AccessFs::from_all(abi) & !(AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock);
    let (writable, readable): (&[&str], &[&str]) = match plan.means {
        Means::Container => (&WRITABLE_IN_CONTAINER, &READABLE_IN_CONTAINER),
        Means::Root | Means::UserNamespace => (&WRITABLE, &READABLE),
    };
    for path in writable {
        rules = rules.allow(Path::new(path), own)?;
    }
    for path in readable {
        rules = rules.allow(Path::new(path), read)?;
    }
    if (plan.means, network) == (Means::Container, &Network::All) {
        for path in network::READABLE_IN_CONTAINER {
            rules = rules.allow(Path::new(path), AccessFs::ReadFile.into())?;
        }
    }
    rules = rules.allow_all(&plan.listable, AccessFs::ReadDir.into())?;
    for path in DEVICES {
        rules = rules.allow(Path::new(path), AccessFs::ReadFile | AccessFs::WriteFile)?;
    }
    rules = rules.allow_all(&plan.readable, read)?;
    for command in plan.commands.iter().filter(|command| commands.contains(&command.name)) {
        rules = rules.allow_all(&command.executables, read | AccessFs::Execute)?;
        rules = rules.allow_all(&command.data, read)?;
        rules = rules.allow_all(&command.listable, AccessFs::ReadDir.into())?;
    }
    if !commands.is_empty() {
        // The kernel opens a program's ELF interpreter with the right to execute.
        rules = rules.allow_all(&plan.loaders, read | AccessFs::Execute)?;
    }
    Ok(rules.ruleset)
}

struct Builder<'a> {
    ruleset: RulesetCreated,
    abi: ABI,
    places: Option<&'a Places>,
}

impl Builder<'_> {
    fn allow(self, path: &Path, access: BitFlags<AccessFs>) -> Result<Self, RuleError> {
        match self.places.and_then(|places| places.get(path)) {
            Some(place) => self.allow_place(place, access),
            None => match Place::open(path)? {
                Some(place) => self.allow_place(&place, access),
                // A path that this sandbox does not have needs no rule.
                None => Ok(self),
            },
        }
    }

    fn allow_place(self, place: &Place, access: BitFlags<AccessFs>) -> Result<Self, RuleError> {
        let access = if place.is_directory { access } else { access & AccessFs::from_file(self.abi) };
        let ruleset = self.ruleset.add_rule(PathBeneath::new(&place.descriptor, access))?;
        Ok(Self { ruleset, ..self })
    }

    fn allow_all(mut self, paths: &[PathBuf], access: BitFlags<AccessFs>) -> Result<Self, RuleError> {
        for path in paths {
            self = self.allow(path, access)?;
        }
        Ok(self)
    }
}
