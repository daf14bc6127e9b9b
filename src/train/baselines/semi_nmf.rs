//! Semi-NMF: H ≥ 0, W of any sign (Ding, Li & Jordan 2010; Trigeorgis et al. 2014, eq. 5).
//!
//! ```text
//! W = XᵀH (HᵀH)⁻¹        H ← H · √( ([XW]⁺ + H[WᵀW]⁻) / ([XW]⁻ + H[WᵀW]⁺) )
//! ```
//!
//! With `--solver cd` H by coordinate descent instead, each row of it a nonnegative least-squares problem in the same `XW` and
//! `WᵀW`: on PIE, k = 45, the objective of 200 of the papers' steps in 15 iterations and a fifth of the time. Clusters of deep
//! models are worse with it (AC .28 instead of .89, layers 625,45), so it has to be asked for.
//!
//! W first, so it needs no start, and what is returned is the one that H was made with.

use super::regression::Regression;
use super::stage_of;
use crate::Result;
use crate::backend::{Backend, By, Descent, Element, MatMul, MultiplicativeStep, Part, Rule};
use crate::model::HPenalty;
use crate::train::{Config, Cut, Layer, Objective, Samples, Scratch, Shards, Solver, Watch, iterate_exactly};
use ndarray::Axis;

/// Alternates W and H; returns the objective over time, which never rises but by roundings. An iteration is a pass over V.
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
    let mut objective = Objective::new(b, vv, &[], &[], HPenalty::SquaredL1, 0.0)?;
    let mut block = SignedBlock::new(b, v.cut(), k, config)?;
    let mut regression = Regression::new(b, v.cut(), m, k)?;
    regression.set(b, v, h)?;
    regression.solve(b, w)?;
    let start = objective.exact(b, v, h, w)?;
    let (stage, stop) = stage_of(layer, config);
    let factors = (std::slice::from_mut(w), h);
    iterate_exactly(b, stage, (start, stop), factors, &mut regression, watch, |b, (w, h), regression| {
        regression.solve(b, &mut w[0])?;
        regression.begin(b)?;
        block.prepare(b, &w[0])?;
        v.pass(b, &mut |b, s, v| {
            let h = h.at(b, s.index)?;
            block.step(b, v, &w[0], h)?;
            objective.record_residual(b, s.write, v, h, &w[0])?;
            regression.add(b, s.write, v, h)
        })?;
        objective.of_residual(b)
    })
}

/// `‖w_j‖ = 1` with the product unchanged, so that the scale is in H: the next layer, which approximates H, then weighs every
/// component by what it stands for in X. Without it, PIE with layers 625,45 clusters with an AC of .59, with it of .89. On the
/// host, once a layer.
pub(crate) fn unit_components<B: Backend>(b: &mut B, w: &mut B::Matrix, h: &mut Samples<B>) -> Result<()> {
    let lengths = b.by_host(
        &*w,
        |b, w| {
            let squares = b.download(w)?.fold_axis(Axis(0), 0.0, |sum, v| sum + v.f64().powi(2));
            let lengths = squares.mapv(|s: f64| B::Elem::of(if s > 0.0 { s.sqrt() } else { 1.0 }));
            b.upload(lengths.insert_axis(Axis(0)).view())
        },
        |b, w| b.zeros(1, b.shape(w).1),
    )?;
    b.scale(w, By::Columns(&lengths), true)?;
    h.scale(b, By::Columns(&lengths), false)
}

/// H under a Ψ of any sign, `B = XΨ` and `G = ΨᵀΨ`: every sample for itself.
pub(super) struct SignedBlock<B: Backend> {
    gram: B::Matrix,
    /// `[G]⁻` and `[G]⁺`.
    negative: B::Matrix,
    positive: B::Matrix,
    shards: Scratch<Shard<B>>,
    /// Passes of coordinate descent; None for the papers' step.
    passes: Option<usize>,
}

/// What a shard of H needs.
struct Shard<B: Backend> {
    rhs: B::Matrix,
    attract: B::Matrix,
    repel: B::Matrix,
}

impl<B: Backend> SignedBlock<B> {
    pub(super) fn new(b: &mut B, cut: Cut, k: usize, config: &Config) -> Result<Self> {
        Ok(Self {
            gram: b.zeros(k, k)?,
            negative: b.zeros(k, k)?,
            positive: b.zeros(k, k)?,
            shards: Scratch::new(cut, |rows| {
                Ok(Shard { rhs: b.zeros(rows, k)?, attract: b.zeros(rows, k)?, repel: b.zeros(rows, k)? })
            })?,
            passes: (config.solver == Solver::Cd).then_some(config.passes.unwrap_or(2)),
        })
    }

    /// For this Ψ.
    pub(super) fn prepare(&mut self, b: &mut B, psi: &B::Matrix) -> Result<()> {
        b.matmul(MatMul::TN, psi, psi, &mut self.gram)?;
        b.part(&self.gram, Part::Negative, &mut self.negative)?;
        b.part(&self.gram, Part::Positive, &mut self.positive)
    }

    /// One step on a shard of H.
    pub(super) fn step(&mut self, b: &mut B, x: &B::Matrix, psi: &B::Matrix, h: &mut B::Matrix) -> Result<()> {
        let Shard { rhs, attract, repel } = self.shards.rows(b.shape(h).0)?;
        b.matmul(MatMul::NN, x, psi, rhs)?;
        if let Some(sweeps) = self.passes {
            return b.descend(Descent { left: None, gram: &self.gram, rhs, mu: 0.0, sweeps }, h);
        }
        b.matmul(MatMul::NN, h, &self.negative, attract)?;
        b.matmul(MatMul::NN, h, &self.positive, repel)?;
        let attract = Some(&*attract);
        b.multiplicative_step(MultiplicativeStep { rhs, attract, repel, degree: None, rule: Rule::Root, x: h })
    }
}
