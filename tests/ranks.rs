//! A fit by several ranks has the same bits for any number of them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::ranks::{fit_of, h_of_all, on_ranks, own};
use common::{gpu, parts, scattered};
use deepnmf::atomic::NewFile;
use deepnmf::backend::gpu::GpuOptions;
use deepnmf::backend::{Cpu, Rows};
use deepnmf::data::{LoadOptions, Preprocess, Scale, load, open_by};
use deepnmf::model::{Activation, Factors, MODELS, ModelSpec};
use deepnmf::store::{Model, Writer};
use deepnmf::train::{
    self, Config, Elastic, ElasticNet, Extrapolate, Fit, Init, PenaltyScale, Projection, Solver, Source,
};
use ndarray::{Array2, ArrayView2, s};
use std::time::{Duration, Instant};

const N: usize = 301;
const M: usize = 40;

const AS_IT_IS: Preprocess = Preprocess { scale: Scale::None, factor: 1.0, igo: None };

fn data() -> Array2<f64> {
    parts(N, M, 9, scattered)
}

fn config(model: &str, layers: &[usize]) -> Config {
    let model = ModelSpec::by_name(model).unwrap();
    // 19 shards.
    Config { pretrain: 4, sweeps: 5, tol: 0.0, max_shard_rows: Some(16), ..Config::new(model, layers) }
}

/// On that many ranks, with the H of all. They have the same W.
fn fit(size: usize, x: &Array2<f64>, config: &Config) -> Fit<f64> {
    let (x, config) = (x.clone(), config.clone());
    let mut fits = on_ranks(size, move |ranks| fit_of(&mut Cpu::new(), &x, &config, ranks));
    for (rank, other) in fits.iter().enumerate() {
        assert_eq!(bits(&other.factors.w), bits(&fits[0].factors.w), "W of rank {rank} of {size}");
        assert_eq!(other.history, fits[0].history, "history of rank {rank} of {size}");
    }
    let below = fits[0].factors.hidden.len();
    let (h, hidden) = (h_of_all(fits.iter(), below), (0..below).map(|l| h_of_all(fits.iter(), l)).collect());
    let mut first = fits.swap_remove(0);
    assert_eq!(first.n_samples, h.nrows());
    (first.factors.h, first.factors.hidden) = (h, hidden);
    first
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

/// Fewer samples than an exact SVD takes, and more features.
#[test]
fn few_samples_of_many_features_start_as_one_process_does() {
    let x = Array2::from_shape_fn((150, 300), |(i, j)| scattered(i, j) + ((i * j) % 7) as f64);
    let config = config("sdnmf-l", &[9, 6]);
    let one = fit(1, &x, &config);
    for size in [2, 5, 12] {
        same(&format!("{size} ranks"), &one, &fit(size, &x, &config));
    }
    let alone = train::fit(&mut Cpu::new(), x.view(), &config, None, &mut train::silent).unwrap();
    assert!((alone.objective / one.objective - 1.0).abs() < 1e-9);
    // The samples, not triangles of 300 × 300: what a start of one layer exchanges.
    let config = Config { layers: vec![6], sweeps: 0, max_shard_rows: Some(16), ..config };
    let sent = on_ranks(2, move |ranks| {
        fit_of(&mut Cpu::new(), &x, &config, ranks);
        ranks.traffic().sent
    });
    assert!(sent.iter().sum::<u64>() < 4 * 8 * 150 * 300, "{sent:?}");
}

#[test]
fn every_rule_of_stopping_and_every_penalty_is_that_of_all_samples() {
    let x = data();
    let alone = |config: &Config| train::fit(&mut Cpu::new(), x.view(), config, None, &mut train::silent).unwrap();
    let long = Config { sweeps: 60, ..config("sdnmf-rl1", &[9, 6]) };
    let target_error = Some(alone(&Config { sweeps: 12, ..long.clone() }).relative_error * 1.0001);
    let net = ElasticNet { w: Elastic { l1: 0.02, l2: 0.05 }, h: Elastic { l1: 0.03, l2: 0.04 } };
    let absolute = |config: Config| Config { penalty_scale: PenaltyScale::Absolute, ..config };
    for (name, config) in [
        ("tol", Config { tol: 1e-2, ..long.clone() }),
        ("target error", Config { target_error, ..long }),
        ("absolute penalties", absolute(config("sdnmf-rl2", &[9, 6]))),
        ("elastic net", absolute(Config { elastic_net: net, ..config("nenmf", &[6]) })),
        ("scratch", Config { scratch: Some(std::env::temp_dir()), ..config("sdnmf-l", &[9, 6]) }),
    ] {
        let one = fit(1, &x, &config);
        for size in [3, 25] {
            same(&format!("{name}, {size} ranks"), &one, &fit(size, &x, &config));
        }
        let alone = alone(&config);
        assert_eq!(alone.history.finetune.len(), one.history.finetune.len(), "{name}: sweeps");
        assert!((alone.objective / one.objective - 1.0).abs() < 1e-9, "{name}");
        assert!(one.history.finetune.len() < 40, "{name}: nothing stopped it");
    }
}

/// Sums over all samples of a rank, which the device makes; a rank without samples has some, too.
#[test]
fn gpus_fit_as_one_but_for_roundings() {
    let x = data().mapv(|v| v as f32);
    for layers in [&[6][..], &[9, 6]] {
        let config = Config { max_shard_rows: Some(64), ..config("sdnmf-l", layers) };
        let Some(mut alone) = gpu("vulkan", GpuOptions::default()) else { return };
        let alone = train::fit(&mut alone, x.view(), &config, None, &mut train::silent).unwrap();
        let (x, config) = (x.clone(), config.clone());
        // Five shards.
        let fits = on_ranks(6, move |ranks| {
            gpu("vulkan", GpuOptions::default()).map(|mut gpu| fit_of(&mut gpu, &x, &config, ranks))
        });
        let first = fits[0].as_ref().unwrap();
        let rows: usize = fits.iter().flatten().map(|fit| fit.factors.h.nrows()).sum();
        assert_eq!((rows, first.n_samples), (N, N));
        assert!((first.objective / alone.objective - 1.0).abs() < 1e-4, "{} {}", first.objective, alone.objective);
        for other in fits.iter().flatten() {
            assert_eq!(other.factors.w, first.factors.w);
            assert_eq!(other.history, first.history);
        }
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

/// A sweep is one exchange, 2(P − 1) times C, S, the Gram of the objective and ⟨B, F⟩ in f64, and another one of four flags.
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
        assert_eq!(sent(9) - sent(5), 4 * messages * 8 * (m * k + 2 * k * k + 1 + 4), "{size} ranks");
    }
}

/// Every phase has its time, and together they take no more than there was.
#[test]
fn time_is_counted_by_phase() {
    let x = data();
    let config = Config { stream: true, ..config("sdnmf-l", &[9, 6]) };
    let counted = on_ranks(3, move |ranks| {
        let begin = Instant::now();
        // The others wait for this one.
        std::thread::sleep(Duration::from_millis(if ranks.rank() == 1 { 2000 } else { 0 }));
        fit_of(&mut Cpu::new(), &x, &config, ranks);
        (ranks.traffic(), begin.elapsed().as_secs_f64())
    });
    for (rank, (of, seconds)) in counted.iter().enumerate() {
        let phases = [of.reading, of.solving, of.exchanging, of.waiting];
        assert!(phases.iter().all(|of| *of > 0.0), "{rank}: {of:?}");
        assert!(phases.iter().sum::<f64>() <= *seconds, "{rank}: {of:?} of {seconds}");
    }
    // Much longer than a busy machine keeps the first one from waiting.
    assert!(counted[0].0.waiting > 0.5, "{counted:?}");
}

/// What came of a transform on every rank: the coefficients that it took, the error, and the steps.
fn transform(size: usize, x: &Array2<f64>, factors: &Factors<f64>, layer: usize) -> Vec<(Vec<u64>, u64, usize)> {
    let (x, factors) = (x.clone(), factors.clone());
    on_ranks(size, move |ranks| {
        let how = vec![Projection::default(); factors.depth()];
        let (mut taken, mut cpu) = (Vec::new(), Cpu::with_shard_rows(16));
        let mut take = |h: ArrayView2<'_, f64>| {
            taken.extend(h.iter().map(|v| v.to_bits()));
            Ok(())
        };
        let mut x = Rows::from(x.view());
        let x = (&mut x as &mut dyn Source<f64>, Some(ranks));
        let made = train::transform_samples(&mut cpu, x, &factors, layer, &how, &mut train::silent, &mut take);
        let (error, steps) = made.unwrap();
        (taken, error.to_bits(), steps)
    })
}

/// 19 shards, of which one is zero; of 25 ranks some have none.
#[test]
fn coefficients_have_the_bits_of_one_process() {
    let mut x = data();
    x.slice_mut(s![32..48, ..]).fill(0.0);
    let linear = config("sdnmf-rl2", &[9, 6]);
    let tanh = Config { activation: Some(Activation::Tanh), ..config("dnmf", &[9, 6]) };
    for (config, layer) in [(&linear, 1), (&linear, 2), (&tanh, 2)] {
        let factors = train::fit(&mut Cpu::new(), x.view(), config, None, &mut train::silent).unwrap().factors;
        let how = vec![Projection::default(); 2];
        let (mut alone, mut cpu) = (Vec::new(), Cpu::with_shard_rows(16));
        let mut take = |h: ArrayView2<'_, f64>| {
            alone.extend(h.iter().map(|v| v.to_bits()));
            Ok(())
        };
        let mut source = Rows::from(x.view());
        let x_alone = (&mut source as &mut dyn Source<f64>, None);
        let (error, steps) =
            train::transform_samples(&mut cpu, x_alone, &factors, layer, &how, &mut train::silent, &mut take).unwrap();
        assert_eq!(alone.len(), N * factors.layer_sizes()[layer - 1]);
        if config.activation.is_none() {
            let held = train::transform(&mut cpu, x.view(), &factors, layer, &how, &mut train::silent).unwrap();
            assert_eq!(held.h.iter().map(|v| v.to_bits()).collect::<Vec<_>>(), alone, "held, layer {layer}");
        }
        for size in [1, 2, 3, 25] {
            for (rank, (taken, of_error, of_steps)) in transform(size, &x, &factors, layer).into_iter().enumerate() {
                let expected = if rank == 0 { &alone[..] } else { &[] };
                assert_eq!(taken, expected, "rank {rank} of {size}, layer {layer}");
                assert_eq!((of_error, of_steps), (error.to_bits(), steps), "rank {rank} of {size}");
            }
        }
    }
}

#[test]
fn ranks_with_another_model_or_shape_do_not_transform() {
    let x = data();
    let factors =
        train::fit(&mut Cpu::new(), x.view(), &config("sdnmf-l", &[9, 6]), None, &mut train::silent).unwrap().factors;
    for what in ["checksum of W: expected", "samples: expected 301, found 300", "layer: expected 2, found 1"] {
        let (x, factors) = (x.clone(), factors.clone());
        let refused = on_ranks(3, move |ranks| {
            let (mut factors, odd) = (factors.clone(), ranks.rank() == 1);
            factors.w[0][[0, 0]] += if odd && what.starts_with('c') { 1.0 } else { 0.0 };
            let n = if odd && what.starts_with('s') { N - 1 } else { N };
            let layer = if odd && what.starts_with('l') { 1 } else { 2 };
            let mut x = Rows::from(x.slice(s![..n, ..]));
            let x = (&mut x as &mut dyn Source<f64>, Some(ranks));
            let how = vec![Projection::default(); 2];
            train::transform_samples(&mut Cpu::new(), x, &factors, layer, &how, &mut train::silent, &mut |_| Ok(()))
                .unwrap_err()
                .to_string()
        });
        for message in refused {
            assert!(message.contains(&format!("the same task; rank 1: {what}")), "{message}");
        }
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
    for message in refused {
        assert_eq!(message, "the fit of rank 1 is not that of rank 0: seed: expected 0, found 7");
    }
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

/// Rank 0 asks the others for their rows, and for them again where it writes once more; then none waits for it.
#[test]
fn a_model_is_written_from_the_rows_of_all_ranks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_path_buf();
    let x = data().mapv(|v| v as f32);
    let config = Config { hidden: true, ..config("sdnmf-l", &[9, 6]) };
    for size in [1, 3, 25] {
        let (path, x, config) = (path.clone(), x.clone(), config.clone());
        let fits = on_ranks(size, move |ranks| {
            let fit = fit_of(&mut Cpu::new(), &x, &config, ranks);
            let model = Model::new(&config, fit, AS_IT_IS, "cpu".into());
            let write = |writer: &Writer<'_>| {
                for again in 0..2 {
                    writer
                        .write_to(NewFile::create(&path.join(format!("{size}-{again}.safetensors"))).unwrap())
                        .unwrap();
                }
            };
            assert_eq!(model.write_by(ranks, write).unwrap().is_some(), ranks.is_first());
            model.factors
        });
        let one = Model::load(&folder.path().join("1-0.safetensors")).unwrap().factors;
        for again in 0..2 {
            let model = Model::load(&folder.path().join(format!("{size}-{again}.safetensors"))).unwrap();
            assert_eq!((model.metadata.n_samples, model.factors.h.nrows()), (N, N));
            assert_eq!((&model.factors.w, &model.factors.h, &model.factors.hidden), (&one.w, &one.h, &one.hidden));
        }
        assert_eq!(fits.iter().map(|factors| factors.h.nrows()).sum::<usize>(), N);
    }
    // Nothing is written where a rank has what no model has.
    let refused = on_ranks(2, move |ranks| {
        let fit = fit_of(&mut Cpu::new(), &x, &config, ranks);
        let mut model = Model::new(&config, fit, AS_IT_IS, "cpu".into());
        model.factors.h.iter_mut().skip(ranks.rank()).take(ranks.rank()).for_each(|v| *v = f32::NAN);
        model.write_by(ranks, |_| ()).unwrap_err().to_string()
    });
    assert!(refused.iter().all(|said| said.contains("not written")), "{refused:?}");
}

/// Each looks into some of the files, and all know what they say; a folder that one of them sees otherwise is refused by all.
#[test]
fn a_folder_of_images_is_opened_by_all_ranks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_path_buf();
    std::fs::create_dir_all(path.join("other")).unwrap();
    for i in 0..9u8 {
        let pixels = [&b"P5 2 2 255\n"[..], &[i, 2 * i, 100, 7]].concat();
        std::fs::write(path.join("other").join(format!("{i}.pgm")), &pixels).unwrap();
        std::fs::create_dir_all(path.join(format!("x/s{}", i % 3))).unwrap();
        std::fs::write(path.join(format!("x/s{}/{i}.pgm", i % 3)), if i == 7 { &b"P5 2"[..] } else { &pixels })
            .unwrap();
    }
    let deep: Vec<u8> = [1u16, 2, 3, 4].iter().flat_map(|v| v.to_be_bytes()).collect();
    std::fs::write(path.join("x/s0/10.pgm"), [&b"P5 2 2 65535\n"[..], &deep].concat()).unwrap();
    let skip = LoadOptions { skip_broken: true, ..LoadOptions::default() };
    let one = load(&path.join("x"), &skip).unwrap();
    assert!(one.notes.iter().any(|note| note.contains("1 of 10 images are broken")), "{:?}", one.notes);
    assert!(one.notes.iter().any(|note| note.contains("divided by 257 (1 of 10 images)")), "{:?}", one.notes);
    for size in [1, 3, 12] {
        let (path, skip) = (path.join("x"), skip.clone());
        for set in on_ranks(size, move |ranks| open_by(&path, &skip, Some(ranks)).unwrap()) {
            assert_eq!((&set.names, &set.labels, &set.notes), (&one.names, &one.labels, &one.notes), "{size}");
            assert_eq!(set.hold().unwrap().x, one.x, "{size}");
        }
    }
    let refused = |other: &str, expected: &str| {
        let (path, other) = (path.clone(), other.to_string());
        let opened = on_ranks(3, move |ranks| {
            let path = path.join(if ranks.rank() == 1 { &*other } else { "x" });
            open_by(&path, &LoadOptions::default(), Some(ranks)).unwrap_err().to_string()
        });
        assert!(opened.iter().all(|found| found.contains(expected)), "{expected}: {opened:?}");
    };
    refused("other", "ranks have to have the same files; rank 1: expected 10 images");
    refused("missing", "missing");
    std::fs::write(path.join("x.csv"), "1,2\n3,4\n").unwrap();
    refused("x.csv", "ranks have to have the same kind of data; rank 1: expected a folder of images, found a CSV file");
}
