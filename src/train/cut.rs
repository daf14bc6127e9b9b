//! How samples are cut into shards.

use super::Config;
use crate::backend::{Backend, Cadence, Write};
use crate::ranks::{Phase, Ranks};
use crate::{Error, Result};
use std::ops::Range;

/// How n samples are cut into shards: as many rows each, the last has what remains. Of several ranks, the shards of this one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    pub(super) samples: usize,
    rows: usize,
    /// The rows of this rank.
    first: usize,
    end: usize,
    ranks: Option<Ranks>,
    /// Rows of what ranks share.
    block: usize,
    /// Whether the leaves of a sum over all samples are the ranks, not the shards: the device adds up the shards of a rank.
    by_rank: bool,
}

/// A shard that is visited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shard {
    /// From 0; of the shards of this rank.
    pub(crate) index: usize,
    /// What a sum over the shards does with what is there.
    pub(crate) write: Write,
    /// Of the sum over all samples, the leaf that ends with this shard.
    pub(super) leaf: Option<usize>,
}

impl Cut {
    pub(crate) fn new(samples: usize, rows: usize) -> Self {
        let rows = rows.clamp(1, samples.max(1));
        Self { samples, rows, first: 0, end: samples, ranks: None, block: rows, by_rank: false }
    }

    /// One shard, for what couples the samples.
    pub(crate) fn whole(samples: usize) -> Self {
        Self::new(samples, samples)
    }

    /// For a fit of n samples of m features on this device.
    pub(super) fn of_fit<B: Backend>(b: &B, config: &Config, (n, m): (usize, usize)) -> Self {
        let of_device = config.shard_rows(b.shard_rows(m));
        let Some(ranks) = config.ranks else { return Self::new(n, of_device) };
        let block = config.block_rows((n, m));
        let Range { start: first, end } = ranks.rows((n, block), ranks.rank());
        // To read a sum of a device that works on by itself is to wait for it.
        let by_rank = b.cadence() != Cadence { every: 1, ahead: 0 };
        let rows = if by_rank { of_device } else { block };
        Self { samples: n, rows, first, end, ranks: Some(ranks), block, by_rank }
    }

    /// The rows of every shard.
    pub(crate) fn shards(self) -> impl Iterator<Item = Range<usize>> {
        (self.first..self.end).step_by(self.rows).map(move |first| first..self.end.min(first + self.rows))
    }

    /// The same, of rows from 0 on: those of a matrix that has the rows of this rank alone.
    pub(crate) fn own_shards(self) -> impl Iterator<Item = Range<usize>> {
        self.shards().map(move |rows| rows.start - self.first..rows.end - self.first)
    }

    /// The rows of this rank.
    pub(crate) fn own(self) -> Range<usize> {
        self.first..self.end
    }

    pub(crate) fn ranks(self) -> Option<Ranks> {
        self.ranks
    }

    /// The shards of any rank.
    pub(super) fn shards_of(self, ranks: Ranks, rank: usize) -> impl Iterator<Item = Range<usize>> {
        let Range { start: first, end } = self.rows_of(ranks, rank);
        Self { first, end, ..self }.shards()
    }

    /// As many as the rank with the most has.
    pub(super) fn most_shards(self) -> usize {
        let Some(ranks) = self.ranks else { return self.shards().count() };
        (0..ranks.size()).map(|rank| self.shards_of(ranks, rank).count()).max().unwrap_or(0)
    }

    /// The rows of any rank, for [`Ranks::gather`].
    pub(super) fn rows_of(self, ranks: Ranks, rank: usize) -> Range<usize> {
        ranks.rows((self.samples, self.block), rank)
    }

    /// A shard, by its number.
    pub(super) fn shard(self, index: usize) -> Shard {
        let alone = self.ranks.is_none() || self.by_rank;
        let write = if alone && index > 0 { Write::Add } else { Write::Replace };
        let leaf = match self.ranks {
            None => None,
            Some(_) if !self.by_rank => Some(self.first / self.rows + index),
            Some(ranks) => (self.first + (index + 1) * self.rows >= self.end).then(|| ranks.rank()),
        };
        Shard { index, write, leaf }
    }

    /// The leaves of a sum over all samples.
    pub(super) fn leaves(self) -> usize {
        match self.ranks {
            Some(ranks) if self.by_rank => ranks.size(),
            _ => self.samples.div_ceil(self.rows),
        }
    }

    /// The leaves of this rank, each with its rows of a matrix that has those of this rank alone.
    pub(super) fn own_leaves(self) -> Vec<(usize, Range<usize>)> {
        match self.ranks {
            None => vec![(0, 0..self.samples)],
            Some(ranks) if self.by_rank => vec![(ranks.rank(), 0..self.end - self.first)],
            Some(_) => self.own_shards().enumerate().map(|(s, rows)| (self.first / self.rows + s, rows)).collect(),
        }
    }

    /// Whether this rank has a leaf, but no shard.
    pub(super) fn is_empty_leaf(self) -> bool {
        self.by_rank && self.first == self.end
    }

    /// The numbers of rows that shards have: one, or two where the last is smaller.
    fn sizes(self) -> impl Iterator<Item = usize> {
        let (rows, own) = (self.rows, self.end - self.first);
        (own >= rows).then_some(rows).into_iter().chain((own % rows > 0).then_some(own % rows))
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

/// Counts the time of this as that of a phase, where there are ranks.
pub(super) fn timed<T>(ranks: Option<Ranks>, phase: Phase, work: impl FnOnce() -> T) -> T {
    match ranks {
        None => work(),
        Some(ranks) => ranks.timed(phase, work),
    }
}

fn no_shard(rows: usize) -> Error {
    let expected = "rows as a shard has them".into();
    Error::Shape { what: "samples", expected, found: rows.to_string() }
}
