//! Pre-training of one layer: Guo & Zhang 2017, Algorithm 1. With one layer this is the whole training (NeNMF, SNMF).

use super::block::{BlockSolver, HBlock, WBlock};
use super::descent::Extrapolation;
use super::iterate::iterate;
use super::layer::Layer;
use super::objective::Objective;
use super::partials::Partials;
use super::samples::{Samples, Shards};
use super::state::{State, Visitor};
use super::watch::Watch;
use super::{Config, Extrapolate, Solver, Stage};
use crate::Result;
use crate::backend::{Backend, By, ColumnSums, Stopping, Write};
use crate::model::HPenalty;

/// Alternates the H block and the W block on `½‖V − H Wᵀ‖² + penalties`; returns the objective over time.
///
/// `v: n × m`, `vv = ‖V‖²`, `w: m × k`, `h: n × k`. An iteration is a pass over V: `C = VᵀH` and `S = HᵀH` are summed up
/// where H is solved for.
pub(crate) fn pretrain<B: Backend>(
    b: &mut B,
    (v, vv): (&mut dyn Shards<B>, f64),
    w: &mut B::Matrix,
    h: &mut Samples<B>,
    layer: &Layer,
    config: &Config,
    watch: &mut Watch<'_>,
) -> Result<Vec<f64>> {
    let ((n, m), k) = (v.shape(), b.shape(w).1);
    let Layer { mu, lambda, .. } = *layer;
    let (kind, net) = (config.h_penalty(), config.elastic_net);
    let mut h_block = HBlock::new(b, v.cut(), k, (kind, lambda, net.h.l1), BlockSolver::of(config, m, k))?;
    let mut w_block = WBlock::new(b, (m, k), mu, false, BlockSolver::of(config, n, k))?.of_ranks(config.ranks);
    w_block.penalise_entries(b, net.w)?;
    let mut objective = Objective::new(b, vv, &[mu], &[k], kind, lambda)?;
    objective.penalise_entries(b, net)?;
    let mut balance =
        if config.balance.penalties && mu > 0.0 && lambda > 0.0 { Some(Balance::new(b, k)?) } else { None };

    h.gram(b, &mut w_block.gram)?;
    objective.record_penalties(b, 0, [&*w], &w_block.gram)?;
    objective.record_entries(b, 0, w, h)?;
    let start = objective.exact(b, v, h, w)?;

    let one_layer = config.is_one_stage();
    let stop = Stopping::new(config.tol, config.target_error.filter(|_| one_layer));
    let stage = Stage::Pretrain { layer: layer.index };
    let (mut history, mut last, mut plain) = (Vec::new(), start, layer.iterations);
    let extrapolated = config.extrapolated() != Extrapolate::None;
    if config.solver == Solver::Cd && extrapolated && layer.iterations > 0 {
        let ahead = Extrapolation::new(b, h, std::slice::from_ref(w), config.balance.lengths, false)?;
        // Where no fine-tuning follows, a plain iteration makes the end of the history the objective of the factors, of a fit that was
        // told to stop, too; more of them follow where the trials ended before they came to rest.
        let trials = layer.iterations - usize::from(one_layer);
        let (all, stop) = ((stage, trials), stop.of_trials(Stopping::PATIENCE));
        let mut state = Extrapolated { w, h, ahead };
        history = iterate(b, &mut objective, all, (start, stop), &mut state, watch, |b, objective, state, turn| {
            let Extrapolated { w, h, ahead } = state;
            h_block.set_gram(b, &ahead.of_w()[0])?;
            h_block.prepare(b)?;
            let (mut all, slots) = (Partials::new(v.cut()), objective.slots_of_entries(turn));
            v.pass(b, &mut |b, s, v| {
                h_block.set_rhs(b, v, &ahead.of_w()[0])?;
                let h = h.at(b, s.index)?;
                let point = ahead.begin(b, s.index, h)?;
                h_block.solve(b, point)?;
                let ahead = ahead.look_ahead(b, s.index, h)?;
                objective.record_entries_of_h(b, turn, s.write, ahead)?;
                w_block.add(b, s.write, v, ahead)?;
                all.add(b, s, &[&w_block.gram, &w_block.rhs], Some((&objective.scalars, &slots)))
            })?;
            all.finish(b, &mut [&mut w_block.gram, &mut w_block.rhs], Some((&mut objective.scalars, &slots)))?;
            w_block.solve(b, ahead.of_w_mut(0))?;
            ahead.look_ahead_of_w(b, 0, w)?;

            let made = &ahead.of_w()[0];
            h_block.set_gram(b, made)?;
            objective.record_fit(b, turn, (&w_block.rhs, made), (&h_block.gram, &w_block.gram))?;
            objective.record_penalties(b, turn, [made], &w_block.gram)?;
            objective.record_entries_of_w(b, turn, made)?;
            ahead.settle(b, objective, turn, std::slice::from_mut(w))
        })?;
        state.ahead.finish(b, state.h)?;
        let made = history.len() - 1;
        plain = if one_layer { layer.iterations.saturating_sub(made) } else { 0 };
        watch.before = made;
        last = (history[history.len() - 1], f64::INFINITY);
    }
    h_block.set_gram(b, w)?;
    let mut state = Plain { w, h, h_block, w_block };
    let rest =
        iterate(b, &mut objective, (stage, plain), (last, stop), &mut state, watch, |b, objective, state, turn| {
            let Plain { w, h, h_block, w_block } = state;
            h_block.prepare(b)?;
            let (mut all, slots) = (Partials::new(v.cut()), objective.slots_of_entries(turn));
            v.pass(b, &mut |b, s, v| {
                let h = h.at(b, s.index)?;
                h_block.set_rhs(b, v, w)?;
                h_block.solve(b, h)?;
                objective.record_entries_of_h(b, turn, s.write, h)?;
                w_block.add(b, s.write, v, h)?;
                all.add(b, s, &[&w_block.gram, &w_block.rhs], Some((&objective.scalars, &slots)))
            })?;
            all.finish(b, &mut [&mut w_block.gram, &mut w_block.rhs], Some((&mut objective.scalars, &slots)))?;
            w_block.solve(b, w)?;
            h_block.set_gram(b, w)?;
            objective.record_entries_of_w(b, turn, w)?;
            objective.record_fit(b, turn, (&w_block.rhs, w), (&h_block.gram, &w_block.gram))?;
            if let Some(balance) = &mut balance {
                let grams = (&mut h_block.gram, &mut w_block.gram);
                if kind == HPenalty::Ridge {
                    balance.components(b, lambda / mu, w, h, grams)?;
                } else {
                    objective.record_penalties(b, turn, [&**w], grams.1)?;
                    let scales = objective.equalize(b, turn)?;
                    balance.whole(b, scales, w, h, grams)?;
                }
            }
            objective.record_penalties(b, turn, [&**w], &w_block.gram)
        })?;
    watch.before = 0;
    // The second loop begins with the objective that the first one ended with.
    history.extend_from_slice(&rest[usize::from(!history.is_empty())..]);
    Ok(history)
}

/// Between two extrapolated iterations.
struct Extrapolated<'a, B: Backend> {
    w: &'a mut B::Matrix,
    h: &'a mut Samples<B>,
    ahead: Extrapolation<B>,
}

impl<B: Backend> State<B> for Extrapolated<'_, B> {
    fn visit(&mut self, b: &mut B, visitor: &mut Visitor<'_>) -> Result<()> {
        visitor.matrix(b, "W", self.w)?;
        self.h.visit(b, visitor)?;
        self.ahead.visit(b, visitor)
    }
}

/// Between two plain ones.
struct Plain<'a, B: Backend> {
    w: &'a mut B::Matrix,
    h: &'a mut Samples<B>,
    h_block: HBlock<B>,
    w_block: WBlock<B>,
}

impl<B: Backend> State<B> for Plain<'_, B> {
    fn visit(&mut self, b: &mut B, visitor: &mut Visitor<'_>) -> Result<()> {
        visitor.matrix(b, "W", self.w)?;
        self.h.visit(b, visitor)?;
        self.h_block.visit(b, visitor)?;
        self.w_block.visit(b, visitor)
    }
}

/// Scales between W and H at which the penalties are least; the product stays as it is.
struct Balance<B: Backend> {
    of_h: B::Matrix,
    of_w: B::Matrix,
    d: B::Matrix,
}

impl<B: Backend> Balance<B> {
    fn new(b: &mut B, k: usize) -> Result<Self> {
        Ok(Self { of_h: b.zeros(1, k)?, of_w: b.zeros(1, k)?, d: b.zeros(1, k)? })
    }

    /// Ridge: `d_j = (lambda‖h_j‖² / (mu (1ᵀw_j)²))^¼`, W_:j·d_j, H_:j/d_j; the Grams follow.
    fn components(
        &mut self,
        b: &mut B,
        ratio: f64,
        w: &mut B::Matrix,
        h: &mut Samples<B>,
        (of_w, of_h): (&mut B::Matrix, &mut B::Matrix),
    ) -> Result<()> {
        h.squares(b, &mut self.of_h)?;
        b.column_sums(w, ColumnSums::SumSquared, Write::Replace, &mut self.of_w)?;
        self.apply(b, ratio, w, h)?;
        for by in [By::Columns(&self.d), By::Rows(&self.d)] {
            b.scale(of_w, by, false)?;
            b.scale(of_h, by, true)?;
        }
        Ok(())
    }

    /// `d_j = (‖h_j‖/‖w_j‖)^½`: afterwards `‖w_j‖ = ‖h_j‖`.
    fn norms(&mut self, b: &mut B, w: &mut B::Matrix, h: &mut Samples<B>) -> Result<()> {
        h.squares(b, &mut self.of_h)?;
        b.column_sums(w, ColumnSums::SumOfSquares, Write::Replace, &mut self.of_w)?;
        self.apply(b, 1.0, w, h)
    }

    fn apply(&mut self, b: &mut B, ratio: f64, w: &mut B::Matrix, h: &mut Samples<B>) -> Result<()> {
        b.quarter_root(ratio, &self.of_h, &self.of_w, &mut self.d)?;
        b.scale(w, By::Columns(&self.d), false)?;
        h.scale(b, By::Columns(&self.d), true)
    }

    /// Squared L1: the penalty couples the components, so one scale `c: 1 × 2` for all of them.
    fn whole(
        &self,
        b: &mut B,
        c: &B::Matrix,
        w: &mut B::Matrix,
        h: &mut Samples<B>,
        (of_w, of_h): (&mut B::Matrix, &mut B::Matrix),
    ) -> Result<()> {
        b.scale(w, By::Entry(c, 0), false)?;
        h.scale(b, By::Entry(c, 1), false)?;
        for (gram, by) in [(of_w, By::Entry(c, 0)), (of_h, By::Entry(c, 1))] {
            b.scale(gram, by, false)?;
            b.scale(gram, by, false)?;
        }
        Ok(())
    }
}

/// `‖w_j‖ = ‖h_j‖` for every component, the product unchanged: SDNMF/L and /R leave that scale free, and a
/// coefficient matrix of badly scaled columns ruins the next layer.
pub(crate) fn balance_norms<B: Backend>(b: &mut B, w: &mut B::Matrix, h: &mut Samples<B>) -> Result<()> {
    let k = b.shape(w).1;
    Balance::new(b, k)?.norms(b, w, h)
}
