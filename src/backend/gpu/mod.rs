//! The GPU backend: WGSL kernels on any Vulkan, Metal or DX12 device, through wgpu.
//!
//! Everything stays on the device; one call of [`Device::submit`](super::Device::submit) is one command buffer. Matrices lie in shards of
//! rows that fit a binding, cut by the device's limits alone, and every operation takes any cut.

#![warn(clippy::cast_possible_truncation)]

mod adapters;
mod context;
mod fault;
mod gate;
mod handle;
mod kernels;
mod matrix;
mod memory;
mod missing;
mod open;
mod ops;
mod options;
mod pace;
mod pipeline;
pub(crate) mod predict;
mod recorder;
mod scheduler;
mod sparse;
mod template;
mod timer;
mod transfer;
mod tune;

pub(crate) use adapters::{find, list};
pub use handle::{Gpu, Pending};
pub use matrix::{Matrix, Scalars};
pub(crate) use missing::missing;
pub(crate) use ops::{CADENCE, FASTEST_SOLVER, SHARD_BYTES};
pub use options::{GpuOptions, Tune};
pub use scheduler::Stats;
pub use sparse::SparseMatrix;
