//! Bytes of device memory: counted while buffers live, and foretold from shapes.
//!
//! Counted are the storage buffers that this backend makes: matrices, sums, sparse matrices and scratch. Not counted is
//! what is no storage of its own: compiled kernels, and the staging memory of transfers, up to 32 MiB at a time, which
//! drivers keep on the host. A buffer counts until the backend lets it go. wgpu frees it when the work that uses it is
//! done and no cached bind group names it; as these are forgotten before every new buffer, none is made beside one that
//! is no longer counted, but for what the device still computes with.

use super::gate::GATE_BYTES;
use super::matrix::PAD;
use super::pipeline::PARTS;
use super::recorder::{SCRATCH_BYTES, SPECTRAL_BYTES};
use super::{RESIDUAL_BYTES, kernels};
use crate::backend::Storage;
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

/// What every open device holds, unless its bindings are smaller than that: scratch, the vectors of power iterations
/// and the gate.
pub(crate) const FIXED_BYTES: u64 = SCRATCH_BYTES + 3 * SPECTRAL_BYTES + GATE_BYTES as u64;

/// Whatever takes more is foretold as so many bytes, more than any device has, so that sums of them do not overflow.
const MOST: u64 = 1 << 48;

/// The bytes of `rows × cols` numbers of four.
fn words(rows: usize, cols: usize) -> u64 {
    let all = (rows as u128).saturating_mul(cols as u128).saturating_mul(4);
    u64::try_from(all).unwrap_or(MOST).min(MOST)
}

/// Of a matrix: its rows are padded to whole vectors of four.
pub(crate) fn matrix_bytes(rows: usize, cols: usize) -> u64 {
    words(rows, cols.div_ceil(PAD).saturating_mul(PAD))
}

/// Of the data, as they are stored; with the scales of bytes.
pub(crate) fn stored_bytes(storage: Storage, rows: usize, cols: usize) -> u64 {
    let scales = if storage == Storage::U8 { words(rows, 1) } else { 0 };
    matrix_bytes(rows, cols) / 4 * storage.bytes() as u64 + scales
}

/// Whether rows of k columns are taken through a block at once, on a device with 32 KiB of workgroup memory.
pub(crate) fn fuses_rows(k: usize) -> bool {
    kernels::nesterov_rows::Tile::of(k, 32 << 10).is_some()
}

/// Of numbered sums.
pub(crate) fn sums_bytes(len: usize) -> u64 {
    words(len.max(1), PARTS)
}

/// Of the product that a residual of an n × m matrix is taken of, as many rows at a time as fit 16 MiB; it is kept.
pub(crate) fn residual_bytes(n: usize, m: usize) -> u64 {
    matrix_bytes(residual_rows(n, m), m)
}

pub(super) fn residual_rows(n: usize, m: usize) -> usize {
    (RESIDUAL_BYTES / m.div_ceil(PAD).max(1).saturating_mul(4 * PAD)).clamp(1, n.max(1))
}

/// Of the columns, and their gradients, that coordinate descent on a penalised rows × cols block gathers; they are kept.
pub(crate) fn columns_bytes(rows: usize, cols: usize) -> u64 {
    2 * words(rows, kernels::descend_columns::BLOCK.min(cols))
}
