//! `shaders/look_ahead.wgsl`: `out = max(0, now + β (now − before))`.

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
    label: "look_ahead",
    source: include_str!("../../../../shaders/look_ahead.wgsl"),
    writes: &[false, false, false, true],
    trusted: false,
    constants: &[],
};

pub(in super::super) fn record(
    gpu: &mut Gpu,
    now: &Matrix,
    before: &Matrix,
    state: &Matrix,
    out: &Matrix,
) -> Result<()> {
    for (i, (shard, _, rows)) in now.each().enumerate() {
        let params = Params { rows: word(rows)?, cols: word(now.cols)?, ld: word(now.ld)? };
        let buffers = [shard, &before.shards[i], state.vector()?, &out.shards[i]];
        gpu.dispatch(Id::LookAhead, &buffers, &params, gpu.elementwise(rows, now.cols))?;
    }
    Ok(())
}
