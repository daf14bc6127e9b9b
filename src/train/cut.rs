//! How samples are cut into shards.

use crate::{Error, Result};
use std::ops::Range;

/// How n samples are cut into shards: as many rows each, the last has what remains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(super) samples: usize,
    rows: usize,
}

impl Cut {
    pub(crate) fn new(samples: usize, rows: usize) -> Self {
        Self { samples, rows: rows.clamp(1, samples.max(1)) }
    }

    /// One shard, for what couples the samples.
    pub(crate) fn whole(samples: usize) -> Self {
        Self::new(samples, samples)
    }

    /// The rows of every shard.
    pub(crate) fn shards(self) -> impl Iterator<Item = Range<usize>> {
        (0..self.samples).step_by(self.rows).map(move |first| first..self.samples.min(first + self.rows))
    }

    /// The numbers of rows that shards have: one, or two where the last is smaller.
    fn sizes(self) -> impl Iterator<Item = usize> {
        let rest = self.samples % self.rows;
        std::iter::once(self.rows).chain((rest > 0).then_some(rest))
    }
}

/// Matrices with the rows of a shard, one for every number of rows that there is.
pub(crate) struct Scratch<T> {
    of: Vec<(usize, T)>,
}

impl<T> Scratch<T> {
    pub(crate) fn new(cut: Cut, mut make: impl FnMut(usize) -> Result<T>) -> Result<Self> {
        Ok(Self { of: cut.sizes().map(|rows| Ok((rows, make(rows)?))).collect::<Result<_>>()? })
    }

    /// For a shard of that many rows.
    pub(crate) fn rows(&mut self, rows: usize) -> Result<&mut T> {
        let found = self.of.iter_mut().find(|(of, _)| *of == rows);
        found.map(|(_, scratch)| scratch).ok_or_else(|| no_shard(rows))
    }

    /// [`Scratch::rows`], as it is.
    pub(crate) fn get(&self, rows: usize) -> Result<&T> {
        let found = self.of.iter().find(|(of, _)| *of == rows);
        found.map(|(_, scratch)| scratch).ok_or_else(|| no_shard(rows))
    }
}

fn no_shard(rows: usize) -> Error {
    let expected = "rows as a shard has them".into();
    Error::Shape { what: "samples", expected, found: rows.to_string() }
}
