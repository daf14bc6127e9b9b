//! The GPU as it is held.

use super::kernels::matmul::Products;
use super::kernels::matmul_tiled::VARIANTS;
use super::matrix::Matrix;
use super::recorder::Recorder;
use super::scheduler::{Read, Stats};
use crate::backend::DeviceInfo;

/// A read of sums under way.
pub struct Pending(pub(super) Read);

/// A GPU with its compiled kernels.
pub struct Gpu {
    pub(super) recorder: Recorder,
    pub(super) products: Products,
    /// What a residual is taken of, kept for the next, with the rows that were asked for.
    pub(super) residual: Option<(usize, Matrix)>,
}

impl std::fmt::Debug for Gpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gpu").field("name", &self.recorder.context.name).finish_non_exhaustive()
    }
}

impl Gpu {
    /// The ways to compute a product, by name; None for one that the adapter has not the limits for.
    pub fn variants(&self) -> Vec<Option<&'static str>> {
        VARIANTS.iter().zip(self.products.runs).map(|(v, runs)| runs.then_some(v.name)).collect()
    }

    /// What has been asked of the device so far.
    pub fn stats(&self) -> Stats {
        let (bytes, peak_bytes) = self.recorder.context.memory.bytes();
        Stats { bytes, peak_bytes, ..self.recorder.scheduler.stats }
    }

    /// [`GpuOptions::max_bytes`](super::GpuOptions::max_bytes).
    pub fn max_bytes(&self) -> Option<u64> {
        self.recorder.context.options.max_bytes
    }

    /// The adapter.
    pub fn info(&self) -> &DeviceInfo {
        &self.recorder.context.info
    }
}
