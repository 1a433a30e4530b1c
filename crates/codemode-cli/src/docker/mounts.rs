//! What of this machine a container sees, and as whom it runs.

use std::{
    fmt, fs, io,
    os::unix::fs::{MetadataExt, lchown},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Access, access},
    process::{getegid, geteuid},
};

use crate::exit::Failure;

/// As whom a container runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct User {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl fmt::Display for User {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.uid, self.gid)
    }
}

impl User {
    pub(super) fn caller() -> Self {
        Self { uid: geteuid().as_raw(), gid: getegid().as_raw() }
    }

    fn parse(text: &str) -> Option<Self> {
        let (uid, gid) = text.split_once(':')?;
        Some(Self { uid: uid.parse().ok()?, gid: gid.parse().ok()? })
    }

    /// The caller; never root. Files must arrive as somebody's who may write to `outputs`, which is made if need be.
    pub(super) fn choose(outputs: Option<&Path>, instead_of_root: &str) -> Result<Self, Failure> {
        Self::of(Self::caller(), outputs, instead_of_root)
    }

    fn of(caller: Self, outputs: Option<&Path>, instead_of_root: &str) -> Result<Self, Failure> {
        let unusable = |path: &Path, error: io::Error| Failure::usage(format!("--outputs {}: {error}", path.display()));
        let ordinary = match caller.uid {
            0 => Self::parse(instead_of_root)
                .ok_or_else(|| Failure::unavailable(format!("{instead_of_root} is no user of a container")))?,
            _ => caller,
        };
        let Some(path) = outputs else { return Ok(ordinary) };
        match fs::metadata(path) {
            Ok(there) if !there.is_dir() => Err(unusable(path, io::ErrorKind::NotADirectory.into())),
            Ok(_) if caller.uid != 0 => access(path, Access::WRITE_OK | Access::EXEC_OK)
                .map(|()| ordinary)
                .map_err(|error| unusable(path, error.into())),
            Ok(there) if there.uid() == ordinary.uid => Ok(ordinary),
            Ok(there) if there.uid() != 0 => {
                let gid = if there.gid() == 0 { ordinary.gid } else { there.gid() };
                Ok(Self { uid: there.uid(), gid })
            }
            Ok(_) => Err(Failure::usage(format!(
                "--outputs {} belongs to root, and the executor is never root: sudo chown {ordinary} {}",
                path.display(),
                path.display()
            ))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir_all(path)
                .and_then(|()| lchown(path, Some(ordinary.uid), Some(ordinary.gid)))
                .map(|()| ordinary)
                .map_err(|error| unusable(path, error)),
            Err(error) => Err(unusable(path, error)),
        }
    }
}

/// A folder or file that the user named, as the engine has to be told of it.
pub(super) fn absolute(option: &str, path: &Path, folder: bool) -> Result<PathBuf, Failure> {
    let found = path.canonicalize().map_err(|error| Failure::usage(format!("{option} {}: {error}", path.display())))?;
    match found.is_dir() == folder {
        true => Ok(found),
        false if folder => Err(Failure::usage(format!("{option} {}: is not a folder", path.display()))),
        false => Err(Failure::usage(format!("{option} {}: is not a file", path.display()))),
    }
}

/// The value of `--mount`, a line of CSV.
pub(super) fn bind(source: &Path, target: &str, writable: bool) -> Result<String, Failure> {
    let text = source
        .to_str()
        .ok_or_else(|| Failure::usage(format!("{}: docker takes names in UTF-8 only", source.display())))?;
    let source = format!("source={text}");
    let quoted = match source.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", source.replace('"', "\"\"")),
        false => source,
    };
    Ok(format!("type=bind,{quoted},target={target}{}", if writable { "" } else { ",readonly" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: User = User { uid: 0, gid: 0 };
    const SOMEBODY: User = User { uid: 1234, gid: 5678 };

    #[test]
    fn a_container_runs_as_the_caller_and_never_as_root() {
        assert_eq!(User::of(SOMEBODY, None, "10001:10001").unwrap(), SOMEBODY);
        assert_eq!(User::of(ROOT, None, "10001:10001").unwrap().to_string(), "10001:10001");
        let own = User::caller();
        let folder = tempfile::tempdir().unwrap();
        let outputs = folder.path().join("new/outputs");
        // Whoever runs this test may give a folder to himself.
        let instead = own.to_string();
        assert_eq!(User::of(ROOT, Some(&outputs), &instead).unwrap(), own);
        assert_eq!(User::of(SOMEBODY, Some(&outputs), "10001:10001").unwrap(), SOMEBODY);
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(User::of(ROOT, Some(&file), "10001:10001").unwrap_err().message.ends_with("not a directory"));
    }

    #[test]
    fn a_folder_of_root_s_is_no_place_for_results() {
        let said = User::of(ROOT, Some(Path::new("/proc/sys")), "10001:10001").unwrap_err().message;
        insta::assert_snapshot!(said, @"--outputs /proc/sys belongs to root, and the executor is never root: sudo chown 10001:10001 /proc/sys");
    }

    #[test]
    fn a_mount_is_a_line_of_csv() {
        assert_eq!(bind(Path::new("/a b"), "/w", false).unwrap(), "type=bind,source=/a b,target=/w,readonly");
        assert_eq!(bind(Path::new("/a,\"b"), "/w", true).unwrap(), "type=bind,\"source=/a,\"\"b\",target=/w");
    }

    #[test]
    fn what_is_not_there_is_refused_by_its_option() {
        insta::assert_snapshot!(absolute("--workspace", Path::new("/none"), true).unwrap_err().message, @"--workspace /none: No such file or directory (os error 2)");
        insta::assert_snapshot!(absolute("--workspace", Path::new("/etc/passwd"), true).unwrap_err().message, @"--workspace /etc/passwd: is not a folder");
        insta::assert_snapshot!(absolute("--config", Path::new("/etc"), false).unwrap_err().message, @"--config /etc: is not a file");
    }
}
