//! How this process was started: by `mpirun` or `srun` with others, or alone.

use super::shares::Ranks;
use crate::{Error, Result};

/// The processes that were started with this one.
pub struct Connected {
    /// As ranks of a fit.
    pub ranks: Ranks,
    #[cfg(feature = "mpi")]
    mpi: Option<super::mpi::Mpi>,
}

impl Connected {
    /// One process, as the only rank.
    fn alone() -> Self {
        Self {
            ranks: Ranks::alone(),
            #[cfg(feature = "mpi")]
            mpi: None,
        }
    }

    /// Ends the connection, for which every process waits until all have come here. One that fails must not: it ends without, and
    /// with [`abort`].
    pub fn end(self) {
        #[cfg(feature = "mpi")]
        {
            let mut connected = self;
            drop(connected.mpi.take());
        }
    }
}

#[cfg(feature = "mpi")]
impl Drop for Connected {
    /// Without [`Connected::end`] no process waits for the others, who may wait for this one. A panic ends them all.
    fn drop(&mut self) {
        std::mem::forget(self.mpi.take());
        if std::thread::panicking() {
            abort(101);
        }
    }
}

/// Ends this process, and all that it is connected to.
pub fn abort(code: u8) -> ! {
    #[cfg(feature = "mpi")]
    super::mpi::abort(code);
    std::process::exit(code.into())
}

/// Says whether processes that were started together are ranks: `auto`, where there are several; `yes`, one is, too; `no`.
const SWITCH: &str = "DEEPNMF_RANKS";

/// What launchers set for a process: its number, and how many there are.
const PROCESS: [(&str, &str); 4] = [
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMI_RANK", "PMI_SIZE"),
    ("PMIX_RANK", "SLURM_STEP_NUM_TASKS"),
    ("PMIX_RANK", "SLURM_NTASKS"),
];
/// The same of the processes on its machine.
const LOCAL: [(&str, &str); 2] =
    [("OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"), ("MPI_LOCALRANKID", "MPI_LOCALNRANKS")];

/// The variables of the environment.
type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn number(of: Variables<'_>, name: &str) -> Option<usize> {
    of(name)?.trim().parse().ok()
}

fn numbered(of: Variables<'_>, names: &[(&str, &str)]) -> Option<(usize, usize)> {
    names.iter().find_map(|(rank, size)| {
        let found = (number(of, rank)?, number(of, size)?);
        (found.0 < found.1).then_some(found)
    })
}

/// The number of this process among the ranks of a fit, from 0, and how many there are, by the variables that launchers set and by
/// `DEEPNMF_RANKS`; None where this one is alone.
pub fn launched() -> Option<(usize, usize)> {
    launched_by(&environment)
}

fn launched_by(of: Variables<'_>) -> Option<(usize, usize)> {
    let found = numbered(of, &PROCESS).filter(|(_, size)| *size > 1);
    match of(SWITCH).as_deref() {
        Some("no") => None,
        Some("yes") => Some(found.unwrap_or((0, 1))),
        _ => found,
    }
}

/// The words before a command that start it as this process was started; None where it is alone.
pub fn launcher() -> Option<Vec<String>> {
    launcher_by(&environment)
}

fn launcher_by(of: Variables<'_>) -> Option<Vec<String>> {
    let (_, size) = launched_by(of)?;
    let size = size.to_string();
    let words: &[&str] = match numbered(of, &PROCESS) {
        None | Some((_, 1)) => &["env", "DEEPNMF_RANKS=yes"],
        // Inside of a step mpirun has its own variables.
        _ if numbered(of, &PROCESS[..1]).is_none() && of("SLURM_STEP_NUM_TASKS").is_some() => {
            let how = if of("PMIX_RANK").is_some() { "--mpi=pmix" } else { "--mpi=pmi2" };
            &["srun", how, "--kill-on-bad-exit", "-n", &size]
        }
        _ => &["mpirun", "-n", &size],
    };
    Some(words.iter().map(|word| (*word).to_string()).collect())
}

/// What of these variables makes no sense.
fn misfit(of: Variables<'_>) -> Option<String> {
    match of(SWITCH).as_deref() {
        Some("no") => return None,
        None | Some("" | "auto" | "yes") => {}
        Some(other) => return Some(format!("{SWITCH}: expected auto, yes or no, found {other}")),
    }
    if numbered(of, &PROCESS).is_some() {
        return None;
    }
    if let Some(tasks) = number(of, "SLURM_STEP_NUM_TASKS").filter(|tasks| *tasks > 1) {
        return Some(format!(
            "srun started {tasks} processes, and not for MPI: each would do the same; start them with srun --mpi=pmix, or set \
             {SWITCH}=no for each to work for itself"
        ));
    }
    of("PMIX_RANK").map(|rank| {
        format!(
            "a launcher says that this is process {rank}, and not how many there are; start them with mpirun, or set {SWITCH}=no"
        )
    })
}

/// The number of this process among those on this machine, from 0, and how many these are; alone where that is not said.
pub fn on_this_machine() -> (usize, usize) {
    local(&environment)
}

fn local(of: Variables<'_>) -> (usize, usize) {
    let by_slurm = || {
        let tasks = of("SLURM_STEP_TASKS_PER_NODE").or_else(|| of("SLURM_TASKS_PER_NODE"))?;
        Some((number(of, "SLURM_LOCALID")?, tasks_of_node(&tasks, number(of, "SLURM_NODEID")?)?))
    };
    let found = launched_by(of).and_then(|_| numbered(of, &LOCAL).or_else(by_slurm));
    found.map_or((0, 1), |(rank, size)| (rank, size.max(rank + 1)))
}

/// Of the tasks of all nodes, as Slurm writes them (`4(x2),3`), those of one.
fn tasks_of_node(tasks: &str, node: usize) -> Option<usize> {
    let mut before = 0;
    for part in tasks.split(',') {
        let (count, nodes) = part.split_once("(x").unwrap_or((part, "1)"));
        before += nodes.strip_suffix(')')?.parse::<usize>().ok()?;
        if node < before {
            return count.parse().ok();
        }
    }
    None
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

/// Connects to the processes that were started with this one; None where it was started alone.
///
/// # Errors
/// [`Error::Config`] where what the launcher says is not what MPI says, where MPI does not let a process have threads, and without the
/// feature `mpi` for one of several processes.
pub fn connect() -> Result<Option<Connected>> {
    if let Some(why) = misfit(&environment) {
        return Err(Error::Config(why));
    }
    match launched() {
        None => Ok(None),
        Some((_, 1)) => Ok(Some(Connected::alone())),
        Some(launched) => connect_all(launched).map(Some),
    }
}

#[cfg(not(feature = "mpi"))]
fn connect_all((_, size): (usize, usize)) -> Result<Connected> {
    Err(Error::Config(format!(
        "{size} processes were started together, and this program was built without MPI: each would do the same; build it with \
         --features mpi, start one, or set {SWITCH}=no for each to work for itself"
    )))
}

#[cfg(feature = "mpi")]
fn connect_all((rank, size): (usize, usize)) -> Result<Connected> {
    let (ranks, mpi) = super::mpi::start()?;
    let connected = Connected { ranks, mpi: Some(mpi) };
    if (ranks.rank(), ranks.size()) == (rank, size) {
        return Ok(connected);
    }
    Err(Error::Config(format!(
        "the launcher says that this is process {rank} of {size}, MPI that it is {} of {}: they are of different MPI; take the mpirun of \
         the MPI that the program was built with, with Slurm srun --mpi=pmix",
        ranks.rank(),
        ranks.size()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<'a>(variables: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        move |name| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_string())
    }

    #[test]
    fn the_variables_of_launchers_say_who_this_is() {
        let mpirun = [("OMPI_COMM_WORLD_RANK", "2"), ("OMPI_COMM_WORLD_SIZE", "4")];
        let machine = [("OMPI_COMM_WORLD_LOCAL_RANK", "0"), ("OMPI_COMM_WORLD_LOCAL_SIZE", "2")];
        let all = [&mpirun[..], &machine].concat();
        assert_eq!((launched_by(&of(&all)), local(&of(&all))), (Some((2, 4)), (0, 2)));
        let one = [("OMPI_COMM_WORLD_RANK", "0"), ("OMPI_COMM_WORLD_SIZE", "1")];
        assert_eq!(launched_by(&of(&one)), None);
        let yes = [(SWITCH, "yes")];
        assert_eq!(launched_by(&of(&yes)), Some((0, 1)));
        let no = [&all[..], &[(SWITCH, "no")]].concat();
        assert_eq!((launched_by(&of(&no)), local(&of(&no))), (None, (0, 1)));
        let hydra = [("PMI_RANK", "1"), ("PMI_SIZE", "3"), ("MPI_LOCALRANKID", "1"), ("MPI_LOCALNRANKS", "3")];
        assert_eq!((launched_by(&of(&hydra)), local(&of(&hydra))), (Some((1, 3)), (1, 3)));
        let srun = [("PMIX_RANK", "5"), ("SLURM_STEP_NUM_TASKS", "7"), ("SLURM_STEP_TASKS_PER_NODE", "3(x2),1")];
        let node = [("SLURM_LOCALID", "2"), ("SLURM_NODEID", "1")];
        let all = [&srun[..], &node].concat();
        assert_eq!((launched_by(&of(&all)), local(&of(&all)), misfit(&of(&all))), (Some((5, 7)), (2, 3), None));
    }

    #[test]
    fn what_goes_on_is_started_in_the_same_way() {
        let found = |variables: &[(&str, &str)]| launcher_by(&of(variables)).unwrap_or_default().join(" ");
        let mpirun = [("OMPI_COMM_WORLD_RANK", "2"), ("OMPI_COMM_WORLD_SIZE", "4")];
        let srun = [("PMIX_RANK", "5"), ("SLURM_STEP_NUM_TASKS", "7")];
        assert_eq!(found(&mpirun), "mpirun -n 4");
        assert_eq!(found(&srun), "srun --mpi=pmix --kill-on-bad-exit -n 7");
        assert_eq!(found(&[&mpirun[..], &srun].concat()), "mpirun -n 4");
        assert_eq!(found(&[("PMI_RANK", "1"), ("PMI_SIZE", "3")]), "mpirun -n 3");
        assert_eq!(found(&[(SWITCH, "yes")]), "env DEEPNMF_RANKS=yes");
        assert_eq!(found(&[&mpirun[..], &[(SWITCH, "no")]].concat()), "");
        assert_eq!(found(&[]), "");
    }

    #[test]
    fn processes_that_do_not_know_of_each_other_are_refused() {
        let found = |variables: &[(&str, &str)]| misfit(&of(variables)).unwrap_or_default();
        // The script of a job, and one of several processes without MPI in it.
        assert_eq!(found(&[("SLURM_NTASKS", "4"), ("SLURM_PROCID", "0")]), "");
        assert!(found(&[("SLURM_NTASKS", "4"), ("SLURM_STEP_NUM_TASKS", "4")]).contains("--mpi=pmix"));
        assert_eq!(found(&[("SLURM_STEP_NUM_TASKS", "4"), (SWITCH, "no")]), "");
        assert!(found(&[("PMIX_RANK", "1")]).contains("not how many"));
        assert!(found(&[(SWITCH, "perhaps")]).contains("expected auto, yes or no, found perhaps"));
    }

    #[test]
    fn tasks_of_a_node_as_slurm_writes_them() {
        let all: Vec<_> = (0..5).map(|node| tasks_of_node("4(x2),3,1", node)).collect();
        assert_eq!(all, [Some(4), Some(4), Some(3), Some(1), None]);
        assert_eq!(tasks_of_node("two", 0), None);
    }
}
