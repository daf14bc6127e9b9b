//! A fit by several ranks has the same bits for any number of them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::ranks::on_ranks;
use common::{parts, scattered};
use deepnmf::backend::{Backend, Cpu, Rows};
use deepnmf::model::{Activation, MODELS, ModelSpec};
use deepnmf::ranks::Ranks;
use deepnmf::train::{self, Config, Extrapolate, Fit, Init, Placed, Solver};
use ndarray::{Array2, s};

const N: usize = 301;
const M: usize = 40;

fn data() -> Array2<f64> {
    parts(N, M, 9, scattered)
}

fn config(model: &str, layers: &[usize]) -> Config {
    let model = ModelSpec::by_name(model).unwrap();
    // 19 shards.
    Config { pretrain: 4, sweeps: 5, tol: 0.0, max_shard_rows: Some(16), ..Config::new(model, layers) }
}

/// The rows of this rank of `x`, as a source.
fn own<E: deepnmf::backend::Element>(x: &Array2<E>, config: &Config) -> Placed<E> {
    let (n, m) = x.dim();
    let own = config.own_rows(n, m);
    Placed { source: Box::new(Rows::from(x.slice(s![own.clone(), ..]).to_owned())), first: own.start, samples: n }
}

fn fit_of<B: Backend>(b: &mut B, x: &Array2<B::Elem>, config: &Config, ranks: Ranks) -> Fit<B::Elem> {
    let config = Config { ranks: Some(ranks), ..config.clone() };
    train::fit_samples(b, &mut own(x, &config), &config, None, &mut train::silent).unwrap()
}

/// On that many ranks; what rank 0 has. The others have the same W.
fn fit(size: usize, x: &Array2<f64>, config: &Config) -> Fit<f64> {
    let (x, config) = (x.clone(), config.clone());
    let mut fits = on_ranks(size, move |ranks| fit_of(&mut Cpu::new(), &x, &config, ranks));
    for (rank, other) in fits.iter().enumerate() {
        assert_eq!(bits(&other.factors.w), bits(&fits[0].factors.w), "W of rank {rank} of {size}");
        assert_eq!(other.history, fits[0].history, "history of rank {rank} of {size}");
    }
    fits.swap_remove(0)
}

fn bits(factors: &[Array2<f64>]) -> Vec<u64> {
    factors.iter().flatten().map(|v| v.to_bits()).collect()
}

#[track_caller]
fn same(name: &str, one: &Fit<f64>, other: &Fit<f64>) {
    let all = |fit: &Fit<f64>| [&fit.factors.w[..], &fit.factors.hidden, std::slice::from_ref(&fit.factors.h)].concat();
    assert_eq!(bits(&all(one)), bits(&all(other)), "{name}: factors");
    assert_eq!(one.history, other.history, "{name}: history");
    assert_eq!(one.objective.to_bits(), other.objective.to_bits(), "{name}: objective");
    assert_eq!(one.penalties, other.penalties, "{name}: penalties");
}

/// Three ranks do not divide 19 shards, and 25 are more than there are.
#[test]
fn any_number_of_ranks_makes_the_same_bits() {
    let x = data();
    for (model, layers) in [
        ("sdnmf-l", &[6][..]),
        ("sdnmf-l", &[9, 6]),
        ("sdnmf-rl1", &[12, 9, 6]),
        ("sdnmf-rl2", &[9, 6]),
        ("sdnmf-r", &[6]),
        ("nenmf", &[6]),
    ] {
        for (solver, extrapolate) in
            [(Solver::Cd, Extrapolate::All), (Solver::Cd, Extrapolate::None), (Solver::Nesterov, Extrapolate::All)]
        {
            let config = Config { solver, extrapolate, hidden: layers.len() > 1, ..config(model, layers) };
            let name = format!("{model} {layers:?} {solver:?} {extrapolate:?}");
            let one = fit(1, &x, &config);
            assert_eq!(one.factors.h.dim(), (N, 6));
            for size in [2, 3, 4, 25] {
                same(&format!("{name}, {size} ranks"), &one, &fit(size, &x, &config));
            }
            same(&format!("{name}, streamed"), &one, &fit(3, &x, &Config { stream: true, ..config.clone() }));
            // Alone the same fit, but for the order of additions.
            let alone = train::fit(&mut Cpu::new(), x.view(), &config, None, &mut train::silent).unwrap();
            let change = (alone.objective / one.objective - 1.0).abs();
            assert!(change < 1e-9, "{name}: alone {}, ranks {}", alone.objective, one.objective);
        }
    }
}

#[test]
fn every_start_is_that_of_all_samples() {
    let wide = Array2::from_shape_fn((700, 300), |(i, j)| scattered(i, j) + ((i * j) % 7) as f64);
    // Of rank 5: other components are samples.
    let poor = Array2::from_shape_fn((N, 5), |(i, j)| scattered(i, j))
        .dot(&Array2::from_shape_fn((5, M), |(i, j)| scattered(j, i)));
    for (x, init) in [(&wide, Init::Nndsvd), (&wide, Init::Nndsvdar), (&poor, Init::Nndsvda), (&poor, Init::Random)] {
        let config = Config { init, max_shard_rows: Some(64), ..config("sdnmf-l", &[9, 6]) };
        let one = fit(1, x, &config);
        for size in [2, 5] {
            same(&format!("{init:?}, {size} ranks"), &one, &fit(size, x, &config));
        }
        let alone = train::fit(&mut Cpu::new(), x.view(), &config, None, &mut train::silent).unwrap();
        let change = (alone.objective / one.objective - 1.0).abs();
        assert!(change < 1e-6, "{init:?}: alone {}, ranks {}", alone.objective, one.objective);
    }
}

#[test]
fn a_part_for_the_pre_training_is_shared_anew() {
    let x = data();
    let config = Config { pretrain_samples: Some(100), ..config("sdnmf-l", &[9, 6]) };
    let one = fit(1, &x, &config);
    for size in [2, 3, 25] {
        same(&format!("{size} ranks"), &one, &fit(size, &x, &config));
    }
    let alone = train::fit(&mut Cpu::new(), x.view(), &config, None, &mut train::silent).unwrap();
    assert!((alone.objective / one.objective - 1.0).abs() < 1e-9);
}

/// A sweep is one exchange: 2(P − 1) times C, S, the Gram of the objective and ⟨B, F⟩, in f64, and two more of three flags each.
#[test]
fn a_sweep_exchanges_what_the_formula_says() {
    let x = data();
    for size in [2_usize, 4] {
        let sent = |sweeps: usize| {
            // Sixteen shards: each rank has a power of two.
            let config = Config { sweeps, max_shard_rows: Some(19), ..config("sdnmf-l", &[9, 6]) };
            let x = x.clone();
            let sent = on_ranks(size, move |ranks| {
                fit_of(&mut Cpu::new(), &x, &config, ranks);
                ranks.traffic().sent
            });
            sent.iter().sum::<u64>()
        };
        let (m, k) = (M as u64, 6);
        let messages = 2 * (size as u64 - 1);
        assert_eq!(sent(9) - sent(5), 4 * messages * 8 * (m * k + 2 * k * k + 1 + 1), "{size} ranks");
    }
}

#[test]
fn what_several_ranks_cannot_fit_is_refused_by_name() {
    for model in MODELS {
        let layers: &[usize] = if model.depth == deepnmf::model::Depth::One { &[6] } else { &[9, 6] };
        let config = config(model.name, layers);
        let refused = on_ranks(1, move |ranks| Config { ranks: Some(ranks), ..config.clone() }.validate());
        let of_blocks = model.method == deepnmf::model::Method::Blocks;
        match &refused[0] {
            Ok(()) => assert!(of_blocks, "{}", model.name),
            Err(e) => {
                assert!(!of_blocks && e.to_string().contains(model.name) && e.to_string().contains("ranks"), "{e}")
            }
        }
    }
    let tanh = Config { activation: Some(Activation::Tanh), ..config("dnmf", &[9, 6]) };
    let refused = on_ranks(1, move |ranks| Config { ranks: Some(ranks), ..tanh.clone() }.validate().unwrap_err());
    assert!(refused[0].to_string().contains("tanh"), "{}", refused[0]);
}

#[test]
fn ranks_with_other_settings_are_refused() {
    let x = data();
    let refused = on_ranks(3, move |ranks| {
        let seed = if ranks.rank() == 1 { 7 } else { 0 };
        let config = Config { seed, ranks: Some(ranks), ..config("sdnmf-l", &[9, 6]) };
        let fit = train::fit_samples(&mut Cpu::new(), &mut own(&x, &config), &config, None, &mut train::silent);
        fit.err().map(|e| e.to_string()).unwrap()
    });
    assert_eq!(refused[1], "the fit is not that of rank 0: seed: expected 0, found 7");
    assert!(refused[0].contains("differ"), "{refused:?}");
}

#[test]
fn bad_samples_are_found_whoever_has_them() {
    let mut x = data();
    x[[200, 3]] = -1.5;
    x[[250, 4]] = f64::NAN;
    let found = on_ranks(4, move |ranks| {
        let config = Config { ranks: Some(ranks), ..config("sdnmf-l", &[6]) };
        let fit = train::fit_samples(&mut Cpu::new(), &mut own(&x, &config), &config, None, &mut train::silent);
        fit.err().map(|e| e.to_string()).unwrap()
    });
    for message in found {
        assert!(message.contains("2 of 12040 are not; the first is -1.5 in sample 200, feature 3"), "{message}");
    }
}
