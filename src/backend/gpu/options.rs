//! What may be asked of a device beyond what it is.

use crate::backend::Precision;
use crate::{Error, Result};
use std::path::PathBuf;

/// Bytes of a binding at most, whatever the adapter offers: Vulkan allows no more, and Metal miscomputes silently beyond 4 GiB.
/// So a shard has less than 2³¹ numbers, be they bytes, and no index of a kernel, strides and tiles beyond the end included,
/// reaches 2³².
const MAX_BINDING: u64 = (1 << 31) - 1;
/// The least that [`GpuOptions::max_binding_bytes`] may be.
const MIN_BINDING: u64 = 4 << 10;

/// Whether the kernels of a device are chosen by measurement when it is opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tune {
    /// On a GPU, as far as that has not been done yet; never on a software adapter.
    #[default]
    Auto,
    /// Not at all, and what was measured before does not count: as is reckoned for the shape.
    Never,
    /// On software adapters too.
    Always,
}

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
    /// Whether the fastest ways to compute a product are measured when the device is opened, for some two seconds and
    /// as long as there are some that were not: what was measured is kept in a file.
    pub tune: Tune,
    /// The folder of that file, instead of the user's cache folder.
    pub cache: Option<PathBuf>,
    #[cfg(test)]
    pub(super) planned: super::fault::Planned,
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

    /// Bytes per binding on an adapter of these limits.
    pub(super) fn binding_bytes(&self, limits: &wgpu::Limits) -> u64 {
        let own = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size).min(MAX_BINDING);
        self.max_binding_bytes.map_or(own, |limit| limit.min(own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_binding_is_so_large_that_32_bits_do_not_count_it() {
        let of = |binding, buffer, max_binding_bytes| {
            let limits = wgpu::Limits {
                max_storage_buffer_binding_size: binding,
                max_buffer_size: buffer,
                ..wgpu::Limits::default()
            };
            GpuOptions { max_binding_bytes, ..GpuOptions::default() }.binding_bytes(&limits)
        };
        // What Metal offers on a machine of 64 GiB, and what Vulkan and llvmpipe do.
        assert_eq!(of(36 << 30, 36 << 30, None), (1 << 31) - 1);
        assert_eq!(of((1 << 31) - 1, 80 << 30, None), (1 << 31) - 1);
        assert_eq!(of(128 << 20, 2 << 30, None), 128 << 20);
        assert_eq!(of(u64::MAX, 1 << 20, None), 1 << 20);
        assert_eq!((of(8 << 30, 8 << 30, Some(u64::MAX)), of(8 << 30, 8 << 30, Some(4096))), ((1 << 31) - 1, 4096));
    }
}
