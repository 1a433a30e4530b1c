//! After the end: kill everything, wait until nothing is left, take what was left behind, and say how it was.

use std::{os::fd::OwnedFd, sync::Arc, time::Duration};

use codemode_sandbox::outputs::Writer;
use codemode_types::{ExecutionReport, Isolation, Limits, ToolCallRecord, Usage, Violation};
use codemode_wire::{cell::FromCell, guest::FromGuest};

use super::{
    Job,
    artifacts::{self, Artifacts},
    channel::GuestChannel,
    end::{Bounds, End, Evidence, Verdict, judge},
    exec_watch::ExecWatch,
    host::Host,
    met,
    output::Output,
    run::{CELL_PACKET_BYTES, Run},
    watch::Watch,
};
use crate::{
    ExecutionEvent, cgroup::SharedCgroup, code_process::CodeProcess, engine::Shared, escape::escaped, sandbox::Life,
    socket::PacketSocket, zygote::Gone,
};

/// For a process that said it is done. Its memory may be large; who forged that word is killed.
const LEAVING_PATIENCE: Duration = Duration::from_millis(50);
const INIT_AND_CODE: u64 = 2;
/// Killed processes are gone in milliseconds, unless the kernel itself hangs.
const GONE_PATIENCE: Duration = Duration::from_secs(10);

/// What is left to do: tell the host.
pub(super) struct Conclusion {
    pub(super) report: Box<ExecutionReport>,
    pub(super) host: Host,
    pub(super) remains: Option<Remains>,
}

/// What is let go behind the answer: that takes a while, and an init in which nothing of the code is left can wait. It
/// ends with its channel or by its life, whichever goes first.
pub(super) struct Remains {
    _life: Option<Life>,
    _ends: (PacketSocket, GuestChannel, [Output; 2], Option<ExecWatch>, Watch, Option<CodeProcess>),
    _folders: Arc<Vec<OwnedFd>>,
}

/// What the supervisor saw and counted.
#[derive(Default)]
struct Account {
    usage: Usage,
    tool_calls: Vec<ToolCallRecord>,
    violations: Vec<Violation>,
    warnings: Vec<String>,
    artifacts: Artifacts,
    truncated: [bool; 2],
}

/// How it showed that nothing of the code runs any more.
enum Left {
    Seen,
    /// By its init; `None`: it will not say.
    Said(Option<Gone>),
}

impl Run {
    pub(super) async fn conclude(mut self, end: End, job: &Job, shared: &Shared) -> Conclusion {
        // Before the end, which empties what was deleted and is still open.
        self.folders_full();
        // Who says that it is done ends by itself, and its init says so sooner than it could be killed and reaped.
        let leaves = matches!(end, End::Finished(_)) && !self.life.is_guarded();
        if !leaves && self.gone.is_none() {
            self.life.kill();
        }
        if let Some(outlet) = self.outlet.take() {
            outlet.close().for_each(|decision| self.network(decision));
        }
        let wall = self.clock.wall();
        let guest = self.clock.code_time();
        for call_id in self.broker.abandon() {
            self.host.tell(ExecutionEvent::ToolCallAbandoned { call_id, timed_out: false });
        }
        self.await_end(job, leaves).await;
        let end = self.last_word(end, job);
        self.remaining_output();
        let (evidence, peak_memory_bytes) = self.evidence();
        let verdict = judge(end, evidence, Bounds { limits: &job.limits, ceiling: &job.ceiling });
        self.limits_met(evidence, &job.limits);
        self.commands_refused();
        // A warden's cell left its files readable, and the daemon has no right to write to another's folder.
        let writer = if self.life.is_guarded() { Writer::Owner } else { Writer::Oneself };
        let destination = job.policy.filesystem.outputs.mount.as_ref().and(shared.outputs.clone());
        let artifacts = artifacts::gather(self.outputs.take(), destination, writer, job.artifact_bytes).await;
        // In this order: a warden removes what it finds once it is released. An init can wait until the answer is sent.
        drop(self.stage.take());
        let life = (!self.life.is_guarded()).then_some(self.life);
        let (violations, warning) = self.violations.into_parts();
        let account = Account {
            usage: Usage { wall, guest, tool: wall.saturating_sub(guest), cpu: evidence.cpu, peak_memory_bytes },
            tool_calls: self.broker.into_records(),
            violations,
            warnings: warning.into_iter().collect(),
            artifacts,
            truncated: [self.stdout.is_truncated(), self.stderr.is_truncated()],
        };
        let isolation = shared.isolation.with_layers(self.layers);
        let remains = Remains {
            _life: life,
            _ends: (self.cell, self.guest, [self.stdout, self.stderr], self.execs, self.watch, self.code),
            _folders: self.folders,
        };
        Conclusion { report: report(job, verdict, account, isolation), host: self.host, remains: Some(remains) }
    }

    /// Returns when nothing of the code runs any more.
    async fn await_end(&mut self, job: &Job, leaves: bool) {
        if self.gone.is_some() || self.zygote_lost {
            return;
        }
        let guarded = self.life.is_guarded();
        if leaves {
            let left = async {
                tokio::select! {
                    biased;
                    () = self.code_left() => Left::Seen,
                    word = quiet(&self.cell, guarded) => Left::Said(word),
                }
            };
            match tokio::time::timeout(LEAVING_PATIENCE, left).await {
                Ok(Left::Seen) => return,
                Ok(Left::Said(word)) => self.gone = word,
                Err(_) => {}
            }
            if self.gone.is_some() {
                return;
            }
            self.life.kill();
        }
        let gone = async {
            match guarded {
                true => match quiet(&self.cell, guarded).await {
                    // The zygote does what the warden could not; before that the folders are not another's.
                    None => self.life.gone().await,
                    quiet => quiet,
                },
                false => self.life.gone().await,
            }
        };
        match tokio::time::timeout(GONE_PATIENCE, gone).await {
            Ok(gone) => self.gone = gone,
            // Its user id and control group stay taken until it is.
            Err(_) => tracing::error!(execution = %job.id, pid = self.life.pid, "a killed sandbox is not gone"),
        }
    }

    /// Resolves where the code's process is past its last own instruction and was the only one besides init: then taking
    /// it apart, which is most of an end, need not be waited for. Its control group counts what it accounts, which is
    /// here up to this moment.
    async fn code_left(&self) {
        let group = self.cgroup.as_ref().and_then(SharedCgroup::get);
        if let Some((group, code)) = group.zip(self.code.as_ref())
            && code.leaves_nobody(|| group.tasks() != Some(INIT_AND_CODE)).await
        {
            return;
        }
        std::future::pending().await
    }

    /// A process that ended by itself may have finished first, and its last frames may have come last. A log line for
    /// a guest that breaks the protocol.
    fn last_word(&mut self, end: End, job: &Job) -> End {
        let end = match end {
            End::Exited(_) | End::Vanished => self.last_frames(end),
            _ => end,
        };
        if let End::Protocol(reason) = &end {
            tracing::warn!(execution = %job.id, %reason, "a sandbox broke the protocol and was killed");
        }
        end
    }

    /// The same end whether the process or what it sent was noticed first.
    fn last_frames(&mut self, end: End) -> End {
        loop {
            match self.guest.next() {
                Ok(Some(FromGuest::Finish(finish))) => return End::Finished(finish),
                Ok(Some(FromGuest::Violation { kind, detail })) => self.violations.by_guest(&kind, &detail),
                // Nobody is left to be answered.
                Ok(Some(FromGuest::ToolCall { .. })) => {}
                Ok(None) if self.guest.read_now(&mut self.buffer) => {}
                Ok(None) => return end,
                Err(reason) => return End::Protocol(reason),
            }
        }
    }

    fn remaining_output(&mut self) {
        for output in [&mut self.stdout, &mut self.stderr] {
            for data in output.rest(&mut self.buffer) {
                self.host.tell(ExecutionEvent::Output { stream: output.stream, data });
            }
        }
    }

    /// The kernel's account, and the most memory that was in use.
    fn evidence(&self) -> (Evidence, u64) {
        let group = self.cgroup.as_ref().and_then(SharedCgroup::get);
        let used = group.and_then(|group| group.cpu_time()).map(|cpu| cpu.saturating_sub(self.cpu_before));
        let cpu = used.or(self.gone.map(|gone| gone.cpu)).unwrap_or_default();
        let seen = self.watch.peak_memory().max(self.gone.map_or(0, |gone| gone.peak_memory_bytes));
        let peak = group.and_then(|group| group.peak_memory()).unwrap_or(seen);
        let evidence = Evidence {
            out_of_memory: self.watch.out_of_memory(),
            cpu,
            processes_refused: group.map(|group| group.pids_limit_hit()),
            calls_refused: self.broker.refused_for_their_number(),
            truncated: [&self.stdout, &self.stderr].iter().find(|it| it.is_truncated()).map(|it| it.stream),
        };
        (evidence, peak)
    }

    /// Programs that the kernel would not start, at any depth.
    fn commands_refused(&mut self) {
        if let Some(execs) = &self.execs {
            self.violations.refused_commands(execs.take());
        }
    }

    fn folders_full(&mut self) {
        for detail in met::full(&self.folders) {
            self.violations.by_supervisor("disk_limit", detail);
        }
    }

    /// Limits that the code met as ordinary errors, whether it survived them or not.
    fn limits_met(&mut self, evidence: Evidence, limits: &Limits) {
        if evidence.out_of_memory {
            let detail = "the kernel killed a process of this execution for want of memory (limits.memory_limit)";
            self.violations.by_supervisor("memory_limit", detail.into());
        }
        // Where no group tells of a refusal, that there were as many as there may be is the most that can be seen.
        // A warden is seen too, and does not count: it is another user.
        let most = limits.processes.saturating_add(self.life.is_guarded().into());
        if evidence.processes_refused.unwrap_or_else(|| self.watch.most_processes() >= most) {
            let detail = "there were as many processes and threads as there may be (limits.processes)";
            self.violations.by_supervisor("process_limit", detail.into());
        }
        for output in [&self.stdout, &self.stderr].into_iter().filter(|output| output.is_truncated()) {
            let detail = format!("{} was cut at {} (limits.output_bytes)", output.stream, output.limit());
            self.violations.by_supervisor("output_limit", detail);
        }
    }
}

/// The word of a warden or an init that nothing of its cell runs any more; `None`: it will not come.
async fn quiet(cell: &PacketSocket, guarded: bool) -> Option<Gone> {
    let mut packet = [0; CELL_PACKET_BYTES];
    loop {
        let (length @ 1.., _) = cell.receive(&mut packet).await.ok()? else { return None };
        match FromCell::decode(&packet[..length]) {
            Ok(FromCell::Quiet(used) | FromCell::Exited { quiet: Some(used), .. }) => return Some(used.into()),
            // Others are left, and an init that does not kill them.
            Ok(FromCell::Exited { quiet: None, .. }) if !guarded => return None,
            Ok(FromCell::Failed { step, message }) => {
                tracing::error!(step = %escaped(&step), message = %escaped(&message), "a warden could not clean up");
            }
            Ok(_) | Err(_) => {}
        }
    }
}

impl Conclusion {
    pub(super) fn without_sandbox(end: End, job: &Job, host: Host, isolation: &Isolation) -> Self {
        let bounds = Bounds { limits: &job.limits, ceiling: &job.ceiling };
        let verdict = judge(end, Evidence::default(), bounds);
        let isolation = isolation.with_layers(Vec::new());
        Self { report: report(job, verdict, Account::default(), isolation), host, remains: None }
    }
}

fn report(job: &Job, verdict: Verdict, account: Account, isolation: Isolation) -> Box<ExecutionReport> {
    let Verdict { outcome, exit_code, result, variables, failure, warnings } = verdict;
    let Account { usage, tool_calls, violations, warnings: own, artifacts, truncated } = account;
    let warnings = [job.warnings.clone(), warnings, own, artifacts.warnings].concat();
    let [stdout_truncated, stderr_truncated] = truncated;
    Box::new(ExecutionReport {
        execution_id: job.id.clone(),
        correlation_id: job.correlation_id.clone(),
        outcome,
        exit_code,
        result,
        variables,
        failure,
        tool_calls,
        artifacts: artifacts.files,
        violations,
        usage,
        isolation,
        warnings,
        stdout_truncated,
        stderr_truncated,
        duration: job.arrived.elapsed(),
    })
}
