//! The loop of one execution: what happens next, and what follows from it.

use std::sync::Arc;

use bytes::Bytes;
use codemode_egress::Decision as NetworkDecision;
use codemode_types::{OutputStream, ToolFailure};
use codemode_wire::{
    cell::FromCell,
    guest::{FromGuest, Start, ToGuest},
};
use serde_json::json;
use tokio::time::sleep_until;

use super::{
    Job,
    broker::{Broker, Decision, MOST_PENDING, Part},
    channel::GuestChannel,
    clock::{Clock, Overdue},
    end::End,
    exec_watch::ExecWatch,
    host::{Controls, Host, Word},
    outlet::Outlet,
    output::Output,
    violations::Violations,
    watch::{Alarm, Watch},
};
use crate::{
    ExecutionEvent,
    cgroup::SharedCgroup,
    code_process::CodeProcess,
    escape::escaped,
    sandbox::{Life, Sandbox, Stage},
    socket::PacketSocket,
    zygote::Gone,
};

/// Of one read, and so of one output event.
const CHUNK_BYTES: usize = 64 << 10;
const UNREAD: &str = "it makes calls and does not read the answers";
/// The cell's init says little.
pub(super) const CELL_PACKET_BYTES: usize = 4 << 10;

pub(super) struct Run {
    pub(super) stage: Option<Stage>,
    pub(super) life: Life,
    /// Nothing of the code runs any more.
    pub(super) gone: Option<Gone>,
    pub(super) zygote_lost: bool,
    pub(super) cell: PacketSocket,
    pub(super) cell_open: bool,
    pub(super) guest: GuestChannel,
    pub(super) stdout: Output,
    pub(super) stderr: Output,
    pub(super) broker: Broker,
    pub(super) violations: Violations,
    pub(super) clock: Clock,
    pub(super) watch: Watch,
    pub(super) execs: Option<ExecWatch>,
    pub(super) outlet: Option<Outlet>,
    pub(super) host: Host,
    pub(super) controls: Controls,
    pub(super) outputs: Option<std::os::fd::OwnedFd>,
    pub(super) folders: Arc<Vec<std::os::fd::OwnedFd>>,
    pub(super) cgroup: Option<SharedCgroup>,
    pub(super) code: Option<CodeProcess>,
    pub(super) cpu_before: std::time::Duration,
    pub(super) layers: Vec<String>,
    pub(super) buffer: Box<[u8]>,
}

enum Happening {
    Over(End),
    Due,
    Alarm(Alarm),
    Gone(Option<Gone>),
    Exited(i32, Option<Gone>),
    CellClosed,
    Word(Word),
    /// The host took what waited.
    Flushed,
    Output(OutputStream),
    GuestReadable,
    GuestWritable,
    Network(NetworkDecision),
}

impl Run {
    /// Hands the code over; from here on the sandbox is hostile.
    pub(super) fn new(sandbox: Sandbox, job: &Job, start: Start, host: Host, controls: Controls) -> Self {
        let Sandbox {
            stage,
            life,
            guest,
            stdout,
            stderr,
            cell,
            outputs,
            folders,
            layers,
            execs,
            cgroup,
            code,
            oom,
            cpu_before,
            uid: _,
            inlets: _,
        } = sandbox;
        let (limits, folders) = (&job.limits, Arc::new(folders));
        let watch = match &cgroup {
            Some(group) => Watch::group(group.clone(), oom, cpu_before, limits),
            None => Watch::tree(life.pid, Arc::clone(&folders), limits),
        };
        let mut guest = GuestChannel::new(guest, limits);
        guest.send(&ToGuest::Start(Box::new(start)));
        Self {
            stage,
            life,
            gone: None,
            zygote_lost: false,
            cell,
            cell_open: true,
            guest,
            stdout: Output::new(OutputStream::Stdout, stdout, limits.output_bytes),
            stderr: Output::new(OutputStream::Stderr, stderr, limits.output_bytes),
            broker: Broker::new(&job.tools, limits),
            violations: Violations::default(),
            clock: Clock::start(limits),
            watch,
            execs: execs.map(ExecWatch::start),
            outlet: None,
            host,
            controls,
            outputs,
            folders,
            cgroup,
            code,
            cpu_before,
            layers,
            buffer: vec![0; CHUNK_BYTES].into(),
        }
    }

    pub(super) async fn until_end(&mut self) -> End {
        loop {
            let happening = self.next().await;
            let end = self.follow(happening).or_else(|| self.frames());
            self.clock.set_tools_pending(self.broker.waits_for_host(self.guest.is_behind()));
            if let Some(bytes) = self.guest.take_taken() {
                self.host.tell(ExecutionEvent::AnswerTaken { bytes });
            }
            if let Some(end) = end {
                return end;
            }
        }
    }

    /// Deadlines and the supervisor's own channels come before anything the sandbox can flood.
    async fn next(&mut self) -> Happening {
        let due = self.broker.deadline().map_or(self.clock.deadline(), |tool| tool.min(self.clock.deadline()));
        let pending = self.broker.pending();
        tokio::select! {
            biased;
            end = self.controls.wanted.called_off() => Happening::Over(end),
            () = sleep_until(due) => Happening::Due,
            alarm = self.watch.alarm() => Happening::Alarm(alarm),
            happening = hear(&self.cell), if self.cell_open => happening,
            gone = self.life.gone() => Happening::Gone(gone),
            Some(word) = self.controls.words.recv() => Happening::Word(word),
            happening =
                traffic(&mut self.host, &self.guest, &self.stdout, &self.stderr, &mut self.outlet, pending) => happening,
        }
    }

    fn follow(&mut self, happening: Happening) -> Option<End> {
        match happening {
            Happening::Over(end) => return Some(end),
            Happening::Due => return self.due(),
            // A single thread that spins meets both bounds at once: the better known one is named.
            Happening::Alarm(Alarm::Cpu) => {
                let both = self.clock.is_nearly_over().then_some(End::CodeTimeout);
                return self.due().or(both).or(Some(End::CpuLimit));
            }
            Happening::Alarm(Alarm::Memory) => return Some(End::MemoryLimit),
            Happening::Gone(gone) => return Some(self.gone(gone)),
            Happening::Exited(status, quiet) => {
                self.gone = quiet;
                return Some(End::Exited(status));
            }
            Happening::CellClosed => self.cell_open = false,
            Happening::Word(Word::Answer(call_id, answer)) => return self.answer(call_id, answer),
            Happening::Word(Word::Part { call_id, total, data }) => return self.answer_part(call_id, total, data),
            Happening::Word(Word::Held(call_id, held)) => self.broker.hold(call_id, held),
            Happening::Flushed => {}
            Happening::Output(OutputStream::Stdout) => self.output(OutputStream::Stdout),
            Happening::Output(OutputStream::Stderr) => self.output(OutputStream::Stderr),
            Happening::GuestReadable => {
                // What was printed before a call or a result comes before it, as far as it can be told.
                self.output(OutputStream::Stdout);
                self.output(OutputStream::Stderr);
                self.guest.read(&mut self.buffer);
            }
            Happening::GuestWritable => self.guest.write(),
            Happening::Network(decision) => self.network(decision),
        }
        None
    }

    pub(super) fn network(&mut self, decision: NetworkDecision) {
        self.violations.by_proxy(&decision);
        self.host.tell(ExecutionEvent::Network(decision));
    }

    fn due(&mut self) -> Option<End> {
        for (call_id, failure) in self.broker.expire() {
            self.host.tell(ExecutionEvent::ToolCallAbandoned { call_id, timed_out: true });
            self.guest.send(&ToGuest::ToolAnswer { call_id, answer: Err(failure_json(&failure)) });
        }
        self.clock.overdue().map(|overdue| match overdue {
            Overdue::Code => End::CodeTimeout,
            Overdue::Total => End::TotalTimeout,
        })
    }

    /// The sandbox ended first; perhaps its init had a last word.
    fn gone(&mut self, gone: Option<Gone>) -> End {
        self.gone = gone;
        if gone.is_none() {
            self.zygote_lost = true;
            return End::ZygoteLost;
        }
        let mut packet = [0; CELL_PACKET_BYTES];
        while let Some((length, _)) = self.cell.receive_now(&mut packet) {
            if let Ok(FromCell::Exited { status, .. }) = FromCell::decode(&packet[..length]) {
                return End::Exited(status);
            }
        }
        End::Vanished
    }

    fn answer(&mut self, call_id: u64, answer: Result<Vec<u8>, ToolFailure>) -> Option<End> {
        let answer = self.broker.answer(call_id, answer)?;
        self.tell_guest(call_id, answer.map_err(|failure| failure_json(&failure)))
    }

    fn answer_part(&mut self, call_id: u64, total: u64, data: Bytes) -> Option<End> {
        match self.broker.answer_part(call_id, total, data.len()) {
            // Each costs a little more than its length, which is all that the client's credit counts.
            Part::Pass { .. } if !self.guest.has_room_for_word() => return Some(End::Protocol(UNREAD.into())),
            Part::Pass { total } => self.guest.send_part(call_id, total, data),
            Part::Unwanted => self.guest.pass_over(data.len()),
            Part::Refuse(failure) => {
                self.guest.pass_over(data.len());
                return self.tell_guest(call_id, Err(failure_json(&failure)));
            }
        }
        None
    }

    fn tell_guest(&mut self, call_id: u64, answer: Result<Vec<u8>, Vec<u8>>) -> Option<End> {
        // Why a call failed waits as a value does: it may be as long.
        let (Ok(given) | Err(given)) = &answer;
        if self.guest.has_room_for(given.len()) {
            self.guest.send(&ToGuest::ToolAnswer { call_id, answer });
            return None;
        }
        let unread = ToolFailure::new(
            "ToolAnswersUnread",
            "too many large answers wait unread; make fewer calls at a time or ask for less per call",
        );
        if !self.guest.has_room_for_word() {
            return Some(End::Protocol(UNREAD.into()));
        }
        self.guest.send(&ToGuest::ToolAnswer { call_id, answer: Err(failure_json(&unread)) });
        None
    }

    fn output(&mut self, stream: OutputStream) {
        let output = match stream {
            OutputStream::Stdout => &mut self.stdout,
            OutputStream::Stderr => &mut self.stderr,
        };
        if let Some(data) = output.read(&mut self.buffer) {
            self.host.tell(ExecutionEvent::Output { stream, data });
        }
    }

    /// Follows the guest's messages as long as the host and the broker can take more.
    fn frames(&mut self) -> Option<End> {
        while self.host.has_room() && self.broker.pending() < MOST_PENDING {
            match self.guest.next() {
                Ok(Some(message)) => {
                    if let Some(end) = self.message(message) {
                        return Some(end);
                    }
                }
                Ok(None) => break,
                Err(reason) => return Some(End::Protocol(reason)),
            }
        }
        None
    }

    fn message(&mut self, message: FromGuest) -> Option<End> {
        match message {
            FromGuest::Finish(finish) => Some(End::Finished(finish)),
            FromGuest::Violation { kind, detail } => {
                self.violations.by_guest(&kind, &detail);
                None
            }
            FromGuest::ToolCall { call_id, name, arguments } => self.call(call_id, name, arguments),
        }
    }

    fn call(&mut self, call_id: u64, name: String, arguments: Vec<u8>) -> Option<End> {
        match self.broker.call(call_id, &name, &arguments) {
            Decision::Serve { timeout } => {
                self.host.tell(ExecutionEvent::ToolCall { call_id, name, arguments, timeout });
            }
            Decision::Refuse { failure, violation } => {
                violation.into_iter().for_each(|violation| self.violations.push(violation));
                let failure = failure_json(&failure);
                if !self.guest.has_room_for_refusal(failure.len()) {
                    return Some(End::Protocol(UNREAD.into()));
                }
                self.guest.send(&ToGuest::ToolAnswer { call_id, answer: Err(failure) });
            }
            Decision::Nonsense(reason) => return Some(End::Protocol(reason)),
        }
        None
    }
}

async fn hear(cell: &PacketSocket) -> Happening {
    let mut packet = [0; CELL_PACKET_BYTES];
    loop {
        let Ok((length @ 1.., _)) = cell.receive(&mut packet).await else { return Happening::CellClosed };
        match FromCell::decode(&packet[..length]) {
            Ok(FromCell::Exited { status, quiet }) => return Happening::Exited(status, quiet.map(Gone::from)),
            Ok(FromCell::Overfull { folder }) => return Happening::Over(End::DiskLimit(folder)),
            Ok(FromCell::Failed { step, message }) => {
                tracing::error!(step = %escaped(&step), message = %escaped(&message), "a cell's init failed");
            }
            Ok(_) | Err(_) => {}
        }
    }
}

/// What the sandbox and the host move. Without an order: no stream starves another.
async fn traffic(
    host: &mut Host,
    guest: &GuestChannel,
    stdout: &Output,
    stderr: &Output,
    outlet: &mut Option<Outlet>,
    pending: usize,
) -> Happening {
    let room = host.has_room();
    tokio::select! {
        () = host.flush(), if !room => Happening::Flushed,
        () = stdout.readable(room) => Happening::Output(OutputStream::Stdout),
        () = stderr.readable(room) => Happening::Output(OutputStream::Stderr),
        () = guest.readable(room && pending < MOST_PENDING) => Happening::GuestReadable,
        () = guest.writable() => Happening::GuestWritable,
        decision = decision(outlet), if room => Happening::Network(decision),
    }
}

async fn decision(outlet: &mut Option<Outlet>) -> NetworkDecision {
    match outlet {
        Some(outlet) => outlet.decision().await,
        None => std::future::pending().await,
    }
}

/// What the guest's `tools` module reads.
fn failure_json(failure: &ToolFailure) -> Vec<u8> {
    json!({
        "type": failure.kind,
        "message": failure.message,
        "valid_parameters": failure.valid_parameters,
        "suggestions": failure.suggestions,
    })
    .to_string()
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_have_the_shape_that_the_guest_reads() {
        let failure = ToolFailure { suggestions: vec!["b".into()], ..ToolFailure::new("ToolNotFound", "a\"") };
        let json: serde_json::Value = serde_json::from_slice(&failure_json(&failure)).unwrap();
        let expected = json!({"type": "ToolNotFound", "message": "a\"", "valid_parameters": [], "suggestions": ["b"]});
        assert_eq!(json, expected);
    }
}
