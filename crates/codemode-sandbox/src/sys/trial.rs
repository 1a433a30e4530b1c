use std::{fs, io};

use super::{CloneFlags, Cloned, clone_process, exit_now, heed_children, wait_for_pid};

/// How many threads this process has.
pub fn threads() -> io::Result<usize> {
    Ok(fs::read_dir("/proc/self/task")?.count())
}

/// Asks a child of its own namespaces, which ends with its answer. Refused where a second thread runs.
pub fn ask_child(namespaces: CloneFlags, question: impl FnOnce() -> bool) -> io::Result<bool> {
    if threads()? != 1 {
        return Err(io::Error::other("more than one thread runs"));
    }
    heed_children();
    // SAFETY: this is the only thread, as was just seen: the child finds no lock held and may allocate. It starts no thread.
    match unsafe { clone_process(namespaces) }? {
        Cloned::Child => exit_now(i32::from(!question())),
        Cloned::Parent { pid, .. } => match wait_for_pid(pid)? {
            Some(reaped) => Ok(reaped.status == 0),
            None => Err(io::Error::other("the child's end was not seen")),
        },
    }
}
