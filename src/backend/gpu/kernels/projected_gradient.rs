//! `shaders/projected_gradient.wgsl`: a gradient, and what is left of it under `x ≥ 0`.

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
    label: "projected_gradient",
    source: include_str!("../../../../shaders/projected_gradient.wgsl"),
    writes: &[false, false, true, true],
    trusted: false,
    constants: &[],
};

pub(in super::super) fn record(gpu: &mut Gpu, x: &Matrix, rhs: &Matrix, gradient: &Matrix, out: &Matrix) -> Result<()> {
    for (i, (shard, _, rows)) in x.each().enumerate() {
        let params = Params { rows: word(rows)?, cols: word(x.cols)?, ld: word(x.ld)? };
        let buffers = [shard, &rhs.shards[i], &gradient.shards[i], &out.shards[i]];
        gpu.dispatch(Id::ProjectedGradient, &buffers, &params, gpu.elementwise(rows, x.cols))?;
    }
    Ok(())
}
