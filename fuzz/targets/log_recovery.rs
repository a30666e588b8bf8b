//! See `fuzz::log_recovery`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::log_recovery(data));
