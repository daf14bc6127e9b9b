//! Ranks over MPI.

use super::link::Link;
use super::shares::Ranks;
use crate::{Error, Result};
use mpi::Threading;
use mpi::environment::Universe;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives, Destination, Equivalence, Root, Source};

/// Bytes of a message, at most: MPI counts them in 31 bits.
const MOST_BYTES: usize = 1 << 30;

/// MPI, which ends with this.
pub(super) struct Mpi(#[expect(dead_code, reason = "it is there to be dropped")] Universe);

pub(super) fn start() -> Result<(Ranks, Mpi)> {
    // Only the thread that fits calls it.
    let (universe, threading) = mpi::initialize_with_threading(Threading::Funneled)
        .ok_or_else(|| Error::Config("MPI was started in this process before".into()))?;
    if threading < Threading::Funneled {
        return Err(Error::Config("this MPI does not allow a process to have threads".into()));
    }
    Ok((Ranks::new(World), Mpi(universe)))
}

/// Ends all ranks at once, where there are any.
pub(super) fn abort(code: u8) {
    if mpi::is_initialized() {
        SimpleCommunicator::world().abort(code.into())
    }
}

/// Numbers of MPI are not negative.
fn number(of_mpi: i32) -> usize {
    usize::try_from(of_mpi).unwrap_or_default()
}

#[derive(Debug)]
struct World;

impl World {
    fn process(rank: usize) -> i32 {
        i32::try_from(rank).unwrap_or(i32::MAX)
    }
}

/// What fails ends all ranks: that is how MPI deals with errors if it is not told otherwise.
impl Link for World {
    fn rank(&self) -> usize {
        number(SimpleCommunicator::world().rank())
    }

    fn size(&self) -> usize {
        number(SimpleCommunicator::world().size())
    }

    fn send(&self, to: usize, bytes: &[u8]) -> Result<()> {
        let world = SimpleCommunicator::world();
        bytes.chunks(MOST_BYTES).for_each(|part| world.process_at_rank(Self::process(to)).send(part));
        Ok(())
    }

    fn receive(&self, from: usize, bytes: &mut [u8]) -> Result<()> {
        let world = SimpleCommunicator::world();
        for part in bytes.chunks_mut(MOST_BYTES) {
            let expected = part.len();
            let found =
                number(world.process_at_rank(Self::process(from)).receive_into(part).count(u8::equivalent_datatype()));
            // More of them end all ranks.
            if found != expected {
                return Err(Error::Data(format!("rank {from}: expected {expected} bytes, found {found}")));
            }
        }
        Ok(())
    }

    fn barrier(&self) -> Result<()> {
        SimpleCommunicator::world().barrier();
        Ok(())
    }

    fn broadcast(&self, bytes: &mut [u8]) -> Result<()> {
        let world = SimpleCommunicator::world();
        bytes.chunks_mut(MOST_BYTES).for_each(|part| world.process_at_rank(0).broadcast_into(part));
        Ok(())
    }
}
