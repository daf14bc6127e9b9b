//! The other models: fixtures, and an objective that never rises.

use super::*;
use deepnmf::model::MODELS;
use deepnmf::model::spec::Depth;
use deepnmf::train::{Fit, GraphConfig, GraphWeights};
use proptest::prelude::*;
use serde_json::Value;

fn fit(model: &str, x: &Array2<f64>, change: impl FnOnce(&mut Config)) -> Fit<f64> {
    let mut config = Config { sweeps: 20, ..config(model, &[8]) };
    change(&mut config);
    train::fit(&mut Cpu::<f64>::new(), x.view(), &config, Some(&start(&[8])), &mut |_| {}).unwrap()
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
        train::fit(&mut Cpu::<f64>::new(), x.view(), &config, Some(&start(&layers)), &mut |_| {}).unwrap()
    };
    let (before, after) = (run(0), run(1));
    // W_L is the last to change under the H of before: no other one is better.
    let (psi, h) = (after.factors.components(2), &before.factors.h);
    let residual = |w: &Array2<f64>| &x - &h.dot(&psi.dot(w).t());
    let gradient = psi.t().dot(&residual(&after.factors.w[2]).t()).dot(h);
    assert!(gradient.iter().all(|g| g.abs() < 1e-9), "{gradient}");
    assert!(after.history.finetune[1] < before.objective);
    assert_eq!(after.history.finetune.len(), 2);
}

#[test]
fn layers_are_stacked_on_the_coefficients_of_those_before() {
    let stacked = Config { sweeps: 9, pretrain: 7, hidden: true, ..config("multilayer-nmf", &[8, 4]) };
    let start = start(&[8, 4]);
    let mut cpu = Cpu::<f64>::new();
    let both = train::fit(&mut cpu, x().view(), &stacked, Some(&start), &mut |_| {}).unwrap();
    let one = Config { sweeps: 7, ..config("multilayer-nmf", &[8]) };
    let first = train::fit(&mut cpu, x().view(), &one, Some(&start[..1].to_vec()), &mut |_| {}).unwrap();
    let second = Config { sweeps: 7, ..config("multilayer-nmf", &[4]) };
    let second =
        train::fit(&mut cpu, first.factors.h.view(), &second, Some(&start[1..].to_vec()), &mut |_| {}).unwrap();
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
        let fit = train::fit(&mut Cpu::<f64>::new(), negative.view(), &config, None, &mut |_| {});
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
            let config = Config {
                init: if model.signed { Init::Svd } else { Init::Random },
                seed,
                pretrain: 15,
                sweeps: 25,
                tol: 0.0,
                ..Config::new(*model, layers)
            };
            let fit = train::fit(&mut Cpu::<f64>::new(), x.view(), &config, None, &mut |_| {}).unwrap();
            for course in fit.history.pretrain.iter().chain([&fit.history.finetune]) {
                for (before, after) in course.iter().zip(course.iter().skip(1)) {
                    prop_assert!(*after <= before * (1.0 + 1e-10), "{}: {before} → {after}", model.name);
                }
            }
            prop_assert!(fit.factors.h.iter().all(|v| *v >= 0.0), "{}", model.name);
            prop_assert!(model.signed || fit.factors.w.iter().flatten().all(|v| *v >= 0.0), "{}", model.name);
        }
    }
}
