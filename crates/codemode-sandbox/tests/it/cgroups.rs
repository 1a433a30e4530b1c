//! A cgroup that is used again: only an empty and unremarkable one is, and nothing of its first use is to be seen.

use std::{
    fs::File,
    io::{ErrorKind, Read, Write},
    os::{
        fd::{AsFd, AsRawFd},
        unix::process::CommandExt,
    },
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use codemode_sandbox::cgroup::{Cgroup, CgroupLimits, Driver, Unfit};
use rustix::{
    io::dup,
    process::{Pid, Signal, geteuid, kill_process_group},
};

use crate::harness::interpreter;

const PATIENCE: Duration = Duration::from_secs(20);
const LIMITS: CgroupLimits = CgroupLimits { memory_bytes: 128 << 20, processes: 8, cpus: 2.0 };

/// Takes its folders away in the end.
struct Place(Driver);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.remove_all();
    }
}

/// `None`: an ordinary user and a container have no cgroups, and those of v2 are used once.
fn renewable(limits: &CgroupLimits) -> Option<(Place, Cgroup)> {
    if !geteuid().is_root() {
        return None;
    }
    let place = Place(Driver::find().ok()?);
    let cgroup = place.0.create("used", limits).unwrap();
    place.0.renews().then_some((place, cgroup))
}

/// A program that has started, and joins and goes on when [`go`] tells it to.
fn waiting(cgroup: &Cgroup, program: &str) -> Child {
    // Without close-on-exec, so that it has them.
    let members: Vec<_> = cgroup.members().into_iter().map(|member| dup(member).unwrap()).collect();
    let join = "import os, sys\nprint(flush=True)\nsys.stdin.readline()\nfor member in sys.argv[1:]: os.write(int(member), b'0')";
    let mut child = Command::new(interpreter())
        .args(["-c", &format!("{join}\nprint(flush=True)\n{program}")])
        .args(members.iter().map(|member| member.as_raw_fd().to_string()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    hear(&mut child);
    child
}

/// Returns when it has joined.
fn go(child: &mut Child) {
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    hear(child);
}

fn hear(child: &mut Child) {
    child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
}

fn started(cgroup: &Cgroup, program: &str) -> Child {
    let mut child = waiting(cgroup, program);
    go(&mut child);
    child
}

fn run(cgroup: &Cgroup, program: &str) -> ExitStatus {
    started(cgroup, program).wait().unwrap()
}

fn end(mut child: Child) {
    kill_process_group(Pid::from_child(&child), Signal::KILL).unwrap();
    child.wait().unwrap();
}

/// What is said of it once nobody is in it any more.
fn once_empty(cgroup: &Cgroup) -> Result<(), Unfit> {
    let asked = Instant::now();
    loop {
        match cgroup.check() {
            Err(Unfit::Occupied(_)) if asked.elapsed() < PATIENCE => std::thread::yield_now(),
            other => return other,
        }
    }
}

/// The kernel settles its accounts a little later.
fn renewed(cgroup: &Cgroup) {
    let asked = Instant::now();
    while let Err(reason) = cgroup.renew() {
        let late = matches!(reason, Unfit::Charged(_) | Unfit::Occupied(_)) && asked.elapsed() < PATIENCE;
        assert!(late, "{reason}");
        std::thread::yield_now();
    }
}

#[test]
fn while_somebody_is_in_it_it_is_not_used_again() {
    let Some((_place, cgroup)) = renewable(&LIMITS) else { return };
    let child = started(&cgroup, "import time\ntime.sleep(600)");
    assert_eq!((cgroup.check(), cgroup.renew()), (Err(Unfit::Occupied(1)), Err(Unfit::Occupied(1))));
    end(child);
    assert_eq!(once_empty(&cgroup), Ok(()));
}

#[test]
fn what_one_used_is_not_the_next_ones_and_the_limits_hold_again() {
    let Some((_place, cgroup)) = renewable(&LIMITS) else { return };
    for _ in 0..2 {
        assert!(run(&cgroup, "x = bytearray(64 << 20)\nfor _ in range(100_000): pass").success());
        assert!(cgroup.peak_memory().unwrap() > 64 << 20 && cgroup.cpu_time().unwrap() > Duration::ZERO);
        renewed(&cgroup);
        let (peak, cpu) = (cgroup.peak_memory().unwrap(), cgroup.cpu_time().unwrap());
        assert!(peak <= 1 << 20, "{peak} bytes of somebody else");
        assert_eq!(cpu, Duration::ZERO);
    }
    assert!(!run(&cgroup, "x = bytearray(256 << 20)").success());
    assert!(cgroup.oom_killed());
    assert_eq!(once_empty(&cgroup), Err(Unfit::Memory));
}

#[test]
fn after_a_kill_for_memory_it_is_not_used_again() {
    let Some((_place, cgroup)) = renewable(&LIMITS) else { return };
    let mut event = File::from(cgroup.oom_event().unwrap().as_fd().try_clone_to_owned().unwrap());
    assert_eq!(event.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert!(!run(&cgroup, "x = bytearray(256 << 20)").success());
    for _ in 0..2 {
        assert_eq!(once_empty(&cgroup), Err(Unfit::Memory));
        assert_eq!(cgroup.renew(), Err(Unfit::Memory));
    }
}

#[test]
fn after_a_fork_was_refused_it_is_not_used_again() {
    let Some((_place, cgroup)) = renewable(&LIMITS) else { return };
    let forks = "import time\nfor _ in range(20):\n    if os.fork() == 0: time.sleep(600)";
    let child = started(&cgroup, forks);
    let asked = Instant::now();
    while !cgroup.pids_limit_hit() {
        assert!(asked.elapsed() < PATIENCE, "a fork bomb met no limit");
        std::thread::yield_now();
    }
    assert!(matches!(cgroup.renew(), Err(Unfit::Occupied(_) | Unfit::Processes)));
    end(child);
    assert_eq!(once_empty(&cgroup), Err(Unfit::Processes));
}

#[test]
fn after_waiting_for_its_quota_it_is_not_used_again() {
    let Some((_place, cgroup)) = renewable(&CgroupLimits { cpus: 0.02, ..LIMITS }) else { return };
    let child = started(&cgroup, "while True: pass");
    let asked = Instant::now();
    while cgroup.cpu_time().unwrap() < Duration::from_millis(10) {
        assert!(asked.elapsed() < PATIENCE, "no CPU time in {PATIENCE:?}");
        std::thread::yield_now();
    }
    end(child);
    assert_eq!(once_empty(&cgroup), Err(Unfit::Throttled));
}

#[test]
fn the_next_one_has_the_whole_quota() {
    let Some((_place, cgroup)) = renewable(&CgroupLimits { cpus: 0.2, ..LIMITS }) else { return };
    // Each takes less than half of the 20 ms of a period, and one right after another more than that.
    let program = "import time\nend = time.process_time() + 0.007\nwhile time.process_time() < end: pass\nos._exit(0)";
    let children: Vec<_> = (0..15).map(|_| waiting(&cgroup, program)).collect();
    for mut child in children {
        renewed(&cgroup);
        go(&mut child);
        assert!(child.wait().unwrap().success());
        assert_eq!(once_empty(&cgroup), Ok(()));
    }
}

#[test]
fn what_stays_charged_is_not_handed_on() {
    let Some((_place, cgroup)) = renewable(&LIMITS) else { return };
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let file = folder.path().join("left");
    let program = format!("open({:?}, 'wb').write(b'x' * (8 << 20))", file.display().to_string());
    assert!(run(&cgroup, &program).success());
    assert_eq!(once_empty(&cgroup), Ok(()));
    let refused = cgroup.renew();
    assert!(matches!(refused, Err(Unfit::Charged(bytes)) if bytes >= 8 << 20), "{refused:?}");
    folder.close().unwrap();
    renewed(&cgroup);
}

#[test]
fn one_that_gives_way_gets_little_of_a_busy_processor_until_it_is_restored() {
    // More than its quota would be a reason not to use it again.
    let limits = CgroupLimits { cpus: 64.0, ..LIMITS };
    let Some((place, cgroup)) = renewable(&limits) else { return };
    let other = place.0.create("other", &limits).unwrap();
    cgroup.give_way().unwrap();
    assert!(share_beside(&cgroup, &other) < 0.5);
    renewed(&cgroup);
    assert!(share_beside(&cgroup, &other) > 0.5);
    cgroup.give_way().unwrap();
    cgroup.restore().unwrap();
    assert!(share_beside(&cgroup, &other) > 0.5);
}

/// How many times the processor time of the other one it gets, on a processor that both want.
fn share_beside(cgroup: &Cgroup, other: &Cgroup) -> f64 {
    const SPIN: &str = "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\nprint(flush=True)\nwhile True: pass";
    let both = [cgroup, other];
    let mut children = both.map(|group| started(group, SPIN));
    children.iter_mut().for_each(hear);
    let before = both.map(|group| group.cpu_time().unwrap());
    let used = || [0, 1].map(|index| both[index].cpu_time().unwrap() - before[index]);
    while used()[1] < Duration::from_millis(100) {
        std::thread::yield_now();
    }
    let [own, others] = used();
    children.into_iter().for_each(end);
    own.div_duration_f64(others)
}
