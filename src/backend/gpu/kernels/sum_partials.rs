//! `shaders/sum_partials.wgsl`: the second pass of split products and of column sums.

use super::super::matrix::Buffer;
use super::super::pipeline::{Spec, word};
use super::super::recorder::Recorder;
use crate::Result;
use bytemuck::{Pod, Zeroable};

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

pub(super) const SPEC: Spec =
    Spec::new::<Params>("sum_partials", include_str!("../../../../shaders/sum_partials.wgsl"), &[false, true]);

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
    recorder: &mut Recorder,
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
    let scratch = recorder.scratch();
    let grid = [recorder.groups(cols, 64), recorder.groups(rows, 1), 1];
    recorder.dispatch(&SPEC, &[&scratch, out], &params, grid)?;
    Ok(())
}
