//! `shaders/judge.wgsl`: whether a trial is accepted, and the next β.

use super::super::Gpu;
use super::super::matrix::Matrix;
use super::super::scheduler::Spec;
use super::Id;
use crate::Result;
use crate::backend::{Combination, GROWTH, GROWTH_OF_MOST, SHRINKAGE};
use bytemuck::{Pod, Zeroable};

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
    writes: &[false, false, true],
    trusted: false,
    constants: &[],
};

pub(in super::super) fn record(gpu: &mut Gpu, f: &Combination<'_, Gpu>, first: bool, state: &Matrix) -> Result<()> {
    let params = Params {
        len: f.weights.cols as u32,
        slot: f.first as u32,
        first: first.into(),
        constant: f.constant as f32,
        growth: GROWTH as f32,
        growth_of_most: GROWTH_OF_MOST as f32,
        shrinkage: SHRINKAGE as f32,
    };
    gpu.dispatch(Id::Judge, &[f.weights.vector()?, &f.sums.buffer, state.vector()?], &params, [1, 1, 1])?;
    Ok(())
}
