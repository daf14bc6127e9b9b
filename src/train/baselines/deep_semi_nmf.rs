//! The joint updates of Deep Semi-NMF (Trigeorgis et al. 2014, eq. 3 to 5 and Algorithm 1), after `semi_nmf` layer by layer.
//!
//! In the order W_1, …, W_L, H_L, with `Ψ_l = W_1 … W_l` and `H̃_l = H_L P_lᵀ`, `P_l = W_{l+1} … W_L`, the paper's least squares
//!
//! ```text
//! W_l = Ψ_{l−1}⁺ Xᵀ (H̃_lᵀ)⁺
//! ```
//!
//! are, where no layer is narrower than the last one (so that P_l and H_L have full column rank),
//!
//! ```text
//! D_l = (Ψ_{l−1}ᵀΨ_{l−1})⁻¹ Ψ_{l−1}ᵀ (XᵀH_L) (H_LᵀH_L)⁻¹          W_l = D_l (P_lᵀP_l)⁻¹ P_lᵀ
//! ```
//!
//! the shortest of all W_l with `W_l P_l = D_l`. Such a W_l has the rank of the last layer only, and the next Ψ_lᵀΨ_l no inverse:
//! in f32 the objective then rises. Taken is the solution nearest to the W_l there is,
//!
//! ```text
//! W_l ← W_l + (D_l − W_l P_l) (P_lᵀP_l)⁻¹ P_lᵀ
//! ```
//!
//! which has the same product, H_L and objective, and the rank that the pre-training gave it.
//!
//! A sweep is one pass over X, whatever the depth, as in [`crate::train`]. What is inverted has the size of a layer and its rank;
//! H̃_l itself would be singular. Hidden H_l enter no update and are left out.

use super::pseudo_inverse::PseudoInverse;
use super::regression::Regression;
use super::semi_nmf::SignedBlock;
use crate::Result;
use crate::backend::{Backend, MatMul};
use crate::model::HPenalty;
use crate::train::{Config, Objective, Samples, Shards, Stage, Stopping, Watch, iterate_exactly};

/// What a layer needs in a sweep; `k` is its size, `last` that of the last one.
struct Link<B: Backend> {
    /// `Ψ_l` (m × k).
    psi: B::Matrix,
    /// `P_l` (k × last); the last layer has none.
    tail: Option<Tail<B>>,
    /// What Ψ_{l−1} is divided out with; the first layer has none.
    below: Option<Below<B>>,
}

struct Tail<B: Backend> {
    p: B::Matrix,
    inverse: PseudoInverse<B>,
    /// `W_l P_l`, then that beside D, `R = D − W_l P_l`, and R times the M of `P_l⁺ = M Qᵀ`, all with the rows of W_l.
    product: B::Matrix,
    rest: B::Matrix,
    divided: B::Matrix,
    /// What W_l is changed by.
    change: B::Matrix,
}

struct Below<B: Backend> {
    inverse: PseudoInverse<B>,
    /// `Qᵀ C` and `Ψ⁺ C = M Qᵀ C`, C: m × last.
    projected: B::Matrix,
    divided: B::Matrix,
}

/// Sweeps over `W_1 … W_L, H_L`; returns the objective over time, which never rises but by roundings.
pub(crate) fn finetune<B: Backend>(
    b: &mut B,
    (x, xx): (&mut dyn Shards<B>, f64),
    w: &mut [B::Matrix],
    h: &mut Samples<B>,
    config: &Config,
    watch: &mut Watch<'_>,
) -> Result<Vec<f64>> {
    let (m, last) = (x.shape().1, w.len() - 1);
    let k = b.shape(&w[last]).1;
    let mut objective = Objective::new(b, xx, &[], &[], HPenalty::SquaredL1, 0.0)?;
    let mut block = SignedBlock::new(b, x.cut(), k, config)?;
    let mut links =
        w.iter().enumerate().map(|(l, w)| Link::new(b, w, m, k, (l == 0, l == last))).collect::<Result<Vec<_>>>()?;
    // `C = XᵀH_L (H_LᵀH_L)⁻¹`.
    let (mut c, mut regression) = (b.zeros(m, k)?, Regression::new(b, x.cut(), m, k)?);

    (0..=last).try_for_each(|l| grow_psi(b, w, &mut links, l))?;
    regression.set(b, x, h)?;
    let start = objective.exact(b, x, h, &links[last].psi)?;
    let stop = Stopping::new(config.tol, config.target_error);
    let sweeps = (Stage::Finetune, config.sweeps);
    iterate_exactly(b, sweeps, (start, stop), (w, h), &mut regression, watch, |b, (w, h), regression| {
        regression.solve(b, &mut c)?;
        regression.begin(b)?;
        set_tails(b, w, &mut links)?;
        for l in 0..=last {
            least_squares(b, &mut links, l, &c, &mut w[l])?;
            grow_psi(b, w, &mut links, l)?;
        }
        let psi = &links[last].psi;
        block.prepare(b, psi)?;
        x.pass(b, &mut |b, s, x| {
            let h = h.at(b, s.index)?;
            block.step(b, x, psi, h)?;
            objective.record_residual(b, s.write, x, h, psi)?;
            regression.add(b, s.write, x, h)
        })?;
        objective.of_residual(b)
    })
}

impl<B: Backend> Link<B> {
    fn new(b: &mut B, w: &B::Matrix, m: usize, last: usize, (is_first, is_last): (bool, bool)) -> Result<Self> {
        let (rows, k) = b.shape(w);
        let tail = match is_last {
            true => None,
            false => Some(Tail {
                p: b.zeros(k, last)?,
                inverse: PseudoInverse::new(b, (k, last))?,
                product: b.zeros(rows, last)?,
                rest: b.zeros(rows, last)?,
                divided: b.zeros(rows, last)?,
                change: b.zeros(rows, k)?,
            }),
        };
        let below = match is_first {
            true => None,
            false => Some(Below {
                inverse: PseudoInverse::new(b, (m, rows))?,
                projected: b.zeros(rows, last)?,
                divided: b.zeros(rows, last)?,
            }),
        };
        Ok(Self { psi: b.zeros(m, k)?, tail, below })
    }
}

/// `Ψ_l = Ψ_{l−1} W_l`.
fn grow_psi<B: Backend>(b: &mut B, w: &[B::Matrix], links: &mut [Link<B>], l: usize) -> Result<()> {
    let (before, now) = links.split_at_mut(l);
    match before.last() {
        None => b.copy(&w[0], &mut now[0].psi),
        Some(before) => b.matmul(MatMul::NN, &before.psi, &w[l], &mut now[0].psi),
    }
}

/// `P_l = W_{l+1} P_{l+1}` from the back, all with the factors of the sweep before, and their inverses.
fn set_tails<B: Backend>(b: &mut B, w: &[B::Matrix], links: &mut [Link<B>]) -> Result<()> {
    for l in (0..w.len() - 1).rev() {
        let (now, after) = links.split_at_mut(l + 1);
        if let Some(Tail { p, inverse, .. }) = &mut now[l].tail {
            match &after[0].tail {
                Some(next) => b.matmul(MatMul::NN, &w[l + 1], &next.p, p)?,
                None => b.copy(&w[l + 1], p)?,
            }
            inverse.set(b, p)?;
        }
    }
    Ok(())
}

/// W_l from `c = XᵀH_L (H_LᵀH_L)⁻¹`.
fn least_squares<B: Backend>(
    b: &mut B,
    links: &mut [Link<B>],
    l: usize,
    c: &B::Matrix,
    w: &mut B::Matrix,
) -> Result<()> {
    let (before, now) = links.split_at_mut(l);
    let Link { tail, below, .. } = &mut now[0];
    let mut d = c;
    if let (Some(before), Some(Below { inverse, projected, divided })) = (before.last(), below) {
        inverse.set(b, &before.psi)?;
        b.matmul(MatMul::TN, &inverse.q, c, projected)?;
        b.matmul(MatMul::NN, &inverse.m, projected, divided)?;
        d = divided;
    }
    match tail {
        None => b.copy(d, w),
        Some(Tail { p, inverse, product, rest, divided, change }) => {
            b.matmul(MatMul::NN, w, p, product)?;
            b.copy(d, rest)?;
            b.add(rest, -1.0, product)?;
            b.matmul(MatMul::NN, rest, &inverse.m, divided)?;
            b.matmul(MatMul::NT, divided, &inverse.q, change)?;
            b.add(w, 1.0, change)
        }
    }
}
