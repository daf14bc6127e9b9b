//! NMF by multiplicative updates (Lee & Seung 2001, eq. 4), and with smoothing nsNMF (Pascual-Montano et al. 2006, eq. 6),
//! which layer on layer is Multi-layer NMF.
//!
//! ```text
//! X ≈ H S Wᵀ,  S = (1 − θ) I + θ/k 11ᵀ        H ← H · X(WS) / H(WS)ᵀ(WS)        W ← W · Xᵀ(HS) / W(HS)ᵀ(HS)
//! ```
//!
//! H first. What one factor is smoothed by, both have to make up for by being sparse. An entry of 0 stays 0, so the start
//! should have none. At the end `w` is W S: what a unit of a component adds to a sample, as everywhere else in this crate.

use super::stage_of;
use crate::Result;
use crate::backend::{Backend, Element, MatMul, MultiplicativeStep, Rule};
use crate::model::HPenalty;
use crate::train::{Config, Layer, Objective, Samples, Scratch, Shards, State, Visitor, Watch, iterate};
use ndarray::Array2;

/// Multiplicative updates of one layer; returns the objective over time, which never rises. An iteration is a pass over V.
pub(crate) fn train<B: Backend>(
    b: &mut B,
    (v, vv): (&mut dyn Shards<B>, f64),
    w: &mut B::Matrix,
    h: &mut Samples<B>,
    layer: &Layer,
    config: &Config,
    watch: &mut Watch<'_>,
) -> Result<Vec<f64>> {
    let (m, k) = b.shape(w);
    let smoothing = Smoothing::new(b, k, config.theta)?;
    let mut objective = Objective::new(b, vv, &[], &[], HPenalty::SquaredL1, 0.0)?;
    // W S, Xᵀ H and Xᵀ H S; the Grams of W S, of H and of H S.
    let mut smooth = b.zeros(m, k)?;
    let (mut cross, mut smooth_cross, mut of_w) = (b.zeros(m, k)?, b.zeros(m, k)?, b.zeros(m, k)?);
    let (mut gram, mut of_h, mut scratch, mut s) = (b.zeros(k, k)?, b.zeros(k, k)?, b.zeros(k, k)?, b.zeros(k, k)?);
    // X W S and H G of a shard.
    let mut shards = Scratch::new(v.cut(), |rows| Ok([b.zeros(rows, k)?, b.zeros(rows, k)?]))?;

    smoothing.apply(b, w, &mut smooth)?;
    let start = objective.exact(b, v, h, &smooth)?;
    let (stage, stop) = stage_of(layer, config);
    let mut state = Updates { w, h, smooth };
    let history = iterate(b, &mut objective, stage, (start, stop), &mut state, watch, |b, objective, state, turn| {
        let Updates { w, h, smooth } = state;
        b.matmul(MatMul::TN, smooth, smooth, &mut gram)?;
        v.pass(b, &mut |b, s, v| {
            let (h, write) = (h.at(b, s.index)?, s.write);
            let [rhs, repel] = shards.rows(b.shape(h).0)?;
            b.matmul(MatMul::NN, v, smooth, rhs)?;
            b.matmul(MatMul::NN, h, &gram, repel)?;
            step(b, rhs, repel, h)?;
            b.product(MatMul::TN, v, h, write, &mut cross)?;
            b.product(MatMul::TN, h, h, write, &mut of_h)
        })?;

        smoothing.apply(b, &cross, &mut smooth_cross)?;
        // S is symmetric: S HᵀH S.
        smoothing.apply(b, &of_h, &mut scratch)?;
        smoothing.apply_left(b, &scratch, &mut s)?;
        b.matmul(MatMul::NN, w, &s, &mut of_w)?;
        step(b, &smooth_cross, &of_w, w)?;

        b.matmul(MatMul::TN, w, w, &mut gram)?;
        objective.record_fit(b, turn, (&smooth_cross, w), (&gram, &s))?;
        smoothing.apply(b, w, smooth)
    })?;
    b.copy(&state.smooth, state.w)?;
    Ok(history)
}

/// Between two iterations.
struct Updates<'a, B: Backend> {
    w: &'a mut B::Matrix,
    h: &'a mut Samples<B>,
    /// W S.
    smooth: B::Matrix,
}

impl<B: Backend> State<B> for Updates<'_, B> {
    fn visit(&mut self, b: &mut B, visitor: &mut Visitor<'_>) -> Result<()> {
        visitor.matrix(b, "W", self.w)?;
        self.h.visit(b, visitor)?;
        visitor.matrix(b, "W, smoothed", &mut self.smooth)
    }
}

fn step<B: Backend>(b: &mut B, rhs: &B::Matrix, repel: &B::Matrix, x: &mut B::Matrix) -> Result<()> {
    b.multiplicative_step(MultiplicativeStep { rhs, attract: None, repel, degree: None, rule: Rule::Ratio, x })
}

/// S, or the identity without a matrix for it.
struct Smoothing<B: Backend>(Option<B::Matrix>);

impl<B: Backend> Smoothing<B> {
    fn new(b: &mut B, k: usize, theta: f64) -> Result<Self> {
        if theta == 0.0 {
            return Ok(Self(None));
        }
        let entry = |(i, j)| B::Elem::of(theta / k as f64 + if i == j { 1.0 - theta } else { 0.0 });
        let work = |b: &mut B, ()| b.upload(Array2::from_shape_fn((k, k), entry).view());
        Ok(Self(Some(b.by_host((), work, |b, ()| b.zeros(k, k))?)))
    }

    /// `to = from S`.
    fn apply(&self, b: &mut B, from: &B::Matrix, to: &mut B::Matrix) -> Result<()> {
        match &self.0 {
            Some(s) => b.matmul(MatMul::NN, from, s, to),
            None => b.copy(from, to),
        }
    }

    /// `to = S from`.
    fn apply_left(&self, b: &mut B, from: &B::Matrix, to: &mut B::Matrix) -> Result<()> {
        match &self.0 {
            Some(s) => b.matmul(MatMul::NN, s, from, to),
            None => b.copy(from, to),
        }
    }
}
