//! From a policy to the explicit list of what a sandbox contains. Reads the host, changes nothing.

mod commands;
mod elf;
mod interpreter;
mod tree;

use std::path::{Path, PathBuf};

use codemode_types::{NetworkMode, Policy};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{apply, sys};

pub use commands::CommandPlan;
pub use interpreter::Interpreter;
use tree::{Parts, Tree};

/// Everything a zygote needs to build its base root, and each cell to confine itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SandboxPlan {
    /// No real root: a user namespace gives the rights to build, and one user id is all there is.
    pub rootless: bool,
    /// The interpreter's own idea of the file to start.
    pub interpreter: PathBuf,
    /// Read-only parts of the host, each at the same path inside.
    pub binds: Vec<Bind>,
    /// Symbolic links, link → target.
    pub links: Vec<(PathBuf, PathBuf)>,
    /// Small files made for the sandbox.
    pub files: Vec<(PathBuf, String)>,
    /// Paths inside bound folders that are covered by something empty.
    pub masks: Vec<Mask>,
    /// The host folder at /workspace.
    pub workspace: Option<PathBuf>,
    pub commands: Vec<CommandPlan>,
    /// ELF interpreters: every listed command needs the right to execute its own.
    pub loaders: Vec<PathBuf>,
    /// What user code may read, besides its own folders.
    pub readable: Vec<PathBuf>,
    /// Whether code may connect to Unix sockets by path.
    pub allow_connect: bool,
    pub environment: Vec<(String, String)>,
    pub preload: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Bind {
    pub path: PathBuf,
    pub is_directory: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Mask {
    pub path: PathBuf,
    pub is_directory: bool,
}

#[derive(Debug, Error)]
pub enum PlanError {
    #[error("{0}")]
    Interpreter(#[from] interpreter::InterpreterError),
    #[error("{0}")]
    Command(#[from] commands::CommandError),
    #[error("filesystem.workspace.mount: {path}: {source}")]
    Workspace { path: PathBuf, source: std::io::Error },
    #[error("filesystem.workspace.mount: {0} is not a folder")]
    WorkspaceNotAFolder(PathBuf),
    #[error("network.mode: {0} is not available yet; only none is")]
    Network(NetworkMode),
}

impl SandboxPlan {
    /// `interpreter`: the CPython that will run the code, asked for its own folders.
    pub fn build(policy: &Policy, interpreter: &Path, rootless: bool) -> Result<Self, PlanError> {
        if policy.network.mode != NetworkMode::None {
            return Err(PlanError::Network(policy.network.mode));
        }
        let interpreter = Interpreter::ask(interpreter)?;
        let mut tree = Tree::default();
        tree.host_layout();
        let mut readable = interpreter.add_to(&mut tree);
        let commands = match policy.direct_execution() {
            true => commands::resolve(&policy.execution.allowed_commands, &interpreter, &mut tree)?,
            false => Vec::new(),
        };
        readable.extend(tree.libraries());
        readable.extend(tree.shared_data());
        let Parts { binds, links, masks, loaders } = tree.into_parts();
        Ok(Self {
            rootless,
            interpreter: interpreter.command,
            binds,
            links,
            masks,
            loaders,
            files: stub_files(),
            allow_connect: policy.isolation.allow_unix_sockets || !sees_host_sockets(policy),
            workspace: workspace(policy)?,
            commands,
            readable,
            environment: environment(policy),
            preload: policy.guest.preload.clone(),
        })
    }
}

/// A workspace may hold sockets of the host, which a read-only mount does not shut. Landlock does, from ABI 9 on.
fn sees_host_sockets(policy: &Policy) -> bool {
    policy.filesystem.workspace.mount.is_some() && sys::landlock_abi() < apply::LANDLOCK_JUDGES_SOCKETS
}

fn workspace(policy: &Policy) -> Result<Option<PathBuf>, PlanError> {
    let Some(path) = &policy.filesystem.workspace.mount else { return Ok(None) };
    let real = path.canonicalize().map_err(|source| PlanError::Workspace { path: path.clone(), source })?;
    match real.is_dir() {
        true => Ok(Some(real)),
        false => Err(PlanError::WorkspaceNotAFolder(path.clone())),
    }
}

/// A stub /etc: what libraries need to know that there is no network. Who the user is, each cell says for itself.
fn stub_files() -> Vec<(PathBuf, String)> {
    [
        ("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n"),
        ("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
        ("/etc/hostname", "sandbox\n"),
    ]
    .map(|(path, text)| (path.into(), text.to_owned()))
    .to_vec()
}

/// The whole environment of executed code.
fn environment(policy: &Policy) -> Vec<(String, String)> {
    let git: &[(&str, &str)] = match policy.execution.allowed_commands.iter().any(|command| command == "git") {
        // /workspace belongs to somebody else, which git takes for a trap.
        true => &[("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "safe.directory"), ("GIT_CONFIG_VALUE_0", "*")],
        false => &[],
    };
    let fixed = [
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("HOME", "/sandbox"),
        ("TMPDIR", "/tmp"),
        ("LANG", "C.UTF-8"),
        ("USER", "sandbox"),
        ("LOGNAME", "sandbox"),
        // One thread per library pool: the fork of a zygote has one, and cores are limited anyway.
        ("OPENBLAS_NUM_THREADS", "1"),
        ("MPLBACKEND", "Agg"),
        ("MPLCONFIGDIR", "/tmp"),
    ];
    fixed.iter().chain(git).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
