//! Sparse matrices on the device, in shards of rows that fit a binding.

use super::matrix::Buffer;
use super::pace::TURNS;
use super::recorder::Recorder;
use crate::backend::{Sparse, Storage};
use crate::{Error, Result};

/// A sparse matrix by rows. Every shard but the last has `shard_rows` rows.
#[derive(Debug)]
pub struct SparseMatrix {
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) shard_rows: usize,
    pub(super) shards: Vec<Shard>,
}

/// Some rows; `starts` counts from the shard's first entry.
#[derive(Debug)]
pub(super) struct Shard {
    pub(super) starts: Buffer,
    pub(super) columns: Buffer,
    pub(super) weights: Buffer,
}

/// The most rows per shard, halved from `most`, with which no shard has more words in a buffer than `limit`; None where
/// a row alone has more.
fn shard_rows(starts: &[u32], most: usize, limit: usize) -> Option<usize> {
    let rows = starts.len() - 1;
    let mut per = most.min(rows).max(1);
    loop {
        let entries = |first: usize| (starts[rows.min(first + per)] - starts[first]) as usize;
        if per < limit && (0..rows).step_by(per).all(|first| entries(first) <= limit) {
            return Some(per);
        }
        if per == 1 {
            return None;
        }
        per = per.div_ceil(2);
    }
}

impl Recorder {
    pub(super) fn upload_sparse(&mut self, host: &Sparse<f32>) -> Result<SparseMatrix> {
        host.validate()?;
        let rows = host.rows();
        let limit = usize::try_from(self.context.max_binding / 4).unwrap_or(usize::MAX);
        let most = self.context.options.max_shard_rows.unwrap_or(rows);
        let longest = host.starts.windows(2).map(|ends| u64::from(ends[1] - ends[0])).max().unwrap_or(0);
        let too_large = |needed: u64, limit: u64, unit: &'static str| Error::TooLarge {
            what: format!("a row of a sparse matrix on {}", self.context.name),
            needed,
            limit,
            unit,
        };
        // A loop goes through the entries of a row.
        if !self.context.is_gpu() && longest > TURNS as u64 {
            return Err(too_large(longest, TURNS as u64, "entries"));
        }
        let per = shard_rows(&host.starts, most, limit)
            .ok_or_else(|| too_large(4 * longest, self.context.max_binding, "bytes"))?;
        let mut shards = Vec::new();
        for first in (0..rows).step_by(per) {
            let starts = &host.starts[first..=rows.min(first + per)];
            let entries = starts[0] as usize..starts[starts.len() - 1] as usize;
            let starts: Vec<u32> = starts.iter().map(|s| s - host.starts[first]).collect();
            shards.push(Shard {
                starts: self.upload_words("starts of rows", bytemuck::cast_slice(&starts))?,
                columns: self.upload_words("columns", bytemuck::cast_slice(&host.columns[entries.clone()]))?,
                weights: self.upload_words("weights", bytemuck::cast_slice(&host.weights[entries]))?,
            });
        }
        Ok(SparseMatrix { rows, cols: host.cols, shard_rows: per, shards })
    }

    fn upload_words(&mut self, label: &str, bytes: &[u8]) -> Result<Buffer> {
        // There are no bindings of nothing.
        let buffer = self.buffer(label, bytes.len().max(4) as u64, Storage::F32)?;
        self.stage(&buffer, 0, bytes)?;
        Ok(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_shard_is_larger_than_a_binding() {
        let starts = [0, 3, 4, 4, 10, 12, 13, 14];
        assert_eq!(shard_rows(&starts, 100, 100), Some(7));
        assert_eq!(shard_rows(&starts, 3, 100), Some(3));
        // Seven rows have 14 entries, the first four of them 10.
        assert_eq!(shard_rows(&starts, 100, 10), Some(4));
        assert_eq!(shard_rows(&starts, 100, 8), Some(2));
        assert_eq!(shard_rows(&starts, 100, 5), None);
    }
}
