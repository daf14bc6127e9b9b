//! Matrices that are stored as something smaller than f32: the data, which are only read.

use super::matrix::Matrix;
use super::{Gpu, TRANSFER_BYTES};
use crate::backend::Storage;
use crate::{Error, Result};
use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;

/// For whatever is done with a stored matrix but what can be done with one.
pub(super) fn not_numbers(storage: Storage) -> Error {
    Error::Config(format!(
        "expected a matrix of f32, found one stored as {storage}, which can only be the first operand of a product, summed up, \
         subtracted from in a residual, and downloaded"
    ))
}

impl Matrix {
    /// [`Error::Config`] for a stored one.
    pub(super) fn numbers(&self) -> Result<()> {
        if self.storage == Storage::F32 { Ok(()) } else { Err(not_numbers(self.storage)) }
    }
}

impl Gpu {
    /// [`Gpu::fill`] for a matrix that is stored as bytes or halves.
    pub(super) fn write_stored(&mut self, matrix: &Matrix, host: ArrayView2<'_, f32>) -> Result<()> {
        let row_bytes = matrix.row_bytes();
        let rows_at_a_time = (TRANSFER_BYTES / row_bytes).max(1);
        for (i, (shard, first, rows)) in matrix.each().enumerate() {
            for start in (0..rows).step_by(rows_at_a_time) {
                let count = rows_at_a_time.min(rows - start);
                let mut bytes = vec![0; count * row_bytes];
                let mut scales = vec![0.0; count];
                bytes.par_chunks_mut(row_bytes).zip(&mut scales).enumerate().for_each(|(row, (bytes, scale))| {
                    *scale = matrix.storage.encode(&host.row(first + start + row).to_vec(), bytes);
                });
                self.stage(shard, (start * row_bytes) as u64, &bytes)?;
                if let Some(buffer) = matrix.scales.get(i) {
                    self.stage(buffer, 4 * start as u64, bytemuck::cast_slice(&scales))?;
                }
            }
        }
        Ok(())
    }

    /// The numbers of a stored matrix, as kernels read them.
    pub(super) fn download_stored(&mut self, m: &Matrix) -> Result<Array2<f32>> {
        let (row_bytes, used) = (m.row_bytes(), m.cols * m.storage.bytes());
        let rows_at_a_time = (TRANSFER_BYTES / row_bytes).max(1);
        let mut host = Array2::zeros(m.shape());
        for (i, (shard, first, rows)) in m.each().enumerate() {
            let mut scales = vec![1.0; rows];
            if let Some(buffer) = m.scales.get(i) {
                let read = self.scheduler.start_read(&self.context, buffer, 0, 4 * rows as u64)?;
                self.scheduler.finish_read(&self.context, read, |words| scales.copy_from_slice(words))?;
            }
            for start in (0..rows).step_by(rows_at_a_time) {
                let count = rows_at_a_time.min(rows - start);
                let (at, bytes) = ((start * row_bytes) as u64, (count * row_bytes) as u64);
                let read = self.scheduler.start_read(&self.context, shard, at, bytes)?;
                self.scheduler.finish_read(&self.context, read, |words| {
                    let bytes: &[u8] = bytemuck::cast_slice(words);
                    let rows = bytes.chunks_exact(row_bytes).zip(&scales[start..]);
                    for (row, (bytes, scale)) in host.axis_iter_mut(Axis(0)).skip(first + start).zip(rows) {
                        m.storage.decode(&bytes[..used], *scale, row);
                    }
                })?;
            }
        }
        self.check_guard(m)?;
        Ok(host)
    }
}
