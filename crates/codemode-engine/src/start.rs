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
    execs::Programs,
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
    pool::{Pool, Size},
    sandbox::{Spawner, Urgency},
    self_test::{Trial, unlisted_programs},
    shape::Shape,
    slots::{SLOTS, UidSlots},
    zygote::{Keeper, Launch},
};

/// Every running execution holds a user id, and so do a parked sandbox for each and those still being reaped.
const MOST_PLACES: u32 = SLOTS as u32 / 2 - 8;

/// The engine's parts, and what its self-test is to know of them.
pub(crate) async fn shared(config: EngineConfig) -> Result<(Shared, Trial), StartError> {
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
    let programs = Programs::of(&plan);
    let unlisted = unlisted_programs(&plan);
    let packages = plan.packages.clone().into();
    let keeper = Keeper::start(Launch { guest_library, plan }).await?;
    let zygote = keeper.zygote().await.map_err(|_| StartError::ZygoteEnded)?;
    let trial = Trial { programs: unlisted, removed: zygote.removed.clone() };
    let spawner = Spawner { keeper, groups, slots: UidSlots::of_this_process(), programs, means };
    let shape = Shape::of(&policy, &policy.limits);
    let first = spawner.spawn(&shape, Urgency::Wanted).await.map_err(StartError::Sandbox)?;
    let (substitutes, not_promised) = (probe.substitutes(), probe.not_promised(policy.network.mode));
    let isolation = Isolation { tier, layers: first.layers.clone(), substitutes, not_promised };
    let pool = Pool::new(spawner, shape, size(&policy, places), first);
    pool.refill();
    let shared = Shared {
        limits: Arc::new(policy.limits.clone()),
        admission: Admission::new(places as usize, policy.queue as usize),
        policy: Arc::new(policy),
        isolation,
        python: zygote.python.clone(),
        packages,
        places,
        outputs,
        egress,
        pool,
        running: TaskTracker::new(),
        stop: CancellationToken::new(),
    };
    Ok((shared, trial))
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
    let least = policy.pool.min.clamp(1, MOST_PLACES);
    let most = policy.pool.max.unwrap_or(places).clamp(least, MOST_PLACES);
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
