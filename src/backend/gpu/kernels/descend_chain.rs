//! `shaders/descend_chain_start.wgsl` and `shaders/descend_chain.wgsl`: coordinate descent between two Grams, column after
//! column.

use super::super::matrix::{Matrix, pieces};
use super::super::pipeline::{Spec, word};
use super::super::recorder::Recorder;
use super::column_sums;
use crate::Result;
use crate::backend::{ColumnSums, Descent, Element, Write};
use bytemuck::{Pod, Zeroable};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct StartParams {
    rows: u32,
    k: u32,
    ld: u32,
    row0: u32,
    g_off: u32,
}

pub(super) const START: Spec = Spec::new::<StartParams>(
    "descend_chain_start",
    include_str!("../../../../shaders/descend_chain_start.wgsl"),
    &[false, false, true],
);

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct Params {
    rows: u32,
    size: u32,
    row0: u32,
    j: u32,
    a_off: u32,
    a_ld: u32,
    x_off: u32,
    x_ld: u32,
    g_at: u32,
    mu: f32,
}

pub(super) const SPEC: Spec = Spec::new::<Params>(
    "descend_chain",
    include_str!("../../../../shaders/descend_chain.wgsl"),
    &[true, false, false, false, true, true],
);

/// Rows per workgroup of the start, as in the shader.
const ROWS: usize = 16;

pub(in super::super) fn record(
    recorder: &mut Recorder,
    a: &Matrix,
    block: Descent<'_, Matrix>,
    x: &Matrix,
) -> Result<()> {
    let (gram, rhs) = (block.gram, block.rhs);
    let (t, sums) = recorder.chain_vectors(x.rows, x.cols)?;
    for _ in 0..block.sweeps {
        if block.mu > 0.0 {
            column_sums::record(recorder, x, ColumnSums::Sum, Write::Replace, &sums)?;
        }
        for (of_gram, g_row0, g_rows) in gram.each_shard() {
            for j in 0..g_rows {
                let g_off = j * gram.ld;
                for (shard, row0, rows) in x.each_shard() {
                    let params = StartParams {
                        rows: word(rows)?,
                        k: word(x.cols)?,
                        ld: word(x.ld)?,
                        row0: word(row0)?,
                        g_off: word(g_off)?,
                    };
                    let buffers = [shard, of_gram, t.vector()?];
                    recorder.dispatch(&START, &buffers, &params, [recorder.groups(rows, ROWS), 1, 1])?;
                }
                let mut row0 = 0;
                for piece in pieces(x.rows, a.shard_rows, x.shard_rows) {
                    let params = Params {
                        rows: word(piece.rows)?,
                        size: word(x.rows)?,
                        row0: word(row0)?,
                        j: word(g_row0 + j)?,
                        a_off: word(piece.a.row * a.ld)?,
                        a_ld: word(a.ld)?,
                        x_off: word(piece.b.row * x.ld)?,
                        x_ld: word(x.ld)?,
                        g_at: word(g_off + g_row0 + j)?,
                        mu: f32::of(block.mu),
                    };
                    let (of_x, of_a) = (piece.b.shard, piece.a.shard);
                    let vectors = (t.vector()?, sums.vector()?);
                    let buffers = [&x.shards[of_x], &rhs.shards[of_x], &a.shards[of_a], of_gram, vectors.0, vectors.1];
                    recorder.dispatch(&SPEC, &buffers, &params, [1, 1, 1])?;
                    row0 += piece.rows;
                }
            }
        }
    }
    recorder.keep_chain_vectors((t, sums));
    Ok(())
}
