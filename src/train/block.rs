//! One block: a convex nonnegative least-squares problem in one factor, the others fixed.
//!
//! Rows of F (the samples' H, or W) with a Gram on the right, and for W_l, l > 1, one on the left:
//!
//! ```text
//! min_{F ≥ 0} ½⟨F, A F G⟩ − ⟨B, F⟩ + ½ mu Σ_j (Σ_i F_ij)²          gradient  A F G − B + mu 1 sᵀ
//! ```
//!
//! Guo & Zhang 2017, Subalgorithms 1 (H) and 2 (W), which are NeNMF's (Guan et al. 2012). With L as in their
//! (14) and (21): (25) lacks a norm and (20) a factor of ½.

use super::{Config, Metric};
use crate::Result;
use crate::backend::{Backend, ColumnSums, Curvature, MatMul, Momentum, NesterovStep, Part};
use crate::model::HPenalty;
use ndarray::Array2;

/// How the steps of a block are made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Steps {
    pub(crate) inner: usize,
    pub(crate) metric: Metric,
    pub(crate) restart: bool,
    pub(crate) power_iterations: usize,
}

impl From<&Config> for Steps {
    fn from(c: &Config) -> Self {
        Self { inner: c.inner, metric: c.metric, restart: c.restart, power_iterations: c.power_iterations }
    }
}

/// A fresh [`Curvature`] for a k × k Gram.
pub(crate) fn curvature<B: Backend>(b: &mut B, k: usize) -> Result<Curvature<B::Matrix>> {
    let vector = b.upload(Array2::ones((1, k)).view())?;
    Ok(Curvature { scale: b.zeros(1, k)?, vector })
}

/// The fixed quantities of a block.
pub(crate) struct Block<'a, B: Backend> {
    /// A and its curvature.
    pub(crate) left: Option<(&'a B::Matrix, &'a Curvature<B::Matrix>)>,
    /// G.
    pub(crate) gram: &'a B::Matrix,
    /// The curvature of G.
    pub(crate) right: &'a Curvature<B::Matrix>,
    /// B.
    pub(crate) rhs: &'a B::Matrix,
    /// The penalty on the column sums.
    pub(crate) mu: f64,
    /// Curvature beyond that of A and G.
    pub(crate) extra: f64,
}

/// What the solver of a block needs besides; allocated once.
pub(crate) struct BlockWork<B: Backend> {
    y: B::Matrix,
    gradient: B::Matrix,
    half: Option<B::Matrix>,
    sums: B::Matrix,
    momentum: B::Matrix,
    test: B::Scalars,
}

impl<B: Backend> BlockWork<B> {
    /// For an unknown of `rows × k`; `left` where the block has a Gram on the left.
    pub(crate) fn new(b: &mut B, rows: usize, k: usize, left: bool) -> Result<Self> {
        Ok(Self {
            y: b.zeros(rows, k)?,
            gradient: b.zeros(rows, k)?,
            half: if left { Some(b.zeros(rows, k)?) } else { None },
            sums: b.zeros(1, k)?,
            momentum: b.zeros(1, 2)?,
            test: b.scalars(1)?,
        })
    }
}

/// Nesterov's method with projection, from and into `x`:
/// `x_k = max(0, y_k − ∇(y_k)/L)`, `α_{k+1} = (1 + √(4α_k² + 1))/2`, `y_{k+1} = x_k + (α_k − 1)/α_{k+1} (x_k − x_{k−1})`.
pub(crate) fn solve<B: Backend>(
    b: &mut B,
    block: &Block<'_, B>,
    x: &mut B::Matrix,
    work: &mut BlockWork<B>,
    steps: Steps,
) -> Result<()> {
    let mut alpha = 1.0_f64;
    for k in 0..steps.inner {
        let next = (1.0 + (4.0 * alpha * alpha + 1.0).sqrt()) / 2.0;
        let beta = (alpha - 1.0) / next;
        alpha = next;
        let at = if k == 0 { &*x } else { &work.y };
        match (block.left, &mut work.half) {
            (Some((a, _)), Some(half)) => {
                b.matmul(MatMul::NN, at, block.gram, half)?;
                b.matmul(MatMul::NN, a, half, &mut work.gradient)?;
            }
            _ => b.matmul(MatMul::NN, at, block.gram, &mut work.gradient)?,
        }
        if block.mu > 0.0 {
            b.column_sums(at, ColumnSums::Sum, &mut work.sums)?;
        }
        b.nesterov_step(NesterovStep {
            gradient: &mut work.gradient,
            rhs: block.rhs,
            column_sums: (block.mu > 0.0).then_some((block.mu, &work.sums)),
            right: &block.right.scale,
            left: block.left.map(|(_, curvature)| &curvature.scale),
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

/// The H block: `G = ΨᵀΨ` (plus penalty), `B = XΨ`; every sample for itself.
pub(crate) struct HBlock<B: Backend> {
    /// `ΨᵀΨ`, without the penalty.
    pub(crate) gram: B::Matrix,
    /// `XΨ`.
    pub(crate) rhs: B::Matrix,
    kind: HPenalty,
    lambda: f64,
    penalised: Option<B::Matrix>,
    /// `|G|`, where G may have negative entries.
    absolute: Option<B::Matrix>,
    curvature: Curvature<B::Matrix>,
    work: BlockWork<B>,
}

impl<B: Backend> HBlock<B> {
    /// For a Ψ with negative entries. The bound on the norm of G needs a nonnegative matrix: that of |G| is no smaller.
    pub(crate) fn allow_signs(&mut self, b: &mut B) -> Result<()> {
        let (k, _) = b.shape(&self.gram);
        self.absolute = Some(b.zeros(k, k)?);
        Ok(())
    }

    pub(crate) fn new(b: &mut B, n: usize, k: usize, kind: HPenalty, lambda: f64) -> Result<Self> {
        Ok(Self {
            gram: b.zeros(k, k)?,
            rhs: b.zeros(n, k)?,
            kind,
            lambda,
            penalised: if lambda > 0.0 { Some(b.zeros(k, k)?) } else { None },
            absolute: None,
            curvature: curvature(b, k)?,
            work: BlockWork::new(b, n, k, false)?,
        })
    }

    /// `G = ΨᵀΨ`.
    pub(crate) fn set_gram(&mut self, b: &mut B, psi: &B::Matrix) -> Result<()> {
        b.matmul(MatMul::TN, psi, psi, &mut self.gram)
    }

    /// `B = XΨ`.
    pub(crate) fn set_rhs(&mut self, b: &mut B, x: &B::Matrix, psi: &B::Matrix) -> Result<()> {
        b.matmul(MatMul::NN, x, psi, &mut self.rhs)
    }

    /// Steps on `h` with the Gram and the right side as they are set.
    pub(crate) fn solve(&mut self, b: &mut B, h: &mut B::Matrix, steps: Steps) -> Result<()> {
        let mut extra = 0.0;
        if steps.metric == Metric::Plain {
            // The paper's constant: ‖ΨᵀΨ‖ + lambda·k, respectively + lambda.
            let of_norm = magnitudes(b, &self.gram, &mut self.absolute)?;
            b.spectral_bound(of_norm, Metric::Plain, steps.power_iterations, &mut self.curvature)?;
            let k = b.shape(&self.gram).0 as f64;
            extra = self.lambda * if self.kind == HPenalty::SquaredL1 { k } else { 1.0 };
        }
        if let Some(penalised) = &mut self.penalised {
            b.add_penalty(&self.gram, self.kind, self.lambda, penalised)?;
        }
        let gram = self.penalised.as_ref().unwrap_or(&self.gram);
        if steps.metric == Metric::Diagonal {
            let of_norm = magnitudes(b, gram, &mut self.absolute)?;
            b.spectral_bound(of_norm, Metric::Diagonal, steps.power_iterations, &mut self.curvature)?;
        }
        let block = Block { left: None, gram, right: &self.curvature, rhs: &self.rhs, mu: 0.0, extra };
        solve(b, &block, h, &mut self.work, steps)
    }
}

/// `gram`, or its magnitudes where there is room for them.
fn magnitudes<'m, B: Backend>(
    b: &mut B,
    gram: &'m B::Matrix,
    absolute: &'m mut Option<B::Matrix>,
) -> Result<&'m B::Matrix> {
    let Some(absolute) = absolute else { return Ok(gram) };
    b.part(gram, Part::Absolute, absolute)?;
    Ok(absolute)
}

/// The W block of layer l: `S = H̃ᵀH̃` on the right, `A = Ψ_{l−1}ᵀΨ_{l−1}` on the left for l > 1.
pub(crate) struct WBlock<B: Backend> {
    /// S.
    pub(crate) gram: B::Matrix,
    /// `Ψ_{l−1}ᵀ XᵀH̃`.
    pub(crate) rhs: B::Matrix,
    rows: usize,
    mu: f64,
    curvature: Curvature<B::Matrix>,
    left: Option<(B::Matrix, Curvature<B::Matrix>)>,
    work: BlockWork<B>,
}

impl<B: Backend> WBlock<B> {
    pub(crate) fn new(b: &mut B, rows: usize, k: usize, mu: f64, left: bool) -> Result<Self> {
        Ok(Self {
            gram: b.zeros(k, k)?,
            rhs: b.zeros(rows, k)?,
            rows,
            mu,
            curvature: curvature(b, k)?,
            left: if left { Some((b.zeros(rows, rows)?, curvature(b, rows)?)) } else { None },
            work: BlockWork::new(b, rows, k, left)?,
        })
    }

    /// `A = ΨᵀΨ` of the layers below.
    pub(crate) fn set_left(&mut self, b: &mut B, psi: &B::Matrix) -> Result<()> {
        match &mut self.left {
            Some((a, _)) => b.matmul(MatMul::TN, psi, psi, a),
            None => Ok(()),
        }
    }

    /// Steps on `w` with the Grams and the right side as they are set.
    pub(crate) fn solve(&mut self, b: &mut B, w: &mut B::Matrix, steps: Steps) -> Result<()> {
        b.spectral_bound(&self.gram, steps.metric, steps.power_iterations, &mut self.curvature)?;
        if let Some((a, curvature)) = &mut self.left {
            b.spectral_bound(a, steps.metric, steps.power_iterations, curvature)?;
        }
        let block = Block {
            left: self.left.as_ref().map(|(a, curvature)| (a, curvature)),
            gram: &self.gram,
            right: &self.curvature,
            rhs: &self.rhs,
            mu: self.mu,
            extra: self.mu * self.rows as f64,
        };
        solve(b, &block, w, &mut self.work, steps)
    }
}
