//! The floor under one execution: what the kernel takes for it when nobody does more than the bare system calls.
//!
//! `codemode-floor SAMPLES RESIDENT TOUCHED RUN` prints the medians as JSON, in microseconds. RESIDENT: bytes of memory of
//! the process that is forked; TOUCHED and RUN: how many of its pages a child copies before it parks, and when it runs.
//! Needs root. Samples are taken 20 ms apart, as the executions are that they are compared with.

mod making;
mod path;
mod sys;

use std::time::Duration;

pub(crate) const PERIOD: Duration = Duration::from_millis(20);
pub(crate) const PAGE: usize = 4096;

/// How much a sample does.
#[derive(Clone, Copy)]
pub(crate) struct Work {
    pub(crate) samples: usize,
    pub(crate) resident: usize,
    pub(crate) touched: usize,
    pub(crate) run: usize,
}

/// Nanoseconds of one stage in each sample.
pub(crate) type Stage = (&'static str, Vec<u64>);

fn main() {
    let Some(work) = arguments() else {
        eprintln!("usage: codemode-floor SAMPLES RESIDENT TOUCHED RUN");
        std::process::exit(2);
    };
    println!("{{\"path\": {}, \"making\": {}}}", json(path::measure(work)), json(making::measure(work)));
}

fn arguments() -> Option<Work> {
    let numbers: Vec<usize> = std::env::args().skip(1).map(|word| word.parse().ok()).collect::<Option<_>>()?;
    let [samples, resident, touched, run] = numbers[..] else { return None };
    let work = Work { samples, resident: resident.max((touched + run) * PAGE), touched, run };
    (samples > 0).then_some(work)
}

fn json(stages: Vec<Stage>) -> String {
    let stages: Vec<String> = stages
        .into_iter()
        .map(|(name, samples)| format!("\"{name}\": {:.1}", median(samples) as f64 / 1000.0))
        .collect();
    format!("{{{}}}", stages.join(", "))
}

fn median(mut samples: Vec<u64>) -> u64 {
    samples.sort_unstable();
    samples[samples.len() / 2]
}
