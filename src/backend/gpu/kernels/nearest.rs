//! `shaders/nearest.wgsl`: which of some centres is nearest to every sample.

use super::super::Gpu;
use super::super::matrix::Matrix;
use super::super::scheduler::{Spec, word};
use super::Id;
use crate::Result;
use bytemuck::{Pod, Zeroable};
use std::borrow::Cow;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct Params {
    rows: u32,
    cols: u32,
    ld: u32,
}

pub(in super::super) const SPEC: Spec = Spec {
    label: "nearest",
    source: include_str!("../../../../shaders/nearest.wgsl"),
    writes: Cow::Borrowed(&[false, false, true]),
    trusted: false,
    constants: &[],
};

pub(in super::super) fn record(gpu: &mut Gpu, products: &Matrix, halves: &Matrix, membership: &Matrix) -> Result<()> {
    for ((from, _, rows), to) in products.each().zip(&membership.shards) {
        let params = Params { rows: word(rows)?, cols: word(products.cols)?, ld: word(products.ld)? };
        gpu.dispatch(Id::Nearest, &[from, halves.vector()?, to], &params, [gpu.groups(rows, 64), 1, 1])?;
    }
    Ok(())
}
