use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{ErrorKind, Read, Write},
    os::{
        fd::OwnedFd,
        unix::{fs::PermissionsExt, net::UnixStream, process::CommandExt},
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use codemode_types::ErrorCode;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{EmbeddedOptions, Location, child::Child};
use crate::{ClientError, request::fill_random};

/// The executor tests its own walls before it says that it is ready.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// An answer is one line; anything longer is not one.
const MAX_ANSWER: usize = 1 << 20;
/// `sun_path` holds 107 bytes, of which `/s` are two.
const MAX_FOLDER: usize = 105;
/// What an executor may know of our environment. Nothing of it reaches a sandbox.
const KEPT: [&str; 6] = ["PATH", "LANG", "TMPDIR", "HOME", "CODEMODE_LOG", "NO_COLOR"];

/// Starts an executor and waits until it is ready.
pub(super) fn launch(options: &EmbeddedOptions) -> Result<(Child, Location), ClientError> {
    let folder = folder().map_err(|error| ClientError::embedded(format!("no folder for its socket: {error}")))?;
    let location = Location { socket: text(&folder.path().join("s"))?, key: random_key()? };
    let request = request(options, &location)?;
    let mut child = spawn(options, folder)?;
    let answer = ask(&mut child, &request)?;
    verdict(&answer)?;
    Ok((child, location))
}

/// Private by its mode, and short enough for a socket in it.
fn folder() -> std::io::Result<TempDir> {
    let make = |parent: PathBuf| {
        let private = std::fs::Permissions::from_mode(0o700);
        tempfile::Builder::new().prefix("codemode-").permissions(private).tempdir_in(parent)
    };
    let folder = make(std::env::temp_dir())?;
    let fits = folder.path().as_os_str().len() <= MAX_FOLDER && folder.path().to_str().is_some();
    if fits { Ok(folder) } else { make("/tmp".into()) }
}

fn random_key() -> Result<String, ClientError> {
    let mut bytes = [0; 32];
    fill_random(&mut bytes)?;
    Ok(bytes.iter().fold(String::new(), |mut key, byte| {
        // Writing to a String does not fail.
        let _ = write!(key, "{byte:02x}");
        key
    }))
}

fn request(options: &EmbeddedOptions, location: &Location) -> Result<Vec<u8>, ClientError> {
    let path = |path: &Option<PathBuf>| path.as_deref().map(text).transpose();
    let request = json!({
        "socket": location.socket,
        "api_key": location.key,
        "policy": options.policy,
        "policy_path": path(&options.policy_path)?,
        "base_dir": path(&options.base_dir)?,
        "interpreter": path(&options.interpreter)?,
        "environment": options.policy_path.as_deref().map(named_variables).unwrap_or_default(),
    });
    Ok(format!("{request}\n").into_bytes())
}

/// The variables that a policy file names as `${NAME}`: the executor's own environment lacks them, and no others are
/// its business.
fn named_variables(file: &Path) -> BTreeMap<String, String> {
    // A file that cannot be read is the executor's to refuse.
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let is_name = |letter: &char| letter.is_ascii_alphanumeric() || *letter == '_';
    let names = text.split("${").skip(1).map(|rest| rest.chars().take_while(is_name).collect::<String>());
    names.filter_map(|name| std::env::var(&name).ok().map(|value| (name, value))).collect()
}

fn spawn(options: &EmbeddedOptions, folder: TempDir) -> Result<Child, ClientError> {
    let executable = &options.executable;
    let failed = |error| ClientError::embedded(format!("cannot run {}: {error}", executable.display()));
    // Both ends are CLOEXEC in us, so that no other child of ours keeps the executor alive.
    let (lifeline, theirs) = UnixStream::pair().map_err(failed)?;
    let process = Command::new(executable)
        .args(["serve", "--embedded"])
        .env_clear()
        .envs(KEPT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        // Ctrl-C in our terminal is ours to handle; the executor ends when we do.
        .process_group(0)
        .spawn()
        .map_err(failed)?;
    Ok(Child { process, lifeline, _folder: folder })
}

fn ask(child: &mut Child, request: &[u8]) -> Result<Vec<u8>, ClientError> {
    let mut line = Vec::new();
    match converse(&mut child.lifeline, request, &mut line) {
        Ok(()) if line.ends_with(b"\n") => Ok(line),
        // It hung up, or broke the pipe: its exit says more.
        Ok(()) => Err(ended_early(child)),
        Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
            Err(ended_early(child))
        }
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            let seconds = START_PATIENCE.as_secs();
            Err(ClientError::embedded(format!("it was not ready after {seconds} s; its messages are on stderr")))
        }
        Err(error) => Err(ClientError::embedded(format!("cannot talk to it: {error}"))),
    }
}

/// Writes the request and reads one line, or what there is before the end.
fn converse(lifeline: &mut UnixStream, request: &[u8], line: &mut Vec<u8>) -> std::io::Result<()> {
    let deadline = Instant::now() + START_PATIENCE;
    lifeline.set_write_timeout(Some(START_PATIENCE))?;
    lifeline.write_all(request)?;
    let mut buffer = [0; 4096];
    while !line.ends_with(b"\n") && line.len() < MAX_ANSWER {
        let left = deadline.saturating_duration_since(Instant::now());
        // A zero timeout would mean none at all.
        lifeline.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        match lifeline.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => line.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn ended_early(child: &mut Child) -> ClientError {
    let how = child.wait(Duration::from_secs(1)).map(|status| format!(" ({status})")).unwrap_or_default();
    ClientError::embedded(format!("it ended before it was ready{how}; its messages are on stderr"))
}

/// `{"ok": true}` or `{"ok": false, "code": …, "message": …}`.
fn verdict(answer: &[u8]) -> Result<(), ClientError> {
    let answer: Value = serde_json::from_slice(answer)
        .map_err(|error| ClientError::embedded(format!("its answer cannot be read: {error}")))?;
    if answer["ok"] == true {
        return Ok(());
    }
    let text = |key: &str| answer[key].as_str().unwrap_or_default().to_string();
    let (code, message) = (text("code"), text("message"));
    // A policy that cannot be read is the caller's to mend and no failure to start.
    match code.as_str() {
        "policy" | "config" => Err(ClientError::Config { code: ErrorCode::Policy, message }),
        _ => Err(ClientError::Embedded { code, detail: message }),
    }
}

fn text(path: &Path) -> Result<String, ClientError> {
    path.to_str()
        .map(String::from)
        .ok_or_else(|| ClientError::config(format!("the path {} is not UTF-8", path.display())))
}

#[cfg(test)]
mod tests;
