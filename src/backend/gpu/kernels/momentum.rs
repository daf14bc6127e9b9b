//! `shaders/momentum.wgsl`: the restart test and the next momentum.

use super::super::matrix::{Matrix, Scalars};
use super::super::pipeline::{Spec, word};
use super::super::recorder::Recorder;
use crate::Result;
use bytemuck::{Pod, Zeroable};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct Params {
    slot: u32,
    first: u32,
}

pub(super) const SPEC: Spec =
    Spec::new::<Params>("momentum", include_str!("../../../../shaders/momentum.wgsl"), &[false, true]);

pub(in super::super) fn record(
    recorder: &mut Recorder,
    sums: &Scalars,
    slot: usize,
    first: bool,
    state: &Matrix,
) -> Result<()> {
    let params = Params { slot: word(slot)?, first: first.into() };
    recorder.dispatch(&SPEC, &[&sums.buffer, state.vector()?], &params, [1, 1, 1])?;
    Ok(())
}
