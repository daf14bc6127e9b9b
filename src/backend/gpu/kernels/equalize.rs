//! `shaders/equalize.wgsl`: the scales at which all penalties of a chain are equal.

use super::super::matrix::Matrix;
use super::super::scheduler::{Spec, word};
use super::super::{Gpu, Scalars};
use super::Id;
use crate::Result;
use bytemuck::{Pod, Zeroable};
use std::borrow::Cow;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct Params {
    len: u32,
    first: u32,
}

pub(in super::super) const SPEC: Spec = Spec {
    label: "equalize",
    source: include_str!("../../../../shaders/equalize.wgsl"),
    writes: Cow::Borrowed(&[false, false, true]),
    trusted: false,
    constants: &[],
};

pub(in super::super) fn record(
    gpu: &mut Gpu,
    weights: &Matrix,
    sums: &Scalars,
    first: usize,
    out: &Matrix,
) -> Result<()> {
    let params = Params { len: word(weights.cols)?, first: word(first)? };
    gpu.dispatch(Id::Equalize, &[weights.vector()?, &sums.buffer, out.vector()?], &params, [1, 1, 1])?;
    Ok(())
}
