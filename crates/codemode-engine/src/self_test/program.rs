//! The texts and the attacks of one execution, put together.

use std::fmt::Write as _;

use super::attacks::{ATTEMPT, Attack, Attacks, FIRST, LEFT_FILES, TRACES};

#[derive(Debug)]
pub(super) struct Program {
    /// Of its execution.
    pub(super) id: &'static str,
    pub(super) code: String,
    pub(super) attacks: Vec<Attack>,
}

impl Program {
    /// The attacks; then it leaves what the second one looks for.
    pub(super) fn first(more: &[Attacks]) -> Self {
        let sets: Vec<&Attacks> = [&FIRST].into_iter().chain(more).collect();
        let attacks = sets.iter().flat_map(|set| set.list).copied().collect();
        let sources: Vec<&str> = sets.iter().map(|set| set.source).collect();
        let mut program = Self::of("self-test-1", &sources, attacks);
        program.code.push_str("leave_traces(context)\n");
        program
    }

    pub(super) fn second() -> Self {
        Self::of("self-test-2", &[], vec![LEFT_FILES])
    }

    fn of(id: &'static str, sources: &[&str], attacks: Vec<Attack>) -> Self {
        let mut code = [&[ATTEMPT, TRACES], sources].concat().join("\n");
        let names: Vec<&str> = attacks.iter().map(|attack| attack.name).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(code, "\nresult = attempt(context, [{}])", names.join(", "));
        Self { id, code, attacks }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attack_of_the_table_is_written() {
        let program = Program::first(&[]);
        assert_eq!(program.attacks.len(), 13);
        for attack in program.attacks.iter().chain(&Program::second().attacks) {
            assert!(program.code.contains(&format!("\ndef {}(host):\n", attack.name)), "{}", attack.name);
        }
    }
}
