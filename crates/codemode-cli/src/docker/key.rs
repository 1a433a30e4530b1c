//! What a container needs of this machine while it is there: its key, in a file that only its user and the caller read.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, lchown},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FlockOperation, flock},
    rand::{GetRandomFlags, getrandom},
};

use super::{hardening::SECCOMP, mounts::User};
use crate::{
    exit::Failure,
    write_new::{NewFile, write_new},
};

const BYTES: usize = 32;

/// The private folder of one container.
pub(super) struct Place {
    folder: PathBuf,
}

impl Place {
    pub(super) fn of(name: &str, variables: &BTreeMap<String, String>) -> Result<Self, Failure> {
        let absolute = |name: &str| variables.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let state = absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")));
        let state = state.ok_or_else(|| {
            Failure::usage("HOME is not set to an absolute path: there is no place for the container's key")
        })?;
        Ok(Self { folder: state.join("codemode/docker").join(name) })
    }

    /// As long as the file is held, nobody else who calls as this user starts or removes a container.
    pub(super) fn lock(&self) -> Result<File, Failure> {
        let shared = self.folder.parent().unwrap_or(&self.folder);
        let locked = DirBuilder::new().recursive(true).mode(0o700).create(shared).and_then(|()| {
            let folder = File::open(shared)?;
            private(&folder.metadata()?)?;
            flock(&folder, FlockOperation::LockExclusive)?;
            Ok(folder)
        });
        locked.map_err(|error| Failure::usage(format!("cannot use {}: {error}", shared.display())))
    }

    pub(super) fn key(&self) -> PathBuf {
        self.folder.join("api_key")
    }

    /// `docker create` reads it; the container keeps what it says.
    pub(super) fn seccomp(&self) -> PathBuf {
        self.folder.join("seccomp.json")
    }

    pub(super) fn prepare(&self, key: &str, user: User) -> Result<(), Failure> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.folder);
        let made = made.and_then(|()| private(&self.folder.symlink_metadata()?));
        made.map_err(|error| Failure::usage(format!("cannot use {}: {error}", self.folder.display())))?;
        let secret = NewFile { path: self.key(), contents: format!("{key}\n").into_bytes(), mode: 0o400 };
        write_new(&[secret, NewFile::text(self.seccomp(), SECCOMP)], true)?;
        let given = lchown(self.key(), Some(user.uid), Some(user.gid));
        given.map_err(|error| Failure::usage(format!("cannot give {} to {user}: {error}", self.key().display())))
    }

    /// Nothing that others put there goes with it.
    pub(super) fn remove(&self) -> Result<(), Failure> {
        let gone = |result: io::Result<()>| match result {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
        let removed = gone(fs::remove_file(self.key()))
            .and_then(|()| gone(fs::remove_file(self.seccomp())))
            .and_then(|()| gone(fs::remove_dir(&self.folder)));
        removed.map_err(|error| Failure::usage(format!("cannot remove {}: {error}", self.folder.display())))
    }
}

/// Whoever else could write there could have the container take a key and a profile of his.
fn private(folder: &fs::Metadata) -> io::Result<()> {
    let refused = match (folder.is_dir(), folder.uid() == User::caller().uid, folder.mode() & 0o022) {
        (false, ..) => "it is a link, or a file",
        (true, false, _) => "it belongs to another user",
        (true, true, 0) => return Ok(()),
        (true, true, _) => "others may write to it (chmod go-w)",
    };
    Err(io::Error::other(refused))
}

/// The caller's own, else a new one.
pub(super) fn choose(file: Option<&Path>, variables: &BTreeMap<String, String>) -> Result<String, Failure> {
    given(file, variables)?.map_or_else(random, Ok)
}

/// The caller's own.
pub(super) fn given(file: Option<&Path>, variables: &BTreeMap<String, String>) -> Result<Option<String>, Failure> {
    let set = |name: &str| variables.get(name).map(String::as_str);
    match (file, set("CODEMODE_API_KEY"), set("CODEMODE_API_KEY_FILE")) {
        (Some(file), ..) => read("--api-key-file", file).map(Some),
        (None, Some(_), Some(_)) => {
            Err(Failure::usage("CODEMODE_API_KEY and CODEMODE_API_KEY_FILE are both set; keep one"))
        }
        (None, Some(key), None) => one("CODEMODE_API_KEY", key).map(Some),
        (None, None, Some(file)) => read("CODEMODE_API_KEY_FILE", Path::new(file)).map(Some),
        (None, None, None) => Ok(None),
    }
}

fn read(setting: &str, file: &Path) -> Result<String, Failure> {
    let text = fs::read_to_string(file)
        .map_err(|error| Failure::usage(format!("{setting}: cannot read {}: {error}", file.display())))?;
    one(setting, &text)
}

/// What a header can carry; clients send one.
fn one(setting: &str, text: &str) -> Result<String, Failure> {
    let key = text.trim();
    match key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        false => Ok(key.to_owned()),
        true => Err(Failure::usage(format!(
            "{setting}: must hold one key of visible ASCII characters, without spaces; without it a new key is made"
        ))),
    }
}

fn random() -> Result<String, Failure> {
    let mut bytes = [0; BYTES];
    let filled = getrandom(&mut bytes, GetRandomFlags::empty());
    match filled {
        Ok(BYTES) => Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        Ok(_) => Err(Failure::unavailable("the kernel has no random numbers yet; try again")),
        Err(error) => Err(Failure::unavailable(format!("cannot make a key: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    fn variables(given: &[(&str, &str)]) -> BTreeMap<String, String> {
        given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_key_is_the_callers_own_or_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        fs::write(&file, "from-a-file\n").unwrap();
        let path = file.to_str().unwrap();
        assert_eq!(choose(Some(&file), &variables(&[("CODEMODE_API_KEY", "k")])).unwrap(), "from-a-file");
        assert_eq!(choose(None, &variables(&[("CODEMODE_API_KEY", "k")])).unwrap(), "k");
        assert_eq!(choose(None, &variables(&[("CODEMODE_API_KEY_FILE", path)])).unwrap(), "from-a-file");
        let (one, other) = (choose(None, &variables(&[])).unwrap(), choose(None, &variables(&[])).unwrap());
        assert!(one.len() == 2 * BYTES && one != other);
    }

    #[test]
    fn a_key_that_was_meant_and_is_none_is_refused() {
        let said = |given: &[(&str, &str)]| choose(None, &variables(given)).unwrap_err().message;
        insta::assert_snapshot!(said(&[("CODEMODE_API_KEY", "")]), @"CODEMODE_API_KEY: must hold one key of visible ASCII characters, without spaces; without it a new key is made");
        assert_eq!(said(&[("CODEMODE_API_KEY", "a\nb")]), said(&[("CODEMODE_API_KEY", "")]));
        insta::assert_snapshot!(said(&[("CODEMODE_API_KEY", "k"), ("CODEMODE_API_KEY_FILE", "/f")]), @"CODEMODE_API_KEY and CODEMODE_API_KEY_FILE are both set; keep one");
        insta::assert_snapshot!(said(&[("CODEMODE_API_KEY_FILE", "/none/f")]), @"CODEMODE_API_KEY_FILE: cannot read /none/f: No such file or directory (os error 2)");
    }

    #[test]
    fn only_its_user_reads_the_key_and_it_goes_with_the_container() {
        let state = tempfile::tempdir().unwrap();
        let place = Place::of("n", &variables(&[("XDG_STATE_HOME", state.path().to_str().unwrap())])).unwrap();
        place.prepare("first", User::caller()).unwrap();
        place.prepare("second", User::caller()).unwrap();
        let metadata = place.key().metadata().unwrap();
        assert_eq!((metadata.permissions().mode() & 0o777, metadata.uid()), (0o400, User::caller().uid));
        assert_eq!(place.folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::read_to_string(place.key()).unwrap(), "second\n");
        place.remove().unwrap();
        assert!(!place.folder.exists());
        place.remove().unwrap();
    }

    #[test]
    fn a_folder_that_others_write_to_gets_no_key() {
        use std::os::unix::fs::symlink;
        let state = tempfile::tempdir().unwrap();
        let place = Place::of("n", &variables(&[("XDG_STATE_HOME", state.path().to_str().unwrap())])).unwrap();
        place.lock().unwrap();
        let said =
            || place.prepare("k", User::caller()).unwrap_err().message.replace(state.path().to_str().unwrap(), "");
        fs::create_dir(&place.folder).unwrap();
        fs::set_permissions(&place.folder, fs::Permissions::from_mode(0o777)).unwrap();
        insta::assert_snapshot!(said(), @"cannot use /codemode/docker/n: others may write to it (chmod go-w)");
        fs::rename(&place.folder, state.path().join("elsewhere")).unwrap();
        symlink(state.path().join("elsewhere"), &place.folder).unwrap();
        insta::assert_snapshot!(said(), @"cannot use /codemode/docker/n: it is a link, or a file");
        assert!(!place.key().exists());
        fs::set_permissions(place.folder.parent().unwrap(), fs::Permissions::from_mode(0o770)).unwrap();
        assert!(place.lock().unwrap_err().message.ends_with("others may write to it (chmod go-w)"));
    }

    #[test]
    fn without_a_home_there_is_no_place() {
        assert!(Place::of("n", &variables(&[("HOME", "relative")])).is_err());
        let place = Place::of("n", &variables(&[("HOME", "/h")])).unwrap();
        assert_eq!(place.key(), Path::new("/h/.local/state/codemode/docker/n/api_key"));
    }
}
