#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| heddle_fuzz::run(bytes, heddle_fuzz::odp::check));
