//! `shaders/copy.wgsl`: `to = from`, without leaving the compute pass.

use super::super::Gpu;
use super::super::matrix::Matrix;
use super::super::scheduler::{Spec, word};
use super::Id;
use crate::Result;
use bytemuck::{Pod, Zeroable};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct Params {
    rows: u32,
    cols: u32,
    ld: u32,
}

pub(in super::super) const SPEC: Spec = Spec {
    label: "copy",
    source: include_str!("../../../../shaders/copy.wgsl"),
    writes: &[false, true],
    trusted: false,
    constants: &[],
};

pub(in super::super) fn record(gpu: &mut Gpu, from: &Matrix, to: &Matrix) -> Result<()> {
    for ((source, _, rows), target) in from.each().zip(&to.shards) {
        let params = Params { rows: word(rows)?, cols: word(from.cols)?, ld: word(from.ld)? };
        gpu.dispatch(Id::Copy, &[source, target], &params, gpu.elementwise(rows, from.cols))?;
    }
    Ok(())
}
