//! All environments of an engine: its own, which is always there, and those of `guest.environments`, which are started
//! when they are first asked for and kept while memory allows.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use codemode_types::{ByteSize, ErrorCode, Rejection};
use tokio::sync::Mutex as AsyncMutex;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Engine, EnvironmentInfo, StartError,
    environment::{Blueprint, Environment},
    escape::escaped,
    pool::Pool,
    self_test,
};

#[derive(Debug)]
pub(crate) struct Environments {
    own: Arc<Environment>,
    named: BTreeMap<String, Named>,
    info: Arc<[EnvironmentInfo]>,
    /// For all of `named` together.
    memory: ByteSize,
    closed: CancellationToken,
    /// Starting and ending.
    tasks: TaskTracker,
}

#[derive(Debug)]
struct Named {
    blueprint: Blueprint,
    /// Held while it is being started: once for all who wait.
    starting: AsyncMutex<()>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// While it runs.
    environment: Option<Arc<Environment>>,
    visits: usize,
    /// When the last visit was over.
    used: Instant,
}

impl Named {
    fn new(blueprint: Blueprint) -> Self {
        let state = State { environment: None, visits: 0, used: Instant::now() };
        Self { blueprint, starting: AsyncMutex::default(), state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The use of an environment, which stays as long.
#[derive(Debug)]
pub(crate) struct Visit {
    environment: Arc<Environment>,
    _stay: Option<Stay>,
}

#[derive(Debug)]
struct Stay {
    environments: Arc<Environments>,
    name: String,
}

impl Visit {
    /// Of one that is not listed, or always there.
    pub(crate) fn of(environment: Arc<Environment>) -> Self {
        Self { environment, _stay: None }
    }

    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.environment.pool
    }
}

impl Stay {
    fn begin(environments: &Arc<Environments>, name: &str) -> Option<Self> {
        environments.named.get(name)?.lock().visits += 1;
        Some(Self { environments: Arc::clone(environments), name: name.to_owned() })
    }

    fn environment(&self) -> Option<Arc<Environment>> {
        self.environments.named.get(&self.name)?.lock().environment.clone()
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        if let Some(named) = self.environments.named.get(&self.name) {
            let mut state = named.lock();
            state.visits -= 1;
            state.used = Instant::now();
        }
        self.environments.keep_within_memory();
    }
}

/// Why an environment is not there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EnterError {
    /// Refused before, see [`Environments::check`].
    #[error("there is no environment `{0}`")]
    Unknown(String),
    #[error("the environment `{name}` does not start: {reason}")]
    Start { name: String, reason: Box<StartError> },
    #[error("this executor is stopping")]
    Stopping,
}

impl Environments {
    pub(crate) fn new(own: Arc<Environment>, named: Vec<(String, Blueprint)>, memory: ByteSize) -> Arc<Self> {
        let info = named.iter().map(|(name, blueprint)| blueprint.info(name)).collect();
        let named = named.into_iter().map(|(name, blueprint)| (name, Named::new(blueprint))).collect();
        let (closed, tasks) = (CancellationToken::new(), TaskTracker::new());
        Arc::new(Self { own, named, info, memory, closed, tasks })
    }

    pub(crate) fn own(&self) -> &Arc<Environment> {
        &self.own
    }

    /// Those that have a name.
    pub(crate) fn info(&self) -> Arc<[EnvironmentInfo]> {
        Arc::clone(&self.info)
    }

    /// Whether there is one of this name.
    pub(crate) fn check(&self, name: Option<&str>) -> Result<(), Rejection> {
        let Some(name) = name.filter(|name| !self.named.contains_key(*name)) else { return Ok(()) };
        let known: Vec<_> = self.named.keys().map(String::as_str).collect();
        let known = match known.is_empty() {
            true => "this executor has none (guest.environments)".to_owned(),
            false => format!("this executor has: {} (guest.environments)", known.join(", ")),
        };
        let message = format!("there is no environment `{}`; {known}; nothing ran", escaped(name));
        Err(Rejection::new(ErrorCode::Policy, message))
    }

    /// Starts it where it is not running. `None`: the engine's own.
    pub(crate) async fn enter(self: &Arc<Self>, engine: Engine, name: Option<&str>) -> Result<Visit, EnterError> {
        let Some(name) = name else { return Ok(Visit::of(Arc::clone(&self.own))) };
        let stay = Stay::begin(self, name).ok_or_else(|| EnterError::Unknown(escaped(name)))?;
        if let Some(environment) = stay.environment() {
            return Ok(Visit { environment, _stay: Some(stay) });
        }
        // Whoever asked may leave: the next one finds it started.
        let started = self.tasks.spawn(started(stay, engine)).await;
        started.unwrap_or(Err(EnterError::Stopping))
    }

    /// Ends every environment.
    pub(crate) async fn end(&self) {
        self.closed.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        for named in self.named.values() {
            let environment = named.lock().environment.take();
            if let Some(environment) = environment {
                environment.end().await;
            }
        }
        self.own.end().await;
    }

    /// Ends what nobody uses until the rest fits, beginning with what was unused for the longest.
    fn keep_within_memory(&self) {
        while let Some((name, environment)) = self.too_much() {
            tracing::info!(environment = name, "ends: others need its memory (pool.environments_memory)");
            self.tasks.spawn(async move { environment.end().await });
        }
    }

    fn too_much(&self) -> Option<(&str, Arc<Environment>)> {
        let mut states: Vec<_> = self.named.iter().map(|(name, named)| (name, named.lock())).collect();
        let running = states.iter().filter_map(|(_, state)| state.environment.as_ref());
        let held: u64 = running.map(|environment| environment.memory_bytes()).sum();
        let idle = states.iter_mut().filter(|(_, state)| state.visits == 0 && state.environment.is_some());
        let (name, state) = idle.min_by_key(|(_, state)| state.used).filter(|_| held > self.memory.bytes())?;
        Some((name.as_str(), state.environment.take()?))
    }
}

/// Runs the self-test before anything else runs there.
async fn started(stay: Stay, engine: Engine) -> Result<Visit, EnterError> {
    let environments = Arc::clone(&stay.environments);
    let Some(named) = environments.named.get(&stay.name) else { return Err(EnterError::Stopping) };
    let starting = named.starting.lock().await;
    let environment = match stay.environment() {
        Some(environment) => environment,
        None => {
            let began = Instant::now();
            let tested = async {
                let environment = Environment::start(&named.blueprint).await?;
                self_test::run(&engine, &environment, &[]).await.map(|()| environment)
            };
            let environment = tokio::select! {
                () = environments.closed.cancelled() => return Err(EnterError::Stopping),
                tested = tested => tested.map_err(|reason| EnterError::Start { name: stay.name.clone(), reason: Box::new(reason) })?,
            };
            let memory = ByteSize(environment.memory_bytes());
            tracing::info!(environment = stay.name, took = ?began.elapsed(), %memory, "an environment is started");
            named.lock().environment = Some(Arc::clone(&environment));
            environments.keep_within_memory();
            environment
        }
    };
    drop(starting);
    Ok(Visit { environment, _stay: Some(stay) })
}
