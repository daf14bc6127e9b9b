//! Where samples come from.

use crate::Result;
use crate::backend::Rows;
use ndarray::s;
use std::ops::Range;

/// Where samples come from: the rows of X (samples × features), read as often as they are needed.
///
/// A fit reads them in order, a block at a time: to check them, and then once to hold them, or, with
/// [`Config::stream`](super::Config::stream), once per pass over X.
pub trait Source<E> {
    /// `(samples, features)`.
    fn shape(&self) -> (usize, usize);

    /// These rows of X: shared, or a view, where they are in memory, else numbers that were read.
    ///
    /// # Errors
    /// Whatever reading may fail with; the fit ends with it.
    fn rows(&mut self, rows: Range<usize>) -> Result<Rows<'_, E>>;
}

impl<E: Clone> Source<E> for Rows<'_, E> {
    fn shape(&self) -> (usize, usize) {
        self.dim()
    }

    fn rows(&mut self, rows: Range<usize>) -> Result<Rows<'_, E>> {
        Ok(match self {
            Self::View(x) => Rows::View(x.slice(s![rows, ..])),
            Self::Shared(x) => Rows::Shared(x.clone().slice_move(s![rows, ..])),
        })
    }
}
