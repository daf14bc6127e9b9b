//! `shaders/descend_columns.wgsl`: coordinate descent on columns. Columns in blocks: they are
//! gathered, `u = XG − B` comes from one product, they are solved, and they are put back. Where a penalty couples their rows and
//! registers hold them, `shaders/descend_panel.wgsl` does it without gathering.

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
    count: u32,
    j0: u32,
    g_off: u32,
    g_ld: u32,
    mu: f32,
}

pub(super) const SPEC: Spec = Spec::new::<Params>(
    "descend_columns",
    include_str!("../../../../shaders/descend_columns.wgsl"),
    &[true, true, false],
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
    let groups = if block.mu > 0.0 { 1 } else { recorder.groups(x.rows, ROWS) };
    for _ in 0..block.sweeps {
        // A block's rows of the Gram lie in one shard.
        for (of_gram, g_row0, g_rows) in gram.each_shard() {
            for start in (0..g_rows).step_by(BLOCK) {
                let (j0, count) = (g_row0 + start, BLOCK.min(g_rows - start));
                gathered.exchange(recorder, &GATHER, (x, rhs), (j0, count))?;
                let (rows, pitch) = ((gram, j0, count), gathered.pitch);
                matmul::record_rows_nt_onto(recorder, products, rows, x, (&gathered.u, pitch), Write::Add)?;
                let params = Params {
                    rows: word(x.rows)?,
                    pitch: word(pitch)?,
                    count: word(count)?,
                    j0: word(j0)?,
                    g_off: word(start * gram.ld)?,
                    g_ld: word(gram.ld)?,
                    mu: f32::of(block.mu),
                };
                recorder.dispatch(&SPEC, &[&gathered.columns, &gathered.u, of_gram], &params, [groups, 1, 1])?;
                gathered.exchange(recorder, &SCATTER, (x, rhs), (j0, count))?;
            }
        }
    }
    Ok(())
}
