//! The elementwise formulas, a table of rows: every one has a name, a body in WGSL, a closure for the CPU, its operands, and a
//! bound on its rounding errors. [`Device::map`](super::Device::map) computes them all.
//!
//! To add one, add a variant to [`Formula`], its row to `table.rs`, and a method to
//! [`Elementwise`](super::Elementwise). The kernel, the loop on the CPU, the check of shapes, and the comparison of devices
//! with the CPU in `f64` follow from the row.

mod activations;
mod lanes;
mod rounding;
mod table;
mod types;

pub use lanes::{Lines, Values};
pub(crate) use rounding::{DIVISION, SQRT, U, gamma};
pub(crate) use table::stepped;
pub use types::{Apply, Formula, Input, Kind, Operand, Output, Part, Range, Row, Rule};
pub(crate) use types::{FLOOR, MOST_INPUTS};
