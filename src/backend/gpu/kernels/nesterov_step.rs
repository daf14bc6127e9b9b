//! `shaders/nesterov_step.wgsl`: projection and momentum; with restart also `momentum`, `extrapolate` and a sum.

use super::super::matrix::Matrix;
use super::super::scheduler::{Spec, word};
use super::super::{Gpu, Scalars};
use super::{Id, extrapolate, momentum, sum};
use crate::Result;
use crate::backend::{Element, Momentum, NesterovStep, Write};
use bytemuck::{Pod, Zeroable};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct Params {
    rows: u32,
    cols: u32,
    ld: u32,
    row0: u32,
    first: u32,
    has_left: u32,
    mu: f32,
    extra: f32,
    beta: f32,
}

pub(in super::super) const fn spec(constants: &'static [(&'static str, f64)]) -> Spec<'static> {
    Spec {
        label: "nesterov_step",
        source: include_str!("../../../../shaders/nesterov_step.wgsl"),
        writes: &[true, true, true, false, false, false, false],
        trusted: false,
        constants,
    }
}

pub(in super::super) fn record(gpu: &mut Gpu, step: NesterovStep<'_, Gpu>) -> Result<()> {
    let NesterovStep { gradient, rhs, column_sums, right, left, extra, momentum, first, x, y } = step;
    let (id, beta) = match &momentum {
        Momentum::Fixed(beta) => (Id::NesterovStep, f32::of(*beta)),
        Momentum::Restart { .. } => (Id::NesterovStepRestart, 0.0),
    };
    let right = right.vector()?;
    // A binding that is not read still needs a buffer.
    let left_buffer = left.map_or(Ok(right), Matrix::vector)?;
    let (mu, sums) =
        column_sums.map_or(Ok((0.0, right)), |(mu, sums)| sums.vector().map(|sums| (f32::of(mu), sums)))?;
    for (i, (shard, row0, rows)) in x.each().enumerate() {
        let params = Params {
            rows: word(rows)?,
            cols: word(x.cols)?,
            ld: word(x.ld)?,
            row0: word(row0)?,
            first: first.into(),
            has_left: left.is_some().into(),
            mu,
            extra: f32::of(extra),
            beta,
        };
        let buffers = [shard, &y.shards[i], &gradient.shards[i], &rhs.shards[i], right, left_buffer, sums];
        gpu.dispatch(id, &buffers, &params, gpu.elementwise(rows, x.cols))?;
    }
    if let Momentum::Restart { state, scalars, slot } = momentum {
        restart(gpu, (gradient, x, y), state, scalars, slot, first)?;
    }
    Ok(())
}

/// `gradient` holds y − x and `y` holds x − x_before.
fn restart(
    gpu: &mut Gpu,
    (gradient, x, y): (&Matrix, &Matrix, &Matrix),
    state: &Matrix,
    scalars: &Scalars,
    slot: usize,
    first: bool,
) -> Result<()> {
    sum::record(gpu, sum::Mode::Dot, gradient, Some(y), Write::Replace, scalars, slot)?;
    momentum::record(gpu, scalars, slot, first, state)?;
    extrapolate::record(gpu, x, y, state)
}
