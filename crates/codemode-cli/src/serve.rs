//! `codemode serve`: load or exit 64, build or exit 69, log addresses, run until a signal, drain.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use codemode_client::config::unknown_variables;
use codemode_engine::{Engine, EngineConfig};
use codemode_sandbox::sys;
use codemode_server::{
    ApiKeys, Audit, Callback, Encryption, Ending, Reception, Reloader, Signals, Tls,
    config::{Arguments, CallbackSettings, ListenAddress, ServerConfig, Sources},
};

use crate::{
    args::ServeArgs,
    environment,
    exit::Failure,
    guest,
    harden::{self, Doors},
    log,
};

/// Sixteen random bytes cannot be guessed; a shorter text surely holds fewer.
const LEAST_KEY_BYTES: usize = 16;
/// The shortest that Linux gives.
const SHORT_TURN: Duration = Duration::from_micros(100);

pub(crate) fn serve(args: ServeArgs) -> Result<ExitCode, Failure> {
    let arguments = Arguments {
        host: args.host,
        port: args.port,
        listen: args.listen,
        log_level: args.log_level,
        tls_cert: args.tls_cert,
        tls_key: args.tls_key,
        tls_client_ca: args.tls_client_ca,
        ..Arguments::default()
    };
    let dotenv = Some(environment::executors_dotenv(args.config.as_deref()));
    let environment = environment::variables();
    let sources = Sources { file: args.config, environment, dotenv, arguments };
    let mut config = ServerConfig::load(&sources).map_err(Failure::configuration)?;
    log::start(config.log_level.as_str(), &sources.environment)?;
    let tls = config.tls.take().map(Tls::load).transpose().map_err(Failure::configuration)?;
    warn_of_variables(&sources);
    let callback = config.callback.clone().map(Callback::load).transpose().map_err(Failure::configuration)?;
    harden::warn_of_preloads(&sources.environment);
    let embedding = environment::embedding(&sources.environment);
    // Before the runtime: what a thread gives up, only the threads that it starts give up as well.
    let interpreter = harden::executor(&config.policy, embedding.as_deref(), Doors::of(&config))?;
    executors_runtime()?.block_on(until_stopped(config, (tls, callback), interpreter))
}

async fn until_stopped(
    mut config: ServerConfig,
    (tls, callback): (Option<Tls>, Option<Callback>),
    interpreter: PathBuf,
) -> Result<ExitCode, Failure> {
    let mut signals = Signals::new().map_err(Failure::unavailable)?;
    let reloader = Reloader::new(&config.api_keys, config.key_source, tls.as_ref()).map_err(Failure::unavailable)?;
    let encryption = match tls {
        Some(tls) => Encryption::Tls(tls),
        None if config.tls_required => Encryption::Required,
        None => Encryption::Off,
    };
    let encrypted = matches!(encryption, Encryption::Tls(_));
    // First, so that a port in use is known before sandboxes are made.
    let listener = codemode_server::bind_with(&config.listen, &config.api_keys, encryption).await;
    let listener = listener.map_err(Failure::unavailable)?;
    let audit = Audit::open(config.audit.as_ref()).map_err(Failure::configuration)?;
    let guest_library = guest::library().map_err(Failure::unavailable)?;
    guest::find_environments(&mut config.policy).map_err(Failure::unavailable)?;
    let engine = EngineConfig { policy: config.policy, interpreter, guest_library };
    let engine = tokio::select! {
        engine = Engine::start(engine) => engine.map_err(Failure::start)?,
        () = signals.next() => return Ok(ExitCode::SUCCESS),
    };
    announce(&engine);
    let faces = (Reception::default(), callback);
    let running = codemode_server::start_with(engine, &config.api_keys, vec![listener], audit, faces).await;
    for address in running.addresses() {
        tracing::info!(%address, api_key = !config.api_keys.is_empty(), tls = encrypted, "serving");
    }
    if !running.addresses().iter().all(|address| private(address)) {
        warn_of(encrypted, &config.api_keys);
    }
    warn_of_callback(config.callback.as_ref());
    let ending = tokio::select! {
        ending = codemode_server::run(running, signals, config.drain_timeout) => ending,
        never = reloader.run() => match never {},
    };
    match ending {
        Ending::Drained => tracing::info!("stopped"),
        Ending::Cut => tracing::warn!("stopped at once; what ran was killed"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Those that were probably meant for it.
fn warn_of_variables(sources: &Sources) {
    let unknown = unknown_variables(&sources.environment, sources.dotenv.as_ref(), sources.file.as_deref());
    for variable in unknown.iter().filter(|variable| variable.meant.is_some()) {
        tracing::warn!("{}", variable.problem);
    }
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

/// Of what is weaker than a port for other machines should be.
fn warn_of(encrypted: bool, keys: &ApiKeys) {
    if !encrypted {
        tracing::warn!(
            "keys, code and results cross the network unencrypted: set tls.cert_file and tls.key_file, or let a proxy in front end TLS"
        );
    }
    if keys.shortest() < LEAST_KEY_BYTES {
        tracing::warn!(
            "an API key has fewer than {LEAST_KEY_BYTES} bytes and can be guessed: openssl rand -hex 32 makes one"
        );
    }
}

/// The application is shown the newest key.
fn warn_of_callback(callback: Option<&CallbackSettings>) {
    let Some(CallbackSettings { target: ListenAddress::Tcp { host, .. }, tls: None }) = callback else { return };
    let is_here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    if !is_here {
        tracing::warn!(
            host,
            "tool calls and the API key cross the network to main_app_grpc_target unencrypted: set callback_tls.ca_file"
        );
    }
}

fn private(address: &str) -> bool {
    let ip = address.parse::<std::net::SocketAddr>().map(|address| address.ip().is_loopback());
    ip.unwrap_or_else(|_| address.starts_with("unix:"))
}

/// In a thread that others wait for: code that has sent its answer still runs to its end, and the kernel likes to put the
/// executor behind it on the same processor, though another one idles.
pub(crate) fn executors_runtime() -> Result<tokio::runtime::Runtime, Failure> {
    if let Err(error) = sys::ask_for_turns_of(SHORT_TURN) {
        tracing::debug!(%error, "the kernel gives this executor no short turns: answers may wait for code that ends");
    }
    runtime()
}

/// One thread: measured faster than several for this daemon's I/O, and the sandboxes are processes anyway.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::unavailable)
}
