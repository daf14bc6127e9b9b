//! `shaders/multiplicative_step.wgsl`: `x ← x · n/d` or its root.

use super::super::Gpu;
use super::super::matrix::Matrix;
use super::super::scheduler::{Spec, word};
use super::Id;
use crate::Result;
use crate::backend::multiplicative::FLOOR;
use crate::backend::{MultiplicativeStep, Rule};
use bytemuck::{Pod, Zeroable};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct Params {
    rows: u32,
    cols: u32,
    ld: u32,
    row0: u32,
    has_attract: u32,
    has_degree: u32,
    root: u32,
    floor: f32,
}

pub(in super::super) const SPEC: Spec = Spec {
    label: "multiplicative_step",
    source: include_str!("../../../../shaders/multiplicative_step.wgsl"),
    writes: &[true, false, false, false, false],
    trusted: false,
    constants: &[],
};

pub(in super::super) fn record(gpu: &mut Gpu, step: MultiplicativeStep<'_, Matrix>) -> Result<()> {
    let MultiplicativeStep { rhs, attract, repel, degree, rule, x } = step;
    let of_rows = degree.map(Matrix::vector).transpose()?;
    for (i, (shard, row0, rows)) in x.each().enumerate() {
        let params = Params {
            rows: word(rows)?,
            cols: word(x.cols)?,
            ld: word(x.ld)?,
            row0: word(row0)?,
            has_attract: attract.is_some().into(),
            has_degree: of_rows.is_some().into(),
            root: (rule == Rule::Root).into(),
            floor: FLOOR,
        };
        let rhs = &rhs.shards[i];
        // A binding that is not read still needs a buffer.
        let attract = attract.map_or(rhs, |a| &a.shards[i]);
        let buffers = [shard, rhs, &repel.shards[i], attract, of_rows.unwrap_or(rhs)];
        gpu.dispatch(Id::MultiplicativeStep, &buffers, &params, gpu.elementwise(rows, x.cols))?;
    }
    Ok(())
}
