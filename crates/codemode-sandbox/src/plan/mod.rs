//! From a policy to the explicit list of what a sandbox contains. Reads the host, changes nothing.

mod closure;
mod commands;
mod container;
mod elf;
mod interpreter;
pub mod network;
mod refused;
mod tree;

use std::path::{Path, PathBuf};

use codemode_types::Policy;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{apply, execs, sys};

pub use commands::{CommandPlan, Companion};
pub use interpreter::Interpreter;
pub use network::NetworkPlan;
use tree::{Parts, Tree};

/// What the walls are built with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Means {
    /// Namespaces made as real root.
    Root,
    /// No real root: a user namespace gives the rights to build, and one user id is all there is.
    UserNamespace,
    /// No namespace at all: Landlock, seccomp and a user id per cell. See [`crate::container`].
    Container,
}

/// Everything a zygote needs to build its base root, and each cell to confine itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SandboxPlan {
    pub means: Means,
    /// The interpreter's own idea of the file to start.
    pub interpreter: PathBuf,
    /// Its version, such as `3.11.7`.
    pub python: String,
    /// What is installed for it, each as `name version`.
    pub packages: Vec<String>,
    /// Read-only parts of the host, each at the same path inside.
    pub binds: Vec<Bind>,
    /// Symbolic links, link → target.
    pub links: Vec<(PathBuf, PathBuf)>,
    /// Small files made for the sandbox.
    pub files: Vec<(PathBuf, String)>,
    /// Where commands that are not listed are looked for: an empty file that nobody may open.
    pub placeholders: Vec<PathBuf>,
    /// Paths inside bound folders that are covered by something empty.
    pub masks: Vec<Mask>,
    /// The host folder at /workspace.
    pub workspace: Option<PathBuf>,
    pub commands: Vec<CommandPlan>,
    /// ELF interpreters: every listed command needs the right to execute its own.
    pub loaders: Vec<PathBuf>,
    /// What user code may read, besides its own folders.
    pub readable: Vec<PathBuf>,
    /// Folders whose names it may read, though not all that they hold.
    pub listable: Vec<PathBuf>,
    /// Whether code may connect to Unix sockets by path.
    pub allow_connect: bool,
    /// Whether the daemon sees every start of a program, see [`crate::execs`].
    pub observe_exec: bool,
    pub network: NetworkPlan,
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
    #[error("guest.interpreter: {0}")]
    Interpreter(#[from] interpreter::InterpreterError),
    #[error("{0}")]
    Command(#[from] commands::CommandError),
    #[error("filesystem.workspace.mount: {path}: {source}")]
    Workspace { path: PathBuf, source: std::io::Error },
    #[error("filesystem.workspace.mount: {0} is not a folder")]
    WorkspaceNotAFolder(PathBuf),
    #[error("network.ca_file: {path}: {source}")]
    CaFile { path: PathBuf, source: std::io::Error },
    #[error("{0}")]
    Container(#[from] container::ContainerError),
}

impl SandboxPlan {
    /// Whether everything is built through a user namespace.
    pub const fn rootless(&self) -> bool {
        matches!(self.means, Means::UserNamespace)
    }

    /// `interpreter`: the CPython that will run the code, asked for its own folders.
    pub fn build(policy: &Policy, interpreter: &Path, means: Means) -> Result<Self, PlanError> {
        if means == Means::Container {
            container::check(policy)?;
        }
        let interpreter = Interpreter::ask(interpreter)?;
        let mut tree = Tree::default();
        tree.host_layout();
        let mut readable = interpreter.add_to(&mut tree);
        let mut commands = commands_of(policy, &interpreter, &mut tree)?;
        let network = NetworkPlan::of(&policy.network);
        let trust = network::trust(&policy.network, means)?;
        let mut environment = environment(policy, own_folder(&interpreter, &commands));
        environment.extend(trust.variables);
        readable.extend(trust.readable);
        readable.extend(tree.libraries());
        readable.extend(tree.shared_data());
        let placeholders = refused::placeholders(&tree);
        let Parts { binds, mut links, masks, loaders } = tree.into_parts();
        let etc = network::etc(&network);
        links.extend(etc.links);
        let listable = match means {
            // Nothing can be covered there, so what is to be covered is not allowed in the first place.
            Means::Container => {
                for command in &mut commands {
                    command.listable.extend(container::leave_out(&mut command.data, &masks));
                }
                container::leave_out(&mut readable, &masks)
            }
            Means::Root | Means::UserNamespace => Vec::new(),
        };
        Ok(Self {
            means,
            python: interpreter.version_text(),
            packages: interpreter.packages(),
            interpreter: interpreter.command,
            binds,
            links,
            placeholders,
            masks,
            loaders,
            files: stub_files().into_iter().chain(etc.files).chain(trust.file).collect(),
            network,
            observe_exec: execs::can_observe(means),
            allow_connect: policy.isolation.allow_unix_sockets || !sees_host_sockets(policy),
            workspace: workspace(policy)?,
            commands,
            readable,
            listable,
            environment,
            preload: policy.guest.preload.clone(),
        })
    }
}

/// The closure of each listed command, as every sandbox of this policy gets it.
pub fn listed_commands(policy: &Policy, interpreter: &Path) -> Result<Vec<CommandPlan>, PlanError> {
    let interpreter = Interpreter::ask(interpreter)?;
    commands_of(policy, &interpreter, &mut Tree::default())
}

fn commands_of(policy: &Policy, interpreter: &Interpreter, tree: &mut Tree) -> Result<Vec<CommandPlan>, PlanError> {
    match policy.direct_execution() {
        true => Ok(commands::resolve(&policy.execution.allowed_commands, interpreter, tree)?),
        false => Ok(Vec::new()),
    }
}

/// The folder of the guest's environment, where one of its commands is listed: a Python knows its environment by the
/// path that it is started by.
fn own_folder<'a>(interpreter: &'a Interpreter, commands: &[CommandPlan]) -> Option<&'a str> {
    let folder = interpreter.command.parent()?.to_str()?;
    let real = Path::new(folder).canonicalize().ok()?;
    let its_own = commands.iter().any(|it| it.file == interpreter.executable || it.file.parent() == Some(&real));
    (its_own && !PATH.split(':').any(|known| known == folder)).then_some(folder)
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

/// A stub /etc. Who the user is, each cell says for itself; what there is of a network, see [`network`].
fn stub_files() -> Vec<(PathBuf, String)> {
    vec![("/etc/hostname".into(), "sandbox\n".into())]
}

const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The whole environment of executed code. `first`: a folder ahead of all others on PATH.
fn environment(policy: &Policy, first: Option<&str>) -> Vec<(String, String)> {
    let path = first.map_or_else(|| PATH.to_owned(), |first| format!("{first}:{PATH}"));
    let git: &[(&str, &str)] = match policy.execution.allowed_commands.iter().any(|command| command == "git") {
        // /workspace belongs to somebody else, which git takes for a trap.
        true => &[("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "safe.directory"), ("GIT_CONFIG_VALUE_0", "*")],
        false => &[],
    };
    let fixed = [
        ("PATH", path.as_str()),
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
