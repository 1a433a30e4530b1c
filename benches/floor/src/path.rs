//! The way of a request: client, executor, a process that was parked for it, executor, client. The parked one answers and
//! ends, its parent waits for it and says so, and only then the client has its answer.

use std::{os::fd::OwnedFd, thread};

use crate::{
    PERIOD, Stage, Work,
    sys::{self, Times},
};

// When what happened.
const ASKED: usize = 0;
const AT_EXECUTOR: usize = 1;
const AT_CODE: usize = 2;
const SAID: usize = 3;
const GONE: usize = 4;
const ANSWERED: usize = 5;

const STAGES: [(&str, usize, usize); 6] = [
    ("to the executor", ASKED, AT_EXECUTOR),
    ("to the code", AT_EXECUTOR, AT_CODE),
    ("code", AT_CODE, SAID),
    ("end", SAID, GONE),
    ("to the client", GONE, ANSWERED),
    ("whole", ASKED, ANSWERED),
];

pub(crate) fn measure(work: Work) -> Vec<Stage> {
    let times = Times::new();
    let (client, executors_client) = sys::pair();
    let Some(executor) = sys::fork(0) else {
        drop(client);
        execute(work, times, &executors_client)
    };
    drop(executors_client);
    let mut stages: Vec<Stage> = STAGES.iter().map(|(name, ..)| (*name, Vec::new())).collect();
    for _ in 0..work.samples {
        thread::sleep(PERIOD);
        times.mark(ASKED);
        sys::send(&client);
        sys::receive(&client);
        times.mark(ANSWERED);
        for ((_, samples), (_, from, to)) in stages.iter_mut().zip(STAGES) {
            samples.push(times.between(from, to));
        }
    }
    drop(client);
    sys::reap(executor);
    stages
}

fn execute(work: Work, times: Times, client: &OwnedFd) -> ! {
    let (zygote, executors_end) = sys::pair();
    let (code, parked) = sys::pair();
    let Some(pid) = sys::fork(0) else {
        drop((zygote, code));
        fork_on_request(work, times, &executors_end, &parked)
    };
    drop((executors_end, parked));
    sys::receive(&zygote);
    while sys::receive(client) {
        times.mark(AT_EXECUTOR);
        sys::send(&code);
        sys::receive(&code);
        sys::receive(&zygote);
        times.mark(GONE);
        sys::send(client);
        // Behind the answer: the next one.
        sys::send(&zygote);
        sys::receive(&zygote);
    }
    // The last one is parked, and needs its word to end.
    sys::send(&code);
    sys::receive(&zygote);
    drop(zygote);
    sys::reap(pid);
    sys::exit(0)
}

/// The process of an interpreter's size.
fn fork_on_request(work: Work, times: Times, executor: &OwnedFd, parked: &OwnedFd) -> ! {
    let mut memory = sys::resident(work.resident);
    loop {
        let Some(child) = sys::fork(0) else {
            sys::copy(&mut memory, work.touched);
            sys::send(executor);
            sys::receive(parked);
            times.mark(AT_CODE);
            sys::touch(&mut memory, work.touched, work.run);
            sys::send(parked);
            times.mark(SAID);
            sys::exit(0)
        };
        sys::reap(child);
        sys::send(executor);
        if !sys::receive(executor) {
            sys::exit(0)
        }
    }
}
