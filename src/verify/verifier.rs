//! What a check is, and how one is made.

use crate::Result;
use crate::backend::{Backend, Cpu};
use ndarray::{ArcArray2, Array2, ArrayRef2, ArrayView2};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// One line of a verification.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Check {
    /// What was computed, with its sizes.
    pub name: String,
    /// The error at the place where it is largest relative to its bound.
    pub error: f64,
    /// The bound at that place.
    pub bound: f64,
    /// Whether every error was within its bound.
    pub passed: bool,
}

pub(super) struct Verifier<'a, B> {
    pub(super) b: &'a mut B,
    pub(super) oracle: Cpu<f64>,
    pub(super) rng: ChaCha8Rng,
    pub(super) checks: Vec<Check>,
    report: &'a mut dyn FnMut(&Check),
}

/// What a matrix of test data holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Data {
    /// Uniform in [0, 1), a quarter of them 0.
    Nonnegative,
    /// Uniform in [−1, 1).
    Signed,
    /// Whole numbers from −3 to 3.
    Whole,
}

impl<'a, B: Backend<Elem = f32>> Verifier<'a, B> {
    pub(super) fn new(b: &'a mut B, report: &'a mut dyn FnMut(&Check)) -> Self {
        Self { b, oracle: Cpu::new(), rng: ChaCha8Rng::seed_from_u64(20_170_908), checks: Vec::new(), report }
    }

    pub(super) fn data(&mut self, rows: usize, cols: usize, data: Data) -> Array2<f32> {
        let rng = &mut self.rng;
        Array2::from_shape_simple_fn((rows, cols), || match data {
            Data::Nonnegative => (rng.random::<f32>() * 4.0 / 3.0 - 1.0 / 3.0).max(0.0),
            Data::Signed => rng.random::<f32>() * 2.0 - 1.0,
            Data::Whole => (rng.random::<f32>() * 7.0).floor() - 3.0,
        })
    }

    /// The Gram of random nonnegative rows, `k × k`.
    pub(super) fn gram(&mut self, k: usize) -> Array2<f32> {
        let f = self.data(k + 9, k, Data::Nonnegative);
        f.t().dot(&f)
    }

    /// Compares entry by entry; a NaN is never within a bound.
    pub(super) fn compare(
        &mut self,
        name: impl Into<String>,
        found: ArrayView2<'_, f64>,
        expected: ArrayView2<'_, f64>,
        bound: ArrayView2<'_, f64>,
    ) {
        let mut check = Check { name: name.into(), error: 0.0, bound: 0.0, passed: found.dim() == expected.dim() };
        let mut worst = -1.0;
        if check.passed {
            for ((f, e), b) in found.iter().zip(&expected).zip(&bound) {
                let error = (f - e).abs();
                let within = error <= *b;
                check.passed &= within;
                let ratio = if error == 0.0 {
                    0.0
                } else if error.is_nan() {
                    f64::INFINITY
                } else {
                    error / b
                };
                if ratio > worst || (!within && check.passed) {
                    (worst, check.error, check.bound) = (ratio, error, *b);
                }
            }
        }
        (self.report)(&check);
        self.checks.push(check);
    }

    /// [`Verifier::compare`] for what the device holds.
    pub(super) fn compare_matrix(
        &mut self,
        name: impl Into<String>,
        found: &B::Matrix,
        expected: &ArrayRef2<f64>,
        bound: &ArrayRef2<f64>,
    ) -> Result<()> {
        let found = wide(&self.b.download(found)?);
        self.compare(name, found.view(), expected.view(), bound.view());
        Ok(())
    }

    /// [`Verifier::compare`] for one number.
    pub(super) fn compare_number(&mut self, name: impl Into<String>, found: f64, expected: f64, bound: f64) {
        let [found, expected, bound] = [found, expected, bound].map(|v| Array2::from_elem((1, 1), v));
        self.compare(name, found.view(), expected.view(), bound.view());
    }
}

/// Exactly, in f64, as the oracle takes it.
pub(super) fn wide(m: &ArrayRef2<f32>) -> ArcArray2<f64> {
    m.mapv(f64::from).into_shared()
}
