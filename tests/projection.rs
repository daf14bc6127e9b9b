//! New samples: their coefficients are the least squares, whatever the components, and do not depend on the samples beside them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::gpu;
use deepnmf::backend::gpu::GpuOptions;
use deepnmf::backend::{Backend, Cpu, Element};
use deepnmf::model::{Activate, Factors, HPenalty};
use deepnmf::train::{self, Projection, silent};
use deepnmf::{DeviceRequest, Engine};
use ndarray::{Array2, Axis, s};

fn hash(i: usize, j: usize, seed: usize) -> f32 {
    let bits = (i * 7919 + j * 104_729 + seed * 1_299_709 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((bits >> 40) as f32) / (1 << 24) as f32
}

/// Components that have ever more in common.
fn psi(apart: f32) -> Array2<f32> {
    Array2::from_shape_fn((40, 12), |(i, j)| hash(i, 0, 1) + apart * hash(i, j, 2))
}

fn samples(n: usize) -> Array2<f32> {
    Array2::from_shape_fn((n, 40), |(i, j)| hash(i, j, 7) * hash(i, 1, 8))
}

#[test]
fn coefficients_of_a_sample_do_not_depend_on_those_beside_it() {
    let mut engine = Engine::open(&DeviceRequest::Cpu).unwrap();
    let x = samples(700);
    for apart in [1.0, 1e-2, 1e-4] {
        let psi = psi(apart);
        for (h_penalty, lambda, l1) in
            [(HPenalty::SquaredL1, 0.0, 0.0), (HPenalty::SquaredL1, 0.01, 0.0), (HPenalty::Ridge, 0.01, 0.1)]
        {
            let how = Projection { h_penalty, lambda, l1, ..Projection::default() };
            let mut of = |x: Array2<f32>| engine.project(x.view(), psi.view(), &how, &mut train::silent).unwrap();
            let (all, few) = (of(x.clone()), of(x.slice(s![..5, ..]).to_owned()));
            let what = format!("{apart}, {h_penalty:?}, {lambda}");
            assert_eq!(all.h.slice(s![..5, ..]), few.h, "{what}");
            for i in [0, 3, 99, 699] {
                let alone = of(x.row(i).to_owned().insert_axis(Axis(0)));
                assert_eq!(all.h.row(i), alone.h.row(0), "sample {i}, {what}");
                assert!(alone.steps <= all.steps);
            }
        }
    }
}

/// Components that are hard to tell apart, and some that are no others at all.
fn hard() -> Vec<(&'static str, Array2<f64>)> {
    let value = |i, j, seed| f64::from(hash(i, j, seed));
    let near = |apart: f64, k| Array2::from_shape_fn((30, k), |(i, j)| value(i, 0, 1) + apart * value(i, j, 2));
    let scaled = Array2::from_shape_fn((30, 9), |(i, j)| 10.0_f64.powi(j as i32 - 4) * near(0.05, 9)[[i, j]]);
    let twice = Array2::from_shape_fn((30, 12), |(i, j)| if j == 5 { 0.0 } else { near(0.1, 6)[[i, j / 2]] });
    vec![
        ("plain", near(1.0, 8)),
        ("condition 100", near(0.1, 8)),
        ("condition 1e4", near(1e-3, 8)),
        ("condition 1e6", near(1e-5, 8)),
        ("other lengths", scaled),
        ("two of each, and one that is zero", twice),
        ("more than features", near(0.5, 40)),
        ("many", near(0.3, 25)),
    ]
}

/// How far the objective of coefficients may be above the least one, as a share of ½‖x‖²: it is convex, so by no more than
/// `∇ᵀ(h − h*)`, and with nothing negative no h*_j is larger than ‖x‖/‖ψ_j‖.
fn above_least<E: Element>(x: &Array2<E>, psi: &Array2<E>, h: &Array2<E>) -> f64 {
    let (x, psi, h) = (x.mapv(E::f64), psi.mapv(E::f64), h.mapv(E::f64));
    let gradient = (h.dot(&psi.t()) - &x).dot(&psi);
    let mut most = 0.0_f64;
    for ((x, h), gradient) in x.rows().into_iter().zip(h.rows()).zip(gradient.rows()) {
        let length = x.dot(&x).sqrt();
        let mut above = 0.0;
        for ((h, g), psi) in h.iter().zip(gradient).zip(psi.columns()) {
            assert!(*h >= 0.0 && h.is_finite());
            let of = psi.dot(&psi).sqrt();
            above += g * h + if of > 0.0 { (-g).max(0.0) * length / of } else { 0.0 };
        }
        most = most.max(2.0 * above / (length * length).max(f64::MIN_POSITIVE));
    }
    most
}

fn on<B: Backend>(b: &mut B, x: &Array2<B::Elem>, psi: &Array2<B::Elem>) -> Array2<B::Elem> {
    let h = Array2::zeros((1, psi.ncols()));
    let factors = Factors { w: vec![psi.clone()], h, hidden: Vec::new(), activation: None, activate: Activate::Hidden };
    train::transform(b, x.view(), &factors, 1, &[Projection::default()], &mut silent).unwrap().h
}

#[test]
fn they_are_the_least_squares_whatever_the_components() {
    let x = Array2::from_shape_fn((60, 30), |(i, j)| f64::from(hash(i, j, 7) * hash(i, 1, 8)) * f64::from(i % 7 != 6));
    for (what, psi) in hard() {
        let above = above_least(&x, &psi, &on(&mut Cpu::<f64>::new(), &x, &psi));
        assert!(above <= 1e-11, "{what}: {above}");
        let (x, psi) = (x.mapv(|v| v as f32), psi.mapv(|v| v as f32));
        let above = above_least(&x, &psi, &on(&mut Cpu::<f32>::new(), &x, &psi));
        assert!(above <= 1e-6, "{what}, f32: {above}");
        for backend in ["vulkan", "gl"] {
            let Some(mut b) = gpu(backend, GpuOptions::default()) else { continue };
            let above = above_least(&x, &psi, &on(&mut b, &x, &psi));
            assert!(above <= 2e-5, "{what}, {backend}: {above}");
        }
    }
}

/// With l1 a component that is longer than another is cheaper, although it is no other: it takes its place.
#[test]
fn with_l1_the_cheapest_of_dependent_components_are_taken() {
    let mut cpu = Cpu::<f64>::new();
    let psi = Array2::from_shape_fn((20, 18), |(i, j)| f64::from(hash(i, j % 6, 3)) * [1.0, 2.0, 0.5][j / 6]);
    let mixed = psi.slice(s![.., ..6]).dot(&Array2::from_shape_fn((6, 9), |(i, j)| f64::from(hash(i, j, 4))));
    let x = Array2::from_shape_fn((200, 20), |(i, j)| f64::from(hash(i, j, 5)));
    let ready = |psi: Array2<f64>| {
        let h = Array2::zeros((1, psi.ncols()));
        Factors { w: vec![psi], h, hidden: Vec::new(), activation: None, activate: Activate::Hidden }
    };
    for psi in [psi, mixed] {
        for l1 in [1e-3, 0.1, 1.0, 100.0] {
            let how = Projection { l1, ..Projection::default() };
            let h = train::transform(&mut cpu, x.view(), &ready(psi.clone()), 1, &[how], &mut silent).unwrap().h;
            let gradient = (h.dot(&psi.t()) - &x).dot(&psi) + l1;
            for (h, g) in h.iter().zip(&gradient) {
                assert!(*h >= 0.0 && *g >= -1e-7 && (h * g).abs() <= 1e-7, "{l1}: {h} with {g}");
            }
        }
    }
}
