//! How a loop ends, as soon as its rule is met.

use super::Backend;
use super::check::{same, slot};
use crate::Result;

/// When a loop ends before its last iteration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stopping {
    /// Where `|f_before − f| ≤ tol f`; never, where it is 0.
    pub tol: f64,
    /// Where `‖X − H Ψᵀ‖ ≤ target_error ‖X‖`.
    pub target_error: Option<f64>,
}

impl Stopping {
    /// Whether there is any such rule.
    pub(crate) fn is_any(self) -> bool {
        self.tol > 0.0 || self.target_error.is_some()
    }

    /// By two objectives in a row, and the half of the squared residual against that of X.
    pub(crate) fn met(self, before: f64, now: f64, half_residual: f64, half_of_x: f64) -> bool {
        (self.tol > 0.0 && (before - now).abs() <= self.tol * now)
            || self.target_error.is_some_and(|target| half_residual <= target * target * half_of_x)
    }
}

/// Slots of a verdict: how many iterations were made, 1 where the last of them ended the loop, and one that is the backend's.
pub const VERDICT: usize = 3;

/// The end of an iteration; see [`Backend::check_stop`].
pub struct StopCheck<'a, B: Backend + ?Sized> {
    /// `[−1, ½, …]`, 1 × the number of sums, two at least: the first two and the constant are half the squared residual.
    pub weights: &'a B::Matrix,
    /// The sums.
    pub sums: &'a mut B::Scalars,
    /// The slot of the first of them.
    pub first: usize,
    /// `½‖X‖²`.
    pub constant: f64,
    /// The objective before the loop, where this is its first iteration.
    pub start: Option<f64>,
    /// The rule.
    pub stop: Stopping,
    /// The slot, among the sums, of the first of [`VERDICT`] of its own.
    pub verdict: usize,
}

impl<B: Backend + ?Sized> StopCheck<'_, B> {
    pub(crate) fn check(&self, b: &B, len: usize) -> Result<()> {
        let (rows, terms) = b.shape(self.weights);
        same("weights of an objective", (1, terms.max(2)), (rows, terms))?;
        slot(len, self.first + terms - 1)?;
        slot(len, self.verdict + VERDICT - 1)
    }
}
