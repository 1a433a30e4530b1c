//! Which pages an execution touches, learned once from a rehearsal in a process of its own. A sandbox in the making
//! asks the kernel for all of them at once: no page fault for each, and nothing has to run for it.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Write},
    ops::Range,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::FileExt,
    },
};

use codemode_sandbox::sys::{self, Access};
use rustix::{
    fs::{CWD, Mode, OFlags, openat},
    param::page_size,
};

/// Addresses, from the first to behind the last.
type Pages = Range<usize>;

const WORD: usize = size_of::<u64>();
/// Looking at each page of more than this takes longer than it saves.
const MOST_BYTES: usize = 4 << 30;
/// How many pages are looked at in one go.
const AT_ONCE: usize = 8192;

/// The kernel's view of the process that looks into it, also where /proc is no longer in sight.
pub(crate) struct Mirror(OwnedFd);

impl Mirror {
    /// While the host's files are still there.
    pub(crate) fn open() -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(openat(CWD, "/proc", flags, Mode::empty())?))
    }

    fn file(&self, path: &str) -> io::Result<File> {
        Ok(openat(self.0.as_fd(), path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?.into())
    }

    /// All that can be touched now, but for what is so large that it is hardly memory.
    pub(crate) fn mapped(&self) -> io::Result<Vec<Pages>> {
        let mut mapped = Vec::new();
        for line in BufReader::new(self.file("self/maps")?).lines() {
            mapped.extend(accessible(&line?).filter(|pages| pages.len() < MOST_BYTES));
        }
        Ok(mapped)
    }
}

/// Of a line such as `7f3c36583000-7f3c365a2000 r-xp 00002000 fe:00 326279 /lib/libc.so.6`. Address space that is only
/// reserved is nothing that a process touches, and may be large.
fn accessible(line: &str) -> Option<Pages> {
    let address = |text: &str| usize::from_str_radix(text, 16).ok();
    let (bounds, rest) = line.split_once(' ')?;
    let (first, end) = bounds.split_once('-')?;
    if rest.starts_with("---") { None } else { Some(address(first)?..address(end)?) }
}

/// Of one word of the kernel's `pagemap`, which has one for each page: what it must have been brought for.
fn brought_for(word: u64) -> Option<Access> {
    const PRESENT: u64 = 1 << 63;
    const OF_A_FILE: u64 = 1 << 61;
    const NOBODY_ELSES: u64 = 1 << 56;
    match word {
        word if word & PRESENT == 0 => None,
        word if word & OF_A_FILE != 0 => Some(Access::Read),
        word if word & NOBODY_ELSES != 0 => Some(Access::Write),
        _ => None,
    }
}

#[derive(Default)]
pub(crate) struct Footprint(Vec<(Access, Pages)>);

impl Footprint {
    /// What this process, a fork, has touched of what was `mapped` when it began: its own copies, and pages of files.
    pub(crate) fn of_this_process(mirror: &Mirror, mapped: Vec<Pages>) -> io::Result<Self> {
        let (mut footprint, pagemap) = (Self::default(), mirror.file("self/pagemap")?);
        let mut words = vec![0; AT_ONCE * WORD];
        for pages in mapped {
            for begin in pages.clone().step_by(AT_ONCE * page_size()) {
                let count = ((pages.end - begin) / page_size()).min(AT_ONCE);
                let words = &mut words[..count * WORD];
                match pagemap.read_exact_at(words, (begin / page_size() * WORD) as u64) {
                    Ok(()) => {}
                    // The last mapping of x86-64 is the kernel's, and behind the end.
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                    Err(error) => return Err(error),
                }
                for (word, address) in words.as_chunks().0.iter().zip((begin..).step_by(page_size())) {
                    if let Some(access) = brought_for(u64::from_ne_bytes(*word)) {
                        footprint.add(access, address);
                    }
                }
            }
        }
        Ok(footprint)
    }

    fn add(&mut self, access: Access, address: usize) {
        let end = address + page_size();
        match self.0.last_mut() {
            Some((same, last)) if *same == access && last.end == address => last.end = end,
            _ => self.0.push((access, address..end)),
        }
    }

    /// For the process that it was forked from.
    pub(crate) fn send(&self, mut to: File) -> io::Result<()> {
        let numbers =
            self.0.iter().flat_map(|(access, pages)| [usize::from(*access == Access::Write), pages.start, pages.end]);
        to.write_all(&numbers.flat_map(usize::to_ne_bytes).collect::<Vec<_>>())
    }

    pub(crate) fn receive(mut from: File) -> io::Result<Self> {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes)?;
        let numbers: Vec<_> = bytes.as_chunks().0.iter().map(|number| usize::from_ne_bytes(*number)).collect();
        let access = |write| if write == 0 { Access::Read } else { Access::Write };
        Ok(Self(numbers.as_chunks().0.iter().map(|&[write, start, end]| (access(write), start..end)).collect()))
    }

    /// Brings all of it. What the kernel does not bring now comes when it is touched, a little later.
    pub(crate) fn bring(&self) {
        for (access, pages) in &self.0 {
            let _ = sys::populate(pages.clone(), *access);
        }
    }
}
