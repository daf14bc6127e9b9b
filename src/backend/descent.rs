//! What a device must be able to do for coordinate descent, and for the extrapolation between its iterations.

use super::Device;

/// A block for coordinate descent; see [`Backend::descend`](super::Backend::descend).
#[derive(Debug)]
pub struct Descent<'a, M: ?Sized> {
    /// A (rows × rows) of W_l, l > 1; None where it is I.
    pub left: Option<&'a M>,
    /// G (k × k).
    pub gram: &'a M,
    /// B (rows × k).
    pub rhs: &'a M,
    /// The penalty on the column sums.
    pub mu: f64,
    /// How often every coordinate is visited.
    pub sweeps: usize,
}

impl<M: ?Sized> Clone for Descent<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

// Derived, it would ask for a `Copy` matrix.
impl<M: ?Sized> Copy for Descent<'_, M> {}

/// What a coordinate's curvature must be beyond for the coordinate to move: X is normalised, and below this nothing depends on
/// it but roundings, by which a quotient would overflow.
pub(crate) const LEAST_CURVATURE: f64 = 1e-30;

/// An objective that is a combination of sums: `f = constant + Σ_l weights_l · sums_(first + l)`.
pub struct Combination<'a, B: Device + ?Sized> {
    /// 1 × the number of sums.
    pub weights: &'a B::Matrix,
    /// The sums.
    pub sums: &'a B::Scalars,
    /// The slot of the first of them.
    pub first: usize,
    /// What no sum contributes.
    pub constant: f64,
}

/// The state of an extrapolation at its start, 1 × 5: β, β at the last success, β at most, f before, and whether
/// the last trial was accepted. Ang & Gillis 2019, Algorithm 3.
pub const EXTRAPOLATION: [f64; 5] = [0.5, 0.5, 1.0, 0.0, 1.0];
/// The place of the last of them.
pub(crate) const ACCEPTED: usize = 4;
/// γ: β grows by this after a success.
pub const GROWTH: f64 = 1.05;
/// γ̄: so does the most that β may be.
pub const GROWTH_OF_MOST: f64 = 1.01;
/// η: β is divided by this after an increase of the objective.
pub const SHRINKAGE: f64 = 1.5;
