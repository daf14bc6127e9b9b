//! `shaders/column_sums.wgsl`: column sums of chunks of rows, which `sum_partials` adds up.

use super::super::matrix::Matrix;
use super::super::pipeline::{Spec, word};
use super::super::recorder::Recorder;
use super::sum_partials;
use crate::backend::{ColumnSums, Write};
use crate::{Error, Result};
use bytemuck::{Pod, Zeroable};

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

pub(super) const SPEC: Spec =
    Spec::new::<Params>("column_sums", include_str!("../../../../shaders/column_sums.wgsl"), &[false, true]);

/// Rows per chunk, at least.
const CHUNK: usize = 64;

/// Rows per chunk with which no shard has more than its share of `room` chunks.
fn chunk_rows(shard_rows: usize, shards: usize, room: usize) -> usize {
    shard_rows.div_ceil((room / shards.max(1)).max(1)).max(CHUNK)
}

pub(in super::super) fn record(
    recorder: &mut Recorder,
    m: &Matrix,
    what: ColumnSums,
    write: Write,
    out: &Matrix,
) -> Result<()> {
    let scratch = recorder.scratch();
    let room = recorder.scratch_words() / m.cols.max(1);
    if m.shards.len() > room {
        let (needed, limit) = (4 * (m.shards.len() * m.cols) as u64, 4 * recorder.scratch_words() as u64);
        return Err(Error::TooLarge { what: "column sums".into(), needed, limit, unit: "bytes" });
    }
    let chunk = chunk_rows(m.shard_rows, m.shards.len(), room.min(1024.max(m.shards.len())));
    let chunk = chunk.max(m.shard_rows.div_ceil(recorder.most_groups()));
    let mut parts = 0;
    for (shard, _, rows) in m.each_shard() {
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
        recorder.dispatch(
            &SPEC,
            &[shard, &scratch],
            &params,
            [recorder.groups(m.cols, 64), recorder.groups(chunks, 1), 1],
        )?;
        parts += chunks;
    }
    let square = what == ColumnSums::SumSquared;
    let part = sum_partials::Parts { parts, stride: m.cols, ld: m.cols };
    sum_partials::record(recorder, part, out.vector()?, out.ld, (0, 1, m.cols), write == Write::Add, square)
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
