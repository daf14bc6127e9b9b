//! Ranks that are stopped, interrupted, or fail: what one of them meets all of them end with.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::ranks::{fit_of, h_of_all, on_ranks, own};
use common::{parts, scattered};
use deepnmf::Error;
use deepnmf::backend::Cpu;
use deepnmf::model::ModelSpec;
use deepnmf::ranks::Ranks;
use deepnmf::train::{self, Checkpoints, Config, Fit, Stage, Warning};
use ndarray::Array2;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

fn data() -> Array2<f64> {
    parts(301, 40, 9, scattered)
}

fn config() -> Config {
    let model = ModelSpec::by_name("sdnmf-l").unwrap();
    Config { pretrain: 6, sweeps: 8, tol: 0.0, max_shard_rows: Some(16), hidden: true, ..Config::new(model, [9, 6]) }
}

/// Whether it is now, by the stage and its iterations that were made.
type When = fn(Stage, usize) -> bool;

/// A fit of which one rank is told to stop once this is reported to it.
fn stopped(when: When) -> Vec<Fit<f64>> {
    let x = data();
    on_ranks(3, move |ranks| {
        let config = Config { ranks: Some(ranks), ..config() };
        let mut report = |p: &train::Progress| match ranks.rank() == 1 && when(p.stage, p.done) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        train::fit_samples(&mut Cpu::new(), &mut own(&x, &config), &config, None, &mut report).unwrap()
    })
}

#[test]
fn one_that_is_told_to_stop_stops_all() {
    let stops: [(&str, When); 4] = [
        ("start", |stage, _| stage == Stage::Init { layer: 0 }),
        ("second start", |stage, _| stage == Stage::Init { layer: 1 }),
        ("pre-training", |stage, done| stage == Stage::Pretrain { layer: 0 } && done == 2),
        ("fine-tuning", |stage, done| stage == Stage::Finetune && done == 3),
    ];
    for (name, when) in stops {
        let fits = stopped(when);
        for fit in &fits {
            assert!(matches!(fit.warnings[..], [Warning::Stopped { .. }]), "{name}: {:?}", fit.warnings);
            assert_eq!(fit.warnings, fits[0].warnings, "{name}");
            assert_eq!((&fit.factors.w, &fit.history), (&fits[0].factors.w, &fits[0].history), "{name}");
        }
        assert_eq!(h_of_all(fits.iter(), 1).dim(), (301, 6), "{name}");
        assert!(fits[0].history.finetune.len() <= 4, "{name}: {:?}", fits[0].history);
    }
}

/// What interrupts the last rank, and what it goes on from.
fn interrupted(path: &Path, ranks: Ranks, when: When) -> Result<Fit<f64>, Error> {
    let config = Config { ranks: Some(ranks), ..config() };
    let mut to = Checkpoints { every: Duration::ZERO, ..Checkpoints::new(path) };
    let flag = std::sync::Arc::clone(&to.interrupt);
    let last = ranks.rank() == ranks.size() - 1;
    let mut report = |p: &train::Progress| {
        flag.fetch_or(last && when(p.stage, p.done), Ordering::Relaxed);
        ControlFlow::Continue(())
    };
    train::fit_with_checkpoints(&mut Cpu::new(), &mut own(&data(), &config), &config, &mut to, &mut report)
}

fn resumed(path: PathBuf, size: usize) -> Vec<Result<Fit<f64>, String>> {
    resumed_from(move |_| path.clone(), size)
}

/// Each rank from a checkpoint of its own.
fn resumed_from(path: impl Fn(Ranks) -> PathBuf + Send + Sync + 'static, size: usize) -> Vec<Result<Fit<f64>, String>> {
    on_ranks(size, move |ranks| {
        let config = Config { ranks: Some(ranks), ..config() };
        let mut to = Checkpoints { resume: true, ..Checkpoints::new(path(ranks)) };
        let x = &mut own(&data(), &config);
        train::fit_with_checkpoints(&mut Cpu::new(), x, &config, &mut to, &mut train::silent).map_err(|e| e.to_string())
    })
}

#[test]
fn a_fit_goes_on_with_another_number_of_ranks_to_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let whole = on_ranks(1, |ranks| fit_of(&mut Cpu::new(), &data(), &config(), ranks)).remove(0);
    let moments: [When; 4] = [
        |stage, done| stage == Stage::Pretrain { layer: 0 } && done == 2,
        |stage, done| stage == Stage::Pretrain { layer: 1 } && done == 5,
        |stage, done| stage == Stage::Finetune && done == 4,
        // The coefficients of the hidden layer, after the last sweep.
        |stage, _| stage == Stage::Project,
    ];
    for (i, when) in moments.into_iter().enumerate() {
        let path = folder.path().join(format!("{i}.checkpoint"));
        let at = path.clone();
        for ended in on_ranks(3, move |ranks| interrupted(&at, ranks, when)) {
            assert!(matches!(ended, Err(Error::Interrupted { .. })), "{i}: {:?}", ended.map(|fit| fit.history));
        }
        for size in [2, 4, 1] {
            let copy = folder.path().join(format!("{i}-{size}.checkpoint"));
            std::fs::copy(&path, &copy).unwrap();
            let fits = resumed(copy, size).into_iter().map(Result::unwrap).collect::<Vec<_>>();
            let fit = &fits[0];
            assert_eq!(fit.factors.w, whole.factors.w, "{i}: W by {size}");
            assert_eq!(h_of_all(fits.iter(), 1), whole.factors.h, "{i}: H by {size}");
            assert_eq!(h_of_all(fits.iter(), 0), whole.factors.hidden[0], "{i}: hidden by {size}");
            assert_eq!(fit.history, whole.history, "{i}: history by {size}");
        }
        // Whose sums are rounded otherwise.
        let mut to = Checkpoints { resume: true, ..Checkpoints::new(&path) };
        let alone = train::fit_with_checkpoints(
            &mut Cpu::new(),
            &mut deepnmf::backend::Rows::from(data()),
            &config(),
            &mut to,
            &mut train::silent,
        );
        let message = alone.map(|_| ()).unwrap_err().to_string();
        assert!(message.contains("it was made by ranks, found a process that is none"), "{message}");
    }
    // Of the same fit, at another moment of it.
    let at = folder.path().to_path_buf();
    for refused in resumed_from(move |ranks| at.join(["0.checkpoint", "2.checkpoint"][ranks.rank() % 2]), 3) {
        let message = refused.map(|_| ()).unwrap_err();
        assert!(
            message.contains("ranks have to have the same checkpoint; rank 1: expected one of stage 0"),
            "{message}"
        );
    }
}

#[test]
fn what_fails_on_one_rank_fails_on_all_with_its_message() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_path_buf();
    let failed = on_ranks(3, move |ranks| {
        let config = Config { ranks: Some(ranks), ..config() };
        let resume = ranks.rank() == 1;
        let mut to = Checkpoints { resume, ..Checkpoints::new(path.join("none.checkpoint")) };
        let x = &mut own(&data(), &config);
        let fit = train::fit_with_checkpoints(&mut Cpu::new(), x, &config, &mut to, &mut train::silent);
        fit.map(|_| ()).unwrap_err().to_string()
    });
    for (rank, message) in failed.iter().enumerate() {
        assert!(message.contains("none.checkpoint"), "{message}");
        assert_eq!(message.contains("rank 1 failed"), rank != 1, "{message}");
    }
}

/// A file of the first rank that cannot be written is no fault of the fit, and the others do not wait.
#[test]
fn a_checkpoint_that_cannot_be_written_ends_no_rank() {
    let whole = on_ranks(1, |ranks| fit_of(&mut Cpu::new(), &data(), &config(), ranks)).remove(0);
    let fits = on_ranks(3, |ranks| {
        let config = Config { ranks: Some(ranks), ..config() };
        let mut to = Checkpoints { every: Duration::ZERO, ..Checkpoints::new("/nonexistent/folder/a.checkpoint") };
        let x = &mut own(&data(), &config);
        train::fit_with_checkpoints(&mut Cpu::new(), x, &config, &mut to, &mut train::silent).unwrap()
    });
    assert_eq!(h_of_all(fits.iter(), 1), whole.factors.h);
}
