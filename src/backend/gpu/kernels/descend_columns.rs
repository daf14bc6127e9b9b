//! `shaders/descend_columns.wgsl` and `shaders/descend_gather.wgsl`: coordinate descent on columns that a penalty on their
//! sums couples. Columns in blocks: they are gathered, `u = XG − B` comes from one product, one workgroup solves them, and
//! they are put back.

use super::super::Gpu;
use super::super::matrix::Matrix;
use super::super::scheduler::{Spec, word};
use super::{Id, matmul};
use crate::Result;
use crate::backend::{Descent, Element};
use bytemuck::{Pod, Zeroable};
use std::borrow::Cow;

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

pub(in super::super) const SPEC: Spec = Spec {
    label: "descend_columns",
    source: include_str!("../../../../shaders/descend_columns.wgsl"),
    writes: Cow::Borrowed(&[true, true, false]),
    trusted: false,
    constants: &[],
};

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

pub(in super::super) const fn gather(constants: &'static [(&'static str, f64)]) -> Spec<'static> {
    Spec {
        label: "descend_gather",
        source: include_str!("../../../../shaders/descend_gather.wgsl"),
        writes: Cow::Borrowed(&[true, false, true, true]),
        trusted: false,
        constants,
    }
}

/// Columns between two products.
pub(in super::super) const BLOCK: usize = 32;

pub(in super::super) fn record(gpu: &mut Gpu, block: Descent<'_, Matrix>, x: &Matrix) -> Result<()> {
    let (gram, rhs) = (block.gram, block.rhs);
    let all = x.rows;
    let [columns, u] = gpu.descent_scratch(BLOCK.min(x.cols) * all)?;
    for _ in 0..block.sweeps {
        // A block's rows of the Gram lie in one shard.
        for (of_gram, g_row0, g_rows) in gram.each() {
            for start in (0..g_rows).step_by(BLOCK) {
                let (j0, count) = (g_row0 + start, BLOCK.min(g_rows - start));
                let exchange = |gpu: &mut Gpu, id: Id| -> Result<()> {
                    for (i, (shard, row0, rows)) in x.each().enumerate() {
                        let params = GatherParams {
                            rows: word(rows)?,
                            ld: word(x.ld)?,
                            row0: word(row0)?,
                            j0: word(j0)?,
                            count: word(count)?,
                            all: word(all)?,
                        };
                        let buffers = [shard, &rhs.shards[i], &*columns, &*u];
                        gpu.dispatch(id, &buffers, &params, [gpu.groups(rows, 64), 1, 1])?;
                    }
                    Ok(())
                };
                exchange(gpu, Id::DescendGather)?;
                matmul::record_rows_nt_onto(gpu, (gram, j0, count), x, &u, all)?;
                let params = Params {
                    rows: word(all)?,
                    count: word(count)?,
                    j0: word(j0)?,
                    g_off: word(start * gram.ld)?,
                    g_ld: word(gram.ld)?,
                    mu: f32::of(block.mu),
                };
                gpu.dispatch(Id::DescendColumns, &[&columns, &u, of_gram], &params, [1, 1, 1])?;
                exchange(gpu, Id::DescendScatter)?;
            }
        }
    }
    Ok(())
}
