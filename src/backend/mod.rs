//! The only seam of the crate: what the algorithm in [`crate::train`] asks of a device.
//!
//! [`Device`] is what a device must do, [`Elementwise`] has the elementwise formulas by name, and [`Backend`] the larger
//! operations, each made of the others unless a device does it better.
//!
//! To add a backend, implement [`Device`] and write `impl Backend for MyDevice {}`; `verify` says whether it computes what it
//! should.

pub(crate) mod check;
mod clock;
mod contract;
mod counting;
mod cpu;
mod descent;
mod device;
mod elementwise;
pub mod formula;
pub mod gpu;
mod host;
mod nesterov;
mod rows;
mod search;
mod solvers;
mod sparse;
mod stop;
mod storage;
pub(crate) mod tally;

pub use check::check_operands;
pub use clock::Clock;
pub use contract::{Cadence, ColumnSums, Device, MatMul, Sum, Write};
pub(crate) use counting::{Counting, Rules};
pub use cpu::Cpu;
pub(crate) use cpu::map;
pub(crate) use descent::{ACCEPTED, LEAST_CURVATURE};
pub use descent::{Combination, Descent, EXTRAPOLATION, GROWTH, GROWTH_OF_MOST, SHRINKAGE};
pub use device::{DeviceInfo, DeviceRequest};
pub use elementwise::{By, Domain, Elementwise, MultiplicativeStep};
pub use formula::{Apply, Formula, Operand, Part, Rule};
pub(crate) use host::inverse;
pub(crate) use host::products::multiply;
pub(crate) use nesterov::momentum;
pub use nesterov::{Curvature, Momentum, NesterovBlock, NesterovStep};
pub use rows::Rows;
pub use search::SearchSum;
pub use solvers::Backend;
pub(crate) use solvers::{SHARD_BYTES, Separate, rows_of_bytes};
pub use sparse::Sparse;
pub use stop::{Course, Standing, StopCheck, Stopping, VERDICT};
pub use storage::{Precision, Storage};

pub use crate::element::Element;
