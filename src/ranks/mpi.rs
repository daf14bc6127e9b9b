//! Ranks over MPI.

use super::{Link, Ranks};
use crate::{Error, Result};
use mpi::Threading;
use mpi::environment::Universe;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, Destination, Root, Source};

/// Bytes of a message, at most: MPI counts them in 31 bits.
const MOST_BYTES: usize = 1 << 30;

/// What the launchers of MPI set for the processes that they start: the number of a process.
const LAUNCHED: [&str; 4] = ["OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "MPI_LOCALRANKID"];

/// The connection of this process to those that were started with it. MPI ends with it.
pub struct Mpi {
    _universe: Universe,
    /// All ranks.
    pub ranks: Ranks,
    /// The number of this rank on its machine, and how many there are.
    pub local: (usize, usize),
}

/// Connects to the other processes; None where MPI did not start this one.
///
/// # Errors
/// [`Error::Config`] where MPI does not let one thread of several call it.
pub fn connect() -> Result<Option<Mpi>> {
    if !LAUNCHED.iter().any(|name| std::env::var_os(name).is_some()) {
        return Ok(None);
    }
    // Only the thread that fits calls it.
    let (universe, threading) = mpi::initialize_with_threading(Threading::Funneled)
        .ok_or_else(|| Error::Config("MPI was started in this process before".into()))?;
    if threading < Threading::Funneled {
        return Err(Error::Config("this MPI does not allow a process to have threads".into()));
    }
    let world = universe.world();
    let machine = world.split_shared(world.rank());
    let local = (number(machine.rank()), number(machine.size()));
    Ok(Some(Mpi { _universe: universe, ranks: Ranks::new(World), local }))
}

impl Mpi {
    /// Ends all ranks at once.
    pub fn abort(code: u8) -> ! {
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
            world.process_at_rank(Self::process(from)).receive_into(part);
        }
        Ok(())
    }

    fn broadcast(&self, bytes: &mut [u8]) -> Result<()> {
        let world = SimpleCommunicator::world();
        bytes.chunks_mut(MOST_BYTES).for_each(|part| world.process_at_rank(0).broadcast_into(part));
        Ok(())
    }
}
