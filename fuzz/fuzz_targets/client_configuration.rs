#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| codemode_fuzz::client_configuration::client_configuration(input));
