//! Every operation and every model on a device that holds few rows per buffer, with words behind them that no kernel may touch.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use deepnmf::backend::gpu::GpuOptions;
use deepnmf::{DeviceRequest, Engine, Error};

#[test]
fn the_cut_of_the_rows_does_not_matter() {
    let options = GpuOptions { max_shard_rows: Some(53), guard_words: 16, ..GpuOptions::default() };
    let mut engine = match Engine::open_with(&DeviceRequest::Gpu, options) {
        Ok(engine) => engine,
        Err(Error::NoDevice(why)) => {
            let required = std::env::var("DEEPNMF_GPU").is_ok_and(|v| v == "require");
            assert!(!required, "a GPU is required, a software one counts: {why}");
            eprintln!("skipped: {why}");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let checks = engine.verify(&mut |_| {}).unwrap();
    assert!(!checks.is_empty());
    let failed: Vec<_> = checks.iter().filter(|c| !c.passed).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}
