//! A daemon in small: starts a zygote and drives one cell.

use std::{
    fs::File,
    io::{Read, Write},
    net::TcpListener,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::{Path, PathBuf},
    process::Child,
};

use codemode_sandbox::{
    execs::{self, Granted, Programs, Served},
    launch, packet,
    plan::{Means, SandboxPlan},
};
use codemode_types::Policy;
use codemode_wire::{
    FrameDecoder,
    cell::FromCell,
    guest::{Finish, FromGuest, Start, ToGuest},
    zygote::{FromZygote, PACKET_BYTES, Spawn, ToZygote},
};
use rustix::event::{PollFd, PollFlags, poll};

pub(crate) fn interpreter() -> PathBuf {
    std::env::var_os("PYTHON").map_or_else(|| "python3".into(), PathBuf::from)
}

/// Built by `cargo build -p codemode-guest`, beside this test.
fn guest_library() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let library = test.ancestors().nth(2).unwrap().join("libcodemode_guest.so");
    assert!(library.is_file(), "{} is missing: run `cargo build -p codemode-guest`", library.display());
    library
}

pub(crate) struct Zygote {
    control: Option<OwnedFd>,
    child: Child,
    programs: Option<Programs>,
}

#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) layers: Vec<String>,
    guest: UnixStream,
    stdout: File,
    stderr: File,
    channel: OwnedFd,
    pub(crate) outputs: OwnedFd,
    /// Who hears of starts of programs.
    pub(crate) listener: Option<OwnedFd>,
    granted: Option<Granted>,
    /// Of a restricted network: what the engine would serve.
    pub(crate) listeners: Vec<TcpListener>,
}

pub(crate) struct Ended {
    pub(crate) finish: Option<Finish>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) status: i32,
    /// Names of programs that were refused, each once.
    pub(crate) refused: Vec<String>,
}

impl Zygote {
    pub(crate) fn start(policy: &Policy) -> Self {
        Self::start_with(policy, &interpreter())
    }

    pub(crate) fn start_with(policy: &Policy, interpreter: &Path) -> Self {
        Self::start_plan(&SandboxPlan::build(policy, interpreter, means()).unwrap())
    }

    pub(crate) fn start_plan(plan: &SandboxPlan) -> Self {
        let (child, control) = launch::launch_zygote(&guest_library(), plan).unwrap();
        let zygote = Self { control: Some(control), child, programs: Programs::of(plan) };
        match zygote.hear().0 {
            FromZygote::Ready { .. } => zygote,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn hear(&self) -> (FromZygote, Vec<OwnedFd>) {
        let mut buffer = vec![0; PACKET_BYTES];
        let control = self.control.as_ref().unwrap();
        let (length, descriptors) = packet::receive(control.as_fd(), &mut buffer).unwrap();
        assert!(length > 0, "the zygote is gone");
        (FromZygote::decode(&buffer[..length]).unwrap(), descriptors)
    }

    pub(crate) fn spawn(&self, spawn: Spawn) -> Cell {
        self.try_spawn(spawn).unwrap_or_else(|other| panic!("{other:?}"))
    }

    /// A confined cell, or the message that came instead.
    pub(crate) fn try_spawn(&self, spawn: Spawn) -> Result<Cell, FromCell> {
        let (guest, guest_end) = UnixStream::pair().unwrap();
        let (stdout, stdout_end) = rustix::pipe::pipe().unwrap();
        let (stderr, stderr_end) = rustix::pipe::pipe().unwrap();
        let (channel, channel_end) = packet::pair().unwrap();
        let granted = self.programs.as_ref().map(|programs| programs.granted(&spawn.commands));
        packet::send(
            self.control.as_ref().unwrap().as_fd(),
            &ToZygote::Spawn(Box::new(spawn)).encode(),
            &[guest_end.as_fd(), stdout_end.as_fd(), stderr_end.as_fd(), channel_end.as_fd()],
        )
        .unwrap();
        drop((guest_end, stdout_end, stderr_end, channel_end));
        // An earlier cell's end may be told of first.
        let spawned = std::iter::repeat_with(|| self.hear()).find(|(told, _)| !matches!(told, FromZygote::Gone { .. }));
        assert!(matches!(spawned, Some((FromZygote::Spawned { .. }, descriptors)) if descriptors.len() == 1));
        let (mut outputs, mut listeners) = (None, Vec::new());
        loop {
            match hear_cell(&channel) {
                Some((FromCell::Network, descriptors)) => {
                    listeners.extend(descriptors.into_iter().map(TcpListener::from))
                }
                Some((FromCell::Folders, descriptors)) => outputs = descriptors.into_iter().next(),
                Some((FromCell::Confined { layers }, descriptors)) => {
                    return Ok(Cell {
                        layers,
                        guest,
                        stdout: stdout.into(),
                        stderr: stderr.into(),
                        channel,
                        outputs: outputs.unwrap(),
                        listener: descriptors.into_iter().next(),
                        granted,
                        listeners,
                    });
                }
                Some((message, _)) => return Err(message),
                None => panic!("the cell ended without a word"),
            }
        }
    }
}

impl Drop for Zygote {
    fn drop(&mut self) {
        self.control = None;
        self.child.wait().unwrap();
    }
}

fn hear_cell(channel: &OwnedFd) -> Option<(FromCell, Vec<OwnedFd>)> {
    let mut buffer = [0; 4096];
    let (length, descriptors) = packet::receive(channel.as_fd(), &mut buffer).unwrap();
    (length > 0).then(|| (FromCell::decode(&buffer[..length]).unwrap(), descriptors))
}

impl Cell {
    /// Runs code to its end.
    pub(crate) fn run(mut self, code: &str, commands: &[String]) -> Ended {
        let start = Start {
            code: code.into(),
            filename: "main.py".into(),
            allow_direct_execution: !commands.is_empty(),
            allowed_commands: commands.to_vec(),
            result_bytes: 1 << 20,
            value_bytes: 1 << 20,
            ..Start::default()
        };
        self.guest.write_all(&ToGuest::Start(Box::new(start)).encode()).unwrap();
        let watcher = self
            .listener
            .take()
            .zip(self.granted.take())
            .map(|(listener, granted)| std::thread::spawn(move || listen(&listener, &granted)));
        let finish = self.finish();
        let status = match hear_cell(&self.channel) {
            Some((FromCell::Exited { status, .. }, _)) => status,
            other => panic!("{other:?}"),
        };
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.stdout.read_to_string(&mut stdout).unwrap();
        self.stderr.read_to_string(&mut stderr).unwrap();
        let refused = watcher.map_or_else(Vec::new, |watcher| watcher.join().unwrap());
        Ended { finish, stdout, stderr, status, refused }
    }

    fn finish(&mut self) -> Option<Finish> {
        let mut frames = FrameDecoder::new(1 << 24);
        let mut buffer = [0; 4096];
        loop {
            let length = self.guest.read(&mut buffer).unwrap();
            if length == 0 {
                return None;
            }
            frames.push(&buffer[..length]);
            while let Some(frame) = frames.next_frame().unwrap() {
                match FromGuest::decode(frame).unwrap() {
                    FromGuest::Finish(finish) => return Some(*finish),
                    FromGuest::Violation { .. } => {}
                    other => panic!("{other:?}"),
                }
            }
        }
    }
}

/// What tier full is built with by this user.
pub(crate) fn means() -> Means {
    match rustix::process::geteuid().is_root() {
        true => Means::Root,
        false => Means::UserNamespace,
    }
}

/// Until no process of the cell is left.
fn listen(listener: &OwnedFd, granted: &Granted) -> Vec<String> {
    let mut refused = Vec::new();
    loop {
        poll(&mut [PollFd::new(listener, PollFlags::IN)], None).unwrap();
        let note = |name: String| {
            if !refused.contains(&name) {
                refused.push(name);
            }
        };
        if execs::serve(listener.as_fd(), granted, &mut 100, note) == Served::Ended {
            return refused;
        }
    }
}

pub(crate) fn ordinary(commands: &[&str]) -> Spawn {
    Spawn {
        ticket: 1,
        uid: 2_000_000_000 + std::process::id() % 1_000_000,
        sandbox_bytes: 64 << 20,
        outputs_bytes: 64 << 20,
        tmp_bytes: 64 << 20,
        processes: 64,
        open_files: 256,
        file_size: 32 << 20,
        cpu_seconds: 30,
        commands: commands.iter().map(|name| (*name).to_owned()).collect(),
        ..Spawn::default()
    }
}

pub(crate) fn policy(commands: &[&str], workspace: Option<&Path>) -> Policy {
    let mut policy = Policy::default();
    policy.execution.allowed_commands = commands.iter().map(|name| (*name).to_owned()).collect();
    policy.filesystem.workspace.mount = workspace.map(Path::to_owned);
    policy
}
