//! How fast a device is at what a fit does: the measuring behind `deepnmf bench`.
//!
//! Every measurement warms up, then repeats until its share of the time is over, and reports the median. Many launches are
//! queued and waited for once. What one launch would cost is estimated first, from what was measured before; a shape that
//! would take too long is halved until it does not, and every row says which shape it had. One body of code measures every
//! backend.

mod clock;
mod data;
mod operations;
mod row;
mod stopwatch;
mod training;

pub use clock::cpu_seconds;
pub use row::{Limits, Row};

use crate::Result;
use crate::backend::Backend;
use stopwatch::Bench;

/// Measurements that [`run`] makes.
pub const MEASUREMENTS: usize = 18;

/// Measures everything. `progress` gets the number (from 1) of every measurement with its row before it is made: a name and a
/// shape.
///
/// # Errors
/// Whatever the device reports, but where only the largest sets do not fit: their rows say so.
pub fn run<B: Backend<Elem = f32>>(
    b: &mut B,
    limits: Limits,
    progress: &mut dyn FnMut(usize, &Row),
) -> Result<Vec<Row>> {
    let mut bench = Bench::new(b, limits, progress)?;
    operations::copy(&mut bench)?;
    operations::products(&mut bench)?;
    operations::stored_products(&mut bench)?;
    training::blocks(&mut bench)?;
    training::fit(&mut bench)?;
    training::sweeps(&mut bench)?;
    let mut rows = bench.rows;
    let best = rows.iter().filter(|r| r.unit == operations::FLOPS).filter_map(|r| r.rate).fold(0.0, f64::max);
    for row in rows.iter_mut().filter(|r| r.unit == operations::FLOPS) {
        row.of_best = row.rate.map(|rate| rate / best);
    }
    Ok(rows)
}
