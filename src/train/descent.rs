//! Extrapolation between iterations: Ang & Gillis 2019, E-HALS, for the two factors of a layer and for a whole chain.
//!
//! Every iteration solves the blocks one after another from extrapolated points; where the objective rises the iteration is
//! taken back and the next one starts at the last factors that were accepted, with less extrapolation. With the factors
//! F_1 … F_p in the order of their blocks:
//!
//! ```text
//! F_i' = block(Y_i | the others as they are)      Y_i' = max(0, F_i' + β (F_i' − F_i))
//! f = f(Y_1', …, Y_{p−1}', F_p');   f > f_before:  Y_i ← F_i;   else:  F_i, Y_i ← F_i', Y_i'
//! ```
//!
//! The product of two factors does not change when a component is made longer in one and shorter in the other. Such a change of
//! scale costs nothing, and extrapolation makes it grow from one iteration to the next: for β > ½ by a factor of
//! `s² > 1`, `s = (β + √(β² + 4β))/2`, until the numbers overflow. So where [`Balance::lengths`](super::Balance::lengths) is on, the
//! columns of Y_i' get the lengths of those of F_i' (in all factors W).
//!
//! The decision, β and both outcomes stay on the device ([`Backend::judge`], [`Elementwise::settle`](crate::backend::Elementwise::settle)).
//!
//! Of H there are F and Y only. Y' has the size of a shard: it is made where the sums of an iteration need it, and again, with the β
//! of then, where the next iteration comes to the shard and takes what was decided ([`Extrapolation::begin`]).

use super::cut::Scratch;
use super::objective::Objective;
use super::samples::{Samples, Shards};
use super::state::{State, Visitor};
use crate::Result;
use crate::backend::{ACCEPTED, Backend, By, ColumnSums, EXTRAPOLATION, Element, Write};
use ndarray::Array2;

/// What lies between two iterations besides the factors themselves.
pub(crate) struct Extrapolation<B: Backend> {
    /// Y of H, which its block makes F', in the shards of H.
    of_h: Samples<B>,
    /// Y' of a shard.
    ahead_of_h: Scratch<B::Matrix>,
    /// Y of every W.
    of_w: Vec<B::Matrix>,
    /// Y', and what its columns are brought to their lengths with.
    ahead_of_w: Vec<(B::Matrix, Option<Lengths<B>>)>,
    state: B::Matrix,
    /// The state before the last decision.
    before: B::Matrix,
    /// What H' was multiplied by after it was made, in the last entry.
    scales: Option<B::Matrix>,
    /// Whether nothing has been decided yet.
    first: bool,
}

/// Squared lengths of the columns of F' and Y', and the root of their quotient.
struct Lengths<B: Backend> {
    now: B::Matrix,
    ahead: B::Matrix,
    root: B::Matrix,
}

impl<B: Backend> Extrapolation<B> {
    /// From these factors on. The columns of H' may get any length; whether those of the W keep theirs is said, and whether
    /// factors are scaled between two iterations ([`Extrapolation::scale`]).
    pub(crate) fn new(
        b: &mut B,
        h: &mut Samples<B>,
        w: &[B::Matrix],
        keeps_lengths: bool,
        is_scaled: bool,
    ) -> Result<Self> {
        let state = EXTRAPOLATION.map(B::Elem::of);
        let state = Array2::from_shape_fn((1, state.len()), |(_, i)| state[i]);
        let (cut, k) = (h.cut(), h.shape().1);
        let of_h = h.copied(b)?;
        let (mut of_w, mut ahead_of_w) = (Vec::new(), Vec::new());
        for factor in w {
            let (rows, k) = b.shape(factor);
            let mut point = b.zeros(rows, k)?;
            b.copy(factor, &mut point)?;
            of_w.push(point);
            let lengths = match keeps_lengths {
                true => Some(Lengths { now: b.zeros(1, k)?, ahead: b.zeros(1, k)?, root: b.zeros(1, k)? }),
                false => None,
            };
            ahead_of_w.push((b.zeros(rows, k)?, lengths));
        }
        Ok(Self {
            of_h,
            ahead_of_h: Scratch::new(cut, |rows| b.zeros(rows, k))?,
            of_w,
            ahead_of_w,
            state: b.upload(state.view())?,
            before: b.zeros(1, state.len())?,
            scales: if is_scaled { Some(b.zeros(1, w.len() + 1)?) } else { None },
            first: true,
        })
    }

    /// What was decided for a shard `h` of H, the accepted F; then Y of it, for the block, which makes it F'.
    pub(crate) fn begin(&mut self, b: &mut B, s: usize, h: &mut B::Matrix) -> Result<&mut B::Matrix> {
        let point = self.of_h.at(b, s)?;
        if self.first {
            return Ok(point);
        }
        let ahead = self.ahead_of_h.rows(b.shape(h).0)?;
        b.look_ahead(point, h, &self.before, ahead)?;
        if let Some(scales) = &self.scales {
            let of_h = By::Entry(scales, self.of_w.len());
            b.scale(point, of_h, false)?;
            b.scale(ahead, of_h, false)?;
        }
        b.settle(ahead, &self.state, h, point)?;
        Ok(point)
    }

    /// F' of a shard.
    pub(crate) fn made(&mut self, b: &mut B, s: usize) -> Result<&B::Matrix> {
        self.of_h.look(b, s)
    }

    /// Y' of a shard, of F' and of `accepted`, F.
    pub(crate) fn look_ahead(&mut self, b: &mut B, s: usize, accepted: &B::Matrix) -> Result<&B::Matrix> {
        let ahead = self.ahead_of_h.rows(b.shape(accepted).0)?;
        let made = self.of_h.look(b, s)?;
        b.look_ahead(made, accepted, &self.state, ahead)?;
        Ok(ahead)
    }

    /// Y of the W, and after its block F'.
    pub(crate) fn of_w(&self) -> &[B::Matrix] {
        &self.of_w
    }

    /// For the block of a W, which makes Y F'.
    pub(crate) fn of_w_mut(&mut self, l: usize) -> &mut B::Matrix {
        &mut self.of_w[l]
    }

    /// Makes Y' of F' and of `accepted`, F, of a W.
    pub(crate) fn look_ahead_of_w(&mut self, b: &mut B, l: usize, accepted: &B::Matrix) -> Result<()> {
        let (at, (ahead, lengths)) = (&self.of_w[l], &mut self.ahead_of_w[l]);
        b.look_ahead(at, accepted, &self.state, ahead)?;
        let Some(lengths) = lengths else { return Ok(()) };
        b.column_sums(at, ColumnSums::SumOfSquares, Write::Replace, &mut lengths.now)?;
        b.column_sums(ahead, ColumnSums::SumOfSquares, Write::Replace, &mut lengths.ahead)?;
        b.quarter_root(1.0, &lengths.now, &lengths.ahead, &mut lengths.root)?;
        b.scale(ahead, By::Columns(&lengths.root), false)?;
        b.scale(ahead, By::Columns(&lengths.root), false)
    }

    /// The block of a W, from Y; where the iteration before was taken back, the factor stays what it is.
    pub(crate) fn solve(
        &mut self,
        b: &mut B,
        l: usize,
        block: impl FnOnce(&mut B, &mut B::Matrix) -> Result<()>,
    ) -> Result<()> {
        // Where there is room: Y' is made afterwards.
        let (point, trial) = (&mut self.of_w[l], &mut self.ahead_of_w[l].0);
        b.copy(point, trial)?;
        block(b, trial)?;
        b.accept(trial, By::Entry(&self.state, ACCEPTED), point)
    }

    /// Multiplies F' and Y' of every W by its entry of `scales`, and of H by the last one.
    pub(crate) fn scale(&mut self, b: &mut B, scales: &B::Matrix) -> Result<()> {
        for (l, (point, (ahead, _))) in self.of_w.iter_mut().zip(&mut self.ahead_of_w).enumerate() {
            b.scale(point, By::Entry(scales, l), false)?;
            b.scale(ahead, By::Entry(scales, l), false)?;
        }
        self.scales.as_mut().map_or(Ok(()), |kept| b.copy(scales, kept))
    }

    /// Whether the iteration whose sums `objective` has in `turn` is accepted; and what follows for the W, of which `accepted`
    /// are the F.
    pub(crate) fn settle(
        &mut self,
        b: &mut B,
        objective: &Objective<B>,
        turn: usize,
        accepted: &mut [B::Matrix],
    ) -> Result<()> {
        b.copy(&self.state, &mut self.before)?;
        objective.judge(b, turn, self.first, &mut self.state)?;
        self.first = false;
        let mut all = self.of_w.iter_mut().zip(&self.ahead_of_w).zip(accepted);
        all.try_for_each(|((point, (ahead, _)), accepted)| b.settle(ahead, &self.state, accepted, point))
    }

    /// Gives H what was decided last.
    pub(crate) fn finish(&mut self, b: &mut B, h: &mut Samples<B>) -> Result<()> {
        for s in 0..h.cut().shards().count() {
            let h = h.at(b, s)?;
            self.begin(b, s, h)?;
        }
        self.first = true;
        Ok(())
    }
}

impl<B: Backend> State<B> for Extrapolation<B> {
    fn visit(&mut self, b: &mut B, visitor: &mut Visitor<'_>) -> Result<()> {
        visitor.flag(&mut self.first)?;
        visitor.matrix(b, "state of the extrapolation", &mut self.state)?;
        visitor.matrix(b, "state of the extrapolation before", &mut self.before)?;
        if let Some(scales) = &mut self.scales {
            visitor.matrix(b, "scales of the penalties", scales)?;
        }
        self.of_h.visit_as(b, "H, extrapolated", visitor)?;
        self.of_w.iter_mut().try_for_each(|w| visitor.matrix(b, "W, extrapolated", w))
    }
}
