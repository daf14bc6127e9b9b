//! `shaders/settle.wgsl`: the outcome of a trial.

use super::super::Gpu;
use super::super::matrix::Matrix;
use super::super::scheduler::{Spec, word};
use super::Id;
use crate::Result;
use bytemuck::{Pod, Zeroable};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct Params {
    rows: u32,
    cols: u32,
    ld: u32,
}

pub(in super::super) const SPEC: Spec = Spec {
    label: "settle",
    source: include_str!("../../../../shaders/settle.wgsl"),
    writes: &[false, false, true, true],
    trusted: false,
    constants: &[],
};

pub(in super::super) fn record(
    gpu: &mut Gpu,
    ahead: &Matrix,
    state: &Matrix,
    best: &Matrix,
    point: &Matrix,
) -> Result<()> {
    for (i, (shard, _, rows)) in ahead.each().enumerate() {
        let params = Params { rows: word(rows)?, cols: word(ahead.cols)?, ld: word(ahead.ld)? };
        let buffers = [shard, state.vector()?, &best.shards[i], &point.shards[i]];
        gpu.dispatch(Id::Settle, &buffers, &params, gpu.elementwise(rows, ahead.cols))?;
    }
    Ok(())
}
