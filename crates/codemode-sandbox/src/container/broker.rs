//! Connections of a cell whose network is restricted, where it has no network namespace to be served in.
//!
//! Every connect of the code waits here. The warden reads which address is meant and asks the engine, which answers with
//! a socket that is connected to its proxy, its resolver or a port that it serves, or with none. That socket takes the
//! place of the code's own, which never connects. Nothing goes on as it was asked for: what the code names lies in its
//! memory, which can change while it is read, so all that may follow from it is which of the engine's own answers it
//! gets. What cannot be read is refused.

use std::{
    fs::{self, File},
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::FileExt,
    },
};

use codemode_wire::broker::{Answer, Ask, PACKET_BYTES};
use rustix::{
    event::{PollFd, PollFlags},
    fs::{OFlags, fcntl_setfl},
};

use crate::{
    packet,
    sys::{self, Notification},
};

/// `struct sockaddr_in`.
const ADDRESS_BYTES: usize = 16;
/// Of a longer one only the beginning is looked at, as the kernel does.
const MOST_ADDRESS_BYTES: u64 = 128;

#[derive(Debug)]
pub(super) struct Broker {
    engine: OwnedFd,
    /// Where connects are heard of; the engine sends it once the code's process is confined.
    listener: Option<OwnedFd>,
    waiting: Vec<(Notification, Flags)>,
}

/// What of the code's socket its replacement keeps.
#[derive(Clone, Copy, Debug)]
struct Flags {
    nonblocking: bool,
    close_on_exec: bool,
}

impl Broker {
    /// Never waits for the engine: the warden has others to obey.
    pub(super) fn new(engine: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&engine, true)?;
        Ok(Self { engine, listener: None, waiting: Vec::new() })
    }

    /// What the warden must not close.
    pub(super) fn channel(&self) -> BorrowedFd<'_> {
        self.engine.as_fd()
    }

    pub(super) fn watched(&self) -> impl Iterator<Item = PollFd<'_>> {
        [Some(&self.engine), self.listener.as_ref()].into_iter().flatten().map(|it| PollFd::new(it, PollFlags::IN))
    }

    /// One of `watched` is ready. An error: the engine or the filter is gone, and connects fail from now on.
    pub(super) fn serve(&mut self) -> io::Result<()> {
        if is_readable(self.engine.as_fd())? {
            self.hear_engine()?;
        }
        match &self.listener {
            Some(listener) if is_readable(listener.as_fd())? => self.hear_code(),
            _ => Ok(()),
        }
    }

    fn hear_engine(&mut self) -> io::Result<()> {
        let mut buffer = [0; PACKET_BYTES];
        let (length, descriptors) = packet::receive(self.engine.as_fd(), &mut buffer)?;
        let answer = Answer::decode(&buffer[..length]).map_err(io::Error::other)?;
        let descriptor = descriptors.into_iter().next();
        let Some(listener) = &self.listener else {
            self.listener = Some(descriptor.ok_or(io::ErrorKind::InvalidData)?);
            return Ok(());
        };
        let Some(index) = self.waiting.iter().position(|(waiting, _)| waiting.id() == answer.ticket) else {
            return Ok(());
        };
        let (notification, flags) = self.waiting.swap_remove(index);
        let outcome = match descriptor {
            Some(socket) => hand_in(listener.as_fd(), &notification, &socket, flags),
            None => Err(i32::try_from(answer.errno).unwrap_or(libc::ECONNREFUSED)),
        };
        answer_code(listener.as_fd(), &notification, outcome)
    }

    fn hear_code(&mut self) -> io::Result<()> {
        let Some(listener) = &self.listener else { return Ok(()) };
        let notification = match sys::receive_notification(listener.as_fd()) {
            Ok(notification) => notification,
            // Its caller was killed meanwhile.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINTR)) => return Ok(()),
            Err(error) => return Err(error),
        };
        let read = meant(&notification);
        if !sys::still_waits(listener.as_fd(), &notification) {
            // What was read may have been another's.
            return Ok(());
        }
        match read {
            Ok((address, port, flags)) => {
                let ask = Ask { ticket: notification.id(), address, port };
                match packet::send(self.engine.as_fd(), &ask.encode(), &[]) {
                    Ok(()) => {
                        self.waiting.push((notification, flags));
                        Ok(())
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        answer_code(listener.as_fd(), &notification, Err(libc::ECONNREFUSED))
                    }
                    Err(error) => Err(error),
                }
            }
            Err(errno) => answer_code(listener.as_fd(), &notification, Err(errno)),
        }
    }
}

/// A caller that is gone needs no answer.
fn answer_code(listener: BorrowedFd<'_>, notification: &Notification, outcome: Result<(), i32>) -> io::Result<()> {
    match sys::answer(listener, notification, outcome) {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        other => other,
    }
}

fn is_readable(descriptor: BorrowedFd<'_>) -> io::Result<bool> {
    let zero = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut watched = [PollFd::from_borrowed_fd(descriptor, PollFlags::IN)];
    rustix::event::poll(&mut watched, Some(&zero))?;
    let happened = watched[0].revents();
    match happened.contains(PollFlags::IN) {
        true => Ok(true),
        // Of a listener: no process is left that could ask.
        false if happened.intersects(PollFlags::HUP | PollFlags::NVAL) => Err(io::ErrorKind::BrokenPipe.into()),
        false => Ok(false),
    }
}

/// The address that the code wants to connect to, and its socket's flags; or the errno that it gets.
fn meant(notification: &Notification) -> Result<([u8; 4], u16, Flags), i32> {
    let [descriptor, address, length, ..] = notification.arguments;
    let thread = match notification.thread {
        0 => return Err(libc::EPERM),
        thread => thread,
    };
    if !(2..=MOST_ADDRESS_BYTES).contains(&length) {
        return Err(libc::EINVAL);
    }
    let mut bytes = [0; ADDRESS_BYTES];
    let wanted = bytes.len().min(usize::try_from(length).unwrap_or(usize::MAX));
    let memory = File::open(format!("/proc/{thread}/mem")).map_err(|_| libc::EPERM)?;
    memory.read_exact_at(&mut bytes[..wanted], address).map_err(|_| libc::EFAULT)?;
    match i32::from(u16::from_ne_bytes([bytes[0], bytes[1]])) {
        libc::AF_INET if wanted == ADDRESS_BYTES => {}
        libc::AF_INET => return Err(libc::EINVAL),
        // Nothing of another family exists here but pairs, which are connected.
        _ => return Err(libc::EAFNOSUPPORT),
    }
    let flags = flags_of(thread, descriptor as u32).ok_or(libc::EBADF)?;
    let port = u16::from_be_bytes([bytes[2], bytes[3]]);
    Ok(([bytes[4], bytes[5], bytes[6], bytes[7]], port, flags))
}

/// The line `flags:`, in octal.
fn flags_of(thread: u32, descriptor: u32) -> Option<Flags> {
    let text = fs::read_to_string(format!("/proc/{thread}/fdinfo/{descriptor}")).ok()?;
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"))?;
    let flags = i32::from_str_radix(flags.trim(), 8).ok()?;
    Some(Flags { nonblocking: flags & libc::O_NONBLOCK != 0, close_on_exec: flags & libc::O_CLOEXEC != 0 })
}

fn hand_in(listener: BorrowedFd<'_>, notification: &Notification, socket: &OwnedFd, flags: Flags) -> Result<(), i32> {
    let mode = if flags.nonblocking { OFlags::NONBLOCK } else { OFlags::empty() };
    fcntl_setfl(socket, mode).map_err(|_| libc::ECONNREFUSED)?;
    let target = notification.arguments[0] as u32;
    sys::replace_descriptor(listener, notification, socket.as_fd(), target, flags.close_on_exec)
        .map_err(|_| libc::ECONNREFUSED)
}
