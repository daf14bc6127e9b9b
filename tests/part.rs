//! Pre-training on a part of the samples.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{Counting, drifting};
use deepnmf::backend::{Cpu, Rows};
use deepnmf::model::{Activation, Depth, MODELS, Method, ModelSpec};
use deepnmf::train::{
    self, Checkpoints, Config, Extrapolate, Fit, Online, PenaltyScale, Progress, Solver, Source, Stage, Warning,
};
use deepnmf::{Error, Result};
use ndarray::{Array2, Axis, s};
use std::ops::{ControlFlow, Range};
use std::time::Duration;

const N: usize = 1200;
const M: usize = 40;
const PART: usize = 300;

fn data() -> Array2<f64> {
    drifting(N, M)
}

fn config(model: &ModelSpec, solver: Solver) -> Config {
    let config = Config { pretrain: 30, sweeps: 30, tol: 0.0, solver, ..Config::new(*model, [12, 8]) };
    Config { pretrain_samples: Some(PART), ..config }
}

/// Every model of several layers.
fn deep() -> impl Iterator<Item = &'static ModelSpec> {
    MODELS.iter().filter(|model| model.depth != Depth::One)
}

fn fit(x: &Array2<f64>, config: &Config) -> Fit<f64> {
    train::fit(&mut Cpu::with_shard_rows(256), x.view(), config, None, &mut train::silent).unwrap()
}

/// Held or streamed the bits are the same, and close to them those of other shards; the error is about that of all samples; and
/// another seed draws others.
#[test]
fn a_part_teaches_what_all_samples_do() {
    let x = data();
    for (model, solver) in deep().flat_map(|model| [(model, Solver::Nesterov), (model, Solver::Cd)]) {
        let config = config(model, solver);
        let name = format!("{} {solver:?}", model.name);
        let of_part = fit(&x, &config);
        assert_eq!((of_part.pretrain_samples, of_part.factors.h.dim()), (Some(PART), (N, 8)), "{name}");
        let again = fit(&x, &Config { stream: true, ..config.clone() });
        assert!(of_part.factors.w == again.factors.w && of_part.factors.h == again.factors.h, "{name}");
        assert_eq!(of_part.history, again.history, "{name}");

        let whole = train::fit(&mut Cpu::new(), x.view(), &config, None, &mut train::silent).unwrap();
        // Where nothing follows, every shard ends by the tolerance of a projection.
        let near = if model.method == Method::Multiplicative { 2e-6 } else { 1e-9 };
        assert!((whole.objective / of_part.objective - 1.0).abs() < near, "{name}");
        let other = fit(&x, &Config { seed: 1, ..config.clone() });
        assert_ne!(of_part.factors.h, other.factors.h, "{name}");

        let of_all = fit(&x, &Config { pretrain_samples: None, ..config.clone() });
        assert_eq!(of_all.pretrain_samples, None, "{name}");
        for fit in [of_part, other] {
            let ratio = fit.relative_error / of_all.relative_error;
            assert!(ratio < 1.2, "{name}: {} of all samples, {ratio} times that of a part", of_all.relative_error);
        }
    }
}

/// Coefficients in a scratch file: the same bits, also of a fit that goes on, and nothing is left of the file.
#[test]
fn coefficients_in_a_scratch_file_are_the_same() {
    let (x, folder) = (data(), tempfile::tempdir().unwrap());
    let online = Some(Online { batch: 100, forget: 0.7 });
    for (model, solver) in deep().flat_map(|model| [(model, Solver::Nesterov), (model, Solver::Cd)]) {
        let plain = Config { stream: true, sweeps: 5, ..config(model, solver) };
        let mut all = vec![plain.clone(), Config { extrapolate: Extrapolate::All, hidden: true, ..plain.clone() }];
        // Of all layers.
        all.push(Config { pretrain_samples: None, hidden: true, ..plain.clone() });
        all.extend((model.method == Method::Blocks).then_some(Config { online, ..plain }));
        for config in all {
            let name = format!("{} {solver:?} {:?} {:?}", model.name, config.extrapolate, config.online);
            let parked = Config { scratch: Some(folder.path().into()), ..config.clone() };
            let expected = fit(&x, &config);
            let same = |found: &Fit<f64>| {
                let (a, b) = (&expected.factors, &found.factors);
                assert!(a.w == b.w && a.h == b.h && a.hidden == b.hidden, "{name}");
                assert!(expected.history == found.history, "{name}");
            };
            same(&fit(&x, &parked));
            let path = folder.path().join("checkpoint");
            let mut to = Checkpoints { every: Duration::ZERO, ..Checkpoints::new(&path) };
            let mut kept = Vec::new();
            let b = &mut Cpu::with_shard_rows(256);
            let mut keep = |p: &Progress| {
                if p.stage == Stage::Finetune && p.done == 3 {
                    kept = std::fs::read(&path).unwrap();
                }
                ControlFlow::Continue(())
            };
            same(&train::fit_with_checkpoints(b, &mut Rows::from(x.view()), &parked, &mut to, &mut keep).unwrap());
            if !kept.is_empty() {
                std::fs::write(&path, &kept).unwrap();
                let mut to = Checkpoints { resume: true, ..Checkpoints::new(&path) };
                let silent = &mut train::silent;
                same(&train::fit_with_checkpoints(b, &mut Rows::from(x.view()), &parked, &mut to, silent).unwrap());
            }
            std::fs::remove_file(&path).unwrap();
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }
    let nowhere = Config { scratch: Some(folder.path().join("none")), ..config(&MODELS[0], Solver::Cd) };
    let error = train::fit(&mut Cpu::new(), x.view(), &nowhere, None, &mut train::silent).unwrap_err();
    assert!(matches!(&error, Error::Io { .. }) && error.to_string().contains("none"), "{error}");
}

/// What a penalty weighs beside ‖X‖² hardly depends on how many samples its constant was made from: of a quarter of them, say.
#[test]
fn penalties_weigh_as_much_as_those_of_all_samples() {
    let x = data();
    for model in deep().filter(|model| model.method == Method::Blocks) {
        let config = Config { sweeps: 0, ..config(model, Solver::Cd) };
        // The same sample over and over: a part is as good as all.
        let same = Array2::from_shape_fn((N, M), |(i, j)| x[[i % 20, j]]);
        let fit = |config: &Config| fit(&same, config);
        let (part, all) = (fit(&config), fit(&Config { pretrain_samples: None, ..config.clone() }));
        let share = |fit: &Fit<f64>| {
            let w: f64 =
                fit.penalties.mu.iter().zip(&fit.factors.w).map(|(mu, w)| mu * w.sum_axis(Axis(0)).pow2().sum()).sum();
            let h = fit.penalties.lambda.last().unwrap() * fit.factors.h.sum_axis(Axis(1)).pow2().sum();
            (w, h)
        };
        let ((w, h), (w_of_all, h_of_all)) = (share(&part), share(&all));
        for (of_part, of_all) in [(w, w_of_all), (h, h_of_all)] {
            assert!((of_part - of_all).abs() <= 0.3 * of_all, "{}: {of_part}, {of_all}", model.name);
        }
        let absolute = |samples| {
            let config = Config { penalty_scale: PenaltyScale::Absolute, pretrain_samples: samples, ..config.clone() };
            fit(&config).penalties
        };
        assert_eq!(absolute(None), absolute(Some(PART)), "{}", model.name);
    }
}

/// As many samples as there are, or more, are all of them, to the bit; so are the samples of a small set by default.
#[test]
fn a_part_that_is_the_whole_changes_nothing() {
    let x = data();
    for model in deep() {
        let config = Config { pretrain_samples: None, ..config(model, Solver::Auto) };
        let before = fit(&x, &config);
        for samples in [N, N + 1, usize::MAX] {
            let fit = fit(&x, &Config { pretrain_samples: Some(samples), ..config.clone() });
            assert!(fit.factors.w == before.factors.w && fit.factors.h == before.factors.h, "{}", model.name);
            assert_eq!((fit.history, fit.pretrain_samples), (before.history.clone(), None), "{}", model.name);
        }
    }
}

/// The part is read in less than a pass, and then held.
#[test]
fn a_part_is_read_once() {
    let rows = |pretrain: usize, part: usize| {
        let mut x = Counting { x: data(), rows: 0 };
        let config = Config { pretrain, stream: true, pretrain_samples: Some(part), ..config(&MODELS[0], Solver::Cd) };
        train::fit_samples(&mut Cpu::with_shard_rows(100), &mut x, &config, None, &mut train::silent).unwrap();
        x.rows
    };
    assert_eq!(rows(3, PART), rows(20, PART));
    // A look, the sums of X, the projection, the start and every sweep of the fine-tuning, the objective.
    let passes = 1 + 1 + 1 + 1 + 30 + 1;
    let of_part = rows(3, PART) - passes * N;
    assert!((PART..=N).contains(&of_part), "{of_part}");
    // Layers of pre-training on all, each iteration.
    assert!(rows(20, N) > rows(3, N));
}

/// Without fine-tuning H is that of all samples under the W of the part, and hidden H are of all samples too.
#[test]
fn coefficients_are_of_all_samples() {
    let x = data();
    for model in deep() {
        let fit = fit(&x, &Config { sweeps: 0, hidden: true, ..config(model, Solver::Cd) });
        let f = &fit.factors;
        assert_eq!((f.h.dim(), f.hidden.len(), f.hidden[0].dim()), ((N, 8), 1, (N, 12)), "{}", model.name);
        let residual = (&x - f.h.dot(&f.components(2).unwrap().t())).pow2().sum().sqrt();
        let error = residual / x.pow2().sum().sqrt();
        assert!((error - fit.relative_error).abs() < 1e-9 && error < 0.1, "{}: {error}", model.name);
        let of_hidden = (&x - f.hidden[0].dot(&f.w[0].t())).pow2().sum().sqrt();
        assert!(of_hidden <= residual * 1.01, "{}: {of_hidden} {residual}", model.name);
    }
}

#[test]
fn which_fits_are_on_a_part() {
    let of = |name: &str, layers: &[usize]| Config::new(ModelSpec::by_name(name).unwrap(), layers);
    let (few, many) = (Config::PRETRAIN_SAMPLES, 10 * Config::PRETRAIN_SAMPLES);
    let deep = of("sdnmf-l", &[9, 4]);
    assert_eq!((deep.pretrained_on(many), deep.pretrained_on(few)), (Some(few), None));
    assert_eq!(of("deep-semi-nmf", &[9, 4]).pretrained_on(many), Some(few));
    assert_eq!(of("sdnmf-l", &[few + 3, 4]).pretrained_on(many), Some(few + 3));
    let whole = [
        of("sdnmf-l", &[9]),
        of("multilayer-nmf", &[9, 4]),
        Config { sweeps: 0, ..deep.clone() },
        Config { activation: Some(Activation::Root), ..deep.clone() },
        Config { pretrain_samples: Some(usize::MAX), ..deep.clone() },
    ];
    for config in whole {
        config.validate().unwrap();
        assert_eq!(config.pretrained_on(many), None, "{config:?}");
    }
    let part = |config: Config| Config { pretrain_samples: Some(100), ..config };
    assert_eq!(part(of("multilayer-nmf", &[9, 4])).pretrained_on(many), Some(100));
    for (config, why) in [
        (of("sdnmf-l", &[9]), "one layer has no pre-training"),
        (of("gnmf", &[9]), "one layer has no pre-training"),
        (Config { activation: Some(Activation::Root), ..deep.clone() }, "with the activation root couples all samples"),
        (of("sdnmf-l", &[101, 4]), "at least as many as the largest layer has components, 101, found 100"),
    ] {
        let found = part(config).validate().unwrap_err().to_string();
        assert!(found.contains(why), "{found}");
    }
    // Beside a start, whose H are of all samples, all are taken, and a number is refused.
    let x = data();
    let start = vec![(Array2::ones((M, 9)), Array2::ones((N, 9))), (Array2::ones((9, 4)), Array2::ones((N, 4)))];
    let fit = |config: &Config| train::fit(&mut Cpu::new(), x.view(), config, Some(&start), &mut train::silent);
    assert_eq!(fit(&deep).unwrap().pretrain_samples, None);
    assert!(fit(&part(deep)).unwrap_err().to_string().contains("a start has the H of all samples"));
}

/// A part without a number in it is told apart from data without one; a source that fails is heard.
#[test]
fn what_is_wrong_with_a_part_is_said() {
    let mut x = Array2::zeros((N, M));
    x[[7, 3]] = 1.0;
    let config = Config { pretrain_samples: Some(20), ..config(&MODELS[0], Solver::Cd) };
    let found = train::fit(&mut Cpu::<f64>::new(), x.view(), &config, None, &mut train::silent).unwrap_err();
    assert!(found.to_string().contains("the 20 samples that the pre-training drew are all zero"), "{found}");
    // Whatever is read after the first look is one row short.
    struct Short(Array2<f64>, usize);
    impl Source<f64> for Short {
        fn shape(&self) -> (usize, usize) {
            self.0.dim()
        }
        fn rows(&mut self, rows: Range<usize>) -> Result<Rows<'_, f64>> {
            self.1 += rows.len();
            let short = usize::from(self.1 > N);
            Ok(self.0.slice(s![rows.start..rows.end - short, ..]).into())
        }
    }
    let found = train::fit_samples(&mut Cpu::new(), &mut Short(data(), 0), &config, None, &mut train::silent);
    assert!(matches!(found, Err(Error::Shape { .. })), "{found:?}");
}

/// A fit that is told to stop while it is at a part still has the H of all samples.
#[test]
fn a_stop_on_a_part_returns_a_whole_model() {
    let x = data();
    for model in deep() {
        for stage in [Stage::Init { layer: 0 }, Stage::Pretrain { layer: 0 }, Stage::Project] {
            let mut stop = |p: &Progress| match p.stage == stage {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            };
            let config = config(model, Solver::Auto);
            let fit = train::fit(&mut Cpu::<f64>::new(), x.view(), &config, None, &mut stop).unwrap();
            let untrained = match stage {
                Stage::Init { .. } => config.layers.len(),
                Stage::Pretrain { .. } => config.layers.len() - 1,
                _ => 0,
            };
            assert_eq!(
                (fit.factors.h.dim(), fit.warnings),
                ((N, 8), vec![Warning::Stopped { stage, untrained }]),
                "{} {stage}",
                model.name
            );
            assert!(fit.relative_error < 0.9, "{} {stage}: {}", model.name, fit.relative_error);
        }
    }
}
