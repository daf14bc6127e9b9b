//! What a device must be able to do for Nesterov's method.

use super::Device;

/// The curvature of a block in the metric of its steps, kept on the device.
#[derive(Debug)]
pub struct Curvature<M> {
    /// `L d_j` (1 × k): the metric with its Lipschitz constant.
    pub scale: M,
    /// The power iteration's vector (1 × k), kept from call to call; any positive start will do.
    pub vector: M,
}

/// How far the next point goes beyond the last.
pub enum Momentum<'a, B: Device + ?Sized> {
    /// `y = x + β (x − x_before)`.
    Fixed(f64),
    /// β from a state `[α, β]` (1 × 2) on the device, which starts anew when the momentum points uphill.
    Restart {
        /// The state.
        state: &'a mut B::Matrix,
        /// Where the test `⟨y − x, x − x_before⟩` is summed up.
        scalars: &'a mut B::Scalars,
        /// In which slot.
        slot: usize,
    },
}

/// One projected step of Nesterov's method; see [`Backend::nesterov_step`](super::Backend::nesterov_step).
pub struct NesterovStep<'a, B: Device + ?Sized> {
    /// `A Y G` at the current point y; scratch afterwards.
    pub gradient: &'a mut B::Matrix,
    /// The linear term of the block.
    pub rhs: &'a B::Matrix,
    /// `mu`, and scratch for the column sums of the point (1 × k).
    pub column_sums: Option<(f64, &'a mut B::Matrix)>,
    /// `L d_j` of the Gram on the right (1 × k).
    pub right: &'a B::Matrix,
    /// `L d_i` of the Gram on the left (1 × rows).
    pub left: Option<&'a B::Matrix>,
    /// Added to every denominator: the curvature of what `right` and `left` leave out.
    pub extra: f64,
    /// Momentum.
    pub momentum: Momentum<'a, B>,
    /// Whether this is the block's first step: then y is x, whatever `y` holds.
    pub first: bool,
    /// The iterate; replaced by the new one.
    pub x: &'a mut B::Matrix,
    /// The point the gradient was taken at; replaced by the next one.
    pub y: &'a mut B::Matrix,
}

/// A block; see [`Backend::nesterov_block`](super::Backend::nesterov_block).
#[derive(Debug)]
pub struct NesterovBlock<'a, M> {
    /// A (rows × rows) with its `L d_i` (1 × rows); None where it is I.
    pub left: Option<(&'a M, &'a M)>,
    /// G (k × k).
    pub gram: &'a M,
    /// B (rows × k).
    pub rhs: &'a M,
    /// The penalty on the column sums.
    pub mu: f64,
    /// `L d_j` of G (1 × k).
    pub right: &'a M,
    /// Added to every denominator.
    pub extra: f64,
    /// How many steps.
    pub steps: usize,
}

/// `(α', β)` of the next step: `α' = (1 + √(4α² + 1))/2`, `β = (α − 1)/α'`.
pub(crate) fn momentum(alpha: f64) -> (f64, f64) {
    let next = (1.0 + (4.0 * alpha * alpha + 1.0).sqrt()) / 2.0;
    (next, (alpha - 1.0) / next)
}
