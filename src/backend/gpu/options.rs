//! What may be asked of a device beyond what it is.

use super::tune::Tune;
use crate::backend::Precision;
use crate::{Error, Result};
use std::path::PathBuf;

/// The least that [`GpuOptions::max_binding_bytes`] may be.
const MIN_BINDING: u64 = 4 << 10;

/// What a user or a test may ask of a device beyond what it is.
#[derive(Debug, Clone, Default)]
pub struct GpuOptions {
    /// Bytes per binding, at most, and at least 4096; the adapter's limit, or 2³¹ − 1, if that is less.
    pub max_binding_bytes: Option<u64>,
    /// Workgroups per dimension of a dispatch, at most, and at least 1; the adapter's limit if that is less.
    pub max_workgroups: Option<u32>,
    /// Bytes of device memory that all buffers may take together; what is beyond that is [`Error::OutOfMemory`].
    pub max_bytes: Option<u64>,
    /// Rows per shard, at most.
    pub max_shard_rows: Option<usize>,
    /// Words behind every shard that no kernel may touch, checked at every download.
    pub guard_words: usize,
    /// Computes every product in the way of this number, from 0, where its parts allow it; see [`Gpu::variants`](super::Gpu::variants).
    pub force_variant: Option<usize>,
    /// What products with the data are made of.
    pub precision: Precision,
    /// Whether shaders check the bounds of every access. Those that most of the time goes into otherwise do not, which their
    /// own conditions make safe.
    pub checked: bool,
    /// Whether to leave out the kernels that do many operations at once: the separate ones are what they are tested against.
    pub unfused: bool,
    /// Whether no loop is ended by the device: the host then looks after every iteration of a loop with a stopping rule, as it
    /// has to on adapters without what this takes.
    pub host_stops: bool,
    /// Whether the fastest ways to compute a product are measured when the device is opened, for two seconds at most and
    /// as long as there are some that were not: what was measured is kept in a file.
    pub tune: Tune,
    /// The folder of that file, instead of the user's cache folder.
    pub cache: Option<PathBuf>,
}

impl GpuOptions {
    /// Whether anything fits the limits.
    pub(super) fn validate(&self) -> Result<()> {
        if let Some(bytes) = self.max_binding_bytes.filter(|bytes| *bytes < MIN_BINDING) {
            return Err(Error::Config(format!("bytes per binding: expected at least {MIN_BINDING}, found {bytes}")));
        }
        if self.max_workgroups == Some(0) {
            return Err(Error::Config("workgroups of a dispatch: expected at least 1, found 0".into()));
        }
        Ok(())
    }
}
