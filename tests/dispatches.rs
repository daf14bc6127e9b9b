//! How many dispatches a sweep takes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::gpu;
use deepnmf::backend::gpu::{GpuOptions, Tune};
use deepnmf::model::ModelSpec;
use deepnmf::train::{self, Config, Solver};
use ndarray::Array2;

/// Every launch costs some microseconds, whatever it does. Where one of these gets smaller, write down what it is now.
#[test]
fn a_sweep_takes_no_more_dispatches_than_it_did() {
    let Some(mut gpu) = gpu("vulkan", GpuOptions { tune: Tune::Never, ..GpuOptions::default() }) else { return };
    let x = Array2::from_shape_fn((600, 784), |(i, j)| ((i * 31 + j * 17) % 97) as f32 / 97.0);
    let mut of_fit = |config: &Config, sweeps: usize| {
        let before = gpu.stats().dispatches;
        train::fit(&mut gpu, x.view(), &Config { sweeps, ..config.clone() }, None, &mut train::silent).unwrap();
        gpu.stats().dispatches - before
    };
    for (model, layers, solver, most) in [
        ("nenmf", &[100][..], Solver::Nesterov, 14),
        ("nenmf", &[100], Solver::Cd, 26),
        ("sdnmf-rl1", &[100], Solver::Nesterov, 58),
        ("sdnmf-rl1", &[100], Solver::Cd, 71),
        ("sdnmf-rl1", &[200, 40], Solver::Nesterov, 137),
        ("sdnmf-rl1", &[200, 40], Solver::Cd, 180),
    ] {
        let model = ModelSpec::by_name(model).unwrap();
        let config = Config { pretrain: 1, tol: 0.0, solver, ..Config::new(model, layers) };
        let sweep = (of_fit(&config, 8) - of_fit(&config, 4)) / 4;
        println!("{} {layers:?} {solver:?}: {sweep} dispatches a sweep", model.name);
        assert!(sweep > 0 && sweep <= most, "{} {layers:?} {solver:?}: {sweep} dispatches a sweep", model.name);
    }
}
