//! The GPU backend: WGSL kernels on any Vulkan, Metal or DX12 device, through wgpu.
//!
//! Everything stays on the device; one call of [`Backend::submit`](super::Backend::submit) is one command buffer. Matrices lie in shards of
//! rows that fit a binding, cut by the device's limits alone, and every operation takes any cut.

#![warn(clippy::cast_possible_truncation)]

mod context;
mod fault;
mod gate;
mod kernels;
mod matrix;
mod memory;
mod ops;
mod options;
mod pipeline;
mod recorder;
mod scheduler;
mod sparse;
mod template;
mod timer;
mod transfer;
mod tune;

pub(crate) use context::{find, list};
pub use matrix::{Matrix, Scalars};
pub(crate) use memory::{
    FIXED_BYTES, columns_bytes, fuses_rows, matrix_bytes, residual_bytes, stored_bytes, sums_bytes,
};
pub use options::{GpuOptions, Tune};
pub use scheduler::Stats;
pub use sparse::SparseMatrix;

use crate::backend::DeviceInfo;
use crate::model::Solver;
use crate::{Error, Result};
use context::Context;
use kernels::class::Table;
use kernels::matmul::Products;
use kernels::matmul_tiled::VARIANTS;
use recorder::Recorder;
use scheduler::Read;

/// Bytes of the product that a residual is taken of at a time.
const RESIDUAL_BYTES: usize = 16 << 20;
/// All matrix products, where coordinate descent has a single workgroup at work wherever W is penalised or in the chain.
/// benches/solvers.rs has not yet run on a real GPU, and a software one says nothing about it.
pub(crate) const FASTEST_SOLVER: Solver = Solver::Nesterov;
/// Iterations between two looks of the host at the objective.
pub(crate) const LOOK_EVERY: usize = 4;
/// A read of sums under way.
pub struct Pending(Read);

/// A GPU with its compiled kernels.
pub struct Gpu {
    recorder: Recorder,
    products: Products,
    /// What a residual is taken of, kept for the next.
    residual: Option<Matrix>,
}

impl std::fmt::Debug for Gpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gpu").field("name", &self.recorder.context.name).finish_non_exhaustive()
    }
}

impl Gpu {
    /// Opens the adapter of that number in the list of [`devices`](crate::devices) and compiles the kernels; measures
    /// products where [`GpuOptions::tune`] says so.
    ///
    /// # Errors
    /// [`Error::NoDevice`] where there is none of that number or it lacks what is needed.
    pub fn open(index: usize, options: GpuOptions) -> Result<Self> {
        let context = Context::open(index, options)?;
        let limits = context.device.limits();
        let (bytes, invocations) =
            (limits.max_compute_workgroup_storage_size, limits.max_compute_invocations_per_workgroup);
        let runs = VARIANTS.map(|v| v.runs_on(bytes, invocations));
        if let Some(forced) = context.options.force_variant.filter(|i| runs.get(*i) != Some(&true)) {
            let message = format!("{}: products have no variant {forced} that it can run", context.name);
            return Err(Error::Config(message));
        }
        let products = Products { runs, measured: Table::new(), halves: false };
        let mut gpu = Self { recorder: Recorder::new(context)?, products, residual: None };
        gpu.products.measured = tune::table(&mut gpu)?;
        Ok(gpu)
    }

    /// The ways to compute a product, by name; None for one that the adapter has not the limits for.
    pub fn variants(&self) -> Vec<Option<&'static str>> {
        VARIANTS.iter().zip(self.products.runs).map(|(v, runs)| runs.then_some(v.name)).collect()
    }

    /// What has been asked of the device so far.
    pub fn stats(&self) -> Stats {
        let (bytes, peak_bytes) = self.recorder.context.memory.bytes();
        Stats { bytes, peak_bytes, ..self.recorder.scheduler.stats }
    }

    /// The adapter.
    pub fn info(&self) -> &DeviceInfo {
        &self.recorder.context.info
    }
}
