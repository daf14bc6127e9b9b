//! Least squares on tall coefficients, `W = XᵀH (HᵀH)⁻¹`, from sums over the samples, accurate where HᵀH is not.
//!
//! As in `pseudo_inverse.rs`, with Q = H T for an invertible T:
//!
//! ```text
//! W = XᵀQ Mᵀ,  M = T (QᵀQ)⁻¹                      T Tᵀ ≈ (HᵀH)⁻¹
//! ```
//!
//! holds for any T, and is accurate where the columns of Q are nearly orthonormal. XᵀQ and QᵀQ are summed up in the pass in
//! which H is made, when HᵀH is not known yet. So T is that of the H before, from which an iteration does not go far.

use super::pseudo_inverse::whitened;
use crate::Result;
use crate::backend::{Backend, MatMul, Write};
use crate::train::{Cut, Samples, Scratch, Shards, State, Visitor};

/// The sums, and what is made of them.
pub(super) struct Regression<B: Backend> {
    t: B::Matrix,
    /// `HᵀH`.
    gram: B::Matrix,
    /// `QᵀQ` and its inverse.
    of_q: B::Matrix,
    inverse: B::Matrix,
    m: B::Matrix,
    /// `XᵀQ`.
    cross: B::Matrix,
    /// Q of a shard.
    q: Scratch<B::Matrix>,
}

impl<B: Backend> Regression<B> {
    /// For X of m columns and H of k in these shards.
    pub(super) fn new(b: &mut B, cut: Cut, m: usize, k: usize) -> Result<Self> {
        let square = |b: &mut B| b.zeros(k, k);
        Ok(Self {
            t: square(b)?,
            gram: square(b)?,
            of_q: square(b)?,
            inverse: square(b)?,
            m: square(b)?,
            cross: b.zeros(m, k)?,
            q: Scratch::new(cut, |rows| b.zeros(rows, k))?,
        })
    }

    /// The sums for an H that is there already: a pass over X.
    pub(super) fn set(&mut self, b: &mut B, x: &mut dyn Shards<B>, h: &mut Samples<B>) -> Result<()> {
        h.gram(b, &mut self.gram)?;
        self.begin(b)?;
        x.pass(b, &mut |b, s, x| {
            let h = h.look(b, s.index)?;
            self.add(b, s.write, x, h)
        })
    }

    /// T from the HᵀH that was summed up last.
    pub(super) fn begin(&mut self, b: &mut B) -> Result<()> {
        self.t = whitened(b, &self.gram)?;
        Ok(())
    }

    /// Adds a shard.
    pub(super) fn add(&mut self, b: &mut B, write: Write, x: &B::Matrix, h: &B::Matrix) -> Result<()> {
        let q = self.q.rows(b.shape(h).0)?;
        b.product(MatMul::TN, h, h, write, &mut self.gram)?;
        b.matmul(MatMul::NN, h, &self.t, q)?;
        b.product(MatMul::TN, q, q, write, &mut self.of_q)?;
        b.product(MatMul::TN, x, q, write, &mut self.cross)
    }

    /// W (m × k) of the sums.
    pub(super) fn solve(&mut self, b: &mut B, w: &mut B::Matrix) -> Result<()> {
        b.inverse(&self.of_q, &mut self.inverse)?;
        b.matmul(MatMul::NN, &self.t, &self.inverse, &mut self.m)?;
        b.matmul(MatMul::NT, &self.cross, &self.m, w)
    }
}

impl<B: Backend> State<B> for Regression<B> {
    fn visit(&mut self, b: &mut B, visitor: &mut Visitor<'_>) -> Result<()> {
        visitor.matrix(b, "T", &mut self.t)?;
        visitor.matrix(b, "HᵀH", &mut self.gram)?;
        visitor.matrix(b, "QᵀQ", &mut self.of_q)?;
        visitor.matrix(b, "XᵀQ", &mut self.cross)
    }
}
