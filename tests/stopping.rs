//! The iteration that meets a stopping rule is the last, on every backend.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{gpu, small};
use deepnmf::backend::gpu::{Gpu, GpuOptions, Tune};
use deepnmf::backend::{Backend, Cpu};
use deepnmf::model::{Activation, ModelSpec};
use deepnmf::train::{self, Config, Extrapolate, Fit, Solver};

const SWEEPS: usize = 22;

fn config(model: &str, layers: &[usize], solver: Solver) -> Config {
    let model = ModelSpec::by_name(model).unwrap();
    let extrapolate = Extrapolate::None;
    Config { solver, extrapolate, pretrain: 2, sweeps: SWEEPS, inner: 10, tol: 0.0, ..Config::new(model, layers) }
}

fn fit<B: Backend<Elem = f32>>(b: &mut B, config: &Config) -> Fit<f32> {
    let (x, start) = small();
    train::fit(b, x.view(), config, Some(&start[..config.layers.len()].to_vec()), &mut deepnmf::train::silent).unwrap()
}

/// Of the stage that comes last.
fn history(fit: &Fit<f32>) -> &[f64] {
    if fit.history.finetune.is_empty() { &fit.history.pretrain[0] } else { &fit.history.finetune }
}

/// A tolerance that ends the loop somewhere in its middle, with as much room on both sides as there is.
fn tolerance(history: &[f64]) -> f64 {
    let changes: Vec<f64> = history.windows(2).map(|f| (f[0] - f[1]).abs() / f[1]).collect();
    let least = |end: usize| changes[..end].iter().copied().fold(f64::INFINITY, f64::min);
    let room = |i: &usize| least(*i) / changes[*i];
    let best = (4..changes.len() - 2).max_by(|a, b| room(a).total_cmp(&room(b))).unwrap();
    assert!(room(&best) > 1.02, "no clear margin, {}: {changes:?}", room(&best));
    (least(best) * changes[best]).sqrt()
}

/// Every way in which a GPU is to end a loop.
fn gpus() -> impl Iterator<Item = (String, Gpu)> {
    let all = [("vulkan", false), ("gl", false), ("vulkan", true)];
    all.into_iter().filter_map(|(backend, host_stops)| {
        let options = GpuOptions { tune: Tune::Never, host_stops, ..GpuOptions::default() };
        Some((format!("{backend}, the host {host_stops}"), gpu(backend, options)?))
    })
}

/// As many iterations as on the CPU, the objective after each of them, and the factors of a run of just so many.
#[track_caller]
fn ends_as_on_the_cpu(config: &Config) {
    let expected = fit(&mut Cpu::<f32>::new(), config);
    let made = history(&expected).len() - 1;
    assert!((4..SWEEPS - 1).contains(&made), "{made} iterations");
    for (name, mut b) in gpus() {
        let found = fit(&mut b, config);
        let name = format!("{name}, {} {:?}", config.model.name, config.layers);
        assert_eq!(history(&found).len() - 1, made, "{name}");
        let bounded = Config { tol: 0.0, target_error: None, sweeps: made, ..config.clone() };
        let bounded = fit(&mut b, &bounded);
        assert_eq!(history(&found), history(&bounded), "{name}");
        assert!(found.factors.h == bounded.factors.h && found.factors.w == bounded.factors.w, "{name}");
        assert_eq!(found.objective, bounded.objective, "{name}");
    }
}

#[test]
fn where_little_changes() {
    for config in [
        config("sdnmf-l", &[7], Solver::Nesterov),
        config("sdnmf-rl1", &[7, 3], Solver::Nesterov),
        config("sdnmf-rl2", &[7, 3], Solver::Cd),
        config("sdnmf-rl1", &[7], Solver::Cd),
    ] {
        let all = fit(&mut Cpu::<f32>::new(), &config);
        let tol = tolerance(history(&all));
        ends_as_on_the_cpu(&Config { tol, ..config });
    }
}

/// Iterations in a row that change too little, before an extrapolated loop ends: of a layer, and of the chain.
const PATIENCE: [usize; 2] = [4, 6];

/// A tolerance that ends an extrapolated loop before its last iterations, as far from every change as possible.
fn tolerance_of_trials(history: &[f64], patience: usize) -> f64 {
    let changes: Vec<f64> = history.windows(2).map(|f| (f[0] - f[1]) / f[1]).collect();
    let end = |tol: f64| changes.windows(patience).position(|last| last.iter().all(|change| *change <= tol));
    let mut sizes: Vec<f64> = changes.iter().copied().filter(|change| *change > 0.0).collect();
    sizes.sort_unstable_by(f64::total_cmp);
    let between = sizes.windows(2).map(|pair| (pair[1] / pair[0], (pair[0] * pair[1]).sqrt()));
    let usable =
        between.filter(|(_, tol)| *tol < 0.1 && end(*tol).is_some_and(|first| first + patience + 2 < changes.len()));
    let (room, tol) = usable.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
    assert!(room > 1.02, "no clear margin, {room}: {changes:?}");
    tol
}

#[test]
fn where_little_changes_in_spite_of_extrapolation() {
    for config in [
        config("dnmf", &[7], Solver::Cd),
        config("sdnmf-rl2", &[7, 3], Solver::Cd),
        config("sdnmf-l", &[7, 3], Solver::Nesterov),
    ] {
        let config = Config { extrapolate: Extrapolate::All, ..config };
        let all = fit(&mut Cpu::<f32>::new(), &config);
        let tol = tolerance_of_trials(&history(&all)[..SWEEPS], PATIENCE[config.layers.len() - 1]);
        ends_as_on_the_cpu(&Config { tol, ..config });
    }
}

#[test]
fn where_the_error_is_small_enough() {
    let (x, _) = small();
    let xx: f64 = x.iter().map(|&x| f64::from(x).powi(2)).sum();
    let nonlinear = config("dnmf", &[7, 3], Solver::Nesterov);
    for config in [
        config("dnmf", &[7], Solver::Nesterov),
        config("dnmf", &[7, 3], Solver::Nesterov),
        config("dnmf", &[7], Solver::Cd),
        config("nmf-mu", &[7], Solver::Nesterov),
        // The host asks these something in every iteration.
        Config { activation: Some(Activation::Root), ..nonlinear },
        config("pgnmf", &[7], Solver::Nesterov),
        config("semi-nmf", &[7], Solver::Nesterov),
        config("deep-semi-nmf", &[7, 3], Solver::Nesterov),
    ] {
        let all = fit(&mut Cpu::<f32>::new(), &config);
        // Without penalties f is half the squared residual.
        let f = history(&all);
        let least = |end: usize| f[..end].iter().copied().fold(f64::INFINITY, f64::min);
        let made = (6..SWEEPS - 1).max_by(|&a, &b| (least(a) / f[a]).total_cmp(&(least(b) / f[b]))).unwrap();
        assert!(least(made) > 1.0001 * f[made], "{}: no clear margin: {f:?}", config.model.name);
        let target_error = Some(((least(made) + f[made]) / xx).sqrt());
        ends_as_on_the_cpu(&Config { target_error, ..config });
    }
}

/// The layers below stop for themselves.
#[test]
fn in_the_pretraining_of_every_layer() {
    let base = Config { pretrain: 60, sweeps: 3, tol: 4e-3, ..config("sdnmf-l", &[7, 3], Solver::Nesterov) };
    let lengths = |fit: &Fit<f32>| fit.history.pretrain.iter().map(Vec::len).collect::<Vec<_>>();
    let expected = lengths(&fit(&mut Cpu::<f32>::new(), &base));
    assert!(expected.iter().all(|made| (3..60).contains(made)), "{expected:?}");
    for (name, mut b) in gpus() {
        assert_eq!(lengths(&fit(&mut b, &base)), expected, "{name}");
    }
}
