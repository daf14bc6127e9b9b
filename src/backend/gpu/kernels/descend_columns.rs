//! `shaders/descend_columns.wgsl`: coordinate descent on columns. Columns in blocks: they are
//! gathered, `u = XG − B` comes from one product, they are solved, and they are put back. Where a penalty couples their rows, they are
//! solved one by one, each by what `shaders/descend_threshold.wgsl` finds for it; where registers hold them,
//! `shaders/descend_panel.wgsl` does it without gathering.

use super::super::matrix::Matrix;
use super::super::pipeline::{Spec, word};
use super::super::recorder::Recorder;
use super::descend_gather::{BLOCK, GATHER, Gathered, SCATTER};
use super::descend_panel;
use super::matmul::{self, Products};
use crate::Result;
use crate::backend::{Descent, Element, Write};
use bytemuck::{Pod, Zeroable};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct Params {
    rows: u32,
    pitch: u32,
    first: u32,
    solved: u32,
    count: u32,
    j0: u32,
    g_off: u32,
    g_ld: u32,
    coupled: u32,
}

pub(super) const SPEC: Spec = Spec::new::<Params>(
    "descend_columns",
    include_str!("../../../../shaders/descend_columns.wgsl"),
    &[true, true, false, false],
);

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct ThresholdParams {
    rows: u32,
    column: u32,
    g_at: u32,
    mu: f32,
}

pub(super) const THRESHOLD: Spec = Spec::new::<ThresholdParams>(
    "descend_threshold",
    include_str!("../../../../shaders/descend_threshold.wgsl"),
    &[false, false, false, true],
);

/// Rows that a workgroup takes at a time.
const ROWS: usize = 256;

pub(in super::super) fn record(
    recorder: &mut Recorder,
    products: &Products,
    block: Descent<'_, Matrix>,
    x: &Matrix,
) -> Result<()> {
    if let Some(panel) = descend_panel::Panel::of(recorder, &block, x) {
        return panel.record(recorder, products, block, x);
    }
    let (gram, rhs) = (block.gram, block.rhs);
    let gathered = Gathered::new(recorder, x)?;
    let Gathered { columns, u, other: threshold, pitch } = &gathered;
    let coupled = block.mu > 0.0;
    let groups = recorder.groups(x.rows, ROWS);
    for _ in 0..block.sweeps {
        // A block's rows of the Gram lie in one shard.
        for (of_gram, g_row0, g_rows) in gram.each_shard() {
            for start in (0..g_rows).step_by(BLOCK) {
                let (j0, count) = (g_row0 + start, BLOCK.min(g_rows - start));
                gathered.exchange(recorder, &GATHER, (x, rhs), (j0, count))?;
                let rows = (gram, j0, count);
                matmul::record_rows_nt_onto(recorder, products, rows, x, (u, *pitch), Write::Add)?;
                let solved = if coupled { 1 } else { count };
                for first in (0..count).step_by(solved) {
                    if coupled {
                        let (column, g_at) = (first * pitch, (start + first) * gram.ld + j0 + first);
                        let (rows, mu) = (word(x.rows)?, f32::of(block.mu));
                        let params = ThresholdParams { rows, column: word(column)?, g_at: word(g_at)?, mu };
                        recorder.dispatch(&THRESHOLD, &[columns, u, of_gram, threshold], &params, [1, 1, 1])?;
                    }
                    let params = Params {
                        rows: word(x.rows)?,
                        pitch: word(*pitch)?,
                        first: word(first)?,
                        solved: word(solved)?,
                        count: word(count)?,
                        j0: word(j0)?,
                        g_off: word(start * gram.ld)?,
                        g_ld: word(gram.ld)?,
                        coupled: coupled.into(),
                    };
                    recorder.dispatch(&SPEC, &[columns, u, of_gram, threshold], &params, [groups, 1, 1])?;
                }
                gathered.exchange(recorder, &SCATTER, (x, rhs), (j0, count))?;
            }
        }
    }
    Ok(())
}
