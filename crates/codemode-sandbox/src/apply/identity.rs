//! Who the code is: nobody, with no right that is not everyone's.

use rustix::{
    process::{DumpableBehavior, Gid, Uid, set_dumpable_behavior},
    thread::{
        CapabilitySet, CapabilitySets, clear_ambient_capability_set, remove_capability_from_bounding_set,
        set_capabilities, set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
    },
};

use super::{Step, StepError, error::AtStep};
use crate::plan::Means;

/// The last capability number any kernel knows is below this; unknown ones answer EINVAL.
const CAPABILITIES: u32 = 64;

/// Drops everything, in the only order that works: the bounding set while there is still the right to change it, then
/// the identity, then what the identity change left. `memory`: whether others of that user may look into it.
pub(super) fn drop_privileges(uid: u32, means: Means, memory: DumpableBehavior) -> Result<(), StepError> {
    if means != Means::Container {
        // There it holds three rights, changing it needs a fourth, and no_new_privs shuts the only way back.
        empty_bounding_set()?;
    }
    if means != Means::UserNamespace {
        // A user namespace maps one id, which is the caller's already; it has no other to change to.
        let (user, group) = (Uid::from_raw(uid), Gid::from_raw(uid));
        set_thread_groups(&[]).at(Step::Identity, "setgroups")?;
        set_thread_res_gid(group, group, group).at(Step::Identity, "setresgid")?;
        set_thread_res_uid(user, user, user).at(Step::Identity, "setresuid")?;
    }
    clear_ambient_capability_set().at(Step::Capabilities, "ambient set")?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
        .at(Step::Capabilities, "capset")?;
    set_no_new_privs(true).at(Step::NoNewPrivileges, "prctl")?;
    set_dumpable_behavior(memory).at(Step::Identity, "dumpable")
}

fn empty_bounding_set() -> Result<(), StepError> {
    for number in 0..CAPABILITIES {
        match remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << number)) {
            Ok(()) => {}
            Err(rustix::io::Errno::INVAL) => break,
            Err(error) => {
                return Err(StepError::new(Step::Capabilities, format_args!("bounding set {number}: {error}")));
            }
        }
    }
    Ok(())
}
