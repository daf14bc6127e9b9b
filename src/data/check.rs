//! Checks of samples: what is not finite, negative or all zero.

use std::borrow::Cow;

use ndarray::{ArrayView2, Axis};
use pulp::Arch;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// What [`validate_finite`] and [`validate_nonnegative`] report without refusing it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checked {
    /// The rows that are all zero. They cannot be normalised, and their coefficients are zero.
    pub zero_rows: Vec<usize>,
}

/// Checks that `x` (`samples × features`) can be factorized with nonnegative factors.
///
/// `names` are the samples' names, or empty, and `source` the origin of `x`; both for messages.
///
/// # Errors
/// [`Error::Data`] if `x` is empty, holds NaN, infinite or negative values (the message says how many,
/// and where the first one is), or is zero everywhere.
pub fn validate_nonnegative(x: ArrayView2<'_, f32>, names: &[String], source: &str) -> Result<Checked> {
    Look::at(x).checked(false, |row| names.get(row).cloned(), &[], source)
}

/// Checks that `x` (`samples × features`) can be factorized with factors of any sign; as [`validate_nonnegative`], but
/// values may be negative.
///
/// # Errors
/// [`Error::Data`].
pub fn validate_finite(x: ArrayView2<'_, f32>, names: &[String], source: &str) -> Result<Checked> {
    Look::at(x).checked(true, |row| names.get(row).cloned(), &[], source)
}

/// What is found in samples that are looked at once, block by block.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Look {
    /// Whether negative values will be made 0.
    clip: bool,
    /// The samples so far, and the features of each.
    dim: (usize, usize),
    not_finite: Found,
    negative: Found,
    pub(super) zero_rows: Vec<usize>,
    /// The largest finite magnitude: what ranks tell each other has no others.
    pub(super) largest: f32,
}

/// The largest magnitude, and whether a value is negative or not finite. Of the bits, whose order is that of the magnitudes.
fn extremes(row: &[f32]) -> (f32, bool) {
    const SIGN: u32 = 1 << 31;
    let (largest, highest) = Arch::new().dispatch(
        #[inline(always)]
        || {
            let bits = row.iter().map(|v| v.to_bits());
            bits.fold((0, 0), |(largest, highest): (u32, u32), v| (largest.max(v & !SIGN), highest.max(v)))
        },
    );
    let largest = f32::from_bits(largest);
    (largest, highest > SIGN || !largest.is_finite())
}

/// Values of a kind.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Found {
    count: usize,
    /// Row, column and the bits of the first one: JSON has no NaN.
    first: Option<(usize, usize, u32)>,
    /// Of those that are finite.
    lowest: f32,
}

impl Found {
    fn add(&mut self, other: Self) {
        self.count += other.count;
        self.first = self.first.or(other.first);
        self.lowest = self.lowest.min(other.lowest);
    }
}

impl Look {
    /// With `clip`, negative values count as 0 in the samples that are all zero.
    pub(super) fn new(clip: bool) -> Self {
        Self { clip, ..Self::default() }
    }

    /// At all samples.
    pub(super) fn at(x: ArrayView2<'_, f32>) -> Self {
        let mut look = Self::default();
        look.add(x);
        look
    }

    /// Adds the samples that come next.
    pub(super) fn add(&mut self, x: ArrayView2<'_, f32>) {
        let start = self.dim.0;
        self.dim = (start + x.nrows(), x.ncols());
        let rows = x.axis_iter(Axis(0)).into_par_iter().enumerate().map(|(i, row)| {
            let (mut not_finite, mut negative) = (Found::default(), Found::default());
            let (mut largest, odd) = extremes(&row.to_slice().map_or_else(|| row.to_vec().into(), Cow::Borrowed));
            for (j, &v) in row.iter().enumerate().filter(|_| odd) {
                let lowest = if v.is_finite() { v } else { 0.0 };
                let found = Found { count: 1, first: Some((start + i, j, v.to_bits())), lowest };
                if !v.is_finite() {
                    not_finite.add(found);
                } else if v < 0.0 {
                    negative.add(found);
                }
            }
            if self.clip && negative.count > 0 {
                largest = row.fold(0.0f32, |most, v| most.max(*v));
            }
            (largest, not_finite, negative)
        });
        for (i, (largest, not_finite, negative)) in rows.collect::<Vec<_>>().into_iter().enumerate() {
            if largest == 0.0 && not_finite.count == 0 {
                self.zero_rows.push(start + i);
            }
            self.largest = if largest.is_finite() { self.largest.max(largest) } else { self.largest };
            self.not_finite.add(not_finite);
            self.negative.add(negative);
        }
    }

    /// Adds what was seen of the samples that come next, by another look.
    pub fn join(&mut self, next: Self) {
        let after = |found: Found| Found {
            first: found.first.map(|(row, column, bits)| (self.dim.0 + row, column, bits)),
            ..found
        };
        let (not_finite, negative) = (after(next.not_finite), after(next.negative));
        self.zero_rows.extend(next.zero_rows.iter().map(|row| self.dim.0 + row));
        self.dim = (self.dim.0 + next.dim.0, self.dim.1.max(next.dim.1));
        self.clip |= next.clip;
        self.largest = self.largest.max(next.largest);
        self.not_finite.add(not_finite);
        self.negative.add(negative);
    }

    /// A note on the negative values, where there are any and they are made 0.
    pub fn note(&self) -> Option<String> {
        let Found { count, lowest, .. } = self.negative;
        let values = if count == 1 { "value was" } else { "values were" };
        (self.clip && count > 0).then(|| format!("{count} negative {values} made 0, the lowest {lowest}"))
    }

    /// What is refused: by a model that is not `signed` negative values that are not clipped, too. `name` is what a sample is called,
    /// where it has a name; `features` are the names of the features, or empty; `source` is the origin of them all.
    ///
    /// # Errors
    /// As [`validate_finite`] and [`validate_nonnegative`].
    pub fn checked(
        self,
        signed: bool,
        name: impl Fn(usize) -> Option<String>,
        features: &[String],
        source: &str,
    ) -> Result<Checked> {
        let (n, m) = self.dim;
        if n == 0 || m == 0 {
            return Err(Error::Data(format!("{source}: expected samples, found {n}×{m} values")));
        }
        let refused = |found: &Found, what: &str, consequence: &str| {
            let (row, column, bits) = found.first?;
            let value = f32::from_bits(bits);
            let feature = features.get(column).map(|name| format!(" (`{name}`)")).unwrap_or_default();
            let name = name(row).map(|n| format!(" (`{n}`)")).unwrap_or_default();
            let (count, plural) = (found.count, if found.count == 1 { "value is" } else { "values are" });
            Some(Error::Data(format!(
                "{source}: {count} {plural} {what}, the first {value} in sample {}{name}, feature {}{feature}, counted from 1; {consequence}",
                row + 1,
                column + 1
            )))
        };
        if let Some(error) = refused(&self.not_finite, "not finite", "expected finite numbers") {
            return Err(error);
        }
        if self.zero_rows.len() == n {
            let message =
                "samples are zero everywhere (numbers are read in single precision, where those below 1e-45 are 0)";
            return Err(Error::Data(format!("{source}: all {n} {message}")));
        }
        let consequence = "a nonnegative factorization needs values of 0 or more; --model semi-nmf and deep-semi-nmf take any, --clip-negative makes them 0";
        match refused(&self.negative, "negative", consequence).filter(|_| !(signed || self.clip)) {
            Some(error) => Err(error),
            None => Ok(Checked { zero_rows: self.zero_rows }),
        }
    }
}
