//! Samples in a pass: how often X is read, and that neither the cut nor the place of X makes a difference.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{Counting, parts, scattered};
use deepnmf::backend::{Cpu, Device, Rows, Storage};
use deepnmf::model::{Activation, MODELS, Method, ModelSpec};
use deepnmf::train::{self, Config, Extrapolate, Fit, Init, Progress, Solver, Source, Stage, Warning};
use deepnmf::{Error, Result};
use ndarray::{Array2, s};
use std::ops::{ControlFlow, Range};

const N: usize = 301;
const M: usize = 40;

fn data() -> Array2<f64> {
    parts(N, M, 9, scattered)
}

fn config(model: &ModelSpec, layers: &[usize], solver: Solver) -> Config {
    let config = Config::new(*model, layers);
    Config { pretrain: 4, sweeps: 4, tol: 0.0, solver, ..config }
}

fn streamed(rows: usize, config: &Config) -> (Fit<f64>, usize) {
    let mut x = Counting { x: data(), rows: 0 };
    let config = Config { stream: true, ..config.clone() };
    let fit = train::fit_samples(&mut Cpu::with_shard_rows(rows), &mut x, &config, None, &mut train::silent).unwrap();
    assert_eq!(x.rows % N, 0);
    (fit, x.rows / N)
}

/// Every linear model whose samples only meet in sums, by both solvers, with and without extrapolation.
fn independent() -> Vec<Config> {
    let mut all = Vec::new();
    for model in MODELS {
        let layers: &[usize] = if model.depth == deepnmf::model::Depth::One { &[6] } else { &[9, 6] };
        for solver in [Solver::Nesterov, Solver::Cd] {
            for extrapolate in [Extrapolate::None, Extrapolate::All] {
                let config = Config { extrapolate, ..config(model, layers, solver) };
                all.extend((!config.couples_samples()).then_some(config));
            }
        }
    }
    assert!(all.len() > 30);
    all
}

/// One more iteration is one more pass: of a layer, and of the whole chain.
#[test]
fn an_iteration_reads_every_sample_once() {
    for config in independent() {
        let name = format!("{} {:?} {:?}", config.model.name, config.solver, config.extrapolate);
        let (few, passes) = streamed(64, &config);
        let (more, passes_of_more) = streamed(64, &Config { sweeps: 9, ..config.clone() });
        let iterations = |fit: &Fit<f64>| {
            let of_layer = if config.layers.len() == 1 { fit.history.pretrain[0].len() } else { 0 };
            of_layer + fit.history.finetune.len()
        };
        assert_eq!(passes_of_more - passes, iterations(&more) - iterations(&few), "{name}, sweeps");
        if config.layers.len() > 1 {
            let (more, passes_of_more) = streamed(64, &Config { pretrain: 9, ..config.clone() });
            let first = |fit: &Fit<f64>| fit.history.pretrain[0].len();
            assert_eq!(passes_of_more - passes, first(&more) - first(&few), "{name}, pre-training");
        }
    }
}

/// A look, a pass for the sums of X; NNDSVD: three subspace iterations and one more; the objective at the start and at the end.
#[test]
fn what_else_reads_x() {
    let wide = Array2::from_shape_fn((600, 300), |(i, j)| ((i * 31 + j * 17) % 97) as f64 / 97.0);
    let passes = |init: Init, sweeps: usize| {
        let mut x = Counting { x: wide.clone(), rows: 0 };
        let model = ModelSpec::by_name("dnmf").unwrap();
        let config = Config { init, sweeps, stream: true, ..config(&model, &[7], Solver::Nesterov) };
        train::fit_samples(&mut Cpu::with_shard_rows(100), &mut x, &config, None, &mut train::silent).unwrap();
        x.rows / 600
    };
    assert_eq!(passes(Init::Random, 0), 4);
    assert_eq!(passes(Init::Nndsvd, 0), 4 + 3 + 1);
    assert_eq!(passes(Init::Nndsvd, 5), 4 + 3 + 1 + 5);
}

/// To roundings: shards only change the order of sums. Where X lies changes nothing.
#[test]
fn neither_the_cut_nor_the_place_of_x_matters() {
    for config in independent() {
        let name = format!("{} {:?} {:?}", config.model.name, config.solver, config.extrapolate);
        let x = data();
        let fit = |b: &mut Cpu<f64>| train::fit(b, x.view(), &config, None, &mut train::silent).unwrap();
        let whole = fit(&mut Cpu::new());
        let near = |a: &Array2<f64>, b: &Array2<f64>| {
            let most = a.iter().fold(0.0, |most: f64, v| most.max(v.abs()));
            a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-7 * most)
        };
        for rows in [1, 64, 150, 300, 301] {
            let cut = fit(&mut Cpu::with_shard_rows(rows));
            assert!(near(&whole.factors.h, &cut.factors.h), "{name}, H in shards of {rows}");
            assert!(
                whole.factors.w.iter().zip(&cut.factors.w).all(|(a, b)| near(a, b)),
                "{name}, W in shards of {rows}"
            );
            assert!((whole.objective - cut.objective).abs() <= 1e-9 * whole.objective, "{name}, {rows}");
        }
        let (from_source, held) = (streamed(64, &config).0, fit(&mut Cpu::with_shard_rows(64)));
        assert_eq!(from_source.factors.h, held.factors.h, "{name}");
        assert_eq!(from_source.factors.w, held.factors.w, "{name}");
        assert_eq!(from_source.history, held.history, "{name}");
    }
}

/// What couples all samples holds X as one matrix, whatever the size of a shard, and says so where it cannot.
#[test]
fn what_couples_the_samples_is_not_streamed() {
    let x = data();
    let mut coupled = vec![config(&ModelSpec::by_name("gnmf").unwrap(), &[6], Solver::Auto)];
    coupled.push(config(&ModelSpec::by_name("pgnmf").unwrap(), &[6], Solver::Auto));
    let nonlinear = config(&ModelSpec::by_name("sdnmf-l").unwrap(), &[9, 6], Solver::Auto);
    coupled.push(Config { activation: Some(Activation::Root), ..nonlinear });
    for config in coupled {
        let fit = |b: &mut Cpu<f64>| train::fit(b, x.view(), &config, None, &mut train::silent).unwrap();
        let (whole, cut) = (fit(&mut Cpu::new()), fit(&mut Cpu::with_shard_rows(10)));
        assert_eq!(whole.factors.h, cut.factors.h, "{}", config.model.name);
        let config = Config { stream: true, ..config };
        let found = train::fit(&mut Cpu::new(), x.view(), &config, None, &mut train::silent).unwrap_err().to_string();
        assert!(found.contains("cannot be streamed"), "{found}");
    }
}

/// Shards of bytes and one that is none: one storage for all.
#[test]
fn a_storage_is_that_of_all_shards() {
    let mut x = data().mapv(|v| (v * 60.0).floor());
    x[[N - 1, 3]] += 0.37;
    let config = Config { x_storage: Storage::U8, ..config(&MODELS[0], &[5], Solver::Cd) };
    let fit = |config: &Config| {
        train::fit(&mut Cpu::with_shard_rows(50), x.view(), config, None, &mut train::silent).unwrap()
    };
    assert_eq!(fit(&config).x_storage, Storage::U8);
    assert_eq!(fit(&Config { x_storage: Storage::Auto, ..config }).x_storage, Storage::F32);
}

/// A source that fails ends the fit with its error; one that returns other rows than were asked for is found out.
#[test]
fn a_source_that_fails_is_heard() {
    struct Failing(Array2<f64>, usize);
    impl Source<f64> for Failing {
        fn shape(&self) -> (usize, usize) {
            self.0.dim()
        }
        fn rows(&mut self, rows: Range<usize>) -> Result<Rows<'_, f64>> {
            self.1 = self.1.checked_sub(1).ok_or_else(|| Error::Data("the disk is gone".into()))?;
            Ok(self.0.slice(s![rows, ..]).into())
        }
    }
    let config = Config { stream: true, ..config(&MODELS[0], &[5], Solver::Cd) };
    for reads in [0, 3, 20, 30] {
        let mut source = Failing(data(), reads);
        let found = train::fit_samples(&mut Cpu::with_shard_rows(100), &mut source, &config, None, &mut train::silent);
        assert!(found.unwrap_err().to_string().contains("the disk is gone"), "{reads}");
    }
    struct Short(Array2<f64>);
    impl Source<f64> for Short {
        fn shape(&self) -> (usize, usize) {
            self.0.dim()
        }
        fn rows(&mut self, rows: Range<usize>) -> Result<Rows<'_, f64>> {
            Ok(self.0.slice(s![rows.start..rows.end - 1, ..]).into())
        }
    }
    let found = train::fit_samples(&mut Cpu::new(), &mut Short(data()), &config, None, &mut train::silent);
    assert!(matches!(found, Err(Error::Shape { .. })));
}

/// On the CPU a shared X is there once: its shards are parts of it, unless they have to be rounded. A view is copied, and X is never
/// written.
#[test]
fn a_shared_x_is_not_copied() {
    // Of norm one, so that a fit does not divide them.
    let before = data() * (N as f64 / data().pow2().sum()).sqrt();
    let x = before.clone().into_shared();
    let mut source = Rows::from(x.clone());
    let place = |source: &mut Rows<'_, f64>, storage| {
        let (shard, _) = Cpu::<f64>::new().upload_data(source.rows(100..200).unwrap(), storage).unwrap();
        assert_eq!(shard.dim(), (100, M));
        shard.as_ptr()
    };
    let there = x.row(100).as_ptr();
    assert_eq!(place(&mut source, Storage::Auto), there);
    assert_eq!(place(&mut source, Storage::F32), there);
    assert_ne!(place(&mut source, Storage::F16), there);
    assert_ne!(place(&mut x.view().into(), Storage::Auto), there);
    for model in MODELS {
        let layers: &[usize] = if model.depth == deepnmf::model::Depth::One { &[6] } else { &[9, 6] };
        let config = config(model, layers, Solver::Auto);
        let mut b = Cpu::with_shard_rows(100);
        let of_view = train::fit(&mut b, x.view(), &config, None, &mut train::silent).unwrap();
        let of_shared = train::fit(&mut b, x.clone(), &config, None, &mut train::silent).unwrap();
        let (of_view, of_shared) = (of_view.factors, of_shared.factors);
        assert!(of_view.w == of_shared.w && of_view.h == of_shared.h && x == before, "{}", model.name);
    }
}

/// A fit that is told to stop returns a whole model, with what it has.
#[test]
fn a_fit_that_is_told_to_stop_returns_what_it_has() {
    let x = data();
    for model in MODELS {
        let layers: &[usize] = if model.depth == deepnmf::model::Depth::One { &[6] } else { &[9, 6] };
        let config = config(model, layers, Solver::Auto);
        for (stage, done) in [
            (Stage::Init { layer: 0 }, 0),
            (Stage::Pretrain { layer: 0 }, 2),
            (Stage::Finetune, 1),
            (Stage::Finetune, 3),
        ] {
            let mut stop = |p: &Progress| match p.stage == stage && p.done >= done {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            };
            let fit = train::fit(&mut Cpu::<f64>::new(), x.view(), &config, None, &mut stop).unwrap();
            let name = format!("{} {stage} {done}", model.name);
            assert_eq!((fit.factors.h.dim(), fit.factors.w.len()), ((N, 6), layers.len()), "{name}");
            let reached = stage != Stage::Finetune || fit.history.finetune.len() > 1;
            let untrained = match stage {
                Stage::Init { .. } => layers.len(),
                Stage::Pretrain { .. } => layers.len() - 1,
                _ => 0,
            };
            let stopped = fit.warnings.contains(&Warning::Stopped { stage, untrained });
            assert_eq!(stopped, reached, "{name}: {:?}", fit.warnings);
            let made = |history: &[f64]| history.len().saturating_sub(1);
            // Extrapolated iterations of one layer end with a plain one: theirs are the objectives of other H.
            let plain = usize::from(model.method == Method::Blocks && layers.len() == 1);
            if let [history] = &fit.history.pretrain[..] {
                let last = history[history.len() - 1];
                assert!((fit.objective - last).abs() <= 1e-9 * last, "{name}: {last}, {}", fit.objective);
            }
            match stage {
                Stage::Init { .. } => assert!(fit.history.pretrain.iter().all(|h| made(h) == 1 + plain), "{name}"),
                Stage::Pretrain { .. } => {
                    assert_eq!(made(&fit.history.pretrain[0]), 2 + plain, "{name}");
                    assert!(fit.history.pretrain[1..].iter().all(|h| made(h) == 1), "{name}");
                }
                _ if reached => assert_eq!(made(&fit.history.finetune), done, "{name}"),
                _ => {}
            }
            assert!(fit.objective.is_finite() && fit.relative_error < 0.9, "{name}: {}", fit.relative_error);
        }
    }
}

/// Between two shards of its passes, two blocks of its QR decomposition; then the layer begins at random.
#[test]
fn an_initialisation_is_given_up_at_once() {
    // Too wide for an exact SVD, too long for one block.
    let (n, m) = (9000, 300);
    let x = parts(n, m, 9, scattered);
    for (model, init) in [("sdnmf-l", Init::Nndsvda), ("semi-nmf", Init::Svd)] {
        let layers: &[usize] = if model == "semi-nmf" { &[6] } else { &[6, 4] };
        let config = Config { init, ..config(&ModelSpec::by_name(model).unwrap(), layers, Solver::Auto) };
        let mut steps = 0;
        let mut count = |p: &Progress| {
            steps = if p.stage == (Stage::Init { layer: 0 }) { p.of } else { steps };
            ControlFlow::Continue(())
        };
        let b = &mut Cpu::<f64>::with_shard_rows(3000);
        train::fit(b, x.view(), &Config { pretrain: 1, sweeps: 1, ..config.clone() }, None, &mut count).unwrap();
        // Three shards in four passes, and nine blocks of at least 1024 rows.
        assert_eq!(steps, 21);
        for after in [1, 5, 12, 13, 20] {
            let mut reports = Vec::new();
            let mut stop = |p: &Progress| {
                reports.push((p.stage, p.done));
                let there = p.stage == (Stage::Init { layer: 0 }) && p.done == after;
                if there { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            let fit = train::fit(b, x.view(), &config, None, &mut stop).unwrap();
            let later: Vec<_> = reports.iter().skip_while(|told| told.1 != after).skip(1).collect();
            assert_eq!(
                later[..2],
                [&(Stage::Init { layer: 0 }, steps), &(Stage::Pretrain { layer: 0 }, 1)],
                "{model} {after}"
            );
            // Of the layers above there is the beginning and the end.
            let above = later.iter().filter(|told| matches!(told.0, Stage::Init { layer: 1 })).count();
            assert_eq!(above, 2 * (layers.len() - 1), "{model} {after}");
            let stopped = Warning::Stopped { stage: Stage::Init { layer: 0 }, untrained: layers.len() };
            assert_eq!(fit.warnings, [stopped]);
            assert!(fit.history.pretrain.iter().all(|h| h.len() == 2) && fit.relative_error < 0.9, "{model} {after}");
        }
    }
}

/// A fit makes as many iterations as it may and no more, and they are numbered through.
#[test]
fn no_iteration_is_beyond_the_most() {
    for config in independent() {
        for sweeps in [1, 2, 5] {
            let (config, mut last) = (Config { sweeps, ..config.clone() }, (0, 0));
            let mut count = |p: &Progress| {
                if matches!(p.stage, Stage::Pretrain { layer: 0 }) {
                    assert_eq!(p.done, last.0 + 1, "{}", config.model.name);
                    last = (p.done, p.of);
                }
                ControlFlow::Continue(())
            };
            let fit = train::fit(&mut Cpu::<f64>::new(), data().view(), &config, None, &mut count).unwrap();
            let most = if config.layers.len() == 1 { sweeps } else { config.pretrain };
            let name = format!("{} {:?} {:?}", config.model.name, config.solver, config.extrapolate);
            assert_eq!((fit.history.pretrain[0].len() - 1, last.0), (most, most), "{name}");
        }
    }
}
