//! `shaders/search_decide.wgsl`: Armijo's rule, and the next step.

use super::super::matrix::Matrix;
use super::super::scheduler::Spec;
use super::super::{Gpu, Scalars};
use super::Id;
use crate::Result;
use crate::backend::{Element, SearchSum};
use bytemuck::{Pod, Zeroable};
use std::borrow::Cow;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct Params {
    first: u32,
    largest: f32,
    weights: [f32; SearchSum::COUNT],
}

pub(in super::super) const SPEC: Spec = Spec {
    label: "search_decide",
    source: include_str!("../../../../shaders/search_decide.wgsl"),
    writes: Cow::Borrowed(&[false, true]),
    trusted: false,
    constants: &[],
};

pub(in super::super) fn record(gpu: &mut Gpu, sums: &Scalars, first: bool, state: &Matrix) -> Result<()> {
    let weights = SearchSum::WEIGHTS.map(f32::of);
    let params = Params { first: first.into(), largest: f32::of(SearchSum::LARGEST_STEP), weights };
    gpu.dispatch(Id::SearchDecide, &[&sums.buffer, state.vector()?], &params, [1, 1, 1])?;
    Ok(())
}
