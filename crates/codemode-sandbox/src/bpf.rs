//! Instructions of classic BPF, as the kernel runs them over `struct seccomp_data`: what every filter is made of.

use crate::sys::BpfInstruction;

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
pub(crate) const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const GREATER: u16 = (libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K) as u16;
pub(crate) const ALWAYS: u16 = (libc::BPF_JMP | libc::BPF_JA | libc::BPF_K) as u16;
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

pub(crate) const fn ret(value: u32) -> BpfInstruction {
    jump(RETURN, value, 0, 0)
}

const fn load(offset: u32) -> BpfInstruction {
    jump(LOAD, offset, 0, 0)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Runs a filter as the kernel would, for a call of this architecture's table.
    pub(crate) fn answer<const N: usize>(program: &[BpfInstruction], number: u32, arguments: [u64; N]) -> u32 {
        answer_by(program, NATIVE, number, arguments)
    }

    fn answer_by<const N: usize>(program: &[BpfInstruction], abi: u32, number: u32, arguments: [u64; N]) -> u32 {
        let mut data = [number.to_le_bytes(), abi.to_le_bytes(), [0; 4], [0; 4]].concat();
        arguments.iter().for_each(|argument| data.extend(argument.to_le_bytes()));
        let (mut at, mut accumulator) = (0, 0);
        loop {
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
                RETURN => return operand,
                code => panic!("unexpected code {code:#x}"),
            }
        }
    }

    /// What every filter here does alike.
    pub(crate) fn foreign_tables_end_the_process_and_unknown_numbers_are_missing(program: &[BpfInstruction]) {
        assert_eq!(answer_by(program, 0x4000_0003, 1, [0; 6]), KILL);
        assert_eq!(answer(program, X32_BIT | 1, [0; 6]), KILL);
        assert_eq!(answer(program, NEWEST_KNOWN + 1, [0; 6]), refuse(libc::ENOSYS));
    }
}
