//! What connects ranks.

use crate::{Error, Result};

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

    /// Waits until all ranks have come here.
    ///
    /// # Errors
    /// Where a rank is not reached.
    fn barrier(&self) -> Result<()> {
        match self.rank() {
            0 => {
                (1..self.size()).try_for_each(|from| self.receive(from, &mut []))?;
                (1..self.size()).try_for_each(|to| self.send(to, &[]))
            }
            _ => {
                self.send(0, &[])?;
                self.receive(0, &mut [])
            }
        }
    }

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

/// No other ranks.
#[derive(Debug)]
pub(super) struct Alone;

impl Link for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn send(&self, to: usize, _: &[u8]) -> Result<()> {
        Err(Error::Data(format!("there is no rank {to}")))
    }

    fn receive(&self, from: usize, _: &mut [u8]) -> Result<()> {
        Err(Error::Data(format!("there is no rank {from}")))
    }
}
