//! Looks after what the kernel does not stop by itself: CPU time, and memory.

use std::{os::fd::OwnedFd, sync::Arc, time::Duration};

use codemode_sandbox::watch::{self, TreeUsage, tree};
use codemode_types::Limits;
use tokio::{
    io::unix::AsyncFd,
    task::JoinHandle,
    time::{Instant, Interval, MissedTickBehavior, interval_at},
};

use crate::cgroup::SharedCgroup;

/// Short runs end before the first look and pay nothing.
const GROUP_PERIOD: Duration = Duration::from_millis(250);
/// Where the watch is all that bounds memory.
const TREE_PERIOD: Duration = Duration::from_millis(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alarm {
    Cpu,
    Memory,
}

#[derive(Debug)]
pub(crate) struct Watch {
    means: Means,
    tick: Interval,
    cpu_limit: Duration,
    memory_limit: u64,
    peak_memory: u64,
    most_processes: u64,
}

#[derive(Debug)]
enum Means {
    Group { group: SharedCgroup, oom: Option<AsyncFd<OwnedFd>>, cpu_before: Duration },
    Tree { pid: i32, folders: Arc<Vec<OwnedFd>>, look: Option<JoinHandle<TreeUsage>>, kills_before: Option<u64> },
}

impl Watch {
    pub(crate) fn group(
        group: SharedCgroup,
        oom: Option<AsyncFd<OwnedFd>>,
        cpu_before: Duration,
        limits: &Limits,
    ) -> Self {
        Self::new(Means::Group { group, oom, cpu_before }, GROUP_PERIOD, limits)
    }

    /// The declared substitute where no cgroup is delegated. `pid`: the cell's init.
    pub(crate) fn tree(pid: i32, folders: Arc<Vec<OwnedFd>>, limits: &Limits) -> Self {
        let kills_before = watch::out_of_memory_kills();
        Self::new(Means::Tree { pid, folders, look: None, kills_before }, TREE_PERIOD, limits)
    }

    fn new(means: Means, period: Duration, limits: &Limits) -> Self {
        let mut tick = interval_at(Instant::now() + period, period);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (cpu_limit, memory_limit) = (limits.cpu_time(), limits.memory_limit.bytes());
        Self { means, tick, cpu_limit, memory_limit, peak_memory: 0, most_processes: 0 }
    }

    /// The most memory that was seen.
    pub(crate) fn peak_memory(&self) -> u64 {
        self.peak_memory
    }

    /// The most processes and threads that were seen, the cell's init counted. 0 where a control group looks.
    pub(crate) fn most_processes(&self) -> u64 {
        self.most_processes
    }

    /// Whether the kernel killed for want of memory, in the execution's own group, or where it has none in the one that
    /// it shares with the daemon: a container may have no more than one execution may take.
    pub(crate) fn out_of_memory(&self) -> bool {
        match &self.means {
            Means::Group { group, .. } => group.get().is_some_and(|group| group.oom_killed()),
            Means::Tree { kills_before, .. } => watch::out_of_memory_kills() > *kills_before,
        }
    }

    /// Resolves when a bound is crossed. Cancel safe.
    pub(crate) async fn alarm(&mut self) -> Alarm {
        loop {
            let crossed = match &mut self.means {
                Means::Group { group, oom, cpu_before } => {
                    tokio::select! {
                        () = killed_for_memory(oom.as_ref()) => {}
                        _ = self.tick.tick() => {}
                    }
                    look_at_group(group, *cpu_before, self.cpu_limit)
                }
                Means::Tree { pid, folders, look, .. } => {
                    let usage = look_at_tree(*pid, folders, look, &mut self.tick).await;
                    self.peak_memory = self.peak_memory.max(usage.memory_bytes);
                    self.most_processes = self.most_processes.max(usage.processes);
                    judge(usage.cpu, self.cpu_limit, usage.memory_bytes > self.memory_limit)
                }
            };
            if let Some(alarm) = crossed {
                return alarm;
            }
        }
    }
}

fn judge(cpu: Duration, cpu_limit: Duration, out_of_memory: bool) -> Option<Alarm> {
    match (out_of_memory, cpu >= cpu_limit) {
        (true, _) => Some(Alarm::Memory),
        (false, true) => Some(Alarm::Cpu),
        (false, false) => None,
    }
}

fn look_at_group(group: &SharedCgroup, cpu_before: Duration, cpu_limit: Duration) -> Option<Alarm> {
    let group = group.get()?;
    let cpu = group.cpu_time().unwrap_or_default().saturating_sub(cpu_before);
    judge(cpu, cpu_limit, group.oom_killed())
}

async fn killed_for_memory(event: Option<&AsyncFd<OwnedFd>>) {
    let Some(event) = event else { return std::future::pending().await };
    match event.readable().await {
        // The event says it once; the group's own count is what is judged.
        Ok(mut ready) => ready.clear_ready(),
        Err(_) => std::future::pending().await,
    }
}

/// Reading /proc may block: not here. The look goes on where the caller was interrupted.
async fn look_at_tree(
    pid: i32,
    folders: &Arc<Vec<OwnedFd>>,
    look: &mut Option<JoinHandle<TreeUsage>>,
    tick: &mut Interval,
) -> TreeUsage {
    if look.is_none() {
        tick.tick().await;
    }
    let folders = Arc::clone(folders);
    let handle = look.get_or_insert_with(|| {
        tokio::task::spawn_blocking(move || {
            let mut usage = tree(pid);
            usage.memory_bytes += watch::folders(&folders);
            usage
        })
    });
    let usage = handle.await;
    *look = None;
    usage.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_named_before_cpu() {
        let second = Duration::from_secs(1);
        assert_eq!(judge(second, second, true), Some(Alarm::Memory));
        assert_eq!(judge(second, second, false), Some(Alarm::Cpu));
        assert_eq!(judge(Duration::ZERO, second, false), None);
    }
}
