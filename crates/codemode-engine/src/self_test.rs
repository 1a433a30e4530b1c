//! Attacks on an environment's sandboxes, run before it serves anything: one that succeeds refuses its start.
//!
//! They go the way of every request: the same policy, pool and guest. Two executions: the second one looks for what the
//! first one left.

mod attacks;
mod canaries;
mod host;
mod program;
mod removed;
mod verdicts;

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use codemode_types::{CorrelationId, ExecutionId, ExecutionReport, Globals, InvalidId, LimitOverrides, Policy};

pub use self::attacks::{Attack, Attacks};
use self::{canaries::Canaries, host::Marks, program::Program, verdicts::Escape};
pub(crate) use self::{host::unlisted_programs, removed::Removed};
use crate::{Engine, ExecutionEvent, ExecutionRequest, StartError, environment::Environment, escape::escaped};

/// The attacks take milliseconds; this is for a machine on its knees, and for a policy of short timeouts.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the attacks need to know of an environment.
#[derive(Debug)]
pub(crate) struct Trial {
    /// Programs of the host that the policy does not list, see [`unlisted_programs`].
    pub(crate) programs: Vec<PathBuf>,
    /// Walls that are not there to hold anything.
    pub(crate) removed: Removed,
}

/// `more`: attacks besides the engine's own.
pub(crate) async fn run(engine: &Engine, environment: &Arc<Environment>, more: &[Attacks]) -> Result<(), StartError> {
    let trial = &environment.trial;
    let began = Instant::now();
    let marks = Marks::new().map_err(|error| could_not_run(format!("no random numbers: {error}")))?;
    let canaries =
        Canaries::open(&marks.token).map_err(|error| could_not_run(format!("no listener to attack: {error}")))?;
    let host = host::description(&marks, &trial.programs, &canaries, engine.info().policy.network.mode);
    judge(execute(engine, environment, &Program::first(more), &host).await?, &trial.removed)?;
    let mark = marks.mark.clone();
    let look = tokio::task::spawn_blocking(move || host::process_named(&mark));
    let mut escapes = execute(engine, environment, &Program::second(), &host).await?;
    let left = look.await.map_err(|_| StartError::Interrupted)?;
    let left = left.map_err(|error| could_not_run(format!("processes cannot be looked at: {error}")))?;
    escapes
        .extend(left.map(|pid| Escape::new(&attacks::LEFT_PROCESS, format!("process {pid} outlived its execution"))));
    escapes.extend(canaries.visited().map(|name| Escape::new(&attacks::CANARIES, format!("reached {name}"))));
    judge(escapes, &trial.removed)?;
    tracing::debug!(took = ?began.elapsed(), "the self-test is passed");
    Ok(())
}

fn could_not_run(reason: String) -> StartError {
    StartError::SelfTest(escaped(&reason))
}

/// Refuses, unless only what a removed wall would have held got through.
fn judge(escapes: Vec<Escape>, removed: &Removed) -> Result<(), StartError> {
    let mut refusal = Ok(());
    for Escape { attack, happened } in escapes {
        let (name, wall) = (attack.name, attack.wall);
        if removed.excuses(attack) {
            tracing::warn!(attack = name, wall, happened, "an attack of the self-test succeeded: its wall is removed");
            continue;
        }
        tracing::error!(attack = name, wall, happened, "an attack of the self-test succeeded; nothing will be served");
        if refusal.is_ok() {
            refusal = Err(StartError::Escaped { attack: name.into(), wall: wall.into(), happened });
        }
    }
    refusal
}

async fn execute(
    engine: &Engine,
    environment: &Arc<Environment>,
    program: &Program,
    host: &[u8],
) -> Result<Vec<Escape>, StartError> {
    let request = request(engine, program, host).map_err(|error| could_not_run(error.to_string()))?;
    let mut execution =
        engine.execute_in(environment, request).map_err(|rejection| could_not_run(rejection.message))?;
    while let Some(event) = execution.events.recv().await {
        if let ExecutionEvent::Finished(report) = event {
            return escapes(&report, program);
        }
    }
    Err(could_not_run("the execution ended without a report".into()))
}

fn escapes(report: &ExecutionReport, program: &Program) -> Result<Vec<Escape>, StartError> {
    verdicts::escapes(report, &program.attacks).map_err(could_not_run)
}

fn request(engine: &Engine, program: &Program, host: &[u8]) -> Result<ExecutionRequest, InvalidId> {
    Ok(ExecutionRequest {
        id: ExecutionId::parse(program.id)?,
        correlation_id: CorrelationId::parse(program.id)?,
        code: program.code.clone().into_bytes(),
        tools: Vec::new(),
        context: host.to_vec(),
        config: Vec::new(),
        overrides: LimitOverrides::default(),
        policy: Arc::new(policy(&engine.info().policy, program)),
        check_tools: false,
        artifact_bytes: 0,
        globals: Globals::default(),
        environment: None,
    })
}

/// The engine's own, walls and all; but the test is ours, and a policy for shorter or quicker code does not forbid it.
fn policy(own: &Policy, program: &Program) -> Policy {
    let mut policy = own.clone();
    let limits = &mut policy.limits;
    limits.max_code_length = limits.max_code_length.max(program.code.len() as u64);
    limits.code_timeout = limits.code_timeout.max(PATIENCE);
    limits.total_timeout = limits.total_timeout.max(PATIENCE);
    limits.result_bytes = limits.result_bytes.max(verdicts::MOST_BYTES);
    policy
}

#[cfg(test)]
mod tests {
    use codemode_types::{ByteSize, Limits};

    use super::*;

    fn escape(attack: &'static Attack) -> Escape {
        Escape::new(attack, "it did".into())
    }

    #[test]
    fn an_escape_refuses_and_names_attack_wall_deed_and_remedy() {
        let refused = judge(vec![escape(&attacks::CANARIES)], &Removed::default()).unwrap_err().to_string();
        for part in ["`canaries`", attacks::CANARIES.wall, "it did", "codemode doctor", "vulnerability"] {
            assert!(refused.contains(part), "{part}: {refused}");
        }
        assert!(judge(Vec::new(), &Removed::default()).is_ok());
    }

    #[test]
    fn a_removed_wall_excuses_only_what_it_would_have_held() {
        let removed = Removed::from_names(&["landlock"]);
        assert!(judge(vec![escape(&attacks::CANARIES)], &removed).is_ok());
        let refused = judge(vec![escape(&attacks::CANARIES), escape(&attacks::DESCRIPTORS)], &removed);
        assert!(matches!(refused, Err(StartError::Escaped { attack, .. }) if attack == "descriptors"));
    }

    #[test]
    fn the_engines_limits_leave_room_for_the_test() {
        let mut own = Policy::default();
        own.limits = Limits {
            max_code_length: 5,
            code_timeout: Duration::from_millis(1),
            result_bytes: ByteSize(1),
            ..own.limits
        };
        let program = Program::first(&[]);
        let limits = policy(&own, &program).limits;
        assert!(limits.max_code_length >= program.code.len() as u64 && limits.code_timeout == PATIENCE);
        assert_eq!((limits.result_bytes, limits.memory_limit), (verdicts::MOST_BYTES, own.limits.memory_limit));
        assert_eq!(policy(&Policy::default(), &program).limits.code_timeout, Limits::default().code_timeout);
    }
}
