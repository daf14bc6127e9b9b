//! `shaders/descend_columns.wgsl` and `shaders/descend_gather.wgsl`: coordinate descent on columns that a penalty on their
//! sums couples. Columns in blocks: they are gathered, `u = XG − B` comes from one product, one workgroup solves them, and
//! they are put back.

use super::super::matrix::Matrix;
use super::super::pipeline::{Spec, word};
use super::super::recorder::Recorder;
use super::matmul::{self, Products};
use crate::Result;
use crate::backend::{Descent, Element};
use bytemuck::{Pod, Zeroable};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct Params {
    rows: u32,
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

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct GatherParams {
    rows: u32,
    ld: u32,
    row0: u32,
    j0: u32,
    count: u32,
    all: u32,
}

pub(super) const GATHER: Spec = Spec::new::<GatherParams>(
    "descend_gather",
    include_str!("../../../../shaders/descend_gather.wgsl"),
    &[true, false, true, true],
);
pub(super) const SCATTER: Spec = GATHER.with("descend_scatter", &[("STORE", 1.0)]);

/// Columns between two products.
pub(in super::super) const BLOCK: usize = 32;

pub(in super::super) fn record(
    recorder: &mut Recorder,
    products: &Products,
    block: Descent<'_, Matrix>,
    x: &Matrix,
) -> Result<()> {
    let (gram, rhs) = (block.gram, block.rhs);
    let all = x.rows;
    let [columns, u] = recorder.descent_scratch(BLOCK.min(x.cols) * all)?;
    for _ in 0..block.sweeps {
        // A block's rows of the Gram lie in one shard.
        for (of_gram, g_row0, g_rows) in gram.each_shard() {
            for start in (0..g_rows).step_by(BLOCK) {
                let (j0, count) = (g_row0 + start, BLOCK.min(g_rows - start));
                let exchange = |recorder: &mut Recorder, spec: &Spec| -> Result<()> {
                    for (i, (shard, row0, rows)) in x.each_shard().enumerate() {
                        let params = GatherParams {
                            rows: word(rows)?,
                            ld: word(x.ld)?,
                            row0: word(row0)?,
                            j0: word(j0)?,
                            count: word(count)?,
                            all: word(all)?,
                        };
                        let buffers = [shard, &rhs.shards[i], &*columns, &*u];
                        recorder.dispatch(spec, &buffers, &params, [recorder.groups(rows, 64), 1, 1])?;
                    }
                    Ok(())
                };
                exchange(recorder, &GATHER)?;
                matmul::record_rows_nt_onto(recorder, products, (gram, j0, count), x, &u, all)?;
                let params = Params {
                    rows: word(all)?,
                    count: word(count)?,
                    j0: word(j0)?,
                    g_off: word(start * gram.ld)?,
                    g_ld: word(gram.ld)?,
                    mu: f32::of(block.mu),
                };
                recorder.dispatch(&SPEC, &[&columns, &u, of_gram], &params, [1, 1, 1])?;
                exchange(recorder, &SCATTER)?;
            }
        }
    }
    Ok(())
}
