//! `shaders/judge.wgsl`: whether a trial is accepted, and the next β.

use super::super::Gpu;
use super::super::matrix::Matrix;
use super::super::scheduler::{Spec, word};
use super::Id;
use crate::Result;
use crate::backend::{Combination, Element, GROWTH, GROWTH_OF_MOST, SHRINKAGE};
use bytemuck::{Pod, Zeroable};
use std::borrow::Cow;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct Params {
    len: u32,
    slot: u32,
    first: u32,
    constant: f32,
    growth: f32,
    growth_of_most: f32,
    shrinkage: f32,
}

pub(in super::super) const SPEC: Spec = Spec {
    label: "judge",
    source: include_str!("../../../../shaders/judge.wgsl"),
    writes: Cow::Borrowed(&[false, false, true]),
    trusted: false,
    constants: &[],
};

pub(in super::super) fn record(gpu: &mut Gpu, f: &Combination<'_, Gpu>, first: bool, state: &Matrix) -> Result<()> {
    let params = Params {
        len: word(f.weights.cols)?,
        slot: word(f.first)?,
        first: first.into(),
        constant: f32::of(f.constant),
        growth: f32::of(GROWTH),
        growth_of_most: f32::of(GROWTH_OF_MOST),
        shrinkage: f32::of(SHRINKAGE),
    };
    gpu.dispatch(Id::Judge, &[f.weights.vector()?, &f.sums.buffer, state.vector()?], &params, [1, 1, 1])?;
    Ok(())
}
