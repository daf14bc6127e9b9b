//! `shaders/momentum.wgsl`: the restart test and the next momentum.

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
    slot: u32,
    first: u32,
}

pub(in super::super) const SPEC: Spec = Spec {
    label: "momentum",
    source: include_str!("../../../../shaders/momentum.wgsl"),
    writes: Cow::Borrowed(&[false, true]),
    trusted: false,
    constants: &[],
};

pub(in super::super) fn record(gpu: &mut Gpu, sums: &Scalars, slot: usize, first: bool, state: &Matrix) -> Result<()> {
    let params = Params { slot: word(slot)?, first: first.into() };
    gpu.dispatch(Id::Momentum, &[&sums.buffer, state.vector()?], &params, [1, 1, 1])?;
    Ok(())
}
