//! `codemode serve --embedded`: a private executor for the process that started it.
//!
//! Standard input is a Unix stream socket to the parent. It carries one line of JSON each way and then nothing; its end
//! is the parent's end, however that came about.

use std::{
    collections::BTreeMap,
    fs::{self, Metadata},
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::{ffi::OsStrExt, fs::MetadataExt, net::UnixStream},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use codemode_engine::{Engine, EngineConfig};
use codemode_server::{
    ApiKeys, Audit,
    config::{EmbeddedConfig, ListenAddress, PolicySource},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    io::AsyncReadExt,
    signal::unix::{SignalKind, signal},
};

use crate::{
    environment,
    exit::{Failure, USAGE},
    guest,
    harden::{self, Doors},
    log,
    serve::executors_runtime,
};

/// A policy is far smaller.
const MAX_REQUEST: u64 = 4 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    socket: PathBuf,
    api_key: String,
    policy: Option<Value>,
    policy_path: Option<PathBuf>,
    /// Where the relative paths of `policy` begin; absolute.
    base_dir: Option<PathBuf>,
    interpreter: Option<PathBuf>,
    /// For `${VAR}` in the file at `policy_path`; this process's own environment is bare.
    #[serde(default)]
    environment: BTreeMap<String, String>,
}

pub(crate) fn serve() -> Result<ExitCode, Failure> {
    let mut parent = parent().map_err(|error| {
        Failure::usage(format!(
            "serve --embedded is for client libraries, with a Unix socket as standard input: {error}"
        ))
    })?;
    let served = request(&mut parent).and_then(|request| {
        let _folder = SocketFolder::of(&request.socket);
        log::start("warn", &environment::variables())?;
        let config = config(&request)?;
        let listen = ListenAddress::Unix(request.socket.clone());
        let doors = Doors { listen: Some(&listen), dials: None, audit: config.audit.as_ref() };
        let interpreter = harden::executor(&config.policy, request.interpreter.as_deref(), doors)?;
        executors_runtime()?.block_on(serve_parent(request, config, interpreter, &parent))
    });
    if let Err(failure) = &served {
        let code = if failure.exit == USAGE { "policy" } else { "embedded_start" };
        answer(&parent, &json!({"ok": false, "code": code, "message": failure.message}));
        return Ok(ExitCode::from(failure.exit));
    }
    served
}

/// Takes the socket off standard input, so that no child of ours can hold it open.
fn parent() -> io::Result<UnixStream> {
    let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    if rustix::net::sockopt::socket_domain(&socket)? != rustix::net::AddressFamily::UNIX {
        return Err(io::Error::other("standard input is not a Unix socket"));
    }
    rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?;
    Ok(UnixStream::from(socket))
}

fn request(parent: &mut UnixStream) -> Result<Request, Failure> {
    let mut line = Vec::new();
    let mut reader = BufReader::new(&mut *parent).take(MAX_REQUEST);
    reader.read_until(b'\n', &mut line).map_err(Failure::unavailable)?;
    if !line.ends_with(b"\n") {
        return Err(Failure::unavailable("the request ended before its line did, or is too long"));
    }
    serde_json::from_slice(&line).map_err(|error| Failure::unavailable(format!("the request is malformed: {error}")))
}

fn config(request: &Request) -> Result<EmbeddedConfig, Failure> {
    let source = match (&request.policy, &request.policy_path) {
        (Some(_), Some(_)) => return Err(Failure::usage("policy and policy_path are both given; keep one")),
        (Some(policy), None) => {
            let base = request.base_dir.clone().map_or_else(std::env::current_dir, Ok).map_err(Failure::unavailable)?;
            PolicySource::Value(policy.clone(), base)
        }
        (None, Some(path)) => PolicySource::File(match &request.base_dir {
            Some(base) => base.join(path),
            None => path.clone(),
        }),
        (None, None) => PolicySource::Default,
    };
    let mut variables = environment::variables();
    variables.extend(request.environment.clone());
    EmbeddedConfig::load(source, &variables).map_err(Failure::usage)
}

async fn serve_parent(
    request: Request,
    config: EmbeddedConfig,
    interpreter: PathBuf,
    parent: &UnixStream,
) -> Result<ExitCode, Failure> {
    let EmbeddedConfig { mut policy, audit } = config;
    let mut alive = Alive::new(parent).map_err(Failure::unavailable)?;
    let keys = ApiKeys::new(&[&request.api_key]);
    if request.api_key.is_empty() {
        return Err(Failure::unavailable("the request's api_key is empty"));
    }
    let address = ListenAddress::Unix(request.socket);
    let listener = codemode_server::bind(&address, &keys).await.map_err(Failure::unavailable)?;
    let audit = Audit::open(audit.as_ref()).map_err(Failure::usage)?;
    let guest_library = guest::library().map_err(Failure::unavailable)?;
    guest::find_environments(&mut policy).map_err(Failure::unavailable)?;
    let starting = Engine::start(EngineConfig { policy, interpreter, guest_library });
    let engine = tokio::select! {
        engine = starting => engine.map_err(Failure::start)?,
        () = alive.ended() => return Ok(ExitCode::SUCCESS),
    };
    let running = codemode_server::start(engine, &keys, vec![listener], audit).await;
    answer(parent, &json!({"ok": true}));
    alive.ended().await;
    // Nobody is left to wait for what runs.
    running.drain(Duration::ZERO).await;
    Ok(ExitCode::SUCCESS)
}

/// The private folder that the parent made for the socket. It may not live to remove it, so we do: after the socket,
/// and only where nothing else is in it.
struct SocketFolder(Option<PathBuf>);

impl SocketFolder {
    /// Only what a client library makes: nobody else's folder goes because a socket was in it.
    fn of(socket: &Path) -> Self {
        let folder = socket.parent().filter(|folder| {
            let named = folder.file_name().is_some_and(|name| name.as_bytes().starts_with(b"codemode-"));
            named && folder.symlink_metadata().is_ok_and(|metadata| private(&metadata))
        });
        Self(folder.map(Path::to_owned))
    }
}

fn private(metadata: &Metadata) -> bool {
    metadata.is_dir() && metadata.uid() == rustix::process::geteuid().as_raw() && metadata.mode() & 0o077 == 0
}

impl Drop for SocketFolder {
    fn drop(&mut self) {
        if let Some(folder) = &self.0
            && let Err(error) = fs::remove_dir(folder)
        {
            tracing::debug!(%error, folder = %folder.display(), "the socket's folder stays");
        }
    }
}

/// The parent's end of the socket, and signals for whoever finds this process alone.
struct Alive {
    parent: tokio::net::UnixStream,
    terminate: tokio::signal::unix::Signal,
}

impl Alive {
    fn new(parent: &UnixStream) -> io::Result<Self> {
        let parent = parent.try_clone()?;
        parent.set_nonblocking(true)?;
        let parent = tokio::net::UnixStream::from_std(parent)?;
        Ok(Self { parent, terminate: signal(SignalKind::terminate())? })
    }

    async fn ended(&mut self) {
        tokio::select! {
            () = silent_until_end(&mut self.parent) => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Nothing is said after the request; whatever comes is read away, so that only the end ends the wait.
async fn silent_until_end(parent: &mut tokio::net::UnixStream) {
    let mut ignored = [0; 64];
    while matches!(parent.read(&mut ignored).await, Ok(count) if count > 0) {}
}

/// One line. A parent that is gone meanwhile is noticed at the next read.
fn answer(mut parent: &UnixStream, answer: &Value) {
    if let Err(error) = parent.write_all(format!("{answer}\n").as_bytes()) {
        tracing::debug!(%error, "the parent did not take the answer");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Request, Failure> {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(line.as_bytes()).unwrap();
        drop(theirs);
        request(&mut ours)
    }

    #[test]
    fn a_request_is_one_whole_line() {
        let line = r#"{"socket": "/s", "api_key": "k", "policy": {"limits": {"code_timeout": 2}}, "policy_path": null,
            "base_dir": "/b", "interpreter": null}"#
            .replace('\n', " ");
        let request = read(&format!("{line}\n")).unwrap();
        assert_eq!(config(&request).unwrap().policy.limits.code_timeout, Duration::from_secs(2));
        assert!(read(&line).is_err_and(|failure| failure.exit == crate::exit::UNAVAILABLE));
        assert!(read("{}\n").is_err_and(|failure| failure.message.contains("missing field `socket`")));
    }

    #[test]
    fn a_wrong_policy_is_the_callers_to_mend() {
        let request = read("{\"socket\": \"/s\", \"api_key\": \"k\", \"policy\": {\"limts\": {}}}\n").unwrap();
        let failure = config(&request).unwrap_err();
        assert_eq!(failure.exit, USAGE);
        assert_eq!(failure.message, "limts: unknown key; did you mean `limits`?");
    }
}
