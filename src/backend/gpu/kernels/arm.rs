//! `shaders/arm.wgsl`: the workgroups of an indirect dispatch.

use super::super::Gpu;
use super::super::scheduler::Spec;
use super::Id;
use crate::Result;
use bytemuck::{Pod, Zeroable};
use std::borrow::Cow;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct Params {
    at: u32,
    grid: [u32; 3],
    first: u32,
}

pub(in super::super) const SPEC: Spec = Spec {
    label: "arm",
    source: include_str!("../../../../shaders/arm.wgsl"),
    writes: Cow::Borrowed(&[true]),
    trusted: false,
    constants: &[],
};

/// At the word `at`; `first` where the loop has not been checked yet.
pub(in super::super) fn record(gpu: &mut Gpu, at: u32, grid: [u32; 3], first: bool) -> Result<()> {
    let gate = gpu.gate.buffer();
    gpu.dispatch_always(Id::Arm, &[&gate], &Params { at, grid, first: first.into() })
}
