//! `shaders/sum_partials.wgsl`: the second pass of split products and of column sums.

use super::super::Gpu;
use super::super::matrix::Buffer;
use super::super::scheduler::{Spec, word};
use super::Id;
use crate::Result;
use bytemuck::{Pod, Zeroable};
use std::borrow::Cow;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct Params {
    rows: u32,
    cols: u32,
    ld: u32,
    off: u32,
    parts: u32,
    stride: u32,
    part_ld: u32,
    accumulate: u32,
    square: u32,
}

pub(in super::super) const SPEC: Spec = Spec {
    label: "sum_partials",
    source: include_str!("../../../../shaders/sum_partials.wgsl"),
    writes: Cow::Borrowed(&[false, true]),
    trusted: false,
    constants: &[],
};

/// How the parts lie in the scratch buffer.
pub(in super::super) struct Parts {
    pub(in super::super) parts: usize,
    /// Words from part to part.
    pub(in super::super) stride: usize,
    /// Words from row to row of a part.
    pub(in super::super) ld: usize,
}

/// Adds the parts up into `rows × cols` of `out`, from the word `offset` on.
pub(in super::super) fn record(
    gpu: &mut Gpu,
    part: Parts,
    out: &Buffer,
    ld: usize,
    (offset, rows, cols): (usize, usize, usize),
    accumulate: bool,
    square: bool,
) -> Result<()> {
    let params = Params {
        rows: word(rows)?,
        cols: word(cols)?,
        ld: word(ld)?,
        off: word(offset)?,
        parts: word(part.parts)?,
        stride: word(part.stride)?,
        part_ld: word(part.ld)?,
        accumulate: accumulate.into(),
        square: square.into(),
    };
    let scratch = gpu.scratch();
    gpu.dispatch(Id::SumPartials, &[&scratch, out], &params, gpu.elementwise(rows, cols))?;
    Ok(())
}
