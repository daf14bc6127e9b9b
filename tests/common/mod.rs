//! What several test files share.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(dead_code, reason = "every test file takes what it needs")]

pub(crate) mod fixture;
pub(crate) mod ranks;

use deepnmf::Result;
use deepnmf::backend::Rows;
use deepnmf::backend::gpu::{Gpu, GpuOptions};
use deepnmf::model::spec::Depth;
use deepnmf::model::{MODELS, Method, ModelSpec};
use deepnmf::train::{Source, Start};
use ndarray::{Array2, s};
use serde_json::Value;
use std::ops::Range;

/// One of the fixtures in tests/golden/fixtures.
pub(crate) fn golden(name: &str) -> Value {
    let path = format!("{}/tests/golden/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"))).unwrap()
}

pub(crate) fn numbers(v: &Value) -> Vec<f64> {
    v.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

pub(crate) fn matrix(v: &Value) -> Array2<f64> {
    let rows: Vec<Vec<f64>> = v.as_array().unwrap().iter().map(numbers).collect();
    Array2::from_shape_fn((rows.len(), rows[0].len()), |(i, j)| rows[i][j])
}

pub(crate) fn matrices(v: &Value) -> Vec<Array2<f64>> {
    v.as_array().unwrap().iter().map(matrix).collect()
}

/// Relative to the largest entry, to 1e-9: changing X by 1e-14 changes a fixture by less than 6e-13.
#[track_caller]
pub(crate) fn close(what: &str, expected: &[f64], found: &[f64]) {
    assert_eq!(expected.len(), found.len(), "{what}: length");
    let scale = expected.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    for (i, (e, f)) in expected.iter().zip(found).enumerate() {
        assert!((e - f).abs() <= 1e-9 * scale, "{what}[{i}]: expected {e}, found {f} (scale {scale})");
    }
}

#[track_caller]
pub(crate) fn close_matrix(what: &str, expected: &Array2<f64>, found: &Array2<f64>) {
    assert_eq!(expected.dim(), found.dim(), "{what}: shape");
    let list = |m: &Array2<f64>| m.iter().copied().collect::<Vec<_>>();
    close(what, &list(expected), &list(found));
}

/// The adapter of that wgpu backend. A missing one fails the test, unless `DEEPNMF_GPU` is `auto` or `off`.
pub(crate) fn gpu(backend: &str, options: GpuOptions) -> Option<Gpu> {
    let wish = std::env::var("DEEPNMF_GPU").unwrap_or_else(|_| "require".into());
    assert!(["require", "auto", "off"].contains(&wish.as_str()), "DEEPNMF_GPU: require, auto or off, found {wish}");
    if wish == "off" {
        return None;
    }
    let index = deepnmf::devices().into_iter().find(|d| d.backend == backend && d.problem.is_none()).map(|d| d.index);
    let Some(index) = index else {
        assert!(
            wish == "auto",
            "no usable {backend} adapter; tests/run.sh installs one, DEEPNMF_GPU=auto does without"
        );
        eprintln!("no {backend} adapter: not tested");
        return None;
    };
    Some(Gpu::open(index, options).unwrap())
}

/// The 2,000 garments that are built in, with unit rows.
pub(crate) fn garments() -> Array2<f32> {
    let mut x = deepnmf::data::embedded::fashion_mnist().unwrap().x;
    deepnmf::data::preprocess(&mut x, deepnmf::data::Scale::UnitL2);
    x
}

/// The rows of the table that are sparse deep models, of any depth.
pub(crate) fn sparse_models() -> Vec<ModelSpec> {
    let of_those = |m: &&ModelSpec| m.method == Method::Blocks && m.depth == Depth::Many;
    MODELS.iter().filter(of_those).copied().collect()
}

/// Data of 53 × 31, and a start for layers 7 and 3.
pub(crate) fn small() -> (Array2<f32>, Start<f32>) {
    let hash = |i: usize, j: usize, s: usize| ((i * 7919 + j * 104_729 + s * 1_299_709) % 1009) as f32 / 1009.0;
    let x = Array2::from_shape_fn((53, 31), |(i, j)| 0.2 + hash(i, j, 1));
    let start = [(31, 7, 2), (7, 3, 3)].map(|(m, k, s)| {
        (
            Array2::from_shape_fn((m, k), |(i, j)| hash(i, j, s)),
            Array2::from_shape_fn((53, k), |(i, j)| hash(j, i, s + 2)),
        )
    });
    (x, start.to_vec())
}

/// Counts the rows that are read.
pub(crate) struct Counting {
    pub(crate) x: Array2<f64>,
    pub(crate) rows: usize,
}

impl Source<f64> for Counting {
    fn shape(&self) -> (usize, usize) {
        self.x.dim()
    }

    fn rows(&mut self, rows: Range<usize>) -> Result<Rows<'_, f64>> {
        self.rows += rows.len();
        Ok(self.x.slice(s![rows, ..]).into())
    }
}

/// A number of [0, 1) for every pair.
pub(crate) fn scattered(i: usize, j: usize) -> f64 {
    ((i * 7919 + j * 104_729) % 1009) as f64 / 1009.0
}

/// `n × m`: parts, as many as said, in these shares, and noise.
pub(crate) fn parts(n: usize, m: usize, parts: usize, share: impl Fn(usize, usize) -> f64) -> Array2<f64> {
    let h = Array2::from_shape_fn((n, parts), |(i, j)| share(i, j));
    let w = Array2::from_shape_fn((m, parts), |(i, j)| scattered(j, i));
    h.dot(&w.t()) + Array2::from_shape_fn((n, m), |(i, j)| 0.05 * scattered(i + 3, j))
}

/// Nine parts and noise; what is in a sample changes slowly from the first one to the last.
pub(crate) fn drifting(n: usize, m: usize) -> Array2<f64> {
    parts(n, m, 9, |i, j| scattered(i, j) * (1.0 + (i as f64 / 100.0 + j as f64).sin()))
}
