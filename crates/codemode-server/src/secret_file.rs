//! Files that others write and replace while the daemon runs: certificates and keys.

use std::{
    fs::{self, Metadata, OpenOptions},
    io::{self, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

use rustix::fs::OFlags;

/// A bundle of every public authority has about a quarter of it.
const MOST_BYTES: u64 = 1 << 20;

/// A regular file, whole.
pub(crate) fn read(path: &Path) -> io::Result<(Vec<u8>, Metadata)> {
    // A pipe must not hold up who opens it; it is refused below.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = opened.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut text = Vec::new();
    opened.take(MOST_BYTES + 1).read_to_end(&mut text)?;
    match text.len() as u64 > MOST_BYTES {
        true => Err(io::Error::other("it is larger than 1 MiB")),
        false => Ok((text, metadata)),
    }
}

/// Tells one state of a file from another; `None` is a file that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(Option<[i64; 7]>);

impl Stamp {
    /// Of what the path leads to, through any links.
    pub(crate) fn of(path: &Path) -> Self {
        Self(fs::metadata(path).ok().map(|it| {
            let (device, inode, size) = (it.dev().cast_signed(), it.ino().cast_signed(), it.size().cast_signed());
            [device, inode, size, it.mtime(), it.mtime_nsec(), it.ctime(), it.ctime_nsec()]
        }))
    }
}
