//! What the attacks are told about the machine, and the executor's own look at it.

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    os::unix::{fs::MetadataExt, process::parent_id},
    path::{Path, PathBuf},
};

use codemode_sandbox::plan::SandboxPlan;
use codemode_types::{NetworkMode, PROXY_PORT};
use rustix::rand::{GetRandomFlags, getrandom};
use serde_json::json;

use super::canaries::{Canaries, internet};

/// Everybody may read them, and no sandbox shows them.
const FILES: [&str; 2] = ["/etc/passwd", "/etc/group"];

/// They end at once when they are started without arguments and with nothing to read.
const PROGRAMS: [&str; 4] = ["/bin/sh", "/usr/bin/id", "/usr/bin/env", "/proc/self/exe"];

/// Names that nobody can guess.
#[derive(Debug)]
pub(super) struct Marks {
    /// Of files, and of a process: the kernel keeps 15 characters.
    pub(super) mark: String,
    /// What a call to a canary brings.
    pub(super) token: String,
}

impl Marks {
    pub(super) fn new() -> io::Result<Self> {
        let mut random = [0; 22];
        getrandom(&mut random, GetRandomFlags::empty())?;
        Ok(Self { mark: format!("cm-{}", hex(&random[..6])), token: hex(&random[6..]) })
    }
}

/// The attacks' `host`, as JSON.
pub(super) fn description(marks: &Marks, programs: &[PathBuf], canaries: &Canaries, network: NetworkMode) -> Vec<u8> {
    let files: Vec<_> = FILES
        .iter()
        .filter_map(|path| fs::metadata(path).ok().map(|found| json!([path, found.dev(), found.ino()])))
        .collect();
    let programs: Vec<_> = programs.iter().map(|path| path.to_string_lossy()).collect();
    let canaries: Vec<_> = canaries
        .addresses(network)
        .into_iter()
        .map(|(name, family, address)| json!([name, family, hex(&address)]))
        .collect();
    let pids: Vec<_> = [std::process::id(), parent_id()].into_iter().filter(|pid| *pid > 0).collect();
    let host = json!({
        "mark": marks.mark, "token": marks.token, "files": files, "programs": programs, "pids": pids,
        "canaries": canaries, "sockets": sockets(network), "proxy": proxy(network),
    });
    host.to_string().into_bytes()
}

/// Families and types that there are.
fn sockets(network: NetworkMode) -> &'static [[i32; 2]] {
    const TCP: [i32; 2] = [2, 1];
    match network {
        NetworkMode::None => &[],
        NetworkMode::Restricted => &[TCP],
        NetworkMode::All => &[TCP, [2, 2], [10, 1], [10, 2]],
    }
}

/// Where the way out is, as the kernel reads it.
fn proxy(network: NetworkMode) -> Option<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, PROXY_PORT));
    (network == NetworkMode::Restricted).then(|| hex(&internet(address)))
}

/// Real files of programs that are there and that this plan lets nobody start.
pub(crate) fn unlisted_programs(plan: &SandboxPlan) -> Vec<PathBuf> {
    let listed = |program: &Path| {
        plan.commands.iter().flat_map(|command| &command.executables).any(|executable| program.starts_with(executable))
    };
    PROGRAMS.iter().filter_map(|path| fs::canonicalize(path).ok()).filter(|program| !listed(program)).collect()
}

/// A live process of that name.
pub(super) fn process_named(name: &str) -> io::Result<Option<u32>> {
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // One that is gone by now is nobody's remains.
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        if named(&stat, name) {
            return Ok(Some(pid));
        }
    }
    Ok(None)
}

/// `stat`: `PID (NAME) STATE …`. What is dead and waits for its parent has no name any more.
fn named(stat: &str, name: &str) -> bool {
    let parts = stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(") "));
    parts.is_some_and(|(found, rest)| found == name && !rest.starts_with(['Z', 'X']))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_name_while_it_lives() {
        assert!(named("7 (cm-1) S 1 7", "cm-1") && named("7 (a) b) R 1", "a) b"));
        assert!(!named("7 (cm-1) Z 1 7", "cm-1") && !named("7 (cm-12) S 1 7", "cm-1") && !named("", "cm-1"));
        let own = fs::read_to_string("/proc/self/comm").unwrap();
        assert!(process_named(own.trim_end()).unwrap().is_some());
        assert_eq!(process_named("nobody-is-called-so").unwrap(), None);
    }

    #[test]
    fn marks_fit_a_process_name_and_differ() {
        let [one, other] = [(); 2].map(|()| Marks::new().unwrap());
        assert_eq!((one.mark.len(), one.token.len()), (15, 32));
        assert_ne!((one.mark, one.token), (other.mark, other.token));
    }
}
