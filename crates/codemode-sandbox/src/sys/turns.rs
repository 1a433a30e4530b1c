use std::{io, time::Duration};

/// sched_setattr(2): this thread, none that it starts, asks for turns of this length on a processor. Its share stays the
/// same, but where others run it gets its next turn the sooner, the shorter it is. Between 0.1 and 100 ms; Linux 6.12,
/// older kernels have one length for all. Changes nothing where somebody chose another policy than the normal one.
pub fn ask_for_turns_of(length: Duration) -> io::Result<()> {
    let mut attributes = attributes()?;
    if attributes.sched_policy != libc::SCHED_OTHER.cast_unsigned() {
        return Ok(());
    }
    attributes.sched_flags |= u64::from(libc::SCHED_FLAG_RESET_ON_FORK.cast_unsigned());
    attributes.sched_runtime = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
    // SAFETY: the structure says its own size, and outlives the call.
    match unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// How long this thread's turns are; zero where the kernel has one length for all.
pub fn turns() -> io::Result<Duration> {
    attributes().map(|attributes| Duration::from_nanos(attributes.sched_runtime))
}

fn attributes() -> io::Result<libc::sched_attr> {
    const SIZE: u32 = size_of::<libc::sched_attr>() as u32;
    // SAFETY: all-zero is a valid value of that plain structure; the kernel writes no more than the size it is told.
    unsafe {
        let mut attributes: libc::sched_attr = std::mem::zeroed();
        match libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, SIZE, 0) {
            0 => Ok(attributes),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn short_turns_are_for_one_thread_and_for_none_that_it_starts() {
        let of_one_and_its_child = || {
            ask_for_turns_of(Duration::from_micros(100))?;
            let child = thread::spawn(turns).join().expect("it does not panic");
            Ok::<_, io::Error>((turns()?, child?))
        };
        let of_most = turns().expect("this thread has a policy");
        let (of_one, of_its_child) =
            thread::spawn(of_one_and_its_child).join().expect("it does not panic").expect("every thread may ask");
        assert_eq!(of_its_child, of_most);
        // Before Linux 6.12 there is one length for all.
        assert!(of_most.is_zero() || of_one == Duration::from_micros(100), "{of_one:?}, of most: {of_most:?}");
    }
}
