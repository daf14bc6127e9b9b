//! Fine-tuning of all layers: Guo & Zhang 2017, Algorithm 2, by the linear chain.
//!
//! The update of W_l needs `XᵀH̃_l` and `H̃_lᵀH̃_l` with `H̃_l = H_L P_lᵀ`, `P_l = W_{l+1} … W_L`. These are
//!
//! ```text
//! XᵀH̃_l = (XᵀH_L) P_lᵀ          H̃_lᵀH̃_l = P_l (H_LᵀH_L) P_lᵀ
//! ```
//!
//! so a sweep reads X twice (XᵀH_L and XΨ_L), whatever the depth. The H_l of the hidden layers enter no other
//! update and not the objective; they are solved for once, afterwards.

use super::block::{BlockSolver, HBlock, WBlock};
use super::objective::{Objective, iterate};
use super::{Config, Penalties, Progress, Stage};
use crate::Result;
use crate::backend::{Backend, By, MatMul, Stopping};

/// What one hidden or last layer needs in a sweep.
struct Chain<B: Backend> {
    block: WBlock<B>,
    /// `Ψ_l` (m × k_l).
    psi: B::Matrix,
    /// `P_l` (k_l × k_L); the last layer has none.
    tail: Option<B::Matrix>,
    /// `P_l S` (k_l × k_L).
    tail_gram: Option<B::Matrix>,
    /// `Ψ_{l−1}ᵀ C` (k_{l−1} × k_L); the first layer has none, and the last one writes its right side directly.
    projected: Option<B::Matrix>,
}

/// Sweeps over `W_1 … W_L, H_L`; returns the objective over time.
///
/// `x: n × m`, `xx = ‖X‖²`, `w[l]: k_{l−1} × k_l`, `h: n × k_L`.
pub(crate) fn finetune<B: Backend>(
    b: &mut B,
    (x, xx): (&B::Matrix, f64),
    w: &mut [B::Matrix],
    h: &mut B::Matrix,
    penalties: &Penalties,
    config: &Config,
    progress: &mut dyn FnMut(&Progress),
) -> Result<Vec<f64>> {
    let ((n, m), last) = (b.shape(x), w.len() - 1);
    let ranks: Vec<usize> = w.iter().map(|w| b.shape(w).1).collect();
    let k = ranks[last];
    let (kind, lambda) = (config.model.h_penalty, penalties.lambda[last]);
    let mut h_block = HBlock::new(b, (n, k), kind, lambda, BlockSolver::of(config, m, k))?;
    let mut objective = Objective::new(b, xx, &penalties.mu, &ranks, kind, lambda)?;
    let balance = config.balance.penalties && lambda > 0.0 && penalties.mu.iter().all(|&mu| mu > 0.0);
    let mut chain = Vec::with_capacity(w.len());
    for (l, &rank) in ranks.iter().enumerate() {
        let rows = if l == 0 { m } else { ranks[l - 1] };
        let inner = l < last;
        chain.push(Chain::<B> {
            block: WBlock::new(b, (rows, rank), penalties.mu[l], l > 0, BlockSolver::in_chain(config))?,
            psi: b.zeros(m, rank)?,
            tail: if inner { Some(b.zeros(rank, k)?) } else { None },
            tail_gram: if inner { Some(b.zeros(rank, k)?) } else { None },
            projected: if inner && l > 0 { Some(b.zeros(rows, k)?) } else { None },
        });
    }
    // C = XᵀH_L and S = H_LᵀH_L.
    let (mut c, mut s) = (b.zeros(m, k)?, b.zeros(k, k)?);

    set_psi(b, w, &mut chain)?;
    b.matmul(MatMul::TN, h, h, &mut s)?;
    objective.record_penalties(b, 0, &*w, &s)?;
    let start = objective.exact(b, x, h, &chain[last].psi)?;

    let stop = Stopping { tol: config.tol, target_error: config.target_error };
    iterate(b, &mut objective, (Stage::Finetune, config.sweeps), start, stop, progress, |b, objective, turn| {
        b.matmul(MatMul::TN, x, h, &mut c)?;
        set_tails(b, w, &mut chain)?;
        for l in 0..=last {
            set_block(b, &mut chain, l, &c, &s)?;
            chain[l].block.solve(b, &mut w[l])?;
            grow_psi(b, w, &mut chain, l)?;
        }
        let psi = &chain[last].psi;
        h_block.set_gram(b, psi)?;
        h_block.set_rhs(b, x, psi)?;
        h_block.solve(b, h)?;
        b.matmul(MatMul::TN, h, h, &mut s)?;
        objective.record_fit(b, turn, (&h_block.rhs, h), (&h_block.gram, &s))?;
        objective.record_penalties(b, turn, &*w, &s)?;
        if balance {
            let scales = objective.equalize(b, turn)?;
            for (l, w) in w.iter_mut().enumerate() {
                b.scale(w, By::Entry(scales, l), false)?;
            }
            let of_h = By::Entry(scales, last + 1);
            b.scale(h, of_h, false)?;
            b.scale(&mut s, of_h, false)?;
            b.scale(&mut s, of_h, false)?;
            objective.record_penalties(b, turn, &*w, &s)?;
        }
        Ok(())
    })
}

/// `Ψ_l = Ψ_{l−1} W_l`.
fn grow_psi<B: Backend>(b: &mut B, w: &[B::Matrix], chain: &mut [Chain<B>], l: usize) -> Result<()> {
    match l {
        0 => b.copy(&w[0], &mut chain[0].psi),
        _ => {
            let (before, now) = chain.split_at_mut(l);
            b.matmul(MatMul::NN, &before[l - 1].psi, &w[l], &mut now[0].psi)
        }
    }
}

fn set_psi<B: Backend>(b: &mut B, w: &[B::Matrix], chain: &mut [Chain<B>]) -> Result<()> {
    (0..w.len()).try_for_each(|l| grow_psi(b, w, chain, l))
}

/// `P_l = W_{l+1} P_{l+1}` from the back, all with the factors of the sweep before.
fn set_tails<B: Backend>(b: &mut B, w: &[B::Matrix], chain: &mut [Chain<B>]) -> Result<()> {
    for l in (0..w.len() - 1).rev() {
        let (now, after) = chain.split_at_mut(l + 1);
        if let Some(tail) = &mut now[l].tail {
            match &after[0].tail {
                Some(next) => b.matmul(MatMul::NN, &w[l + 1], next, tail)?,
                None => b.copy(&w[l + 1], tail)?,
            }
        }
    }
    Ok(())
}

/// The Gram and the right side of W_l: `P_l S P_lᵀ` and `Ψ_{l−1}ᵀ C P_lᵀ`.
fn set_block<B: Backend>(b: &mut B, chain: &mut [Chain<B>], l: usize, c: &B::Matrix, s: &B::Matrix) -> Result<()> {
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
