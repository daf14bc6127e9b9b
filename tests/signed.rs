//! The models whose W has any sign: their start, their arithmetic in f32, and the ridge on new samples.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use deepnmf::backend::{Backend, Cpu, Element};
use deepnmf::model::ModelSpec;
use deepnmf::model::activation::ACTIVATIONS;
use deepnmf::train::{self, Config, Fit, Projection};
use deepnmf::{DeviceRequest, Engine};
use faer::Mat;
use ndarray::{Array2, Axis};

/// Between 0 and 1, the same on every machine.
fn hash(i: usize, j: usize, seed: usize) -> f64 {
    let mut x = (i as u64) << 40 ^ (j as u64) << 16 ^ seed as u64;
    for _ in 0..3 {
        x = x.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        x ^= x >> 29;
    }
    (x >> 11) as f64 / (1u64 << 53) as f64
}

/// Nonnegative, of rank `rank` but for `noise`.
fn parts(n: usize, m: usize, rank: usize, noise: f64, seed: usize) -> Array2<f64> {
    let sparse = |s| move |(i, j)| hash(i, j, s).powi(4);
    let (h, w) = (Array2::from_shape_fn((n, rank), sparse(seed)), Array2::from_shape_fn((m, rank), sparse(seed + 1)));
    h.dot(&w.t()) + Array2::from_shape_fn((n, m), |(i, j)| noise * hash(i, j, seed + 2))
}

/// The relative error of the best approximation of rank k.
fn best(x: &Array2<f64>, k: usize) -> f64 {
    let mat = Mat::from_fn(x.nrows(), x.ncols(), |i, j| x[[i, j]]);
    let sigma: Vec<f64> = mat.thin_svd().unwrap().S().column_vector().iter().map(|s| s * s).collect();
    (sigma.iter().skip(k).sum::<f64>() / sigma.iter().sum::<f64>()).sqrt()
}

fn fit<E: Element>(model: &str, x: &Array2<f64>, layers: &[usize], change: impl FnOnce(&mut Config)) -> Fit<E>
where
    Cpu<E>: Backend<Elem = E>,
{
    let mut config = Config::new(ModelSpec::by_name(model).unwrap(), layers);
    change(&mut config);
    train::fit(&mut Cpu::<E>::new(), x.mapv(E::of).view(), &config, None, &mut deepnmf::train::silent).unwrap()
}

fn dead<E: Element>(fit: &Fit<E>) -> usize {
    let zero = |m: &Array2<E>| m.axis_iter(Axis(1)).filter(|c| c.iter().all(|v| v.f64() == 0.0)).count();
    zero(&fit.factors.h) + fit.factors.w.iter().map(zero).sum::<usize>()
}

#[test]
fn semi_nmf_of_nonnegative_data_is_as_good_as_the_svd() {
    let full = parts(90, 40, 9, 0.02, 1);
    let mut holes = full.clone();
    [0, 17, 89].iter().for_each(|s| holes.row_mut(*s).fill(0.0));
    holes.column_mut(3).fill(0.0);
    let mut apart = Array2::zeros((60, 40));
    apart.slice_mut(ndarray::s![..35, ..22]).assign(&parts(35, 22, 5, 0.01, 4));
    apart.slice_mut(ndarray::s![35.., 22..]).assign(&parts(25, 18, 5, 0.01, 7));
    for (name, x) in [
        ("noisy", full.clone()),
        ("with samples and features of zeros", holes),
        ("in two blocks", apart),
        ("of rank 4", parts(70, 50, 4, 0.0, 10)),
        ("of rank 1", parts(50, 30, 1, 0.0, 13)),
        ("nearly nonnegative", &full - 1e-3),
        ("more features than samples", parts(30, 120, 6, 0.05, 16)),
        ("with one bright sample", {
            let mut x = full.clone();
            x.row_mut(5).mapv_inplace(|v| 1e3 * v);
            x
        }),
    ] {
        // Beside a sample that outweighs all others some of them are not on its side of a plane.
        let within = if name.contains("bright") { 1.02 } else { 1.0001 };
        for k in [1, 2, 3, 8, 20] {
            let best = best(&x, k);
            let exact = fit::<f64>("semi-nmf", &x, &[k], |_| {});
            assert!(exact.relative_error <= best * within + 1e-7, "{name}, {k}: {} of {best}", exact.relative_error);
            assert_eq!(dead(&exact), 0, "{name}, {k}");
            let single = fit::<f32>("semi-nmf", &x, &[k], |_| {});
            assert!(
                single.relative_error <= best * within * 1.001 + 2e-6,
                "{name}, {k}: {} of {best}",
                single.relative_error
            );
            assert_eq!(dead(&single), 0, "{name}, {k}, f32");
        }
        let deep = fit::<f64>("deep-semi-nmf", &x, &[12, 5], |_| {});
        let best = best(&x, 5);
        assert!(deep.relative_error <= best * 1.05 + 1e-6, "{name}, deep: {} of {best}", deep.relative_error);
        assert_eq!(dead(&deep), 0, "{name}, deep");
    }
}

#[test]
fn semi_nmf_of_data_of_both_signs_has_no_dead_component() {
    for (seed, shift) in [(20, 0.5), (23, 0.3), (26, 0.9)] {
        let x = Array2::from_shape_fn((60, 25), |(i, j)| hash(i, j, seed)) - shift;
        for k in [1, 2, 5] {
            let fit = fit::<f64>("semi-nmf", &x, &[k], |_| {});
            assert_eq!(dead(&fit), 0, "{seed}, {k}");
            // As good as k − 1 singular vectors; with one, the better half of one.
            let bound = if k == 1 { 1.0 - 1e-3 } else { best(&x, k - 1) };
            assert!(fit.relative_error <= bound * (1.0 + 1e-9), "{seed}, {k}: {} of {bound}", fit.relative_error);
        }
    }
}

/// Samples that differ little from each other: the Gram of their coefficients has a condition that f32 does not bear.
fn alike(seed: usize) -> Array2<f64> {
    parts(120, 60, 30, 0.3, seed) * 0.02 + &(parts(1, 60, 1, 0.0, seed + 50) + 1.0)
}

#[track_caller]
fn follows(what: &str, exact: &[f64], single: &[f64], objective: f64) {
    let bound = 2e-3 * exact[0];
    assert_eq!(exact.len(), single.len(), "{what}");
    for (i, (e, s)) in exact.iter().zip(single).enumerate() {
        assert!((e - s).abs() <= bound.min(0.02 * e), "{what}[{i}]: {s} in f32, {e} in f64");
    }
    let rise = single.windows(2).map(|p| (p[1] - p[0]) / p[0]).fold(0.0, f64::max);
    assert!(rise <= 1e-4, "{what}: rises by {rise}");
    let least = single.iter().copied().fold(f64::INFINITY, f64::min);
    assert!((objective - least).abs() <= 1e-5 * least, "{what}: {objective} is returned, {least} was reached");
}

#[test]
fn f32_follows_f64() {
    for seed in [30, 33, 36] {
        for (x, k) in [(alike(seed), 20), (alike(seed) - 1.3, 20), (parts(100, 50, 8, 0.05, seed) - 0.1, 12)] {
            let set = |c: &mut Config| (c.sweeps, c.pretrain, c.tol) = (60, 40, 0.0);
            let (exact, single) = (fit::<f64>("semi-nmf", &x, &[k], set), fit::<f32>("semi-nmf", &x, &[k], set));
            let (e, s) = (&exact.history.pretrain[0], &single.history.pretrain[0]);
            follows(&format!("Semi-NMF, {seed}, {k}"), e, s, single.objective);
            let layers = [k, 6];
            let exact = fit::<f64>("deep-semi-nmf", &x, &layers, set);
            let single = fit::<f32>("deep-semi-nmf", &x, &layers, set);
            let (e, s) = (&exact.history.finetune, &single.history.finetune);
            follows(&format!("Deep Semi-NMF, {seed}, {k}"), e, s, single.objective);
        }
    }
}

/// Their course in f32 is one of its own; but it falls, and what it says is so.
#[test]
fn nonlinear_models_fall_in_f32_too() {
    for seed in [40, 43, 46] {
        for &(name, activation) in ACTIVATIONS {
            for model in ["deep-semi-nmf", "sdnmf-l"] {
                let x = parts(80, 40, 8, 0.05, seed);
                let fit = fit::<f32>(model, &x, &[12, 5], |c| {
                    (c.activation, c.sweeps, c.pretrain, c.tol) = (Some(activation), 60, 30, 0.0);
                });
                let history = &fit.history.finetune;
                let least = history.iter().copied().fold(f64::INFINITY, f64::min);
                let what = format!("{model}, {name}, {seed}");
                assert!((fit.objective - least).abs() <= 1e-5 * least, "{what}: {} and {least}", fit.objective);
                let rise = history.windows(2).map(|p| (p[1] - p[0]) / p[0]).fold(0.0, f64::max);
                assert!(rise <= 1e-3, "{what}: rises by {rise}");
            }
        }
    }
}

/// What is projected with a ridge meets the conditions of its minimum: `H ≥ 0`, `∇ ≥ 0`, `H ∇ = 0` with
/// `∇ = H (G + C tr(G)/k I) − XΨ`.
#[test]
fn a_ridge_is_what_it_says() {
    let mut engine = Engine::open(&DeviceRequest::Cpu).unwrap();
    for (seed, c, k) in [(50, 0.01, 6), (53, 0.3, 9), (56, 2.0, 4)] {
        let psi = Array2::from_shape_fn((30, k), |(i, j)| hash(i, j, seed) - 0.4);
        let x = parts(25, 30, 5, 0.1, seed);
        let how = Projection { ridge: c, signed: true, ..Projection::default() };
        let (x32, psi32) = (x.mapv(|v| v as f32), psi.mapv(|v| v as f32));
        let h = engine.project(x32.view(), psi32.view(), &how, &mut deepnmf::train::silent).unwrap().h.mapv(f64::from);
        let mut gram = psi.t().dot(&psi);
        let ridge = c * gram.diag().sum() / k as f64;
        gram.diag_mut().mapv_inplace(|d| d + ridge);
        let gradient = h.dot(&gram) - x.dot(&psi);
        for (h, g) in h.iter().zip(&gradient) {
            assert!(*h >= 0.0 && *g >= -1e-3 && (h * g).abs() <= 1e-3, "{seed}: {h} with {g}");
        }
        let exact = engine
            .project(x32.view(), psi32.view(), &Projection { ridge: 0.0, ..how }, &mut deepnmf::train::silent)
            .unwrap();
        let squares = |h: &Array2<f64>| h.iter().map(|v| v * v).sum::<f64>();
        assert!(squares(&h) < squares(&exact.h.mapv(f64::from)), "{seed}");
    }
}
