//! The Collatz–Wielandt bound on the norm of a Gram: `shaders/spectral.wgsl` for small ones, else `shaders/spectral_step.wgsl` for every
//! step and `shaders/spectral_finish.wgsl`.

use super::super::adapters::INVOCATIONS;
use super::super::matrix::Matrix;
use super::super::pace::TURNS;
use super::super::pipeline::{Key, Program, Spec, word};
use super::super::recorder::Recorder;
use super::super::template::expand;
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

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct Params {
    ld: u32,
    diagonal: u32,
    iterations: u32,
    slack: f32,
}

/// All steps at once, on a Gram of so many columns.
#[derive(Debug)]
pub(super) struct Whole(pub(super) usize);

impl Whole {
    /// Columns at most: an invocation has one.
    pub(super) const MOST: usize = INVOCATIONS as usize;
    /// Columns of a Gram whose parts fit the registers of the invocations. A larger one is read in every step, from the cache of the one
    /// multiprocessor that does it: half the time of a dispatch per step, as reckoned for an H100.
    pub(super) const KEPT: usize = 128;
}

impl Program for Whole {
    fn key(&self) -> Key {
        Key { label: "spectral", variant: self.0 as u64 }
    }

    fn spec(&self) -> Spec {
        let file = include_str!("../../../../shaders/spectral.wgsl");
        let (k, quads) = (self.0, self.0.div_ceil(4));
        let split = (INVOCATIONS as usize / k).min(quads);
        let values = [
            ("K", k),
            ("QUADS", quads),
            ("SPLIT", split),
            ("SHARE", quads.div_ceil(split)),
            ("STREAM", (k > Self::KEPT).into()),
        ];
        Spec { source: expand(file, &values).into(), ..Spec::new::<Params>("spectral", file, &[false, true, true]) }
    }
}

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
    let slack = f32::of(1.0 + 4.0 * (k + 2) as f64 * f32::UNIT);
    let vector = out.vector.vector()?;
    // A step has a turn for every quad of columns, twice, and for those that share a column.
    let turns = iterations.saturating_add(1).saturating_mul(2 * k.div_ceil(4) + INVOCATIONS as usize / k.max(1));
    let small = (1..=Whole::MOST).contains(&k) && turns <= TURNS && !recorder.context.options.unfused;
    if let ([whole], true) = (gram.shards.as_slice(), small) {
        let (ld, iterations) = (word(gram.ld)?, word(iterations)?);
        let params = Params { ld, diagonal: diagonal.into(), iterations, slack };
        return recorder.dispatch(&Whole(k), &[whole, vector, out.scale.vector()?], &params, [1, 1, 1]);
    }
    let [next, ratio, metric] = recorder.spectral_scratch(k)?;
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
    let params = FinishParams { k: word(k)?, slack };
    recorder.dispatch(&FINISH, &[&ratio, &metric, out.scale.vector()?], &params, [1, 1, 1])?;
    Ok(())
}
