//! Where the guest's parts are: they come with this binary, nobody sets a path.

use std::{
    env,
    ffi::OsStr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use codemode_types::{EnvironmentPolicy, Policy};
use thiserror::Error;

const LIBRARY: &str = "libcodemode_guest.so";

#[derive(Debug, Error)]
pub(crate) enum GuestError {
    #[error("cannot tell where this binary is: {0}")]
    Executable(std::io::Error),
    #[error("the guest library {LIBRARY} is missing; looked for it at {}", list(.looked))]
    Library { looked: Vec<PathBuf> },
    #[error("no Python found: {name} is not on PATH; install Python 3.10 or newer, or name one in guest.interpreter")]
    NotOnPath { name: String },
    #[error("the Python interpreter {path} cannot be used: {reason}")]
    Interpreter { path: PathBuf, reason: String },
    #[error("guest.environments: `{name}`: {error}")]
    Environment { name: String, error: Box<GuestError> },
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

pub(crate) fn library() -> Result<PathBuf, GuestError> {
    // Without links: `.venv/bin/codemode` may point into a package.
    let executable = env::current_exe().and_then(|path| path.canonicalize()).map_err(GuestError::Executable)?;
    find_library(executable.parent().unwrap_or(Path::new("/")))
}

fn find_library(folder: &Path) -> Result<PathBuf, GuestError> {
    let parent = folder.parent().unwrap_or(folder);
    let looked = vec![
        folder.join(LIBRARY),
        // The wheel: codemode/_bin/codemode beside codemode/_guest/.
        parent.join("_guest").join(LIBRARY),
        parent.join("lib/codemode").join(LIBRARY),
    ];
    match looked.iter().find(|path| path.is_file()) {
        Some(found) => Ok(found.clone()),
        None => Err(GuestError::Library { looked }),
    }
}

/// The policy's, else the embedding Python, else python3 on PATH.
pub(crate) fn interpreter(policy: &Policy, embedding: Option<&Path>) -> Result<PathBuf, GuestError> {
    found(policy.guest.interpreter.as_deref().or(embedding).unwrap_or(Path::new("python3")))
}

/// Those of the environments, each as a path.
pub(crate) fn find_environments(policy: &mut Policy) -> Result<(), GuestError> {
    for EnvironmentPolicy { name, interpreter, .. } in &mut policy.guest.environments {
        if let Some(interpreter) = interpreter {
            let failed = |error| GuestError::Environment { name: name.clone(), error: Box::new(error) };
            *interpreter = found(interpreter).map_err(failed)?;
        }
    }
    Ok(())
}

/// A single word is a name on PATH.
fn found(interpreter: &Path) -> Result<PathBuf, GuestError> {
    match interpreter.components().count() {
        1 => on_path(interpreter.as_os_str(), env::var_os("PATH").as_deref()),
        _ => runnable(interpreter).map(|()| interpreter.to_owned()),
    }
}

fn on_path(name: &OsStr, path: Option<&OsStr>) -> Result<PathBuf, GuestError> {
    // An empty part would mean the current folder, which anybody may have written to.
    let folders = env::split_paths(path.unwrap_or_default()).filter(|folder| folder.is_absolute());
    let found = folders.map(|folder| folder.join(name)).find(|candidate| runnable(candidate).is_ok());
    found.ok_or_else(|| GuestError::NotOnPath { name: name.to_string_lossy().into_owned() })
}

fn runnable(path: &Path) -> Result<(), GuestError> {
    let refuse = |reason: String| GuestError::Interpreter { path: path.into(), reason };
    let metadata = path.metadata().map_err(|error| refuse(error.to_string()))?;
    match metadata.is_file() && metadata.permissions().mode() & 0o111 != 0 {
        true => Ok(()),
        false => Err(refuse("it is not an executable file".into())),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_library_is_found_in_each_layout() {
        for place in ["bin", "_guest", "lib/codemode"] {
            let root = tempfile::tempdir().unwrap();
            fs::create_dir_all(root.path().join("bin")).unwrap();
            fs::create_dir_all(root.path().join(place)).unwrap();
            let library = root.path().join(place).join(LIBRARY);
            fs::write(&library, "").unwrap();
            assert_eq!(find_library(&root.path().join("bin")).unwrap(), library);
        }
    }

    #[test]
    fn a_missing_library_names_the_places() {
        insta::assert_snapshot!(find_library(Path::new("/opt/none/bin")).unwrap_err(), @"the guest library libcodemode_guest.so is missing; looked for it at /opt/none/bin/libcodemode_guest.so, /opt/none/_guest/libcodemode_guest.so, /opt/none/lib/codemode/libcodemode_guest.so");
    }

    #[test]
    fn the_interpreter_is_looked_for_in_order() {
        let mut policy = Policy::default();
        assert_eq!(interpreter(&policy, Some(Path::new("/bin/sh"))).unwrap(), Path::new("/bin/sh"));
        policy.guest.interpreter = Some("/bin/cat".into());
        assert_eq!(interpreter(&policy, Some(Path::new("/bin/sh"))).unwrap(), Path::new("/bin/cat"));
        policy.guest.interpreter = Some("/etc/passwd".into());
        let error = interpreter(&policy, None).unwrap_err().to_string();
        assert_eq!(error, "the Python interpreter /etc/passwd cannot be used: it is not an executable file");
        let error = on_path(OsStr::new("python3"), Some(OsStr::new(":relative"))).unwrap_err();
        assert!(error.to_string().starts_with("no Python found: python3 is not on PATH"));
    }
}
