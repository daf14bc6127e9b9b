//! Coefficients under fixed components: nonnegative least squares, every sample for itself.

use super::block::{BlockSolver, HBlock, Steps};
use super::objective::{Objective, iterate};
use super::{Metric, Progress, Solver, Stage};
use crate::Result;
use crate::backend::{Backend, MatMul, Stopping, Sum};
use crate::model::HPenalty;

/// How samples are projected.
#[derive(Debug, Clone)]
pub struct Projection {
    /// The penalty on H.
    pub h_penalty: HPenalty,
    /// Its constant.
    pub lambda: f64,
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
        Self { h_penalty: HPenalty::SquaredL1, lambda: 0.0, ridge: 0.0, max_steps: 2000, tol: 1e-6, signed: false }
    }
}

impl Projection {
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

/// `‖m‖²`. Waits.
pub(crate) fn norm_squared<B: Backend>(b: &mut B, m: &B::Matrix) -> Result<f64> {
    let mut sum = b.scalars(1)?;
    b.sum(Sum::Dot(m, m), &mut sum, 0)?;
    let pending = b.start_read(&sum)?;
    Ok(b.finish_read(pending)?[0])
}

/// `min_{H ≥ 0} ½‖X − H Ψᵀ‖² + pen_H + ½ ridge tr(G)/k ‖H‖²` from `h` (n × k), which is replaced. `x: n × m`, `xx = ‖X‖²`, `psi: m × k`.
pub(crate) fn project<B: Backend>(
    b: &mut B,
    (x, xx): (&B::Matrix, f64),
    psi: &B::Matrix,
    h: &mut B::Matrix,
    how: &Projection,
    progress: &mut dyn FnMut(&Progress),
) -> Result<Outcome> {
    let (n, k) = b.shape(h);
    let (solver, batch) = match b.fastest_solver() {
        Solver::Cd => (BlockSolver::Descent { passes: PASSES }, PASSES),
        _ => {
            let steps = Steps { inner: BATCH, metric: Metric::Diagonal, restart: true, power_iterations: 12 };
            (BlockSolver::Nesterov(steps), BATCH)
        }
    };
    let mut block = HBlock::new(b, (n, k), how.h_penalty, how.lambda, solver)?;
    if how.signed {
        block.allow_signs(b)?;
    }
    let mut objective = Objective::new(b, xx, &[], &[], how.h_penalty, how.lambda)?;
    let mut s = b.zeros(k, k)?;
    block.set_gram(b, psi)?;
    block.set_rhs(b, x, psi)?;
    if how.ridge > 0.0 {
        // In the Gram, from where the objective has it too.
        let mut trace = b.scalars(1)?;
        b.sum(Sum::Trace(&block.gram), &mut trace, 0)?;
        let pending = b.start_read(&trace)?;
        let ridge = how.ridge * b.finish_read(pending)?[0] / k as f64;
        b.add_penalty(&block.gram, HPenalty::Ridge, ridge, &mut s)?;
        b.copy(&s, &mut block.gram)?;
    }
    b.matmul(MatMul::TN, h, h, &mut s)?;
    objective.record_penalties(b, 0, [], &s)?;
    let start = objective.exact(b, x, h, psi)?;

    let stop = Stopping::new(how.tol, None);
    let batches = (Stage::Project, how.max_steps.div_ceil(batch));
    let history = iterate(b, &mut objective, batches, start, stop, progress, |b, objective, turn| {
        block.solve(b, h)?;
        b.matmul(MatMul::TN, h, h, &mut s)?;
        objective.record_fit(b, turn, (&block.rhs, h), (&block.gram, &s))?;
        objective.record_penalties(b, turn, [], &s)
    })?;
    let (_, relative_error) = objective.exact(b, x, h, psi)?;
    Ok(Outcome { relative_error, steps: (history.len() - 1) * batch })
}
