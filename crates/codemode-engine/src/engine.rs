//! The engine: one policy, its environments, many executions.

use std::{path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use codemode_egress::Egress;
use codemode_types::{Isolation, Limits, Policy, Rejection, ToolFailure};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Attacks, EngineConfig, EngineInfo, Execution, ExecutionRequest, StartError,
    admission::{Admission, Entry, Place},
    cgroup::Groups,
    environment::Environment,
    environments::Environments,
    execution::{Controls, EVENTS, Job, Wanted, Word, execute},
    request, self_test, start,
};

/// For executions that were told to stop: they are killed at once, and reaped.
const STOP_PATIENCE: Duration = Duration::from_secs(15);

/// Cheap to clone; all clones are the same engine.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) policy: Arc<Policy>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) isolation: Isolation,
    pub(crate) python: String,
    pub(crate) packages: Arc<[String]>,
    pub(crate) places: u32,
    /// Where files for the host go.
    pub(crate) outputs: Option<PathBuf>,
    /// With a network that may be restricted.
    pub(crate) egress: Option<Egress>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) environments: Arc<Environments>,
    /// Of all sandboxes.
    pub(crate) groups: Option<Arc<Groups>>,
    pub(crate) running: TaskTracker,
    /// Ends every execution.
    pub(crate) stop: CancellationToken,
}

impl Engine {
    /// Probes, builds, launches, parks the first sandbox and attacks it; fails closed at the first thing amiss.
    pub async fn start(config: EngineConfig) -> Result<Self, StartError> {
        Self::start_against(config, &[]).await
    }

    /// As [`Engine::start`], against attacks of the caller's besides its own; none can be left out.
    #[doc(hidden)]
    pub async fn start_against(config: EngineConfig, more: &[Attacks]) -> Result<Self, StartError> {
        let engine = Self { shared: Arc::new(start::shared(config).await?) };
        match self_test::run(&engine, engine.shared.environments.own(), more).await {
            Ok(()) => Ok(engine),
            Err(error) => {
                engine.drain(Duration::ZERO).await;
                Err(error)
            }
        }
    }

    pub fn info(&self) -> EngineInfo {
        EngineInfo {
            isolation: self.shared.isolation.clone(),
            policy: Arc::clone(&self.shared.policy),
            max_concurrent_executions: self.shared.places,
            python: self.shared.python.clone(),
            packages: Arc::clone(&self.shared.packages),
            environments: self.shared.environments.info(),
        }
    }

    /// Checks and admits the request, or refuses it before anything runs. Must be called inside a tokio runtime.
    pub fn execute(&self, request: ExecutionRequest) -> Result<Execution, Rejection> {
        self.begin(request, None)
    }

    /// Of the engine's own, in an environment that need not be listed yet. It waits for nobody's place.
    pub(crate) fn execute_in(
        &self,
        environment: &Arc<Environment>,
        request: ExecutionRequest,
    ) -> Result<Execution, Rejection> {
        self.begin(request, Some(Arc::clone(environment)))
    }

    fn begin(&self, request: ExecutionRequest, given: Option<Arc<Environment>>) -> Result<Execution, Rejection> {
        let arrived = Instant::now();
        let (limits, warnings) = request.policy.limits.overridden(&request.overrides);
        request::tools(&request.tools)?;
        let code = request::code(request.code, &limits)?;
        let bytes =
            request::bytes(&code, &request.tools, [&request.context, &request.config, &request.globals.variables]);
        self.shared.environments.check(request.environment.as_deref())?;
        let entry = match given {
            Some(_) => Entry::Now(Place::besides()),
            None => self.shared.admission.enter(bytes)?,
        };
        let job = Job {
            id: request.id,
            correlation_id: request.correlation_id,
            code,
            tools: request.tools,
            context: request.context,
            config: request.config,
            policy: request.policy,
            check_tools: request.check_tools,
            globals: request.globals,
            environment: request.environment,
            artifact_bytes: request.artifact_bytes.min(limits.result_bytes.bytes()),
            limits,
            ceiling: Arc::clone(&self.shared.limits),
            warnings: warnings.clone(),
            arrived,
        };
        let (sender, events) = mpsc::channel(EVENTS);
        let (words, heard) = mpsc::unbounded_channel();
        let cancel = CancellationToken::new();
        let stop = self.shared.stop.clone();
        let controls = Controls { words: heard, wanted: Wanted { events: sender, cancel: cancel.clone(), stop } };
        self.shared.running.spawn(execute(self.clone(), job, entry, given, controls));
        Ok(Execution { warnings, events, words, cancel })
    }

    /// Refuses new executions, waits for live ones until `patience` is over, kills the rest, ends the zygotes.
    pub async fn drain(&self, patience: Duration) {
        let shared = &self.shared;
        shared.admission.drain();
        shared.running.close();
        if timeout(patience, shared.running.wait()).await.is_err() {
            out_of_patience(patience, shared.running.len());
            shared.stop.cancel();
            if timeout(STOP_PATIENCE, shared.running.wait()).await.is_err() {
                tracing::error!(executions = shared.running.len(), "executions do not end, or nobody reads their end");
            }
        }
        shared.environments.end().await;
        if let Some(groups) = shared.groups.clone() {
            let _ = tokio::task::spawn_blocking(move || groups.clean()).await;
        }
    }
}

/// Whoever came without patience wanted just this: nothing to warn about, least of all on an application's stderr.
fn out_of_patience(patience: Duration, executions: usize) {
    match patience.is_zero() {
        true => tracing::debug!(executions, "killing what still runs"),
        false => tracing::warn!(executions, "the patience for a drain is over; killing the rest"),
    }
}

impl Execution {
    /// Answers a tool call. Answers to calls that are over are dropped.
    pub fn answer(&self, call_id: u64, answer: Result<Vec<u8>, ToolFailure>) {
        // Fails only where the execution is over.
        let _ = self.words.send(Word::Answer(call_id, answer));
    }

    /// The same in parts, in their order. `total`: of all of them, with the first; otherwise 0. What is handed over is held
    /// until the code takes it, so no more may be under way than the caller wants to be held: `AnswerTaken` tells.
    pub fn answer_part(&self, call_id: u64, total: u64, data: Bytes) {
        let _ = self.words.send(Word::Part { call_id, total, data });
    }

    /// A call's own time stands still while it is held; the execution's `total_timeout` does not.
    pub fn hold(&self, call_id: u64, held: bool) {
        let _ = self.words.send(Word::Held(call_id, held));
    }

    /// Ends the execution with outcome `cancelled`; `Finished` still comes.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }
}
