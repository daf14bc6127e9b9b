//! Nesterov's method for a block.

use super::Metric;
use crate::Result;
use crate::backend::{Backend, Curvature, NesterovBlock, Separate};
use ndarray::Array2;

/// How the steps of Nesterov's method are made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Steps {
    pub(crate) inner: usize,
    pub(crate) metric: Metric,
    pub(crate) restart: bool,
    pub(crate) power_iterations: usize,
}

/// A fresh [`Curvature`] for a k × k Gram.
pub(crate) fn curvature<B: Backend>(b: &mut B, k: usize) -> Result<Curvature<B::Matrix>> {
    let vector = b.upload(Array2::ones((1, k)).view())?;
    Ok(Curvature { scale: b.zeros(1, k)?, vector })
}

/// The fixed quantities of a block.
pub(super) struct Block<'a, B: Backend> {
    /// A.
    pub(super) left: Option<&'a B::Matrix>,
    /// G.
    pub(super) gram: &'a B::Matrix,
    /// B.
    pub(super) rhs: &'a B::Matrix,
    /// The penalty on the column sums.
    pub(super) mu: f64,
    /// Curvature beyond that of A and G.
    pub(super) extra: f64,
}

/// Nesterov's method for a block with these Grams.
pub(super) struct Nesterov<B: Backend> {
    pub(super) steps: Steps,
    /// Of the Gram on the right.
    pub(super) right: Curvature<B::Matrix>,
    /// Of the Gram on the left.
    pub(super) left: Option<Curvature<B::Matrix>>,
}

impl<B: Backend> Nesterov<B> {
    /// For k columns; with a Gram on the left, that of so many rows.
    pub(super) fn new(b: &mut B, k: usize, left: Option<usize>, steps: Steps) -> Result<Self> {
        let left = left.map(|rows| curvature(b, rows)).transpose()?;
        Ok(Self { steps, right: curvature(b, k)?, left })
    }

    /// What an unknown of `rows × k` needs, with the penalty `mu` on its column sums.
    pub(super) fn separate(&self, b: &mut B, (rows, k): (usize, usize), mu: f64) -> Result<Option<Separate<B>>> {
        let left = self.left.is_some();
        if !self.steps.restart && b.fuses_block((rows, k), left, mu) {
            return Ok(None);
        }
        Separate::new(b, (rows, k), left).map(Some)
    }

    /// From and into `x`:
    /// `x_k = max(0, y_k − ∇(y_k)/L)`, `α_{k+1} = (1 + √(4α_k² + 1))/2`, `y_{k+1} = x_k + (α_k − 1)/α_{k+1} (x_k − x_{k−1})`.
    pub(super) fn solve(
        &self,
        b: &mut B,
        block: &Block<'_, B>,
        x: &mut B::Matrix,
        separate: &mut Option<Separate<B>>,
    ) -> Result<()> {
        let Self { steps, right, left } = self;
        let Block { left: a, gram, rhs, mu, extra } = *block;
        let left = a.zip(left.as_ref().map(|curvature| &curvature.scale));
        let block = NesterovBlock { left, gram, rhs, mu, right: &right.scale, extra, steps: steps.inner };
        match separate {
            None => b.nesterov_block(block, x),
            Some(work) => work.solve(b, &block, steps.restart, x),
        }
    }
}
