//! `shaders/equalize.wgsl`: the scales at which all penalties of a chain are equal.

use super::super::matrix::{Matrix, Scalars};
use super::super::pipeline::{Spec, word};
use super::super::recorder::Recorder;
use crate::Result;
use bytemuck::{Pod, Zeroable};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct Params {
    len: u32,
    first: u32,
}

pub(super) const SPEC: Spec =
    Spec::new::<Params>("equalize", include_str!("../../../../shaders/equalize.wgsl"), &[false, false, true]);

pub(in super::super) fn record(
    recorder: &mut Recorder,
    weights: &Matrix,
    sums: &Scalars,
    first: usize,
    out: &Matrix,
) -> Result<()> {
    let params = Params { len: word(weights.cols)?, first: word(first)? };
    recorder.dispatch(&SPEC, &[weights.vector()?, &sums.buffer, out.vector()?], &params, [1, 1, 1])?;
    Ok(())
}
