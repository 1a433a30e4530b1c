//! Starting an engine, step by step; each step that fails has its own error.

use std::{num::NonZero, sync::Arc, thread::available_parallelism};

use codemode_sandbox::{
    plan::SandboxPlan,
    probe::{Probe, probe},
};
use codemode_types::{CorrelationId, ExecutionId, Isolation, LimitOverrides, Outcome, Policy};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Engine, EngineConfig, ExecutionEvent, ExecutionRequest, StartError,
    admission::Admission,
    cgroup::Groups,
    engine::Shared,
    escape::escaped,
    pool::{Pool, Size},
    sandbox::Spawner,
    shape::Shape,
    slots::{SLOTS, UidSlots},
    zygote::{Keeper, Launch},
};

/// Every running execution holds a user id, and so do a parked sandbox for each and those still being reaped.
const MOST_PLACES: u32 = SLOTS as u32 / 2 - 8;

pub(crate) async fn shared(config: EngineConfig) -> Result<Shared, StartError> {
    let EngineConfig { policy, interpreter, guest_library } = config;
    let places = places(&policy)?;
    if !guest_library.is_file() {
        return Err(StartError::NoGuestLibrary(guest_library));
    }
    let probe = tokio::task::spawn_blocking(probe).await.map_err(|_| StartError::Interrupted)?;
    probe.check(&policy).map_err(StartError::Probe)?;
    let tier = probe.tier.ok_or(StartError::NoTier)?;
    let plan = SandboxPlan::build(&policy, &interpreter, probe.rootless).map_err(StartError::Plan)?;
    let groups = groups(&probe)?;
    let keeper = Keeper::start(Launch { guest_library, plan }).await?;
    let python = keeper.zygote().await.map_err(|_| StartError::ZygoteEnded)?.python.clone();
    let spawner = Spawner { keeper, groups, slots: UidSlots::of_this_process() };
    let shape = Shape::of(&policy, &policy.limits);
    let first = spawner.spawn(&shape).await.map_err(StartError::Sandbox)?;
    let isolation = Isolation { tier, layers: first.layers.clone(), substitutes: probe.substitutes() };
    let pool = Pool::new(spawner, shape, size(&policy, places), first);
    pool.refill();
    Ok(Shared {
        limits: Arc::new(policy.limits.clone()),
        admission: Admission::new(places as usize, policy.queue as usize),
        policy: Arc::new(policy),
        isolation,
        python,
        places,
        pool,
        running: TaskTracker::new(),
        stop: CancellationToken::new(),
    })
}

fn cores() -> u32 {
    available_parallelism().map_or(1, NonZero::get).try_into().unwrap_or(u32::MAX)
}

fn places(policy: &Policy) -> Result<u32, StartError> {
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
fn groups(probe: &Probe) -> Result<Option<Arc<Groups>>, StartError> {
    if probe.rootless {
        return Ok(None);
    }
    match Groups::find() {
        Ok(groups) => Ok(Some(Arc::new(groups))),
        Err(_) if probe.substitutes().iter().any(|substitute| substitute.starts_with("cgroup")) => Ok(None),
        Err(error) => Err(StartError::Cgroup(error)),
    }
}

/// Runs `2 + 2` the way every request runs.
pub(crate) async fn self_check(engine: &Engine) -> Result<(), StartError> {
    let failed = |text: String| StartError::SelfCheck(escaped(&text));
    let mut execution = engine.execute(self_check_request(engine)?).map_err(|rejection| failed(rejection.message))?;
    while let Some(event) = execution.events.recv().await {
        let ExecutionEvent::Finished(report) = event else { continue };
        if report.outcome == Outcome::Ok && report.result.as_deref() == Some(b"4") {
            return Ok(());
        }
        let failure = report.failure.unwrap_or_default();
        let result = report.result.map(|result| String::from_utf8_lossy(&result).into_owned());
        let said = result.unwrap_or_else(|| format!("{}: {}", failure.error_type, failure.message));
        return Err(failed(format!("{} ({said})", report.outcome)));
    }
    Err(failed("nothing".into()))
}

fn self_check_request(engine: &Engine) -> Result<ExecutionRequest, StartError> {
    let id = |error: codemode_types::InvalidId| StartError::SelfCheck(error.to_string());
    let mut policy = Policy::clone(&engine.info().policy);
    // The check is ours: a policy for shorter code does not forbid it.
    policy.limits.max_code_length = policy.limits.max_code_length.max(16);
    Ok(ExecutionRequest {
        id: ExecutionId::parse("start-up-check").map_err(id)?,
        correlation_id: CorrelationId::parse("start-up-check").map_err(id)?,
        code: b"2 + 2".to_vec(),
        tools: Vec::new(),
        context: Vec::new(),
        config: Vec::new(),
        overrides: LimitOverrides::default(),
        policy: Arc::new(policy),
    })
}
