//! Ranks: processes, on one machine or on many, that fit one model together, each with samples of its own.
//!
//! Samples are cut into shards of as many rows for any number of ranks, and every rank has some shards that follow each other. What
//! couples the samples are sums over them, and these are made along a binary tree over the shards, in f64: the same
//! additions, and so the same bits, for any number of ranks. Everything else is computed alike on every rank.

mod launch;
#[cfg(feature = "mpi")]
mod mpi;
mod shares;
mod tree;

pub use launch::{connect, launched, on_this_machine, threads};
#[cfg(feature = "mpi")]
pub use mpi::abort;
pub use shares::{Ranks, Traffic};
pub(crate) use tree::{Tree, add};

use crate::Result;

/// The processes that were started with this one. The connection ends with it.
pub struct Connected {
    /// As ranks of a fit.
    pub ranks: Ranks,
    #[cfg(feature = "mpi")]
    _mpi: mpi::Mpi,
}

/// Ends this process.
#[cfg(not(feature = "mpi"))]
pub fn abort(code: u8) -> ! {
    std::process::exit(code.into())
}

/// How ranks reach each other: what a new kind of connection must implement. Messages between two ranks arrive in the order in
/// which they were sent, and who receives knows how long they are.
pub trait Link: std::fmt::Debug + Sync {
    /// The number of this rank, from 0.
    fn rank(&self) -> usize;

    /// How many ranks there are.
    fn size(&self) -> usize;

    /// Sends bytes to another rank; they may be changed once this returns.
    ///
    /// # Errors
    /// Where the other rank is not reached.
    fn send(&self, to: usize, bytes: &[u8]) -> Result<()>;

    /// Waits for the next bytes of another rank, as many as there is room for.
    ///
    /// # Errors
    /// Where the other rank is not reached.
    fn receive(&self, from: usize, bytes: &mut [u8]) -> Result<()>;

    /// Gives all ranks the bytes of rank 0.
    ///
    /// # Errors
    /// Where a rank is not reached.
    fn broadcast(&self, bytes: &mut [u8]) -> Result<()> {
        match self.rank() {
            0 => (1..self.size()).try_for_each(|to| self.send(to, bytes)),
            _ => self.receive(0, bytes),
        }
    }
}
