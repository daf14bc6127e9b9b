//! For `mpirun`, which `tests/mpi/run.sh` starts it with: rank 1 panics while the others wait for it, and all have to end.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

fn main() {
    let Some(connected) = deepnmf::ranks::connect().unwrap() else { return };
    let ranks = connected.ranks;
    assert_ne!(ranks.rank(), 1, "a rank that panics");
    ranks.total(vec![1.0]).unwrap();
    connected.end();
}
