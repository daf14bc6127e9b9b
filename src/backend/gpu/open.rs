//! Opening a GPU.

use super::context::Context;
use super::handle::Gpu;
use super::kernels::class::Table;
use super::kernels::matmul::Products;
use super::kernels::matmul_tiled::VARIANTS;
use super::options::GpuOptions;
use super::predict::FIXED_BYTES;
use super::recorder::Recorder;
use super::tune;
use crate::{Error, Result};

impl Gpu {
    /// Opens the adapter of that number in the list of [`devices`](crate::devices) and compiles the kernels; measures
    /// products where [`GpuOptions::tune`] says so.
    ///
    /// # Errors
    /// [`Error::NoDevice`] where there is none of that number or it lacks what is needed.
    pub fn open(index: usize, options: GpuOptions) -> Result<Self> {
        let mut broken = Vec::new();
        loop {
            let mut gpu = Self::untuned(index, options.clone())?;
            let before = broken.len();
            match tune::tune(&mut gpu, &mut broken) {
                // It is opened again, and leaves out what broke it.
                Err(Error::DeviceLost(_)) if broken.len() > before => {}
                other => return other.map(|()| gpu),
            }
        }
    }

    fn untuned(index: usize, options: GpuOptions) -> Result<Self> {
        let context = Context::open(index, options)?;
        let limits = context.device.limits();
        let (bytes, invocations) =
            (limits.max_compute_workgroup_storage_size, limits.max_compute_invocations_per_workgroup);
        let runs = VARIANTS.map(|v| v.runs_on(bytes, invocations));
        if let Some(forced) = context.options.force_variant.filter(|i| runs.get(*i) != Some(&true)) {
            let message = format!("{}: products have no variant {forced} that it can run", context.name);
            return Err(Error::Config(message));
        }
        if let Some(limit) = context.options.max_bytes.filter(|limit| *limit < FIXED_BYTES) {
            let message = format!("{FIXED_BYTES} bytes are needed whatever is computed, {limit} are allowed");
            return Err(Error::OutOfMemory(message));
        }
        let products = Products { runs, measured: Table::new(), halves: false };
        Ok(Self { recorder: Recorder::new(context)?, products, residual: None })
    }
}
