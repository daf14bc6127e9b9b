//! Entries to the device and back; matrices that are stored as something smaller than f32: the data, which are only read.

use super::matrix::Matrix;
use super::recorder::{GUARD, Recorder};
use crate::backend::Storage;
use crate::{Error, Result};
use ndarray::{Array2, ArrayView2, Axis, s};
use rayon::prelude::*;

/// Bytes of a transfer between host and device at a time.
const TRANSFER_BYTES: usize = 32 << 20;

impl Recorder {
    /// Writes rows into a matrix, and zeros into its padding.
    pub(super) fn fill(&mut self, matrix: &Matrix, host: ArrayView2<'_, f32>) -> Result<()> {
        matrix.numbers()?;
        let rows_at_a_time = (TRANSFER_BYTES / (4 * matrix.ld)).max(1);
        for (shard, first, rows) in matrix.each_shard() {
            for start in (0..rows).step_by(rows_at_a_time) {
                let end = rows.min(start + rows_at_a_time);
                let (rows, row_bytes) = (host.slice(s![first + start..first + end, ..]), matrix.row_bytes());
                self.stage_by(shard, (start * row_bytes) as u64, rows.nrows() * row_bytes, |to| {
                    for (row, at) in rows.rows().into_iter().zip((0..).step_by(row_bytes)) {
                        let copy;
                        let row = if let Some(row) = row.to_slice() {
                            row
                        } else {
                            copy = row.to_vec();
                            &copy
                        };
                        let bytes = bytemuck::cast_slice(row);
                        to.slice(at..at + bytes.len()).copy_from_slice(bytes);
                    }
                })?;
            }
        }
        Ok(())
    }

    /// The guard words behind every shard, and the padding, as they must be.
    pub(super) fn check_guard(&mut self, matrix: &Matrix) -> Result<()> {
        let words = self.context.options.guard_words;
        for (shard, _, rows) in matrix.each_shard().filter(|_| words > 0) {
            let at = ((rows + matrix.spare) * matrix.row_bytes()) as u64;
            let read = self.scheduler.start_read(&self.context, shard, at, 4 * words as u64)?;
            let mut intact = true;
            self.scheduler
                .finish_read(&self.context, read, |words| intact = words.iter().all(|w| w.to_bits() == GUARD))?;
            if !intact {
                let (rows, cols) = matrix.shape();
                return Err(Error::DeviceFault(format!("a kernel wrote behind a shard of a {rows}×{cols} matrix")));
            }
        }
        Ok(())
    }

    /// The entries of a matrix; submits and waits.
    pub(super) fn download(&mut self, m: &Matrix) -> Result<Array2<f32>> {
        if m.storage != Storage::F32 {
            return self.download_stored(m);
        }
        let mut host = Array2::zeros(m.shape());
        let rows_at_a_time = (TRANSFER_BYTES / (4 * m.ld)).max(1);
        let mut dirty = None;
        for (shard, first, rows) in m.each_shard() {
            for start in (0..rows).step_by(rows_at_a_time) {
                let end = rows.min(start + rows_at_a_time);
                let (at, bytes) = (4 * (start * m.ld) as u64, 4 * ((end - start) * m.ld) as u64);
                let read = self.scheduler.start_read(&self.context, shard, at, bytes)?;
                self.scheduler.finish_read(&self.context, read, |words| {
                    for (row, words) in (first + start..).zip(words.chunks_exact(m.ld)) {
                        host.row_mut(row).assign(&ndarray::aview1(&words[..m.cols]));
                        if words[m.cols..].iter().any(|w| *w != 0.0) {
                            dirty = Some(row);
                        }
                    }
                })?;
            }
        }
        self.check_guard(m)?;
        match dirty {
            Some(row) => Err(Error::DeviceFault(format!("a kernel wrote into the padding of row {row}"))),
            None => Ok(host),
        }
    }

    /// [`Recorder::fill`] for a matrix that is stored as bytes or halves.
    pub(super) fn write_stored(&mut self, matrix: &Matrix, host: ArrayView2<'_, f32>) -> Result<()> {
        let row_bytes = matrix.row_bytes();
        let rows_at_a_time = (TRANSFER_BYTES / row_bytes).max(1);
        for (i, (shard, first, rows)) in matrix.each_shard().enumerate() {
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
        for (i, (shard, first, rows)) in m.each_shard().enumerate() {
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
