//! Fine-tuning online: W follows after every shard of the samples, from sums that forget those before.
//!
//! With the blocks of a sweep (`finetune.rs`), for a shard of n_s samples out of n:
//!
//! ```text
//! H_s: min_{H ≥ 0} ½‖X_s − H Ψᵀ‖² + pen_H
//! C ← f C + X_sᵀH_s      S ← f S + H_sᵀH_s      ν ← f ν + ‖X_s‖²/‖X‖²      W_1, …, W_L from C, S and the penalties ν mu
//! ```
//!
//! C and S are as those of the share ν of X, so penalties on W weigh what they weigh in a sweep. Samples that are all zero teach
//! nothing, and nothing is forgotten for them. The objective of an online sweep is that of
//! every sample under the W that it was met with.

use super::block::{BlockSolver, HBlock};
use super::finetune::{Chain, Sums, Sweeps, grow_psi, set_block, set_tail};
use super::iterate::iterate;
use super::objective::Objective;
use super::samples::{Samples, Shards};
use super::watch::Watch;
use super::{Config, Penalties, Stage};
use crate::Result;
use crate::backend::{Backend, By, Element, MatMul, Stopping, Sum, Write};
use ndarray::Array2;

/// Blocks of H of a shard: it begins at 0, or where W was a sweep ago.
pub(super) const SOLVES: usize = 3;

/// Online sweeps over `W_1 … W_L, H_L`, then a pass for H alone; returns the objective over time.
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
    let ((n, m), last) = (x.shape(), w.len() - 1);
    let ranks: Vec<usize> = w.iter().map(|w| b.shape(w).1).collect();
    let k = ranks[last];
    let (kind, lambda) = (config.model.h_penalty, penalties.lambda[last]);
    let h_block = HBlock::new(b, x.cut(), k, (kind, lambda, 0.0), BlockSolver::of(config, m, k))?;
    let mut objective = Objective::new(b, xx, &penalties.mu, &ranks, kind, lambda)?;
    let balance = config.balance.penalties && lambda > 0.0 && penalties.mu.iter().all(|&mu| mu > 0.0);
    let mut chain = Chain::of_layers(b, m, &ranks, penalties, config)?;
    // What is remembered; HᵀH of a shard, and of all of a sweep.
    let (sums, mut of_shard, mut gram) = (Sums::new(b, m, k)?, b.zeros(k, k)?, b.zeros(k, k)?);
    let forget = config.online.unwrap_or_default().forget;
    let forgets = b.upload(Array2::from_elem((1, 1), B::Elem::of(forget)).view())?;

    for (l, w) in w.iter().enumerate() {
        grow_psi(b, w, &mut chain, l)?;
    }
    h.gram(b, &mut gram)?;
    objective.record_penalties(b, 0, &*w, &gram)?;
    let mut trace = b.scalars(1)?;
    b.sum(Sum::Trace(&gram), &mut trace, 0)?;
    // After pre-training on a part no H is known yet.
    let start = match b.read(&trace)?[0] > 0.0 {
        true => objective.exact(b, x, h, &chain[last].psi)?,
        false => objective.of_no_h(b)?,
    };

    // The least ν with which W moves: half of what is remembered in the end, so that few samples do not undo what the
    // pre-training knows.
    let batch = x.cut().shards().next().map_or(0, |rows| rows.len()) as f64;
    let least = 0.5 * (batch / n as f64 / (1.0 - forget)).min(1.0);
    // ‖X_s‖²/‖X‖² of the shards that were met.
    let (mut shares, mut square) = (Vec::new(), b.scalars(1)?);
    let (stop, sweeps) = (Stopping::new(config.tol, config.target_error), (Stage::Finetune, config.sweeps));
    let mut state = Sweeps { w, h, h_block, chain, sums, rest: 0.0 };
    let mut history =
        iterate(b, &mut objective, sweeps, (start, stop), &mut state, watch, |b, objective, state, turn| {
            let Sweeps { w, h, h_block, chain, sums, rest: weight } = state;
            h_block.set_gram(b, &chain[last].psi)?;
            h_block.prepare(b)?;
            x.pass(b, &mut |b, s, x| {
                let (h, rows) = (h.at(b, s.index)?, b.shape(x).0);
                h_block.set_rhs(b, x, &chain[last].psi)?;
                (0..SOLVES).try_for_each(|_| h_block.solve(b, h))?;
                b.product(MatMul::TN, h, h, Write::Replace, &mut of_shard)?;
                objective.record_cross(b, turn, s.write, (h_block.rhs(rows)?, h))?;
                objective.record_quadratic_of(b, turn, s.write, (&h_block.gram, &of_shard))?;
                if s.index == 0 {
                    b.copy(&of_shard, &mut gram)?;
                } else {
                    b.add(&mut gram, 1.0, &of_shard)?;
                }

                if s.index == shares.len() {
                    b.reduce(Sum::Dot(x, x), Write::Replace, &mut square, 0)?;
                    shares.push(b.read(&square)?[0] / xx);
                }
                if shares[s.index] == 0.0 {
                    return Ok(());
                }
                let of_batch = (x, &*h, &of_shard, shares[s.index]);
                if !follow(b, (w, chain, sums), of_batch, &penalties.mu, (forget, &forgets), (weight, least))? {
                    return Ok(());
                }
                h_block.set_gram(b, &chain[last].psi)?;
                h_block.prepare(b)
            })?;
            objective.record_penalties(b, turn, &**w, &gram)?;
            if balance {
                let scales = objective.equalize(b, turn)?;
                for (l, w) in w.iter_mut().enumerate() {
                    b.scale(w, By::Entry(scales, l), false)?;
                    grow_psi(b, w, chain, l)?;
                }
                let by = By::Entry(scales, last + 1);
                h.scale(b, by, false)?;
                sums.scale(b, by)?;
                b.scale(&mut gram, by, false)?;
                b.scale(&mut gram, by, false)?;
                objective.record_penalties(b, turn, &**w, &gram)?;
            }
            Ok(())
        })?;

    // H as it is belongs to the W of its time.
    let Sweeps { w, h, mut h_block, chain, .. } = state;
    let before = (history[history.len() - 1], f64::INFINITY);
    h_block.set_gram(b, &chain[last].psi)?;
    let once = iterate(
        b,
        &mut objective,
        (Stage::Project, 1),
        (before, Stopping::new(0.0, None)),
        &mut (),
        watch,
        |b, objective, (), turn| {
            h_block.prepare(b)?;
            x.pass(b, &mut |b, s, x| {
                let h = h.at(b, s.index)?;
                h_block.set_rhs(b, x, &chain[last].psi)?;
                (0..SOLVES).try_for_each(|_| h_block.solve(b, h))?;
                objective.record_cross(b, turn, s.write, (h_block.rhs(b.shape(x).0)?, h))?;
                b.product(MatMul::TN, h, h, s.write, &mut gram)
            })?;
            objective.record_quadratic(b, turn, &h_block.gram, &gram)?;
            objective.record_penalties(b, turn, &*w, &gram)
        },
    )?;
    history.extend_from_slice(&once[1..]);
    Ok(history)
}

/// Adds a batch, with its H, HᵀH and share, to what is remembered, and lets the W follow; says whether they did, which they do from a
/// weight of `least` on.
pub(super) fn follow<B: Backend>(
    b: &mut B,
    (w, chain, sums): (&mut [B::Matrix], &mut [Chain<B>], &mut Sums<B>),
    (x, h, gram, share): (&B::Matrix, &B::Matrix, &B::Matrix, f64),
    mu: &[f64],
    (forget, forgets): (f64, &B::Matrix),
    (weight, least): (&mut f64, f64),
) -> Result<bool> {
    b.scale(&mut sums.c, By::Entry(forgets, 0), false)?;
    b.product(MatMul::TN, x, h, Write::Add, &mut sums.c)?;
    b.scale(&mut sums.s, By::Entry(forgets, 0), false)?;
    b.add(&mut sums.s, 1.0, gram)?;
    *weight = forget * *weight + share;
    if *weight < least {
        return Ok(false);
    }
    for l in (0..w.len() - 1).rev() {
        set_tail(b, &w[l + 1], chain, l)?;
    }
    for (l, w) in w.iter_mut().enumerate() {
        set_block(b, chain, l, sums)?;
        chain[l].block.mu = mu[l] * *weight;
        chain[l].block.solve(b, w)?;
        grow_psi(b, w, chain, l)?;
    }
    Ok(true)
}
