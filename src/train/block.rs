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

use super::cut::{Cut, Scratch, timed};
use super::nesterov::{Block, Nesterov, Steps};

use super::settings::Elastic;
use super::state::{State, Visitor};
use super::{Config, Metric, Solver};
use crate::Result;
use crate::backend::{Backend, Descent, MatMul, Part, Separate, Write};
use crate::model::HPenalty;
use crate::ranks::{Phase, Ranks};

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

/// The H block: `G = ΨᵀΨ` (plus penalty), `B = XΨ`; every sample for itself, so that it is solved shard by shard.
pub(crate) struct HBlock<B: Backend> {
    /// `ΨᵀΨ`, without the penalty.
    pub(crate) gram: B::Matrix,
    kind: HPenalty,
    lambda: f64,
    penalised: Option<B::Matrix>,
    /// `|G|`, where G may have negative entries.
    absolute: Option<B::Matrix>,
    solver: Method<B>,
    /// Curvature beyond that of G.
    extra: f64,
    /// The constant of a penalty on the sum of H.
    l1: f64,
    shards: Scratch<Shard<B>>,
    /// Whoever counts its time.
    ranks: Option<Ranks>,
}

/// A method with what it needs for any shard.
enum Method<B: Backend> {
    Nesterov(Box<Nesterov<B>>),
    Descent { passes: usize },
}

/// The vectors from which the next bounds begin.
impl<B: Backend> State<B> for Method<B> {
    fn visit(&mut self, b: &mut B, visitor: &mut Visitor<'_>) -> Result<()> {
        let Self::Nesterov(method) = self else { return Ok(()) };
        let Nesterov { right, left, .. } = &mut **method;
        let mut bounds = std::iter::once(right).chain(left);
        bounds.try_for_each(|bound| visitor.matrix(b, "vector of a spectral bound", &mut bound.vector))
    }
}

impl<B: Backend> Method<B> {
    fn new(b: &mut B, k: usize, left: Option<usize>, solver: BlockSolver) -> Result<Self> {
        Ok(match solver {
            BlockSolver::Nesterov(steps) => Self::Nesterov(Box::new(Nesterov::new(b, k, left, steps)?)),
            BlockSolver::Descent { passes } => Self::Descent { passes },
        })
    }

    fn separate(&self, b: &mut B, shape: (usize, usize), mu: f64) -> Result<Option<Separate<B>>> {
        match self {
            Self::Nesterov(method) => method.separate(b, shape, mu),
            Self::Descent { .. } => Ok(None),
        }
    }

    fn solve(
        &self,
        b: &mut B,
        block: &Block<'_, B>,
        x: &mut B::Matrix,
        separate: &mut Option<Separate<B>>,
    ) -> Result<()> {
        match self {
            Self::Nesterov(method) => method.solve(b, block, x, separate),
            Self::Descent { passes } => {
                let Block { left, gram, rhs, mu, .. } = *block;
                b.descend(Descent { left, gram, rhs, mu, sweeps: *passes }, x)
            }
        }
    }
}

/// What a shard of H needs.
struct Shard<B: Backend> {
    /// `X_s Ψ`.
    rhs: B::Matrix,
    /// The same less l1.
    shifted: Option<B::Matrix>,
    separate: Option<Separate<B>>,
}

impl<B: Backend> HBlock<B> {
    /// For an H of k columns in these shards.
    pub(crate) fn new(
        b: &mut B,
        cut: Cut,
        k: usize,
        (kind, lambda, l1): (HPenalty, f64, f64),
        solver: BlockSolver,
    ) -> Result<Self> {
        let solver = Method::new(b, k, None, solver)?;
        Ok(Self {
            gram: b.zeros(k, k)?,
            kind,
            lambda,
            penalised: if lambda > 0.0 { Some(b.zeros(k, k)?) } else { None },
            absolute: None,
            shards: Scratch::new(cut, |rows| {
                let shifted = if l1 > 0.0 { Some(b.zeros(rows, k)?) } else { None };
                Ok(Shard { rhs: b.zeros(rows, k)?, shifted, separate: solver.separate(b, (rows, k), 0.0)? })
            })?,
            solver,
            extra: 0.0,
            l1,
            ranks: cut.ranks(),
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

    /// What the Gram as it is set makes of the steps on any shard.
    pub(crate) fn prepare(&mut self, b: &mut B) -> Result<()> {
        if let Some(penalised) = &mut self.penalised {
            b.add_penalty(&self.gram, self.kind, self.lambda, penalised)?;
        }
        let Method::Nesterov(method) = &mut self.solver else { return Ok(()) };
        let Steps { metric, power_iterations, .. } = method.steps;
        let mut gram = self.penalised.as_ref().unwrap_or(&self.gram);
        if metric == Metric::Plain {
            // The paper's constant: ‖ΨᵀΨ‖ + lambda·k, respectively + lambda.
            gram = &self.gram;
            let k = b.shape(gram).0 as f64;
            self.extra = self.lambda * if self.kind == HPenalty::SquaredL1 { k } else { 1.0 };
        }
        let of_norm = magnitudes(b, gram, &mut self.absolute)?;
        b.spectral_bound(of_norm, metric, power_iterations, &mut method.right)
    }

    /// `B = X_s Ψ`.
    pub(crate) fn set_rhs(&mut self, b: &mut B, x: &B::Matrix, psi: &B::Matrix) -> Result<()> {
        let rhs = &mut self.shards.rows(b.shape(x).0)?.rhs;
        b.matmul(MatMul::NN, x, psi, rhs)
    }

    /// The right side as it was last set for a shard of that many rows.
    pub(crate) fn rhs(&self, rows: usize) -> Result<&B::Matrix> {
        Ok(&self.shards.get(rows)?.rhs)
    }

    /// Steps on a shard of H with the right side as it is set, after [`HBlock::prepare`].
    pub(crate) fn solve(&mut self, b: &mut B, h: &mut B::Matrix) -> Result<()> {
        let gram = self.penalised.as_ref().unwrap_or(&self.gram);
        let Shard { rhs, shifted, separate } = self.shards.rows(b.shape(h).0)?;
        let rhs = less(b, rhs, self.l1, shifted)?;
        let block = Block { left: None, gram, rhs, mu: 0.0, extra: self.extra };
        timed(self.ranks, Phase::Solving, || self.solver.solve(b, &block, h, separate))
    }
}

impl<B: Backend> State<B> for HBlock<B> {
    fn visit(&mut self, b: &mut B, visitor: &mut Visitor<'_>) -> Result<()> {
        visitor.matrix(b, "Gram of the H block", &mut self.gram)?;
        self.solver.visit(b, visitor)
    }
}

/// `rhs − l1`, where there is room for it.
fn less<'m, B: Backend>(
    b: &mut B,
    rhs: &'m B::Matrix,
    l1: f64,
    shifted: &'m mut Option<B::Matrix>,
) -> Result<&'m B::Matrix> {
    let Some(shifted) = shifted else { return Ok(rhs) };
    b.add_penalty(rhs, HPenalty::SquaredL1, -l1, shifted)?;
    Ok(shifted)
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
    /// The constant of the penalty on the column sums.
    pub(super) mu: f64,
    left: Option<B::Matrix>,
    /// A penalty per entry, with the right side less l1 and S with l2 on its diagonal.
    elastic: Option<(Elastic, Option<B::Matrix>, B::Matrix)>,
    solver: Method<B>,
    separate: Option<Separate<B>>,
    /// Whoever counts its time.
    ranks: Option<Ranks>,
}

impl<B: Backend> WBlock<B> {
    pub(crate) fn new(b: &mut B, (rows, k): (usize, usize), mu: f64, left: bool, solver: BlockSolver) -> Result<Self> {
        let solver = Method::new(b, k, left.then_some(rows), solver)?;
        Ok(Self {
            gram: b.zeros(k, k)?,
            rhs: b.zeros(rows, k)?,
            rows,
            mu,
            left: if left { Some(b.zeros(rows, rows)?) } else { None },
            elastic: None,
            separate: solver.separate(b, (rows, k), mu)?,
            solver,
            ranks: None,
        })
    }

    /// Its time is counted by this rank.
    pub(crate) fn of_ranks(self, ranks: Option<Ranks>) -> Self {
        Self { ranks, ..self }
    }

    /// Penalises every entry.
    pub(crate) fn penalise_entries(&mut self, b: &mut B, elastic: Elastic) -> Result<()> {
        if elastic != Elastic::default() {
            let (rows, k) = b.shape(&self.rhs);
            self.elastic = Some((elastic, Some(b.zeros(rows, k)?), b.zeros(k, k)?));
        }
        Ok(())
    }

    /// Adds a shard of V and its H to `S = HᵀH` and the right side `VᵀH`.
    pub(crate) fn add(&mut self, b: &mut B, write: Write, v: &B::Matrix, h: &B::Matrix) -> Result<()> {
        b.product(MatMul::TN, h, h, write, &mut self.gram)?;
        b.product(MatMul::TN, v, h, write, &mut self.rhs)
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
        let (left, mut gram, mut rhs, mu) = (self.left.as_ref(), &self.gram, &self.rhs, self.mu);
        if let Some((elastic, shifted, penalised)) = &mut self.elastic {
            b.add_penalty(gram, HPenalty::Ridge, elastic.l2, penalised)?;
            (gram, rhs) = (penalised, less(b, rhs, elastic.l1, shifted)?);
        }
        if let Method::Nesterov(method) = &mut self.solver {
            let Steps { metric, power_iterations, .. } = method.steps;
            b.spectral_bound(gram, metric, power_iterations, &mut method.right)?;
            if let (Some(a), Some(curvature)) = (left, &mut method.left) {
                b.spectral_bound(a, metric, power_iterations, curvature)?;
            }
        }
        let block = Block { left, gram, rhs, mu, extra: mu * self.rows as f64 };
        timed(self.ranks, Phase::Solving, || self.solver.solve(b, &block, w, &mut self.separate))
    }
}

impl<B: Backend> State<B> for WBlock<B> {
    fn visit(&mut self, b: &mut B, visitor: &mut Visitor<'_>) -> Result<()> {
        self.solver.visit(b, visitor)
    }
}
