//! `shaders/gradient_step.wgsl`: a projected gradient step of a given length, and the way it went.

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
    alpha: f32,
}

pub(in super::super) const SPEC: Spec = Spec {
    label: "gradient_step",
    source: include_str!("../../../../shaders/gradient_step.wgsl"),
    writes: &[false, false, true, true],
    trusted: false,
    constants: &[],
};

pub(in super::super) fn record(
    gpu: &mut Gpu,
    x: &Matrix,
    gradient: &Matrix,
    alpha: f32,
    (to, moved): (&Matrix, &Matrix),
) -> Result<()> {
    for (i, (shard, _, rows)) in x.each().enumerate() {
        let params = Params { rows: word(rows)?, cols: word(x.cols)?, ld: word(x.ld)?, alpha };
        let buffers = [shard, &gradient.shards[i], &to.shards[i], &moved.shards[i]];
        gpu.dispatch(Id::GradientStep, &buffers, &params, gpu.elementwise(rows, x.cols))?;
    }
    Ok(())
}
