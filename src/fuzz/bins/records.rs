//! Is the target `records` as a program of libFuzzer's.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tallystick_fuzz::run("records", bytes));
