//! Coefficients under fixed components: nonnegative least squares, every sample for itself.

use super::active_set::ActiveSet;
use super::block::{BlockSolver, HBlock};
use super::nesterov::Steps;
use super::samples::{Samples, Shards};
use super::unit::Unit;
use super::watch::Watch;
use super::{Metric, Progress, Solver, Stage};
use crate::Result;
use crate::backend::{Backend, Cadence, Cpu, Device, Element, Elementwise, MatMul, Sum, Write};
use crate::model::HPenalty;
use ndarray::{Array2, Axis};

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
    /// Whether a linear model gets the least squares themselves; otherwise what a few passes of coordinate descent come to.
    pub exact: bool,
    /// Gradient steps on a model with an activation, at most.
    pub max_steps: usize,
    /// They end when ten of them lower the objective by no more than this share of it.
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
            exact: true,
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
        // One after the other: the square may be no number.
        Self { lambda: self.lambda / unit.factor() / unit.factor(), l1, ..self.clone() }
    }

    /// For every layer of a model with these penalty constants on H, and this ridge.
    pub fn of_layers(h_penalty: HPenalty, signed: bool, ridge: f64, lambda: &[f64]) -> Vec<Self> {
        lambda.iter().map(|&lambda| Self { h_penalty, lambda, ridge, signed, ..Self::default() }).collect()
    }
}

/// Passes of coordinate descent, or Nesterov steps, before the least squares are taken to their end.
const PASSES: usize = 20;
/// Samples and features that the host takes at a time in f64.
const BLOCK: usize = 1024;
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
    let (solver, passes) = match b.fastest_solver() {
        // One at a time: there may be many large rows, and whoever waits for them may give up.
        Solver::Cd => (BlockSolver::Descent { passes: 1 }, PASSES),
        _ => {
            // A restart of all momentum where it points uphill on the whole would couple the samples.
            let metric = Metric::Diagonal;
            let steps = Steps { inner: PASSES, metric, restart: false, power_iterations: POWER_ITERATIONS };
            (BlockSolver::Nesterov(steps), 1)
        }
    };
    let mut block = HBlock::new(b, cut, k, (how.h_penalty, how.lambda, how.l1), solver)?;
    block.set_gram(b, psi)?;
    add_ridge(b, &mut block.gram, how.ridge)?;
    if how.signed {
        block.allow_signs(b)?;
    }
    block.prepare(b)?;
    let exact =
        if how.exact { b.by_host((), |b, ()| Ok(Some(active_set(b, psi, how)?)), |_, ()| Ok(None))? } else { None };
    let (shards, mut squares, mut left, mut changes) = (cut.shards().count(), 0.0, 0.0, 0);
    let mut sums = b.scalars(2)?;
    x.pass(b, &mut |b, shard, x| {
        let h = h.at(b, shard.index)?;
        block.set_rhs(b, x, psi)?;
        watch.part = (shard.index, shards);
        let at_a_time = exact.as_ref().map_or(0, ActiveSet::rows_at_a_time);
        let parts = exact.as_ref().map_or(0, |_| b.shape(h).0.div_ceil(at_a_time));
        let (mut done, stopped) = (0, watch.stopped);
        // Whether it goes on.
        let mut made = |watch: &mut Watch<'_>| {
            done += 1;
            watch.report(&Progress { done, of: passes + parts, ..Progress::of(Stage::Project) });
            watch.check()?;
            Ok(!watch.stopped)
        };
        for _ in 0..watch.iterations(Stage::Project, passes) {
            block.solve(b, h)?;
            if !made(watch)? && !stopped {
                break;
            }
        }
        if let Some(set) = exact.as_ref().filter(|_| !watch.stopped) {
            let rhs = block.rhs(b.shape(h).0)?;
            changes = changes.max(b.by_host(
                &mut *h,
                |b, h| {
                    let (rhs, mut rows) = (right_side(b, (x, psi), rhs)?, b.download(h)?);
                    let changes = set.solve(rhs.view(), rows.view_mut(), &mut || made(watch))?;
                    b.write(rows.view(), h)?;
                    Ok(changes)
                },
                |_, _| Ok(0),
            )?);
        }
        b.sum(Sum::Dot(x, x), &mut sums, 0)?;
        b.residual(x, h, psi, Write::Replace, &mut sums, 1)?;
        let of_shard = b.read(&sums)?;
        (squares, left) = (squares + of_shard[0], left + of_shard[1]);
        watch.meet()
    })?;
    // As often as the ranks that have more shards.
    (shards..cut.most_shards()).try_for_each(|_| watch.meet())?;
    watch.part = (0, 1);
    Ok(Outcome { relative_error: (left / squares).sqrt(), steps: PASSES + changes })
}

/// Adds the ridge of a projection to a Gram, where the objective has it too.
fn add_ridge<B: Backend>(b: &mut B, gram: &mut B::Matrix, ridge: f64) -> Result<()> {
    if ridge == 0.0 {
        return Ok(());
    }
    let (k, _) = b.shape(gram);
    let (mut trace, mut plain) = (b.scalars(1)?, b.zeros(k, k)?);
    b.sum(Sum::Trace(gram), &mut trace, 0)?;
    let ridge = ridge * b.read(&trace)?[0] / k as f64;
    b.copy(gram, &mut plain)?;
    b.add_penalty(&plain, HPenalty::Ridge, ridge, gram)
}

/// Whether the right side is made in f64, which takes the host.
fn in_f64<B: Backend>(b: &B) -> bool {
    b.cadence() == Cadence { every: 1, ahead: 0 }
}

/// `XΨ` for the host: on the CPU in f64, since of an ill-conditioned Ψ small roundings of it are large ones of H; what another device
/// made of it.
fn right_side<B: Backend>(b: &mut B, (x, psi): (&B::Matrix, &B::Matrix), rhs: &B::Matrix) -> Result<Array2<f64>> {
    if !in_f64(b) || size_of::<B::Elem>() == size_of::<f64>() {
        return Ok(b.download(rhs)?.mapv(B::Elem::f64));
    }
    let mut cpu = Cpu::<f64>::new();
    let (x, psi, mut all) = (b.download(x)?, b.download(psi)?, Array2::zeros(b.shape(rhs)));
    for (x, mut all) in x.axis_chunks_iter(Axis(0), BLOCK).zip(all.axis_chunks_iter_mut(Axis(0), BLOCK)) {
        let mut sum = cpu.zeros(all.nrows(), all.ncols())?;
        for (x, psi) in x.axis_chunks_iter(Axis(1), BLOCK).zip(psi.axis_chunks_iter(Axis(0), BLOCK)) {
            let (x, psi) = (cpu.upload(x.mapv(B::Elem::f64).view())?, cpu.upload(psi.mapv(B::Elem::f64).view())?);
            cpu.product(MatMul::NN, &x, &psi, Write::Add, &mut sum)?;
        }
        all.assign(&sum);
    }
    Ok(all)
}

/// The problem of every row in f64: a Gram of f32 need not even be positive where Ψ is ill-conditioned.
fn active_set<B: Backend>(b: &mut B, psi: &B::Matrix, how: &Projection) -> Result<ActiveSet> {
    let (mut cpu, psi) = (Cpu::<f64>::new(), b.download(psi)?);
    let k = psi.ncols();
    let (mut plain, mut gram) = (cpu.zeros(k, k)?, cpu.zeros(k, k)?);
    for rows in psi.axis_chunks_iter(Axis(0), BLOCK) {
        let rows = cpu.upload(rows.mapv(B::Elem::f64).view())?;
        cpu.product(MatMul::TN, &rows, &rows, Write::Add, &mut plain)?;
    }
    add_ridge(&mut cpu, &mut plain, how.ridge)?;
    cpu.add_penalty(&plain, how.h_penalty, how.lambda, &mut gram)?;
    let unit = if in_f64(b) { f64::UNIT } else { B::Elem::UNIT };
    Ok(ActiveSet::new(&cpu.download(&gram)?, how.l1, unit))
}
