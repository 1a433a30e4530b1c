//! Files in tier container: what the executor and everything below it may change or execute. Reading stays open, since
//! an interpreter reads all over the place; what of it the code may read is its sandbox's wall.

use std::{
    fs,
    path::{Path, PathBuf},
};

use landlock::{
    AccessFs, BitFlags, PathBeneath, PathFd, PathFdError, RulesetCreated, RulesetCreatedAttr, RulesetError,
};
use rustix::io::Errno;

use super::landlock::refused;
use crate::{
    container::{OUTPUTS, SANDBOX, SHARED_MEMORY, TEMPORARY, possession::real_outputs},
    plan::SandboxPlan,
};

/// What differs between configurations.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// The host's folder for files of `/outputs`, as the policy names it.
    pub outputs: Option<PathBuf>,
    pub audit_log: Option<PathBuf>,
    /// Where it listens.
    pub socket: Option<PathBuf>,
    /// Files, and folders of files, that may be executed.
    pub programs: Vec<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum RuleError {
    #[error("{0}")]
    Ruleset(#[from] RulesetError),
    #[error("{0}")]
    Path(#[from] PathFdError),
}

type Access = BitFlags<AccessFs>;

/// ABI 3, below which there is no sandbox either.
pub(super) fn handled() -> Access {
    own() | AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::Execute
}

/// In a folder that is the executor's or a sandbox's: anything but devices and programs.
fn own() -> Access {
    links()
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::MakeSock
        | AccessFs::MakeFifo
        | AccessFs::Refer
}

/// Pointing a name elsewhere.
fn links() -> Access {
    AccessFs::MakeSym | AccessFs::RemoveFile | AccessFs::RemoveDir
}

/// Where it is always the same. A path that this container lacks needs no rule.
fn fixed() -> [(&'static str, Access); 12] {
    let device = AccessFs::WriteFile.into();
    [
        (SANDBOX, own()),
        (TEMPORARY, own()),
        (SHARED_MEMORY, own()),
        // The link at /outputs lies in the root folder, and a rule for a folder is one for all below it: names may be
        // removed and links made anywhere. What a link leads to still decides what is written or executed.
        ("/", links()),
        // Each sandbox writes its own oom_score_adj, a folder that has no name before it is made.
        ("/proc", device),
        ("/sys/fs/cgroup", AccessFs::WriteFile | AccessFs::MakeDir | AccessFs::RemoveDir),
        ("/dev/null", device),
        ("/dev/zero", device),
        ("/dev/full", device),
        ("/dev/random", device),
        ("/dev/urandom", device),
        ("/dev/tty", device),
    ]
}

impl Files {
    /// What the plan's sandboxes execute. The interpreter is a program like any other; its loader is one too.
    pub fn programs_of(plan: &SandboxPlan) -> Vec<PathBuf> {
        let commands = plan.commands.iter().flat_map(|command| &command.executables);
        [&plan.interpreter].into_iter().chain(&plan.loaders).chain(commands).cloned().collect()
    }

    pub(super) fn allow(&self, mut ruleset: RulesetCreated) -> Result<RulesetCreated, RuleError> {
        for (path, access) in fixed() {
            ruleset = add(ruleset, Path::new(path), access)?;
        }
        if let Some(folder) = &self.outputs {
            let real = if folder == Path::new(OUTPUTS) { real_outputs().ok() } else { None };
            ruleset = add(ruleset, real.as_ref().unwrap_or(folder), own())?;
        }
        if let Some(file) = &self.audit_log {
            // Put aside by others, made anew here; it may be a link.
            let real = file.canonicalize().unwrap_or_else(|_| file.clone());
            for folder in [file.parent(), real.parent()].into_iter().flatten() {
                ruleset = add(ruleset, folder, AccessFs::WriteFile | AccessFs::MakeReg)?;
            }
        }
        if let Some(folder) = self.socket.as_deref().and_then(Path::parent) {
            let folder = if folder == Path::new("") { Path::new(".") } else { folder };
            ruleset = add(ruleset, folder, AccessFs::MakeSock | AccessFs::RemoveFile)?;
        }
        for program in &self.programs {
            ruleset = add(ruleset, program, AccessFs::Execute.into())?;
        }
        Ok(ruleset)
    }

    pub(super) fn state(&self) -> String {
        format!("files change only in the sandboxes' and its own folders, {} programs start", self.programs.len())
    }
}

fn add(ruleset: RulesetCreated, path: &Path, access: Access) -> Result<RulesetCreated, RuleError> {
    let Ok(metadata) = path.metadata() else { return Ok(ruleset) };
    let of_a_file = AccessFs::WriteFile | AccessFs::Truncate | AccessFs::Execute;
    let access = if metadata.is_dir() { access } else { access & of_a_file };
    Ok(ruleset.add_rule(PathBeneath::new(PathFd::new(path)?, access))?)
}

/// Making a file where none may be made. The name is nobody's.
pub(super) fn holds() -> Result<(), String> {
    let path = Path::new("/usr/.codemode-written");
    let made = fs::OpenOptions::new().write(true).create_new(true).open(path);
    if made.is_ok() {
        let _ = fs::remove_file(path);
    }
    match made.err() {
        // A read-only root answers before Landlock does, and is as good here.
        Some(error) if error.kind() == std::io::ErrorKind::ReadOnlyFilesystem => Ok(()),
        error => refused("a file of its choice", error, Errno::ACCESS),
    }
}
