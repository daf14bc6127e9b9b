//! `shaders/sparse_product.wgsl`: `out = a b` with a sparse `a`, whatever the shards.

use super::super::matrix::{Matrix, pieces};
use super::super::pipeline::{Spec, word};
use super::super::recorder::Recorder;
use super::super::sparse::SparseMatrix;
use crate::Result;
use bytemuck::{Pod, Zeroable};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct Params {
    rows: u32,
    cols: u32,
    ld: u32,
    a_row: u32,
    out_row: u32,
    b_first: u32,
    b_rows: u32,
    accumulate: u32,
}

pub(super) const SPEC: Spec = Spec::new::<Params>(
    "sparse_product",
    include_str!("../../../../shaders/sparse_product.wgsl"),
    &[false, false, false, false, true],
);

pub(in super::super) fn record(recorder: &mut Recorder, a: &SparseMatrix, b: &Matrix, out: &Matrix) -> Result<()> {
    for piece in pieces(out.rows, a.shard_rows, out.shard_rows) {
        let shard = &a.shards[piece.a.shard];
        for (part, (of_b, b_first, b_rows)) in b.each_shard().enumerate() {
            let params = Params {
                rows: word(piece.rows)?,
                cols: word(out.cols)?,
                ld: word(out.ld)?,
                a_row: word(piece.a.row)?,
                out_row: word(piece.b.row)?,
                b_first: word(b_first)?,
                b_rows: word(b_rows)?,
                accumulate: (part > 0).into(),
            };
            let buffers = [&shard.starts, &shard.columns, &shard.weights, of_b, &out.shards[piece.b.shard]];
            recorder.dispatch(&SPEC, &buffers, &params, recorder.elementwise(piece.rows, out.cols))?;
        }
    }
    Ok(())
}
