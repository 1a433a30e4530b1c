//! `codemode docker check`: what the engine here can do for an executor.

use std::{fmt::Write as _, fs, process::ExitCode};

use serde::Deserialize;
use serde_json::Value;

use super::{
    engine::Engine,
    hardening::{Hardening, SECCOMP},
    image,
};
use crate::{
    args::CheckArgs,
    exit::{self, Failure, UNAVAILABLE},
};

/// The oldest that is tested.
const OLDEST: (u32, u32) = (20, 10);

/// Of `docker info`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Info {
    #[serde(rename = "OSType")]
    os_type: String,
    operating_system: String,
    kernel_version: String,
    cgroup_version: String,
    security_options: Option<Vec<String>>,
    #[serde(rename = "NCPU")]
    processors: u32,
    memory_limit: bool,
    pids_limit: bool,
    #[serde(rename = "CpuCfsQuota")]
    cpu_cfs_quota: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mark {
    Good,
    Bad,
    Absent,
}

struct Row {
    name: &'static str,
    mark: Mark,
    state: String,
}

impl Row {
    fn new(name: &'static str, found: Result<String, String>) -> Self {
        match found {
            Ok(state) => Self { name, mark: Mark::Good, state },
            Err(state) => Self { name, mark: Mark::Bad, state },
        }
    }
}

pub(super) fn check(args: &CheckArgs) -> Result<ExitCode, Failure> {
    let engine = Engine::connect()?;
    let info: Info = serde_json::from_str(&engine.told(&["info", "--format", "{{json .}}"])?)
        .map_err(|error| Failure::unavailable(format!("docker: cannot read what `docker info` says: {error}")))?;
    let image = &args.image.image;
    let mut rows = features(&engine.version, &engine.address, &info);
    if let Err(elsewhere) = engine.here() {
        rows.push(Row::new("machine", Err(elsewhere)));
    }
    rows.push(user_namespaces(&info));
    if image::exists(&engine, image)? {
        rows.push(Row::new("image", Ok(image.clone())));
        rows.push(Row::new("isolation", isolation(&engine, &info, image)?));
    } else {
        let state = format!("{image} is not there; `codemode docker build --image {image}` makes it");
        rows.push(Row { name: "image", mark: Mark::Absent, state });
    }
    exit::print(&render(&rows))?;
    let bad = rows.iter().any(|row| row.mark == Mark::Bad);
    Ok(if bad { ExitCode::from(UNAVAILABLE) } else { ExitCode::SUCCESS })
}

fn features(version: &str, address: &str, info: &Info) -> Vec<Row> {
    let has = |name: &str| info.security_options.iter().flatten().any(|option| option.starts_with(name));
    let limits = [("memory", info.memory_limit), ("processes", info.pids_limit), ("CPU", info.cpu_cfs_quota)];
    let lacking: Vec<_> = limits.iter().filter(|(_, there)| !there).map(|(name, _)| *name).collect();
    let engine = format!("{version} at {address}, on {}", info.operating_system);
    vec![
        Row::new(
            "engine",
            match (info.os_type.as_str(), old(version)) {
                ("linux", false) => Ok(engine),
                ("linux", true) => Err(format!("{engine}: older than {}.{}", OLDEST.0, OLDEST.1)),
                (other, _) => Err(format!("{engine}: runs {other} containers, and the executor needs Linux")),
            },
        ),
        Row::new(
            "user ids",
            match has("name=rootless") || has("name=userns") {
                false => Ok("a container's are this machine's".into()),
                true => Err("others in a container (rootless, or userns-remap): it could not read its key".into()),
            },
        ),
        Row::new(
            "seccomp",
            match has("name=seccomp") {
                true => Ok("takes a profile of one's own".into()),
                false => Err("this engine has none: containers are not filtered".into()),
            },
        ),
        Row::new(
            "limits",
            match lacking.as_slice() {
                [] => Ok(format!("memory, processes and CPU, by cgroup v{}", info.cgroup_version)),
                some => Err(format!("this engine cannot limit {}", some.join(", "))),
            },
        ),
    ]
}

fn old(version: &str) -> bool {
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < OLDEST
}

/// The kernel's word, where the engine has the kernel that we see.
fn user_namespaces(info: &Info) -> Row {
    const NAME: &str = "user namespaces";
    if rustix::system::uname().release().to_string_lossy() != info.kernel_version {
        let state = format!("the engine has a kernel of its own, {}; the image tells", info.kernel_version);
        return Row { name: NAME, mark: Mark::Absent, state };
    }
    let number = |name: &str| fs::read_to_string(format!("/proc/sys/{name}")).ok()?.trim().parse::<u64>().ok();
    Row::new(
        NAME,
        unprivileged(
            number("user/max_user_namespaces"),
            number("kernel/unprivileged_userns_clone"),
            number("kernel/apparmor_restrict_unprivileged_userns"),
        ),
    )
}

fn unprivileged(most: Option<u64>, debian: Option<u64>, apparmor: Option<u64>) -> Result<String, String> {
    match (most, debian, apparmor) {
        (None, ..) => Err("the kernel has none".into()),
        (Some(0), ..) => Err("refused: sysctl user.max_user_namespaces is 0".into()),
        (_, Some(0), _) => Err("refused: sysctl kernel.unprivileged_userns_clone is 0".into()),
        (.., Some(1..)) => Err("refused: sysctl kernel.apparmor_restrict_unprivileged_userns is not 0".into()),
        (Some(_), ..) => Ok("open to ordinary users".into()),
    }
}

/// Tried, in a container like the one that serves.
fn isolation(engine: &Engine, info: &Info, image: &str) -> Result<Result<String, String>, Failure> {
    let hardening = Hardening::load()?;
    let profile = tempfile::NamedTempFile::new()
        .and_then(|file| fs::write(file.path(), SECCOMP).map(|()| file))
        .map_err(|error| Failure::unavailable(format!("cannot write a temporary file: {error}")))?;
    let mut words = vec!["run", "--rm", "--pull", "never", "--network", "none", "--user", hardening.user()];
    let options = hardening.options(profile.path(), hardening.memory(), &hardening.cpus(info.processors));
    words.extend(options.iter().map(String::as_str));
    words.extend(["--entrypoint", "codemode", image, "doctor", "--json"]);
    let answer = engine.ask(&words)?;
    let doctor: Value = serde_json::from_str(&answer.stdout).unwrap_or_default();
    Ok(match doctor["tier"].as_str() {
        Some(tier) => Ok(format!("tier {tier} in a container of this image")),
        None if doctor.is_object() => Err("none: a container of this image cannot raise the walls here".into()),
        None => Err(format!("cannot be tried: {}", answer.reason())),
    })
}

fn render(rows: &[Row]) -> String {
    let mut text = String::new();
    for Row { name, mark, state } in rows {
        let mark = match mark {
            Mark::Good => '+',
            Mark::Bad => '!',
            Mark::Absent => '-',
        };
        let _ = writeln!(text, "{mark} {name:<17}{state}");
    }
    let bad: Vec<_> = rows.iter().filter(|row| row.mark == Mark::Bad).map(|row| row.name).collect();
    let built = rows.iter().all(|row| row.mark != Mark::Absent || row.name != "image");
    text.push_str(&match (bad.as_slice(), built) {
        ([], true) => "\ncodemode docker start can run here.\n".into(),
        ([], false) => "\nNext: codemode docker build\n".into(),
        (bad, _) => format!("\nIn the way: {}.\n", bad.join(", ")),
    });
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(changes: Value) -> Info {
        let mut document = serde_json::json!({
            "OSType": "linux", "OperatingSystem": "Debian GNU/Linux 12", "KernelVersion": "6.1", "CgroupVersion": "2",
            "SecurityOptions": ["name=seccomp,profile=default"], "MemoryLimit": true, "PidsLimit": true,
            "CpuCfsQuota": true, "Other": {},
        });
        for (key, value) in changes.as_object().unwrap() {
            document[key] = value.clone();
        }
        serde_json::from_value(document).unwrap()
    }

    #[test]
    fn an_engine_that_can() {
        let mut rows = features("20.10.24", "unix:///run/docker.sock", &info(serde_json::json!({})));
        rows.push(Row { name: "image", mark: Mark::Absent, state: "not there".into() });
        insta::assert_snapshot!(render(&rows), @r"
        + engine           20.10.24 at unix:///run/docker.sock, on Debian GNU/Linux 12
        + user ids         a container's are this machine's
        + seccomp          takes a profile of one's own
        + limits           memory, processes and CPU, by cgroup v2
        - image            not there

        Next: codemode docker build
        ");
        rows.pop();
        assert!(render(&rows).ends_with("\ncodemode docker start can run here.\n"));
    }

    #[test]
    fn an_engine_that_cannot() {
        let poor = info(serde_json::json!({
            "OSType": "windows", "SecurityOptions": ["name=rootless"], "PidsLimit": false, "CpuCfsQuota": false,
        }));
        insta::assert_snapshot!(render(&features("19.03.15", "tcp://there", &poor)), @r"
        ! engine           19.03.15 at tcp://there, on Debian GNU/Linux 12: runs windows containers, and the executor needs Linux
        ! user ids         others in a container (rootless, or userns-remap): it could not read its key
        ! seccomp          this engine has none: containers are not filtered
        ! limits           this engine cannot limit processes, CPU

        In the way: engine, user ids, seccomp, limits.
        ");
        let none = info(serde_json::json!({"SecurityOptions": null}));
        assert_eq!(features("20.9.1", "a", &none)[0].state, "20.9.1 at a, on Debian GNU/Linux 12: older than 20.10");
    }

    #[test]
    fn the_kernel_may_refuse_user_namespaces() {
        assert!(unprivileged(Some(9), None, None).is_ok() && unprivileged(Some(9), Some(1), Some(0)).is_ok());
        for refused in [(None, None, None), (Some(0), None, None), (Some(9), Some(0), None), (Some(9), None, Some(1))] {
            assert!(unprivileged(refused.0, refused.1, refused.2).is_err());
        }
    }
}
