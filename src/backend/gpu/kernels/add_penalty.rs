//! `shaders/add_penalty.wgsl`: `out = gram + lambda 11ᵀ | lambda I`.

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
    row0: u32,
    ridge: u32,
    lambda: f32,
}

pub(in super::super) const SPEC: Spec = Spec {
    label: "add_penalty",
    source: include_str!("../../../../shaders/add_penalty.wgsl"),
    writes: &[false, true],
    trusted: false,
    constants: &[],
};

pub(in super::super) fn record(gpu: &mut Gpu, gram: &Matrix, ridge: bool, lambda: f32, out: &Matrix) -> Result<()> {
    for ((from, row0, rows), to) in gram.each().zip(&out.shards) {
        let (cols, ld) = (word(gram.cols)?, word(gram.ld)?);
        let params = Params { rows: word(rows)?, cols, ld, row0: word(row0)?, ridge: ridge.into(), lambda };
        gpu.dispatch(Id::AddPenalty, &[from, to], &params, gpu.elementwise(rows, gram.cols))?;
    }
    Ok(())
}
