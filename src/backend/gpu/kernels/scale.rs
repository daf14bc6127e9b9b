//! `shaders/scale.wgsl`: multiplies rows, columns or everything.

use super::super::Gpu;
use super::super::matrix::Matrix;
use super::super::scheduler::{Spec, word};
use super::Id;
use crate::Result;
use crate::backend::By;
use bytemuck::{Pod, Zeroable};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct Params {
    rows: u32,
    cols: u32,
    ld: u32,
    row0: u32,
    by_row: u32,
    by_col: u32,
    entry: u32,
    divide: u32,
}

pub(in super::super) const SPEC: Spec = Spec {
    label: "scale",
    source: include_str!("../../../../shaders/scale.wgsl"),
    writes: &[true, false],
    trusted: false,
    constants: &[],
};

pub(in super::super) fn record(gpu: &mut Gpu, m: &Matrix, by: By<'_, Matrix>, divide: bool) -> Result<()> {
    let (d, by_row, by_col, entry) = match by {
        By::Columns(d) => (d, 0, 1, 0),
        By::Rows(d) => (d, 1, 0, 0),
        By::Entry(d, at) => (d, 0, 0, word(at)?),
    };
    for (shard, row0, rows) in m.each() {
        let (cols, ld, row0) = (word(m.cols)?, word(m.ld)?, word(row0)?);
        let params = Params { rows: word(rows)?, cols, ld, row0, by_row, by_col, entry, divide: divide.into() };
        gpu.dispatch(Id::Scale, &[shard, d.vector()?], &params, gpu.elementwise(rows, m.cols))?;
    }
    Ok(())
}
