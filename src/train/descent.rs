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

use super::objective::Objective;
use crate::Result;
use crate::backend::{ACCEPTED, Backend, By, ColumnSums, EXTRAPOLATION, Element, Write};
use ndarray::Array2;

/// What lies between two iterations besides the factors themselves.
pub(crate) struct Extrapolation<B: Backend> {
    /// Y of every factor F, which its block makes F'.
    points: Vec<B::Matrix>,
    /// Y', and what its columns are brought to their lengths with.
    ahead: Vec<(B::Matrix, Option<Lengths<B>>)>,
    state: B::Matrix,
    first: bool,
}

/// Squared lengths of the columns of F' and Y', and the root of their quotient.
struct Lengths<B: Backend> {
    now: B::Matrix,
    ahead: B::Matrix,
    root: B::Matrix,
}

impl<B: Backend> Extrapolation<B> {
    /// From these factors on; whether columns keep their lengths is said with each of them.
    pub(crate) fn new<'m>(b: &mut B, factors: impl IntoIterator<Item = (&'m B::Matrix, bool)>) -> Result<Self>
    where
        B::Matrix: 'm,
    {
        let state = EXTRAPOLATION.map(B::Elem::of);
        let state = b.upload(Array2::from_shape_fn((1, state.len()), |(_, i)| state[i]).view())?;
        let (mut points, mut ahead) = (Vec::new(), Vec::new());
        for (factor, keeps_lengths) in factors {
            let (rows, k) = b.shape(factor);
            let mut point = b.zeros(rows, k)?;
            b.copy(factor, &mut point)?;
            points.push(point);
            let lengths = match keeps_lengths {
                true => Some(Lengths { now: b.zeros(1, k)?, ahead: b.zeros(1, k)?, root: b.zeros(1, k)? }),
                false => None,
            };
            ahead.push((b.zeros(rows, k)?, lengths));
        }
        Ok(Self { points, ahead, state, first: true })
    }

    /// `Y_i`, and after its block `F_i'`.
    pub(crate) fn at(&self, i: usize) -> &B::Matrix {
        &self.points[i]
    }

    /// For the block, which makes Y_i F_i'.
    pub(crate) fn at_mut(&mut self, i: usize) -> &mut B::Matrix {
        &mut self.points[i]
    }

    /// `Y_i`, …, and after their blocks `F_i'`, …
    pub(crate) fn points(&self, from: usize) -> &[B::Matrix] {
        &self.points[from..]
    }

    /// `Y_i'`.
    pub(crate) fn ahead(&self, i: usize) -> &B::Matrix {
        &self.ahead[i].0
    }

    /// Makes `Y_i'` of `F_i'` and of `accepted`, F_i.
    pub(crate) fn look_ahead(&mut self, b: &mut B, i: usize, accepted: &B::Matrix) -> Result<()> {
        let (at, (ahead, lengths)) = (&self.points[i], &mut self.ahead[i]);
        b.look_ahead(at, accepted, &self.state, ahead)?;
        let Some(lengths) = lengths else { return Ok(()) };
        b.column_sums(at, ColumnSums::SumOfSquares, Write::Replace, &mut lengths.now)?;
        b.column_sums(ahead, ColumnSums::SumOfSquares, Write::Replace, &mut lengths.ahead)?;
        b.quarter_root(1.0, &lengths.now, &lengths.ahead, &mut lengths.root)?;
        b.scale(ahead, By::Columns(&lengths.root), false)?;
        b.scale(ahead, By::Columns(&lengths.root), false)
    }

    /// The block of factor i, from Y_i; where the iteration before was taken back, the factor stays what it is.
    pub(crate) fn solve(
        &mut self,
        b: &mut B,
        i: usize,
        block: impl FnOnce(&mut B, &mut B::Matrix) -> Result<()>,
    ) -> Result<()> {
        // Where there is room: Y_i' is made afterwards.
        let (point, trial) = (&mut self.points[i], &mut self.ahead[i].0);
        b.copy(point, trial)?;
        block(b, trial)?;
        b.accept(trial, By::Entry(&self.state, ACCEPTED), point)
    }

    /// Multiplies `F_i'` and `Y_i'`.
    pub(crate) fn scale(&mut self, b: &mut B, i: usize, by: By<'_, B::Matrix>) -> Result<()> {
        b.scale(&mut self.points[i], by, false)?;
        b.scale(&mut self.ahead[i].0, by, false)
    }

    /// Whether the iteration whose sums `objective` has in `turn` is accepted; and what follows for the factors.
    pub(crate) fn settle<'m>(
        &mut self,
        b: &mut B,
        objective: &Objective<B>,
        turn: usize,
        accepted: impl IntoIterator<Item = &'m mut B::Matrix>,
    ) -> Result<()>
    where
        B::Matrix: 'm,
    {
        objective.judge(b, turn, self.first, &mut self.state)?;
        self.first = false;
        for ((point, (ahead, _)), accepted) in self.points.iter_mut().zip(&self.ahead).zip(accepted) {
            b.settle(ahead, &self.state, accepted, point)?;
        }
        Ok(())
    }
}
