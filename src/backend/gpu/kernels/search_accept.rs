//! `shaders/search_accept.wgsl`: `x = trial` where the last trial ended the search.

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
    label: "search_accept",
    source: include_str!("../../../../shaders/search_accept.wgsl"),
    writes: &[false, false, true],
    trusted: false,
    constants: &[],
};

pub(in super::super) fn record(gpu: &mut Gpu, state: &Matrix, trial: &Matrix, x: &Matrix) -> Result<()> {
    for ((source, _, rows), out) in trial.each().zip(&x.shards) {
        let params = Params { rows: word(rows)?, cols: word(x.cols)?, ld: word(x.ld)? };
        gpu.dispatch(Id::SearchAccept, &[state.vector()?, source, out], &params, gpu.elementwise(rows, x.cols))?;
    }
    Ok(())
}
