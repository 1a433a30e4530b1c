//! The declared substitute for a cgroup: adding up, from /proc, what a process tree uses.

use std::{fs, os::fd::OwnedFd, time::Duration};

use rustix::{fs::fstatfs, param::clock_ticks_per_second};

/// What the living members of a process tree use now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TreeUsage {
    /// Resident memory that is not a file's: private pages and shared ones, the latter once for each process that has
    /// them, since who shares with whom is not to be seen from outside.
    pub memory_bytes: u64,
    /// Of the living and of those that they have reaped.
    pub cpu: Duration,
    pub processes: u64,
}

/// Walks from `root` to its descendants. What ends meanwhile is left out.
pub fn tree(root: i32) -> TreeUsage {
    let mut total = TreeUsage::default();
    let mut pending = vec![root];
    while let Some(pid) = pending.pop() {
        // A hostile tree may be wide: the walk is bounded.
        if total.processes > 4_096 {
            break;
        }
        add(&mut total, pid);
        pending.extend(children(pid));
    }
    total
}

fn add(total: &mut TreeUsage, pid: i32) {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return };
    // The name may hold anything, spaces and brackets too: fields are counted from its last bracket.
    let Some((_, fields)) = stat.rsplit_once(')') else { return };
    let field = |index: usize| fields.split_ascii_whitespace().nth(index).and_then(|text| text.parse::<u64>().ok());
    let ticks: u64 = (11..15).filter_map(field).sum();
    let threads = field(17).unwrap_or(1);
    total.processes += threads.max(1);
    total.cpu += Duration::from_secs_f64(ticks as f64 / clock_ticks_per_second().max(1) as f64);
    let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else { return };
    let resident = ["RssAnon:", "RssShmem:"].iter().filter_map(|key| kibibytes(&status, key));
    total.memory_bytes += resident.sum::<u64>() * 1024;
}

fn kibibytes(status: &str, key: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(key))?;
    value.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// What files on these tmpfs folders occupy, in bytes.
pub fn folders(folders: &[OwnedFd]) -> u64 {
    let used = |folder: &OwnedFd| {
        let status = fstatfs(folder).ok()?;
        Some(status.f_blocks.saturating_sub(status.f_bfree) * u64::try_from(status.f_bsize).ok()?)
    };
    folders.iter().filter_map(used).sum()
}

/// Whether not one byte, or not one file, more fits.
pub fn is_full(folder: &OwnedFd) -> bool {
    // Some file systems do not count their files.
    fstatfs(folder).is_ok_and(|status| status.f_bavail == 0 || (status.f_files > 0 && status.f_ffree == 0))
}

/// How often the kernel has killed for want of memory in the control group that this process is in: in a container, the
/// container's. `None`: it cannot be seen.
pub fn out_of_memory_kills() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    groups.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.events"),
            _ if controllers.split(',').any(|name| name == "memory") => ("/sys/fs/cgroup/memory", "memory.oom_control"),
            _ => return None,
        };
        // A container sees its own group as the root, whatever name it has outside.
        [format!("{root}{path}/{file}"), format!("{root}/{file}")].iter().find_map(|file| count_of_kills(file))
    })
}

fn count_of_kills(file: &str) -> Option<u64> {
    fs::read_to_string(file).ok()?.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

fn children(pid: i32) -> Vec<i32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|text| text.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<i32>>())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_has_memory_and_processes() {
        let usage = tree(std::process::id().cast_signed());
        assert!(usage.memory_bytes > 0 && usage.processes >= 1, "{usage:?}");
        assert_eq!(tree(i32::MAX).processes, 0);
    }
}
