//! `shaders/search_decide.wgsl`: Armijo's rule, and the next step.

use super::super::matrix::{Matrix, Scalars};
use super::super::pipeline::Spec;
use super::super::recorder::Recorder;
use crate::Result;
use crate::backend::{Element, SearchSum};
use bytemuck::{Pod, Zeroable};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct Params {
    first: u32,
    largest: f32,
    weights: [f32; SearchSum::COUNT],
}

pub(super) const SPEC: Spec =
    Spec::new::<Params>("search_decide", include_str!("../../../../shaders/search_decide.wgsl"), &[false, true]);

pub(in super::super) fn record(recorder: &mut Recorder, sums: &Scalars, first: bool, state: &Matrix) -> Result<()> {
    let weights = SearchSum::WEIGHTS.map(f32::of);
    let params = Params { first: first.into(), largest: f32::of(SearchSum::LARGEST_STEP), weights };
    recorder.dispatch(&SPEC, &[&sums.buffer, state.vector()?], &params, [1, 1, 1])?;
    Ok(())
}
