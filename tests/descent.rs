//! Coordinate descent: the CPU in f64 against the fixtures of an independent oracle, and what must hold of any data.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::fixture::{config, start, x};
use common::sparse_models;
use common::{close, close_matrix, golden, matrices, numbers};
use deepnmf::backend::gpu::GpuOptions;
use deepnmf::backend::{Backend, Cpu, Descent};
use deepnmf::model::ModelSpec;
use deepnmf::train::{self, Balance, Config, Extrapolate, Fit, Solver, Start};
use ndarray::{ArcArray2, Array1, Array2, Axis, rcarr2};
use proptest::prelude::*;

fn fit(config: &Config) -> Fit<f64> {
    train::fit(&mut Cpu::<f64>::new(), x().view(), config, Some(&start(&config.layers)), &mut deepnmf::train::silent)
        .unwrap()
}

/// The procedure of the fixtures: two passes per block, balanced after every layer.
fn descent(model: &str, extrapolate: bool) -> Config {
    Config {
        solver: Solver::Cd,
        passes: Some(2),
        extrapolate: if extrapolate { Extrapolate::Pretrain } else { Extrapolate::None },
        pretrain: if extrapolate { 10 } else { 5 },
        balance: Balance { layers: true, penalties: true, lengths: false },
        ..config(model, &[8, 4])
    }
}

/// Rows are independent, so any order of the rows is that of the fixture.
#[test]
fn without_a_penalty_on_w_the_fixtures_are_met() {
    for (fixture, model) in [("DNMF", "dnmf"), ("R", "sdnmf-r")] {
        for extrapolate in [false, true] {
            let name = format!("cd_{fixture}{}", if extrapolate { "_extrap" } else { "" });
            let golden = golden(&name);
            let config = descent(model, extrapolate);
            let fit = fit(&config);
            for (l, trace) in golden["pretrain_trace"].as_array().unwrap().iter().enumerate() {
                // The fixtures have the objective of every trial, a history that of the factors: the least so far.
                let mut least = f64::INFINITY;
                let trace = numbers(trace).into_iter().map(|f| {
                    least = least.min(f);
                    least
                });
                let trace: Vec<f64> = trace.collect();
                close(&format!("{name}: pre-training {l}"), &trace, &fit.history.pretrain[l][1..]);
            }
            close(&format!("{name}: fine-tuning"), &numbers(&golden["finetune_trace"]), &fit.history.finetune);
            if let Some(pretrained) = golden.get("pretrain") {
                let before = self::fit(&Config { sweeps: 0, ..config.clone() });
                for (l, w) in matrices(&pretrained["W"]).iter().enumerate() {
                    close_matrix(&format!("{name}: pre-trained W_{}", l + 1), w, &before.factors.w[l]);
                }
                let h = matrices(&pretrained["H"]).pop().unwrap();
                close_matrix(&format!("{name}: pre-trained H_L"), &h.reversed_axes(), &before.factors.h);
            }
            for (l, w) in matrices(&golden["finetune"]["W"]).iter().enumerate() {
                close_matrix(&format!("{name}: W_{}", l + 1), w, &fit.factors.w[l]);
            }
            let h = common::matrix(&golden["finetune"]["HL"]).reversed_axes();
            close_matrix(&format!("{name}: H_L"), &h, &fit.factors.h);
        }
    }
}

/// The penalties are balanced in the fine-tuning alone, as in the fixtures without extrapolation.
fn balanced_at_the_end(config: &Config) -> Fit<f64> {
    let balance = Balance { layers: true, penalties: false, lengths: false };
    let before = fit(&Config { sweeps: 0, balance, ..config.clone() });
    let last = before.factors.w.len() - 1;
    let of_h = |l: usize, k: usize| if l == last { before.factors.h.clone() } else { Array2::ones((x().nrows(), k)) };
    let start =
        before.factors.w.iter().enumerate().map(|(l, w)| (w.clone(), of_h(l, w.ncols()))).collect::<Start<f64>>();
    let balance = Balance { layers: false, penalties: true, lengths: false };
    let config = Config { pretrain: 0, balance, ..config.clone() };
    train::fit(&mut Cpu::<f64>::new(), x().view(), &config, Some(&start), &mut deepnmf::train::silent).unwrap()
}

/// These fixtures fix an order of the rows, with live column sums; the columns solved exactly must get as far in as many
/// sweeps. They do, except for SDNMF/L without extrapolation: 3.9e-4 behind, which one more visit of every coordinate makes
/// up for.
#[test]
fn with_a_penalty_on_w_the_last_objective_of_the_fixtures_is_reached() {
    for (fixture, model) in [("L", "sdnmf-l"), ("RL1", "sdnmf-rl1"), ("RL2", "sdnmf-rl2")] {
        let slack = if fixture == "L" { 3.9e-4 } else { 0.0 };
        for (suffix, extrapolate, passes, slack) in
            [("_extrap", true, 2, 0.0), ("", false, 2, slack), ("", false, 3, 0.0)]
        {
            let name = format!("cd_{fixture}{suffix}");
            let expected = *numbers(&golden(&name)["finetune_trace"]).last().unwrap();
            let config = Config { passes: Some(passes), ..descent(model, extrapolate) };
            let fit = if extrapolate { fit(&config) } else { balanced_at_the_end(&config) };
            let found = *fit.history.finetune.last().unwrap();
            assert!(found <= expected * (1.0 + slack), "{name}, {passes} passes: {found}, expected {expected} or less");
        }
    }
}

#[test]
fn columns_solved_exactly_meet_the_hals_fixture() {
    let golden = golden("opt_L_hals");
    let balance = Balance { layers: false, penalties: false, lengths: false };
    let config = Config {
        solver: Solver::Cd,
        passes: Some(10),
        extrapolate: Extrapolate::None,
        balance,
        sweeps: 0,
        ..config("sdnmf-l", &[8, 4])
    };
    let fit = fit(&config);
    for (l, trace) in golden["pretrain_trace"].as_array().unwrap().iter().enumerate() {
        close(&format!("objective of layer {l}"), &numbers(trace), &fit.history.pretrain[l]);
    }
    for (l, w) in matrices(&golden["pretrain"]["W"]).iter().enumerate() {
        close_matrix(&format!("W_{}", l + 1), w, &fit.factors.w[l]);
    }
    let h = matrices(&golden["pretrain"]["H"]).pop().unwrap();
    close_matrix("H_L", &h.reversed_axes(), &fit.factors.h);
}

/// A block of one column is the prox itself.
#[test]
fn prox_of_the_squared_l1_norm() {
    for case in golden("prox_l1sq").as_array().unwrap() {
        let (r, w) = (numbers(&case["r"]), numbers(&case["w"]));
        let (c, mu) = (case["c"].as_f64().unwrap(), case["mu"].as_f64().unwrap());
        let (gram, rhs) = (rcarr2(&[[c]]), Array1::from(r).insert_axis(Axis(1)).into_shared());
        let mut found = ArcArray2::zeros(rhs.dim());
        let block = Descent { left: None, gram: &gram, rhs: &rhs, mu, sweeps: 1 };
        Cpu::<f64>::new().descend(block, &mut found).unwrap();
        close(&format!("prox with c {c}, mu {mu}"), &w, &found.into_iter().collect::<Vec<_>>());
    }
}

/// Numbers in [0, 1), a third of them 0.
fn nonnegative(rows: usize, cols: usize, seed: u64) -> Array2<f64> {
    Array2::from_shape_fn((rows, cols), |(i, j)| {
        let v = ((i * 7919 + j * 104_729 + 31) as f64 * (1.0 + seed as f64 * 0.618)).sin() * 43_758.545_3;
        ((v - v.floor()) * 1.5 - 0.5).max(0.0)
    })
}

/// A block of each kind: rows on their own, columns that are coupled, between two Grams.
struct Problem {
    left: Option<ArcArray2<f64>>,
    gram: ArcArray2<f64>,
    rhs: ArcArray2<f64>,
    mu: f64,
}

impl Problem {
    fn new((rows, k): (usize, usize), mu: f64, chained: bool, seed: u64) -> Self {
        let gram_of = |n: usize, seed: u64| {
            let f = nonnegative(n + 3, n, seed);
            (f.t().dot(&f) + Array2::<f64>::eye(n) * 0.1).into_shared()
        };
        let (gram, left) = (gram_of(k, seed), chained.then(|| gram_of(rows, seed + 1)));
        let curved = nonnegative(rows, k, seed + 2).dot(&gram) + nonnegative(rows, k, seed + 3) - 0.2;
        let rhs = left.as_ref().map_or(curved.clone(), |a| a.dot(&curved)).into_shared();
        Self { rhs, left, gram, mu }
    }

    fn descend(&self, x: &mut ArcArray2<f64>, sweeps: usize) {
        let Self { left, gram, rhs, mu } = self;
        Cpu::<f64>::new().descend(Descent { left: left.as_ref(), gram, rhs, mu: *mu, sweeps }, x).unwrap();
    }

    fn gradient(&self, x: &ArcArray2<f64>) -> Array2<f64> {
        let curved = x.dot(&self.gram);
        let curved = self.left.as_ref().map_or(curved.clone(), |a| a.dot(&curved));
        curved - &self.rhs + x.sum_axis(Axis(0)) * self.mu
    }

    fn objective(&self, x: &ArcArray2<f64>) -> f64 {
        let sums = x.sum_axis(Axis(0));
        // ½⟨X, ∇ − B⟩ has every quadratic term once, that of the penalty with all of s.
        0.5 * (x * &(self.gradient(x) - &self.rhs - &sums * self.mu)).sum() + 0.5 * self.mu * sums.dot(&sums)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_sweep_descends((rows, k) in (1..90_usize, 1..80_usize), mu in 0..3_u8, chained: bool, seed in 0..1000_u64) {
        let problem = Problem::new((rows, k), f64::from(mu) * 0.4, chained, seed);
        let mut x = nonnegative(rows, k, seed + 9).into_shared();
        let mut before = problem.objective(&x);
        for _ in 0..4 {
            problem.descend(&mut x, 1);
            let now = problem.objective(&x);
            prop_assert!(now <= before + 1e-12 * before.abs().max(1.0), "{now} after {before}");
            prop_assert!(x.iter().all(|v| *v >= 0.0));
            before = now;
        }
    }

    #[test]
    fn training_without_extrapolation_descends(model in 0..sparse_models().len(), seed in 0..1000_u64, depth in 1..4_usize) {
        let config = Config {
            solver: Solver::Cd, extrapolate: Extrapolate::None, pretrain: 6, sweeps: 6, tol: 0.0,
            ..Config::new(sparse_models()[model], [9, 6, 4][..depth].to_vec())
        };
        let x = nonnegative(30, 21, seed) + 0.01;
        let fit = train::fit(&mut Cpu::<f64>::new(), x.view(), &config, None, &mut deepnmf::train::silent).unwrap();
        for course in fit.history.pretrain.iter().chain([&fit.history.finetune]) {
            for pair in course.windows(2) {
                prop_assert!(pair[1] <= pair[0] * (1.0 + 1e-10), "{:?}", course);
            }
        }
    }
}

#[test]
fn many_sweeps_end_at_a_minimum() {
    for (mu, chained) in [(0.0, false), (0.8, false), (0.0, true), (0.8, true)] {
        let problem = Problem::new((23, 12), mu, chained, 5);
        let mut x = ArcArray2::zeros((23, 12));
        problem.descend(&mut x, 20_000);
        let scale = problem.rhs.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        for (g, x) in problem.gradient(&x).iter().zip(&x) {
            assert!(*g >= -1e-8 * scale && (g * x).abs() <= 1e-8 * scale, "mu {mu}, chained {chained}: {g} at {x}");
        }
        assert!(x.iter().any(|x| *x == 0.0) && x.iter().any(|x| *x > 0.0));
    }
}

/// What the history ends with is the objective of the factors, and extrapolation gets further than as many plain iterations.
#[test]
fn an_extrapolated_history_ends_with_the_objective_of_the_factors() {
    for model in &sparse_models() {
        for (layers, solver) in [(vec![8], Solver::Cd), (vec![8, 4], Solver::Cd), (vec![8, 4], Solver::Nesterov)] {
            let config = Config { solver, sweeps: 24, tol: 0.0, ..Config::new(*model, layers) };
            let of = |config: &Config| {
                train::fit(&mut Cpu::<f64>::new(), x().view(), config, None, &mut deepnmf::train::silent).unwrap()
            };
            let fit = of(&config);
            let last = |fit: &Fit<f64>| {
                *fit.history
                    .pretrain
                    .iter()
                    .chain([&fit.history.finetune])
                    .rfind(|h| !h.is_empty())
                    .unwrap()
                    .last()
                    .unwrap()
            };
            let name = format!("{} {:?} {solver:?}", model.title, config.layers);
            assert!(
                (fit.objective - last(&fit)).abs() <= 1e-9 * last(&fit),
                "{name}: {}, history {}",
                fit.objective,
                last(&fit)
            );
            if config.layers.len() > 1 {
                let plain = of(&Config { extrapolate: Extrapolate::Pretrain, ..config });
                assert!(
                    fit.objective <= plain.objective * (1.0 + 1e-9),
                    "{name}: {}, plain {}",
                    fit.objective,
                    plain.objective
                );
            }
        }
    }
}

/// Changes of scale cost nothing, and extrapolated they grew until the numbers overflowed: H to 1e16, W to 1e-17, then H = 0.
#[test]
fn scales_do_not_drift_and_more_sweeps_end_no_worse() {
    for model in &sparse_models() {
        for (seed, (rows, cols), layers) in
            [(3, (6, 8), vec![3]), (4, (6, 8), vec![3]), (5, (40, 30), vec![6]), (6, (40, 30), vec![8, 4])]
        {
            let exact = nonnegative(rows, 3, seed).dot(&nonnegative(cols, 3, seed + 50).t()).mapv(|v| v as f32);
            let error = |sweeps| {
                let config = Config { solver: Solver::Cd, sweeps, tol: 0.0, ..Config::new(*model, layers.clone()) };
                let fit = train::fit(&mut Cpu::<f32>::new(), exact.view(), &config, None, &mut deepnmf::train::silent)
                    .unwrap();
                let norm = |m: &Array2<f32>| m.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
                let scales = norm(&fit.factors.h) / norm(&fit.factors.w[0]);
                assert!((1e-4..1e4).contains(&scales), "{} {layers:?}, {sweeps} sweeps: ‖H‖/‖W‖ {scales}", model.title);
                fit.objective
            };
            let few = error(40);
            for sweeps in [200, 1500] {
                let more = error(sweeps);
                assert!(
                    more <= few * 1.001 + 1e-8,
                    "{} {layers:?}: {more} after {sweeps} sweeps, {few} after 40",
                    model.title
                );
            }
        }
    }
}

/// Components without anything left to explain end near 0, and what is divided by their length must not overflow.
#[test]
fn samples_of_less_rank_than_components_are_no_trouble() {
    for (kinds, n, layers) in [(1, 8, vec![20, 15]), (1, 8, vec![6, 4]), (5, 40, vec![20, 15]), (2, 12, vec![9])] {
        let x =
            Array2::from_shape_fn((n, 8), |(i, j)| f32::from(u8::from(i * 7 % kinds == j && (kinds > 1 || i == 0))));
        for name in ["dnmf", "sdnmf-l", "sdnmf-r"] {
            for seed in 0..5 {
                let model = ModelSpec::by_name(name).unwrap();
                let init = deepnmf::train::Init::Random;
                let config = Config { solver: Solver::Cd, init, seed, ..Config::new(model, layers.clone()) };
                let fit = train::fit(&mut Cpu::<f32>::new(), x.view(), &config, None, &mut deepnmf::train::silent);
                let error = fit.unwrap_or_else(|e| panic!("{name} {layers:?}, seed {seed}: {e}")).relative_error;
                assert!(error < 0.7, "{name} {layers:?}, seed {seed}: {error}");
            }
        }
    }
}

/// The samples ten and a hundred times over: penalties weigh as much beside X, in every layer.
#[test]
fn penalties_do_not_depend_on_the_number_of_samples() {
    let once = nonnegative(24, 5, 7).dot(&nonnegative(18, 5, 8).t()) + nonnegative(24, 18, 9) * 0.1;
    for name in ["sdnmf-l", "sdnmf-r", "sdnmf-rl1", "sdnmf-rl2"] {
        let shares: Vec<f64> = [1, 10, 100]
            .iter()
            .map(|&times| {
                let x = Array2::from_shape_fn((24 * times, 18), |(i, j)| once[[i % 24, j]]);
                let model = ModelSpec::by_name(name).unwrap();
                let config = Config { mu: vec![0.05], lambda: vec![0.05], tol: 0.0, ..Config::new(model, [9, 6, 4]) };
                let fit =
                    train::fit(&mut Cpu::<f64>::new(), x.view(), &config, None, &mut deepnmf::train::silent).unwrap();
                let half = 0.5 * x.iter().map(|v| v * v).sum::<f64>();
                fit.objective / half - fit.relative_error.powi(2)
            })
            .collect();
        let (least, most) = shares.iter().fold((f64::INFINITY, 0.0_f64), |(l, m), s| (l.min(*s), m.max(*s)));
        assert!(least > 0.0 && most <= 1.3 * least, "{name}: {shares:?}");
    }
}

/// The course of the objective on the GPU, whatever the shards, against the CPU in f64.
#[test]
fn on_the_gpu_shards_change_nothing() {
    let layers = [12, 7, 5];
    let narrow = |m: &Array2<f64>| m.mapv(|v| v as f32);
    let mut rows = 33;
    let start: Start<f64> = layers
        .iter()
        .enumerate()
        .map(|(l, &k)| {
            let pair = (nonnegative(rows, k, l as u64) + 0.1, nonnegative(70, k, 50 + l as u64) + 0.1);
            rows = k;
            pair
        })
        .collect();
    let start_f32: Start<f32> = start.iter().map(|(w, h)| (narrow(w), narrow(h))).collect();
    let x = nonnegative(70, 12, 77).dot(&nonnegative(33, 12, 78).t());
    for max_shard_rows in [None, Some(5)] {
        let options = GpuOptions { max_shard_rows, guard_words: 8, ..GpuOptions::default() };
        let Some(mut gpu) = common::gpu("vulkan", options) else { return };
        for name in ["dnmf", "sdnmf-l", "sdnmf-rl2"] {
            let model = ModelSpec::by_name(name).unwrap();
            let config = Config { solver: Solver::Cd, pretrain: 6, sweeps: 4, tol: 0.0, ..Config::new(model, layers) };
            let found = train::fit(&mut gpu, narrow(&x).view(), &config, Some(&start_f32), &mut deepnmf::train::silent)
                .unwrap();
            let expected =
                train::fit(&mut Cpu::<f64>::new(), x.view(), &config, Some(&start), &mut deepnmf::train::silent)
                    .unwrap();
            let course =
                |h: &train::History| h.pretrain.iter().flatten().chain(&h.finetune).copied().collect::<Vec<_>>();
            for (f, e) in course(&found.history).iter().zip(course(&expected.history)) {
                assert!((f - e).abs() <= 1e-3 * e, "{name}, shards {max_shard_rows:?}: {f}, on the CPU {e}");
            }
            assert!(found.factors.w.iter().chain([&found.factors.h]).flatten().all(|v| *v >= 0.0));
        }
    }
}
