//! Coefficients under fixed components: nonnegative least squares, every sample for itself.

use super::block::{BlockSolver, HBlock};
use super::nesterov::Steps;
use super::rows::Rows;
use super::samples::{Samples, Shards};
use super::unit::Unit;
use super::watch::Watch;
use super::{Metric, Solver};
use crate::Result;
use crate::backend::{Backend, Sum, Write};
use crate::model::HPenalty;

/// How samples are projected.
#[derive(Debug, Clone)]
pub struct Projection {
    /// The penalty on H.
    pub h_penalty: HPenalty,
    /// Its constant.
    pub lambda: f64,
    /// The constant of a penalty `l1 Σ_ij H_ij` besides. Of linear models only.
    pub l1: f64,
    /// C of a ridge `½ C tr(G)/k ‖H‖²` besides, `G = ΨᵀΨ` of the k components; 0 for none. Of linear models only.
    pub ridge: f64,
    /// Passes of coordinate descent, Nesterov steps or gradient steps, at most.
    pub max_steps: usize,
    /// A sample is done when a batch of them moves its coefficients by no more than this share of their length; never, where it is 0.
    /// That is for every sample to say: what comes of it does not depend on the samples beside it.
    pub tol: f64,
    /// Whether samples and components may have negative entries; the coefficients never have.
    pub signed: bool,
}

impl Default for Projection {
    fn default() -> Self {
        Self {
            h_penalty: HPenalty::SquaredL1,
            lambda: 0.0,
            l1: 0.0,
            ridge: 0.0,
            max_steps: 2000,
            tol: 1e-4,
            signed: false,
        }
    }
}

impl Projection {
    /// The same of samples and on components that were divided by their units.
    pub(crate) fn divided(&self, of_x: Unit, unit: Unit) -> Self {
        let l1 = self.l1 / of_x.factor() / unit.factor();
        Self { lambda: self.lambda / unit.squared(), l1, ..self.clone() }
    }

    /// For every layer of a model with these penalty constants on H, and this ridge.
    pub fn of_layers(h_penalty: HPenalty, signed: bool, ridge: f64, lambda: &[f64]) -> Vec<Self> {
        lambda.iter().map(|&lambda| Self { h_penalty, lambda, ridge, signed, ..Self::default() }).collect()
    }
}

/// Nesterov steps before the momentum begins anew.
const BATCH: usize = 25;
/// Passes of coordinate descent before the host first looks.
const PASSES: usize = 10;
/// Power iterations for the bound on the curvature, which is that of all steps.
const POWER_ITERATIONS: usize = 50;

/// What came of a projection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    pub(crate) relative_error: f64,
    pub(crate) steps: usize,
}

/// `min_{H ≥ 0} ½‖X − H Ψᵀ‖² + pen_H + ½ ridge tr(G)/k ‖H‖²` from `h` (n × k), which is replaced. `x: n × m`, `psi: m × k`.
///
/// One pass over X: a shard is done with before the next one is read.
pub(crate) fn project<B: Backend>(
    b: &mut B,
    x: &mut dyn Shards<B>,
    psi: &B::Matrix,
    h: &mut Samples<B>,
    how: &Projection,
    watch: &mut Watch<'_>,
) -> Result<Outcome> {
    let (cut, k) = (x.cut(), b.shape(psi).1);
    let (solver, batch, least) = match b.fastest_solver() {
        // One at a time: there may be many large rows, and whoever waits for them may give up.
        Solver::Cd => (BlockSolver::Descent { passes: 1 }, 1, PASSES),
        _ => {
            // A restart of all momentum where it points uphill on the whole would couple the samples.
            let metric = Metric::Diagonal;
            let steps = Steps { inner: BATCH, metric, restart: false, power_iterations: POWER_ITERATIONS };
            (BlockSolver::Nesterov(steps), BATCH, 1)
        }
    };
    let penalty = (how.h_penalty, how.lambda, how.l1);
    let mut block = HBlock::new(b, cut, k, penalty, solver)?;
    block.set_gram(b, psi)?;
    if how.ridge > 0.0 {
        // In the Gram, from where the objective has it too.
        let mut trace = b.scalars(1)?;
        b.sum(Sum::Trace(&block.gram), &mut trace, 0)?;
        let ridge = how.ridge * b.read(&trace)?[0] / k as f64;
        let mut plain = b.zeros(k, k)?;
        b.copy(&block.gram, &mut plain)?;
        b.add_penalty(&plain, HPenalty::Ridge, ridge, &mut block.gram)?;
    }
    let mut rows = Rows { block, solver, penalty, signed: how.signed };
    rows.prepare(b)?;
    let batches = how.max_steps.div_ceil(batch);
    let (shards, mut squares, mut left, mut steps) = (cut.shards().count(), 0.0, 0.0, 0);
    let mut sums = b.scalars(2)?;
    x.pass(b, &mut |b, shard, x| {
        let h = h.at(b, shard.index)?;
        rows.block.set_rhs(b, x, psi)?;
        (watch.part, watch.each) = ((shard.index, shards), batch);
        steps = steps.max(batch * rows.settle(b, h, (how.tol, least, batches), watch)?);
        b.sum(Sum::Dot(x, x), &mut sums, 0)?;
        b.residual(x, h, psi, Write::Replace, &mut sums, 1)?;
        let of_shard = b.read(&sums)?;
        (squares, left) = (squares + of_shard[0], left + of_shard[1]);
        watch.meet()
    })?;
    // As often as the ranks that have more shards.
    (shards..cut.most_shards()).try_for_each(|_| watch.meet())?;
    (watch.part, watch.each) = ((0, 1), 1);
    Ok(Outcome { relative_error: (left / squares).sqrt(), steps })
}
