#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| deepnmf_fuzz::run("hdf5", bytes));
