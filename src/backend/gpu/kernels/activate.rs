//! `shaders/activate.wgsl`: p, g or a product with p', entry by entry.

use super::super::Gpu;
use super::super::matrix::Matrix;
use super::super::scheduler::{Spec, word};
use super::Id;
use crate::Result;
use crate::backend::Apply;
use crate::model::Activation;
use bytemuck::{Pod, Zeroable};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct Params {
    rows: u32,
    cols: u32,
    ld: u32,
    activation: u32,
    apply: u32,
}

pub(in super::super) const SPEC: Spec = Spec {
    label: "activate",
    source: include_str!("../../../../shaders/activate.wgsl"),
    writes: &[false, true],
    trusted: false,
    constants: &[],
};

pub(in super::super) fn record(
    gpu: &mut Gpu,
    activation: Activation,
    apply: Apply,
    from: &Matrix,
    out: &Matrix,
) -> Result<()> {
    // The numbers of the shader are those of the two enums.
    let (activation, apply) = (activation as u32, apply as u32);
    for ((source, _, rows), out) in from.each().zip(&out.shards) {
        let params = Params { rows: word(rows)?, cols: word(from.cols)?, ld: word(from.ld)?, activation, apply };
        gpu.dispatch(Id::Activate, &[source, out], &params, gpu.elementwise(rows, from.cols))?;
    }
    Ok(())
}
