//! Resource limits: per process, inherited, lowered for good.

use rustix::process::{Resource, Rlimit, setrlimit};

use super::{Step, StepError, error::AtStep};

pub(super) struct ResourceLimits {
    pub(super) processes: u64,
    pub(super) open_files: u64,
    pub(super) file_size: u64,
    pub(super) cpu_seconds: u64,
    /// 0: none.
    pub(super) address_space: u64,
}

pub(super) fn set(limits: &ResourceLimits) -> Result<(), StepError> {
    let mut table = vec![
        (Resource::Nproc, limits.processes, "processes"),
        (Resource::Nofile, limits.open_files, "open files"),
        (Resource::Fsize, limits.file_size, "file size"),
        (Resource::Cpu, limits.cpu_seconds, "CPU seconds"),
        // Locked memory could not be reclaimed from.
        (Resource::Memlock, 8 << 20, "locked memory"),
        // Signals and message queues are kernel memory.
        (Resource::Sigpending, 1024, "pending signals"),
        (Resource::Msgqueue, 0, "message queues"),
    ];
    if limits.address_space > 0 {
        table.push((Resource::As, limits.address_space, "address space"));
    }
    for (resource, value, name) in table {
        setrlimit(resource, exactly(value)).at(Step::ResourceLimits, name)?;
    }
    // No core dumps: 0 would stop files only, 1 also stops a handler that the host pipes them to. Where whoever started
    // the executor said 0, nobody without CAP_SYS_RESOURCE can say 1 again.
    setrlimit(Resource::Core, exactly(1))
        .or_else(|_| setrlimit(Resource::Core, exactly(0)))
        .at(Step::ResourceLimits, "core size")
}

const fn exactly(value: u64) -> Rlimit {
    Rlimit { current: Some(value), maximum: Some(value) }
}
