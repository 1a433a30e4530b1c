//! The open file or standard output: takes lines whole, or says why not.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::OFlags,
};

use super::AuditTarget;

/// How long a reader of standard output may stop before it counts as gone.
const READER_PATIENCE: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

#[derive(Debug)]
pub(super) enum Sink {
    Stdout(File),
    File(LogFile),
}

#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    /// Device and inode, by which a file that was put aside is noticed.
    identity: (u64, u64),
    /// Bytes of the line at hand that the file has already.
    written: usize,
}

impl Sink {
    pub(super) fn open(target: &AuditTarget) -> io::Result<Self> {
        match target {
            AuditTarget::Stdout => {
                let stdout = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
                Ok(Self::Stdout(File::from(stdout)))
            }
            AuditTarget::File(path) => LogFile::open(path).map(Self::File),
        }
    }

    /// Takes the whole line, in one call unless the disk fills up in between. After a failure the same line comes
    /// again.
    pub(super) fn append(&mut self, line: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout(stdout) => write_to_reader(stdout, line),
            Self::File(file) => file.append(line),
        }
    }
}

/// A pipe that can be written at all has room for PIPE_BUF bytes and takes them whole; no line is longer.
fn write_to_reader(mut stdout: &File, line: &[u8]) -> io::Result<()> {
    let mut watched = [PollFd::new(&stdout, PollFlags::OUT)];
    match poll(&mut watched, Some(&READER_PATIENCE))? {
        0 => Err(io::Error::new(io::ErrorKind::TimedOut, "nobody reads standard output")),
        _ => stdout.write_all(line),
    }
}

impl LogFile {
    fn open(path: &Path) -> io::Result<Self> {
        // A named pipe must have its reader already, or opening it would wait for one.
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(flags).open(path)?;
        let metadata = file.metadata()?;
        // A machine that stopped in the middle of a line must not spoil the next one.
        if metadata.is_file() && ends_torn(path, metadata.len())? {
            file.write_all(b"\n")?;
        }
        Ok(Self { path: path.into(), file, identity: (metadata.dev(), metadata.ino()), written: 0 })
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        self.follow()?;
        while self.written < line.len() {
            match self.file.write(&line[self.written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(length) => self.written += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.written = 0;
        Ok(())
    }

    /// Opens the path again where another file is there now, or none: logs are rotated.
    fn follow(&mut self) -> io::Result<()> {
        match self.path.metadata() {
            Ok(metadata) if (metadata.dev(), metadata.ino()) == self.identity => {}
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => *self = Self::open(&self.path)?,
        }
        Ok(())
    }
}

/// A file that may be written but not read is taken as it is.
fn ends_torn(path: &Path, length: u64) -> io::Result<bool> {
    let Some(last) = length.checked_sub(1) else { return Ok(false) };
    let mut byte = [0];
    match File::open(path) {
        Ok(file) => file.read_exact_at(&mut byte, last).map(|()| byte != *b"\n"),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{PermissionsExt, symlink},
    };

    use super::*;

    fn sink(path: &Path) -> io::Result<Sink> {
        Sink::open(&AuditTarget::File(path.into()))
    }

    #[test]
    fn files_are_private_appended_to_and_mended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        sink(&path).unwrap().append(b"one\n").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "one\ntor").unwrap();
        sink(&path).unwrap().append(b"two\n").unwrap();
        sink(&path).unwrap().append(b"three\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntor\ntwo\nthree\n");
    }

    #[test]
    fn a_rotated_file_is_let_go() {
        let folder = tempfile::tempdir().unwrap();
        let (path, old) = (folder.path().join("a"), folder.path().join("a.1"));
        let mut sink = sink(&path).unwrap();
        sink.append(b"one\n").unwrap();
        fs::rename(&path, &old).unwrap();
        sink.append(b"two\n").unwrap();
        fs::remove_file(&path).unwrap();
        sink.append(b"three\n").unwrap();
        assert_eq!((fs::read(&old).unwrap(), fs::read(&path).unwrap()), (b"one\n".into(), b"three\n".into()));
    }

    #[test]
    fn a_full_disk_is_an_error_until_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let mut sink = sink(&path).unwrap();
        fs::remove_file(&path).unwrap();
        symlink("/dev/full", &path).unwrap();
        assert_eq!(sink.append(b"one\n").unwrap_err().kind(), io::ErrorKind::StorageFull);
        fs::remove_file(&path).unwrap();
        sink.append(b"one\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one\n");
    }

    #[test]
    fn a_reader_that_stops_is_an_error_until_it_goes_on() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let room = rustix::pipe::fcntl_setpipe_size(&writer, 4096).unwrap();
        let mut sink = Sink::Stdout(File::from(writer));
        sink.append(&vec![b'x'; room]).unwrap();
        assert_eq!(sink.append(b"one\n").unwrap_err().kind(), io::ErrorKind::TimedOut);
        rustix::io::read(&reader, vec![0; room].as_mut_slice()).unwrap();
        sink.append(b"one\n").unwrap();
        drop(reader);
        assert_eq!(sink.append(b"two\n").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn what_cannot_be_a_log_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
        assert!(sink(&pipe).is_err(), "a pipe without a reader");
        assert!(sink(folder.path()).is_err(), "a folder");
        assert!(sink(&folder.path().join("no/where")).is_err());
    }
}
