//! Taking what the code left in /outputs, after everything that could still change it is dead.
//!
//! The folder is hostile: links are never followed, only regular files are taken, and count, depth and bytes are
//! bounded whatever it claims.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use rustix::{
    fs::{
        self, AtFlags, Dir, FileType, Gid, Mode, OFlags, ResolveFlags, Uid, fchmod, fchown, fstat, fstatfs, mkdirat,
        openat2, renameat, unlinkat,
    },
    process::geteuid,
    thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};
use sha2::{Digest, Sha256};

const MAX_FILES: usize = 10_000;
const MAX_DEPTH: usize = 32;
const CHUNK_BYTES: usize = 64 << 10;
/// Reasons listed one by one; the rest is counted.
const MAX_REASONS: usize = 20;

/// One regular file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collected {
    /// Relative to /outputs.
    pub path: String,
    pub size: u64,
    /// Lower-case hex.
    pub sha256: String,
    pub host_path: Option<PathBuf>,
    /// The content, where it was wanted and there was room for it.
    pub data: Option<Vec<u8>>,
}

#[derive(Clone, Debug, Default)]
pub struct Collection {
    pub files: Vec<Collected>,
    /// What was left behind, and why.
    pub skipped: Vec<String>,
}

/// Who writes into the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// The caller, who gives the files to the folder's owner where it is root.
    Oneself,
    /// The folder's owner: a thread takes that user and group for it, where root has no right to override modes.
    Owner,
}

/// Reads every regular file below `directory`; where there is a `destination`, puts it there under the same relative
/// name, owned by that folder's owner, replacing a file of that name. Contents of up to `wanted` bytes together come
/// along, file by file in the order of the names; one that does not fit is passed over.
pub fn collect(
    directory: BorrowedFd<'_>,
    destination: Option<&Path>,
    writer: Writer,
    wanted: u64,
) -> io::Result<Collection> {
    match (writer, destination) {
        (Writer::Owner, Some(path)) => {
            // Held by who may get there, opened by who may read it.
            let held = fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
            std::thread::scope(|scope| {
                let thread = scope.spawn(|| {
                    become_owner(&held)?;
                    take(directory, Some(Destination::open(held.as_fd(), Path::new("."), path)?), wanted)
                });
                thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread that writes them died")))
            })
        }
        (_, path) => take(directory, path.map(|path| Destination::open(fs::CWD, path, path)).transpose()?, wanted),
    }
}

/// For the calling thread, and for good: the thread ends with its work.
fn become_owner(folder: &OwnedFd) -> io::Result<()> {
    let status = fstat(folder)?;
    let (user, group) = (Uid::from_raw(status.st_uid), Gid::from_raw(status.st_gid));
    if user != geteuid() {
        set_thread_groups(&[])?;
        set_thread_res_gid(group, group, group)?;
        set_thread_res_uid(user, user, user)?;
    }
    Ok(())
}

fn take(directory: BorrowedFd<'_>, destination: Option<Destination>, wanted: u64) -> io::Result<Collection> {
    let space = fstatfs(directory)?;
    let mut collector = Collector {
        destination,
        collection: Collection::default(),
        // Files may be sparse: together they may not claim more than the folder can hold.
        bytes_left: space.f_blocks.saturating_mul(u64::try_from(space.f_bsize).unwrap_or(4096)),
        wanted,
        skipped: 0,
    };
    let root = open_below(directory, Path::new("."), OFlags::RDONLY | OFlags::DIRECTORY)?;
    collector.folder(root, Path::new(""), 0)?;
    let Collector { mut collection, skipped, .. } = collector;
    if skipped > MAX_REASONS {
        collection.skipped.push(format!("/outputs: {} more were left behind", skipped - MAX_REASONS));
    }
    Ok(collection)
}

struct Collector {
    destination: Option<Destination>,
    collection: Collection,
    bytes_left: u64,
    /// Bytes of content that there is room for.
    wanted: u64,
    skipped: usize,
}

/// What a path may resolve to: below, through no link, on this file system.
const BELOW: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

fn open_below(folder: BorrowedFd<'_>, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    // Never blocks on a FIFO.
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    Ok(openat2(folder, path, flags, Mode::empty(), BELOW)?)
}

impl Collector {
    fn skip(&mut self, path: &Path, why: impl std::fmt::Display) {
        self.skipped += 1;
        if self.skipped <= MAX_REASONS {
            self.collection.skipped.push(format!("/outputs/{}: {why}", path.display()));
        }
    }

    fn folder(&mut self, folder: OwnedFd, path: &Path, depth: usize) -> io::Result<()> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&folder)? {
            let entry = entry?;
            let name = entry.file_name().to_owned();
            if name.to_bytes() != b"." && name.to_bytes() != b".." {
                names.push(name);
            }
        }
        names.sort();
        for name in names {
            let Ok(text) = name.to_str() else {
                self.skip(&path.join(name.to_string_lossy().escape_debug().to_string()), "the name is not UTF-8");
                continue;
            };
            if text.chars().any(char::is_control) {
                // It would be written to terminals and logs as it is.
                self.skip(&path.join(text.escape_default().to_string()), "the name holds control characters");
                continue;
            }
            if let Err(error) = self.entry(folder.as_fd(), text, &path.join(text), depth) {
                self.skip(&path.join(text), error);
            }
        }
        Ok(())
    }

    fn entry(&mut self, folder: BorrowedFd<'_>, name: &str, path: &Path, depth: usize) -> io::Result<()> {
        let status = fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
        match FileType::from_raw_mode(status.st_mode) {
            FileType::Directory if depth + 1 >= MAX_DEPTH => self.skip(path, "nested too deep"),
            FileType::Directory => {
                let below = open_below(folder, Path::new(name), OFlags::RDONLY | OFlags::DIRECTORY)?;
                self.folder(below, path, depth + 1)?;
            }
            FileType::RegularFile if self.collection.files.len() >= MAX_FILES => {
                self.skip(path, format_args!("more than {MAX_FILES} files"));
            }
            FileType::RegularFile => self.file(folder, name, path)?,
            FileType::Symlink => self.skip(path, "a symbolic link"),
            _ => self.skip(path, "not a regular file"),
        }
        Ok(())
    }

    fn file(&mut self, folder: BorrowedFd<'_>, name: &str, path: &Path) -> io::Result<()> {
        let file = File::from(open_below(folder, Path::new(name), OFlags::RDONLY)?);
        let status = fstat(&file)?;
        let size = u64::try_from(status.st_size).unwrap_or(u64::MAX);
        if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
            self.skip(path, "not a regular file");
            return Ok(());
        }
        if size > self.bytes_left {
            self.skip(path, "the files claim more than /outputs can hold");
            return Ok(());
        }
        self.bytes_left -= size;
        let mut data = (size <= self.wanted).then(|| Vec::with_capacity(usize::try_from(size).unwrap_or(0)));
        let content = Copied { from: file.take(size), to: data.as_mut() };
        let taken = match &self.destination {
            Some(destination) => destination.store(content, path)?,
            None => digest(content, &mut io::sink())?,
        };
        self.wanted -= data.as_ref().map_or(0, |data| data.len() as u64);
        self.collection.files.push(Collected {
            path: path.to_string_lossy().into_owned(),
            size: taken.size,
            sha256: taken.sha256,
            host_path: self.destination.as_ref().map(|destination| destination.path.join(path)),
            data,
        });
        Ok(())
    }
}

/// What is read, and a copy of it where one is wanted.
struct Copied<'a, R> {
    from: R,
    to: Option<&'a mut Vec<u8>>,
}

impl<R: Read> Read for Copied<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.from.read(buffer)?;
        if let Some(copy) = &mut self.to {
            copy.extend_from_slice(&buffer[..length]);
        }
        Ok(length)
    }
}

struct Taken {
    size: u64,
    sha256: String,
}

/// A file that no other collection, of this daemon or another, has: names are never reused and never taken over.
fn new_temporary(folder: &OwnedFd) -> io::Result<(File, String)> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    loop {
        let name = format!(".codemode-{}-{}.partial", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        match fs::openat(folder, name.as_str(), flags, Mode::from_raw_mode(0o600)) {
            Ok(file) => return Ok((file.into(), name)),
            // Another daemon's, with our pid in a namespace of its own, or one that a crash left behind.
            Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn digest(mut from: impl Read, to: &mut impl Write) -> io::Result<Taken> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut size = 0;
    loop {
        let length = from.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        hasher.update(&buffer[..length]);
        to.write_all(&buffer[..length])?;
        size += length as u64;
    }
    let sha256 = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Taken { size, sha256 })
}

/// The host's folder. Its own links are not followed either: nothing is ever written outside it.
struct Destination {
    path: PathBuf,
    folder: OwnedFd,
    owner: Option<(Uid, Gid)>,
}

impl Destination {
    /// `name`, as seen from `at`, is the folder that the host calls `path`.
    fn open(at: BorrowedFd<'_>, name: &Path, path: &Path) -> io::Result<Self> {
        let folder = fs::openat(at, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let status = fstat(&folder)?;
        let owner = geteuid().is_root().then(|| (Uid::from_raw(status.st_uid), Gid::from_raw(status.st_gid)));
        Ok(Self { path: path.to_owned(), folder, owner })
    }

    fn own(&self, file: impl AsFd) -> io::Result<()> {
        match self.owner {
            Some((user, group)) => Ok(fchown(file, Some(user), Some(group))?),
            None => Ok(()),
        }
    }

    fn store(&self, content: impl Read, path: &Path) -> io::Result<Taken> {
        let folder = self.parent(path)?;
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let (mut file, temporary) = new_temporary(&folder)?;
        let stored = digest(content, &mut file).and_then(|taken| {
            fchmod(&file, Mode::from_raw_mode(0o644))?;
            self.own(&file)?;
            renameat(&folder, temporary.as_str(), &folder, name)?;
            Ok(taken)
        });
        if stored.is_err() {
            let _ = unlinkat(&folder, temporary.as_str(), AtFlags::empty());
        }
        stored
    }

    fn parent(&self, path: &Path) -> io::Result<OwnedFd> {
        let mut folder = self.folder.try_clone()?;
        for part in path.parent().into_iter().flat_map(Path::components) {
            let part = Path::new(part.as_os_str());
            let made = mkdirat(&folder, part, Mode::from_raw_mode(0o755)).is_ok();
            folder = open_below(folder.as_fd(), part, OFlags::RDONLY | OFlags::DIRECTORY)?;
            if made {
                self.own(&folder)?;
            }
        }
        Ok(folder)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs as std_fs, os::unix::fs::symlink};

    use super::*;

    fn collect_from(source: &Path, destination: Option<&Path>) -> Collection {
        let directory = File::open(source).unwrap();
        collect(directory.as_fd(), destination, Writer::Oneself, 0).unwrap()
    }

    #[test]
    fn regular_files_are_moved_and_links_are_left() {
        let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std_fs::create_dir(source.path().join("sub")).unwrap();
        std_fs::write(source.path().join("sub/a.txt"), "hello").unwrap();
        symlink("/etc/passwd", source.path().join("link")).unwrap();
        symlink("/etc", source.path().join("folder-link")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, source.path().join("fifo"), Mode::from_raw_mode(0o600)).unwrap();
        let collection = collect_from(source.path(), Some(target.path()));
        let paths: Vec<_> = collection.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["sub/a.txt"]);
        assert_eq!(std_fs::read_to_string(target.path().join("sub/a.txt")).unwrap(), "hello");
        assert_eq!(collection.skipped.len(), 3, "{:?}", collection.skipped);
        assert_eq!(collection.files[0].sha256, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    }

    #[test]
    fn contents_come_along_as_far_as_there_is_room() {
        let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (name, content) in [("a", "12"), ("b", "12345"), ("c", "123"), ("d", "1"), ("e", "")] {
            std_fs::write(source.path().join(name), content).unwrap();
        }
        for destination in [None, Some(target.path())] {
            let directory = File::open(source.path()).unwrap();
            let collection = collect(directory.as_fd(), destination, Writer::Oneself, 5).unwrap();
            let contents: Vec<_> = collection.files.into_iter().map(|file| file.data).collect();
            let held = |text: &str| Some(text.as_bytes().to_vec());
            assert_eq!(contents, [held("12"), None, held("123"), None, held("")]);
        }
    }

    #[test]
    fn collections_at_the_same_time_do_not_mix() {
        let target = tempfile::tempdir().unwrap();
        let sources: Vec<_> = (0..4)
            .map(|number| {
                let source = tempfile::tempdir().unwrap();
                std_fs::write(source.path().join(format!("file-{number}")), vec![b'0' + number; 4 << 20]).unwrap();
                source
            })
            .collect();
        std::thread::scope(|scope| {
            for source in &sources {
                scope.spawn(|| collect_from(source.path(), Some(target.path())));
            }
        });
        for number in 0..4 {
            let content = std_fs::read(target.path().join(format!("file-{number}"))).unwrap();
            assert!(content.len() == 4 << 20 && content.iter().all(|byte| *byte == b'0' + number), "file-{number}");
        }
        assert_eq!(std_fs::read_dir(target.path()).unwrap().count(), 4);
    }

    #[test]
    fn a_name_with_control_characters_is_left() {
        let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std_fs::write(source.path().join("a\u{1b}[31m\n"), "x").unwrap();
        let collection = collect_from(source.path(), Some(target.path()));
        assert!(collection.files.is_empty());
        assert_eq!(collection.skipped, [r"/outputs/a\u{1b}[31m\n: the name holds control characters"]);
    }

    #[test]
    fn a_link_in_the_hosts_folder_is_not_followed() {
        let (source, target, elsewhere) =
            (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std_fs::create_dir(source.path().join("sub")).unwrap();
        std_fs::write(source.path().join("sub/a.txt"), "hello").unwrap();
        std_fs::write(source.path().join("b.txt"), "new").unwrap();
        symlink(elsewhere.path(), target.path().join("sub")).unwrap();
        std_fs::write(elsewhere.path().join("kept"), "old").unwrap();
        symlink(elsewhere.path().join("kept"), target.path().join("b.txt")).unwrap();
        let collection = collect_from(source.path(), Some(target.path()));
        assert_eq!(std_fs::read_to_string(elsewhere.path().join("kept")).unwrap(), "old");
        assert_eq!(std_fs::read_to_string(target.path().join("b.txt")).unwrap(), "new");
        assert!(!elsewhere.path().join("a.txt").exists());
        assert_eq!(collection.skipped.len(), 1, "{:?}", collection.skipped);
    }
}
