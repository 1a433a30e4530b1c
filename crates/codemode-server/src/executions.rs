//! What gRPC and HTTP share: the engine, the ids in use, and whether this daemon is on its way out.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use codemode_engine::{Engine, Execution, ExecutionRequest};
use codemode_proto::{EnvironmentInfo, ExecutorInfo};
use codemode_types::{CorrelationId, ErrorCode, ExecutionId, ExecutionReport, Isolation, Policy, Rejection};
use tokio::{runtime::Handle, sync::mpsc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::audit::{self, Audit, Origin, Trail};

pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

#[derive(Clone, Debug)]
pub(crate) struct Executions(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    engine: Engine,
    policy: Arc<Policy>,
    audit: Audit,
    live: Mutex<HashSet<ExecutionId>>,
    draining: AtomicBool,
    /// Set when no execution is left: streams end.
    closing: CancellationToken,
}

/// An admitted execution and its claim on its id. Dropping it kills the sandbox and frees the id.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) execution: Execution,
    /// Nothing of an event may go on to the client before the trail has it.
    pub(crate) trail: Trail,
    _claim: Claim,
}

#[derive(Debug)]
struct Claim {
    shared: Arc<Shared>,
    id: ExecutionId,
}

impl Executions {
    pub(crate) fn new(engine: Engine, audit: Audit, closing: CancellationToken) -> Self {
        let policy = engine.info().policy;
        let (live, draining) = (Mutex::default(), AtomicBool::new(false));
        Self(Arc::new(Shared { engine, policy, audit, live, draining, closing }))
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    pub(crate) fn audit(&self) -> &Audit {
        &self.0.audit
    }

    pub(crate) fn closing(&self) -> &CancellationToken {
        &self.0.closing
    }

    pub(crate) fn start_draining(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
    }

    /// Why nothing new would run, if so.
    pub(crate) fn unready(&self) -> Option<Rejection> {
        if self.0.draining.load(Ordering::Relaxed) {
            return Some(Rejection::new(ErrorCode::Draining, "the executor is stopping"));
        }
        (!self.0.audit.works()).then(audit::unavailable)
    }

    pub(crate) fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.0.policy)
    }

    pub(crate) fn isolation(&self) -> Isolation {
        self.engine().info().isolation
    }

    pub(crate) fn info(&self, policy: &Policy) -> ExecutorInfo {
        let info = self.engine().info();
        ExecutorInfo {
            version: VERSION.into(),
            isolation: info.isolation,
            policy: policy.clone(),
            max_concurrent_executions: info.max_concurrent_executions,
            python: info.python,
            packages: info.packages.to_vec(),
            environments: info.environments.iter().map(environment).collect(),
        }
    }

    /// Refused, or running.
    pub(crate) async fn admit(&self, request: ExecutionRequest, origin: &Origin) -> Result<Admitted, Rejection> {
        let (id, correlation_id) = (request.id.clone(), request.correlation_id.clone());
        let admitted = self.try_admit(request, origin).await;
        match &admitted {
            Ok(_) => tracing::debug!(execution_id = %id, %correlation_id, "execution admitted"),
            Err(rejection) => {
                tracing::info!(execution_id = %id, %correlation_id, code = %rejection.code, "execution refused");
            }
        }
        admitted
    }

    async fn try_admit(&self, request: ExecutionRequest, origin: &Origin) -> Result<Admitted, Rejection> {
        let audit = self.audit();
        audit.ready().await?;
        let subject = audit.subject(&request, origin);
        let (code_bytes, tools) = (request.code.len(), request.tools.len());
        let started = self.claim(request.id.clone()).and_then(|claim| Ok((claim, self.engine().execute(request)?)));
        match started {
            Ok((claim, execution)) => {
                Ok(Admitted { execution, trail: audit.begin(subject, code_bytes, tools), _claim: claim })
            }
            Err(rejection) => {
                audit.refused_execution(subject.as_ref(), rejection.code.as_str(), &rejection.message).await;
                Err(rejection)
            }
        }
    }

    /// A request that was refused before it became one to admit.
    pub(crate) async fn refused(&self, origin: &Origin, id: Option<&ExecutionId>, rejection: &Rejection) {
        self.audit().refused(origin, id, rejection.code.as_str(), &rejection.message).await;
    }

    fn claim(&self, id: ExecutionId) -> Result<Claim, Rejection> {
        match self.0.live().insert(id.clone()) {
            true => Ok(Claim { shared: Arc::clone(&self.0), id }),
            false => Err(Rejection::new(
                ErrorCode::InvalidRequest,
                format!("execution id `{id}` is in use by a live execution; choose another"),
            )),
        }
    }
}

impl Shared {
    /// Nothing can panic while it is held, so a poisoned lock is as good as any.
    fn live(&self) -> MutexGuard<'_, HashSet<ExecutionId>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Admitted {
    /// Its caller went away. What the engine still has to tell belongs into the audit log.
    fn drop(&mut self) {
        let Some(trail) = self.trail.unfinished() else { return };
        self.execution.cancel();
        let (_, nobody) = mpsc::channel(1);
        let events = std::mem::replace(&mut self.execution.events, nobody);
        // None where the daemon itself ends at once: the trail says so.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(audit::follow(trail, events));
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.shared.live().remove(&self.id);
    }
}

/// One line per execution.
pub(crate) fn log_end(report: &ExecutionReport) {
    tracing::info!(
        execution_id = %report.execution_id,
        correlation_id = %report.correlation_id,
        outcome = %report.outcome,
        exit_code = report.exit_code,
        duration_ms = report.duration.as_secs_f64() * 1e3,
        tool_calls = report.tool_calls.len(),
        violations = report.violations.len(),
        "execution finished"
    );
}

/// Time-ordered, and unused unless a client guessed it.
pub(crate) fn new_id() -> Result<ExecutionId, Rejection> {
    ExecutionId::parse(&Uuid::now_v7().simple().to_string()).map_err(invalid)
}

/// The caller's own, or a new one where it gave none.
pub(crate) fn correlation_id(given: &str) -> Result<CorrelationId, Rejection> {
    if !given.is_empty() {
        return CorrelationId::parse(given).map_err(invalid);
    }
    let elapsed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or_default();
    let [.., a, b, c, d] = Uuid::now_v7().into_bytes();
    Ok(CorrelationId::from_parts(millis, u32::from_be_bytes([a, b, c, d])))
}

fn environment(info: &codemode_engine::EnvironmentInfo) -> EnvironmentInfo {
    EnvironmentInfo { name: info.name.clone(), python: info.python.clone(), packages: info.packages.to_vec() }
}

pub(crate) fn invalid(error: impl ToString) -> Rejection {
    Rejection::new(ErrorCode::InvalidRequest, error.to_string())
}
