//! `shaders/part.wgsl`: the positive or negative part of every entry, or its magnitude.

use super::super::Gpu;
use super::super::matrix::Matrix;
use super::super::scheduler::{Spec, word};
use super::Id;
use crate::Result;
use crate::backend::Part;
use bytemuck::{Pod, Zeroable};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct Params {
    rows: u32,
    cols: u32,
    ld: u32,
    what: u32,
}

pub(in super::super) const SPEC: Spec = Spec {
    label: "part",
    source: include_str!("../../../../shaders/part.wgsl"),
    writes: &[false, true],
    trusted: false,
    constants: &[],
};

pub(in super::super) fn record(gpu: &mut Gpu, m: &Matrix, part: Part, out: &Matrix) -> Result<()> {
    let what = match part {
        Part::Positive => 0,
        Part::Negative => 1,
        Part::Absolute => 2,
    };
    for ((from, _, rows), to) in m.each().zip(&out.shards) {
        let params = Params { rows: word(rows)?, cols: word(m.cols)?, ld: word(m.ld)?, what };
        gpu.dispatch(Id::Part, &[from, to], &params, gpu.elementwise(rows, m.cols))?;
    }
    Ok(())
}
