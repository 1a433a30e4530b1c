//! Rules to BPF: a binary search for the call's number, then what is said of its arguments. Those are compared by their
//! low 32 bits, which is what the kernel's handlers of these calls read.
//!
//! Who installs a filter waits until the kernel has translated all of it and run it for every number there is: the
//! program is short, and so is each number's way through it.

use super::lists::{Condition, Rule, Verdict, When};
use crate::{
    bpf::{ALLOW, Backward, EQUAL, GREATER, Target, known_calls_only, load_argument, mask, refuse},
    sys::BpfInstruction,
};

const REFUSED: Target = Target::Answer(refuse(libc::EPERM));

pub(super) fn compile(rules: &[Rule]) -> Vec<BpfInstruction> {
    let mut program = Backward::default();
    let ranges = ranges(&mut program, rules);
    let root = search(&mut program, &ranges);
    program.finish(&known_calls_only(), root)
}

/// Numbers from `first` up to the next range's that are all answered alike.
#[derive(Clone, Copy, Debug)]
struct Range {
    first: u32,
    target: Target,
}

/// All numbers, in order.
fn ranges(program: &mut Backward, rules: &[Rule]) -> Vec<Range> {
    let mut sorted: Vec<_> = rules.iter().collect();
    sorted.sort_unstable_by_key(|rule| rule.number);
    let (mut ranges, mut next) = (Vec::new(), 0);
    for rule in sorted {
        if next < rule.number {
            ranges.push(Range { first: next, target: REFUSED });
        }
        ranges.push(Range { first: rule.number, target: judge(program, rule) });
        next = rule.number + 1;
    }
    ranges.push(Range { first: next, target: REFUSED });
    ranges.dedup_by_key(|range| range.target);
    ranges
}

/// Where the number decides among these.
fn search(program: &mut Backward, ranges: &[Range]) -> Target {
    match ranges {
        [] => REFUSED,
        [only] => only.target,
        // One number among others that are answered alike.
        [below, one, above] if below.target == above.target && one.first + 1 == above.first => {
            program.jump(EQUAL, one.first, one.target, below.target)
        }
        _ => {
            let (low, high) = ranges.split_at(ranges.len() / 2);
            let first_high = high[0].first;
            let (high, low) = (search(program, high), search(program, low));
            program.jump(GREATER, first_high - 1, high, low)
        }
    }
}

/// Where the number of this rule leads.
fn judge(program: &mut Backward, rule: &Rule) -> Target {
    let verdict = answer(rule.verdict);
    match &rule.when {
        When::Always => verdict,
        When::All(conditions) => all(program, conditions, verdict, REFUSED),
        When::First(alternatives) => alternatives
            .iter()
            .rev()
            .fold(verdict, |otherwise, (conditions, own)| all(program, conditions, answer(*own), otherwise)),
    }
}

fn all(program: &mut Backward, conditions: &[Condition], then: Target, otherwise: Target) -> Target {
    conditions.iter().rev().fold(then, |then, condition| test(program, condition, then, otherwise))
}

fn test(program: &mut Backward, condition: &Condition, then: Target, otherwise: Target) -> Target {
    let values = condition.values.iter().rev();
    let first = values.fold(otherwise, |otherwise, value| program.jump(EQUAL, *value, then, otherwise));
    let first = match condition.mask {
        u32::MAX => first,
        bits => program.before(first, mask(bits)),
    };
    program.before(first, load_argument(condition.argument))
}

const fn answer(verdict: Verdict) -> Target {
    Target::Answer(returned(verdict))
}

/// What a filter returns to the kernel.
pub(super) const fn returned(verdict: Verdict) -> u32 {
    match verdict {
        Verdict::Allow => ALLOW,
        Verdict::Observe => libc::SECCOMP_RET_USER_NOTIF,
        Verdict::Missing => refuse(libc::ENOSYS),
        Verdict::Unsupported => refuse(libc::EOPNOTSUPP),
        Verdict::NoFamily => refuse(libc::EAFNOSUPPORT),
        Verdict::NoOption => refuse(libc::ENOPROTOOPT),
        Verdict::Refuse => refuse(libc::EPERM),
    }
}

#[cfg(test)]
#[path = "compile_tests.rs"]
mod tests;
