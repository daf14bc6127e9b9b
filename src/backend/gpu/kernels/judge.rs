//! `shaders/judge.wgsl`: whether a trial is accepted, and the next β.

use super::super::matrix::{Matrix, Scalars};
use super::super::pipeline::{Spec, word};
use super::super::recorder::Recorder;
use crate::Result;
use crate::backend::{Combination, Device, Element, GROWTH, GROWTH_OF_MOST, SHRINKAGE};
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

pub(super) const SPEC: Spec =
    Spec::new::<Params>("judge", include_str!("../../../../shaders/judge.wgsl"), &[false, false, true]);

pub(in super::super) fn record<D: Device<Matrix = Matrix, Scalars = Scalars>>(
    recorder: &mut Recorder,
    f: &Combination<'_, D>,
    first: bool,
    state: &Matrix,
) -> Result<()> {
    let params = Params {
        len: word(f.weights.cols)?,
        slot: word(f.first)?,
        first: first.into(),
        constant: f32::of(f.constant),
        growth: f32::of(GROWTH),
        growth_of_most: f32::of(GROWTH_OF_MOST),
        shrinkage: f32::of(SHRINKAGE),
    };
    recorder.dispatch(&SPEC, &[f.weights.vector()?, &f.sums.buffer, state.vector()?], &params, [1, 1, 1])?;
    Ok(())
}
