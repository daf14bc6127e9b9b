//! Penalties per entry: the conditions of a minimum, in both solvers and on both backends.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::gpu;
use deepnmf::backend::gpu::GpuOptions;
use deepnmf::backend::{Backend, Cpu};
use deepnmf::model::{HPenalty, Init, ModelSpec};
use deepnmf::train::{self, Config, Elastic, ElasticNet, Fit, PenaltyScale, Projection, Solver, silent};
use ndarray::{Array2, ArrayView2};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const NET: ElasticNet = ElasticNet { w: Elastic { l1: 0.02, l2: 0.05 }, h: Elastic { l1: 0.03, l2: 0.04 } };

fn config(solver: Solver, sweeps: usize) -> Config {
    let (elastic_net, penalty_scale) = (NET, PenaltyScale::Absolute);
    let model = ModelSpec::by_name("dnmf").unwrap();
    Config { solver, sweeps, elastic_net, penalty_scale, tol: 0.0, ..Config::new(model, [4]) }
}

/// 40 × 25, between 0 and 1.
fn x() -> Array2<f64> {
    Array2::from_shape_fn((40, 25), |(i, j)| ((i * 7 + j * 13 + i * j) % 17) as f64 / 17.0)
}

/// The objective, by its definition.
fn objective(x: ArrayView2<'_, f64>, w: &Array2<f64>, h: &Array2<f64>) -> f64 {
    let penalty = |f: &Array2<f64>, of: Elastic| of.l1 * f.sum() + 0.5 * of.l2 * f.mapv(|v| v * v).sum();
    0.5 * (&x - &h.dot(&w.t())).mapv(|v| v * v).sum() + penalty(w, NET.w) + penalty(h, NET.h)
}

/// Where F > 0 its gradient is 0, elsewhere at least 0.
#[track_caller]
fn is_least(what: &str, f: &Array2<f64>, gradient: &Array2<f64>, of: Elastic) {
    for (f, g) in f.iter().zip(gradient) {
        let g = g + of.l1 + of.l2 * f;
        assert!(if *f > 0.0 { g.abs() < 1e-6 } else { g > -1e-6 }, "{what}: {g} at {f}");
    }
    assert!(f.iter().any(|v| *v == 0.0) && f.iter().any(|v| *v > 0.0), "{what}");
}

fn fit<B: Backend<Elem = f64>>(b: &mut B, config: &Config) -> Fit<f64> {
    train::fit(b, x().view(), config, None, &mut silent).unwrap()
}

#[test]
fn a_minimum_of_the_penalised_objective() {
    let x = x();
    let mut ends = Vec::new();
    for solver in [Solver::Cd, Solver::Nesterov] {
        // Samples in one shard and in several.
        for mut cpu in [Cpu::<f64>::new(), Cpu::with_shard_rows(7)] {
            let Fit { factors, objective: f, history, relative_error, .. } = fit(&mut cpu, &config(solver, 3000));
            let (w, h) = (&factors.w[0], &factors.h);
            let expected = objective(x.view(), w, h);
            let last = history.pretrain[0].last().unwrap();
            assert!((f - expected).abs() < 1e-10 * expected, "{f} {expected}");
            assert!((last - expected).abs() < 1e-9 * expected, "{last} {expected}");
            let left = (&x - &h.dot(&w.t())).mapv(|v| v * v).sum();
            assert!((relative_error - (left / x.mapv(|v| v * v).sum()).sqrt()).abs() < 1e-12);
            assert!(history.pretrain[0].windows(2).all(|f| f[1] <= f[0] * (1.0 + 1e-12)));
            let residual = h.dot(&w.t()) - &x;
            is_least("H", h, &residual.dot(w), NET.h);
            is_least("W", w, &residual.t().dot(h), NET.w);
            ends.push(f);
        }
    }
    assert!(ends.iter().all(|f| (f - ends[0]).abs() < 1e-3 * ends[0]), "{ends:?}");
}

/// 200 × 40, of 6 parts and noise.
fn planted(seed: u64) -> Array2<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut uniform =
        |rows: usize, columns: usize| Array2::from_shape_simple_fn((rows, columns), || rng.random::<f64>());
    uniform(200, 6).dot(&uniform(6, 40)) + uniform(200, 40) * 0.05
}

/// Coordinate descent ends where nothing changes any more, not before, and its last iteration does not undo what others did.
#[test]
fn a_fit_ends_at_rest() {
    let x = planted(0);
    let end = |model: &str, init: Init, net: Elastic, tol: f64| {
        let elastic_net = ElasticNet { w: net, h: net };
        let model = ModelSpec::by_name(model).unwrap();
        let config = Config {
            init,
            elastic_net,
            sweeps: 2000,
            pretrain: 2000,
            tol,
            solver: Solver::Cd,
            ..Config::new(model, [6])
        };
        let config =
            if elastic_net.is_none() { config } else { Config { penalty_scale: PenaltyScale::Absolute, ..config } };
        let fit = train::fit(&mut Cpu::<f64>::new(), x.view(), &config, None, &mut silent).unwrap();
        let history = &fit.history.pretrain[0];
        let (last, least) = (*history.last().unwrap(), history.iter().copied().fold(f64::INFINITY, f64::min));
        assert!(
            last <= least * (1.0 + 1e-9),
            "{model:?} {init:?} {net:?} {tol}: {last} {least}",
            model = config.model.name
        );
        fit.objective
    };
    let none = Elastic::default();
    for (model, net) in [
        ("dnmf", Elastic { l1: 0.4, l2: 0.4 }),
        ("dnmf", Elastic { l1: 2.0, l2: 0.0 }),
        ("dnmf", Elastic { l1: 20.0, l2: 0.0 }),
        ("sdnmf-rl1", none),
        ("dnmf", none),
    ] {
        for init in [Init::Nndsvda, Init::Random] {
            let (early, late) = (end(model, init, net, 1e-9), end(model, init, net, 0.0));
            assert!((early - late).abs() < 1e-5 * late, "{model} {init:?} {net:?}: {early} {late}");
        }
    }
}

#[test]
fn new_samples_are_penalised_too() {
    let x = x() * 37.0;
    let mut cpu = Cpu::<f64>::new();
    let factors = fit(&mut cpu, &config(Solver::Cd, 50)).factors;
    let of_h = Elastic { l1: 3.0, l2: 0.5 };
    let how = Projection { h_penalty: HPenalty::Ridge, lambda: of_h.l2, l1: of_h.l1, ..Projection::default() };
    let h = train::transform(&mut cpu, x.view(), &factors, 1, &[how], &mut silent).unwrap().h;
    let w = &factors.w[0];
    is_least("H", &h, &(h.dot(&w.t()) - &x).dot(w), of_h);
}

#[test]
fn a_gpu_comes_to_the_same() {
    for solver in [Solver::Cd, Solver::Nesterov] {
        let expected = fit(&mut Cpu::<f64>::new(), &config(solver, 30));
        for backend in ["vulkan", "gl"] {
            let Some(mut b) = gpu(backend, GpuOptions::default()) else { continue };
            let x = x().mapv(|v| v as f32);
            let found = train::fit(&mut b, x.view(), &config(solver, 30), None, &mut silent).unwrap();
            let (f, e) = (found.objective, expected.objective);
            assert!((f - e).abs() < 1e-4 * e, "{backend} {solver:?}: {f} instead of {e}");
            for (f, e) in found.history.pretrain[0].iter().zip(&expected.history.pretrain[0]) {
                assert!((f - e).abs() < 1e-3 * e, "{backend} {solver:?}: {f} instead of {e}");
            }
        }
    }
}

#[test]
fn what_has_other_penalties_is_refused() {
    let good = config(Solver::Cd, 5);
    assert!(good.validate().is_ok());
    let model = |name| ModelSpec::by_name(name).unwrap();
    for bad in [
        Config { layers: vec![4, 2], ..good.clone() },
        Config { model: model("sdnmf-l"), ..good.clone() },
        Config { model: model("nmf-mu"), ..good.clone() },
        Config { penalty_scale: PenaltyScale::ScaleFree, ..good.clone() },
        Config { elastic_net: ElasticNet { w: Elastic { l1: -1.0, l2: 0.0 }, ..NET }, ..good.clone() },
        Config { elastic_net: ElasticNet { h: Elastic { l1: f64::NAN, l2: 0.0 }, ..NET }, ..good },
    ] {
        assert!(bad.validate().unwrap_err().to_string().contains("elastic net"), "{bad:?}");
    }
}
