//! Ranks: processes, on one machine or on many, that fit one model together, each with samples of its own.
//!
//! Samples are cut into shards of as many rows for any number of ranks, and every rank has some shards that follow each other. What
//! couples the samples are sums over them, and these are made along a binary tree over the shards, in f64: the same
//! additions, and so the same bits, for any number of ranks. Everything else is computed alike on every rank.

mod launch;
mod link;
#[cfg(feature = "mpi")]
mod mpi;
mod shares;
mod totals;
mod tree;

pub use launch::{Connected, abort, connect, launched, launcher, on_this_machine, threads};
pub use link::Link;
pub(crate) use shares::Phase;
pub use shares::{Ranks, Traffic};
pub(crate) use tree::{Tree, add};
