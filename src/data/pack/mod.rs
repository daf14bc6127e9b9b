//! Any data set → one `.npy` file, a block of samples at a time, which goes on after a stop.

mod input;
mod lines;
mod part;
mod write;

pub use write::{Dtype, PackOptions, Packed, pack};
