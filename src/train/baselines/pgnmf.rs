//! PgNMF: alternating nonnegative least squares, each by projected gradients with the step rule of Lin 2007, Algorithm 4.
//!
//! ```text
//! F' = max(0, F − α ∇),  ∇ = F G − B        enough:  (1 − σ)⟨∇, F' − F⟩ + ½⟨F' − F, (F' − F) G⟩ < 0
//! ```
//!
//! α starts where it last was: if that is enough it grows by 1/β as long as it stays so, else it shrinks by β until it is.
//! The condition is exact, because a block is quadratic. Its three sums come to the host at every trial; this is the one
//! solver here in which the host decides within an iteration. W first, then H.

use super::stage_of;
use crate::Result;
use crate::backend::{Backend, MatMul, Sum};
use crate::model::HPenalty;
use crate::train::{Config, Layer, Objective, State, Visitor, Watch, iterate};

const BETA: f64 = 0.1;
const SIGMA: f64 = 0.01;
/// Steps per block, at most: Lin's blocks are solved to a tolerance, this one is not left to run.
const STEPS: usize = 10;
/// A block ends when the projected gradient is this part of what it was.
const DONE: f64 = 1e-3;
/// Step sizes per step, at most.
const TRIALS: usize = 20;

/// Alternates W and H; returns the objective over time, which never rises.
pub(crate) fn train<B: Backend>(
    b: &mut B,
    (v, vv): (&B::Matrix, f64),
    w: &mut B::Matrix,
    h: &mut B::Matrix,
    layer: &Layer,
    config: &Config,
    watch: &mut Watch<'_>,
) -> Result<Vec<f64>> {
    let ((n, m), k) = (b.shape(v), b.shape(w).1);
    let mut objective = Objective::new(b, vv, &[], &[], HPenalty::SquaredL1, 0.0)?;
    let (mut of_w, of_h) = (Block::new(b, m, k)?, Block::new(b, n, k)?);
    let start = objective.exact_whole(b, v, h, w)?;
    b.matmul(MatMul::TN, h, h, &mut of_w.gram)?;
    let (stage, stop) = stage_of(layer, config);
    let mut state = Blocks { w, h, of_w, of_h };
    iterate(b, &mut objective, stage, (start, stop), &mut state, watch, |b, objective, state, turn| {
        let Blocks { w, h, of_w, of_h } = state;
        b.matmul(MatMul::TN, v, h, &mut of_w.rhs)?;
        of_w.solve(b, w)?;
        b.matmul(MatMul::TN, w, w, &mut of_h.gram)?;
        b.matmul(MatMul::NN, v, w, &mut of_h.rhs)?;
        of_h.solve(b, h)?;
        b.matmul(MatMul::TN, h, h, &mut of_w.gram)?;
        objective.record_fit(b, turn, (&of_h.rhs, h), (&of_h.gram, &of_w.gram))
    })
}

/// Between two iterations.
struct Blocks<'a, B: Backend> {
    w: &'a mut B::Matrix,
    h: &'a mut B::Matrix,
    of_w: Block<B>,
    of_h: Block<B>,
}

impl<B: Backend> State<B> for Blocks<'_, B> {
    fn visit(&mut self, b: &mut B, visitor: &mut Visitor<'_>) -> Result<()> {
        visitor.matrix(b, "W", self.w)?;
        visitor.matrix(b, "H", self.h)?;
        visitor.matrix(b, "Gram of H", &mut self.of_w.gram)?;
        visitor.number(&mut self.of_w.alpha)?;
        visitor.number(&mut self.of_h.alpha)
    }
}

/// `min_{F ≥ 0} ½⟨F, F G⟩ − ⟨B, F⟩`.
struct Block<B: Backend> {
    gram: B::Matrix,
    rhs: B::Matrix,
    alpha: f64,
    gradient: B::Matrix,
    /// Where a trial leads, and where the one before led.
    there: [B::Matrix; 2],
    moved: B::Matrix,
    curved: B::Matrix,
    sums: B::Scalars,
}

/// `[⟨∇, d⟩, ⟨d, d G⟩, ‖∇‖²]` of a trial, the last with the projected gradient.
type Sums = [f64; 3];

impl<B: Backend> Block<B> {
    fn new(b: &mut B, rows: usize, k: usize) -> Result<Self> {
        Ok(Self {
            gram: b.zeros(k, k)?,
            rhs: b.zeros(rows, k)?,
            alpha: 1.0,
            gradient: b.zeros(rows, k)?,
            there: [b.zeros(rows, k)?, b.zeros(rows, k)?],
            moved: b.zeros(rows, k)?,
            curved: b.zeros(rows, k)?,
            sums: b.scalars(3)?,
        })
    }

    fn solve(&mut self, b: &mut B, x: &mut B::Matrix) -> Result<()> {
        let mut first = None;
        for _ in 0..STEPS {
            b.matmul(MatMul::NN, x, &self.gram, &mut self.gradient)?;
            b.projected_gradient(x, &self.rhs, &mut self.gradient, &mut self.curved)?;
            b.sum(Sum::Dot(&self.curved, &self.curved), &mut self.sums, 2)?;
            let sums = self.trial(b, x)?;
            let norm = sums[2].sqrt();
            if norm <= DONE * *first.get_or_insert(norm) {
                break;
            }
            self.search(b, x, sums)?;
        }
        Ok(())
    }

    /// Goes α far from `x` into the first place. Waits.
    fn trial(&mut self, b: &mut B, x: &B::Matrix) -> Result<Sums> {
        b.gradient_step(x, &self.gradient, self.alpha, &mut self.there[0], &mut self.moved)?;
        b.matmul(MatMul::NN, &self.moved, &self.gram, &mut self.curved)?;
        b.sum(Sum::Dot(&self.gradient, &self.moved), &mut self.sums, 0)?;
        b.sum(Sum::Dot(&self.moved, &self.curved), &mut self.sums, 1)?;
        let sums = b.read(&self.sums)?;
        Ok([sums[0], sums[1], sums[2]])
    }

    /// One step on `x`, of which the first trial is made.
    fn search(&mut self, b: &mut B, x: &mut B::Matrix, first: Sums) -> Result<()> {
        let enough = |[slope, curvature, _]: Sums| (1.0 - SIGMA) * slope + 0.5 * curvature < 0.0;
        let mut last = first;
        if !enough(first) {
            for _ in 1..TRIALS {
                self.alpha *= BETA;
                if enough(self.trial(b, x)?) {
                    return b.copy(&self.there[0], x);
                }
            }
            self.alpha *= BETA;
            return Ok(());
        }
        for _ in 1..TRIALS {
            self.alpha /= BETA;
            self.there.swap(0, 1);
            let now = self.trial(b, x)?;
            // A longer step that leads nowhere else has the same sums.
            if !enough(now) || now == last {
                return b.copy(&self.there[1], x);
            }
            last = now;
        }
        self.alpha /= BETA;
        Ok(())
    }
}
