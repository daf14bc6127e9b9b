//! `shaders/search_trial.wgsl`: a step, projected or not, of the length that the line search stands at.

use super::super::Gpu;
use super::super::matrix::Matrix;
use super::super::scheduler::{Spec, word};
use super::Id;
use crate::Result;
use crate::backend::Domain;
use bytemuck::{Pod, Zeroable};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct Params {
    rows: u32,
    cols: u32,
    ld: u32,
    least: f32,
}

pub(in super::super) const SPEC: Spec = Spec {
    label: "search_trial",
    source: include_str!("../../../../shaders/search_trial.wgsl"),
    writes: &[false, false, false, true, true],
    trusted: false,
    constants: &[],
};

pub(in super::super) fn record(
    gpu: &mut Gpu,
    (x, gradient): (&Matrix, &Matrix),
    state: &Matrix,
    domain: Domain,
    (trial, moved): (&Matrix, &Matrix),
) -> Result<()> {
    // WGSL has no infinity.
    let least = if domain == Domain::Nonnegative { 0.0 } else { f32::MIN };
    for (i, (shard, _, rows)) in x.each().enumerate() {
        let params = Params { rows: word(rows)?, cols: word(x.cols)?, ld: word(x.ld)?, least };
        let buffers = [shard, &gradient.shards[i], state.vector()?, &trial.shards[i], &moved.shards[i]];
        gpu.dispatch(Id::SearchTrial, &buffers, &params, gpu.elementwise(rows, x.cols))?;
    }
    Ok(())
}
