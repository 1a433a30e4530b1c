//! What is fixed when a sandbox is made; everything else of a policy is enforced while it runs.

use std::collections::BTreeSet;

use codemode_sandbox::cgroup::CgroupLimits;
use codemode_types::{ByteSize, Limits, NetworkMode, Policy};
use codemode_wire::zygote::{Network, Spawn};

const NPROC_MARGIN: u64 = 16;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shape {
    commands: Vec<String>,
    sandbox_bytes: u64,
    outputs_bytes: u64,
    tmp_bytes: u64,
    memory_bytes: u64,
    cpus: f64,
    processes: u64,
    open_files: u64,
    file_size: u64,
    allow_jit: bool,
    cpu_seconds: u64,
    network: Network,
    fresh_interpreter: bool,
}

impl Shape {
    /// `limits` are the policy's own or lowered by the request.
    pub(crate) fn of(policy: &Policy, limits: &Limits) -> Self {
        // Files on tmpfs count against memory: a full folder is to be an error that the code can handle.
        let memory = limits.memory_limit.bytes();
        let room = ByteSize(memory - memory / 8);
        let commands = match policy.direct_execution() {
            true => policy.execution.allowed_commands.clone(),
            false => Vec::new(),
        };
        Self {
            commands,
            sandbox_bytes: policy.sandbox_size().bytes(),
            outputs_bytes: policy.filesystem.outputs.max_size.min(room).bytes(),
            tmp_bytes: policy.filesystem.tmp.max_size.min(room).bytes(),
            memory_bytes: memory,
            cpus: limits.cpus,
            processes: limits.processes,
            open_files: limits.open_files,
            file_size: limits.file_size.bytes(),
            allow_jit: policy.isolation.allow_jit,
            cpu_seconds: limits.cpu_time().as_secs_f64().ceil() as u64 + 1,
            network: match policy.network.mode {
                NetworkMode::None => Network::None,
                // Which names and how much of it: the engine's business while it runs.
                NetworkMode::Restricted => {
                    let ports: BTreeSet<u16> = policy.network.ports.iter().copied().collect();
                    Network::Restricted { ports: ports.into_iter().collect() }
                }
                NetworkMode::All => Network::All,
            },
            fresh_interpreter: policy.isolation.fresh_interpreter,
        }
    }

    /// Whether a sandbox of this shape is what `asked` wants. RLIMIT_CPU alone may be higher: the engine's own watch
    /// holds the execution to its CPU time, the rlimit stands behind it, and a shorter timeout is an everyday wish.
    pub(crate) fn serves(&self, asked: &Self) -> bool {
        let same = Self { cpu_seconds: asked.cpu_seconds, ..self.clone() };
        same == *asked && self.cpu_seconds >= asked.cpu_seconds
    }

    /// That a sandbox of this shape may execute.
    pub(crate) fn commands(&self) -> &[String] {
        &self.commands
    }

    /// Whether its interpreter is started for it alone.
    pub(crate) fn has_fresh_interpreter(&self) -> bool {
        self.fresh_interpreter
    }

    pub(crate) fn cgroup_limits(&self) -> CgroupLimits {
        // The cell's init is one process more.
        let processes = self.processes.saturating_add(1);
        CgroupLimits { memory_bytes: self.memory_bytes, processes, cpus: self.cpus }
    }

    /// `grouped`: whether a control group bounds memory and processes. Where it does not, RLIMIT_AS and RLIMIT_NPROC
    /// do; where it does, RLIMIT_NPROC leaves it the first word, because a group can tell that it was met.
    pub(crate) fn order(&self, uid: u32, grouped: bool) -> Spawn {
        Spawn {
            ticket: 0,
            uid,
            sandbox_bytes: self.sandbox_bytes,
            outputs_bytes: self.outputs_bytes,
            tmp_bytes: self.tmp_bytes,
            processes: self.processes.saturating_add(if grouped { NPROC_MARGIN } else { 0 }),
            open_files: self.open_files,
            file_size: self.file_size,
            cpu_seconds: self.cpu_seconds,
            address_space: if grouped { 0 } else { self.address_space() },
            allow_jit: self.allow_jit,
            commands: self.commands.clone(),
            network: self.network.clone(),
        }
    }

    /// Wide of the memory limit, because reserved is not used: each thread reserves a stack of 8 MiB, and the C library
    /// 64 MiB for each of 8 × cores arenas. The watch over the tree's memory decides; this bounds what one process can
    /// take between two looks.
    fn address_space(&self) -> u64 {
        let stacks = self.processes.saturating_mul(8 << 20);
        self.memory_bytes.saturating_mul(2).saturating_add(2 << 30).saturating_add(stacks)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use codemode_types::LimitOverrides;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_shorter_timeout_fits_a_parked_sandbox_and_less_memory_does_not() {
        let policy = Policy::default();
        let own = Shape::of(&policy, &policy.limits);
        let asked = LimitOverrides { code_timeout: Some(Duration::from_secs(1)), ..LimitOverrides::default() };
        let (limits, _) = policy.limits.overridden(&asked);
        assert!(own.serves(&Shape::of(&policy, &limits)));
        let narrowed = policy.narrowed(&json!({"limits": {"memory_limit": "64m"}})).unwrap();
        assert!(!own.serves(&Shape::of(&narrowed, &narrowed.limits)));
    }

    #[test]
    fn every_tmpfs_stays_below_the_memory_limit() {
        let mut policy = Policy::default();
        policy.limits.memory_limit = ByteSize::mib(64);
        let order = Shape::of(&policy, &policy.limits).order(1, true);
        assert_eq!([order.sandbox_bytes, order.outputs_bytes, order.tmp_bytes], [56 << 20; 3]);
        assert_eq!(order.address_space, 0);
    }

    #[test]
    fn commands_are_empty_without_direct_execution() {
        let mut policy = Policy::default();
        policy.execution.allowed_commands = vec!["grep".into()];
        assert_eq!(Shape::of(&policy, &policy.limits).order(1, true).commands, ["grep"]);
        policy.execution.allow_direct_execution = Some(false);
        assert!(Shape::of(&policy, &policy.limits).order(1, true).commands.is_empty());
    }
}
