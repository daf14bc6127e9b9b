//! The unit in which X was measured makes no difference.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use deepnmf::backend::Cpu;
use deepnmf::model::spec::Depth;
use deepnmf::model::{Activation, MODELS, Method, ModelSpec};
use deepnmf::train::{self, Config, Fit, Init, PenaltyScale, Projection, Solver};
use deepnmf::{DeviceRequest, Engine};
use ndarray::Array2;

/// Samples of norms from 1 to 3 or so, of rank 4 and noise.
fn data() -> Array2<f32> {
    let hash =
        |i: usize, j: usize, s: usize| ((i * 7919 + j * 104_729 + s * 1_299_709 + i * j * 37) % 1009) as f32 / 1009.0;
    let (h, w) = (
        Array2::from_shape_fn((48, 4), |(i, j)| hash(i, j, 1)),
        Array2::from_shape_fn((4, 25), |(i, j)| hash(i, j, 2)),
    );
    h.dot(&w) * 0.4 + Array2::from_shape_fn((48, 25), |(i, j)| 0.05 * hash(i, j, 3))
}

fn fit(x: &Array2<f32>, config: &Config) -> Fit<f32> {
    train::fit(&mut Cpu::<f32>::new(), x.view(), config, None, &mut deepnmf::train::silent).unwrap()
}

/// Every model, deep where it can be, with every activation and solver that it takes.
fn configs() -> Vec<Config> {
    let mut all = Vec::new();
    for &model in MODELS {
        let layers = if model.depth == Depth::One { vec![4] } else { vec![6, 3] };
        let config = Config { pretrain: 6, sweeps: 6, tol: 0.0, hidden: true, ..Config::new(model, layers) };
        if model.method == Method::Blocks {
            all.push(Config { solver: Solver::Nesterov, ..config.clone() });
            all.push(Config { init: Init::Nndsvda, ..config.clone() });
        }
        if model.depth == Depth::Many && matches!(model.method, Method::Blocks | Method::SemiNmf) {
            for activation in [Activation::Root, Activation::Tanh, Activation::Softplus] {
                all.push(Config { activation: Some(activation), ..config.clone() });
            }
        }
        all.push(config);
    }
    all
}

fn bits(m: &Array2<f32>, unit: f32) -> Vec<u32> {
    m.iter().map(|v| (v * unit).to_bits()).collect()
}

/// A unit that is a power of two gives the same bits: in H, or in W_1 where there is an activation.
#[test]
fn powers_of_two_give_the_same_bits() {
    let x = data();
    for config in configs() {
        let what = format!("{} {:?} {:?}", config.model.name, config.activation, config.solver);
        let one = fit(&x, &config);
        assert!(one.relative_error < 0.9, "{what}: {}", one.relative_error);
        for unit in [2.0_f32.powi(-95), 2.0, 2.0_f32.powi(95)] {
            let other = fit(&(&x * unit), &config);
            let (of_w, of_h) = if config.activation.is_some() { (unit, 1.0) } else { (1.0, unit) };
            for (l, (one, other)) in one.factors.w.iter().zip(&other.factors.w).enumerate() {
                assert!(
                    bits(one, if l == 0 { of_w } else { 1.0 }) == bits(other, 1.0),
                    "{what}, {unit:e}: W_{}",
                    l + 1
                );
            }
            let hidden = one.factors.hidden.iter().zip(&other.factors.hidden);
            for (one, other) in hidden.chain([(&one.factors.h, &other.factors.h)]) {
                assert!(bits(one, of_h) == bits(other, 1.0), "{what}, {unit:e}: H");
            }
            let squared = f64::from(unit).powi(2);
            assert_eq!(one.relative_error, other.relative_error, "{what}");
            assert_eq!(one.objective * squared, other.objective, "{what}");
            let scaled: Vec<f64> = one.history.finetune.iter().map(|f| f * squared).collect();
            assert_eq!(scaled, other.history.finetune, "{what}");
            let first: Vec<f64> = one.history.pretrain[0].iter().map(|f| f * squared).collect();
            assert_eq!(first, other.history.pretrain[0], "{what}");
            let last = if config.layers.len() == 1 { &other.history.pretrain[0] } else { &other.history.finetune };
            if config.tol == 0.0
                && config.solver != Solver::Auto
                && !last.is_empty()
                && config.model.method == Method::Blocks
            {
                let last = last[last.len() - 1];
                assert!((last - other.objective).abs() <= 1e-3 * last, "{what}: {last} {}", other.objective);
            }
        }
    }
}

/// Another unit gives the same model but for roundings.
#[test]
fn any_unit_gives_the_same_error() {
    let x = data();
    for config in configs() {
        let one = fit(&x, &config).relative_error;
        for unit in [1e-30_f32, 1e-5, 255.0, 1e15, 1e30] {
            let other = fit(&(&x * unit), &config).relative_error;
            let what = format!("{} {:?} {:?}", config.model.name, config.activation, config.solver);
            // Whether a line search takes another trial may hang on a rounding.
            let searches = config.activation.is_some() || config.model.name == "pgnmf";
            let within = if searches { 0.05 } else { 0.02 };
            assert!((other - one).abs() <= within * one, "{what}, {unit:e}: {other} instead of {one}");
        }
    }
}

/// The penalty of a graph is of H alone.
#[test]
fn a_graph_weighs_the_same_in_any_unit() {
    let x = data();
    for init in [Init::Nndsvd, Init::Nndsvda, Init::Nndsvdar, Init::Random] {
        let config = Config { init, sweeps: 60, tol: 0.0, ..Config::new(ModelSpec::by_name("gnmf").unwrap(), [4]) };
        let one = fit(&x, &config).relative_error;
        for unit in [0.7, 1.1, 3.0, 1e-20] {
            let other = fit(&(&x * unit), &config).relative_error;
            assert!((other - one).abs() <= 1e-2 * one, "{init:?}, {unit:e}: {other} instead of {one}");
        }
    }
}

/// Constants that are given as they stand in the objective stand there in the unit of X: W and H share it, and so do they.
#[test]
fn absolute_penalties_are_in_the_unit_of_x() {
    let (x, unit) = (data(), 2.0_f64.powi(20));
    let config = |model: &str, mu: f64| {
        let (penalty_scale, mu, lambda) = (PenaltyScale::Absolute, vec![mu], vec![mu]);
        Config {
            penalty_scale,
            mu,
            lambda,
            sweeps: 5,
            tol: 0.0,
            ..Config::new(ModelSpec::by_name(model).unwrap(), [6])
        }
    };
    for model in ["sdnmf-l", "sdnmf-rl1", "sdnmf-rl2"] {
        let (one, other) = (fit(&x, &config(model, 0.01)), fit(&(&x * unit as f32), &config(model, 0.01 * unit)));
        assert_eq!(one.relative_error, other.relative_error, "{model}");
        assert_eq!(one.objective * unit * unit, other.objective, "{model}");
        assert_eq!(other.penalties.mu, [0.01 * unit], "{model}");
    }
    let too_small = train::fit(
        &mut Cpu::<f32>::new(),
        (x * 1e-30).view(),
        &config("sdnmf-l", 0.01),
        None,
        &mut deepnmf::train::silent,
    );
    let message = too_small.unwrap_err().to_string();
    assert!(message.contains("absolute") && message.contains("scale-free"), "{message}");
}

/// Coefficients of new samples, by a model of any unit.
#[test]
fn projections_have_the_unit_of_their_samples() {
    let mut engine = Engine::open(&DeviceRequest::Cpu).unwrap();
    let x = data();
    for activation in [None, Some(Activation::Tanh)] {
        let config = Config {
            activation,
            pretrain: 8,
            sweeps: 8,
            ..Config::new(ModelSpec::by_name("sdnmf-rl2").unwrap(), [6, 3])
        };
        let mut transform = |x: &Array2<f32>, fit: &Fit<f32>| {
            let how = Projection::of_layers(config.model.h_penalty, false, 0.0, &fit.penalties.lambda);
            engine.transform(x.view(), &fit.factors, 2, &how, &mut deepnmf::train::silent).unwrap()
        };
        let of_one = fit(&x, &config);
        let one = transform(&x, &of_one);
        assert!(
            (one.relative_error - of_one.relative_error).abs() < 0.02,
            "{} {}",
            one.relative_error,
            of_one.relative_error
        );
        for unit in [2.0_f32.powi(-95), 2.0_f32.powi(7), 2.0_f32.powi(95)] {
            let other = transform(&(&x * unit), &fit(&(&x * unit), &config));
            assert_eq!(one.relative_error, other.relative_error);
            assert!(bits(&one.h, if activation.is_some() { 1.0 } else { unit }) == bits(&other.h, 1.0), "{unit:e}");
            if activation.is_none() {
                let across = transform(&(&x * unit), &of_one);
                assert!(bits(&one.h, unit) == bits(&across.h, 1.0), "{unit:e}");
            }
        }
    }
    // Components in any unit too: H = X/Ψ.
    let psi = Array2::from_shape_fn((25, 3), |(i, j)| ((i * 5 + j * 11) % 7) as f32);
    let mut project = |psi: &Array2<f32>| {
        engine.project(x.view(), psi.view(), &Projection::default(), &mut deepnmf::train::silent).unwrap()
    };
    let one = project(&psi);
    assert!(one.relative_error < 0.9);
    for unit in [2.0_f32.powi(-90), 2.0_f32.powi(90)] {
        assert!(bits(&one.h, 1.0 / unit) == bits(&project(&(&psi * unit)).h, 1.0));
    }
}

/// The fills of NNDSVDa are as large beside the other entries whatever the unit, and have about the mean of X as their product.
#[test]
fn fills_have_the_size_of_factors() {
    let x = data();
    let start = |x: &Array2<f32>| {
        let config =
            Config { init: Init::Nndsvda, sweeps: 0, ..Config::new(ModelSpec::by_name("nmf-mu").unwrap(), [5]) };
        let factors = fit(x, &config).factors;
        let least = |m: &Array2<f32>| m.iter().fold(f32::INFINITY, |least, v| least.min(*v));
        (least(&factors.w[0]), least(&factors.h))
    };
    for unit in [1.0_f32, 255.0, 1e-5, 1e20] {
        let x = &x * unit;
        let (w, h) = start(&x);
        let product = f64::from(w) * f64::from(h) * 5.0;
        let mean = x.iter().map(|v| f64::from(*v)).sum::<f64>() / x.len() as f64;
        // An entry of NNDSVD may be smaller than the fill.
        assert!(product > 0.0 && product <= mean * 1.001, "{unit:e}: {product} {mean}");
        let (w1, h1) = start(&(&x * 0.25));
        assert_eq!((w, h), (w1, h1 * 4.0));
    }
}
