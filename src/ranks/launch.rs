//! How this process was started: by `mpirun` or `srun` with others, or alone.

use crate::Result;

/// The processes that were started with this one. The connection ends with it.
pub struct Connected {
    /// As ranks of a fit.
    pub ranks: super::shares::Ranks,
    #[cfg(feature = "mpi")]
    _mpi: super::mpi::Mpi,
}

/// Ends this process, and all that were started with it.
pub fn abort(code: u8) -> ! {
    #[cfg(feature = "mpi")]
    super::mpi::abort(code);
    std::process::exit(code.into())
}

/// What launchers set for a process: its number, and how many there are.
const PROCESS: [(&str, &str); 3] =
    [("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"), ("PMI_RANK", "PMI_SIZE"), ("PMIX_RANK", "SLURM_NTASKS")];
/// The same of the processes on its machine.
const LOCAL: [(&str, &str); 3] = [
    ("OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"),
    ("MPI_LOCALRANKID", "MPI_LOCALNRANKS"),
    ("SLURM_LOCALID", "SLURM_NTASKS_PER_NODE"),
];

/// The number of the process that MPI's launcher started, from 0, and how many there are, by the variables that it sets; None where
/// none did.
pub fn launched() -> Option<(usize, usize)> {
    numbered(&PROCESS)
}

/// The same, of the processes on this machine; alone where that is not said.
pub fn on_this_machine() -> (usize, usize) {
    numbered(&LOCAL).unwrap_or((0, 1))
}

fn numbered(variables: &[(&str, &str)]) -> Option<(usize, usize)> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<usize>().ok();
    variables.iter().find_map(|(rank, size)| {
        let rank = number(rank)?;
        Some((rank, number(size).unwrap_or(rank + 1).max(rank + 1)))
    })
}

/// The threads that a process computes with, of those that share this machine: all of those that it may use where it is bound to some,
/// else its share.
pub fn threads() -> usize {
    let usable = std::thread::available_parallelism().map_or(1, |n| n.get());
    let system = sysinfo::System::new_with_specifics(
        sysinfo::RefreshKind::nothing().with_cpu(sysinfo::CpuRefreshKind::nothing()),
    );
    let (all, (_, processes)) = (system.cpus().len().max(usable), on_this_machine());
    usable.min(all.div_ceil(processes)).max(1)
}

/// Without the feature `mpi` there is no MPI to connect by.
///
/// # Errors
/// [`Error::Config`] for one of several processes.
#[cfg(not(feature = "mpi"))]
pub fn connect() -> Result<Option<Connected>> {
    match launched() {
        Some((_, size)) if size > 1 => Err(crate::Error::Config(format!(
            "{size} processes were started together, and this program was built without MPI: each would do the same; build it with \
             --features mpi, or start one"
        ))),
        _ => Ok(None),
    }
}

/// Connects to the processes that were started with this one; None where it was started alone.
///
/// # Errors
/// [`Error::Config`] where MPI does not let a process have threads.
#[cfg(feature = "mpi")]
pub fn connect() -> Result<Option<Connected>> {
    launched().map(|_| super::mpi::start().map(|(ranks, mpi)| Connected { ranks, _mpi: mpi })).transpose()
}
