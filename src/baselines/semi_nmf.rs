//! Semi-NMF: H ≥ 0, W of any sign (Ding, Li & Jordan 2010; Trigeorgis et al. 2014, eq. 5).
//!
//! ```text
//! W = XᵀH (HᵀH)⁻¹        H ← H · √( ([XW]⁺ + H[WᵀW]⁻) / ([XW]⁻ + H[WᵀW]⁺) )
//! ```
//!
//! W first, so it needs no start, and what is returned is the one that the last H was made with. The k × k inverse is made on
//! the host.

use super::stage_of;
use crate::Result;
use crate::backend::{Backend, MatMul, MultiplicativeStep, Part, Rule};
use crate::model::HPenalty;
use crate::train::{Config, Layer, Objective, Progress, iterate};

/// Alternates W and H; returns the objective over time, which never rises.
pub(super) fn train<B: Backend>(
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
    let mut block = SignedBlock::new(b, n, k)?;
    let (mut cross, mut s, mut inverse) = (b.zeros(m, k)?, b.zeros(k, k)?, b.zeros(k, k)?);
    b.matmul(MatMul::TN, h, h, &mut s)?;
    let mut least_squares = |b: &mut B, h: &B::Matrix, s: &B::Matrix, w: &mut B::Matrix| {
        b.matmul(MatMul::TN, v, h, &mut cross)?;
        b.inverse(s, &mut inverse)?;
        b.matmul(MatMul::NN, &cross, &inverse, w)
    };
    least_squares(b, h, &s, w)?;
    let start = objective.exact(b, v, h, w)?;
    let (stage, stop) = stage_of(layer, config);
    iterate(b, &mut objective, stage, start, stop, progress, |b, objective, turn| {
        least_squares(b, h, &s, w)?;
        block.set(b, v, w)?;
        block.step(b, h)?;
        b.matmul(MatMul::TN, h, h, &mut s)?;
        objective.record_fit(b, turn, (&block.rhs, h), (&block.gram, &s))
    })
}

/// H under a Ψ of any sign: `B = XΨ` and `G = ΨᵀΨ`.
pub(super) struct SignedBlock<B: Backend> {
    pub(super) rhs: B::Matrix,
    pub(super) gram: B::Matrix,
    part: B::Matrix,
    attract: B::Matrix,
    repel: B::Matrix,
}

impl<B: Backend> SignedBlock<B> {
    pub(super) fn new(b: &mut B, n: usize, k: usize) -> Result<Self> {
        Ok(Self {
            rhs: b.zeros(n, k)?,
            gram: b.zeros(k, k)?,
            part: b.zeros(k, k)?,
            attract: b.zeros(n, k)?,
            repel: b.zeros(n, k)?,
        })
    }

    pub(super) fn set(&mut self, b: &mut B, x: &B::Matrix, psi: &B::Matrix) -> Result<()> {
        b.matmul(MatMul::NN, x, psi, &mut self.rhs)?;
        b.matmul(MatMul::TN, psi, psi, &mut self.gram)
    }

    /// One step on `h`.
    pub(super) fn step(&mut self, b: &mut B, h: &mut B::Matrix) -> Result<()> {
        for (part, out) in [(Part::Negative, &mut self.attract), (Part::Positive, &mut self.repel)] {
            b.part(&self.gram, part, &mut self.part)?;
            b.matmul(MatMul::NN, h, &self.part, out)?;
        }
        let (rhs, attract, repel) = (&self.rhs, Some(&self.attract), &self.repel);
        b.multiplicative_step(MultiplicativeStep { rhs, attract, repel, degree: None, rule: Rule::Root, x: h })
    }
}
