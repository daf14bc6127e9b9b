//! Fine-tuning with an activation between the layers: Guo & Zhang 2017, section III-C, with the penalty gradients that
//! their (28) and (29) lack.
//!
//! ```text
//! H̃_L = H_L,   Y_l = H̃_l W_lᵀ,   H̃_{l−1} = p(Y_l)          f = ½‖X − H̃_1 W_1ᵀ‖² + penalties
//! D_1 = H̃_1 G − B,   E_l = D_{l−1} ⊙ p'(Y_l),   D_l = E_l W_l          G = W_1ᵀW_1,   B = X W_1
//! ∇f(W_l) = E_lᵀ H̃_l + mu 1sᵀ          ∇f(H_L) = D_L + ∇pen(H_L)
//! ```
//!
//! A sweep steps on H_L, then W_L … W_2, each once along its projected gradient, and solves the block of W_1. In a model
//! whose W have any sign, nonlinear Deep Semi-NMF (Trigeorgis et al. 2014, eq. 6 to 14), only H_L is projected, and W_1 goes
//! to that of least squares (damped, `first.rs` says why). Y_l then has any sign, and p is taken on all of ℝ: there `root` is
//! even, p(y) = y², the others increase.
//!
//! No Lipschitz constant is known for the steps: their length is searched for. With Δ what a trial makes of H̃_1, its
//! change of f is ⟨D_1, Δ⟩ + ½⟨ΔG, Δ⟩ exactly, whatever the activation, and so a sweep reads X twice (X W_1 and
//! XᵀH̃_1), whatever the depth and the number of trials.

mod first;
pub(super) mod layers;
mod search;

use super::exact::iterate_exactly;
use super::objective::Objective;
use super::project::{Outcome, Projection};
use super::samples::{Samples, Shards, download};
use super::state::{State, Visitor};
use super::watch::Watch;
use super::{Config, Penalties, Stage};
use crate::Result;
use crate::backend::{Apply, Backend, By, Domain, Element, MatMul, Stopping};
use crate::model::Activation;
use crate::model::activation::BOUND;
use first::First;
use ndarray::arr2;
use search::{Bottom, Link, Search, Step, Which, forward};

/// What lies above W_1.
struct Chain<B: Backend> {
    bottom: Bottom<B>,
    links: Vec<Link<B>>,
}

impl<B: Backend> Chain<B> {
    /// For layers of `ranks` and the factors as they are.
    fn new(b: &mut B, activation: Activation, ranks: &[usize], w: &[B::Matrix], h: &B::Matrix) -> Result<Self> {
        let (n, last) = (b.shape(h).0, w.len() - 1);
        let mut bottom = Bottom::new(b, activation, n, ranks[0])?;
        let mut links = ranks[..last].iter().map(|&k| Link::new(b, n, k)).collect::<Result<Vec<_>>>()?;
        forward(b, activation, (h, &w[last]), &w[..last], &mut links, Which::Now)?;
        b.matmul(MatMul::TN, &w[0], &w[0], &mut bottom.gram)?;
        Ok(Self { bottom, links })
    }

    /// H̃_1.
    fn top(&self) -> &B::Matrix {
        &self.links[0].now.out
    }

    fn step_h(&mut self, b: &mut B, w: &[B::Matrix], h: &mut B::Matrix, search: &mut Search<B>) -> Result<()> {
        let last = w.len() - 1;
        let step = Step { x: h, fixed: &w[last], w: &w[..last], links: &mut self.links };
        self.bottom.descend(b, step, search)
    }

    /// On W_{l+1}.
    fn step_w(
        &mut self,
        b: &mut B,
        l: usize,
        w: &mut [B::Matrix],
        h: &B::Matrix,
        search: &mut Search<B>,
    ) -> Result<()> {
        let (below, here) = w.split_at_mut(l);
        let (links, above) = self.links.split_at_mut(l);
        let fixed = above.first().map_or(h, |above| &above.now.out);
        self.bottom.descend(b, Step { x: &mut here[0], fixed, w: below, links }, search)
    }
}

/// Sweeps over `H_L, W_L … W_2, W_1`; returns the objective over time.
///
/// `x: n × m`, `xx = ‖X‖²`, `w[l]: k_{l−1} × k_l` (two at least), `h: n × k_L`.
pub(crate) fn finetune<B: Backend>(
    b: &mut B,
    (x, xx): (&B::Matrix, f64),
    w: &mut [B::Matrix],
    h: &mut Samples<B>,
    penalties: &Penalties,
    (config, activation): (&Config, Activation),
    watch: &mut Watch<'_>,
) -> Result<Vec<f64>> {
    let ((n, m), last) = (b.shape(x), w.len() - 1);
    let ranks: Vec<usize> = w.iter().map(|w| b.shape(w).1).collect();
    let (kind, lambda) = (config.model.h_penalty, penalties.lambda[last]);
    let mut objective = Objective::new(b, xx, &penalties.mu, &ranks, kind, lambda)?;
    let of_h = Search::of_h(b, (n, ranks[last]), kind, lambda)?;
    let domain = if config.model.signed { Domain::Real } else { Domain::Nonnegative };
    let mut of_w = Vec::with_capacity(last);
    for l in 1..=last {
        of_w.push(Search::of_w(b, (ranks[l - 1], ranks[l]), domain, penalties.mu[l])?);
    }
    let first = First::new(b, n, (m, ranks[0]), penalties.mu[0], config)?;
    let mut s = b.zeros(ranks[last], ranks[last])?;

    let chain = Chain::new(b, activation, &ranks, w, h.whole()?)?;
    h.gram(b, &mut s)?;
    objective.record_penalties(b, 0, &*w, &s)?;
    let start = objective.exact_whole(b, x, chain.top(), &w[0])?;

    let stop = Stopping::new(config.tol, config.target_error);
    let sweeps = (Stage::Finetune, config.sweeps);
    let mut state = Sweeps { chain, of_h, of_w, first };
    iterate_exactly(b, sweeps, (start, stop), (w, h), &mut state, watch, |b, (w, h), state| {
        let (h, Sweeps { chain, of_h, of_w, first }) = (h.whole_mut()?, state);
        b.matmul(MatMul::NN, x, &w[0], &mut chain.bottom.rhs)?;
        chain.step_h(b, w, h, of_h)?;
        for l in (1..=last).rev() {
            chain.step_w(b, l, w, h, &mut of_w[l - 1])?;
        }
        first.solve(b, x, chain.top(), &mut w[0])?;
        b.matmul(MatMul::TN, &w[0], &w[0], &mut chain.bottom.gram)?;
        if lambda > 0.0 {
            b.matmul(MatMul::TN, h, h, &mut s)?;
        }
        objective.record_penalties(b, 0, &*w, &s)?;
        objective.exact_whole(b, x, chain.top(), &w[0])
    })
}

/// Between two sweeps.
struct Sweeps<B: Backend> {
    chain: Chain<B>,
    of_h: Search<B>,
    of_w: Vec<Search<B>>,
    first: First<B>,
}

impl<B: Backend> State<B> for Sweeps<B> {
    fn visit(&mut self, b: &mut B, visitor: &mut Visitor<'_>) -> Result<()> {
        visitor.matrix(b, "Gram of W_1", &mut self.chain.bottom.gram)?;
        self.chain.links.iter_mut().try_for_each(|link| link.visit(b, visitor))?;
        self.of_h.visit(b, visitor)?;
        self.of_w.iter_mut().try_for_each(|search| search.visit(b, visitor))?;
        match &mut self.first {
            First::Nonnegative(block) => block.visit(b, visitor),
            First::Free(_) => Ok(()),
        }
    }
}

/// Gradient steps between two looks at the objective of a projection.
const BATCH: usize = 10;

/// `min_{H_L ≥ 0} ½‖X − H̃_1 W_1ᵀ‖² + pen(H_L)` from `h` on, the W fixed, by the steps of the fine-tuning.
pub(crate) fn refine<B: Backend>(
    b: &mut B,
    (x, xx): (&B::Matrix, f64),
    w: &[B::Matrix],
    h: &mut Samples<B>,
    (how, activation): (&Projection, Activation),
    watch: &mut Watch<'_>,
) -> Result<Outcome> {
    let ranks: Vec<usize> = w.iter().map(|w| b.shape(w).1).collect();
    let shape = h.shape();
    let mut objective = Objective::new(b, xx, &[], &[], how.h_penalty, how.lambda)?;
    let mut search = Search::of_h(b, shape, how.h_penalty, how.lambda)?;
    let mut chain = Chain::new(b, activation, &ranks, w, h.whole()?)?;
    b.matmul(MatMul::NN, x, &w[0], &mut chain.bottom.rhs)?;
    let mut s = b.zeros(shape.1, shape.1)?;
    h.gram(b, &mut s)?;
    objective.record_penalties(b, 0, [], &s)?;
    let start = objective.exact_whole(b, x, chain.top(), &w[0])?;

    let stop = Stopping::new(how.tol, None);
    let batches = (Stage::Project, how.max_steps.div_ceil(BATCH));
    let mut least = start;
    let history = iterate_exactly(b, batches, (start, stop), (&mut [], h), &mut (), watch, |b, (_, h), ()| {
        let h = h.whole_mut()?;
        for _ in 0..BATCH {
            chain.step_h(b, w, h, &mut search)?;
        }
        b.matmul(MatMul::TN, h, h, &mut s)?;
        objective.record_penalties(b, 0, [], &s)?;
        let made = objective.exact_whole(b, x, chain.top(), &w[0])?;
        least = if made.0 <= least.0 { made } else { least };
        Ok(made)
    })?;
    Ok(Outcome { relative_error: least.1, steps: (history.len() - 1) * BATCH })
}

/// What the next layer is trained on: g(H), where `scaled` with the largest entry of H at [`BOUND`], in the domain of every g,
/// and W inversely, the product unchanged.
pub(crate) fn feed<B: Backend>(
    b: &mut B,
    activation: Activation,
    scaled: bool,
    w: &mut B::Matrix,
    h: &mut Samples<B>,
) -> Result<Samples<B>> {
    if scaled {
        let largest = b.by_host(
            &*h,
            |b, h| Ok(download(b, h.whole()?)?.iter().fold(0.0_f64, |most, h| most.max(h.f64()))),
            |_, _| Ok(BOUND),
        )?;
        if largest > 0.0 {
            let scale = b.upload(arr2(&[[B::Elem::of(largest / BOUND)]]).view())?;
            b.scale(w, By::Entry(&scale, 0), false)?;
            h.scale(b, By::Entry(&scale, 0), true)?;
        }
    }
    h.activated(b, activation, Apply::G)
}

/// `g(from)` or `p(from)` as a new matrix.
pub(crate) fn apply<B: Backend>(b: &mut B, activation: Activation, how: Apply, from: &B::Matrix) -> Result<B::Matrix> {
    let (rows, cols) = b.shape(from);
    let mut out = b.zeros(rows, cols)?;
    b.activate(activation, how, from, &mut out)?;
    Ok(out)
}

/// `H̃_1 … H̃_{l−1}` for the factors of the first l layers and H_l: what the layers below a layer are by the model.
pub(crate) fn hidden<B: Backend>(
    b: &mut B,
    activation: Activation,
    w: &[B::Matrix],
    h: &B::Matrix,
) -> Result<Vec<B::Matrix>> {
    let n = b.shape(h).0;
    let mut all: Vec<B::Matrix> = Vec::new();
    for w in w[1..].iter().rev() {
        let mut y = b.zeros(n, b.shape(w).0)?;
        b.matmul(MatMul::NT, all.last().unwrap_or(h), w, &mut y)?;
        all.push(apply(b, activation, Apply::P, &y)?);
    }
    all.reverse();
    Ok(all)
}

#[cfg(test)]
mod tests;
