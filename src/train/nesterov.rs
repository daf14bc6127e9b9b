//! Nesterov's method for a block.

use super::Metric;
use crate::Result;
use crate::backend::{Backend, Curvature, MatMul, Momentum, NesterovRows, NesterovStep, momentum};
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

/// What the steps need one by one, where the backend does not take all of them at once.
pub(super) struct Separate<B: Backend> {
    y: B::Matrix,
    gradient: B::Matrix,
    half: Option<B::Matrix>,
    sums: B::Matrix,
    momentum: B::Matrix,
    test: B::Scalars,
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
        if !left && mu == 0.0 && !self.steps.restart && b.fuses_rows(k) {
            return Ok(None);
        }
        Ok(Some(Separate {
            y: b.zeros(rows, k)?,
            gradient: b.zeros(rows, k)?,
            half: if left { Some(b.zeros(rows, k)?) } else { None },
            sums: b.zeros(1, k)?,
            momentum: b.zeros(1, 2)?,
            test: b.scalars(1)?,
        }))
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
        let Some(work) = separate else {
            let (gram, rhs, right, extra, steps) = (block.gram, block.rhs, &right.scale, block.extra, steps.inner);
            return b.nesterov_rows(NesterovRows { gram, rhs, right, extra, steps }, x);
        };
        let mut alpha = 1.0_f64;
        for k in 0..steps.inner {
            let (next, beta) = momentum(alpha);
            alpha = next;
            let at = if k == 0 { &*x } else { &work.y };
            match (block.left, &mut work.half) {
                (Some(a), Some(half)) => {
                    b.matmul(MatMul::NN, at, block.gram, half)?;
                    b.matmul(MatMul::NN, a, half, &mut work.gradient)?;
                }
                _ => b.matmul(MatMul::NN, at, block.gram, &mut work.gradient)?,
            }
            b.nesterov_step(NesterovStep {
                gradient: &mut work.gradient,
                rhs: block.rhs,
                column_sums: (block.mu > 0.0).then_some((block.mu, &mut work.sums)),
                right: &right.scale,
                left: left.as_ref().map(|curvature| &curvature.scale),
                extra: block.extra,
                momentum: if steps.restart {
                    Momentum::Restart { state: &mut work.momentum, scalars: &mut work.test, slot: 0 }
                } else {
                    Momentum::Fixed(beta)
                },
                first: k == 0,
                x,
                y: &mut work.y,
            })?;
        }
        Ok(())
    }
}
