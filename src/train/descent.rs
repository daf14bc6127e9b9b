//! Extrapolation between the iterations of the pre-training: Ang & Gillis 2019, E-HALS.
//!
//! Every iteration solves the blocks from extrapolated points; where the objective rises the iteration is taken back
//! and the next one starts at the best factors, with less extrapolation:
//!
//! ```text
//! H' = block(H_y | W_y),  H_y' = max(0, H' + β(H' − H)),  W' = block(W_y | H_y'),  W_y' = max(0, W' + β(W' − W))
//! f = f(W', H_y');   f > f_before:  W_y, H_y ← W, H;   else:  W, H, W_y, H_y ← W', H', W_y', H_y'
//! ```
//!
//! The decision, β and both outcomes stay on the device ([`Backend::judge`], [`Backend::settle`]).

use super::block::{HBlock, WBlock};
use super::objective::Objective;
use crate::Result;
use crate::backend::{Backend, EXTRAPOLATION, Element, MatMul};
use ndarray::Array2;

/// What lies between two iterations besides W and H.
pub(crate) struct Extrapolation<'a, B: Backend> {
    h_block: &'a mut HBlock<B>,
    w_block: &'a mut WBlock<B>,
    /// `H_y`, which the block makes H'.
    h: B::Matrix,
    /// `W_y`, which the block makes W'.
    w: B::Matrix,
    h_ahead: B::Matrix,
    w_ahead: B::Matrix,
    state: B::Matrix,
    first: bool,
}

impl<'a, B: Backend> Extrapolation<'a, B> {
    /// From `w` and `h` on.
    pub(crate) fn new(
        b: &mut B,
        (w, h): (&B::Matrix, &B::Matrix),
        h_block: &'a mut HBlock<B>,
        w_block: &'a mut WBlock<B>,
    ) -> Result<Self> {
        let ((m, k), n) = (b.shape(w), b.shape(h).0);
        let state = EXTRAPOLATION.map(B::Elem::of);
        let state = b.upload(Array2::from_shape_fn((1, state.len()), |(_, i)| state[i]).view())?;
        let (mut at_w, mut at_h) = (b.zeros(m, k)?, b.zeros(n, k)?);
        b.copy(w, &mut at_w)?;
        b.copy(h, &mut at_h)?;
        let (h_ahead, w_ahead) = (b.zeros(n, k)?, b.zeros(m, k)?);
        Ok(Self { h_block, w_block, h: at_h, w: at_w, h_ahead, w_ahead, state, first: true })
    }

    /// One iteration; `w` and `h` are the best factors so far.
    pub(crate) fn step(
        &mut self,
        b: &mut B,
        v: &B::Matrix,
        (w, h): (&mut B::Matrix, &mut B::Matrix),
        objective: &mut Objective<B>,
        turn: usize,
    ) -> Result<()> {
        self.h_block.set_gram(b, &self.w)?;
        self.h_block.set_rhs(b, v, &self.w)?;
        self.h_block.solve(b, &mut self.h)?;
        b.look_ahead(&self.h, h, &self.state, &mut self.h_ahead)?;
        b.matmul(MatMul::TN, &self.h_ahead, &self.h_ahead, &mut self.w_block.gram)?;
        b.matmul(MatMul::TN, v, &self.h_ahead, &mut self.w_block.rhs)?;
        self.w_block.solve(b, &mut self.w)?;
        b.look_ahead(&self.w, w, &self.state, &mut self.w_ahead)?;

        self.h_block.set_gram(b, &self.w)?;
        objective.record_fit(b, turn, (&self.w_block.rhs, &self.w), (&self.h_block.gram, &self.w_block.gram))?;
        objective.record_penalties(b, turn, [&self.w], &self.w_block.gram)?;
        objective.judge(b, turn, self.first, &mut self.state)?;
        self.first = false;
        b.settle(&self.w_ahead, &self.state, w, &mut self.w)?;
        b.settle(&self.h_ahead, &self.state, h, &mut self.h)
    }
}
