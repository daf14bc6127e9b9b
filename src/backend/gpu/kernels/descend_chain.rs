//! `shaders/descend_chain.wgsl`: coordinate descent between two Grams. Columns in blocks: they are gathered, `u = AXG − B` comes from
//! two products, one workgroup solves them, and they are put back.

use super::super::matrix::{Buffer, Matrix};
use super::super::pace::TURNS;
use super::super::pipeline::{Spec, word};
use super::super::recorder::{Purpose, Recorder};
use super::descend_gather::{BLOCK, GATHER, Gathered, SCATTER};
use super::matmul::{self, Products};
use crate::Result;
use crate::backend::{Descent, Element, Write};
use bytemuck::{Pod, Zeroable};
use std::sync::Arc;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct Params {
    rows: u32,
    pitch: u32,
    count: u32,
    a_ld: u32,
    g_off: u32,
    g_ld: u32,
    mu: f32,
}

pub(super) const SPEC: Spec = Spec::new::<Params>(
    "descend_chain",
    include_str!("../../../../shaders/descend_chain.wgsl"),
    &[true, true, true, false, false],
);

/// Rows that a single invocation moves one after the other, and those that the workgroup takes at a time.
const SIDE: usize = 32;
const ROWS: usize = 256;

/// Columns between two products: a column of so many rows takes `strides (1 + later columns) + blocks (8 + 4 strides)` turns of a loop.
fn columns_at_once(rows: usize) -> usize {
    let (strides, blocks) = (rows.div_ceil(ROWS), rows.div_ceil(SIDE));
    (TURNS / (strides * (1 + BLOCK) + blocks * (8 + 4 * strides)).max(1)).clamp(1, BLOCK)
}

/// A matrix in one piece: a copy where it lies in several.
fn whole(recorder: &mut Recorder, a: &Matrix) -> Result<Option<Arc<Buffer>>> {
    if a.shards.len() == 1 {
        return Ok(None);
    }
    let copy = recorder.kept(Purpose::Whole, a.rows * a.ld)?;
    for (shard, row0, rows) in a.each_shard() {
        let (to, bytes) = (4 * (row0 * a.ld) as u64, 4 * (rows * a.ld) as u64);
        recorder.context.check_own(&shard.raw)?;
        recorder.scheduler.outside(&recorder.context).copy_buffer_to_buffer(&shard.raw, 0, &copy.raw, to, bytes);
    }
    Ok(Some(copy))
}

pub(in super::super) fn record(
    recorder: &mut Recorder,
    products: &Products,
    a: &Matrix,
    block: Descent<'_, Matrix>,
    x: &Matrix,
) -> Result<()> {
    let (gram, rhs) = (block.gram, block.rhs);
    let gathered = Gathered::new(recorder, x)?;
    let Gathered { columns, u, other: t, pitch } = &gathered;
    let copy = whole(recorder, a)?;
    let left = copy.as_deref().unwrap_or(&a.shards[0]);
    let most = columns_at_once(x.rows);
    for _ in 0..block.sweeps {
        for (of_gram, g_row0, g_rows) in gram.each_shard() {
            for start in (0..g_rows).step_by(most) {
                let (j0, count) = (g_row0 + start, most.min(g_rows - start));
                gathered.exchange(recorder, &GATHER, (x, rhs), (j0, count))?;
                // By columns: (XG_J)ᵀ = G_J Xᵀ, and A on its right.
                matmul::record_rows_nt_onto(recorder, products, (gram, j0, count), x, (t, *pitch), Write::Replace)?;
                matmul::record_onto(recorder, products, (t, count), a, u, *pitch)?;
                let params = Params {
                    rows: word(x.rows)?,
                    pitch: word(*pitch)?,
                    count: word(count)?,
                    a_ld: word(a.ld)?,
                    g_off: word(start * gram.ld + j0)?,
                    g_ld: word(gram.ld)?,
                    mu: f32::of(block.mu),
                };
                let buffers = [&**columns, &**u, &**t, left, of_gram];
                recorder.dispatch(&SPEC, &buffers, &params, [1, 1, 1])?;
                gathered.exchange(recorder, &SCATTER, (x, rhs), (j0, count))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_end_where_they_should() {
        assert_eq!([1, 256, 1024, 1500].map(columns_at_once), [BLOCK; 4]);
        assert_eq!([2048, 5792, 1 << 20].map(columns_at_once), [21, 3, 1]);
    }
}
