//! The problem of the golden fixtures.

use deepnmf::model::ModelSpec;
use deepnmf::train::{Balance, Config, Extrapolate, Metric, PenaltyScale, Solver, Start};
use ndarray::Array2;

pub(crate) const M: usize = 24;
pub(crate) const N: usize = 40;

pub(crate) fn x() -> Array2<f64> {
    Array2::from_shape_fn((N, M), |(j, i)| {
        let (i, j) = (i as f64, j as f64);
        0.5 + 0.5 * (0.37 * i * j + 0.11 * i + 0.23 * j).sin().powi(2)
    })
}

pub(crate) fn w0(l: usize, rows: usize, k: usize) -> Array2<f64> {
    Array2::from_shape_fn((rows, k), |(i, j)| {
        let (i, j) = (i as f64, j as f64);
        0.1 + 0.4 * (0.9 * i * (j + 1.0) + 0.31 * j + 0.17 * l as f64 + 0.2).sin().powi(2)
    })
}

pub(crate) fn h0(l: usize, k: usize) -> Array2<f64> {
    Array2::from_shape_fn((N, k), |(j, i)| {
        let (i, j) = (i as f64, j as f64);
        0.1 + 0.4 * (0.53 * (i + 1.0) * (j + 1.0) + 0.29 * i + 0.41 * l as f64).cos().powi(2)
    })
}

pub(crate) fn start(layers: &[usize]) -> Start<f64> {
    let mut rows = M;
    let mut start = Vec::new();
    for (l, &k) in layers.iter().enumerate() {
        start.push((w0(l + 1, rows, k), h0(l + 1, k)));
        rows = k;
    }
    start
}

/// The papers' procedure: absolute penalties, one Lipschitz constant, ten steps, nothing balanced.
pub(crate) fn config(model: &str, layers: &[usize]) -> Config {
    Config {
        mu: vec![0.05],
        lambda: vec![0.02],
        penalty_scale: PenaltyScale::Absolute,
        pretrain: 5,
        sweeps: 5,
        solver: Solver::Nesterov,
        inner: 10,
        tol: 0.0,
        metric: Metric::Plain,
        balance: Balance { layers: false, penalties: false, lengths: false },
        extrapolate: Extrapolate::None,
        power_iterations: 500,
        ..Config::new(ModelSpec::by_name(model).unwrap(), layers)
    }
}
