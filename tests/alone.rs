//! New samples: what comes of one does not depend on the samples beside it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use deepnmf::model::HPenalty;
use deepnmf::train::{self, Projection};
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
