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

use super::pseudo_inverse::PseudoInverse;
use super::stage_of;
use crate::Result;
use crate::backend::{Backend, By, Descent, Element, MatMul, MultiplicativeStep, Part, Rule};
use crate::model::HPenalty;
use crate::train::{Config, Layer, Objective, Progress, Solver, iterate_exactly};
use ndarray::Axis;

/// Alternates W and H; returns the objective over time, which never rises but by roundings.
pub(crate) fn train<B: Backend>(
    b: &mut B,
    (v, vv): (&B::Matrix, f64),
    w: &mut B::Matrix,
    h: &mut B::Matrix,
    layer: &Layer,
    config: &Config,
    progress: &mut dyn FnMut(&Progress),
) -> Result<Vec<f64>> {
    let ((n, m), k) = (b.shape(v), b.shape(w).1);
    let mut objective = Objective::new(b, vv, &[], &[], HPenalty::SquaredL1, 0.0)?;
    let mut block = SignedBlock::new(b, n, k, config)?;
    let (mut cross, mut inverse) = (b.zeros(m, k)?, PseudoInverse::new(b, (n, k))?);
    let mut least_squares = |b: &mut B, h: &B::Matrix, w: &mut B::Matrix| {
        inverse.set(b, h)?;
        b.matmul(MatMul::TN, v, &inverse.q, &mut cross)?;
        b.matmul(MatMul::NT, &cross, &inverse.m, w)
    };
    least_squares(b, h, w)?;
    let start = objective.exact(b, v, h, w)?;
    let (stage, stop) = stage_of(layer, config);
    iterate_exactly(b, stage, (start, stop), (std::slice::from_mut(w), h), progress, |b, (w, h)| {
        least_squares(b, h, &mut w[0])?;
        block.set(b, v, &w[0])?;
        block.step(b, h)?;
        objective.exact(b, v, h, &w[0])
    })
}

/// `‖w_j‖ = 1` with the product unchanged, so that the scale is in H: the next layer, which approximates H, then weighs every
/// component by what it stands for in X. Without it, PIE with layers 625,45 clusters with an AC of .59, with it of .89. On the
/// host, once a layer.
pub(crate) fn unit_components<B: Backend>(b: &mut B, w: &mut B::Matrix, h: &mut B::Matrix) -> Result<()> {
    let squares = b.download(w)?.fold_axis(Axis(0), 0.0, |sum, v| sum + v.f64().powi(2));
    let lengths = squares.mapv(|s: f64| B::Elem::of(if s > 0.0 { s.sqrt() } else { 1.0 }));
    let lengths = b.upload(lengths.insert_axis(Axis(0)).view())?;
    b.scale(w, By::Columns(&lengths), true)?;
    b.scale(h, By::Columns(&lengths), false)
}

/// H under a Ψ of any sign: `B = XΨ` and `G = ΨᵀΨ`.
pub(super) struct SignedBlock<B: Backend> {
    pub(super) rhs: B::Matrix,
    pub(super) gram: B::Matrix,
    part: B::Matrix,
    attract: B::Matrix,
    repel: B::Matrix,
    /// Passes of coordinate descent; None for the papers' step.
    passes: Option<usize>,
}

impl<B: Backend> SignedBlock<B> {
    pub(super) fn new(b: &mut B, n: usize, k: usize, config: &Config) -> Result<Self> {
        Ok(Self {
            rhs: b.zeros(n, k)?,
            gram: b.zeros(k, k)?,
            part: b.zeros(k, k)?,
            attract: b.zeros(n, k)?,
            repel: b.zeros(n, k)?,
            passes: (config.solver == Solver::Cd).then_some(config.passes.unwrap_or(2)),
        })
    }

    pub(super) fn set(&mut self, b: &mut B, x: &B::Matrix, psi: &B::Matrix) -> Result<()> {
        b.matmul(MatMul::NN, x, psi, &mut self.rhs)?;
        b.matmul(MatMul::TN, psi, psi, &mut self.gram)
    }

    /// One step on `h`.
    pub(super) fn step(&mut self, b: &mut B, h: &mut B::Matrix) -> Result<()> {
        if let Some(sweeps) = self.passes {
            return b.descend(Descent { left: None, gram: &self.gram, rhs: &self.rhs, mu: 0.0, sweeps }, h);
        }
        for (part, out) in [(Part::Negative, &mut self.attract), (Part::Positive, &mut self.repel)] {
            b.part(&self.gram, part, &mut self.part)?;
            b.matmul(MatMul::NN, h, &self.part, out)?;
        }
        let (rhs, attract, repel) = (&self.rhs, Some(&self.attract), &self.repel);
        b.multiplicative_step(MultiplicativeStep { rhs, attract, repel, degree: None, rule: Rule::Root, x: h })
    }
}
