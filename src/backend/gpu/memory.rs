//! Bytes of device memory: counted while buffers live.
//!
//! Counted are the storage buffers that this backend makes: matrices, sums, sparse matrices and scratch. Not counted is
//! what is no storage of its own: compiled kernels, and the staging memory of transfers, up to 32 MiB at a time, which
//! drivers keep on the host. A buffer counts until the backend lets it go. wgpu frees it when the work that uses it is
//! done and no cached bind group names it; as these are forgotten before every new buffer, none is made beside one that
//! is no longer counted, but for what the device still computes with.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of the buffers that live now, and of the most that ever lived at once.
#[derive(Debug, Default)]
pub(super) struct Memory {
    now: AtomicU64,
    peak: AtomicU64,
}

impl Memory {
    /// The peak is counted from here on.
    pub(super) fn forget_peak(&self) {
        self.peak.store(self.now.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// `(now, at most)`.
    pub(super) fn bytes(&self) -> (u64, u64) {
        (self.now.load(Ordering::Relaxed), self.peak.load(Ordering::Relaxed))
    }
}

/// A buffer that is counted while it lives.
#[derive(Debug)]
pub(super) struct Counted {
    raw: wgpu::Buffer,
    memory: Arc<Memory>,
}

impl Counted {
    pub(super) fn new(raw: wgpu::Buffer, memory: &Arc<Memory>) -> Self {
        let now = memory.now.fetch_add(raw.size(), Ordering::Relaxed) + raw.size();
        memory.peak.fetch_max(now, Ordering::Relaxed);
        Self { raw, memory: Arc::clone(memory) }
    }
}

impl Counted {
    /// Whether it is one of those that are counted there.
    pub(super) fn is_of(&self, memory: &Arc<Memory>) -> bool {
        Arc::ptr_eq(&self.memory, memory)
    }
}

impl std::ops::Deref for Counted {
    type Target = wgpu::Buffer;
    fn deref(&self) -> &wgpu::Buffer {
        &self.raw
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.memory.now.fetch_sub(self.raw.size(), Ordering::Relaxed);
    }
}
