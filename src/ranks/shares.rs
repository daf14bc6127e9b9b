//! What ranks share: the rows of the samples, and what they tell each other.

use super::link::Link;
use crate::{Error, Result};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Shards of a set, about, where they are not smaller than [`LEAST_ROWS`]: so many ranks have work.
const SHARDS: usize = 1024;
/// Rows of a shard, at least: sums are exchanged between shards, and fewer samples would not be worth them.
const LEAST_ROWS: usize = 512;
/// Bytes of a shard, at most, of numbers of 8 bytes.
const MOST_BYTES: usize = 64 << 20;

/// The ranks that fit one model together. They are there as long as the process is.
#[derive(Debug, Clone, Copy)]
pub struct Ranks {
    link: &'static dyn Link,
    traffic: &'static Counters,
}

/// What a rank has exchanged.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Traffic {
    /// Bytes that it sent; a broadcast counts once for every rank that it goes to, as sent by rank 0.
    pub sent: u64,
    /// Seconds that it took, and in which it waited for others.
    pub seconds: f64,
}

#[derive(Debug, Default)]
struct Counters {
    sent: AtomicU64,
    nanoseconds: AtomicU64,
}

impl Ranks {
    /// Those that this connects.
    pub fn new(link: impl Link + 'static) -> Self {
        Self { link: Box::leak(Box::new(link)), traffic: Box::leak(Box::default()) }
    }

    /// The number of this rank, from 0.
    pub fn rank(&self) -> usize {
        self.link.rank()
    }

    /// How many there are.
    pub fn size(&self) -> usize {
        self.link.size()
    }

    /// Whether this is the one that prints and writes.
    pub fn is_first(&self) -> bool {
        self.rank() == 0
    }

    /// What this rank has exchanged so far.
    pub fn traffic(&self) -> Traffic {
        let nanoseconds = self.traffic.nanoseconds.load(Ordering::Relaxed);
        Traffic { sent: self.traffic.sent.load(Ordering::Relaxed), seconds: nanoseconds as f64 * 1e-9 }
    }

    fn timed<T>(&self, sent: u64, exchange: impl FnOnce(&dyn Link) -> Result<T>) -> Result<T> {
        let begin = Instant::now();
        let done = exchange(self.link);
        self.traffic.sent.fetch_add(sent, Ordering::Relaxed);
        self.traffic.nanoseconds.fetch_add(begin.elapsed().as_nanos() as u64, Ordering::Relaxed);
        done
    }

    /// Sends bytes to another rank.
    pub(crate) fn send(&self, to: usize, bytes: &[u8]) -> Result<()> {
        self.timed(bytes.len() as u64, |link| link.send(to, bytes))
    }

    /// Waits for the next bytes of another rank.
    pub(crate) fn receive(&self, from: usize, bytes: &mut [u8]) -> Result<()> {
        self.timed(0, |link| link.receive(from, bytes))
    }

    /// Gives all ranks the bytes of rank 0.
    pub(crate) fn broadcast(&self, bytes: &mut [u8]) -> Result<()> {
        let others = if self.is_first() { self.size() as u64 - 1 } else { 0 };
        self.timed(bytes.len() as u64 * others, |link| link.broadcast(bytes))
    }

    /// The rows of a shard of n samples of m features: as many for any number of ranks.
    pub(crate) fn shard_rows((n, m): (usize, usize)) -> usize {
        let most = (MOST_BYTES / size_of::<f64>() / m.max(1)).max(1);
        n.div_ceil(SHARDS).max(LEAST_ROWS).min(most)
    }

    /// Of `count` things in a row, those of a rank.
    pub(crate) fn share(&self, count: usize, rank: usize) -> Range<usize> {
        let start = |rank: usize| (rank as u128 * count as u128).div_ceil(self.size() as u128) as usize;
        start(rank)..start(rank + 1)
    }

    /// The rank in whose share a thing is.
    pub(super) fn owner(&self, count: usize, of: usize) -> usize {
        (of as u128 * self.size() as u128 / count as u128) as usize
    }

    /// The n samples of a rank, in shards of so many rows.
    pub(crate) fn rows(&self, (n, shard_rows): (usize, usize), rank: usize) -> Range<usize> {
        let shards = self.share(n.div_ceil(shard_rows), rank);
        (shards.start * shard_rows).min(n)..(shards.end * shard_rows).min(n)
    }

    /// What rank 0 says.
    ///
    /// # Errors
    /// As [`Link::broadcast`].
    pub fn of_first(&self, said: &str) -> Result<String> {
        let mut length = (said.len() as u64).to_le_bytes();
        self.broadcast(&mut length)?;
        let mut first = said.as_bytes().to_vec();
        first.resize(usize::try_from(u64::from_le_bytes(length)).unwrap_or(usize::MAX), 0);
        self.broadcast(&mut first)?;
        Ok(String::from_utf8_lossy(&first).into_owned())
    }

    /// Rows of all ranks at rank 0, which has those of `mine` first; the others keep theirs. `rows` are those of a rank.
    pub(crate) fn gather<E: bytemuck::Pod>(
        &self,
        mine: ndarray::Array2<E>,
        rows: &dyn Fn(usize) -> Range<usize>,
    ) -> Result<ndarray::Array2<E>> {
        let cols = mine.ncols();
        if !self.is_first() {
            let mine = mine.as_standard_layout();
            self.send(0, bytemuck::cast_slice(mine.as_slice().unwrap_or_default()))?;
            return Ok(mine.into_owned());
        }
        let mut all = mine.as_standard_layout().into_owned().into_raw_vec_and_offset().0;
        for rank in 1..self.size() {
            let start = all.len();
            all.resize(start + rows(rank).len() * cols, E::zeroed());
            self.receive(rank, bytemuck::cast_slice_mut(&mut all[start..]))?;
        }
        let n = if cols == 0 { 0 } else { all.len() / cols };
        ndarray::Array2::from_shape_vec((n, cols), all).map_err(|e| Error::Data(e.to_string()))
    }
}
