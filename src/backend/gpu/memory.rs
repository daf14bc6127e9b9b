//! Bytes of device memory: counted while buffers live.
//!
//! Counted are the storage buffers that this backend makes: matrices, sums, sparse matrices and scratch. Not counted is
//! what is no storage of its own: compiled kernels, and the staging memory of transfers, up to 32 MiB at a time, which
//! drivers keep on the host. A buffer counts until the backend lets it go. wgpu frees it when the work that uses it is
//! done and no cached bind group names it; as these are forgotten before every new buffer, none is made beside one that
//! is no longer counted, but for what the device still computes with.

use crate::backend::tally::{Held, Tally};
use std::sync::Arc;

/// A buffer that is counted while it lives.
#[derive(Debug)]
pub(super) struct Counted {
    raw: wgpu::Buffer,
    held: Held,
}

impl Counted {
    pub(super) fn new(raw: wgpu::Buffer, tally: &Arc<Tally>) -> Self {
        let held = Held::new(raw.size(), tally);
        Self { raw, held }
    }

    /// Whether it is one of those that are counted there.
    pub(super) fn is_of(&self, tally: &Arc<Tally>) -> bool {
        self.held.is_of(tally)
    }
}

impl std::ops::Deref for Counted {
    type Target = wgpu::Buffer;
    fn deref(&self) -> &wgpu::Buffer {
        &self.raw
    }
}
