//! See `fuzz::internal_topics`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::internal_topics(data));
