//! The CPython that runs the code: which folders are its own.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::Deserialize;
use thiserror::Error;

use super::{elf, tree::Tree};
use crate::harden::loader::is_stripped;

/// What an interpreter says of itself when asked in isolated mode.
#[derive(Clone, Debug, Deserialize)]
pub struct Interpreter {
    pub version: (u32, u32, u32),
    pub implementation: String,
    /// What to start: a wrapper script on PATH leads here, and a virtual environment is found from here.
    pub command: PathBuf,
    /// The file behind every link.
    pub executable: PathBuf,
    /// Folders and archives that imports search.
    pub search_path: Vec<PathBuf>,
    /// Where the interpreter and its virtual environment are installed.
    pub prefixes: Vec<PathBuf>,
}

#[derive(Debug, Error)]
pub enum InterpreterError {
    #[error("cannot run {path}: {source}")]
    Run { path: PathBuf, source: std::io::Error },
    #[error("{path} did not answer: {detail}")]
    Answer { path: PathBuf, detail: String },
    #[error("{path} is {found}; CPython 3.10 or newer is needed")]
    Unsupported { path: PathBuf, found: String },
}

/// Isolated mode: neither the caller's Python variables nor its working folder change the answer. PATH and the like stay,
/// which version managers' wrapper scripts need.
const QUESTION: &str = "
import json, os, sys
print(json.dumps({
    'version': sys.version_info[:3], 'implementation': sys.implementation.name,
    'command': sys.executable, 'executable': os.path.realpath(sys.executable), 'search_path': sys.path,
    'prefixes': [sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix],
}))";

impl Interpreter {
    /// One that can run the guest.
    pub fn ask(path: &Path) -> Result<Self, InterpreterError> {
        let interpreter = Self::ask_any(path)?;
        if interpreter.implementation != "cpython" || interpreter.version < (3, 10, 0) {
            let (major, minor, _) = interpreter.version;
            let found = format!("{} {major}.{minor}", interpreter.implementation);
            return Err(InterpreterError::Unsupported { path: path.into(), found });
        }
        Ok(interpreter)
    }

    /// One that a listed command may run with.
    pub(super) fn ask_any(path: &Path) -> Result<Self, InterpreterError> {
        let mut command = Command::new(path);
        for name in std::env::vars_os().map(|(name, _)| name).filter(is_stripped) {
            command.env_remove(name);
        }
        let output = command
            .args(["-I", "-c", QUESTION])
            .stdin(Stdio::null())
            .output()
            .map_err(|source| InterpreterError::Run { path: path.into(), source })?;
        let told = |detail: String| InterpreterError::Answer { path: path.into(), detail };
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            return Err(told(text.lines().last().unwrap_or("no output").to_owned()));
        }
        serde_json::from_slice(&output.stdout).map_err(|error| told(error.to_string()))
    }

    /// Adds the standard library, the installed packages and every library they load; what user code may read of it.
    pub(super) fn add_to(&self, tree: &mut Tree) -> Vec<PathBuf> {
        tree.add_needs_of(&self.executable);
        let mut readable = Vec::new();
        for entry in self.search_path.iter().filter(|entry| self.owns(entry)) {
            if entry.is_file() {
                readable.extend(tree.add_file(entry));
            } else if let Some(folder) = tree.add_folder(entry) {
                hide_client(tree, &folder);
                scan(tree, &folder);
                readable.push(folder);
            }
        }
        readable
    }
}

impl Interpreter {
    pub(super) fn version_text(&self) -> String {
        let (major, minor, micro) = self.version;
        format!("{major}.{minor}.{micro}")
    }

    /// What is installed for the code, each as `name version`, in the order of the names. Of two that have one name the
    /// first on the search path is the one that imports find.
    pub fn packages(&self) -> Vec<String> {
        let mut found = BTreeMap::new();
        for entry in self.search_path.iter().filter(|entry| self.owns(entry)) {
            let files = fs::read_dir(entry).into_iter().flatten().flatten();
            let mut told: Vec<_> = files.filter_map(|file| distribution(file.file_name().to_str()?)).collect();
            // A folder has no order of its own, and an update may leave the old version's metadata behind.
            told.sort();
            for (name, version) in told.into_iter().filter(|(name, _)| name != CLIENT) {
                found.entry(name).or_insert(version);
            }
        }
        found.into_iter().map(|(name, version)| format!("{name} {version}")).collect()
    }

    /// Whether a folder is part of the installation. Others on the search path are somebody's projects (editable
    /// installs), with files that no code should see.
    fn owns(&self, entry: &Path) -> bool {
        let packages = entry.file_name().is_some_and(|name| name == "site-packages" || name == "dist-packages");
        packages || self.prefixes.iter().any(|prefix| entry.starts_with(prefix))
    }

    /// What code needs to start this interpreter by the name it has in `sys.executable`; the file that says which
    /// environment it belongs to, if there is one.
    pub(super) fn add_command(&self, tree: &mut Tree) -> Option<PathBuf> {
        tree.add_link(&self.command, &self.executable);
        tree.add_file(&self.command.ancestors().nth(2)?.join("pyvenv.cfg"))
    }
}

/// The distribution of the client library, see `hide_client`.
const CLIENT: &str = "codemode-runtime";

/// Name and version of the distribution that a folder or file among the packages describes; the name as package indexes
/// normalise it.
fn distribution(file: &str) -> Option<(String, String)> {
    let stem = file.strip_suffix(".dist-info").or_else(|| file.strip_suffix(".egg-info"))?;
    let (name, rest) = stem.split_once('-')?;
    // An egg adds the version of Python.
    let version = rest.split('-').next()?;
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    let fits = !name.is_empty() && !version.is_empty() && plain(name) && plain(version) && file.len() <= 200;
    fits.then(|| (name.to_ascii_lowercase().replace(['_', '.'], "-"), version.to_owned()))
}

/// The client library and the executor are nothing to the code: where the environment has them they are covered.
fn hide_client(tree: &mut Tree, folder: &Path) {
    let package = folder.join("codemode");
    if package.join("_native.pyi").is_file() || package.join("_bin").is_dir() {
        tree.mask(package, true);
    }
}

/// Follows extension modules to their libraries, and covers programs: an unlisted program must not be readable, or the
/// loader could be told to run it.
fn scan(tree: &mut Tree, folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => scan(tree, &path),
            Ok(kind) if kind.is_file() => scan_file(tree, &path),
            _ => {}
        }
    }
}

fn scan_file(tree: &mut Tree, path: &Path) {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    if name.ends_with(".so") || name.contains(".so.") {
        tree.add_needs_of(path);
        return;
    }
    if name.ends_with(".py") || name.ends_with(".pyc") {
        return;
    }
    // Whatever its mode: the loader asks only for the right to read.
    if elf::read(path).is_some_and(|object| object.interpreter.is_some()) {
        tree.mask(path.to_owned(), false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_told_by_their_metadata() {
        let folder = tempfile::tempdir().unwrap();
        let packages = folder.path().join("site-packages");
        for name in [
            "Foo_Bar-1.2.dist-info",
            "foo.bar-1.3.dist-info",
            "old-0.1-py3.11.egg-info",
            "codemode_runtime-1.dist-info",
            "foo",
            "-1.dist-info",
        ] {
            fs::create_dir_all(packages.join(name)).unwrap();
        }
        let interpreter = Interpreter {
            version: (3, 11, 0),
            implementation: "cpython".into(),
            command: "/x".into(),
            executable: "/x".into(),
            search_path: vec![packages.clone(), packages, folder.path().join("elsewhere")],
            prefixes: Vec::new(),
        };
        assert_eq!(interpreter.packages(), ["foo-bar 1.2", "old 0.1"]);
    }
}
