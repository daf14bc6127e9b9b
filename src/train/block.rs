//! One block: a convex nonnegative least-squares problem in one factor, the others fixed.
//!
//! Rows of F (the samples' H, or W) with a Gram on the right, and for W_l, l > 1, one on the left:
//!
//! ```text
//! min_{F ≥ 0} ½⟨F, A F G⟩ − ⟨B, F⟩ + ½ mu Σ_j (Σ_i F_ij)²          gradient  A F G − B + mu 1 sᵀ
//! ```
//!
//! By Nesterov's method: Guo & Zhang 2017, Subalgorithms 1 (H) and 2 (W), which are NeNMF's (Guan et al. 2012). With L
//! as in their (14) and (21): (25) lacks a norm and (20) a factor of ½. Or by coordinate descent, which the backends
//! have as one operation: [`Backend::descend`].

use super::{Config, Metric, Solver};
use crate::Result;
use crate::backend::{
    Backend, ColumnSums, Curvature, Descent, MatMul, Momentum, NesterovRows, NesterovStep, Part, Write, momentum,
};
use crate::model::HPenalty;
use ndarray::Array2;

/// How the steps of Nesterov's method are made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Steps {
    pub(crate) inner: usize,
    pub(crate) metric: Metric,
    pub(crate) restart: bool,
    pub(crate) power_iterations: usize,
}

/// How a block is solved.
#[derive(Debug, Clone, Copy)]
pub(crate) enum BlockSolver {
    Nesterov(Steps),
    /// Coordinate descent.
    Descent {
        /// Visits of every coordinate.
        passes: usize,
    },
}

impl BlockSolver {
    /// The method of `c`, whose solver has been decided on, for a block of k columns with a right side of that inner size.
    pub(crate) fn of(c: &Config, inner: usize, k: usize) -> Self {
        if c.solver == Solver::Cd {
            return Self::Descent { passes: c.passes_of(inner, k) };
        }
        Self::Nesterov(Steps {
            inner: c.inner,
            metric: c.metric,
            restart: c.restart,
            power_iterations: c.power_iterations,
        })
    }

    /// For the W blocks of a fine-tuning sweep, of which there is one for every layer.
    pub(crate) fn in_chain(c: &Config) -> Self {
        let passes = c.passes.map_or(1, |passes| passes.div_ceil(2));
        match Self::of(c, 0, 1) {
            Self::Descent { .. } => Self::Descent { passes },
            steps @ Self::Nesterov(_) => steps,
        }
    }
}

/// A fresh [`Curvature`] for a k × k Gram.
pub(crate) fn curvature<B: Backend>(b: &mut B, k: usize) -> Result<Curvature<B::Matrix>> {
    let vector = b.upload(Array2::ones((1, k)).view())?;
    Ok(Curvature { scale: b.zeros(1, k)?, vector })
}

/// The fixed quantities of a block.
struct Block<'a, B: Backend> {
    /// A.
    left: Option<&'a B::Matrix>,
    /// G.
    gram: &'a B::Matrix,
    /// B.
    rhs: &'a B::Matrix,
    /// The penalty on the column sums.
    mu: f64,
    /// Curvature beyond that of A and G.
    extra: f64,
}

/// What Nesterov's method needs besides; allocated once.
struct BlockWork<B: Backend> {
    steps: Steps,
    /// Of the Gram on the right.
    right: Curvature<B::Matrix>,
    /// Of the Gram on the left.
    left: Option<Curvature<B::Matrix>>,
    /// Where the backend does not take all steps at once.
    separate: Option<Separate<B>>,
}

/// What the steps need one by one.
struct Separate<B: Backend> {
    y: B::Matrix,
    gradient: B::Matrix,
    half: Option<B::Matrix>,
    sums: B::Matrix,
    momentum: B::Matrix,
    test: B::Scalars,
}

impl<B: Backend> BlockWork<B> {
    /// For an unknown of `rows × k`; `left` where the block has a Gram on the left, and `mu` as in the block.
    fn new(b: &mut B, (rows, k): (usize, usize), left: bool, mu: f64, steps: Steps) -> Result<Self> {
        let fused = !left && mu == 0.0 && !steps.restart && b.fuses_rows(k);
        Ok(Self {
            steps,
            right: curvature(b, k)?,
            left: if left { Some(curvature(b, rows)?) } else { None },
            separate: if fused { None } else { Some(Separate::new(b, (rows, k), left)?) },
        })
    }
}

impl<B: Backend> Separate<B> {
    fn new(b: &mut B, (rows, k): (usize, usize), left: bool) -> Result<Self> {
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

/// A method with what it needs.
enum Work<B: Backend> {
    Nesterov(Box<BlockWork<B>>),
    Descent { passes: usize },
}

impl<B: Backend> Work<B> {
    fn new(b: &mut B, shape: (usize, usize), left: bool, mu: f64, solver: BlockSolver) -> Result<Self> {
        Ok(match solver {
            BlockSolver::Nesterov(steps) => Self::Nesterov(Box::new(BlockWork::new(b, shape, left, mu, steps)?)),
            BlockSolver::Descent { passes } => Self::Descent { passes },
        })
    }
}

/// Nesterov's method with projection, from and into `x`:
/// `x_k = max(0, y_k − ∇(y_k)/L)`, `α_{k+1} = (1 + √(4α_k² + 1))/2`, `y_{k+1} = x_k + (α_k − 1)/α_{k+1} (x_k − x_{k−1})`.
fn solve<B: Backend>(b: &mut B, block: &Block<'_, B>, x: &mut B::Matrix, work: &mut BlockWork<B>) -> Result<()> {
    let BlockWork { steps, right, left, separate } = work;
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
        if block.mu > 0.0 {
            b.column_sums(at, ColumnSums::Sum, Write::Replace, &mut work.sums)?;
        }
        b.nesterov_step(NesterovStep {
            gradient: &mut work.gradient,
            rhs: block.rhs,
            column_sums: (block.mu > 0.0).then_some((block.mu, &work.sums)),
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
    work: Work<B>,
}

impl<B: Backend> HBlock<B> {
    pub(crate) fn new(
        b: &mut B,
        (n, k): (usize, usize),
        kind: HPenalty,
        lambda: f64,
        solver: BlockSolver,
    ) -> Result<Self> {
        Ok(Self {
            gram: b.zeros(k, k)?,
            rhs: b.zeros(n, k)?,
            kind,
            lambda,
            penalised: if lambda > 0.0 { Some(b.zeros(k, k)?) } else { None },
            absolute: None,
            work: Work::new(b, (n, k), false, 0.0, solver)?,
        })
    }

    /// For a Ψ with negative entries. The bound on the norm of G needs a nonnegative matrix: that of |G| is no smaller.
    pub(crate) fn allow_signs(&mut self, b: &mut B) -> Result<()> {
        let (k, _) = b.shape(&self.gram);
        self.absolute = Some(b.zeros(k, k)?);
        Ok(())
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
    pub(crate) fn solve(&mut self, b: &mut B, h: &mut B::Matrix) -> Result<()> {
        if let Some(penalised) = &mut self.penalised {
            b.add_penalty(&self.gram, self.kind, self.lambda, penalised)?;
        }
        let (gram, rhs) = (self.penalised.as_ref().unwrap_or(&self.gram), &self.rhs);
        let work = match &mut self.work {
            Work::Nesterov(work) => work,
            Work::Descent { passes } => {
                return b.descend(Descent { left: None, gram, rhs, mu: 0.0, sweeps: *passes }, h);
            }
        };
        let Steps { metric, power_iterations, .. } = work.steps;
        let mut extra = 0.0;
        if metric == Metric::Plain {
            // The paper's constant: ‖ΨᵀΨ‖ + lambda·k, respectively + lambda.
            let of_norm = magnitudes(b, &self.gram, &mut self.absolute)?;
            b.spectral_bound(of_norm, metric, power_iterations, &mut work.right)?;
            let k = b.shape(&self.gram).0 as f64;
            extra = self.lambda * if self.kind == HPenalty::SquaredL1 { k } else { 1.0 };
        } else {
            let of_norm = magnitudes(b, gram, &mut self.absolute)?;
            b.spectral_bound(of_norm, metric, power_iterations, &mut work.right)?;
        }
        solve(b, &Block { left: None, gram, rhs, mu: 0.0, extra }, h, work)
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
    left: Option<B::Matrix>,
    work: Work<B>,
}

impl<B: Backend> WBlock<B> {
    pub(crate) fn new(b: &mut B, (rows, k): (usize, usize), mu: f64, left: bool, solver: BlockSolver) -> Result<Self> {
        Ok(Self {
            gram: b.zeros(k, k)?,
            rhs: b.zeros(rows, k)?,
            rows,
            mu,
            left: if left { Some(b.zeros(rows, rows)?) } else { None },
            work: Work::new(b, (rows, k), left, mu, solver)?,
        })
    }

    /// `A = ΨᵀΨ` of the layers below.
    pub(crate) fn set_left(&mut self, b: &mut B, psi: &B::Matrix) -> Result<()> {
        match &mut self.left {
            Some(a) => b.matmul(MatMul::TN, psi, psi, a),
            None => Ok(()),
        }
    }

    /// Steps on `w` with the Grams and the right side as they are set.
    pub(crate) fn solve(&mut self, b: &mut B, w: &mut B::Matrix) -> Result<()> {
        let (left, gram, rhs, mu) = (self.left.as_ref(), &self.gram, &self.rhs, self.mu);
        let work = match &mut self.work {
            Work::Nesterov(work) => work,
            Work::Descent { passes } => return b.descend(Descent { left, gram, rhs, mu, sweeps: *passes }, w),
        };
        let Steps { metric, power_iterations, .. } = work.steps;
        b.spectral_bound(gram, metric, power_iterations, &mut work.right)?;
        if let (Some(a), Some(curvature)) = (left, &mut work.left) {
            b.spectral_bound(a, metric, power_iterations, curvature)?;
        }
        solve(b, &Block { left, gram, rhs, mu, extra: mu * self.rows as f64 }, w, work)
    }
}
