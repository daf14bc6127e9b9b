//! What must hold for any data: on the CPU in f64.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::sparse_models;
use deepnmf::backend::Cpu;
use deepnmf::model::activation::ACTIVATIONS;
use deepnmf::model::{Activate, ModelSpec};
use deepnmf::train::{self, Balance, Config, Extrapolate, Fit, Init, Metric, Solver};
use ndarray::{Array2, Axis};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn random(seed: u64, rows: usize, cols: usize) -> Array2<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Array2::from_shape_simple_fn((rows, cols), || rng.random::<f64>())
}

fn fit(x: &Array2<f64>, config: &Config) -> Fit<f64> {
    train::fit(&mut Cpu::<f64>::new(), x.view(), config, None, &mut deepnmf::train::silent).unwrap()
}

fn config(model: ModelSpec, layers: &[usize]) -> Config {
    // The history of extrapolated iterations is the least so far, and cannot rise.
    Config {
        solver: Solver::Nesterov,
        extrapolate: Extrapolate::None,
        pretrain: 6,
        sweeps: 8,
        inner: 6,
        tol: 0.0,
        ..Config::new(model, layers)
    }
}

#[track_caller]
fn never_rises(what: &str, trace: &[f64]) {
    for (t, pair) in trace.windows(2).enumerate() {
        assert!(pair[1] <= pair[0] * (1.0 + 1e-12), "{what}: {} after {} at {t}", pair[1], pair[0]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        // The same cases every time, so that a failure is a change of the code.
        rng_seed: RngSeed::Fixed(20_170_908),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Every model, metric, initialisation and depth; a block of Nesterov's method starts at the last point and ends lower.
    #[test]
    fn the_objective_never_rises(
        seed in 0_u64..1000,
        n in 8_usize..40,
        m in 6_usize..30,
        model in 0..sparse_models().len(),
        diagonal in any::<bool>(),
        restart in any::<bool>(),
        balanced in any::<bool>(),
        init in 0_usize..4,
        deep in any::<bool>(),
    ) {
        let layers: &[usize] = if deep { &[5, 4, 3] } else { &[4, 2] };
        let config = Config {
            metric: if diagonal { Metric::Diagonal } else { Metric::Plain },
            restart,
            balance: Balance { layers: balanced, penalties: balanced, lengths: false },
            init: [Init::Nndsvd, Init::Nndsvda, Init::Nndsvdar, Init::Random][init],
            seed,
            ..config(sparse_models()[model], layers)
        };
        let fit = fit(&random(seed, n, m), &config);
        for (l, trace) in fit.history.pretrain.iter().enumerate() {
            never_rises(&format!("pre-training {l}"), trace);
        }
        never_rises("fine-tuning", &fit.history.finetune);
        prop_assert!(fit.factors.w.iter().chain([&fit.factors.h]).flatten().all(|v| *v >= 0.0 && v.is_finite()));
    }

    /// With an activation: every step of the line search lowers the objective, and so does the block below.
    #[test]
    fn the_objective_of_a_nonlinear_model_never_rises(
        seed in 0_u64..1000,
        n in 8_usize..40,
        m in 6_usize..30,
        model in 0..sparse_models().len(),
        activation in 0..ACTIVATIONS.len(),
        all in any::<bool>(),
        balanced in any::<bool>(),
        deep in any::<bool>(),
    ) {
        let layers: &[usize] = if deep { &[5, 4, 3] } else { &[4, 2] };
        let config = Config {
            activation: Some(ACTIVATIONS[activation].1),
            activate: if all { Activate::All } else { Activate::Hidden },
            balance: Balance { layers: balanced, penalties: balanced, lengths: false },
            seed,
            ..config(sparse_models()[model], layers)
        };
        let x = random(seed, n, m);
        let fit = fit(&x, &config);
        never_rises(ACTIVATIONS[activation].0, &fit.history.finetune);
        prop_assert!(fit.factors.w.iter().chain([&fit.factors.h]).flatten().all(|v| *v >= 0.0 && v.is_finite()));
        let error = (&x - &fit.factors.reconstruct(fit.factors.h.view()).unwrap()).mapv(|d| d * d).sum().sqrt();
        let norm = x.mapv(|x| x * x).sum().sqrt();
        prop_assert!((error / norm - fit.relative_error).abs() <= 1e-9, "{} {}", error / norm, fit.relative_error);
    }

    /// The order of the samples is nothing to the parts, and the coefficients go with their samples.
    #[test]
    fn permuting_samples_permutes_coefficients(seed in 0_u64..1000, shift in 1_usize..19) {
        let x = random(seed, 20, 12);
        let order: Vec<usize> = (0..20).map(|i| (i * 7 + shift) % 20).collect();
        // Few sweeps: what rounding differs by grows from sweep to sweep.
        let config = Config { pretrain: 2, sweeps: 2, ..config(ModelSpec::by_name("sdnmf-l").unwrap(), &[4, 2]) };
        let (a, b) = (fit(&x, &config), fit(&x.select(Axis(0), &order), &config));
        for (a, b) in a.factors.w.iter().zip(&b.factors.w).chain([(&a.factors.h.select(Axis(0), &order), &b.factors.h)]) {
            prop_assert!((a - b).iter().all(|d| d.abs() <= 1e-8), "{a:?} {b:?}");
        }
    }

    /// With scale-free penalties a larger X gives larger factors and the same relative error, at any depth.
    #[test]
    fn the_scale_of_the_data_does_not_matter(seed in 0_u64..1000, power in -20_i32..20, model in 0..sparse_models().len()) {
        let x = random(seed, 18, 11);
        let config = Config { sweeps: 3, ..config(sparse_models()[model], &[5, 3]) };
        let (a, b) = (fit(&x, &config), fit(&(&x * 2.0_f64.powi(power)), &config));
        prop_assert!((a.relative_error - b.relative_error).abs() <= 1e-9, "{} {}", a.relative_error, b.relative_error);
    }

    /// An exact nonnegative product of rank 2 is found again.
    #[test]
    fn exact_rank_two_is_recovered(seed in 0_u64..1000) {
        let x = random(seed, 25, 2).dot(&random(seed + 1, 2, 14));
        let config = Config { sweeps: 400, inner: 40, ..config(ModelSpec::by_name("dnmf").unwrap(), &[2]) };
        let fit = fit(&x, &config);
        prop_assert!(fit.relative_error <= 2e-3, "{}", fit.relative_error);
    }
}

/// A larger penalty on the coefficients leaves more of them at zero, one on the parts more of those.
#[test]
fn more_penalty_more_zeros() {
    let x = random(5, 60, 40);
    let zeros = |m: &Array2<f64>| m.iter().filter(|v| **v == 0.0).count();
    let with = |model: &str, c: f64| {
        let model = ModelSpec::by_name(model).unwrap();
        fit(&x, &Config { mu: vec![c], lambda: vec![c], sweeps: 60, inner: 15, ..config(model, &[12]) }).factors
    };
    let of_h: Vec<usize> = [0.0, 0.05, 0.3].iter().map(|&c| zeros(&with("sdnmf-r", c).h)).collect();
    let of_w: Vec<usize> = [0.0, 0.05, 0.3].iter().map(|&c| zeros(&with("sdnmf-l", c).w[0])).collect();
    assert!(of_h.windows(2).all(|p| p[0] < p[1]), "{of_h:?}");
    assert!(of_w.windows(2).all(|p| p[0] < p[1]), "{of_w:?}");
}

/// More components than the data have rank: the rest start as samples, and take part.
#[test]
fn a_rank_deficient_start_is_filled() {
    let x = random(9, 30, 3).dot(&random(10, 3, 20));
    let config = Config { sweeps: 0, ..config(ModelSpec::by_name("dnmf").unwrap(), &[8]) };
    let start = fit(&x, &config).factors;
    for j in 3..8 {
        assert!(start.w[0].column(j).sum() > 0.0 && start.h.column(j).iter().all(|h| *h > 0.0), "component {j}");
    }
    let trained = fit(&x, &Config { sweeps: 20, ..config.clone() }).factors;
    assert!((3..8).all(|j| (&trained.h.column(j) - &start.h.column(j)).mapv(f64::abs).sum() > 1e-6));
    let too_many = Config { layers: vec![40], ..config };
    let message = train::fit(&mut Cpu::<f64>::new(), x.view(), &too_many, None, &mut deepnmf::train::silent)
        .unwrap_err()
        .to_string();
    assert!(message.contains("rank 3") && message.contains("33"), "{message}");
}

/// The same seed, the same numbers; another seed, others.
#[test]
fn a_seed_decides() {
    let x = random(3, 20, 15);
    let with =
        |seed, init| fit(&x, &Config { seed, init, ..config(ModelSpec::by_name("dnmf").unwrap(), &[4]) }).factors.h;
    assert_eq!(with(1, Init::Random), with(1, Init::Random));
    assert_ne!(with(1, Init::Random), with(2, Init::Random));
    assert_eq!(with(1, Init::Nndsvd), with(1, Init::Nndsvd));
}

/// Each stopping rule ends training where it says, and the history ends with the factors that are returned.
#[test]
fn stopping() {
    let x = random(4, 40, 30);
    let model = ModelSpec::by_name("dnmf").unwrap();
    let long = fit(&x, &Config { sweeps: 200, tol: 1e-3, ..config(model, &[6]) });
    let trace = &long.history.pretrain[0];
    let change = |t: usize| (trace[t - 1] - trace[t]) / trace[t];
    assert!(trace.len() < 201 && change(trace.len() - 1) <= 1e-3 && (1..trace.len() - 1).all(|t| change(t) > 1e-3));
    let target = long.relative_error * 1.05;
    let short = fit(&x, &Config { sweeps: 200, target_error: Some(target), ..config(model, &[6]) });
    assert!(short.relative_error <= target && short.history.pretrain[0].len() < trace.len());
    let last = *short.history.pretrain[0].last().unwrap();
    assert!((short.objective - last).abs() <= 1e-9 * last);
}
