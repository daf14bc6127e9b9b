//! A fit that goes on from a checkpoint ends with the bits of one that was never stopped.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{gpu, parts, scattered};
use deepnmf::Error;
use deepnmf::backend::gpu::GpuOptions;
use deepnmf::backend::{Backend, Cpu, Element, Rows};
use deepnmf::model::{Activation, MODELS, ModelSpec};
use deepnmf::train::{
    self, Checkpoints, Config, Extrapolate, Fit, Init, Notice, Online, Progress, Solver, Stage, Warning,
};
use ndarray::Array2;
use std::cell::RefCell;
use std::ops::ControlFlow;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const N: usize = 151;
const M: usize = 24;

fn data<E: Element>() -> Array2<E> {
    parts(N, M, 7, scattered).mapv(E::of)
}

fn config(model: ModelSpec, layers: &[usize], solver: Solver) -> Config {
    let config = Config::new(model, layers);
    // What the singular vectors start is as good as it can be at once.
    let init = if config.init == Init::Svd { Init::Random } else { config.init };
    Config { pretrain: 6, sweeps: 7, tol: 1e-9, init, solver, ..config }
}

/// Every model, both solvers, with and without extrapolation, activations, a pre-training on a part, loops that end early.
fn configs() -> Vec<Config> {
    let mut all = Vec::new();
    for &model in MODELS {
        let layers: &[usize] = if model.depth == deepnmf::model::Depth::One { &[5] } else { &[8, 5] };
        let solvers: &[Solver] =
            if model.solver == Solver::Auto { &[Solver::Nesterov, Solver::Cd] } else { &[model.solver] };
        for &solver in solvers {
            for extrapolate in [Extrapolate::None, Extrapolate::All] {
                all.push(Config { extrapolate, ..config(model, layers, solver) });
            }
        }
    }
    let model = |name| ModelSpec::by_name(name).unwrap();
    for name in ["dnmf", "sdnmf-rl2", "deep-semi-nmf"] {
        for activation in [Activation::Root, Activation::Tanh] {
            let config = config(model(name), &[8, 6, 5], model(name).solver);
            all.push(Config { activation: Some(activation), hidden: true, ..config });
        }
    }
    let three = config(model("sdnmf-rl1"), &[9, 7, 5], Solver::Cd);
    all.push(Config { hidden: true, ..three.clone() });
    all.push(Config { pretrain_samples: Some(40), ..three.clone() });
    all.push(Config { online: Some(Online { batch: 40, forget: 0.5 }), ..three.clone() });
    let one = Config { init: Init::Random, ..config(model("sdnmf-rl2"), &[5], Solver::Cd) };
    all.push(Config { online: Some(Online { batch: 40, forget: 0.5 }), ..one });
    all.push(Config { restart: true, solver: Solver::Nesterov, ..three.clone() });
    all.push(Config { tol: 1e-2, pretrain: 60, sweeps: 60, ..three.clone() });
    all.push(Config { target_error: Some(0.1), sweeps: 60, ..three });
    assert!(all.len() > 40);
    all
}

fn fit<B: Backend>(b: &mut B, config: &Config, to: &mut Checkpoints) -> Result<Fit<B::Elem>, Error> {
    train::fit_with_checkpoints(b, &mut Rows::from(data::<B::Elem>().view()), config, to, &mut train::silent)
}

/// As bits, so that what is not the same is said of the first number.
fn bits<E: Element>(fit: &Fit<E>) -> Vec<u64> {
    let f = &fit.factors;
    let factors = f.w.iter().chain([&f.h]).chain(&f.hidden).flat_map(|m| m.iter().map(|v| v.f64().to_bits()));
    let history = fit.history.pretrain.iter().chain([&fit.history.finetune]).flatten().map(|v| v.to_bits());
    let penalties = fit.penalties.mu.iter().chain(&fit.penalties.lambda).map(|v| v.to_bits());
    let scores = [fit.objective.to_bits(), fit.relative_error.to_bits()];
    factors.chain(history).chain(penalties).chain(scores).collect()
}

/// Checkpoints after every look, each of which is kept.
fn every_one(path: &Path) -> (Checkpoints, Rc<RefCell<Vec<Vec<u8>>>>) {
    let kept = Rc::new(RefCell::new(Vec::new()));
    let (to, from) = (Rc::clone(&kept), path.to_path_buf());
    let notice = Box::new(move |notice| match notice {
        Notice::Written { bytes, .. } => {
            let file = std::fs::read(&from).unwrap();
            assert_eq!(file.len() as u64, bytes);
            to.borrow_mut().push(file);
        }
        other => panic!("{other:?}"),
    });
    (Checkpoints { every: Duration::ZERO, notice, ..Checkpoints::new(path) }, kept)
}

/// From `of` of the checkpoints, the first and the last among them.
fn goes_on<B: Backend>(b: &mut B, config: &Config, of: usize) {
    let name = format!("{} {:?} {:?} {:?}", config.model.name, config.solver, config.extrapolate, config.activation);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let plain = bits(&train::fit(b, data::<B::Elem>().view(), config, None, &mut train::silent).unwrap());
    let (mut to, kept) = every_one(&path);
    let whole = bits(&fit(b, config, &mut to).unwrap());
    assert_eq!(whole, plain, "{name}: writing it down changes it");
    let kept = kept.borrow();
    assert!(kept.len() > config.layers.len(), "{name}: {} checkpoints", kept.len());
    for i in 0..of {
        let at = i * (kept.len() - 1) / (of - 1);
        std::fs::write(&path, &kept[at]).unwrap();
        let resumed = fit(b, config, &mut Checkpoints { resume: true, ..Checkpoints::new(&path) }).unwrap();
        assert!(bits(&resumed) == whole, "{name}: other bits from checkpoint {at} of {}", kept.len());
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "{name}: files are left");
    println!("{name}: {} checkpoints", kept.len());
}

#[test]
fn cpu_f64() {
    for config in configs() {
        goes_on(&mut Cpu::<f64>::with_shard_rows(37), &config, 7);
    }
}

#[test]
fn cpu_f32() {
    for config in configs() {
        goes_on(&mut Cpu::<f32>::new(), &config, 4);
    }
}

#[test]
fn gpu_vulkan() {
    let options = GpuOptions { max_shard_rows: Some(64), ..GpuOptions::default() };
    let Some(mut gpu) = gpu("vulkan", options) else { return };
    for config in configs().into_iter().step_by(5) {
        goes_on(&mut gpu, &config, 2);
    }
}

/// The cut of X is no part of a checkpoint.
#[test]
fn other_shards() {
    let config = &configs()[4];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let (mut to, kept) = every_one(&path);
    let whole = fit(&mut Cpu::<f64>::with_shard_rows(37), config, &mut to).unwrap();
    std::fs::write(&path, &kept.borrow()[3]).unwrap();
    let mut to = Checkpoints { resume: true, ..Checkpoints::new(&path) };
    let resumed = fit(&mut Cpu::<f64>::with_shard_rows(100), config, &mut to).unwrap();
    assert!((resumed.objective / whole.objective - 1.0).abs() < 1e-9);
}

/// It ends after the iteration under way, and the checkpoint has that iteration.
#[test]
fn an_interrupted_fit_can_go_on() {
    for config in configs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        let b = &mut Cpu::<f64>::new();
        let whole = bits(&train::fit(b, data::<f64>().view(), &config, None, &mut train::silent).unwrap());
        let interrupt = Arc::new(AtomicBool::new(false));
        let mut to = Checkpoints { interrupt: Arc::clone(&interrupt), ..Checkpoints::new(&path) };
        let mut stop = |p: &Progress| {
            interrupt.store(p.done >= 3 && !matches!(p.stage, Stage::Init { .. }), Ordering::Relaxed);
            ControlFlow::Continue(())
        };
        let x = data::<f64>();
        let stopped = train::fit_with_checkpoints(b, &mut Rows::from(x.view()), &config, &mut to, &mut stop);
        assert!(matches!(&stopped, Err(Error::Interrupted { checkpoint: Some(at) }) if *at == path), "{stopped:?}");
        let resumed = fit(b, &config, &mut Checkpoints { resume: true, ..Checkpoints::new(&path) }).unwrap();
        assert!(bits(&resumed) == whole, "{}", config.model.name);
    }
}

/// A fit that is told to stop is a whole model, and its checkpoint is that of the fit that it would have been.
#[test]
fn a_stopped_fit_can_go_on() {
    let config = &config(ModelSpec::by_name("sdnmf-l").unwrap(), &[9, 7, 5], Solver::Cd);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let b = &mut Cpu::<f64>::new();
    let whole = bits(&train::fit(b, data::<f64>().view(), config, None, &mut train::silent).unwrap());
    for after in [3, 9, 17] {
        let mut reports = 0;
        let mut stop = |_: &Progress| {
            reports += 1;
            if reports > after { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let (x, mut to) = (data::<f64>(), Checkpoints::new(&path));
        train::fit_with_checkpoints(b, &mut Rows::from(x.view()), config, &mut to, &mut stop).unwrap();
        let resumed = fit(b, config, &mut Checkpoints { resume: true, ..Checkpoints::new(&path) }).unwrap();
        assert!(bits(&resumed) == whole, "stopped after {after}");
    }
}

/// What follows an initialisation that was given up is not written down: the fit goes on from the end of the stage before.
#[test]
fn a_fit_that_is_stopped_in_an_initialisation_can_go_on() {
    let config = &config(ModelSpec::by_name("sdnmf-l").unwrap(), &[9, 7, 5], Solver::Cd);
    let b = &mut Cpu::<f64>::new();
    let whole = bits(&train::fit(b, data::<f64>().view(), config, None, &mut train::silent).unwrap());
    for interrupts in [false, true] {
        for layer in 0..3 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("checkpoint");
            let mut to = Checkpoints { every: Duration::ZERO, ..Checkpoints::new(&path) };
            let interrupt = Arc::clone(&to.interrupt);
            let mut stop = |p: &Progress| {
                let there = p.stage == Stage::Init { layer } && p.done == 1;
                interrupt.fetch_or(there && interrupts, Ordering::Relaxed);
                if there && !interrupts { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            let x = data::<f64>();
            let stopped = train::fit_with_checkpoints(b, &mut Rows::from(x.view()), config, &mut to, &mut stop);
            if interrupts {
                let kept = (layer > 0).then(|| path.clone());
                assert!(matches!(stopped, Err(Error::Interrupted { checkpoint }) if checkpoint == kept));
            } else {
                let of_layer = Warning::Stopped { stage: Stage::Init { layer }, untrained: 3 - layer };
                assert_eq!(stopped.unwrap().warnings, [of_layer]);
            }
            assert_eq!(path.exists(), layer > 0);
            if layer > 0 {
                let resumed = fit(b, config, &mut Checkpoints { resume: true, ..Checkpoints::new(&path) }).unwrap();
                assert!(bits(&resumed) == whole, "layer {layer}");
            }
        }
    }
}

/// Stopped before it makes an iteration, once and again: it still goes on from where it was.
#[test]
fn a_fit_without_time_keeps_its_place() {
    let config = &config(ModelSpec::by_name("sdnmf-l").unwrap(), &[9, 7, 5], Solver::Cd);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let b = &mut Cpu::<f64>::new();
    let whole = bits(&train::fit(b, data::<f64>().view(), config, None, &mut train::silent).unwrap());
    for at in [0, 2, 9] {
        let (mut to, kept) = every_one(&path);
        fit(b, config, &mut to).unwrap();
        std::fs::write(&path, &kept.borrow()[at]).unwrap();
        for _ in 0..2 {
            let mut stop = |_: &Progress| ControlFlow::Break(());
            let mut to = Checkpoints { resume: true, ..Checkpoints::new(&path) };
            train::fit_with_checkpoints(b, &mut Rows::from(data::<f64>().view()), config, &mut to, &mut stop).unwrap();
        }
        let resumed = fit(b, config, &mut Checkpoints { resume: true, ..Checkpoints::new(&path) }).unwrap();
        assert!(bits(&resumed) == whole, "from {at}");
    }
}

#[test]
fn what_is_no_checkpoint_of_this_fit_is_refused() {
    let config = &configs()[4];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let b = &mut Cpu::<f64>::new();
    let (mut to, kept) = every_one(&path);
    fit(b, config, &mut to).unwrap();
    let file = kept.borrow()[5].clone();
    let mut refused = |content: &[u8], config: &Config, x: Array2<f64>| {
        std::fs::write(&path, content).unwrap();
        let mut to = Checkpoints { resume: true, ..Checkpoints::new(&path) };
        let result = train::fit_with_checkpoints(b, &mut Rows::from(x.view()), config, &mut to, &mut train::silent);
        assert_eq!(std::fs::read(&path).unwrap(), content, "it was written to");
        result.unwrap_err().to_string()
    };
    for length in [0, 7, 8, 100, file.len() / 2, file.len() - 1] {
        let error = refused(&file[..length], config, data());
        assert!(error.contains("expected a checkpoint of deepnmf, found"), "{length}: {error}");
    }
    let mut long = file.clone();
    long.push(0);
    assert!(refused(&long, config, data()).contains("instead of"));
    let mut claims = file.clone();
    claims[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(refused(&claims, config, data()).contains("expected a checkpoint of deepnmf"));
    for at in [file.len() / 2, file.len() - 1, 300] {
        let mut changed = file.clone();
        changed[at] ^= 1;
        let error = refused(&changed, config, data());
        assert!(error.contains("expected a checkpoint of deepnmf, found"), "{at}: {error}");
    }
    let seed = Config { seed: 1, layers: vec![8, 6], ..config.clone() };
    let error = refused(&file, &seed, data());
    assert!(
        error.contains("seed: expected 0, found 1") && error.contains("layers: expected [8,5], found [8,6]"),
        "{error}"
    );
    let mut x = data();
    x[[77, 3]] += 1.0;
    assert!(refused(&file, config, x).contains("checksum of samples"));
    let fewer = data::<f64>().slice(ndarray::s![..100, ..]).to_owned();
    assert!(refused(&file, config, fewer).contains("samples × features: expected 151 × 24, found 100 × 24"));
    std::fs::remove_file(&path).unwrap();
    let mut to = Checkpoints { resume: true, ..Checkpoints::new(&path) };
    assert!(matches!(fit(b, config, &mut to), Err(Error::Io { .. })));
}

/// What is there and is no checkpoint is not overwritten.
#[test]
fn another_file_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.npy");
    std::fs::write(&path, b"precious").unwrap();
    let mut to = Checkpoints { every: Duration::ZERO, ..Checkpoints::new(&path) };
    let error = fit(&mut Cpu::<f64>::new(), &configs()[4], &mut to).unwrap_err().to_string();
    assert!(error.contains("data.npy: expected a checkpoint of deepnmf, found"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}

/// The fit goes on, its user is told, and the checkpoint before is still there.
#[test]
fn a_checkpoint_that_cannot_be_written_is_no_end() {
    let config = &configs()[4];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("no folder/checkpoint");
    let failures = Rc::new(RefCell::new(0));
    let count = Rc::clone(&failures);
    let notice = Box::new(move |notice| {
        assert!(matches!(notice, Notice::Failed(_)), "{notice:?}");
        *count.borrow_mut() += 1;
    });
    let mut to = Checkpoints { every: Duration::ZERO, notice, ..Checkpoints::new(&path) };
    fit(&mut Cpu::<f64>::new(), config, &mut to).unwrap();
    // Once for every stage.
    assert_eq!(*failures.borrow(), config.layers.len() + usize::from(config.layers.len() > 1));
}

/// More sweeps than were asked for at first: as if they had been asked for then. Fewer than were made are refused.
#[test]
fn a_fit_that_goes_on_may_make_more_sweeps() {
    for config in [&configs()[4], &config(ModelSpec::by_name("nenmf").unwrap(), &[5], Solver::Nesterov)] {
        let config = &Config { tol: 0.0, ..config.clone() };
        let more = Config { sweeps: 11, ..config.clone() };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        let b = &mut Cpu::<f64>::new();
        let whole = bits(&train::fit(b, data::<f64>().view(), &more, None, &mut train::silent).unwrap());
        let (mut to, kept) = every_one(&path);
        fit(b, config, &mut to).unwrap();
        let last = kept.borrow().last().unwrap().clone();
        for at in [2, kept.borrow().len() - 1] {
            std::fs::write(&path, &kept.borrow()[at]).unwrap();
            let resumed = fit(b, &more, &mut Checkpoints { resume: true, ..Checkpoints::new(&path) }).unwrap();
            assert!(bits(&resumed) == whole, "{} from {at}", config.model.name);
        }
        for sweeps in [0, config.sweeps - 1] {
            std::fs::write(&path, &last).unwrap();
            let fewer = Config { sweeps, ..config.clone() };
            let error = fit(b, &fewer, &mut Checkpoints { resume: true, ..Checkpoints::new(&path) }).unwrap_err();
            let error = error.to_string();
            assert!(error.contains("sweeps: expected 7 or more") || error.contains("fine tuning: expected"), "{error}");
        }
    }
}

/// It says where it goes on, and its seconds are those of both parts.
#[test]
fn a_fit_that_goes_on_adds_to_what_was_spent() {
    let config = &configs()[4];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let b = &mut Cpu::<f64>::new();
    let slow = |_: &Progress| {
        std::thread::sleep(Duration::from_millis(10));
        ControlFlow::Continue(())
    };
    let (mut to, kept) = every_one(&path);
    train::fit_with_checkpoints(b, &mut Rows::from(data::<f64>().view()), config, &mut to, &mut { slow }).unwrap();
    std::fs::write(&path, kept.borrow().last().unwrap()).unwrap();
    let places = Rc::new(RefCell::new(Vec::new()));
    let to = Rc::clone(&places);
    let notice = Box::new(move |notice| to.borrow_mut().push(format!("{notice:?}")));
    let resumed = fit(b, config, &mut Checkpoints { resume: true, notice, ..Checkpoints::new(&path) }).unwrap();
    assert_eq!(*places.borrow(), ["GoesOn { stage: Finetune, done: 7 }"]);
    let seconds = resumed.seconds;
    let iterations = config.layers.len() * config.pretrain;
    assert!(seconds.pretrain > 0.009 * iterations as f64, "{seconds:?}");
    assert!(seconds.finetune > 0.009 * config.sweeps as f64, "{seconds:?}");
    assert!(seconds.total > seconds.pretrain + seconds.finetune, "{seconds:?}");
}

/// Two fits that were given the same file: the second one to write says so, and the checkpoint of the first one stays.
#[test]
fn a_checkpoint_of_another_fit_is_not_replaced() {
    let config = &configs()[4];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let theirs = path.clone();
    let mut other = |_: &Progress| {
        if !theirs.exists() {
            std::fs::write(&theirs, b"of another fit").unwrap();
        }
        ControlFlow::Continue(())
    };
    let failures = Rc::new(RefCell::new(Vec::new()));
    let to = Rc::clone(&failures);
    let notice = Box::new(move |notice| match notice {
        Notice::Failed(why) => to.borrow_mut().push(why.to_string()),
        other => panic!("{other:?}"),
    });
    let mut to = Checkpoints { every: Duration::ZERO, notice, ..Checkpoints::new(&path) };
    let b = &mut Cpu::<f64>::new();
    train::fit_with_checkpoints(b, &mut Rows::from(data::<f64>().view()), config, &mut to, &mut other).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"of another fit");
    assert!(
        !failures.borrow().is_empty() && failures.borrow().iter().all(|why| why.contains("another one has written"))
    );
}
