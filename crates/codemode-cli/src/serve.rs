//! `codemode serve`: load or exit 64, build or exit 69, log addresses, run until a signal, drain.

use std::{path::PathBuf, process::ExitCode};

use codemode_engine::{Engine, EngineConfig};
use codemode_server::{
    Audit, Ending, Signals,
    config::{Arguments, ServerConfig, Sources},
};

use crate::{
    args::ServeArgs,
    environment,
    exit::Failure,
    guest,
    harden::{self, Doors},
    log,
};

pub(crate) fn serve(args: ServeArgs) -> Result<ExitCode, Failure> {
    let arguments = Arguments { host: args.host, port: args.port, listen: args.listen, log_level: args.log_level };
    let sources = Sources { file: args.config, environment: environment::variables(), arguments };
    let config = ServerConfig::load(&sources).map_err(Failure::configuration)?;
    log::start(config.log_level.as_str(), &sources.environment)?;
    harden::warn_of_preloads(&sources.environment);
    let embedding = environment::embedding(&sources.environment);
    // Before the runtime: what a thread gives up, only the threads that it starts give up as well.
    let interpreter = harden::executor(&config.policy, embedding.as_deref(), Doors::of(&config))?;
    runtime()?.block_on(until_stopped(config, interpreter))
}

async fn until_stopped(config: ServerConfig, interpreter: PathBuf) -> Result<ExitCode, Failure> {
    let mut signals = Signals::new().map_err(Failure::unavailable)?;
    // First, so that a port in use is known before sandboxes are made.
    let listener = codemode_server::bind(&config.listen, &config.api_keys).await.map_err(Failure::unavailable)?;
    let audit = Audit::open(config.audit.as_ref()).map_err(Failure::configuration)?;
    let guest_library = guest::library().map_err(Failure::unavailable)?;
    let engine = EngineConfig { policy: config.policy, interpreter, guest_library };
    let engine = tokio::select! {
        engine = Engine::start(engine) => engine.map_err(Failure::start)?,
        () = signals.next() => return Ok(ExitCode::SUCCESS),
    };
    announce(&engine);
    let running = codemode_server::start(engine, &config.api_keys, vec![listener], audit).await;
    for address in running.addresses() {
        tracing::info!(%address, api_key = !config.api_keys.is_empty(), "serving");
    }
    if !config.api_keys.is_empty() && !running.addresses().iter().all(|address| private(address)) {
        tracing::warn!("keys and code cross the network unencrypted: there is no TLS yet");
    }
    match codemode_server::run(running, signals, config.drain_timeout).await {
        Ending::Drained => tracing::info!("stopped"),
        Ending::Cut => tracing::warn!("stopped at once; what ran was killed"),
    }
    Ok(ExitCode::SUCCESS)
}

fn announce(engine: &Engine) {
    let info = engine.info();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        tier = %info.isolation.tier,
        layers = info.isolation.layers.join("; "),
        substitutes = info.isolation.substitutes.join("; "),
        python = info.python,
        max_concurrent_executions = info.max_concurrent_executions,
        "engine ready"
    );
}

fn private(address: &str) -> bool {
    let ip = address.parse::<std::net::SocketAddr>().map(|address| address.ip().is_loopback());
    ip.unwrap_or_else(|_| address.starts_with("unix:"))
}

/// One thread: measured faster than several for this daemon's I/O, and the sandboxes are processes anyway.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::unavailable)
}
