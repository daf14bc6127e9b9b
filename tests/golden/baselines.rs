//! The other models: fixtures, and an objective that never rises.

use super::*;
use deepnmf::model::MODELS;
use deepnmf::model::activation::ACTIVATIONS;
use deepnmf::model::spec::Depth;
use deepnmf::train::{Fit, GraphConfig, GraphWeights};
use proptest::prelude::*;
use serde_json::Value;

fn fit(model: &str, x: &Array2<f64>, change: impl FnOnce(&mut Config)) -> Fit<f64> {
    let mut config = Config { sweeps: 20, ..config(model, &[8]) };
    change(&mut config);
    train::fit(&mut Cpu::<f64>::new(), x.view(), &config, Some(&start(&[8])), &mut deepnmf::train::silent).unwrap()
}

/// The traces of some fixtures begin after the first iteration, the history always before it.
fn compare(name: &str, golden: &Value, w: &Value, fit: &Fit<f64>) {
    let trace = numbers(&golden["trace"]);
    let history = &fit.history.pretrain[0];
    assert_eq!(history.len(), 21, "{name}");
    close(&format!("{name}: objective"), &trace, &history[history.len() - trace.len()..]);
    common::close_matrix(&format!("{name}: W"), &matrix(w), &fit.factors.w[0]);
    common::close_matrix(&format!("{name}: H"), &matrix(&golden["H"]).reversed_axes(), &fit.factors.h);
    let last = history[20];
    assert!((fit.objective - last).abs() <= 1e-9 * last, "{name}: {} from the residual, {last}", fit.objective);
}

#[test]
fn fixtures_of_the_other_models() {
    let golden = golden("baselines");
    for (name, model) in [("MU", "nmf-mu"), ("NeNMF", "nenmf"), ("PgNMF", "pgnmf")] {
        compare(name, &golden[name], &golden[name]["W"], &fit(model, &x(), |_| {}));
    }
    let name = "SemiNMF_on_X_minus_0.7";
    compare(name, &golden[name], &golden[name]["Z"], &fit("semi-nmf", &(x() - 0.7), |_| {}));
}

/// What is returned as W is W S.
#[test]
fn fixture_of_smoothing() {
    let name = "nsNMF_theta0.1";
    let mut golden = golden("baselines")[name].take();
    let s = Array2::from_shape_fn((8, 8), |(i, j)| 0.1 / 8.0 + if i == j { 0.9 } else { 0.0 });
    let smooth = matrix(&golden["W"]).dot(&s);
    golden["W"] = Value::Array(smooth.rows().into_iter().map(|row| row.to_vec().into()).collect());
    for model in ["nsnmf", "multilayer-nmf"] {
        compare(name, &golden, &golden["W"], &fit(model, &x(), |c| c.theta = 0.1));
    }
}

/// The joint updates against least squares on the samples as the paper writes them.
#[test]
fn joint_least_squares_are_least_squares() {
    let (x, layers) = (x() - 0.7, [8, 6, 4]);
    let config = Config { pretrain: 5, ..config("deep-semi-nmf", &layers) };
    let run = |sweeps: usize| {
        let config = Config { sweeps, ..config.clone() };
        train::fit(&mut Cpu::<f64>::new(), x.view(), &config, Some(&start(&layers)), &mut deepnmf::train::silent)
            .unwrap()
    };
    let (before, after) = (run(0), run(1));
    // W_L is the last to change under the H of before: no other one is better.
    let (psi, h) = (after.factors.components(2).unwrap(), &before.factors.h);
    let residual = |w: &Array2<f64>| &x - &h.dot(&psi.dot(w).t());
    let gradient = psi.t().dot(&residual(&after.factors.w[2]).t()).dot(h);
    assert!(gradient.iter().all(|g| g.abs() < 1e-9), "{gradient}");
    assert!(after.history.finetune[1] < before.objective);
    assert_eq!(after.history.finetune.len(), 2);
}

/// Nonlinear Deep Semi-NMF against its sweep as the paper writes it, with ndarray alone, and the step rule of the other
/// nonlinear models: gradients by the whole residual, f by the whole reconstruction.
#[test]
fn nonlinear_deep_semi_nmf_is_the_literal_sweep() {
    let (x, layers) = (x() - 0.7, [8, 6, 4]);
    for &(name, activation) in ACTIVATIONS {
        let config = Config { pretrain: 5, activation: Some(activation), ..config("deep-semi-nmf", &layers) };
        let run = |sweeps: usize| {
            let config = Config { sweeps, ..config.clone() };
            train::fit(&mut Cpu::<f64>::new(), x.view(), &config, Some(&start(&layers)), &mut deepnmf::train::silent)
                .unwrap()
        };
        let (before, after) = (run(0), run(4));
        let (mut w, mut h) = (before.factors.w, before.factors.h);
        let f = |w: &[Array2<f64>], h: &Array2<f64>| {
            let up = w[1..].iter().rev().fold(h.clone(), |h, w| h.dot(&w.t()).mapv(|y| activation.p(y)));
            0.5 * (up.dot(&w[0].t()) - &x).mapv(|r| r * r).sum()
        };
        let mut trace = vec![f(&w, &h)];
        let mut alphas = [None; 3];
        for _ in 0..4 {
            for turn in 0..3 {
                // H_3, W_3, W_2: H̃_3 = H, Y_l = H̃_l W_lᵀ, H̃_{l−1} = p(Y_l).
                let y3 = h.dot(&w[2].t());
                let h2 = y3.mapv(|y| activation.p(y));
                let y2 = h2.dot(&w[1].t());
                let h1 = y2.mapv(|y| activation.p(y));
                let e2 = (h1.dot(&w[0].t()) - &x).dot(&w[0]) * y2.mapv(|y| activation.derivative(y));
                let e3 = e2.dot(&w[1]) * y3.mapv(|y| activation.derivative(y));
                let gradient = [e3.dot(&w[2]), e3.t().dot(&h), e2.t().dot(&h2)][turn].clone();
                let at = [&h, &w[2], &w[1]][turn].clone();
                let norm = |m: &Array2<f64>| m.mapv(|v| v * v).sum().sqrt();
                let mut alpha = alphas[turn].unwrap_or(0.1 * norm(&at) / norm(&gradient));
                let old = f(&w, &h);
                for _ in 0..30 {
                    let free = &at - &(&gradient * alpha);
                    let trial = if turn == 0 { free.mapv(|v| v.max(0.0)) } else { free };
                    let (mut w_trial, mut h_trial) = (w.clone(), h.clone());
                    if turn == 0 {
                        h_trial = trial.clone()
                    } else {
                        w_trial[3 - turn] = trial.clone()
                    }
                    if f(&w_trial, &h_trial) - old <= 0.01 * (&gradient * &(&trial - &at)).sum() {
                        (w, h, alpha) = (w_trial, h_trial, 2.0 * alpha);
                        break;
                    }
                    alpha *= 0.5;
                }
                alphas[turn] = Some(alpha);
            }
            let h1 = w[1..].iter().rev().fold(h.clone(), |h, w| h.dot(&w.t()).mapv(|y| activation.p(y)));
            // Least squares with 1e-4 of the Gram's diagonal on what W_1 moves.
            let s = h1.t().dot(&h1);
            let damped = &s + &Array2::from_diag(&(&s.diag() * 1e-4));
            let gradient = (h1.dot(&w[0].t()) - &x).t().dot(&h1);
            w[0] -= &solve(damped, gradient.reversed_axes()).t();
            trace.push(f(&w, &h));
        }
        close(&format!("{name}: objective"), &trace, &after.history.finetune);
        common::close_matrix(&format!("{name}: H_3"), &h, &after.factors.h);
        for (l, (expected, found)) in w.iter().zip(&after.factors.w).enumerate() {
            common::close_matrix(&format!("{name}: W_{}", l + 1), expected, found);
        }
        assert!(after.factors.w.iter().all(|w| w.iter().any(|w| *w < 0.0)), "{name}: W of one sign");
    }
}

/// `A⁻¹ B` by elimination.
fn solve(mut a: Array2<f64>, mut b: Array2<f64>) -> Array2<f64> {
    let n = a.nrows();
    for pivot in 0..n {
        let (row_a, row_b, p) = (a.row(pivot).to_owned(), b.row(pivot).to_owned(), a[[pivot, pivot]]);
        for i in (0..n).filter(|i| *i != pivot) {
            let factor = a[[i, pivot]] / p;
            a.row_mut(i).scaled_add(-factor, &row_a);
            b.row_mut(i).scaled_add(-factor, &row_b);
        }
    }
    for i in 0..n {
        let p = a[[i, i]];
        b.row_mut(i).mapv_inplace(|v| v / p);
    }
    b
}

#[test]
fn layers_are_stacked_on_the_coefficients_of_those_before() {
    let stacked = Config { sweeps: 9, pretrain: 7, hidden: true, ..config("multilayer-nmf", &[8, 4]) };
    let start = start(&[8, 4]);
    let mut cpu = Cpu::<f64>::new();
    let both = train::fit(&mut cpu, x().view(), &stacked, Some(&start), &mut deepnmf::train::silent).unwrap();
    let one = Config { sweeps: 7, ..config("multilayer-nmf", &[8]) };
    let first =
        train::fit(&mut cpu, x().view(), &one, Some(&start[..1].to_vec()), &mut deepnmf::train::silent).unwrap();
    let second = Config { sweeps: 7, ..config("multilayer-nmf", &[4]) };
    let second =
        train::fit(&mut cpu, first.factors.h.view(), &second, Some(&start[1..].to_vec()), &mut deepnmf::train::silent)
            .unwrap();
    assert_eq!(both.factors.w[0], first.factors.w[0]);
    assert_eq!(both.factors.w[1], second.factors.w[0]);
    assert_eq!(both.factors.h, second.factors.h);
    assert!(both.history.finetune.is_empty());
}

/// Nearby samples get nearby coefficients, the more so the larger the constant; without it GNMF is NMF.
#[test]
fn the_graph_pulls_neighbours_together() {
    let graph = |lambda: f64, weights| GraphConfig { neighbors: 3, weights, lambda };
    let plain = fit("nmf-mu", &x(), |_| {});
    let none = fit("gnmf", &x(), |c| c.graph = graph(0.0, GraphWeights::Binary));
    common::close_matrix("no graph", &plain.factors.h, &none.factors.h);
    for weights in [GraphWeights::Binary, GraphWeights::Heat, GraphWeights::Cosine] {
        let spread = |lambda: f64| {
            let fit = fit("gnmf", &x(), |c| c.graph = graph(lambda, weights));
            let h = &fit.factors.h;
            let mean = h.mean_axis(ndarray::Axis(0)).unwrap();
            let last = *fit.history.pretrain[0].last().unwrap();
            assert!((fit.objective - last).abs() <= 1e-9 * last, "{} from the residual, {last}", fit.objective);
            (h - &mean).mapv(|v| v * v).sum() / h.mapv(|v| v * v).sum()
        };
        let (loose, tight) = (spread(0.1), spread(100.0));
        assert!(tight < 0.5 * loose, "{weights:?}: {tight} {loose}");
    }
}

#[test]
fn settings_that_a_model_cannot_have_are_refused() {
    let refusal = |model: &str, layers: &[usize], change: fn(&mut Config)| {
        let mut config = Config::new(ModelSpec::by_name(model).unwrap(), layers);
        change(&mut config);
        config.validate().unwrap_err().to_string()
    };
    for (message, part) in [
        (refusal("gnmf", &[8, 4], |_| {}), "expected one layer, found 2"),
        (refusal("deep-semi-nmf", &[8, 3, 4], |_| {}), "no layer to be smaller than the last one (4), found one of 3"),
        (refusal("nsnmf", &[8], |c| c.theta = 1.0), "[0, 1), found 1"),
        (refusal("gnmf", &[8], |c| c.graph.neighbors = 0), "at least 1 neighbor"),
        (refusal("gnmf", &[8], |c| c.graph.lambda = f64::NAN), "found 5 and NaN"),
        (refusal("nmf-mu", &[8], |c| c.init = Init::Svd), "init svd makes negative W"),
    ] {
        assert!(message.contains(part), "{message}");
    }
    let negative = x() - 0.7;
    for model in MODELS {
        let config = Config { pretrain: 1, sweeps: 1, ..Config::new(*model, [4]) };
        let fit = train::fit(&mut Cpu::<f64>::new(), negative.view(), &config, None, &mut deepnmf::train::silent);
        assert_eq!(fit.is_ok(), model.signed, "{}", model.name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// All of them claim it.
    #[test]
    fn the_objective_never_rises(seed in 0_u64..1000, n in 12_usize..40, m in 8_usize..30, k in 2_usize..6) {
        for model in MODELS {
            // The sparse models balance and have their own tests; only those without penalties are named here.
            let others = &MODELS[MODELS.iter().position(|m| m.name == "nenmf").unwrap()..];
            if !others.contains(model) {
                continue;
            }
            let shift = if model.signed { 0.5 } else { 0.0 };
            let x = Array2::from_shape_fn((n, m), |(i, j)| {
                let at = (i * m + j) as f64 + seed as f64 * 17.0;
                ((at * 0.7).sin() * (at * 0.13 + 1.0).cos()).abs() - shift
            });
            let layers = if model.depth == Depth::One { vec![k] } else { vec![k + 2, k] };
            let deep = model.depth == Depth::Many;
            for activation in [None].into_iter().chain(ACTIVATIONS.iter().filter(|_| deep).map(|(_, a)| Some(*a))) {
            let config = Config {
                activation,
                init: if model.signed { Init::Svd } else { Init::Random },
                seed,
                pretrain: 15,
                sweeps: 25,
                tol: 0.0,
                ..Config::new(*model, layers.clone())
            };
            let fit = train::fit(&mut Cpu::<f64>::new(), x.view(), &config, None, &mut deepnmf::train::silent).unwrap();
            for course in fit.history.pretrain.iter().chain([&fit.history.finetune]) {
                for (before, after) in course.iter().zip(course.iter().skip(1)) {
                    prop_assert!(*after <= before * (1.0 + 1e-10), "{}: {before} → {after}", model.name);
                }
            }
            prop_assert!(fit.factors.h.iter().all(|v| *v >= 0.0), "{}", model.name);
            prop_assert!(model.signed || fit.factors.w.iter().flatten().all(|v| *v >= 0.0), "{}", model.name);
            let error = (&x - &fit.factors.reconstruct(fit.factors.h.view()).unwrap()).mapv(|d| d * d).sum().sqrt();
            let error = error / x.mapv(|x| x * x).sum().sqrt();
            prop_assert!((error - fit.relative_error).abs() <= 1e-9, "{}: {error}", model.name);
            }
        }
    }
}
