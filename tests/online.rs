//! Online training: W follows after every batch of samples.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{Counting, drifting};
use deepnmf::backend::Cpu;
use deepnmf::model::{Activation, Factors, MODELS, Method, ModelSpec};
use deepnmf::train::{self, Config, Fit, Memory, Online, Progress, Projection, Solver, Stage, Warning};
use ndarray::{Array2, Axis};
use std::ops::ControlFlow;

const N: usize = 1200;
const M: usize = 40;
const BATCH: usize = 64;

fn data() -> Array2<f64> {
    drifting(N, M)
}

/// Every model of blocks, with as many layers as it takes and with one, by both solvers, pre-trained on a part.
fn online() -> Vec<Config> {
    let mut all = Vec::new();
    for model in MODELS.iter().filter(|model| model.method == Method::Blocks) {
        let layers: &[&[usize]] = if model.depth == deepnmf::model::Depth::One { &[&[6]] } else { &[&[6], &[9, 6]] };
        for (layers, solver) in layers.iter().flat_map(|layers| [(layers, Solver::Nesterov), (layers, Solver::Cd)]) {
            let online = Some(Online { batch: BATCH, forget: 0.8 });
            let config = Config { pretrain: 4, sweeps: 4, tol: 0.0, solver, online, ..Config::new(*model, *layers) };
            all.push(Config { pretrain_samples: Some(200), ..config });
        }
    }
    assert!(all.len() > 15);
    all
}

fn name(config: &Config) -> String {
    format!("{} {:?} {:?}", config.model.name, config.layers, config.solver)
}

fn fit(x: &Array2<f64>, config: &Config) -> Fit<f64> {
    train::fit(&mut Cpu::new(), x.view(), config, None, &mut train::silent).unwrap()
}

/// Held or streamed, and whatever a device takes at once, the bits are the same. The file's factors and its objective belong
/// together, one look teaches much, and a few end near what as many sweeps and more come to.
#[test]
fn looks_at_the_samples_teach() {
    let x = data();
    for config in online() {
        let name = name(&config);
        let few = fit(&x, &config);
        assert_eq!(few.pretrain_samples, Some(200), "{name}");
        let streamed = Config { stream: true, ..config.clone() };
        let again = train::fit(&mut Cpu::with_shard_rows(300), x.view(), &streamed, None, &mut train::silent).unwrap();
        assert!(few.factors.w == again.factors.w && few.factors.h == again.factors.h, "{name}");
        assert_eq!(few.history, again.history, "{name}");

        // The start, four sweeps, and H under the last W.
        assert_eq!(few.history.finetune.len(), 6, "{name}");
        let psi = few.factors.components(config.layers.len()).unwrap();
        let error = ((&x - few.factors.h.dot(&psi.t())).pow2().sum() / x.pow2().sum()).sqrt();
        assert!((error - few.relative_error).abs() < 1e-9, "{name}");
        assert!((few.history.finetune[5] / few.objective - 1.0).abs() < 1e-6, "{name}");

        let one = fit(&x, &Config { sweeps: 1, ..config.clone() });
        let settled = fit(&x, &Config { sweeps: 60, online: None, pretrain_samples: None, ..config.clone() });
        assert!(one.objective < 0.1 * one.history.finetune[0], "{name}");
        for (fit, most) in [(&one, ONE), (&few, FOUR)] {
            let ratio = fit.relative_error / settled.relative_error;
            assert!(ratio < most, "{name}: {} after 60 sweeps, {ratio} times that online", settled.relative_error);
        }
    }
}
const ONE: f64 = 1.3;
const FOUR: f64 = 1.15;

/// A batch as large as the set, and nothing forgotten within it: a sweep that changes W after all samples. Then it falls.
#[test]
fn a_batch_of_all_samples_is_a_plain_sweep() {
    let x = data();
    for config in online() {
        let online = Some(Online { batch: N, forget: 1e-9 });
        let config = Config { online, sweeps: 12, pretrain_samples: Some(usize::MAX), ..config };
        let course = fit(&x, &config).history.finetune;
        assert!(course.windows(2).all(|f| f[1] <= f[0] * (1.0 + 1e-9)), "{}: {course:?}", name(&config));
    }
}

/// Penalties weigh what they weigh in a sweep, however little is remembered: the same share of W is zero, about.
#[test]
fn penalties_do_not_depend_on_what_is_remembered() {
    let x = data();
    for config in online().into_iter().filter(|config| config.model.name == "sdnmf-l") {
        let zeros = |forget: f64| {
            let config =
                Config { online: Some(Online { batch: 200, forget }), mu: vec![0.02], sweeps: 20, ..config.clone() };
            let fit = fit(&x, &config);
            let sums = fit.factors.w.iter().zip(&fit.penalties.mu);
            sums.map(|(w, mu)| mu * w.sum_axis(ndarray::Axis(0)).pow2().sum()).sum::<f64>() / fit.objective
        };
        let (much, little) = (zeros(0.95), zeros(0.3));
        assert!((much / little - 1.0).abs() < 0.5, "{}: {much}, {little}", name(&config));
    }
}

/// Samples that are all zero teach nothing: a long run of them changes the factors of no model.
#[test]
fn zeros_are_not_learned_from() {
    let x = data();
    // As many as a power of forget that f32 cannot tell from 0, and more.
    let zeros = Array2::zeros((BATCH * 600, M));
    let between = ndarray::concatenate![ndarray::Axis(0), x, zeros, x];
    for config in online() {
        // The same part is drawn of none of them: all samples pre-train.
        let config = Config { pretrain_samples: Some(usize::MAX), init: train::Init::Random, sweeps: 2, ..config };
        let config = Config { pretrain: 0, ..config };
        let fit = fit(&between, &config);
        for w in &fit.factors.w {
            assert!(w.iter().all(|v| v.is_finite()) && w.iter().any(|v| *v != 0.0), "{}", name(&config));
        }
        assert!(fit.relative_error < 0.5, "{}: {}", name(&config), fit.relative_error);
    }
}

/// A sweep reads every sample once.
#[test]
fn a_look_is_one_pass() {
    for config in online() {
        let rows = |sweeps: usize| {
            let mut x = Counting { x: data(), rows: 0 };
            let config = Config { sweeps, stream: true, ..config.clone() };
            train::fit_samples(&mut Cpu::new(), &mut x, &config, None, &mut train::silent).unwrap();
            x.rows
        };
        assert_eq!(rows(7) - rows(2), 5 * N, "{}", name(&config));
        // A look at the part and one at all, the sums of X, the sweep, H, the objective.
        let few = rows(1) - 5 * N;
        assert!((200..=N).contains(&few), "{}: {few}", name(&config));
    }
}

#[test]
fn what_cannot_be_trained_online_says_so() {
    let of = |model: &str, layers: &[usize]| Config {
        online: Some(Online::default()),
        ..Config::new(ModelSpec::by_name(model).unwrap(), layers)
    };
    for (config, why) in [
        (of("gnmf", &[4]), "gnmf couples all samples: it cannot be trained online"),
        (of("pgnmf", &[4]), "pgnmf couples all samples: it cannot be trained online"),
        (of("deep-semi-nmf", &[5, 4]), "deep-semi-nmf does not solve for W from sums: it cannot be trained online"),
        (of("nmf-mu", &[4]), "nmf-mu does not solve for W from sums: it cannot be trained online"),
        (Config { activation: Some(Activation::Root), ..of("dnmf", &[5, 4]) }, "with the activation root couples"),
        (Config { online: Some(Online { batch: 0, forget: 0.5 }), ..of("dnmf", &[4]) }, "found 0 and 0.5"),
        (Config { online: Some(Online { batch: 9, forget: 0.0 }), ..of("dnmf", &[4]) }, "found 9 and 0"),
        (Config { online: Some(Online { batch: 9, forget: 1.5 }), ..of("dnmf", &[4]) }, "found 9 and 1.5"),
    ] {
        let found = config.validate().unwrap_err().to_string();
        assert!(found.contains(why), "{found}");
    }
    assert_eq!(of("nenmf", &[4]).pretrained_on(1_000_000), Some(Config::PRETRAIN_SAMPLES));
}

/// A fit that is told to stop still ends with the H of its last W.
#[test]
fn a_stop_leaves_a_whole_model() {
    let x = data();
    for config in online() {
        let mut stop = |p: &Progress| match p.stage == Stage::Finetune && p.done == 2 {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        let stopped = train::fit(&mut Cpu::<f64>::new(), x.view(), &config, None, &mut stop).unwrap();
        let two = fit(&x, &Config { sweeps: 2, ..config.clone() });
        assert_eq!(stopped.warnings, [Warning::Stopped { stage: Stage::Finetune, untrained: 0 }]);
        assert!(stopped.factors.w == two.factors.w && stopped.factors.h == two.factors.h, "{}", name(&config));
    }
}

/// Batch after batch a model gets better on samples of all kinds, and its penalties stay what they are.
#[test]
fn batches_teach_a_model_that_is_fitted() {
    let x = data();
    for config in online() {
        let name = name(&config);
        let config = Config { pretrain_samples: None, ..config };
        let (first, mut cpu) = (x.slice(ndarray::s![..200, ..]), Cpu::<f64>::new());
        let fit = train::fit(&mut cpu, first, &config, None, &mut train::silent).unwrap();
        let mut factors = fit.factors;
        let (c, s) = (first.t().dot(&factors.h), factors.h.t().dot(&factors.h));
        let mut memory = Memory { c, s, weight: 1.0, squared_norm: fit.norm.powi(2) };
        let error = |factors: &Factors<f64>| {
            let how = vec![Projection::default(); factors.depth()];
            let depth = factors.depth();
            train::transform(&mut Cpu::new(), x.view(), factors, depth, &how, &mut train::silent)
                .unwrap()
                .relative_error
        };
        let before = error(&factors);
        for batch in x.slice(ndarray::s![200.., ..]).axis_chunks_iter(Axis(0), 250) {
            let known = (&mut factors, &mut memory);
            train::learn(&mut cpu, batch, &config, &fit.penalties, known, &mut train::silent).unwrap();
            assert_eq!(factors.h.nrows(), batch.nrows(), "{name}");
        }
        let after = error(&factors);
        assert!(after < before, "{name}: {before} before, {after} after");
        assert!(memory.weight > 0.0 && memory.weight.is_finite(), "{name}: {}", memory.weight);
        // Of other shapes, or not online.
        let few = x.slice(ndarray::s![..5, ..3]);
        let offline = Config { online: None, ..config.clone() };
        for (x, config) in [(few, &config), (first, &offline)] {
            let known = (&mut factors, &mut memory);
            let refused = train::learn(&mut cpu, x, config, &fit.penalties, known, &mut train::silent);
            assert!(matches!(refused, Err(deepnmf::Error::Config(_))), "{name}");
        }
    }
}
