//! Listed commands: each name to its real file and everything that file needs.

use std::{
    collections::BTreeSet,
    fs,
    io::Read,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use codemode_types::nearest;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Interpreter, tree::Tree};

/// One listed command.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CommandPlan {
    pub name: String,
    /// Real files that may be read and executed: the command, a script's interpreter, companions.
    pub executables: Vec<PathBuf>,
    /// Folders that the command reads.
    pub data: Vec<PathBuf>,
}

#[derive(Debug, Error)]
pub enum CommandError {
    #[error("execution.allowed_commands: `{name}` is not installed in {}{}", folders(), hint(.near))]
    NotFound { name: String, near: Option<String> },
    #[error(
        "execution.allowed_commands: `{name}` is {target}, one program for many commands: allowing it would allow \
         them all; install the single program"
    )]
    MultiCall { name: String, target: PathBuf },
}

/// Where commands are looked for: the PATH inside is made of the same.
const FOLDERS: [&str; 6] = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin"];

fn folders() -> String {
    FOLDERS[..3].join(", ")
}

fn hint(near: &Option<String>) -> String {
    near.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

/// Programs that are a different command under each of their names.
const MULTI_CALL: [&str; 4] = ["busybox", "toybox", "coreutils", "uutils"];

/// What a command needs besides its own file and libraries.
struct Companions {
    name: &'static str,
    executables: &'static [&'static str],
    data: &'static [&'static str],
}

const COMPANIONS: [Companions; 4] = [
    // git runs its own helpers from here
    Companions { name: "git", executables: &["/usr/lib/git-core"], data: &["/usr/share/git-core"] },
    // perl's modules
    Companions {
        name: "perl",
        executables: &[],
        data: &["/usr/share/perl", "/usr/share/perl5", "/usr/lib/x86_64-linux-gnu/perl-base"],
    },
    // file's table of magic numbers
    Companions {
        name: "file",
        executables: &[],
        data: &["/usr/share/misc", "/usr/share/file", "/usr/lib/file", "/etc/magic"],
    },
    // iconv's tables of character sets
    Companions {
        name: "iconv",
        executables: &[],
        data: &["/usr/lib/x86_64-linux-gnu/gconv", "/usr/lib/aarch64-linux-gnu/gconv"],
    },
];

pub(super) fn resolve(
    names: &[String],
    interpreter: &Interpreter,
    tree: &mut Tree,
) -> Result<Vec<CommandPlan>, CommandError> {
    let unique: BTreeSet<&String> = names.iter().collect();
    unique.into_iter().map(|name| resolve_one(name, interpreter, tree)).collect()
}

fn resolve_one(name: &str, interpreter: &Interpreter, tree: &mut Tree) -> Result<CommandPlan, CommandError> {
    let path = find(name, interpreter).ok_or_else(|| not_found(name))?;
    let real = path.canonicalize().map_err(|_| not_found(name))?;
    let own_name = file_name(&real).unwrap_or_default();
    if MULTI_CALL.contains(&own_name.as_str()) && own_name != name {
        return Err(CommandError::MultiCall { name: name.into(), target: real });
    }
    let mut plan = CommandPlan { name: name.into(), executables: Vec::new(), data: Vec::new() };
    add_program(&path, &mut plan, tree);
    if real == interpreter.executable {
        interpreter.add_command(tree);
    }
    tree.add_link(&Path::new("/usr/bin").join(name), &real);
    let programs = plan.executables.iter().filter_map(|path| file_name(path));
    let names: Vec<String> = programs.chain([name.to_owned()]).collect();
    for companions in COMPANIONS.iter().filter(|companions| names.iter().any(|name| name == companions.name)) {
        plan.executables.extend(companions.executables.iter().filter_map(|path| tree.add_folder(Path::new(path))));
        for path in companions.data {
            plan.data.extend(tree.add_folder(Path::new(path)).or_else(|| tree.add_file(Path::new(path))));
        }
    }
    Ok(plan)
}

fn file_name(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_string_lossy().into_owned())
}

/// The guest's own interpreter is what `python` means, whatever else PATH holds.
fn find(name: &str, interpreter: &Interpreter) -> Option<PathBuf> {
    let (major, minor, _) = interpreter.version;
    if [String::from("python"), format!("python{major}"), format!("python{major}.{minor}")]
        .iter()
        .any(|own| own == name)
    {
        return Some(interpreter.executable.clone());
    }
    FOLDERS.iter().map(|folder| Path::new(folder).join(name)).find(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// The file, its libraries and, for a script, the interpreter that its first line names.
fn add_program(path: &Path, plan: &mut CommandPlan, tree: &mut Tree) {
    let Some(real) = tree.add_file(path) else { return };
    tree.add_needs_of(&real);
    if plan.executables.contains(&real) {
        return;
    }
    plan.executables.push(real.clone());
    if let Some(interpreter) = script_interpreter(&real) {
        add_program(&interpreter, plan, tree);
    }
}

fn script_interpreter(path: &Path) -> Option<PathBuf> {
    let mut head = [0; 256];
    let length = fs::File::open(path).ok()?.read(&mut head).ok()?;
    let line = head[..length].split(|byte| *byte == b'\n').next()?;
    let words = std::str::from_utf8(line.strip_prefix(b"#!")?).ok()?;
    words.split_whitespace().next().map(PathBuf::from)
}

fn not_found(name: &str) -> CommandError {
    let installed: Vec<String> = FOLDERS[..3]
        .iter()
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    CommandError::NotFound {
        name: name.into(),
        near: nearest(name, installed.iter().map(String::as_str)).map(str::to_owned),
    }
}
