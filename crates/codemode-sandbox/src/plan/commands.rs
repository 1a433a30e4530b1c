//! Listed commands: each name to its real file and everything that file needs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Read,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use codemode_types::nearest;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    Interpreter,
    closure::{self, Kind, MULTI_CALL, Place},
    interpreter::InterpreterError,
    tree::Tree,
};

/// One listed command and its closure: all that the right to run it opens.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct CommandPlan {
    pub name: String,
    /// The file behind every link.
    pub file: PathBuf,
    /// Files, and folders of files, that may be read and executed: the command, a script's interpreter, companions.
    pub executables: Vec<PathBuf>,
    /// Files and folders that may be read.
    pub data: Vec<PathBuf>,
    /// Folders whose names may be listed.
    pub listable: Vec<PathBuf>,
    /// Those of the lists of executables and data that are not the command's own file.
    pub companions: Vec<Companion>,
    /// The ELF interpreter; a script has that of its own interpreter.
    pub loader: Option<PathBuf>,
    pub libraries: BTreeSet<PathBuf>,
    /// What listing it means, where that is more than its name says.
    pub meaning: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Companion {
    pub path: PathBuf,
    pub executable: bool,
    pub why: String,
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
    #[error("execution.allowed_commands: `{name}` is a script for {interpreter}, which cannot be used: {source}")]
    Script { name: String, interpreter: PathBuf, source: InterpreterError },
}

/// Where commands are looked for: the PATH inside is made of the same.
const FOLDERS: [&str; 6] = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin"];

fn folders() -> String {
    FOLDERS[..3].join(", ")
}

fn hint(near: &Option<String>) -> String {
    near.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

/// `interpreter`: the guest's own, which `python` and `pip` belong to.
pub(super) fn resolve(
    names: &[String],
    interpreter: &Interpreter,
    tree: &mut Tree,
) -> Result<Vec<CommandPlan>, CommandError> {
    let mut resolver = Resolver { interpreter, tree, modules: BTreeMap::new() };
    let unique: BTreeSet<&String> = names.iter().collect();
    unique.into_iter().map(|name| resolver.command(name)).collect()
}

struct Resolver<'a> {
    interpreter: &'a Interpreter,
    tree: &'a mut Tree,
    /// Where the modules of a script's Python are, by the path that the script names.
    modules: BTreeMap<PathBuf, Vec<PathBuf>>,
}

impl Resolver<'_> {
    fn command(&mut self, name: &str) -> Result<CommandPlan, CommandError> {
        let path = self.find(name).ok_or_else(|| not_found(name))?;
        let file = path.canonicalize().map_err(|_| not_found(name))?;
        let mut plan = CommandPlan {
            name: name.into(),
            file: file.clone(),
            meaning: closure::meaning_of(name).map(str::to_owned),
            ..CommandPlan::default()
        };
        self.add_program(&path, &mut plan)?;
        self.tree.add_link(&Path::new("/usr/bin").join(name), &file);
        self.add_companions(&mut plan)?;
        Ok(plan)
    }

    fn add_companions(&mut self, plan: &mut CommandPlan) -> Result<(), CommandError> {
        // A link's own name (awk) and what it leads to (mawk).
        let names = [Some(plan.name.clone()), file_name(&plan.file)].into_iter().flatten().collect::<Vec<_>>();
        for companion in closure::companions_of(&names) {
            match (companion.kind, companion.place(&plan.file)) {
                (Kind::Program, Place::Command(name)) => {
                    // One that would open many others is left out: the command works as far as it does without.
                    if let Some(path) = self.find(name).filter(|path| multi_call(path).is_none()) {
                        self.add_helper(&path, companion.why, plan)?;
                    }
                }
                (Kind::Program, Place::Path(path)) => self.add_helpers(&path, companion.why, plan),
                (Kind::Data, Place::Path(path)) => self.add_data(&path, companion.why, plan),
                (Kind::Data, Place::Command(_)) => {}
            }
        }
        Ok(())
    }

    /// The file, its libraries and, for a script, the interpreter that its first line names.
    fn add_program(&mut self, path: &Path, plan: &mut CommandPlan) -> Result<(), CommandError> {
        let Some(real) = self.tree.add_file(path) else { return Ok(()) };
        if plan.executables.contains(&real) {
            return Ok(());
        }
        if let Some(target) = multi_call(path) {
            return Err(CommandError::MultiCall { name: plan.name.clone(), target });
        }
        plan.executables.push(real.clone());
        let needs = self.tree.add_program(&real);
        plan.loader = plan.loader.take().or(needs.loader);
        plan.libraries.extend(needs.libraries);
        if file_name(&real).is_some_and(|name| closure::unversioned(&name) == "python") {
            self.add_modules(path, &real, plan)?;
        }
        let Some(shebang) = Shebang::of(&real) else { return Ok(()) };
        self.add_helper(&shebang.interpreter, "the script's interpreter", plan)?;
        match shebang.by_env.and_then(|name| self.find(&name)) {
            Some(interpreter) => self.add_helper(&interpreter, "the script's interpreter, which env starts", plan),
            None => Ok(()),
        }
    }

    /// A program that the command starts.
    fn add_helper(&mut self, path: &Path, why: &str, plan: &mut CommandPlan) -> Result<(), CommandError> {
        let before = plan.executables.len();
        self.add_program(path, plan)?;
        if let Some(path) = plan.executables.get(before).cloned() {
            plan.companions.push(Companion { path, executable: true, why: why.into() });
        }
        Ok(())
    }

    /// A folder of such programs.
    fn add_helpers(&mut self, path: &Path, why: &str, plan: &mut CommandPlan) {
        let Some(folder) = self.tree.add_folder(path) else { return };
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_file()) {
                plan.libraries.extend(self.tree.add_program(&entry.path()).libraries);
            }
        }
        plan.executables.push(folder.clone());
        plan.companions.push(Companion { path: folder, executable: true, why: why.into() });
    }

    fn add_data(&mut self, path: &Path, why: &str, plan: &mut CommandPlan) {
        if let Some(path) = self.tree.add_folder(path).or_else(|| self.tree.add_file(path)) {
            plan.data.push(path.clone());
            plan.companions.push(Companion { path, executable: false, why: why.into() });
        }
    }

    /// A Python is nothing without its modules. Those of the guest's own are there anyway.
    fn add_modules(&mut self, path: &Path, real: &Path, plan: &mut CommandPlan) -> Result<(), CommandError> {
        let modules = match self.modules.get(path) {
            Some(modules) => modules.clone(),
            None if self.is_guests_own(path, real) => self.interpreter.add_command(self.tree).into_iter().collect(),
            None => {
                let told = |source| CommandError::Script { name: plan.name.clone(), interpreter: path.into(), source };
                let other = Interpreter::ask_any(path).map_err(told)?;
                let environment = other.add_command(self.tree);
                other.add_to(self.tree).into_iter().chain(environment).collect()
            }
        };
        self.modules.insert(path.into(), modules.clone());
        // A Python looks for modules beside its script.
        plan.listable.extend(plan.file.parent().filter(|_| plan.file != real).map(Path::to_owned));
        for path in modules {
            let why = "its Python finds its environment or its modules there".into();
            plan.companions.push(Companion { path: path.clone(), executable: false, why });
            plan.data.push(path);
        }
        Ok(())
    }

    /// Another path to the same file is another environment, unless it is that of the whole installation.
    fn is_guests_own(&self, path: &Path, real: &Path) -> bool {
        real == self.interpreter.executable && (path == real || path.parent() == self.interpreter.command.parent())
    }

    fn find(&self, name: &str) -> Option<PathBuf> {
        let own = self.interpreter.command.parent().map(|folder| folder.join(name)).filter(|path| is_executable(path));
        if self.names_the_guests_own(name) {
            let same = own.filter(|path| path.canonicalize().is_ok_and(|real| real == self.interpreter.executable));
            return same.or_else(|| Some(self.interpreter.executable.clone()));
        }
        // `pip` is that of the guest's environment; any other program of it comes after the system's.
        let (first, last) = if closure::unversioned(name) == "pip" { (own, None) } else { (None, own) };
        let system = FOLDERS.iter().map(|folder| Path::new(folder).join(name)).filter(|path| is_executable(path));
        first.into_iter().chain(system).chain(last).next()
    }

    /// The guest's own interpreter is what `python` means, whatever else PATH holds.
    fn names_the_guests_own(&self, name: &str) -> bool {
        let (major, minor, _) = self.interpreter.version;
        ["python".to_owned(), format!("python{major}"), format!("python{major}.{minor}")].iter().any(|own| own == name)
    }
}

fn file_name(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_string_lossy().into_owned())
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// The known program for many commands that this file is: by its name, or as another name of the same file.
fn multi_call(path: &Path) -> Option<PathBuf> {
    let real = path.canonicalize().ok()?;
    if file_name(&real).is_some_and(|name| MULTI_CALL.contains(&name.as_str())) {
        return Some(real);
    }
    let own = fs::metadata(&real).ok()?;
    let folders = FOLDERS.iter().map(Path::new).chain(real.parent());
    let known = folders.flat_map(|folder| MULTI_CALL.map(|name| folder.join(name)));
    known
        .into_iter()
        .find(|path| fs::metadata(path).is_ok_and(|other| (other.dev(), other.ino()) == (own.dev(), own.ino())))
}

/// A script's first line.
struct Shebang {
    interpreter: PathBuf,
    /// What `env` is asked to find.
    by_env: Option<String>,
}

impl Shebang {
    fn of(path: &Path) -> Option<Self> {
        let mut head = [0; 256];
        let length = fs::File::open(path).ok()?.read(&mut head).ok()?;
        let line = head[..length].split(|byte| *byte == b'\n').next()?;
        Self::parse(std::str::from_utf8(line.strip_prefix(b"#!")?).ok()?)
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let interpreter = PathBuf::from(words.next()?);
        let by_env = match interpreter.file_name().is_some_and(|name| name == "env") {
            true => words.find(|word| !word.starts_with('-') && !word.contains('=')).map(str::to_owned),
            false => None,
        };
        Some(Self { interpreter, by_env })
    }
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

#[cfg(test)]
#[path = "commands_tests.rs"]
mod tests;
