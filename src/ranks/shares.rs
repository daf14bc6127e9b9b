//! What ranks share: the rows of the samples, and what they tell each other.

use super::link::{Alone, Link};
use crate::{Error, Result};
use bytemuck::Pod;
use ndarray::{ArrayView2, ArrayViewMut2};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
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

/// What a rank has exchanged, and the seconds that it spent. On a GPU, which works while they go on, those of reading and solving are only
/// what it takes to tell it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Traffic {
    /// Bytes that it sent; a broadcast counts once for every rank that it goes to, as sent by rank 0.
    pub sent: u64,
    /// Seconds of reading samples that are streamed.
    pub reading: f64,
    /// Seconds of the solvers of blocks.
    pub solving: f64,
    /// Seconds of exchanging, all ranks being there.
    pub exchanging: f64,
    /// Seconds of waiting for the ranks that come last to an exchange.
    pub waiting: f64,
}

impl Traffic {
    /// What has come to it since `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            sent: self.sent - before.sent,
            reading: self.reading - before.reading,
            solving: self.solving - before.solving,
            exchanging: self.exchanging - before.exchanging,
            waiting: self.waiting - before.waiting,
        }
    }
}

/// Adds what differs between two values to `found`, as in "seed: expected 0, found 7".
fn differ(name: &str, expected: &Value, other: &Value, found: &mut Vec<String>) {
    if let (Value::Object(a), Value::Object(b)) = (expected, other) {
        for name in a.keys().chain(b.keys().filter(|name| !a.contains_key(*name))) {
            let of = |object: &Map<String, Value>| object.get(name).cloned().unwrap_or_default();
            differ(&name.replace('_', " "), &of(a), &of(b), found);
        }
    } else if expected != other {
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            Value::Null => "none".into(),
            other => other.to_string(),
        };
        let of = if name.is_empty() { String::new() } else { format!("{name}: ") };
        found.push(format!("{of}expected {}, found {}", text(expected), text(other)));
    }
}

/// What time is spent on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Phase {
    Reading,
    Solving,
    Exchanging,
    Waiting,
}

#[derive(Debug, Default)]
struct Counters {
    sent: AtomicU64,
    /// By phase.
    nanoseconds: [AtomicU64; 4],
}

fn in_pieces() -> Error {
    Error::Data("rows of a rank: expected one piece of memory".into())
}

impl Ranks {
    /// Those that this connects.
    pub fn new(link: impl Link + 'static) -> Self {
        Self { link: Box::leak(Box::new(link)), traffic: Box::leak(Box::default()) }
    }

    /// One alone.
    pub fn alone() -> Self {
        Self::new(Alone)
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
        let seconds = |phase: Phase| self.traffic.nanoseconds[phase as usize].load(Ordering::Relaxed) as f64 * 1e-9;
        Traffic {
            sent: self.traffic.sent.load(Ordering::Relaxed),
            reading: seconds(Phase::Reading),
            solving: seconds(Phase::Solving),
            exchanging: seconds(Phase::Exchanging),
            waiting: seconds(Phase::Waiting),
        }
    }

    /// Adds what this takes to the time of a phase.
    pub(crate) fn timed<T>(&self, phase: Phase, work: impl FnOnce() -> T) -> T {
        let begin = Instant::now();
        let done = work();
        self.traffic.nanoseconds[phase as usize].fetch_add(begin.elapsed().as_nanos() as u64, Ordering::Relaxed);
        done
    }

    fn exchange<T>(&self, sent: u64, work: impl FnOnce(&dyn Link) -> Result<T>) -> Result<T> {
        self.traffic.sent.fetch_add(sent, Ordering::Relaxed);
        self.timed(Phase::Exchanging, || work(self.link))
    }

    /// Waits for all ranks, so that what follows takes no longer than the exchange.
    pub(super) fn wait(&self) -> Result<()> {
        self.timed(Phase::Waiting, || self.link.barrier())
    }

    /// Sends bytes to another rank.
    pub(crate) fn send(&self, to: usize, bytes: &[u8]) -> Result<()> {
        self.exchange(bytes.len() as u64, |link| link.send(to, bytes))
    }

    /// Waits for the next bytes of another rank.
    pub(crate) fn receive(&self, from: usize, bytes: &mut [u8]) -> Result<()> {
        self.exchange(0, |link| link.receive(from, bytes))
    }

    /// Sends rows to another rank.
    pub(crate) fn send_rows<E: Pod>(&self, to: usize, rows: ArrayView2<'_, E>) -> Result<()> {
        let rows = rows.as_standard_layout();
        self.send(to, bytemuck::cast_slice(rows.as_slice().ok_or_else(in_pieces)?))
    }

    /// Waits for rows of another rank.
    pub(crate) fn receive_rows<E: Pod>(&self, from: usize, mut rows: ArrayViewMut2<'_, E>) -> Result<()> {
        self.receive(from, bytemuck::cast_slice_mut(rows.as_slice_mut().ok_or_else(in_pieces)?))
    }

    /// Gives all ranks the bytes of rank 0.
    pub(crate) fn broadcast(&self, bytes: &mut [u8]) -> Result<()> {
        let others = if self.is_first() { self.size() as u64 - 1 } else { 0 };
        self.exchange(bytes.len() as u64 * others, |link| link.broadcast(bytes))
    }

    /// The rows of a shard of n samples of m features: as many for any number of ranks.
    pub(crate) fn shard_rows((n, m): (usize, usize)) -> usize {
        let most = (MOST_BYTES / size_of::<f64>() / m.max(1)).max(1);
        n.div_ceil(SHARDS).max(LEAST_ROWS).min(most)
    }

    /// Of `count` things in a row, those of a rank.
    pub fn share(&self, count: usize, rank: usize) -> Range<usize> {
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

    /// What all ranks say, in their order.
    ///
    /// # Errors
    /// As [`Link::send`] and [`Link::receive`]; [`Error::Data`] where another version says it.
    pub fn all_of<T: Serialize + DeserializeOwned>(&self, own: &T) -> Result<Vec<T>> {
        let unclear = |e: serde_json::Error| Error::Data(format!("what a rank says: {e}"));
        let mut said = serde_json::to_vec(own).map_err(unclear)?;
        let mut lengths = vec![0.0; self.size()];
        lengths[self.rank()] = said.len() as f64;
        let lengths: Vec<usize> = self.total(lengths)?.into_iter().map(|length| length as usize).collect();
        if self.is_first() {
            for (rank, length) in lengths.iter().enumerate().skip(1) {
                let start = said.len();
                said.resize(start + length, 0);
                self.receive(rank, &mut said[start..])?;
            }
        } else {
            self.send(0, &said)?;
            said = vec![0; lengths.iter().sum()];
        }
        self.broadcast(&mut said)?;
        let mut rest = &said[..];
        let parts = lengths.iter().map(|length| {
            let (part, others) = rest.split_at(*length);
            rest = others;
            serde_json::from_slice(part).map_err(unclear)
        });
        parts.collect()
    }

    /// Refuses ranks of which one has something else than the first, as it says of it: text, or an object of which what differs is
    /// told.
    ///
    /// # Errors
    /// [`Error::Config`] on all of them with what the first of these has, and as [`Ranks::all_of`].
    pub fn same(&self, what: &str, own: impl Into<Value>) -> Result<()> {
        let all = self.all_of::<Value>(&own.into())?;
        let Some((rank, other)) = all.iter().enumerate().find(|(_, other)| **other != all[0]) else { return Ok(()) };
        let mut found = Vec::new();
        differ("", &all[0], other, &mut found);
        let found = found.join("; ");
        Err(Error::Config(format!("ranks have to have the same {what}; rank {rank}: {found}")))
    }

    /// What a rank did before the next exchange: where it failed on any of them all fail, each with its own failure or with that of the
    /// first of these.
    ///
    /// # Errors
    /// That failure, and as [`Ranks::all_of`].
    pub fn agreed<T>(&self, done: Result<T>) -> Result<T> {
        let failure = done.as_ref().err().map(|e| (matches!(e, Error::Config(_)), e.to_string()));
        let failed = self.all_of(&failure)?.into_iter().enumerate().find_map(|(rank, failed)| Some((rank, failed?)));
        match (failed, done) {
            (None, done) => done,
            (Some(_), Err(own)) => Err(own),
            (Some((rank, (of_settings, why))), _) => {
                let message = format!("rank {rank} failed: {why}");
                Err(if of_settings { Error::Config(message) } else { Error::Data(message) })
            }
        }
    }
}
