//! Starting an engine, step by step; each step that fails has its own error.

use std::{
    num::NonZero,
    path::{Path, PathBuf},
    sync::Arc,
    thread::available_parallelism,
};

use codemode_egress::Egress;
use codemode_sandbox::{
    container,
    plan::SandboxPlan,
    probe::{Probe, probe},
};
use codemode_types::{Isolation, NetworkMode, Policy, Tier};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    EngineConfig, StartError,
    admission::Admission,
    cgroup::Groups,
    engine::Shared,
    environment::{self, Blueprint, Environment, Ground},
    environments::Environments,
    pool::Size,
    shape::Shape,
    slots::{SLOTS, UidSlots},
};

/// Every running execution holds a user id, and so does each parked sandbox.
const MOST_PLACES: u32 = (SLOTS as u32 - REAPED) / 2;
/// User ids for sandboxes that are still being reaped.
const REAPED: u32 = 16;

/// The engine's parts.
pub(crate) async fn shared(config: EngineConfig) -> Result<Shared, StartError> {
    let EngineConfig { policy, interpreter, guest_library } = config;
    if !guest_library.is_file() {
        return Err(StartError::NoGuestLibrary(guest_library));
    }
    let probe = tokio::task::spawn_blocking(probe).await.map_err(|_| StartError::Interrupted)?;
    probe.check(&policy).map_err(StartError::Probe)?;
    let tier = probe.tier.ok_or(StartError::NoTier)?;
    let places = places(&policy, tier)?;
    let outputs = outputs(&policy, tier)?;
    let means = probe.means();
    let plan = SandboxPlan::build(&policy, &interpreter, means).map_err(StartError::Plan)?;
    let egress = egress(&policy);
    let groups = groups(&probe, &policy, places)?;
    let plans = environment::plans(&policy, &plan)?;
    let shape = Shape::of(&policy, &policy.limits);
    let ground = Ground { groups, slots: UidSlots::of_this_process(), means, shape, size: size(&policy, places) };
    let named = plans.into_iter().map(|(name, plan)| (name, Blueprint::new(plan, &guest_library, ground.clone())));
    let named = named.collect();
    let blueprint = Blueprint::new(plan, &guest_library, ground.clone());
    let info = blueprint.info("");
    let own = Environment::start(&blueprint).await?;
    let (substitutes, not_promised) = (probe.substitutes(), probe.not_promised(policy.network.mode));
    let isolation = Isolation { tier, layers: own.layers.clone(), substitutes, not_promised };
    let environments_memory = policy.pool.environments_memory;
    Ok(Shared {
        limits: Arc::new(policy.limits.clone()),
        admission: Admission::new(places as usize, policy.queue as usize),
        policy: Arc::new(policy),
        isolation,
        python: info.python,
        packages: info.packages,
        places,
        outputs,
        egress,
        environments: Environments::new(own, named, environments_memory),
        groups: ground.groups,
        running: TaskTracker::new(),
        stop: CancellationToken::new(),
    })
}

/// A request may narrow the network of `all`.
fn egress(policy: &Policy) -> Option<Egress> {
    (policy.network.mode != NetworkMode::None).then(Egress::system)
}

fn cores() -> u32 {
    available_parallelism().map_or(1, NonZero::get).try_into().unwrap_or(u32::MAX)
}

/// Where files for the host go. In tier container /outputs is about to lead elsewhere.
fn outputs(policy: &Policy, tier: Tier) -> Result<Option<PathBuf>, StartError> {
    let Some(mount) = policy.filesystem.outputs.mount.clone() else { return Ok(None) };
    match tier {
        Tier::Container if mount == Path::new(container::OUTPUTS) => {
            container::possession::real_outputs().map(Some).map_err(StartError::Outputs)
        }
        Tier::Container | Tier::Full => Ok(Some(mount)),
    }
}

fn places(policy: &Policy, tier: Tier) -> Result<u32, StartError> {
    if tier == Tier::Container {
        // One /sandbox; the plan refuses a policy that asks for more.
        return Ok(1);
    }
    match policy.max_concurrent_executions {
        Some(asked) if asked > MOST_PLACES => Err(StartError::TooManyAtOnce { asked, most: MOST_PLACES }),
        Some(asked) => Ok(asked.max(1)),
        None => Ok(cores().saturating_mul(2).clamp(1, MOST_PLACES)),
    }
}

fn size(policy: &Policy, places: u32) -> Size {
    // Each environment has sandboxes of its own.
    let pools = 1 + policy.guest.environments.len() as u32;
    let room = ((u32::from(SLOTS) - REAPED - places) / pools).max(1);
    let least = policy.pool.min.clamp(1, room);
    let most = policy.pool.max.unwrap_or(places).clamp(least, room);
    Size { least: least as usize, most: most as usize, hands: cores().clamp(2, 8) as usize }
}

/// No control groups only where the probe found, and says, what stands in for them.
fn groups(probe: &Probe, policy: &Policy, places: u32) -> Result<Option<Arc<Groups>>, StartError> {
    if probe.rootless {
        return Ok(None);
    }
    // A full house, what is parked for the next, and what is being made.
    let Size { most, hands, .. } = size(policy, places);
    let wanted = places as usize + most + hands;
    match Groups::find(Shape::of(policy, &policy.limits).cgroup_limits(), wanted) {
        Ok(groups) => Ok(Some(Arc::new(groups))),
        Err(_) if probe.substitutes().iter().any(|substitute| substitute.starts_with("cgroup")) => Ok(None),
        Err(error) => Err(StartError::Cgroup(error)),
    }
}
