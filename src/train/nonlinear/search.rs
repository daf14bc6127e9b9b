//! The machinery of the nonlinear models: what lies between the layers, gradients through it, and the line search.
//! The formulas are in [`super`].

use crate::Result;
use crate::backend::{Apply, Backend, By, Domain, Element, MatMul, SearchSum, Sum};
use crate::model::{Activation, HPenalty};
use crate::train::state::{State, Visitor};
use ndarray::arr2;

/// Trials of a line search, at most.
const TRIALS: usize = 30;
/// The first step of all: this share of ‖x‖.
const FIRST_STEP: f64 = 0.1;

/// `Y = H̃ Wᵀ` and `p(Y)`, n × k of the layer below.
pub(super) struct Pass<B: Backend> {
    y: B::Matrix,
    pub(super) out: B::Matrix,
}

/// What lies between a layer and the one below it.
pub(super) struct Link<B: Backend> {
    /// Of the factors as they are.
    pub(super) now: Pass<B>,
    /// Of a trial; before the trials `y` holds E.
    trial: Pass<B>,
}

impl<B: Backend> Link<B> {
    pub(super) fn new(b: &mut B, n: usize, k: usize) -> Result<Self> {
        let mut pass = || Ok(Pass { y: b.zeros(n, k)?, out: b.zeros(n, k)? });
        Ok(Self { now: pass()?, trial: pass()? })
    }
}

/// What the factors as they are lead to.
impl<B: Backend> State<B> for Link<B> {
    fn visit(&mut self, b: &mut B, visitor: &mut Visitor<'_>) -> Result<()> {
        visitor.matrix(b, "Y", &mut self.now.y)?;
        visitor.matrix(b, "p(Y)", &mut self.now.out)
    }
}

/// Which of a link's passes is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
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
pub(super) fn forward<B: Backend>(
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
pub(super) struct Search<B: Backend> {
    side: Side,
    domain: Domain,
    pub(super) gradient: B::Matrix,
    trial: B::Matrix,
    moved: B::Matrix,
    penalty: Option<Penalty<B>>,
    sums: B::Scalars,
    /// None before the first step.
    state: Option<B::Matrix>,
}

impl<B: Backend> Search<B> {
    /// For an H_L, which is nonnegative, with the penalty `constant` of `kind`.
    pub(super) fn of_h(b: &mut B, shape: (usize, usize), kind: HPenalty, constant: f64) -> Result<Self> {
        let penalty = Penalty::new(b, kind, constant, shape.1, shape)?;
        Self::new(b, (Side::H, Domain::Nonnegative), shape, penalty)
    }

    /// For a W_l in `domain` with the penalty `mu` on its column sums.
    pub(super) fn of_w(b: &mut B, shape: (usize, usize), domain: Domain, mu: f64) -> Result<Self> {
        let penalty = Penalty::new(b, HPenalty::SquaredL1, mu, shape.0, shape)?;
        Self::new(b, (Side::W, domain), shape, penalty)
    }

    fn new(
        b: &mut B,
        (side, domain): (Side, Domain),
        (rows, cols): (usize, usize),
        penalty: Option<Penalty<B>>,
    ) -> Result<Self> {
        Ok(Self {
            side,
            domain,
            gradient: b.zeros(rows, cols)?,
            trial: b.zeros(rows, cols)?,
            moved: b.zeros(rows, cols)?,
            penalty,
            sums: b.scalars(SearchSum::COUNT)?,
            state: None,
        })
    }

    /// α = 0.1 ‖x‖/‖g‖ for the first step of all. Waits, once.
    fn start(&mut self, b: &mut B, x: &B::Matrix) -> Result<()> {
        b.sum(Sum::Dot(x, x), &mut self.sums, 0)?;
        b.sum(Sum::Dot(&self.gradient, &self.gradient), &mut self.sums, 1)?;
        let sums = b.read(&self.sums)?;
        let alpha = FIRST_STEP * sums[0].sqrt() / sums[1].sqrt().max(f64::MIN_POSITIVE);
        let alpha = B::Elem::of(alpha.min(SearchSum::LARGEST_STEP));
        let zero = B::Elem::of(0.0);
        self.state = Some(b.upload(arr2(&[[alpha, zero, zero]]).view())?);
        Ok(())
    }
}

impl<B: Backend> State<B> for Search<B> {
    fn visit(&mut self, b: &mut B, visitor: &mut Visitor<'_>) -> Result<()> {
        let mut begun = self.state.is_some();
        visitor.flag(&mut begun)?;
        if begun && self.state.is_none() {
            self.state = Some(b.zeros(1, 3)?);
        }
        self.state.as_mut().map_or(Ok(()), |state| visitor.matrix(b, "state of a line search", state))
    }
}

/// A factor that is stepped on, with what its step depends on.
pub(super) struct Step<'a, B: Backend> {
    pub(super) x: &'a mut B::Matrix,
    /// The other side of the topmost product.
    pub(super) fixed: &'a B::Matrix,
    /// The factors below.
    pub(super) w: &'a [B::Matrix],
    /// The links below.
    pub(super) links: &'a mut [Link<B>],
}

/// `½‖X − H̃_1 W_1ᵀ‖²` for fixed W_1.
pub(super) struct Bottom<B: Backend> {
    activation: Activation,
    /// G.
    pub(super) gram: B::Matrix,
    /// B.
    pub(super) rhs: B::Matrix,
    /// D_1.
    slope: B::Matrix,
    /// ΔG.
    bend: B::Matrix,
}

impl<B: Backend> Bottom<B> {
    pub(super) fn new(b: &mut B, activation: Activation, n: usize, k: usize) -> Result<Self> {
        let gram = b.zeros(k, k)?;
        Ok(Self { activation, gram, rhs: b.zeros(n, k)?, slope: b.zeros(n, k)?, bend: b.zeros(n, k)? })
    }

    /// The gradient of f at the factors as they are, into `search`.
    pub(super) fn gradient(&mut self, b: &mut B, step: &mut Step<'_, B>, search: &mut Search<B>) -> Result<()> {
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
        b.search_trial(x, &search.gradient, state, search.domain, &mut search.trial, &mut search.moved)?;
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
        b.accept(&search.trial, By::Entry(state, 2), x)
    }

    /// A step along the gradient, projected where x ≥ 0, as long as Armijo's rule lets it be; then the links follow.
    ///
    /// The device decides; the host asks it after as many trials as a search usually takes, whether it needs more. A
    /// step that is kept doubles and is tried at twice its length: usually that is one trial too long.
    pub(super) fn descend(&mut self, b: &mut B, mut step: Step<'_, B>, search: &mut Search<B>) -> Result<()> {
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
