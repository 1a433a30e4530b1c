//! Keys and the data of every execution pass through the executor's memory: nobody else's to read.

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, dumpable_behavior, getrlimit, set_dumpable_behavior, setrlimit,
};

use super::{HardenError, Step, report};
use crate::probe::LayerReport;

/// Of a core, in bytes. 0 would stop files only; 1 also stops a handler that the host pipes them to.
const CORE: u64 = 1;

pub(super) fn shut() -> Result<LayerReport, HardenError> {
    let core = core_limit().map_err(|error| HardenError::new(Step::Memory, format_args!("core limit: {error}")))?;
    let failed = |error| HardenError::new(Step::Memory, format_args!("dumpable: {error}"));
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(failed)?;
    let now = getrlimit(Resource::Core);
    if (now.current, now.maximum) != (Some(core), Some(core)) {
        return Err(HardenError::new(Step::Memory, format_args!("core limit: the kernel says {now:?}")));
    }
    match dumpable_behavior().map_err(failed)? {
        DumpableBehavior::NotDumpable => {
            let why = "no other process of its user reads its keys; a crash writes nothing down";
            Ok(report("memory", format!("not dumpable, core limit {core}"), why))
        }
        other => Err(HardenError::new(Step::Memory, format_args!("dumpable: the kernel says {other:?}"))),
    }
}

/// A host that set the limit lower for good is left with it.
fn core_limit() -> rustix::io::Result<u64> {
    let core = getrlimit(Resource::Core).maximum.map_or(CORE, |most| most.min(CORE));
    setrlimit(Resource::Core, Rlimit { current: Some(core), maximum: Some(core) })?;
    Ok(core)
}
