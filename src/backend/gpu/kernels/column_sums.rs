//! `shaders/column_sums.wgsl`: column sums of chunks of rows, which `sum_partials` adds up.

use super::super::Gpu;
use super::super::matrix::Matrix;
use super::super::scheduler::{Spec, word};
use super::{Id, sum_partials};
use crate::backend::{ColumnSums, Write};
use crate::{Error, Result};
use bytemuck::{Pod, Zeroable};
use std::borrow::Cow;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct Params {
    rows: u32,
    cols: u32,
    ld: u32,
    chunk: u32,
    part_off: u32,
    part_ld: u32,
    squares: u32,
}

pub(in super::super) const SPEC: Spec = Spec {
    label: "column_sums",
    source: include_str!("../../../../shaders/column_sums.wgsl"),
    writes: Cow::Borrowed(&[false, true]),
    trusted: false,
    constants: &[],
};

/// Rows per chunk, at least.
const CHUNK: usize = 64;

/// Rows per chunk with which no shard has more than its share of `room` chunks.
fn chunk_rows(shard_rows: usize, shards: usize, room: usize) -> usize {
    shard_rows.div_ceil((room / shards.max(1)).max(1)).max(CHUNK)
}

pub(in super::super) fn record(gpu: &mut Gpu, m: &Matrix, what: ColumnSums, write: Write, out: &Matrix) -> Result<()> {
    let scratch = gpu.scratch();
    let room = gpu.scratch_words() / m.cols.max(1);
    if m.shards.len() > room {
        let (needed, limit) = (4 * (m.shards.len() * m.cols) as u64, 4 * gpu.scratch_words() as u64);
        return Err(Error::TooLarge { what: "column sums".into(), needed, limit, unit: "bytes" });
    }
    let chunk = chunk_rows(m.shard_rows, m.shards.len(), room.min(1024.max(m.shards.len())));
    let chunk = chunk.max(m.shard_rows.div_ceil(gpu.most_groups()));
    let mut parts = 0;
    for (shard, _, rows) in m.each() {
        let chunks = rows.div_ceil(chunk);
        let params = Params {
            rows: word(rows)?,
            cols: word(m.cols)?,
            ld: word(m.ld)?,
            chunk: word(chunk)?,
            part_off: word(parts * m.cols)?,
            part_ld: word(m.cols)?,
            squares: (what == ColumnSums::SumOfSquares).into(),
        };
        gpu.dispatch(Id::ColumnSums, &[shard, &scratch], &params, [gpu.groups(m.cols, 64), gpu.groups(chunks, 1), 1])?;
        parts += chunks;
    }
    let square = what == ColumnSums::SumSquared;
    let part = sum_partials::Parts { parts, stride: m.cols, ld: m.cols };
    sum_partials::record(gpu, part, out.vector()?, out.ld, (0, 1, m.cols), write == Write::Add, square)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_fit_their_room() {
        for (rows, shards, room) in [(1, 1, 1), (100_000, 1, 7), (1_000_000, 40, 1024), (64, 500, 500)] {
            let chunk = chunk_rows(rows, shards, room);
            assert!(chunk >= CHUNK && shards * rows.div_ceil(chunk) <= room, "{rows} {shards} {room}: {chunk}");
        }
    }
}
