//! Fine-tuning with an activation between the layers: Guo & Zhang 2017, section III-C, with the penalty gradients that
//! their (28) and (29) lack.
//!
//! ```text
//! H̃_L = H_L,   Y_l = H̃_l W_lᵀ,   H̃_{l−1} = p(Y_l)          f = ½‖X − H̃_1 W_1ᵀ‖² + penalties
//! D_1 = H̃_1 G − B,   E_l = D_{l−1} ⊙ p'(Y_l),   D_l = E_l W_l          G = W_1ᵀW_1,   B = X W_1
//! ∇f(W_l) = E_lᵀ H̃_l + mu 1sᵀ          ∇f(H_L) = D_L + ∇pen(H_L)
//! ```
//!
//! A sweep steps on H_L, then W_L … W_2, each once along its projected gradient, and solves the block of W_1. No
//! Lipschitz constant is known for the steps: their length is searched for. With Δ what a trial makes of H̃_1, its
//! change of f is ⟨D_1, Δ⟩ + ½⟨ΔG, Δ⟩ exactly, whatever the activation, and so a sweep reads X twice (X W_1 and
//! XᵀH̃_1), whatever the depth and the number of trials.

use super::block::{BlockSolver, WBlock};
use super::objective::{Objective, Stopping, iterate};
use super::{Config, Penalties, Progress, Stage};
use crate::Result;
use crate::backend::{Apply, Backend, By, Element, MatMul, SearchSum, Sum};
use crate::model::activation::BOUND;
use crate::model::{Activation, HPenalty};
use ndarray::arr2;

/// Trials of a line search, at most.
const TRIALS: usize = 30;
/// The first step of all: this share of ‖x‖.
const FIRST_STEP: f64 = 0.1;

/// `Y = H̃ Wᵀ` and `p(Y)`, n × k of the layer below.
struct Pass<B: Backend> {
    y: B::Matrix,
    out: B::Matrix,
}

/// What lies between a layer and the one below it.
struct Link<B: Backend> {
    /// Of the factors as they are.
    now: Pass<B>,
    /// Of a trial; before the trials `y` holds E.
    trial: Pass<B>,
}

impl<B: Backend> Link<B> {
    fn new(b: &mut B, n: usize, k: usize) -> Result<Self> {
        let mut pass = || Ok(Pass { y: b.zeros(n, k)?, out: b.zeros(n, k)? });
        Ok(Self { now: pass()?, trial: pass()? })
    }
}

/// Which of a link's passes is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    Now,
    Trial,
}

impl Which {
    fn of<B: Backend>(self, link: &Link<B>) -> &Pass<B> {
        if self == Self::Now { &link.now } else { &link.trial }
    }

    fn of_mut<B: Backend>(self, link: &mut Link<B>) -> &mut Pass<B> {
        if self == Self::Now { &mut link.now } else { &mut link.trial }
    }
}

/// From the product of `top` (H̃ and W of the layer above the last link) down to H̃_1; `w[i]` is that of layer i.
fn forward<B: Backend>(
    b: &mut B,
    activation: Activation,
    top: (&B::Matrix, &B::Matrix),
    w: &[B::Matrix],
    links: &mut [Link<B>],
    which: Which,
) -> Result<()> {
    for i in (0..links.len()).rev() {
        let (here, above) = links.split_at_mut(i + 1);
        let (h, w) = above.first().map_or(top, |above| (&which.of(above).out, &w[i + 1]));
        let pass = which.of_mut(&mut here[i]);
        b.matmul(MatMul::NT, h, w, &mut pass.y)?;
        b.activate(activation, Apply::P, &pass.y, &mut pass.out)?;
    }
    Ok(())
}

/// `½⟨x, xQ⟩` or `½⟨x, Qx⟩`: a penalty as a quadratic form.
struct Penalty<B: Backend> {
    q: B::Matrix,
    /// ∇pen at x.
    pull: B::Matrix,
    /// ∇²pen on a move.
    bend: B::Matrix,
}

impl<B: Backend> Penalty<B> {
    /// `Q = constant·11ᵀ` or `constant·I`, on the side of length `of`.
    fn new(b: &mut B, kind: HPenalty, constant: f64, of: usize, (rows, cols): (usize, usize)) -> Result<Option<Self>> {
        if constant == 0.0 {
            return Ok(None);
        }
        let (nothing, mut q) = (b.zeros(of, of)?, b.zeros(of, of)?);
        b.add_penalty(&nothing, kind, constant, &mut q)?;
        Ok(Some(Self { q, pull: b.zeros(rows, cols)?, bend: b.zeros(rows, cols)? }))
    }
}

/// The unknown of a step, which is one side of the topmost product.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// H_L, above W_L.
    H,
    /// W_l, under H̃_l.
    W,
}

impl Side {
    fn product<'a, M>(self, x: &'a M, fixed: &'a M) -> (&'a M, &'a M) {
        if self == Self::H { (x, fixed) } else { (fixed, x) }
    }
}

/// The line search of one factor; α is kept from sweep to sweep.
struct Search<B: Backend> {
    side: Side,
    gradient: B::Matrix,
    trial: B::Matrix,
    moved: B::Matrix,
    penalty: Option<Penalty<B>>,
    sums: B::Scalars,
    /// None before the first step.
    state: Option<B::Matrix>,
}

impl<B: Backend> Search<B> {
    fn new(b: &mut B, side: Side, (rows, cols): (usize, usize), kind: HPenalty, constant: f64) -> Result<Self> {
        let of = if side == Side::H { cols } else { rows };
        Ok(Self {
            side,
            gradient: b.zeros(rows, cols)?,
            trial: b.zeros(rows, cols)?,
            moved: b.zeros(rows, cols)?,
            penalty: Penalty::new(b, kind, constant, of, (rows, cols))?,
            sums: b.scalars(SearchSum::COUNT)?,
            state: None,
        })
    }

    /// α = 0.1 ‖x‖/‖g‖ for the first step of all. Waits, once.
    fn start(&mut self, b: &mut B, x: &B::Matrix) -> Result<()> {
        b.sum(Sum::Dot(x, x), &mut self.sums, 0)?;
        b.sum(Sum::Dot(&self.gradient, &self.gradient), &mut self.sums, 1)?;
        let pending = b.start_read(&self.sums)?;
        let sums = b.finish_read(pending)?;
        let alpha = FIRST_STEP * sums[0].sqrt() / sums[1].sqrt().max(f64::MIN_POSITIVE);
        let alpha = B::Elem::of(alpha.min(SearchSum::LARGEST_STEP));
        let zero = B::Elem::of(0.0);
        self.state = Some(b.upload(arr2(&[[alpha, zero, zero]]).view())?);
        Ok(())
    }
}

/// A factor that is stepped on, with what its step depends on.
struct Step<'a, B: Backend> {
    x: &'a mut B::Matrix,
    /// The other side of the topmost product.
    fixed: &'a B::Matrix,
    /// The factors below.
    w: &'a [B::Matrix],
    /// The links below.
    links: &'a mut [Link<B>],
}

/// `½‖X − H̃_1 W_1ᵀ‖²` for fixed W_1.
struct Bottom<B: Backend> {
    activation: Activation,
    /// G.
    gram: B::Matrix,
    /// B.
    rhs: B::Matrix,
    /// D_1.
    slope: B::Matrix,
    /// ΔG.
    bend: B::Matrix,
}

impl<B: Backend> Bottom<B> {
    fn new(b: &mut B, activation: Activation, n: usize, k: usize) -> Result<Self> {
        let gram = b.zeros(k, k)?;
        Ok(Self { activation, gram, rhs: b.zeros(n, k)?, slope: b.zeros(n, k)?, bend: b.zeros(n, k)? })
    }

    /// The gradient of f at the factors as they are, into `search`.
    fn gradient(&mut self, b: &mut B, step: &mut Step<'_, B>, search: &mut Search<B>) -> Result<()> {
        let Step { x, fixed, w, links } = step;
        b.matmul(MatMul::NN, &links[0].now.out, &self.gram, &mut self.slope)?;
        b.add(&mut self.slope, -1.0, &self.rhs)?;
        for i in 0..links.len() {
            let (below, here) = links.split_at_mut(i);
            let Link { now, trial } = &mut here[0];
            match below.last() {
                None => b.copy(&self.slope, &mut trial.y)?,
                Some(below) => b.matmul(MatMul::NN, &below.trial.y, &w[i], &mut trial.y)?,
            }
            b.activate(self.activation, Apply::TimesDerivative, &now.y, &mut trial.y)?;
        }
        let e = &links[links.len() - 1].trial.y;
        match search.side {
            Side::H => b.matmul(MatMul::NN, e, fixed, &mut search.gradient)?,
            Side::W => b.matmul(MatMul::TN, e, fixed, &mut search.gradient)?,
        }
        if let Some(Penalty { q, pull, .. }) = &mut search.penalty {
            let (left, right) = search.side.product(&**x, q);
            b.matmul(MatMul::NN, left, right, pull)?;
            b.add(&mut search.gradient, 1.0, pull)?;
        }
        Ok(())
    }

    /// One trial, with its decision on the device.
    fn trial(&mut self, b: &mut B, step: &mut Step<'_, B>, search: &mut Search<B>, first: bool) -> Result<()> {
        let Some(state) = &mut search.state else { return Ok(()) };
        let Step { x, fixed, w, links } = step;
        b.search_trial(x, &search.gradient, state, &mut search.trial, &mut search.moved)?;
        let top = search.side.product(&search.trial, fixed);
        forward(b, self.activation, top, w, links, Which::Trial)?;
        let Link { now, trial } = &mut links[0];
        b.add(&mut trial.out, -1.0, &now.out)?;
        b.matmul(MatMul::NN, &trial.out, &self.gram, &mut self.bend)?;
        let sums = [
            (SearchSum::Slope, &search.gradient, &search.moved),
            (SearchSum::Linear, &self.slope, &trial.out),
            (SearchSum::Quadratic, &self.bend, &trial.out),
        ];
        for (what, left, right) in sums {
            b.sum(Sum::Dot(left, right), &mut search.sums, what as usize)?;
        }
        if let Some(Penalty { q, pull, bend }) = &mut search.penalty {
            let (left, right) = search.side.product(&search.moved, q);
            b.matmul(MatMul::NN, left, right, bend)?;
            for (what, of) in [(SearchSum::PenaltyLinear, &*pull), (SearchSum::PenaltyQuadratic, &*bend)] {
                b.sum(Sum::Dot(of, &search.moved), &mut search.sums, what as usize)?;
            }
        }
        b.search_decide(&search.sums, first, state)?;
        b.search_accept(state, &search.trial, x)
    }

    /// A step along the projected gradient, as long as Armijo's rule lets it be; then the links follow.
    ///
    /// The device decides; the host asks it after as many trials as a search usually takes, whether it needs more. A
    /// step that is kept doubles and is tried at twice its length: usually that is one trial too long.
    fn descend(&mut self, b: &mut B, mut step: Step<'_, B>, search: &mut Search<B>) -> Result<()> {
        self.gradient(b, &mut step, search)?;
        if search.state.is_none() {
            search.start(b, step.x)?;
        }
        let per_look = 1 + b.cadence().ahead;
        let (mut done, mut batch) = (0, per_look);
        while done < TRIALS {
            let end = TRIALS.min(done + batch);
            for trial in done..end {
                self.trial(b, &mut step, search, trial == 0)?;
            }
            (done, batch) = (end, batch * per_look);
            let Some(state) = search.state.as_ref().filter(|_| done < TRIALS) else { break };
            if b.download(state)?[[0, 1]].f64() != 0.0 {
                break;
            }
        }
        let top = search.side.product(&*step.x, step.fixed);
        forward(b, self.activation, top, step.w, step.links, Which::Now)
    }
}

/// Sweeps over `H_L, W_L … W_2, W_1`; returns the objective over time.
///
/// `x: n × m`, `xx = ‖X‖²`, `w[l]: k_{l−1} × k_l` (two at least), `h: n × k_L`.
pub(crate) fn finetune<B: Backend>(
    b: &mut B,
    (x, xx): (&B::Matrix, f64),
    w: &mut [B::Matrix],
    h: &mut B::Matrix,
    penalties: &Penalties,
    (config, activation): (&Config, Activation),
    progress: &mut dyn FnMut(&Progress),
) -> Result<Vec<f64>> {
    let ((n, m), last) = (b.shape(x), w.len() - 1);
    let ranks: Vec<usize> = w.iter().map(|w| b.shape(w).1).collect();
    let (kind, lambda) = (config.model.h_penalty, penalties.lambda[last]);
    let mut objective = Objective::new(b, xx, &penalties.mu, &ranks, kind, lambda)?;
    let mut bottom = Bottom::new(b, activation, n, ranks[0])?;
    let mut links = ranks[..last].iter().map(|&k| Link::new(b, n, k)).collect::<Result<Vec<_>>>()?;
    let mut of_h = Search::new(b, Side::H, (n, ranks[last]), kind, lambda)?;
    let mut of_w = Vec::with_capacity(last);
    for l in 1..=last {
        of_w.push(Search::new(b, Side::W, (ranks[l - 1], ranks[l]), HPenalty::SquaredL1, penalties.mu[l])?);
    }
    let mut block = WBlock::new(b, (m, ranks[0]), penalties.mu[0], false, BlockSolver::of(config))?;
    let mut s = b.zeros(ranks[last], ranks[last])?;

    forward(b, activation, (&*h, &w[last]), &w[..last], &mut links, Which::Now)?;
    b.matmul(MatMul::TN, &w[0], &w[0], &mut bottom.gram)?;
    b.matmul(MatMul::TN, h, h, &mut s)?;
    objective.record_penalties(b, 0, &*w, &s)?;
    let start = objective.exact(b, x, &links[0].now.out, &w[0])?;

    let stop = Stopping { tol: config.tol, target_error: config.target_error };
    iterate(b, &mut objective, (Stage::Finetune, config.sweeps), start, stop, progress, |b, objective, turn| {
        b.matmul(MatMul::NN, x, &w[0], &mut bottom.rhs)?;
        let step = Step { x: &mut *h, fixed: &w[last], w: &w[..last], links: &mut links };
        bottom.descend(b, step, &mut of_h)?;
        for l in (1..=last).rev() {
            let (below, here) = w.split_at_mut(l);
            let (links, above) = links.split_at_mut(l);
            let fixed = above.first().map_or(&*h, |above| &above.now.out);
            bottom.descend(b, Step { x: &mut here[0], fixed, w: below, links }, &mut of_w[l - 1])?;
        }
        let top = &links[0].now.out;
        b.matmul(MatMul::TN, top, top, &mut block.gram)?;
        b.matmul(MatMul::TN, x, top, &mut block.rhs)?;
        block.solve(b, &mut w[0])?;
        b.matmul(MatMul::TN, &w[0], &w[0], &mut bottom.gram)?;
        objective.record_fit(b, turn, (&block.rhs, &w[0]), (&bottom.gram, &block.gram))?;
        if lambda > 0.0 {
            b.matmul(MatMul::TN, h, h, &mut s)?;
        }
        objective.record_penalties(b, turn, &*w, &s)
    })
}

/// What the next layer is trained on: g(H), with H scaled into the domain of g and W inversely, the product unchanged.
pub(crate) fn feed<B: Backend>(
    b: &mut B,
    activation: Activation,
    w: &mut B::Matrix,
    h: &mut B::Matrix,
) -> Result<B::Matrix> {
    if activation.is_bounded() {
        let largest = b.download(h)?.iter().fold(0.0_f64, |most, h| most.max(h.f64()));
        if largest > 0.0 {
            let scale = b.upload(arr2(&[[B::Elem::of(largest / BOUND)]]).view())?;
            b.scale(w, By::Entry(&scale, 0), false)?;
            b.scale(h, By::Entry(&scale, 0), true)?;
        }
    }
    apply(b, activation, Apply::G, h)
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
