use std::{io, ops::Range};

/// What pages are brought for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Read,
    /// The kernel makes this process's own copies.
    Write,
}

/// madvise(2) with MADV_POPULATE_*: brings these pages as an access to each would, without a fault for each. Changes
/// nothing that the process can see. Linux 5.14.
pub fn populate(addresses: Range<usize>, access: Access) -> io::Result<()> {
    let advice = match access {
        Access::Read => libc::MADV_POPULATE_READ,
        Access::Write => libc::MADV_POPULATE_WRITE,
    };
    // SAFETY: these two advices leave what is in memory as it is, and refuse addresses that are not mapped.
    match unsafe { libc::madvise(addresses.start as *mut libc::c_void, addresses.len(), advice) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
