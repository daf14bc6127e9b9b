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
    accumulate: u32,
    square: u32,
}

pub(super) const SPEC: Spec =
    Spec::new::<Params>("column_sums", include_str!("../../../../shaders/column_sums.wgsl"), &[false, true]);

/// Rows per chunk, at least, and chunks at most where shards allow it: the second pass is as long as there are chunks.
const CHUNK: usize = 64;
const CHUNKS: usize = 256;
/// Rows of a matrix that is no more than one chunk.
const FEW: usize = 1024;
/// Columns per workgroup, as in the shader.
const SIDE: usize = 16;

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
    let square = what == ColumnSums::SumSquared;
    let mut params = Params {
        rows: word(m.rows)?,
        cols: word(m.cols)?,
        ld: word(m.ld)?,
        chunk: word(m.rows)?,
        part_off: 0,
        part_ld: 0,
        squares: (what == ColumnSums::SumOfSquares).into(),
        accumulate: (write == Write::Add).into(),
        square: square.into(),
    };
    if let ([one], true) = (m.shards.as_slice(), m.rows <= FEW) {
        return recorder.dispatch(&SPEC, &[one, out.vector()?], &params, [recorder.groups(m.cols, SIDE), 1, 1]);
    }
    let scratch = recorder.scratch();
    let room = recorder.scratch_words() / m.cols.max(1);
    if m.shards.len() > room {
        let (needed, limit) = (4 * (m.shards.len() * m.cols) as u64, 4 * recorder.scratch_words() as u64);
        return Err(Error::TooLarge { what: "column sums".into(), needed, limit, unit: "bytes" });
    }
    let chunk = chunk_rows(m.shard_rows, m.shards.len(), room.min(CHUNKS.max(m.shards.len())));
    let chunk = chunk.max(m.shard_rows.div_ceil(recorder.most_groups()));
    let mut parts = 0;
    for (shard, _, rows) in m.each_shard() {
        let chunks = rows.div_ceil(chunk);
        let (part_off, part_ld) = (word(parts * m.cols)?, word(m.cols)?);
        params =
            Params { rows: word(rows)?, chunk: word(chunk)?, part_off, part_ld, accumulate: 0, square: 0, ..params };
        let grid = [recorder.groups(m.cols, SIDE), recorder.groups(chunks, 1), 1];
        recorder.dispatch(&SPEC, &[shard, &scratch], &params, grid)?;
        parts += chunks;
    }
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
