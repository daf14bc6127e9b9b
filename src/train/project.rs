//! Coefficients under fixed components: nonnegative least squares, every sample for itself.

use super::block::{BlockSolver, HBlock};
use super::iterate::iterate;
use super::nesterov::Steps;
use super::objective::Objective;
use super::samples::{Samples, Shards};
use super::settings::{Elastic, ElasticNet};
use super::unit::Unit;
use super::watch::Watch;
use super::{Metric, Solver, Stage};
use crate::Result;
use crate::backend::{Backend, MatMul, Stopping, Sum, Write};
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
    /// It stops when the relative change of the objective over a batch of them is at most this.
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
            tol: 1e-6,
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

/// Nesterov steps between two looks at the objective; the momentum restarts there too.
const BATCH: usize = 25;
/// Passes of coordinate descent between two looks.
const PASSES: usize = 10;
/// What came of a projection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    pub(crate) relative_error: f64,
    pub(crate) steps: usize,
}

/// `min_{H ≥ 0} ½‖X − H Ψᵀ‖² + pen_H + ½ ridge tr(G)/k ‖H‖²` from `h` (n × k), which is replaced. `x: n × m`, `psi: m × k`.
///
/// One pass over X: a shard is done with before the next one is read, and ends by its own objective.
pub(crate) fn project<B: Backend>(
    b: &mut B,
    x: &mut dyn Shards<B>,
    psi: &B::Matrix,
    h: &mut Samples<B>,
    how: &Projection,
    watch: &mut Watch<'_>,
) -> Result<Outcome> {
    let (cut, k) = (x.cut(), b.shape(psi).1);
    let (solver, batch) = match b.fastest_solver() {
        Solver::Cd => (BlockSolver::Descent { passes: PASSES }, PASSES),
        _ => {
            let steps = Steps { inner: BATCH, metric: Metric::Diagonal, restart: true, power_iterations: 12 };
            (BlockSolver::Nesterov(steps), BATCH)
        }
    };
    let mut block = HBlock::new(b, cut, k, (how.h_penalty, how.lambda, how.l1), solver)?;
    if how.signed {
        block.allow_signs(b)?;
    }
    let mut s = b.zeros(k, k)?;
    block.set_gram(b, psi)?;
    if how.ridge > 0.0 {
        // In the Gram, from where the objective has it too.
        let mut trace = b.scalars(1)?;
        b.sum(Sum::Trace(&block.gram), &mut trace, 0)?;
        let ridge = how.ridge * b.read(&trace)?[0] / k as f64;
        b.add_penalty(&block.gram, HPenalty::Ridge, ridge, &mut s)?;
        b.copy(&s, &mut block.gram)?;
    }
    let mut objective = Objective::new(b, 0.0, &[], &[], how.h_penalty, how.lambda)?;
    objective.penalise_entries(b, ElasticNet { h: Elastic { l1: how.l1, l2: 0.0 }, ..Default::default() })?;
    let (stop, batches) = (Stopping::new(how.tol, None), how.max_steps.div_ceil(batch));
    let (shards, mut squares, mut left, mut steps) = (cut.shards().count(), 0.0, 0.0, 0);
    x.pass(b, &mut |b, shard, x| {
        let h = h.at(b, shard.index)?;
        block.set_rhs(b, x, psi)?;
        objective.record_entries_of_h(b, 0, Write::Replace, h)?;
        let (xx, start) = objective.of_shard(b, x, (h, psi), &mut s)?;
        (watch.part, watch.each) = ((shard.index, shards), batch);
        let history = iterate(
            b,
            &mut objective,
            (Stage::Project, batches),
            (start, stop),
            &mut (),
            watch,
            |b, objective, (), turn| {
                block.prepare(b)?;
                block.solve(b, h)?;
                b.matmul(MatMul::TN, h, h, &mut s)?;
                objective.record_fit(b, turn, (block.rhs(b.shape(h).0)?, h), (&block.gram, &s))?;
                objective.record_entries_of_h(b, turn, Write::Replace, h)?;
                objective.record_penalties(b, turn, [], &s)
            },
        )?;
        (squares, left) = (squares + xx, left + objective.squared_residual(b, x, h, psi)?);
        steps = steps.max((history.len() - 1) * batch);
        watch.meet()
    })?;
    // As often as the ranks that have more shards.
    (shards..cut.most_shards()).try_for_each(|_| watch.meet())?;
    (watch.part, watch.each) = ((0, 1), 1);
    Ok(Outcome { relative_error: (left / squares).sqrt(), steps })
}
