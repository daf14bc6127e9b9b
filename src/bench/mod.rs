//! How fast a device is at the operations of a fit: the measurements of `deepnmf bench`.
//!
//! Every measurement warms up, repeats for its share of the time, and reports the median. Many launches are queued and waited
//! for once. The time of a launch is first estimated from earlier measurements; a shape that would take too long is halved
//! until it does not, and every row has the shape that was measured. The code is the same for all backends.

mod clock;
mod data;
mod operations;
mod ranks;
mod row;
mod stopwatch;
mod training;

pub use clock::cpu_seconds;
pub use ranks::{AllReduce, Iterations, Predicted, Together, together};
pub use row::{Limits, Row};

use crate::Result;
use crate::backend::Clock;
use stopwatch::Bench;

/// The number of measurements that [`run`] makes.
pub const MEASUREMENTS: usize = 18;

/// Makes all measurements. Before each one, `progress` is called with its number (from 1) and its row, which has name and
/// shape only.
///
/// # Errors
/// Errors of the device, except that sweeps over sets that do not fit are left out; a note in their rows says so.
pub fn run<B: Clock<Elem = f32>>(b: &mut B, limits: Limits, progress: &mut dyn FnMut(usize, &Row)) -> Result<Vec<Row>> {
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
