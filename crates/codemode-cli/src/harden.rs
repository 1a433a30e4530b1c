//! What this executor gives up before it serves, from its configuration; see `codemode_sandbox::harden`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use codemode_engine::StartError;
use codemode_sandbox::{
    harden::{self, Files, Needs, Reach},
    plan::{Means, SandboxPlan},
    probe::{LayerReport, LayerStatus, Probe, probe},
};
use codemode_server::{
    AuditTarget,
    config::{ListenAddress, ServerConfig},
};
use codemode_types::{NetworkMode, Policy};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{exit::Failure, guest};

/// Both ends and a pipe for each direction.
const PER_CONNECTION: u64 = 6;
/// Callers, parked sandboxes, files.
const OTHER_DESCRIPTORS: u64 = 512;

/// Through which callers come in and lines go out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Doors<'a> {
    pub(crate) listen: Option<&'a ListenAddress>,
    /// The application whose tools the published protocol calls.
    pub(crate) dials: Option<&'a ListenAddress>,
    pub(crate) audit: Option<&'a AuditTarget>,
}

impl<'a> Doors<'a> {
    pub(crate) fn of(config: &'a ServerConfig) -> Self {
        let dials = config.callback.as_ref().map(|callback| &callback.target);
        Self { listen: Some(&config.listen), dials, audit: config.audit.as_ref() }
    }
}

/// Hardens this process, which runs one thread still; the interpreter to serve with.
pub(crate) fn executor(policy: &Policy, embedding: Option<&Path>, doors: Doors<'_>) -> Result<PathBuf, Failure> {
    raise_descriptor_limit(policy);
    let interpreter = guest::interpreter(policy, embedding).map_err(Failure::unavailable)?;
    #[cfg(feature = "removable-walls")]
    codemode_sandbox::apply::removed::choose_by(&guest::library().map_err(Failure::unavailable)?);
    let probe = probe();
    if probe.tier.is_none() {
        // Nothing will be served: the engine says why.
        return Ok(interpreter);
    }
    if let Some(folder) = policy.filesystem.outputs.mount.as_deref().filter(|_| probe.means() == Means::Container) {
        // Where it is missing it is made, and afterwards could not be. The first execution with a file says if it fails.
        let _ = std::fs::create_dir_all(folder);
    }
    let (needs, interpreter) = needs(&probe, policy, interpreter, doors)?;
    let layers = harden::executor(&needs).map_err(Failure::unavailable)?;
    tracing::info!(gave_up = summary(&layers), "executor hardened");
    Ok(interpreter)
}

/// Connections of one execution must not take the descriptors of all others: as many as this process may have. Sandboxes
/// have a limit of their own.
fn raise_descriptor_limit(policy: &Policy) {
    let held = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: held.maximum, maximum: held.maximum };
    let limit = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => held.maximum,
        Err(_) => held.current,
    };
    if policy.network.mode == NetworkMode::Restricted {
        let executions = policy.max_concurrent_executions.map_or_else(default_executions, u64::from);
        let wanted = OTHER_DESCRIPTORS + executions * u64::from(policy.network.max_connections) * PER_CONNECTION;
        if let Some(limit) = limit.filter(|limit| *limit < wanted) {
            tracing::warn!(
                limit,
                wanted,
                "network.max_connections may take more descriptors than this process may have; raise its hard limit \
                 (ulimit -n, LimitNOFILE), or lower network.max_connections or max_concurrent_executions"
            );
        }
    }
}

/// As the engine decides.
fn default_executions() -> u64 {
    2 * std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64)
}

/// The same for `doctor`, which ends soon after.
pub(crate) fn trial(
    probe: &Probe,
    policy: &Policy,
    embedding: Option<&Path>,
    doors: Doors<'_>,
) -> Result<Vec<LayerReport>, String> {
    // A part that is missing is told of as that.
    let interpreter = guest::interpreter(policy, embedding).ok().filter(|_| probe.tier.is_some());
    let Some(interpreter) = interpreter else { return Ok(Vec::new()) };
    let (needs, _) = needs(probe, policy, interpreter, doors).map_err(|failure| failure.message)?;
    harden::executor(&needs).map_err(|error| error.to_string())
}

/// Names what decided which code this process runs besides its own.
pub(crate) fn warn_of_preloads(variables: &BTreeMap<String, String>) {
    let names = harden::loader::preloads(variables.keys());
    if !names.is_empty() {
        tracing::warn!(
            variables = names.join(", "),
            "the environment chose libraries of this executor; what it starts gets none of them"
        );
    }
}

fn needs(probe: &Probe, policy: &Policy, interpreter: PathBuf, doors: Doors<'_>) -> Result<(Needs, PathBuf), Failure> {
    let means = probe.means();
    let reach = match policy.network.mode {
        NetworkMode::None => Reach::Inward { port: port(doors.listen), dials: port(doors.dials) },
        NetworkMode::Restricted | NetworkMode::All => Reach::Outward,
    };
    if means != Means::Container {
        return Ok((Needs { means, reach, files: None }, interpreter));
    }
    let plan =
        SandboxPlan::build(policy, &interpreter, means).map_err(|error| Failure::start(StartError::Plan(error)))?;
    let files = Files {
        outputs: policy.filesystem.outputs.mount.clone(),
        audit_log: doors.audit.and_then(|target| match target {
            AuditTarget::File(path) => Some(path.clone()),
            AuditTarget::Stdout => None,
        }),
        socket: doors.listen.and_then(|address| match address {
            ListenAddress::Unix(path) => Some(path.clone()),
            ListenAddress::Tcp { .. } => None,
        }),
        programs: Files::programs_of(&plan),
    };
    // A wrapper that found it starts programs of its own, and is not needed any more.
    Ok((Needs { means, reach, files: Some(files) }, plan.interpreter))
}

fn port(address: Option<&ListenAddress>) -> Option<u16> {
    match address {
        Some(ListenAddress::Tcp { port, .. }) => Some(*port),
        Some(ListenAddress::Unix(_)) | None => None,
    }
}

/// `memory: not dumpable, core limit 1; …`
fn summary(layers: &[LayerReport]) -> String {
    let said = |layer: &LayerReport| {
        let (LayerStatus::Found(text)
        | LayerStatus::Substituted(text)
        | LayerStatus::Missing(text)
        | LayerStatus::Optional(text)) = &layer.status;
        format!("{}: {text}", layer.name)
    };
    layers.iter().map(said).collect::<Vec<_>>().join("; ")
}
