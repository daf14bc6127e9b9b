//! `shaders/add.wgsl`: `out = out + c m`.

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
    c: f32,
}

pub(in super::super) const SPEC: Spec = Spec {
    label: "add",
    source: include_str!("../../../../shaders/add.wgsl"),
    writes: &[false, true],
    trusted: false,
    constants: &[],
};

pub(in super::super) fn record(gpu: &mut Gpu, out: &Matrix, c: f32, m: &Matrix) -> Result<()> {
    for ((source, _, rows), out) in m.each().zip(&out.shards) {
        let params = Params { rows: word(rows)?, cols: word(m.cols)?, ld: word(m.ld)?, c };
        gpu.dispatch(Id::Add, &[source, out], &params, gpu.elementwise(rows, m.cols))?;
    }
    Ok(())
}
