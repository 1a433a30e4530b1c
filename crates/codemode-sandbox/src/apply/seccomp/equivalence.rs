//! Compiled filters against a plain reading of the rules: for every number, and for the arguments around every value that
//! a rule names, both give the same answer.

use super::{
    FilterOptions, Internet, Local, Sockets, compile,
    compile::returned,
    init_program,
    lists::{self, Condition, Rule, Verdict, When},
    program,
};
use crate::{
    bpf::{ALLOW, NEWEST_KNOWN, refuse, tests as bpf},
    sys::BpfInstruction,
};

fn read(rules: &[Rule], number: u32, arguments: [u64; 6]) -> u32 {
    if number > NEWEST_KNOWN {
        return refuse(libc::ENOSYS);
    }
    let holds = |condition: &Condition| {
        let value = arguments[condition.argument as usize] as u32 & condition.mask;
        condition.values.contains(&value)
    };
    let Some(rule) = rules.iter().find(|rule| rule.number == number) else { return refuse(libc::EPERM) };
    let verdict = match &rule.when {
        When::All(conditions) if !conditions.iter().all(holds) => Verdict::Refuse,
        When::First(alternatives) => {
            let first = alternatives.iter().find(|(conditions, _)| conditions.iter().all(holds));
            first.map_or(rule.verdict, |(_, own)| *own)
        }
        When::Always | When::All(_) => rule.verdict,
    };
    returned(verdict)
}

/// Every combination of interesting values of the arguments that the number's rule looks at.
fn arguments(rules: &[Rule], number: u32) -> Vec<[u64; 6]> {
    let rule = rules.iter().find(|rule| rule.number == number);
    let conditions: Vec<&Condition> = match rule.map(|rule| &rule.when) {
        Some(When::All(conditions)) => conditions.iter().collect(),
        Some(When::First(alternatives)) => alternatives.iter().flat_map(|(conditions, _)| conditions).collect(),
        Some(When::Always) | None => Vec::new(),
    };
    let mut tuples = vec![[0; 6], [u64::MAX; 6]];
    for argument in 0..6 {
        let mut values = vec![0, u64::from(u32::MAX)];
        for condition in conditions.iter().filter(|condition| condition.argument == argument) {
            let mask = u64::from(condition.mask);
            for value in condition.values.iter().map(|value| u64::from(*value)) {
                let outside = !mask & u64::from(u32::MAX);
                values.extend([value, value + 1, value.wrapping_sub(1), value | outside, value | 1 << 32]);
                values.extend([value ^ (mask & mask.wrapping_neg()), value ^ (1 << mask.ilog2())]);
            }
        }
        values.sort_unstable();
        values.dedup();
        // An argument that no condition names has the two values of the tuples themselves.
        if values.len() > 2 {
            let vary = |tuple: &[u64; 6]| {
                let mut tuple = *tuple;
                values
                    .iter()
                    .map(move |value| {
                        tuple[argument as usize] = *value;
                        tuple
                    })
                    .collect::<Vec<_>>()
            };
            tuples = tuples.iter().flat_map(vary).collect();
        }
    }
    tuples
}

fn same_for_every_call(program: &[BpfInstruction], rules: &[Rule]) {
    bpf::every_way_ends(program);
    bpf::foreign_tables_end_the_process_and_unknown_numbers_are_missing(program);
    for number in 0..=NEWEST_KNOWN + 1 {
        for arguments in arguments(rules, number) {
            let (compiled, read) = (bpf::answer(program, number, arguments), read(rules, number, arguments));
            assert_eq!(compiled, read, "call {number} {arguments:x?}");
        }
    }
}

/// All there can be, also those that no plan leads to.
fn every_option() -> Vec<FilterOptions> {
    let mut every = Vec::new();
    for local in [Local::All, Local::Unconnected, Local::Pairs] {
        for internet in [Internet::None, Internet::Proxied, Internet::Brokered, Internet::Whole] {
            for bits in 0..8 {
                every.push(FilterOptions {
                    allow_exec: bits & 1 != 0,
                    observe_exec: bits & 2 != 0,
                    allow_inotify: bits & 4 != 0,
                    sockets: Sockets { local, internet },
                });
            }
        }
    }
    every
}

#[test]
fn a_compiled_filter_answers_as_its_rules_say() {
    for options in every_option() {
        same_for_every_call(&program(options), &lists::rules(options));
    }
}

#[test]
fn inits_filter_answers_as_its_rules_say() {
    same_for_every_call(&init_program(), &lists::init_rules());
}

/// The first of these lie further from the search than one jump reaches, and so do parts of the search.
#[test]
fn long_programs_answer_as_their_rules_say() {
    let condition =
        |argument, value| Condition { argument, mask: u32::MAX, values: vec![value, value + 7, value * 31] };
    let judged = |number| {
        let first = (vec![condition(0, number), condition(1, number + 1)], Verdict::NoFamily);
        let second = (vec![condition(2, number + 2)], Verdict::Missing);
        Rule { number, when: When::First(vec![first, second]), verdict: Verdict::Allow }
    };
    let rules: Vec<Rule> = (1..40).map(|number| judged(number * 11)).collect();
    let program = compile::compile(&rules);
    assert!(program.len() > 2 * usize::from(u8::MAX));
    same_for_every_call(&program, &rules);
    let verdicts = [Verdict::Allow, Verdict::Missing, Verdict::Unsupported, Verdict::NoOption, Verdict::NoFamily];
    let plain = |number: u32| Rule { number, when: When::Always, verdict: verdicts[number as usize % 5] };
    let rules: Vec<Rule> = (0..=NEWEST_KNOWN).map(plain).collect();
    same_for_every_call(&compile::compile(&rules), &rules);
    same_for_every_call(&compile::compile(&[]), &[]);
}

/// Both are time that every sandbox waits for.
#[test]
fn filters_are_short_and_so_is_each_way_through() {
    for options in every_option() {
        let program = program(options);
        assert!(program.len() <= 256, "{options:?}: {}", program.len());
        let longest = (0..=NEWEST_KNOWN).map(|number| bpf::steps(&program, number)).max();
        assert!(longest <= Some(40), "{options:?}: {longest:?}");
    }
    assert!(init_program().len() <= 32);
}

#[test]
fn init_may_do_nothing_but_wait_and_report() {
    let (init, runner) = (init_program(), lists::rules(every_option()[0]));
    let allowed: Vec<u32> = (0..=NEWEST_KNOWN).filter(|number| bpf::answer(&init, *number, [0; 6]) == ALLOW).collect();
    assert!(allowed.len() < 13, "{allowed:?}");
    // It is stricter than what it guards, in everything.
    assert!(allowed.iter().all(|number| read(&runner, *number, [0; 6]) == ALLOW));
    for number in [libc::SYS_openat, libc::SYS_socket, libc::SYS_clone, libc::SYS_kill, libc::SYS_fcntl] {
        assert_eq!(bpf::answer(&init, number as u32, [0; 6]), refuse(libc::EPERM));
    }
    let executable = [0, 4096, (libc::PROT_READ | libc::PROT_EXEC) as u64, 0, 0, 0];
    assert_eq!(bpf::answer(&init, libc::SYS_mmap as u32, executable), refuse(libc::EPERM));
}
