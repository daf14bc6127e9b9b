//! Every backend of this machine against the CPU in f64, and the harness against wrong answers.
//!
//! `DEEPNMF_GPU` says what a missing adapter means: `require` (the default) fails, `auto` leaves the GPU tests out and
//! says so, `off` leaves them out.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod broken;
mod common;

use broken::{Bare, Broken, Fault};
use common::{garments, gpu, small};
use deepnmf::backend::gpu::{Gpu, GpuOptions, Tune};
use deepnmf::backend::{Backend, Cpu, Device, Elementwise, Precision, Storage};
use deepnmf::model::{Activation, ModelSpec};
use deepnmf::train::{self, Config, Fit, Solver, Start};
use deepnmf::verify::{Check, verify, verify_formulas, verify_products};
use ndarray::{Array2, ArrayView2};
use std::collections::BTreeMap;
use std::rc::Rc;

const GUARDED: GpuOptions = GpuOptions {
    max_binding_bytes: None,
    max_workgroups: None,
    max_bytes: None,
    max_shard_rows: None,
    guard_words: 64,
    force_variant: None,
    precision: Precision::F32,
    checked: false,
    unfused: false,
    host_stops: false,
    tune: Tune::Never,
    cache: None,
};

#[track_caller]
fn all_pass<B: Backend<Elem = f32>>(b: &mut B) {
    let checks = verify(b, &mut |_| {}).unwrap();
    let failed: Vec<&Check> = checks.iter().filter(|c| !c.passed).collect();
    assert!(failed.is_empty(), "{} of {} failed: {failed:#?}", failed.len(), checks.len());
    assert!(checks.len() > 300, "only {} checks", checks.len());
}

mod every_operation_is_within_its_bound {
    use super::*;

    #[test]
    fn cpu_f32() {
        all_pass(&mut Cpu::<f32>::new());
    }

    /// All larger operations by the defaults, made of the contract's.
    #[test]
    fn contract_alone() {
        all_pass(&mut Bare::new());
    }

    #[test]
    fn gpu_vulkan() {
        if let Some(mut gpu) = gpu("vulkan", GUARDED) {
            all_pass(&mut gpu);
        }
    }

    #[test]
    fn gpu_gl() {
        if let Some(mut gpu) = gpu("gl", GUARDED) {
            all_pass(&mut gpu);
        }
    }

    /// Every matrix in shards of few rows, which cut through tiles.
    #[test]
    fn gpu_in_small_shards() {
        if let Some(mut gpu) = gpu("vulkan", GpuOptions { max_shard_rows: Some(37), checked: true, ..GUARDED }) {
            all_pass(&mut gpu);
        }
    }
}

/// Every way to compute a product, through both shader translators, and with matrices in shards of odd length.
mod every_variant_of_the_products_is_within_its_bound {
    use super::*;

    #[test]
    fn gpu_vulkan() {
        all_within("vulkan", None);
    }

    #[test]
    fn gpu_gl() {
        all_within("gl", None);
    }

    #[test]
    fn gpu_in_small_shards() {
        all_within("vulkan", Some(37));
    }

    #[track_caller]
    fn all_within(backend: &str, max_shard_rows: Option<usize>) {
        let Some(any) = gpu(backend, GUARDED) else { return };
        let there = any.variants();
        assert!(there.iter().flatten().count() > 5, "{there:?}");
        for (variant, name) in there.iter().enumerate().filter_map(|(i, name)| Some((i, (*name)?))) {
            let options = GpuOptions { max_shard_rows, force_variant: Some(variant), ..GUARDED };
            let mut gpu = gpu(backend, options).unwrap();
            let checks = verify_products(&mut gpu, &mut |_| {}).unwrap();
            let failed: Vec<&Check> = checks.iter().filter(|c| !c.passed).collect();
            assert!(failed.is_empty(), "{name}: {} of {} failed: {failed:#?}", failed.len(), checks.len());
            assert!(checks.len() > 100, "only {} checks", checks.len());
            // Whole matrices begin where vectors do, and shards of 37 rows do not.
            assert_eq!(gpu.stats().unaligned > 0, max_shard_rows.is_some(), "{name}");
        }
    }
}

/// A software adapter measures when it is told to, once; and what it then does is right.
#[test]
fn what_was_measured_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    for backend in ["vulkan", "gl"] {
        let cache = folder.path().join(backend);
        let file = cache.join("products.json");
        let open = |tune| gpu(backend, GpuOptions { tune, cache: Some(cache.clone()), ..GUARDED });
        let Some(automatic) = open(Tune::Auto) else { continue };
        let software = deepnmf::devices().iter().any(|d| d.kind == "cpu" && automatic.device_name().contains(&d.name));
        assert!(!software || automatic.tuned().is_empty() && !file.exists());
        let mut measured = open(Tune::Always).unwrap();
        assert!(!measured.tuned().is_empty());
        let stats = measured.stats();
        assert_eq!((stats.dispatches, stats.waits, stats.buffers, stats.peak_bytes), (0, 0, 0, stats.bytes));
        let checks = verify_products(&mut measured, &mut |_| {}).unwrap();
        assert!(checks.iter().all(|c| c.passed));
        // What the file says is what counts.
        let mut text: BTreeMap<String, serde_json::Value> =
            serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let fastest = text.values_mut().next().unwrap()["fastest"].as_object_mut().unwrap();
        assert_eq!(fastest.len(), measured.tuned().len());
        let (class, changed) = fastest.iter_mut().next().unwrap();
        let other = if changed == "64x64 4x4" { "64x64 8x8" } else { "64x64 4x4" };
        let expected = (class.clone(), other);
        *changed = other.into();
        std::fs::write(&file, serde_json::to_string(&text).unwrap()).unwrap();
        // What was not measured in time is now, as far as there is time.
        let again = open(Tune::Always).unwrap().tuned();
        assert!(again.contains(&expected) && again.len() >= measured.tuned().len(), "{again:?}");
        // And what it cannot say is measured again.
        std::fs::write(&file, "{").unwrap();
        assert!(!open(Tune::Always).unwrap().tuned().is_empty());
        assert!(std::fs::read_to_string(&file).unwrap().len() > 1);
        assert!(open(Tune::Never).unwrap().tuned().is_empty());
    }
}

/// A device that computes one thing slightly wrong does not pass, whichever thing it is.
#[test]
fn wrong_answers_are_found() {
    for fault in Fault::all() {
        let mut b = Broken::new(fault);
        // The first check that does not pass ends it.
        let found = Rc::clone(&b.found);
        let mut report = |check: &Check| found.set(found.get() || !check.passed);
        let checks = match fault {
            Fault::Output(..) => verify_formulas(&mut b, &mut report),
            _ => verify(&mut b, &mut report),
        };
        assert!(found.get() || checks.is_err(), "{fault:?} went unnoticed");
    }
    all_pass(&mut Broken::new(Fault::Nothing));
}

/// Wherever a fit fails, the next one on the same device is in f32 and not skipped.
#[test]
fn modes_end_with_what_they_are_for() {
    let (x, start) = small();
    for layers in [&[7][..], &[7, 3]] {
        // The last three of them are in f32.
        let config = Config { x_storage: Storage::F16, sweeps: 6, tol: 1e-9, ..config("sdnmf-rl1", layers) };
        let mut whole = Broken::new(Fault::Nothing);
        train::fit(&mut whole, x.view(), &config, Some(&start), &mut deepnmf::train::silent).unwrap();
        assert_eq!((whole.asked, whole.modes), ([true; 2], [false; 2]));
        let products = usize::MAX - whole.products;
        let mut asked = [0; 2];
        for made in 0..products {
            let mut full = Broken::new(Fault::Nothing);
            full.products = made;
            let error =
                train::fit(&mut full, x.view(), &config, Some(&start), &mut deepnmf::train::silent).unwrap_err();
            assert!(matches!(error, deepnmf::Error::OutOfMemory(_)), "{error}");
            assert_eq!(full.modes, [false; 2], "after {made} of {products} products");
            asked.iter_mut().zip(full.asked).for_each(|(count, was)| *count += usize::from(was));
        }
        assert!(asked.iter().all(|count| *count > 10), "{asked:?} of {products}");
    }
}

fn config(model: &str, layers: &[usize]) -> Config {
    let model = ModelSpec::by_name(model).unwrap();
    // `auto` may mean another solver on another device.
    Config { solver: Solver::Nesterov, pretrain: 2, sweeps: 3, inner: 5, tol: 0.0, ..Config::new(model, layers) }
}

fn fit<B: Backend>(
    b: &mut B,
    x: ArrayView2<'_, B::Elem>,
    config: &Config,
    start: Option<&Start<B::Elem>>,
) -> Fit<B::Elem> {
    train::fit(b, x, config, start, &mut deepnmf::train::silent).unwrap()
}

/// Shards of one row, of some, of all: the same factors, but for the order of sums.
#[test]
fn shards_do_not_matter() {
    let (x, start) = small();
    let config = config("sdnmf-rl2", &[7, 3]);
    let Some(mut whole) = gpu("vulkan", GUARDED) else { return };
    let expected = fit(&mut whole, x.view(), &config, Some(&start));
    for rows in [1, 2, 7, 52, 53] {
        let options = GpuOptions { max_shard_rows: Some(rows), ..GUARDED };
        let found = fit(&mut gpu("vulkan", options).unwrap(), x.view(), &config, Some(&start));
        let pairs = expected.factors.w.iter().zip(&found.factors.w).chain([(&expected.factors.h, &found.factors.h)]);
        for (e, f) in pairs {
            let scale = e.iter().fold(0.0_f32, |m, v| m.max(*v));
            let error = (e - f).iter().fold(0.0_f32, |m, v| m.max(v.abs()));
            assert!(error <= 2e-5 * scale, "{rows} rows a shard: {error} of {scale}");
        }
    }
}

/// Garments under a binding limit that cuts X into six shards and W_1 too, against the CPU.
#[test]
fn one_mebibyte_bindings_train_garments() {
    let x = garments();
    let Some(mut limited) = gpu("vulkan", GpuOptions { max_binding_bytes: Some(1 << 20), ..GUARDED }) else { return };
    let settings = config("sdnmf-l", &[340, 20]);
    let config = Config { pretrain: 1, sweeps: 2, inner: 3, x_storage: Storage::F32, ..settings };
    let found = fit(&mut limited, x.view(), &config, None);
    let expected = fit(&mut Cpu::<f32>::new(), x.view(), &config, None);
    for (e, f) in expected.history.finetune.iter().zip(&found.history.finetune) {
        assert!((e - f).abs() <= 1e-3 * e, "objective {f}, on the CPU {e}");
    }
    assert!((expected.relative_error - found.relative_error).abs() <= 1e-3 * expected.relative_error);
}

/// The host waits once per look, and a look is every fourth sweep: never inside one. Nothing is allocated or bound anew.
#[test]
fn the_host_does_not_wait_inside_a_sweep() {
    let (x, start) = small();
    let Some(mut gpu) = gpu("vulkan", GUARDED) else { return };
    let mut stats = |sweeps: usize, tol: f64| {
        let before = gpu.stats();
        fit(&mut gpu, x.view(), &Config { sweeps, tol, ..config("sdnmf-rl1", &[7, 3]) }, Some(&start));
        let after = gpu.stats();
        [
            after.waits - before.waits,
            after.submissions - before.submissions,
            after.buffers - before.buffers,
            after.bind_groups - before.bind_groups,
            after.dispatches - before.dispatches,
        ]
    };
    // The first fit makes what is kept: staging buffers, the residual's.
    stats(8, 0.0);
    // Without a stopping rule, and with one that is not met.
    for tol in [0.0, 1e-30] {
        let (few, many) = (stats(8, tol), stats(48, tol));
        let per_sweep = (many[4] - few[4]) / 40;
        assert!(per_sweep > 50 && (many[4] - few[4]) % 40 == 0, "{per_sweep} dispatches a sweep");
        assert_eq!(many[0] - few[0], 10, "waits of 40 sweeps");
        assert_eq!(many[1] - few[1], 10, "command buffers of 40 sweeps");
        assert_eq!(many[2] - few[2], 0, "buffers of 40 sweeps");
        assert_eq!(many[3] - few[3], 0, "bind groups of 40 sweeps");
    }
}

/// With an activation the device decides on every trial, and is asked once per block whether it needs more of them,
/// which is rare, and for the residual, which is the objective of such a model; otherwise as above.
#[test]
fn a_line_search_waits_about_once() {
    let (x, start) = small();
    let Some(mut gpu) = gpu("vulkan", GpuOptions::default()) else { return };
    let mut stats = |sweeps: usize| {
        let before = gpu.stats();
        let config = Config { sweeps, activation: Some(Activation::Root), ..config("sdnmf-rl1", &[7, 3]) };
        fit(&mut gpu, x.view(), &config, Some(&start));
        let after = gpu.stats();
        [after.waits - before.waits, after.buffers - before.buffers, after.bind_groups - before.bind_groups]
    };
    stats(8);
    let (few, many) = (stats(8), stats(48));
    let waits = many[0] - few[0];
    // 40 sweeps of two searches, some of which need more trials, and of one residual.
    assert!((120..=160).contains(&waits), "{waits} waits of 40 sweeps");
    assert_eq!((many[1] - few[1], many[2] - few[2]), (0, 0), "buffers and bind groups of 40 sweeps");
}

/// The same question, the same error.
#[test]
fn misuse_gives_the_same_error_on_every_backend() {
    fn messages<B: Backend<Elem = f32>>(b: &mut B) -> Vec<String> {
        use deepnmf::backend::{Apply, By, ColumnSums, Domain, MatMul, Sum, Write};
        let (a, c) = (b.zeros(3, 4).unwrap(), b.zeros(5, 4).unwrap());
        let (mut out, mut sums) = (b.zeros(3, 3).unwrap(), b.scalars(2).unwrap());
        let (mut trial, mut moved) = (b.zeros(3, 4).unwrap(), b.zeros(3, 4).unwrap());
        let results = [
            b.matmul(MatMul::NN, &a, &c, &mut out),
            b.matmul(MatMul::NT, &a, &c, &mut out),
            b.copy(&a, &mut out),
            b.column_sums(&a, ColumnSums::Sum, Write::Replace, &mut out),
            b.sum(Sum::Dot(&a, &c), &mut sums, 0),
            b.sum(Sum::Entries(&a), &mut sums, 2),
            b.sum(Sum::Trace(&a), &mut sums, 0),
            b.scale(&mut out, By::Columns(&a), false),
            b.scale(&mut out, By::Entry(&a, 9), true),
            b.residual(&a, &c, &a, Write::Replace, &mut sums, 0),
            b.activate(Activation::Root, Apply::P, &a, &mut out),
            b.add(&mut out, 1.0, &a),
            b.search_trial(&a, &c, &out, Domain::Real, &mut trial, &mut moved),
            b.search_trial(&a, &a, &out, Domain::Real, &mut trial, &mut moved),
            b.search_decide(&sums, true, &mut out),
            b.accept(&a, By::Entry(&out, 2), &mut trial),
        ];
        results.into_iter().map(|r| r.unwrap_err().to_string()).collect()
    }
    let Some(mut gpu) = gpu("vulkan", GUARDED) else { return };
    assert_eq!(messages(&mut Cpu::<f32>::new()), messages(&mut gpu));
}

/// What is stored as bytes is no matrix like others: every operation but those that read X says so in the same words.
#[test]
fn stored_data_are_only_read() {
    use deepnmf::backend::{ColumnSums, MatMul, Sum, Write};
    let Some(mut b) = gpu("vulkan", GUARDED) else { return };
    let bytes = Array2::from_shape_fn((5, 5), |(i, j)| (i * 50 + j) as f32);
    let (mut x, found) = b.upload_data(bytes.view().into(), Storage::Auto).unwrap();
    assert_eq!(found, Storage::U8);
    assert_eq!(b.upload_data(bytes.mapv(f32::sqrt).into(), Storage::Auto).unwrap().1, Storage::F32);
    let (other, mut out, mut sums) = (b.zeros(5, 5).unwrap(), b.zeros(5, 5).unwrap(), b.scalars(1).unwrap());
    let (empty, mut row) = (b.zeros(5, 0).unwrap(), b.zeros(1, 5).unwrap());
    let messages: Vec<String> = [
        b.matmul(MatMul::NN, &other, &x, &mut out),
        b.matmul(MatMul::NN, &other, &other, &mut x),
        b.matmul(MatMul::NT, &empty, &empty, &mut x),
        b.copy(&x, &mut out),
        b.copy(&other, &mut x),
        b.add(&mut out, 1.0, &x),
        b.column_sums(&x, ColumnSums::Sum, Write::Replace, &mut row),
        b.sum(Sum::Dot(&other, &x), &mut sums, 0),
        b.residual(&other, &other, &x, Write::Replace, &mut sums, 0),
        b.inverse(&other, &mut x),
    ]
    .into_iter()
    .map(|r| r.unwrap_err().to_string())
    .collect();
    assert!(messages.iter().all(|m| *m == messages[0] && m.contains("stored as u8")), "{messages:#?}");
    for (storage, x, part) in [(Storage::U8, -&bytes, "at least 0"), (Storage::F16, &bytes * 1000.0, "65504")] {
        let on_gpu = b.upload_data(x.view().into(), storage).map(|_| ()).unwrap_err().to_string();
        let on_cpu = Cpu::<f32>::new().upload_data(x.view().into(), storage).map(|_| ()).unwrap_err().to_string();
        assert!(on_gpu == on_cpu && on_gpu.contains(part), "{on_gpu}\n{on_cpu}");
    }
    assert_eq!(b.download(&x).unwrap().dim(), (5, 5));
}

/// Images, which are bytes: the same fit as from numbers but for roundings, in a quarter of the memory. As halves it is
/// that of the rounded images, on whatever backend.
#[test]
fn images_are_trained_on_however_they_are_stored() {
    let x = garments().slice(ndarray::s![..400, ..]).to_owned();
    let base = Config { pretrain: 2, sweeps: 2, inner: 3, ..config("sdnmf-rl1", &[30, 12]) };
    let stored = |x_storage| Config { x_storage, ..base.clone() };
    let close = |what: &str, e: &Fit<f32>, f: &Fit<f32>| {
        let (e, f) = (e.history.finetune.iter(), f.history.finetune.iter());
        for (e, f) in e.zip(f) {
            assert!((e - f).abs() <= 1e-4 * e, "{what}: objective {f}, expected {e}");
        }
    };
    let numbers = fit(&mut Cpu::<f32>::new(), x.view(), &stored(Storage::F32), None);
    let halves = fit(&mut Cpu::<f32>::new(), x.view(), &stored(Storage::F16), None);
    for (backend, max_shard_rows) in [("vulkan", None), ("gl", Some(37))] {
        let Some(mut gpu) = gpu(backend, GpuOptions { max_shard_rows, ..GUARDED }) else { continue };
        let found = fit(&mut gpu, x.view(), &stored(Storage::Auto), None);
        assert_eq!(found.x_storage, Storage::U8);
        close("bytes", &numbers, &found);
        let found = fit(&mut gpu, x.view(), &stored(Storage::F16), None);
        close("halves", &halves, &found);
    }
}

/// More than a binding takes in one row is refused with both numbers.
#[test]
fn too_large_for_the_device() {
    let Some(mut gpu) = gpu("vulkan", GpuOptions { max_binding_bytes: Some(1 << 12), ..GpuOptions::default() }) else {
        return;
    };
    let message = gpu.zeros(2, 2000).unwrap_err().to_string();
    assert!(message.contains("8000") && message.contains("4096"), "{message}");
    assert!(Gpu::open(999, GpuOptions::default()).is_err());
}

/// Where an adapter lists fragments of halves, what is made of them is within its bound, guards and shards included; where it
/// does not, it says what it lists.
#[test]
fn products_of_halves_are_within_their_bound_or_refused() {
    for max_shard_rows in [None, Some(37)] {
        for device in deepnmf::devices() {
            let options = GpuOptions { precision: Precision::F16, max_shard_rows, ..GUARDED };
            let offers = ["8×8×8 F16→F32", "16×16×16 F16→F32"];
            if device.cooperative_matrices.iter().any(|c| offers.contains(&c.as_str())) {
                let mut gpu = Gpu::open(device.index, options).unwrap();
                let checks = verify_products(&mut gpu, &mut |_| {}).unwrap();
                let of_halves = |c: &&Check| c.name.starts_with("product of halves");
                assert_eq!(checks.iter().filter(of_halves).count(), 20);
                let failed: Vec<&Check> = checks.iter().filter(|c| !c.passed).collect();
                assert!(failed.is_empty(), "{failed:#?}");
            } else {
                let message = Gpu::open(device.index, options).unwrap_err().to_string();
                assert!(message.contains("cooperative matrices") && message.contains("offers none"), "{message}");
            }
        }
    }
}
