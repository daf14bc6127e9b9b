//! Devices with less than others have, full ones, and what is left of a device after an error.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{gpu, small};
use deepnmf::backend::gpu::{Gpu, GpuOptions, Tune};
use deepnmf::backend::{
    Backend, Cpu, Curvature, Descent, Device, DeviceRequest, Element, Elementwise, MatMul, NesterovBlock, Storage,
};
use deepnmf::model::{Metric, ModelSpec};
use deepnmf::train::{self, Config, Fit, Init, Solver, Warning, silent};
use deepnmf::verify::{Check, verify, verify_products};
use deepnmf::{Engine, Error, Result};
use ndarray::{Array2, ArrayView2};

fn options() -> GpuOptions {
    GpuOptions { guard_words: 64, tune: Tune::Never, ..GpuOptions::default() }
}

#[track_caller]
fn all_pass(checks: &[Check], least: usize) {
    let failed: Vec<&Check> = checks.iter().filter(|c| !c.passed).collect();
    assert!(failed.is_empty(), "{} of {} failed: {failed:#?}", failed.len(), checks.len());
    assert!(checks.len() > least, "only {} checks", checks.len());
}

/// With a single workgroup per dimension every kernel has to go on in strides, and every product comes in pieces of one tile.
#[test]
fn every_operation_fits_dispatches_of_few_workgroups() {
    for (backend, most, rows) in [("vulkan", 1, None), ("gl", 2, Some(37))] {
        let options = GpuOptions { max_workgroups: Some(most), max_shard_rows: rows, ..options() };
        let Some(mut gpu) = gpu(backend, options) else { continue };
        all_pass(&verify(&mut gpu, &mut |_| {}).unwrap(), 300);
    }
}

/// In tiles that no product would choose, too: the reference's, and the largest.
#[test]
fn every_product_fits_dispatches_of_few_workgroups() {
    for variant in [0, 6] {
        let options = GpuOptions { max_workgroups: Some(2), force_variant: Some(variant), ..options() };
        let Some(mut gpu) = gpu("vulkan", options) else { return };
        all_pass(&verify_products(&mut gpu, &mut |_| {}).unwrap(), 100);
    }
}

/// More rows than a dispatch has workgroups for, at every width of the tiles that take rows through a block at once.
#[test]
fn rows_beyond_a_dispatch_are_solved_too() {
    for k in [20, 200, 300, 500] {
        let x = Array2::from_shape_fn((300, 40), |(i, j)| 0.1 + ((i * 7919 + j * 104_729) % 1009) as f32 / 1009.0);
        let model = ModelSpec::by_name("dnmf").unwrap();
        let settings = Config { solver: Solver::Nesterov, sweeps: 2, inner: 3, tol: 0.0, ..Config::new(model, [k]) };
        // There are fewer features than components.
        let config = Config { init: Init::Random, ..settings };
        let Some(mut whole) = gpu("vulkan", options()) else { return };
        let mut few = gpu("vulkan", GpuOptions { max_workgroups: Some(2), ..options() }).unwrap();
        assert!(whole.fuses_block((300, k), false, 0.0), "{k}");
        let [expected, found] = [&mut whole, &mut few].map(|gpu| fit(gpu, x.view(), &config).unwrap());
        let scale = expected.factors.h.iter().fold(0.0_f32, |most, v| most.max(*v));
        let error = (&expected.factors.h - &found.factors.h).iter().fold(0.0_f32, |most, v| most.max(v.abs()));
        assert!(error <= 1e-4 * scale, "{k}: {error} of {scale}");
    }
}

/// What a block is solved to, and the bound on a Gram, by a backend.
#[derive(Clone, Copy, Debug)]
enum Work {
    Rows { sweeps: usize },
    Columns,
    Chain,
    Steps(usize),
    Bound(usize),
}

/// `(2I − neighbours) / 2`: what moves one entry reaches the others slowly, so a sweep or a step that is missing is seen.
fn slow_gram(k: usize) -> Array2<f32> {
    Array2::from_shape_fn((k, k), |(i, j)| match i.abs_diff(j) {
        0 => 1.0,
        1 => -0.5,
        _ => 0.0,
    })
}

fn solved<B: Backend>(b: &mut B, work: Work, (rows, k): (usize, usize)) -> Result<Array2<f64>> {
    let host = |v: Array2<f32>| v.mapv(|v| B::Elem::of(f64::from(v)));
    let gram = b.upload(host(slow_gram(k)).view())?;
    if let Work::Bound(iterations) = work {
        // From a start that is far from the vector of the largest eigenvalue.
        let vector = b.upload(host(Array2::from_shape_fn((1, k), |(_, j)| 1.0 + (j % 7) as f32)).view())?;
        let mut out = Curvature { scale: b.zeros(1, k)?, vector };
        b.spectral_bound(&gram, Metric::Diagonal, iterations, &mut out)?;
        return Ok(b.download(&out.scale)?.mapv(B::Elem::f64));
    }
    let rhs = host(Array2::from_shape_fn((rows, k), |(i, j)| ((i * 31 + j * 17) % 23) as f32 / 23.0 - 0.3));
    let rhs = b.upload(rhs.view())?;
    let mut x = b.upload(host(Array2::from_elem((rows, k), 2.0)).view())?;
    let block = |left, mu, sweeps| Descent { left, gram: &gram, rhs: &rhs, mu, sweeps };
    match work {
        Work::Rows { sweeps } => b.descend(block(None, 0.0, sweeps), &mut x)?,
        Work::Columns => b.descend(block(None, 1e-4, 1), &mut x)?,
        Work::Chain => {
            let left = b.upload(host(slow_gram(rows)).view())?;
            b.descend(block(Some(&left), 1e-4, 1), &mut x)?;
        }
        Work::Steps(steps) => {
            let right = b.upload(host(Array2::from_elem((1, k), 2.0)).view())?;
            let (right, rhs) = (&right, &rhs);
            b.nesterov_block(
                NesterovBlock { left: None, gram: &gram, rhs, mu: 0.0, right, extra: 0.0, steps },
                &mut x,
            )?;
        }
        Work::Bound(_) => {}
    }
    Ok(b.download(&x)?.mapv(B::Elem::f64))
}

/// Mesa's software driver ends the loops of an invocation after 65,535 turns in all, and says nothing. Every case took more when
/// a dispatch did all of it.
#[test]
fn no_loop_is_left_before_its_end() {
    let cases = [
        (Work::Rows { sweeps: 700 }, (5, 300)),
        (Work::Columns, (30_001, 33)),
        (Work::Chain, (4000, 32)),
        (Work::Steps(1000), (3, 292)),
        (Work::Bound(1200), (1, 200)),
    ];
    let mut failed = Vec::new();
    for (work, shape) in cases {
        let expected = solved(&mut Cpu::<f64>::new(), work, shape).unwrap();
        let scale = expected.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
        for backend in ["vulkan", "gl"] {
            let Some(mut gpu) = gpu(backend, options()) else { continue };
            let found = solved(&mut gpu, work, shape).unwrap();
            let wrong = (&found - &expected).iter().filter(|v| v.is_nan() || v.abs() > 1e-4 * scale).count();
            if wrong > 0 {
                failed.push(format!("{work:?} {shape:?} on {backend}: {wrong} of {} wrong", expected.len()));
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

fn fit(gpu: &mut Gpu, x: ArrayView2<'_, f32>, config: &Config) -> Result<Fit<f32>> {
    train::fit(gpu, x, config, None, &mut deepnmf::train::silent)
}

fn settings(layers: &[usize]) -> Config {
    let model = ModelSpec::by_name("sdnmf-rl1").unwrap();
    Config { pretrain: 3, sweeps: 3, inner: 3, tol: 1e-9, ..Config::new(model, layers) }
}

fn bits(fit: &Fit<f32>) -> Vec<u32> {
    fit.factors.w.iter().chain([&fit.factors.h]).flatten().map(|v| v.to_bits()).collect()
}

/// Wherever the memory runs out, the device goes on with what fits, as if nothing had been; and the same fit fits a device
/// that has just as much as it takes.
#[test]
fn a_full_device_is_as_good_as_new() {
    let (x, _) = small();
    let small = settings(&[5, 3]);
    let Some(mut fresh) = gpu("vulkan", options()) else { return };
    let scratch = fresh.stats().bytes;
    let expected = bits(&fit(&mut fresh, x.view(), &small).unwrap());
    let needed = fresh.stats().peak_bytes;
    let wide = Array2::from_shape_fn((300, 500), |(i, j)| ((i * 31 + j * 17) % 255) as f32 / 254.0);
    for (x_storage, layers) in [(Storage::F32, [80, 40]), (Storage::U8, [90, 20]), (Storage::F32, [200, 100])] {
        let large = Config { x_storage, ..settings(&layers) };
        let mut gpu = gpu("vulkan", GpuOptions { max_bytes: Some(needed), ..options() }).unwrap();
        for _ in 0..2 {
            let error = fit(&mut gpu, wide.view(), &large).unwrap_err();
            assert!(matches!(error, Error::OutOfMemory(_)), "{error}");
            assert!(error.to_string().contains(&format!("of the {needed} that are allowed")), "{error}");
            assert_eq!(bits(&fit(&mut gpu, x.view(), &small).unwrap()), expected);
        }
    }
    let one_less = GpuOptions { max_bytes: Some(needed - 1), ..options() };
    assert!(matches!(fit(&mut gpu("vulkan", one_less).unwrap(), x.view(), &small), Err(Error::OutOfMemory(_))));
    // And a device without room for its own scratch is not opened.
    let index = deepnmf::devices().iter().position(|d| d.backend == "vulkan" && d.problem.is_none()).unwrap();
    let none = GpuOptions { max_bytes: Some(scratch - 1), ..options() };
    assert!(matches!(Gpu::open(index, none), Err(Error::OutOfMemory(_))));
}

/// Where a device has no room for X, it is streamed to it in shards that it has room for, and what it comes to is what the CPU does.
#[test]
fn samples_that_do_not_fit_are_streamed() {
    let x = Array2::from_shape_fn((1500, 200), |(i, j)| ((i * 31 + j * 17) % 255 + (i * j) % 37) as f32 / 255.0);
    let config = Config { init: Init::Random, solver: Solver::Cd, ..settings(&[6, 3]) };
    let Some(whole) = gpu("vulkan", options()) else { return };
    let scratch = whole.stats().bytes;
    for config in [config.clone(), Config { pretrain_samples: Some(400), ..config }] {
        let of_cpu = Engine::open(&DeviceRequest::Cpu).unwrap().fit(x.view(), &config, &mut silent).unwrap();
        // X as f32 is 1.2 MB.
        let most = scratch + 400_000;
        let limits = GpuOptions { max_bytes: Some(most), ..options() };
        let mut engine = Engine::open_with(&DeviceRequest::Gpu, limits).unwrap();
        let fit = engine.fit(x.view(), &config, &mut silent).unwrap();
        assert!(matches!(fit.warnings[..], [.., Warning::Streamed { rows }] if rows < 400), "{:?}", fit.warnings);
        assert!(engine.stats().unwrap().peak_bytes <= most);
        assert!((fit.relative_error / of_cpu.relative_error - 1.0).abs() < 1e-4, "{}", fit.relative_error);
        let (h, expected) = (&fit.factors.h, &of_cpu.factors.h);
        let scale = expected.iter().fold(0.0_f32, |most, v| most.max(*v));
        assert!((h - expected).iter().all(|v| v.abs() < 2e-3 * scale));
    }
    // A model that couples its samples cannot be streamed; and no shard is small enough for nothing.
    for (config, more) in [(Config::new(ModelSpec::by_name("gnmf").unwrap(), [5]), 400_000), (settings(&[6, 3]), 1000)]
    {
        let options = GpuOptions { max_bytes: Some(scratch + more), ..options() };
        let mut engine = Engine::open_with(&DeviceRequest::Gpu, options).unwrap();
        let error = engine.fit(x.view(), &config, &mut silent).unwrap_err().to_string();
        assert!(error.contains("bytes of the") && error.contains("that are allowed"), "{error}");
    }
}

/// A matrix of another device, whatever its number there, is refused by every kind of operation, and both devices go on.
#[test]
fn a_matrix_of_another_device_is_refused() {
    let host = Array2::from_shape_fn((4, 4), |(i, j)| (i * 4 + j) as f32);
    for (here, there) in [("vulkan", "vulkan"), ("vulkan", "gl"), ("gl", "vulkan")] {
        let (Some(mut a), Some(mut b)) = (gpu(here, options()), gpu(there, options())) else { continue };
        let [of_a, of_b] = [&mut a, &mut b].map(|gpu| gpu.upload(host.view()).unwrap());
        let [mut out_a, mut out_b] = [&mut a, &mut b].map(|gpu| gpu.zeros(4, 4).unwrap());
        let (empty, mut sums) = (a.zeros(4, 0).unwrap(), b.scalars(1).unwrap());
        let errors = [
            a.copy(&of_b, &mut out_a),
            a.copy(&of_a, &mut out_b),
            a.matmul(MatMul::NN, &of_a, &of_b, &mut out_a),
            a.matmul(MatMul::NT, &empty, &empty, &mut out_b),
            a.sum(deepnmf::backend::Sum::Entries(&of_a), &mut sums, 0),
            a.inverse(&of_a, &mut out_b),
            a.download(&of_b).map(drop),
            a.start_read(&sums).map(drop),
        ];
        for error in errors.map(Result::unwrap_err) {
            assert!(error.to_string().contains("of another"), "{error}");
        }
        for (gpu, of, out) in [(&mut a, &of_a, &mut out_a), (&mut b, &of_b, &mut out_b)] {
            gpu.matmul(MatMul::NN, of, of, out).unwrap();
            assert_eq!(gpu.download(out).unwrap(), host.dot(&host));
        }
    }
}

#[test]
fn limits_that_nothing_fits_are_refused() {
    let index = deepnmf::devices().iter().position(|d| d.problem.is_none());
    let Some(index) = index else { return };
    let wrong = [
        GpuOptions { max_binding_bytes: Some(0), ..options() },
        GpuOptions { max_binding_bytes: Some(4095), ..options() },
        GpuOptions { max_workgroups: Some(0), ..options() },
    ];
    for options in wrong {
        let error = Gpu::open(index, options).unwrap_err();
        assert!(matches!(error, Error::Config(_)) && error.to_string().contains("expected at least"), "{error}");
    }
    let mut gpu = Gpu::open(index, GpuOptions { max_binding_bytes: Some(4096), ..options() }).unwrap();
    for (rows, cols) in [(1, 1025), (1, usize::MAX), (3, 1 << 40)] {
        let error = gpu.zeros(rows, cols).unwrap_err().to_string();
        assert!(error.contains("bytes, 4096 are allowed"), "{error}");
    }
    for (rows, cols) in [(usize::MAX, 1), (1 << 32, 1 << 40)] {
        let error = gpu.zeros(rows, cols).unwrap_err().to_string();
        assert!(error.contains(&format!("{rows} rows")), "{error}");
    }
}
