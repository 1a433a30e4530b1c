#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| codemode_fuzz::published::values(input));
