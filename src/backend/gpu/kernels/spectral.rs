//! `shaders/spectral_step.wgsl` and `shaders/spectral_finish.wgsl`: the Collatz–Wielandt bound on the norm of a Gram.

use super::super::matrix::Matrix;
use super::super::pipeline::{Spec, word};
use super::super::recorder::Recorder;
use crate::Result;
use crate::backend::{Curvature, Element};
use bytemuck::{Pod, Zeroable};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct StepParams {
    rows: u32,
    k: u32,
    ld: u32,
    row0: u32,
    diagonal: u32,
    keep: u32,
}

pub(super) const STEP: Spec = Spec::new::<StepParams>(
    "spectral_step",
    include_str!("../../../../shaders/spectral_step.wgsl"),
    &[false, false, true, true, true],
);

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct FinishParams {
    k: u32,
    slack: f32,
}

pub(super) const FINISH: Spec = Spec::new::<FinishParams>(
    "spectral_finish",
    include_str!("../../../../shaders/spectral_finish.wgsl"),
    &[false, false, true],
);

/// Rows of the Gram per workgroup, as in the shader.
const ROWS: usize = 16;

pub(in super::super) fn record(
    recorder: &mut Recorder,
    gram: &Matrix,
    diagonal: bool,
    iterations: usize,
    out: &Curvature<Matrix>,
) -> Result<()> {
    let k = gram.cols;
    let [next, ratio, metric] = recorder.spectral_scratch(k)?;
    let vector = out.vector.vector()?;
    for t in 0..=iterations {
        let (from, to) = if t % 2 == 0 { (vector, &*next) } else { (&*next, vector) };
        for (shard, row0, rows) in gram.each_shard() {
            let params = StepParams {
                rows: word(rows)?,
                k: word(k)?,
                ld: word(gram.ld)?,
                row0: word(row0)?,
                diagonal: diagonal.into(),
                keep: (t == iterations).into(),
            };
            let buffers = [shard, from, to, &*ratio, &*metric];
            recorder.dispatch(&STEP, &buffers, &params, [recorder.groups(rows, ROWS), 1, 1])?;
        }
    }
    let slack = f32::of(1.0 + 4.0 * (k + 2) as f64 * f32::UNIT);
    let params = FinishParams { k: word(k)?, slack };
    recorder.dispatch(&FINISH, &[&ratio, &metric, out.scale.vector()?], &params, [1, 1, 1])?;
    Ok(())
}
