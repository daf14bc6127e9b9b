//! `shaders/extrapolate.wgsl`: `y = x + β y`.

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
    label: "extrapolate",
    source: include_str!("../../../../shaders/extrapolate.wgsl"),
    writes: &[false, true, false],
    trusted: false,
    constants: &[],
};

pub(in super::super) fn record(gpu: &mut Gpu, x: &Matrix, y: &Matrix, state: &Matrix) -> Result<()> {
    for ((from, _, rows), to) in x.each().zip(&y.shards) {
        let params = Params { rows: word(rows)?, cols: word(x.cols)?, ld: word(x.ld)? };
        gpu.dispatch(Id::Extrapolate, &[from, to, state.vector()?], &params, gpu.elementwise(rows, x.cols))?;
    }
    Ok(())
}
