//! Bytes of device memory, predicted from shapes.

use super::gate::GATE_BYTES;
use super::kernels;
use super::matrix::PAD;
use super::pipeline::PARTS;
use super::recorder::{SCRATCH_BYTES, SPECTRAL_BYTES};
use crate::backend::Storage;

/// Bytes of the product that a residual is taken of at a time.
const RESIDUAL_BYTES: usize = 16 << 20;
/// What every open device holds, unless its bindings are smaller than that: scratch, the vectors of power iterations
/// and the gate.
pub(crate) const FIXED_BYTES: u64 = SCRATCH_BYTES + 3 * SPECTRAL_BYTES + GATE_BYTES as u64;

/// The most bytes that are predicted, more than any device has: sums of them do not overflow.
pub(crate) const MOST: u64 = 1 << 48;

/// The bytes of `rows × cols` numbers of four.
pub(crate) fn words(rows: usize, cols: usize) -> u64 {
    let all = (rows as u128).saturating_mul(cols as u128).saturating_mul(4);
    u64::try_from(all).unwrap_or(MOST).min(MOST)
}

/// Of a matrix as it is stored: its rows are padded to whole vectors of four, and those of bytes have scales.
pub(crate) fn matrix_bytes(storage: Storage, rows: usize, cols: usize) -> u64 {
    let scales = if storage == Storage::U8 { words(rows, 1) } else { 0 };
    words(rows, cols.div_ceil(PAD).saturating_mul(PAD)) / 4 * storage.bytes() as u64 + scales
}

/// Whether all steps of a block are recorded at once, on a device with 32 KiB of workgroup memory.
pub(crate) fn fuses_block(shape: (usize, usize), left: bool, coupled: bool) -> bool {
    const BYTES: u32 = 32 << 10;
    match coupled {
        true => kernels::nesterov_columns::Tile::of(shape, left, BYTES).is_some(),
        false => kernels::nesterov_rows::Tile::of(shape.1, 1, BYTES, 1).is_some(),
    }
}

/// Of what the steps of a coupled block are made in; it is kept.
pub(crate) fn steps_bytes(rows: usize, k: usize) -> u64 {
    words(kernels::nesterov_columns::words(rows, k), 1)
}

/// Of numbered sums.
pub(crate) fn sums_bytes(len: usize) -> u64 {
    words(len.max(1), PARTS)
}

/// Rows of the product that a residual of an n × m matrix is taken of, at a time; it is kept.
pub(crate) fn residual_rows(n: usize, m: usize) -> usize {
    (RESIDUAL_BYTES / m.div_ceil(PAD).max(1).saturating_mul(4 * PAD)).clamp(1, n.max(1))
}

/// Whether rows of k columns go through coordinate descent at once, on a device with 32 KiB of workgroup memory.
pub(crate) fn descends_rows(k: usize) -> bool {
    kernels::descend_rows::Tile::of(k, 1, 32 << 10, 1).is_some()
}

/// Of the columns that coordinate descent on a rows × cols block gathers, their gradients, and what these are made of; they are
/// kept.
pub(crate) fn columns_bytes(rows: usize, cols: usize) -> u64 {
    3 * words(kernels::descend_gather::words(rows, cols), 1)
}
