//! `shaders/descend_chain_start.wgsl` and `shaders/descend_chain.wgsl`: coordinate descent between two Grams, column after
//! column.

use super::super::Gpu;
use super::super::matrix::{Matrix, pieces};
use super::super::scheduler::{Spec, groups};
use super::{Id, column_sums};
use crate::Result;
use crate::backend::{ColumnSums, Descent};
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

pub(in super::super) const START: Spec = Spec {
    label: "descend_chain_start",
    source: include_str!("../../../../shaders/descend_chain_start.wgsl"),
    writes: &[false, false, true],
    trusted: false,
    constants: &[],
};

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

pub(in super::super) const SPEC: Spec = Spec {
    label: "descend_chain",
    source: include_str!("../../../../shaders/descend_chain.wgsl"),
    writes: &[true, false, false, false, true, true],
    trusted: false,
    constants: &[],
};

/// Rows per workgroup of the start, as in the shader.
const ROWS: usize = 16;

pub(in super::super) fn record(gpu: &mut Gpu, a: &Matrix, block: Descent<'_, Matrix>, x: &Matrix) -> Result<()> {
    let (gram, rhs) = (block.gram, block.rhs);
    let (t, sums) = gpu.chain_vectors(x.rows, x.cols)?;
    for _ in 0..block.sweeps {
        if block.mu > 0.0 {
            column_sums::record(gpu, x, ColumnSums::Sum, &sums)?;
        }
        for (of_gram, g_row0, g_rows) in gram.each() {
            for j in 0..g_rows {
                let g_off = j * gram.ld;
                for (shard, row0, rows) in x.each() {
                    let params = StartParams {
                        rows: rows as u32,
                        k: x.cols as u32,
                        ld: x.ld as u32,
                        row0: row0 as u32,
                        g_off: g_off as u32,
                    };
                    let buffers = [shard, of_gram, t.vector()?];
                    gpu.dispatch(Id::DescendChainStart, &buffers, &params, [groups(rows, ROWS)?, 1, 1])?;
                }
                let mut row0 = 0;
                for piece in pieces(x.rows, a.shard_rows, x.shard_rows) {
                    let params = Params {
                        rows: piece.rows as u32,
                        size: x.rows as u32,
                        row0: row0 as u32,
                        j: (g_row0 + j) as u32,
                        a_off: (piece.a.row * a.ld) as u32,
                        a_ld: a.ld as u32,
                        x_off: (piece.b.row * x.ld) as u32,
                        x_ld: x.ld as u32,
                        g_at: (g_off + g_row0 + j) as u32,
                        mu: block.mu as f32,
                    };
                    let (of_x, of_a) = (piece.b.shard, piece.a.shard);
                    let vectors = (t.vector()?, sums.vector()?);
                    let buffers = [&x.shards[of_x], &rhs.shards[of_x], &a.shards[of_a], of_gram, vectors.0, vectors.1];
                    gpu.dispatch(Id::DescendChain, &buffers, &params, [1, 1, 1])?;
                    row0 += piece.rows;
                }
            }
        }
    }
    gpu.keep_chain_vectors((t, sums));
    Ok(())
}
