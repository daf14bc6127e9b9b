//! The device memory of a fit: as counted, as predicted, and none of it made inside a loop.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::gpu;
use deepnmf::Error;
use deepnmf::backend::gpu::{Gpu, GpuOptions};
use deepnmf::backend::{Backend, Clock, Device, Elementwise, Storage};
use deepnmf::model::activation::ACTIVATIONS;
use deepnmf::model::{Activate, Depth, MODELS, Method, ModelSpec};
use deepnmf::train::{self, Config, Extrapolate, Init, Solver, device_bytes, host_bytes};
use ndarray::Array2;
use std::time::Instant;

/// Large enough for the range finder of NNDSVD, of which smaller sets have no need.
const N: usize = 301;
const M: usize = 270;

fn x(n: usize, m: usize) -> Array2<f32> {
    Array2::from_shape_fn((n, m), |(i, j)| 0.2 + ((i * 7919 + j * 104_729) % 1009) as f32 / 1009.0)
}

fn config(model: &str, layers: &[usize], solver: Solver) -> Config {
    let model = ModelSpec::by_name(model).unwrap();
    Config { solver, pretrain: 2, sweeps: 2, inner: 2, passes: Some(1), tol: 0.0, ..Config::new(model, layers) }
}

fn fit(gpu: &mut Gpu, x: &Array2<f32>, config: &Config) {
    train::fit(gpu, x.view(), config, None, &mut deepnmf::train::silent).unwrap();
}

/// The prediction is what is measured, to the byte, whichever part of the fit has the peak.
#[track_caller]
fn as_predicted(config: &Config, (n, m): (usize, usize)) {
    let Some(peak) = measured(config, (n, m)) else { return };
    let (name, layers) = (config.model.name, &config.layers);
    assert_eq!(device_bytes(config, n, m).unwrap(), peak, "{name} {layers:?} {:?}", config.solver);
}

fn measured(config: &Config, (n, m): (usize, usize)) -> Option<u64> {
    let mut gpu = gpu("vulkan", GpuOptions::default())?;
    fit(&mut gpu, &x(n, m), config);
    Some(gpu.stats().peak_bytes)
}

mod the_prediction_is_what_is_measured {
    use super::*;

    #[test]
    fn nesterov() {
        for layers in [&[20][..], &[30, 9], &[31, 14, 5]] {
            as_predicted(&config("sdnmf-l", layers, Solver::Nesterov), (N, M));
        }
        as_predicted(&config("sdnmf-l", &[20, 9], Solver::Auto), (N, M));
        for x_storage in [Storage::F16, Storage::U8] {
            as_predicted(&Config { x_storage, ..config("sdnmf-l", &[20, 9], Solver::Auto) }, (N, M));
            for layers in [&[20][..], &[20, 9]] {
                as_predicted(&Config { x_storage, sweeps: 6, ..config("sdnmf-l", layers, Solver::Nesterov) }, (N, M));
            }
        }
    }

    #[test]
    fn coordinate_descent() {
        for layers in [&[20][..], &[37, 9], &[31, 14, 5]] {
            as_predicted(&config("sdnmf-l", layers, Solver::Cd), (N, M));
        }
    }

    #[test]
    fn other_penalties_and_settings() {
        for solver in [Solver::Nesterov, Solver::Cd] {
            as_predicted(&config("sdnmf-rl1", &[12, 5], solver), (N, M));
            as_predicted(&Config { hidden: true, ..config("sdnmf-r", &[20, 16, 3], solver) }, (40, 60));
            as_predicted(&Config { init: Init::Random, ..config("dnmf", &[12, 5], solver) }, (N, M));
        }
    }

    /// Few samples of many features: the range finder's. A layer larger than the data: what the residual keeps changes shape.
    #[test]
    fn peaks_elsewhere() {
        let plain = Config { extrapolate: Extrapolate::None, pretrain: 1, ..config("dnmf", &[12], Solver::Cd) };
        as_predicted(&plain, (260, 2000));
        as_predicted(&Config { init: Init::Random, ..config("sdnmf-l", &[70, 8], Solver::Nesterov) }, (100, 20));
    }
}

/// The peak may be that of the part or that of all samples, held or streamed.
#[test]
fn pre_training_on_a_part_is_predicted() {
    for (model, part, layers, stream) in [
        ("sdnmf-l", 290, &[35, 9][..], false),
        ("sdnmf-rl1", 150, &[31, 14, 5], true),
        ("deep-semi-nmf", 40, &[35, 9], true),
    ] {
        let base = config(model, layers, Solver::Auto);
        as_predicted(&Config { pretrain_samples: Some(part), stream, hidden: layers.len() > 2, ..base }, (N, M));
    }
    // The H of the first layer of all samples is never there: it is larger than X.
    let large = Config { stream: true, ..config("sdnmf-l", &[2000, 20], Solver::Auto) };
    let bytes = |part| device_bytes(&Config { pretrain_samples: part, ..large.clone() }, 10_000_000, 784).unwrap();
    let (of_part, of_all) = (bytes(None), bytes(Some(usize::MAX)));
    assert!(of_part < 4 << 30 && of_all > 70 << 30, "{of_part} {of_all}");
}

/// Every row of the table, with as many layers as it takes and with one.
#[test]
fn every_model_is_predicted() {
    for model in MODELS {
        let layers: &[&[usize]] = if model.depth == Depth::One { &[&[20]] } else { &[&[20], &[20, 9], &[21, 12, 5]] };
        for layers in layers {
            let config = config(model.name, layers, model.solver);
            if model.method != Method::Graph {
                as_predicted(&config, (N, M));
                continue;
            }
            // The edges that samples choose on both sides are one.
            let Some(peak) = measured(&config, (N, M)) else { return };
            let predicted = device_bytes(&config, N, M).unwrap();
            assert!(predicted >= peak && predicted - peak < 2 * 8 * (N * 2 * config.graph.neighbors) as u64);
        }
    }
}

#[test]
fn every_activation_is_predicted() {
    for (_, activation) in ACTIVATIONS {
        for (model, hidden) in [("sdnmf-rl1", true), ("deep-semi-nmf", false)] {
            let base = Config { hidden, activation: Some(*activation), ..config(model, &[20, 14, 9], Solver::Auto) };
            as_predicted(&base, (N, M));
            as_predicted(&Config { activate: Activate::All, ..base }, (N, M));
        }
    }
}

/// A shard and a few samples, held and streamed.
#[test]
fn samples_in_shards_are_predicted() {
    let (n, m) = (67_200, 1000);
    for (stream, solver) in [(false, Solver::Nesterov), (true, Solver::Cd)] {
        let config = config("sdnmf-l", &[5, 3], solver);
        let config = Config { stream, pretrain: 1, sweeps: 1, init: Init::Random, ..config };
        as_predicted(&config, (n, m));
    }
}

#[test]
fn more_than_there_is_takes_no_time_and_no_memory() {
    // X alone does not fit any binding, and is still told.
    let large = config("sdnmf-l", &[100], Solver::Auto);
    assert!(device_bytes(&large, 6_000_000, 784).unwrap() > 21_000_000_000);
    for model in MODELS {
        let begin = Instant::now();
        let config = config(model.name, &[100], model.solver);
        let (bytes, x) = (device_bytes(&config, 1_000_000_000, 784).unwrap(), 4 * 784 * 1_000_000_000);
        assert!(bytes > x && bytes < 16 * x, "{}: {bytes}", model.name);
        assert!(host_bytes(&config, 1_000_000_000, 784, false) > x, "{}", model.name);
        assert!(begin.elapsed().as_secs_f64() < 1.0, "{}: {:?}", model.name, begin.elapsed());
    }
    // Whatever is asked: a number too large for any device, and no wrap to a small one.
    for (n, m, k) in
        [(usize::MAX, 784, 100), (1 << 40, 1 << 40, 100), (100, 100, usize::MAX), (usize::MAX, usize::MAX, 1)]
    {
        for solver in [Solver::Nesterov, Solver::Cd] {
            let bytes = device_bytes(&config("sdnmf-rl1", &[k, k], solver), n, m).unwrap();
            assert!(bytes >= 1 << 48, "{n} {m} {k}: {bytes}");
        }
    }
}

/// Settings that nobody has checked.
#[test]
fn settings_that_make_no_sense_have_no_memory() {
    let config = |layers: &[usize]| config("sdnmf-rl1", layers, Solver::Nesterov);
    for config in [config(&[]), config(&[5, 0]), Config { mu: vec![], ..config(&[5]) }] {
        assert!(matches!(device_bytes(&config, N, M), Err(Error::Config(_))), "{:?}", config.layers);
    }
    let three = Config { mu: vec![0.1, 0.2], lambda: vec![], ..config(&[5, 4, 3]) };
    assert!(three.mu_of(2).unwrap_err().to_string().contains("each of the 3 layers, found 2"));
    assert!(three.lambda_of(2).is_err());
    let two = Config { mu: vec![0.1, 0.2], lambda: vec![0.3], ..config(&[5, 4]) };
    assert_eq!([0, 1].map(|l| two.mu_of(l).unwrap()), [0.1, 0.2]);
    assert_eq!([0, 1].map(|l| two.lambda_of(l).unwrap()), [0.0, 0.3]);
    assert!(two.mu_of(2).unwrap_err().to_string().contains("found 2"));
}

/// Memory comes back: what a device holds after a fit is its scratch.
#[test]
fn everything_is_given_back() {
    let Some(mut gpu) = gpu("vulkan", GpuOptions::default()) else { return };
    let config = config("sdnmf-rl1", &[7, 3], Solver::Nesterov);
    fit(&mut gpu, &x(53, 31), &config);
    let (before, matrix) = (gpu.stats(), gpu.zeros(10, 6).unwrap());
    assert_eq!(gpu.stats().bytes - before.bytes, 10 * 8 * 4);
    assert!(before.bytes < before.peak_bytes);
    drop(matrix);
    fit(&mut gpu, &x(53, 31), &config);
    assert_eq!(gpu.stats().bytes, before.bytes);
    assert_eq!(gpu.stats().peak_bytes, before.peak_bytes);
}

/// With both solvers, in the pre-training as in the fine-tuning: nothing is made and nothing bound anew, and the host waits
/// once per look, which is every fourth iteration.
#[test]
fn a_sweep_allocates_nothing() {
    let Some(mut gpu) = gpu("vulkan", GpuOptions::default()) else { return };
    let x = x(53, 31);
    for solver in [Solver::Nesterov, Solver::Cd] {
        let mut stats = |pretrain: usize, sweeps: usize| {
            let before = gpu.stats();
            let config = Config { init: Init::Random, pretrain, sweeps, ..config("sdnmf-rl1", &[7, 3], solver) };
            fit(&mut gpu, &x, &config);
            let after = gpu.stats();
            let made = (after.buffers - before.buffers, after.bind_groups - before.bind_groups);
            (made, (after.bytes, after.peak_bytes), after.waits - before.waits)
        };
        // The first fit makes what is kept.
        stats(4, 4);
        let (few, pretrained, tuned) = (stats(4, 4), stats(20, 4), stats(4, 20));
        for (more, waits) in [(pretrained, 2 * 4), (tuned, 4)] {
            assert_eq!(few.0, more.0, "{solver:?}: buffers and bind groups of more iterations");
            assert_eq!(few.1, more.1, "{solver:?}: bytes of more iterations");
            assert_eq!(few.2 + waits, more.2, "{solver:?}: waits of more iterations");
        }
    }
}

/// The device's clock runs while it computes, and only then; timing changes nothing else.
#[test]
fn passes_are_timed_when_asked() {
    for backend in ["vulkan", "gl"] {
        let Some(mut gpu) = gpu(backend, GpuOptions::default()) else { continue };
        assert_eq!(gpu.pass_seconds().unwrap(), None);
        let a = gpu.upload(x(512, 256).view()).unwrap();
        let mut out = gpu.zeros(256, 256).unwrap();
        let mut product = |gpu: &mut Gpu, times: usize| {
            let begin = std::time::Instant::now();
            for _ in 0..times {
                gpu.matmul(deepnmf::backend::MatMul::TN, &a, &a, &mut out).unwrap();
                gpu.submit().unwrap();
            }
            gpu.download(&out).unwrap();
            begin.elapsed().as_secs_f64()
        };
        product(&mut gpu, 2);
        if !gpu.time_passes(true) {
            continue;
        }
        assert_eq!(gpu.pass_seconds().unwrap(), Some(0.0));
        let wall = product(&mut gpu, 4);
        let device = gpu.pass_seconds().unwrap().unwrap();
        assert!(device > 0.2 * wall && device <= wall, "{backend}: device {device} s, wall {wall} s");
        assert_eq!(gpu.pass_seconds().unwrap(), Some(0.0));
        // More passes than a set of timestamps has room for.
        let small = gpu.upload(x(3, 4).view()).unwrap();
        let mut other = gpu.zeros(3, 4).unwrap();
        for _ in 0..2100 {
            gpu.copy(&small, &mut other).unwrap();
            gpu.submit().unwrap();
        }
        assert!(gpu.pass_seconds().unwrap().unwrap() > 0.0);
        assert!(!gpu.time_passes(false));
        product(&mut gpu, 1);
        assert_eq!(gpu.pass_seconds().unwrap(), None);
        assert!(gpu.stats().waited.as_secs_f64() > 0.0);
    }
}
