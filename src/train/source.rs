//! Where samples come from.

use crate::backend::{Element, Rows, SHARD_BYTES, rows_of_bytes};
use crate::data::ReadAhead;
use crate::model::Factors;
use crate::{Error, Result};
use ndarray::{ArrayView2, Axis, s};
use rayon::prelude::*;
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

/// The rows of n samples of `features` numbers in blocks of the size of a shard.
pub(crate) fn blocks<E>((n, features): (usize, usize)) -> impl ExactSizeIterator<Item = Range<usize>> {
    let rows = rows_of_bytes::<E>(SHARD_BYTES, features);
    (0..n).step_by(rows).map(move |first| first..n.min(first + rows))
}

/// `‖X − X̂‖ / ‖X‖`, as [`Factors::relative_error`], of samples that are visited once.
///
/// # Errors
/// [`Error::Shape`] where x, h and the factors do not fit each other; whatever the source reports.
pub fn relative_error<E: Element>(x: &mut dyn Source<E>, factors: &Factors<E>, h: ArrayView2<'_, E>) -> Result<f64> {
    let (n, m) = x.shape();
    if n != h.nrows() {
        return Err(Error::shape("coefficients", (n, h.ncols()), h.dim()));
    }
    let (mut left, mut all) = (0.0, 0.0);
    for rows in blocks::<E>((n, m)) {
        let x = x.rows(rows.clone())?;
        let (of_x, of_h) = (x.view(), h.slice(s![rows, ..]));
        let tasks = of_x.axis_chunks_iter(Axis(0), 256).into_par_iter().zip(of_h.axis_chunks_iter(Axis(0), 256));
        let errors = tasks.map(|(x, h)| factors.squared_errors(x, h)).collect::<Result<Vec<_>>>()?;
        left += errors.iter().flatten().sum::<f64>();
        all += squares(x.view());
    }
    Ok((left / all).sqrt())
}

/// `‖X‖²`.
pub(crate) fn squares<E: Element>(x: ArrayView2<'_, E>) -> f64 {
    let rows = x.outer_iter().into_par_iter().map(|row| row.iter().map(|v| v.f64().powi(2)).sum());
    rows.collect::<Vec<f64>>().iter().sum()
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

/// Some rows of a larger set, those of a rank: a source of the set, of which no others are asked for.
pub struct Placed<E> {
    /// These rows.
    pub source: Box<dyn Source<E>>,
    /// The first of them in the set.
    pub first: usize,
    /// The samples of the set.
    pub samples: usize,
}

impl<E> Source<E> for Placed<E> {
    fn shape(&self) -> (usize, usize) {
        (self.samples, self.source.shape().1)
    }

    fn rows(&mut self, rows: Range<usize>) -> Result<Rows<'_, E>> {
        let missing = |row: usize| Error::Data(format!("row {row} is of another rank"));
        let start = rows.start.checked_sub(self.first).ok_or_else(|| missing(rows.start))?;
        let end = start + rows.len();
        if end > self.source.shape().0 {
            return Err(missing(rows.end - 1));
        }
        self.source.rows(start..end)
    }
}

impl Source<f32> for ReadAhead {
    fn shape(&self) -> (usize, usize) {
        self.dim()
    }

    fn rows(&mut self, rows: Range<usize>) -> Result<Rows<'_, f32>> {
        Ok(Rows::Shared(ReadAhead::rows(self, rows)?))
    }
}
