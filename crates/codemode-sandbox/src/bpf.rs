//! Instructions of classic BPF, as the kernel runs them over `struct seccomp_data`: what every filter is made of.

use std::collections::HashMap;

use crate::sys::BpfInstruction;

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
pub(crate) const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
pub(crate) const GREATER: u16 = (libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K) as u16;
const ALWAYS: u16 = (libc::BPF_JMP | libc::BPF_JA | libc::BPF_K) as u16;
const AND: u16 = (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const CALLED_ABI: u32 = 4;
const ARGUMENTS: u32 = 16;

#[cfg(target_arch = "x86_64")]
const NATIVE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const NATIVE: u32 = 0xc000_00b7;

/// x32 calls are x86_64 calls with this bit; no other table may be reached.
const X32_BIT: u32 = 0x4000_0000;

/// Numbers above this are newer than every list here (Linux 6.18: file_setattr).
pub(crate) const NEWEST_KNOWN: u32 = 469;

pub(crate) const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
pub(crate) const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;

pub(crate) const fn refuse(errno: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | errno as u32
}

/// How every filter begins: calls by another table end the process, and calls newer than the lists do not exist.
/// Behind it the call's number is loaded.
pub(crate) fn known_calls_only() -> Vec<BpfInstruction> {
    vec![
        load(CALLED_ABI),
        jump(EQUAL, NATIVE, 1, 0),
        ret(KILL),
        load(NUMBER),
        jump(GREATER, X32_BIT - 1, 0, 1),
        ret(KILL),
        jump(GREATER, NEWEST_KNOWN, 0, 1),
        ret(refuse(libc::ENOSYS)),
    ]
}

/// The lower half of an argument, which is what the kernel's handlers of judged calls read.
pub(crate) const fn load_argument(index: u32) -> BpfInstruction {
    load(ARGUMENTS + 8 * index)
}

pub(crate) const fn mask(bits: u32) -> BpfInstruction {
    jump(AND, bits, 0, 0)
}

pub(crate) const fn jump(code: u16, operand: u32, if_true: u8, if_false: u8) -> BpfInstruction {
    BpfInstruction { code, if_true, if_false, operand }
}

/// Passes over so many instructions, where a comparison could not.
const fn long_jump(over: usize) -> BpfInstruction {
    jump(ALWAYS, over as u32, 0, 0)
}

pub(crate) const fn ret(value: u32) -> BpfInstruction {
    jump(RETURN, value, 0, 0)
}

const fn load(offset: u32) -> BpfInstruction {
    jump(LOAD, offset, 0, 0)
}

/// Where a program goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Out of it, with this answer.
    Answer(u32),
    /// At an instruction, counted from the program's end.
    Instruction(usize),
}

/// A program written from its last instruction to its first: jumps lead forward only, so what one leads to is there
/// already, and how far it is from it.
#[derive(Debug, Default)]
pub(crate) struct Backward {
    /// The last one first.
    code: Vec<BpfInstruction>,
    /// Of each answer the return that was written last.
    returns: HashMap<u32, usize>,
}

impl Backward {
    /// Compares, and goes on at one of the targets.
    pub(crate) fn jump(&mut self, code: u16, operand: u32, if_true: Target, if_false: Target) -> Target {
        let (if_true, if_false) = (self.near(if_true), self.near(if_false));
        // near() bounds it.
        let distance = |target| (self.code.len() - target - 1) as u8;
        let instruction = jump(code, operand, distance(if_true), distance(if_false));
        self.push(instruction)
    }

    /// Does something and goes on at the target.
    pub(crate) fn before(&mut self, target: Target, instruction: BpfInstruction) -> Target {
        self.lead_to(target);
        self.push(instruction)
    }

    /// The program that does `first`, then goes on at the target.
    pub(crate) fn finish(mut self, first: &[BpfInstruction], target: Target) -> Vec<BpfInstruction> {
        self.lead_to(target);
        self.code.extend(first.iter().rev());
        self.code.reverse();
        self.code
    }

    /// An instruction of the same effect that a jump reaches even with one more between. Writes one if there is none.
    fn near(&mut self, target: Target) -> usize {
        let here = self.code.len();
        let is_near = |at: usize| here - at <= usize::from(u8::MAX);
        match target {
            Target::Instruction(at) if is_near(at) => return at,
            Target::Instruction(at) => self.push(long_jump(here - at - 1)),
            Target::Answer(value) => match self.returns.get(&value) {
                Some(at) if is_near(*at) => return *at,
                _ => {
                    self.returns.insert(value, here);
                    self.push(ret(value))
                }
            },
        };
        here
    }

    /// Makes what is written next go on at the target.
    fn lead_to(&mut self, target: Target) {
        let at = self.near(target);
        let between = self.code.len() - at - 1;
        if between > 0 {
            self.push(long_jump(between));
        }
    }

    fn push(&mut self, instruction: BpfInstruction) -> Target {
        self.code.push(instruction);
        Target::Instruction(self.code.len() - 1)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Runs a filter as the kernel would, for a call of this architecture's table.
    pub(crate) fn answer<const N: usize>(program: &[BpfInstruction], number: u32, arguments: [u64; N]) -> u32 {
        answer_by(program, NATIVE, number, arguments)
    }

    fn answer_by<const N: usize>(program: &[BpfInstruction], abi: u32, number: u32, arguments: [u64; N]) -> u32 {
        run(program, abi, number, &arguments).0
    }

    /// How many instructions the kernel runs for a call.
    pub(crate) fn steps(program: &[BpfInstruction], number: u32) -> usize {
        run(program, NATIVE, number, &[0; 6]).1
    }

    fn run(program: &[BpfInstruction], abi: u32, number: u32, arguments: &[u64]) -> (u32, usize) {
        let mut data = [number.to_le_bytes(), abi.to_le_bytes(), [0; 4], [0; 4]].concat();
        arguments.iter().for_each(|argument| data.extend(argument.to_le_bytes()));
        let (mut at, mut accumulator) = (0, 0);
        for steps in 1.. {
            let BpfInstruction { code, if_true, if_false, operand } = program[at];
            at += 1;
            let mut skip = |taken: bool| at += if taken { if_true } else { if_false } as usize;
            match code {
                LOAD => {
                    let offset = operand as usize;
                    accumulator = u32::from_le_bytes(data[offset..offset + 4].try_into().unwrap());
                }
                EQUAL => skip(accumulator == operand),
                GREATER => skip(accumulator > operand),
                AND => accumulator &= operand,
                ALWAYS => at += operand as usize,
                RETURN => return (operand, steps),
                code => panic!("unexpected code {code:#x}"),
            }
        }
        unreachable!("a program only goes forward")
    }

    /// What the kernel asks of a program before it takes it: every way through ends in a return.
    pub(crate) fn every_way_ends(program: &[BpfInstruction]) {
        for (at, BpfInstruction { code, if_true, if_false, operand }) in program.iter().enumerate() {
            let skipped: &[usize] = match *code {
                RETURN => &[],
                EQUAL | GREATER => &[(*if_true).into(), (*if_false).into()],
                ALWAYS => &[*operand as usize],
                _ => &[0],
            };
            assert!(skipped.iter().all(|skipped| at + 1 + skipped < program.len()), "{at}");
        }
    }

    #[test]
    fn what_is_written_next_goes_on_wherever_it_is_told_to() {
        for between in [0, 1, 300] {
            let mut program = Backward::default();
            let one = program.jump(EQUAL, 1, Target::Answer(11), Target::Answer(10));
            (0..between).for_each(|value| _ = program.jump(EQUAL, value, Target::Answer(value), one));
            let masked = program.before(one, mask(7));
            let program = program.finish(&[load(NUMBER)], masked);
            every_way_ends(&program);
            assert_eq!([0, 1, 9].map(|number| answer(&program, number, [])), [10, 11, 11]);
            let mut program = Backward::default();
            let zero = program.jump(EQUAL, 0, Target::Answer(1), Target::Answer(2));
            (0..between).for_each(|value| _ = program.jump(EQUAL, value, Target::Answer(value), zero));
            let program = program.finish(&[load(NUMBER)], zero);
            assert_eq!([0, 1].map(|number| answer(&program, number, [])), [1, 2]);
        }
    }

    /// What every filter here does alike.
    pub(crate) fn foreign_tables_end_the_process_and_unknown_numbers_are_missing(program: &[BpfInstruction]) {
        assert_eq!(answer_by(program, 0x4000_0003, 1, [0; 6]), KILL);
        assert_eq!(answer(program, X32_BIT | 1, [0; 6]), KILL);
        assert_eq!(answer(program, NEWEST_KNOWN + 1, [0; 6]), refuse(libc::ENOSYS));
    }
}
