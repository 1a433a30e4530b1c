//! One execution: a sandbox is taken, gets its code, is listened to, ends, and is accounted for.

mod artifacts;
mod broker;
mod channel;
mod clock;
mod conclude;
mod end;
mod exec_watch;
mod host;
mod met;
mod outlet;
mod output;
mod run;
mod signal;
mod violations;
mod watch;

use std::{sync::Arc, time::Duration};

use codemode_types::{CorrelationId, ExecutionId, Globals, Limits, NetworkMode, Policy, ToolSpec};
use codemode_wire::guest::Start;
use tokio::time::Instant;

pub use self::violations::NETWORK_VIOLATION;
use self::{conclude::Conclusion, end::End, host::Host, outlet::Outlet, run::Run};
pub(crate) use self::{
    exec_watch::Listener as ExecListener,
    host::{Controls, EVENTS, Wanted, Word},
    outlet::Inlets,
};
use crate::{
    admission::{Entry, Place},
    engine::{Engine, Shared},
    environment::Environment,
    environments::Visit,
    pool::Pool,
    sandbox::{Sandbox, SpawnError},
    shape::Shape,
};

/// What tracebacks call the code.
const FILENAME: &str = "<code>";

/// For an answer to be written, before what follows from it begins.
const BEHIND: Duration = Duration::from_millis(1);

/// A request that passed every check.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: ExecutionId,
    pub(crate) correlation_id: CorrelationId,
    pub(crate) code: String,
    pub(crate) tools: Vec<ToolSpec>,
    pub(crate) context: Vec<u8>,
    pub(crate) config: Vec<u8>,
    pub(crate) policy: Arc<Policy>,
    pub(crate) check_tools: bool,
    pub(crate) globals: Globals,
    pub(crate) environment: Option<String>,
    pub(crate) artifact_bytes: u64,
    /// The policy's, lowered by the request.
    pub(crate) limits: Limits,
    /// The engine's own policy's: what a request can ask for at most.
    pub(crate) ceiling: Arc<Limits>,
    pub(crate) warnings: Vec<String>,
    pub(crate) arrived: Instant,
}

/// What an execution takes, and gives back.
struct Taken {
    visit: Visit,
    place: Place,
    sandbox: Sandbox,
}

/// From the queue to the report. Nothing of the code runs any more when `Finished` is told. `given`: where it runs,
/// whatever the job says.
pub(crate) async fn execute(
    engine: Engine,
    mut job: Job,
    entry: Entry,
    given: Option<Arc<Environment>>,
    controls: Controls,
) {
    let shared = Arc::clone(&engine.shared);
    let host = Host::new(controls.wanted.events.clone());
    let got = tokio::select! {
        biased;
        end = controls.wanted.called_off() => Err(end),
        got = obtain(engine, &job, entry, given) => got,
    };
    let mut visited = None;
    let conclusion = match got {
        Ok(Taken { visit, place, mut sandbox }) => {
            visited = Some(visit);
            let start = start(&mut job);
            let conclusion = match outlet(&shared, &job, &mut sandbox).await {
                Ok(outlet) => {
                    let mut run = Run { outlet, ..Run::new(sandbox, &job, start, host, controls) };
                    let end = run.until_end().await;
                    run.conclude(end, &job, &shared).await
                }
                Err(end) => Conclusion::without_sandbox(end, &job, host, &shared.isolation),
            };
            drop(place);
            conclusion
        }
        Err(end) => Conclusion::without_sandbox(end, &job, host, &shared.isolation),
    };
    let Conclusion { report, mut host, remains } = conclusion;
    tracing::debug!(execution = %report.execution_id, outcome = %report.outcome, "finished");
    host.tell(crate::ExecutionEvent::Finished(report));
    host.flush().await;
    // The answer is on its way through other tasks: what takes the processor from them waits.
    tokio::time::sleep(BEHIND).await;
    drop(remains);
    if let Some(visit) = visited {
        visit.pool().refill();
    }
}

async fn obtain(engine: Engine, job: &Job, entry: Entry, given: Option<Arc<Environment>>) -> Result<Taken, End> {
    let place = match entry {
        Entry::Now(place) => place,
        Entry::Later(waiting) => waiting.await.map_err(|_| End::EngineStopped)?,
    };
    let not_started = |error: &dyn std::fmt::Display| {
        tracing::error!(execution = %job.id, %error, "no sandbox for an execution");
        End::NotStarted(error.to_string())
    };
    let visit = match given {
        Some(environment) => Visit::of(environment),
        None => {
            let environments = Arc::clone(&engine.shared.environments);
            environments.enter(engine, job.environment.as_deref()).await.map_err(|error| not_started(&error))?
        }
    };
    let sandbox = staged(visit.pool(), job).await.map_err(|error| not_started(&error))?;
    Ok(Taken { visit, place, sandbox })
}

/// One that has what it needs to start.
async fn staged(pool: &Arc<Pool>, job: &Job) -> Result<Sandbox, SpawnError> {
    let shape = Shape::of(&job.policy, &job.limits);
    loop {
        let mut sandbox = pool.take(&shape).await?;
        match sandbox.enter_stage() {
            Ok(()) => return Ok(sandbox),
            // Nothing ran in it.
            Err(SpawnError::Ended) => tracing::warn!(execution = %job.id, "a parked sandbox was ended; taking another"),
            Err(error) => return Err(error),
        }
    }
}

/// What the sandbox brought is served, or let go: then nobody listens.
async fn outlet(shared: &Shared, job: &Job, sandbox: &mut Sandbox) -> Result<Option<Outlet>, End> {
    let inlets = std::mem::take(&mut sandbox.inlets);
    let Some(egress) = shared.egress.as_ref().filter(|_| job.policy.network.mode == NetworkMode::Restricted) else {
        return Ok(None);
    };
    let opened = Outlet::open(egress, &job.policy.network, inlets).await;
    opened.map(Some).map_err(|error| End::NotStarted(format!("no way out for its network: {error}")))
}

/// Takes what only the guest needs out of the job.
fn start(job: &mut Job) -> Start {
    Start {
        code: std::mem::take(&mut job.code),
        filename: FILENAME.into(),
        tools: job.tools.clone(),
        context: std::mem::take(&mut job.context),
        config: std::mem::take(&mut job.config),
        allow_direct_execution: job.policy.direct_execution(),
        allowed_commands: match job.policy.direct_execution() {
            true => job.policy.execution.allowed_commands.clone(),
            false => Vec::new(),
        },
        result_bytes: job.limits.result_bytes.bytes(),
        value_bytes: job.limits.value_bytes.bytes(),
        check_tools: job.check_tools,
        globals: std::mem::take(&mut job.globals),
    }
}
