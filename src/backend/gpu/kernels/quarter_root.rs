//! `shaders/quarter_root.wgsl`: the scales of a balance per component.

use super::super::Gpu;
use super::super::matrix::Matrix;
use super::super::scheduler::{Spec, word};
use super::Id;
use crate::Result;
use bytemuck::{Pod, Zeroable};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct Params {
    k: u32,
    coefficient: f32,
}

pub(in super::super) const SPEC: Spec = Spec {
    label: "quarter_root",
    source: include_str!("../../../../shaders/quarter_root.wgsl"),
    writes: &[false, false, true],
    trusted: false,
    constants: &[],
};

pub(in super::super) fn record(gpu: &mut Gpu, coefficient: f32, n: &Matrix, d: &Matrix, out: &Matrix) -> Result<()> {
    let buffers = [n.vector()?, d.vector()?, out.vector()?];
    let params = Params { k: word(out.cols)?, coefficient };
    gpu.dispatch(Id::QuarterRoot, &buffers, &params, [gpu.groups(out.cols, 64), 1, 1])?;
    Ok(())
}
