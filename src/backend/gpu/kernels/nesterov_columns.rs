//! `shaders/nesterov_columns.wgsl`: a step of Nesterov's method on columns that a penalty on their sums couples, in one dispatch.

use super::super::handle::Gpu;
use super::super::matrix::Matrix;
use super::super::pipeline::{Spec, word};
use super::super::recorder::Recorder;
use crate::Result;
use crate::backend::{Element, Momentum, NesterovStep};
use bytemuck::{Pod, Zeroable};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct Params {
    rows: u32,
    cols: u32,
    ld: u32,
    first: u32,
    has_left: u32,
    mu: f32,
    extra: f32,
    beta: f32,
}

pub(super) const SPEC: Spec = Spec::new::<Params>(
    "nesterov_columns",
    include_str!("../../../../shaders/nesterov_columns.wgsl"),
    &[true, true, false, false, false, false],
);

/// Rows at most: longer columns are too much for the few workgroups that have them.
const MOST_ROWS: usize = 4096;
/// Columns per workgroup, as in the shader.
const COLUMNS: usize = 8;

/// The penalty and the momentum of a step that is recorded in one dispatch; None for others.
pub(in super::super) fn takes(recorder: &Recorder, step: &NesterovStep<'_, Gpu>) -> Option<(f64, f64)> {
    let whole = |m: &Matrix| m.shards.len() == 1;
    let (Some((mu, _)), Momentum::Fixed(beta)) = (&step.column_sums, &step.momentum) else { return None };
    let suits = whole(step.x) && step.x.rows <= MOST_ROWS && !recorder.context.options.unfused;
    suits.then_some((*mu, *beta))
}

/// A step whose matrices have the same shape, in one shard.
pub(in super::super) fn record(
    recorder: &mut Recorder,
    step: &NesterovStep<'_, Gpu>,
    mu: f64,
    beta: f64,
) -> Result<()> {
    let x: &Matrix = step.x;
    let params = Params {
        rows: word(x.rows)?,
        cols: word(x.cols)?,
        ld: word(x.ld)?,
        first: step.first.into(),
        has_left: step.left.is_some().into(),
        mu: f32::of(mu),
        extra: f32::of(step.extra),
        beta: f32::of(beta),
    };
    let right = step.right.vector()?;
    let left = step.left.map_or(Ok(right), Matrix::vector)?;
    let buffers = [&x.shards[0], &step.y.shards[0], &step.gradient.shards[0], &step.rhs.shards[0], right, left];
    recorder.dispatch(&SPEC, &buffers, &params, [recorder.groups(x.cols, COLUMNS), 1, 1])
}
