//! `shaders/nearest.wgsl`: which of some centres is nearest to every sample.

use super::super::matrix::Matrix;
use super::super::pipeline::{Spec, word};
use super::super::recorder::Recorder;
use crate::Result;
use bytemuck::{Pod, Zeroable};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct Params {
    rows: u32,
    cols: u32,
    ld: u32,
}

pub(super) const SPEC: Spec =
    Spec::new::<Params>("nearest", include_str!("../../../../shaders/nearest.wgsl"), &[false, false, true]);

pub(in super::super) fn record(
    recorder: &mut Recorder,
    products: &Matrix,
    half_norms: &Matrix,
    membership: &Matrix,
) -> Result<()> {
    for ((from, _, rows), to) in products.each_shard().zip(&membership.shards) {
        let params = Params { rows: word(rows)?, cols: word(products.cols)?, ld: word(products.ld)? };
        recorder.dispatch(&SPEC, &[from, half_norms.vector()?, to], &params, [recorder.groups(rows, 64), 1, 1])?;
    }
    Ok(())
}
