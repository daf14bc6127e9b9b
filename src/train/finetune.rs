//! Fine-tuning of all layers: Guo & Zhang 2017, Algorithm 2, by the linear chain.
//!
//! The update of W_l needs `XᵀH̃_l` and `H̃_lᵀH̃_l` with `H̃_l = H_L P_lᵀ`, `P_l = W_{l+1} … W_L`. These are
//!
//! ```text
//! XᵀH̃_l = (XᵀH_L) P_lᵀ          H̃_lᵀH̃_l = P_l (H_LᵀH_L) P_lᵀ
//! ```
//!
//! so that a sweep is one pass over X, whatever the depth: shard by shard `X_s Ψ_L`, the block of H_L, and its part of the
//! `C = XᵀH_L` and `S = H_LᵀH_L` from which the next sweep begins. The H_l of the hidden layers enter no other update and not the
//! objective; they are solved for once, afterwards.
//!
//! Sweeps are extrapolated as the iterations of a layer are (`descent.rs`): on PIE, layers 600,160, 40 of them end 9 % (DNMF) to
//! 16 % (SDNMF/L) below 40 plain ones. C and S are those of the extrapolated H. So the sweep after one that was taken back has
//! none of the H that it starts from, and leaves the W as they are; with a second pass over X for them the objective is another
//! percent lower.

use super::block::{BlockSolver, HBlock, WBlock};
use super::descent::Extrapolation;
use super::iterate::iterate;
use super::objective::{Objective, QUADRATIC};
use super::partials::Partials;
use super::samples::{Samples, Shards};
use super::state::{State, Visitor};
use super::watch::Watch;
use super::{Config, Extrapolate, Penalties, Stage};
use crate::Result;
use crate::backend::{Backend, By, MatMul, Stopping, Write};

/// What one hidden or last layer needs in a sweep.
pub(super) struct Chain<B: Backend> {
    pub(super) block: WBlock<B>,
    /// `Ψ_l` (m × k_l).
    pub(super) psi: B::Matrix,
    /// `P_l` (k_l × k_L); the last layer has none.
    tail: Option<B::Matrix>,
    /// `P_l S` (k_l × k_L).
    tail_gram: Option<B::Matrix>,
    /// `Ψ_{l−1}ᵀ C` (k_{l−1} × k_L); the first layer has none, and the last one writes its right side directly.
    projected: Option<B::Matrix>,
}

impl<B: Backend> Chain<B> {
    /// For layers of these ranks on m features.
    pub(super) fn of_layers(
        b: &mut B,
        m: usize,
        ranks: &[usize],
        penalties: &Penalties,
        config: &Config,
    ) -> Result<Vec<Self>> {
        let (mut chain, last) = (Vec::with_capacity(ranks.len()), ranks.len() - 1);
        for (l, &rank) in ranks.iter().enumerate() {
            let (rows, k) = (if l == 0 { m } else { ranks[l - 1] }, ranks[last]);
            let inner = l < last;
            chain.push(Self {
                block: WBlock::new(b, (rows, rank), penalties.mu[l], l > 0, BlockSolver::in_chain(config))?
                    .of_ranks(config.ranks),
                psi: b.zeros(m, rank)?,
                tail: if inner { Some(b.zeros(rank, k)?) } else { None },
                tail_gram: if inner { Some(b.zeros(rank, k)?) } else { None },
                projected: if inner && l > 0 { Some(b.zeros(rows, k)?) } else { None },
            });
        }
        Ok(chain)
    }
}

/// Sums over the samples.
pub(super) struct Sums<B: Backend> {
    /// `C = XᵀH_L` (m × k_L).
    pub(super) c: B::Matrix,
    /// `S = H_LᵀH_L` (k_L × k_L).
    pub(super) s: B::Matrix,
}

impl<B: Backend> Sums<B> {
    pub(super) fn new(b: &mut B, m: usize, k: usize) -> Result<Self> {
        Ok(Self { c: b.zeros(m, k)?, s: b.zeros(k, k)? })
    }

    /// Adds a shard.
    pub(super) fn add(&mut self, b: &mut B, write: Write, x: &B::Matrix, h: &B::Matrix) -> Result<()> {
        b.product(MatMul::TN, x, h, write, &mut self.c)?;
        b.product(MatMul::TN, h, h, write, &mut self.s)
    }

    /// Follows a scale of H.
    pub(super) fn scale(&mut self, b: &mut B, by: By<'_, B::Matrix>) -> Result<()> {
        b.scale(&mut self.c, by, false)?;
        b.scale(&mut self.s, by, false)?;
        b.scale(&mut self.s, by, false)
    }
}

/// Sweeps over `W_1 … W_L, H_L`; returns the objective over time.
///
/// `x: n × m`, `xx = ‖X‖²`, `w[l]: k_{l−1} × k_l`, `h: n × k_L`.
pub(crate) fn finetune<B: Backend>(
    b: &mut B,
    (x, xx): (&mut dyn Shards<B>, f64),
    w: &mut [B::Matrix],
    h: &mut Samples<B>,
    penalties: &Penalties,
    config: &Config,
    watch: &mut Watch<'_>,
) -> Result<Vec<f64>> {
    let (m, last) = (x.shape().1, w.len() - 1);
    let ranks: Vec<usize> = w.iter().map(|w| b.shape(w).1).collect();
    let k = ranks[last];
    let (kind, lambda) = (config.model.h_penalty, penalties.lambda[last]);
    let h_block = HBlock::new(b, x.cut(), k, (kind, lambda, 0.0), BlockSolver::of(config, m, k))?;
    let mut objective = Objective::new(b, xx, &penalties.mu, &ranks, kind, lambda)?;
    let balance = config.balance.penalties && lambda > 0.0 && penalties.mu.iter().all(|&mu| mu > 0.0);
    let mut chain = Chain::of_layers(b, m, &ranks, penalties, config)?;
    let mut sums = Sums::new(b, m, k)?;

    for (l, w) in w.iter().enumerate() {
        grow_psi(b, w, &mut chain, l)?;
    }
    let mut all = Partials::new(x.cut());
    x.pass(b, &mut |b, s, x| {
        let h = h.look(b, s.index)?;
        objective.record_residual(b, s.write, x, h, &chain[last].psi)?;
        sums.add(b, s.write, x, h)?;
        all.add(b, s, &[&sums.c, &sums.s], Some((&objective.scalars, &[QUADRATIC])))
    })?;
    all.finish(b, &mut [&mut sums.c, &mut sums.s], Some((&mut objective.scalars, &[QUADRATIC])))?;
    objective.record_penalties(b, 0, &*w, &sums.s)?;
    let start = objective.of_residual(b)?;

    let mut ahead = None;
    if config.extrapolated() == Extrapolate::All && config.sweeps > 0 {
        // With HᵀH of the H that a sweep ends with.
        ahead = Some((Extrapolation::new(b, h, w, config.balance.lengths, balance)?, b.zeros(k, k)?));
    }
    let stop = Stopping::new(config.tol, config.target_error);
    let stop = if ahead.is_some() { stop.of_trials(Stopping::PATIENCE_OF_SWEEPS) } else { stop };
    let sweeps = (Stage::Finetune, config.sweeps);
    let mut state = Sweeps { w, h, h_block, chain, sums, rest: ahead };
    let history = iterate(b, &mut objective, sweeps, (start, stop), &mut state, watch, |b, objective, state, turn| {
        let Sweeps { w, h, h_block, chain, sums, rest: ahead } = state;
        let points = ahead.as_ref().map_or(&**w, |(ahead, _)| ahead.of_w());
        for l in (0..last).rev() {
            set_tail(b, &points[l + 1], chain, l)?;
        }
        for l in 0..=last {
            set_block(b, chain, l, sums)?;
            let block = &mut chain[l].block;
            match ahead {
                Some((ahead, _)) => ahead.solve(b, l, |b, w| block.solve(b, w))?,
                None => block.solve(b, &mut w[l])?,
            }
            let w = ahead.as_ref().map_or(&w[l], |(ahead, _)| &ahead.of_w()[l]);
            grow_psi(b, w, chain, l)?;
        }
        let psi = &chain[last].psi;
        h_block.set_gram(b, psi)?;
        h_block.prepare(b)?;
        let (mut all, slots) = (Partials::new(x.cut()), [objective.slot_of_cross(turn)]);
        x.pass(b, &mut |b, s, x| {
            h_block.set_rhs(b, x, psi)?;
            let (h, rows) = (h.at(b, s.index)?, b.shape(x).0);
            let Some((ahead, gram)) = ahead else {
                h_block.solve(b, h)?;
                objective.record_cross(b, turn, s.write, (h_block.rhs(rows)?, h))?;
                sums.add(b, s.write, x, h)?;
                return all.add(b, s, &[&sums.c, &sums.s], Some((&objective.scalars, &slots)));
            };
            let point = ahead.begin(b, s.index, h)?;
            h_block.solve(b, point)?;
            let made = ahead.made(b, s.index)?;
            objective.record_cross(b, turn, s.write, (h_block.rhs(rows)?, made))?;
            b.product(MatMul::TN, made, made, s.write, gram)?;
            let ahead = ahead.look_ahead(b, s.index, h)?;
            sums.add(b, s.write, x, ahead)?;
            all.add(b, s, &[&sums.c, &sums.s, gram], Some((&objective.scalars, &slots)))
        })?;
        let mut summed = vec![&mut sums.c, &mut sums.s];
        summed.extend(ahead.as_mut().map(|(_, gram)| gram));
        all.finish(b, &mut summed, Some((&mut objective.scalars, &slots)))?;
        let Some((ahead, gram)) = ahead else {
            objective.record_quadratic(b, turn, &h_block.gram, &sums.s)?;
            objective.record_penalties(b, turn, &**w, &sums.s)?;
            if balance {
                let scales = objective.equalize(b, turn)?;
                for (l, w) in w.iter_mut().enumerate() {
                    b.scale(w, By::Entry(scales, l), false)?;
                }
                h.scale(b, By::Entry(scales, last + 1), false)?;
                sums.scale(b, By::Entry(scales, last + 1))?;
                objective.record_penalties(b, turn, &**w, &sums.s)?;
            }
            return Ok(());
        };
        objective.record_quadratic(b, turn, &h_block.gram, gram)?;
        for (l, accepted) in w.iter().enumerate() {
            ahead.look_ahead_of_w(b, l, accepted)?;
        }
        objective.record_penalties(b, turn, ahead.of_w(), gram)?;
        if balance {
            let scales = objective.equalize(b, turn)?;
            ahead.scale(b, scales)?;
            sums.scale(b, By::Entry(scales, last + 1))?;
            b.scale(gram, By::Entry(scales, last + 1), false)?;
            b.scale(gram, By::Entry(scales, last + 1), false)?;
            objective.record_penalties(b, turn, ahead.of_w(), gram)?;
        }
        ahead.settle(b, objective, turn, w)
    })?;
    if let Some((ahead, _)) = &mut state.rest {
        ahead.finish(b, state.h)?;
    }
    Ok(history)
}

/// Its products are made anew in every sweep, but for `Ψ_L`, with which an online sweep begins.
impl<B: Backend> State<B> for Chain<B> {
    fn visit(&mut self, b: &mut B, visitor: &mut Visitor<'_>) -> Result<()> {
        visitor.matrix(b, "Ψ", &mut self.psi)?;
        self.block.visit(b, visitor)
    }
}

impl<B: Backend> State<B> for Sums<B> {
    fn visit(&mut self, b: &mut B, visitor: &mut Visitor<'_>) -> Result<()> {
        visitor.matrix(b, "XᵀH", &mut self.c)?;
        visitor.matrix(b, "HᵀH", &mut self.s)
    }
}

/// Between two sweeps; `rest` is what one kind of sweep keeps besides.
pub(super) struct Sweeps<'a, B: Backend, T> {
    pub(super) w: &'a mut [B::Matrix],
    pub(super) h: &'a mut Samples<B>,
    pub(super) h_block: HBlock<B>,
    pub(super) chain: Vec<Chain<B>>,
    pub(super) sums: Sums<B>,
    pub(super) rest: T,
}

impl<B: Backend, T: State<B>> State<B> for Sweeps<'_, B, T> {
    fn visit(&mut self, b: &mut B, visitor: &mut Visitor<'_>) -> Result<()> {
        self.w.iter_mut().try_for_each(|w| visitor.matrix(b, "W", w))?;
        self.h.visit(b, visitor)?;
        self.h_block.visit(b, visitor)?;
        self.chain.visit(b, visitor)?;
        self.sums.visit(b, visitor)?;
        self.rest.visit(b, visitor)
    }
}

/// Extrapolated sweeps, with an HᵀH that each of them makes anew; or plain ones.
impl<B: Backend> State<B> for Option<(Extrapolation<B>, B::Matrix)> {
    fn visit(&mut self, b: &mut B, visitor: &mut Visitor<'_>) -> Result<()> {
        self.as_mut().map_or(Ok(()), |(ahead, _)| ahead.visit(b, visitor))
    }
}

/// `Ψ_l = Ψ_{l−1} W_l`.
pub(super) fn grow_psi<B: Backend>(b: &mut B, w: &B::Matrix, chain: &mut [Chain<B>], l: usize) -> Result<()> {
    let (before, now) = chain.split_at_mut(l);
    match before.last() {
        Some(before) => b.matmul(MatMul::NN, &before.psi, w, &mut now[0].psi),
        None => b.copy(w, &mut now[0].psi),
    }
}

/// `P_l = W_{l+1} P_{l+1}`, from the last layer to the first, all with the factors of the sweep before.
pub(super) fn set_tail<B: Backend>(b: &mut B, above: &B::Matrix, chain: &mut [Chain<B>], l: usize) -> Result<()> {
    let (now, after) = chain.split_at_mut(l + 1);
    match (&mut now[l].tail, &after[0].tail) {
        (Some(tail), Some(next)) => b.matmul(MatMul::NN, above, next, tail),
        (Some(tail), None) => b.copy(above, tail),
        (None, _) => Ok(()),
    }
}

/// The Gram and the right side of W_l: `P_l S P_lᵀ` and `Ψ_{l−1}ᵀ C P_lᵀ`.
pub(super) fn set_block<B: Backend>(b: &mut B, chain: &mut [Chain<B>], l: usize, sums: &Sums<B>) -> Result<()> {
    let Sums { c, s } = sums;
    let (before, now) = chain.split_at_mut(l);
    let Chain { block, tail, tail_gram, projected, .. } = &mut now[0];
    let psi = before.last().map(|layer| &layer.psi);
    if let Some(psi) = psi {
        block.set_left(b, psi)?;
    }
    let (Some(tail), Some(tail_gram)) = (tail, tail_gram) else {
        b.copy(s, &mut block.gram)?;
        return match psi {
            Some(psi) => b.matmul(MatMul::TN, psi, c, &mut block.rhs),
            None => b.copy(c, &mut block.rhs),
        };
    };
    b.matmul(MatMul::NN, tail, s, tail_gram)?;
    b.matmul(MatMul::NT, tail_gram, tail, &mut block.gram)?;
    match (psi, projected) {
        (Some(psi), Some(projected)) => {
            b.matmul(MatMul::TN, psi, c, projected)?;
            b.matmul(MatMul::NT, projected, tail, &mut block.rhs)
        }
        _ => b.matmul(MatMul::NT, c, tail, &mut block.rhs),
    }
}
