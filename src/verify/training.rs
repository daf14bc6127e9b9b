//! Small training runs: the course of the objective, not the factors, which no two roundings share after many steps.

use super::verifier::{Data, Verifier};
use crate::Result;
use crate::backend::{Backend, Cpu, Storage};
use crate::model::activation::ACTIVATIONS;
use crate::model::{Activate, Depth, MODELS, Method, ModelSpec};
use crate::train::{self, Config, Metric, Solver, Start};
use ndarray::Array2;

/// Relative to the objective, at every iteration.
const TOLERANCE: f64 = 1e-3;
/// The same where W comes from inverses of Grams, which enlarge roundings by their condition: over nine draws of the start
/// the CPU in f32 was off by up to 1.3e-3, software Vulkan by up to 1.8e-3.
const TOLERANCE_OF_INVERSES: f64 = 5e-3;

/// Faces in small: smooth nonnegative parts, mixed, with unit rows.
fn samples(n: usize, m: usize) -> Array2<f32> {
    let mut x = Array2::from_shape_fn((n, m), |(i, j)| {
        let part = |p: usize| {
            let centre = (p * m) as f32 / 7.0;
            let near = (-((j as f32 - centre) / 6.0).powi(2)).exp();
            near * (1.0 + ((i * (p + 2) + 3 * p) as f32 * 0.37).sin())
        };
        (0..8).map(part).sum::<f32>() + 0.05 * (1.0 + ((i * 31 + j * 17) as f32).sin())
    });
    for mut row in x.rows_mut() {
        let norm = row.dot(&row).sqrt();
        row.mapv_inplace(|v| v / norm);
    }
    x
}

pub(super) fn run<B: Backend<Elem = f32>>(v: &mut Verifier<'_, B>) -> Result<()> {
    let x = samples(90, 70);
    for model in MODELS {
        for (solver, metric, restart, layers) in [
            (Solver::Nesterov, Metric::Plain, false, vec![12, 5]),
            (Solver::Nesterov, Metric::Diagonal, true, vec![12, 8, 5]),
            (Solver::Nesterov, Metric::Diagonal, false, vec![9]),
            (Solver::Cd, Metric::Diagonal, false, vec![12, 8, 5]),
            (Solver::Cd, Metric::Diagonal, false, vec![9]),
        ] {
            // What has no blocks has no solver for them.
            if solver == Solver::Cd && model.method != Method::Blocks || layers.len() > 1 && model.depth == Depth::One {
                continue;
            }
            // The samples have some eight directions beside noise. Inverses of more differ by what is left out as noise, which in
            // f32 is more than in f64.
            let most = if model.method == Method::SemiNmf { 8 } else { usize::MAX };
            let layers: Vec<usize> = layers.into_iter().map(|k| k.min(most)).collect();
            let config = Config {
                x_storage: Storage::F32,
                pretrain: 3,
                sweeps: 4,
                inner: 6,
                solver,
                tol: 0.0,
                metric,
                restart,
                ..Config::new(*model, layers.clone())
            };
            let how = match (solver, restart) {
                (Solver::Cd, _) => "coordinate descent".into(),
                (_, true) => format!("{metric:?} with restart"),
                (_, false) => format!("{metric:?}"),
            };
            let name = format!("{} {layers:?}, {how}", model.title);
            train(v, &x, &config, &name)?;
        }
    }
    for (i, &(name, activation)) in ACTIVATIONS.iter().enumerate() {
        let layers = if i == 0 { vec![12, 8, 5] } else { vec![12, 5] };
        for model in [if i == 0 { "sdnmf-rl1" } else { "sdnmf-rl2" }, "deep-semi-nmf"] {
            let model = ModelSpec::by_name(model)?;
            let config = Config {
                x_storage: Storage::F32,
                pretrain: 3,
                sweeps: 4,
                inner: 6,
                tol: 0.0,
                // `auto` may mean another one on another device.
                solver: Solver::Nesterov,
                activation: Some(activation),
                activate: Activate::All,
                ..Config::new(model, layers.clone())
            };
            train(v, &x, &config, &format!("{} {layers:?}, {name}", model.title))?;
        }
    }
    Ok(())
}

/// From the same start on the device and on the CPU in f64.
fn train<B: Backend<Elem = f32>>(v: &mut Verifier<'_, B>, x: &Array2<f32>, config: &Config, name: &str) -> Result<()> {
    // Both start alike: the sign of a singular vector's larger part may hang on its last digit.
    let mut rows = x.ncols();
    let mut start: Start<f32> = Vec::new();
    for &k in &config.layers {
        start.push((v.data(rows, k, Data::Nonnegative), v.data(x.nrows(), k, Data::Nonnegative)));
        rows = k;
    }
    let wide: Start<f64> = start.iter().map(|(w, h)| (w.mapv(f64::from), h.mapv(f64::from))).collect();
    let found = train::fit(v.b, x.view(), config, Some(&start), &mut train::silent)?;
    let expected =
        train::fit(&mut Cpu::<f64>::new(), super::verifier::wide(x), config, Some(&wide), &mut train::silent)?;
    let course = |history: &train::History| {
        let all: Vec<f64> = history.pretrain.iter().flatten().chain(&history.finetune).copied().collect();
        Array2::from_shape_fn((1, all.len()), |(_, i)| all[i])
    };
    let inverses = config.model.method == Method::SemiNmf;
    let tolerance = if inverses { TOLERANCE_OF_INVERSES } else { TOLERANCE };
    let (f, e) = (course(&found.history), course(&expected.history));
    v.compare(format!("{name}, objective"), f.view(), e.view(), (&e * tolerance).view());
    let (f, e) = (found.objective, expected.objective);
    v.compare_number(format!("{name}, last objective"), f, e, e * tolerance);
    let w = if config.model.signed { &[] } else { found.factors.w.as_slice() };
    let factors = w.iter().chain([&found.factors.h]);
    let least = factors.flatten().copied().fold(f32::INFINITY, f32::min);
    v.compare_number(format!("{name}, negative entries"), f64::from(least.min(0.0)), 0.0, 0.0);
    Ok(())
}
