//! `shaders/sum.wgsl`: sums over all entries, in 256 parts which the host adds up.

use super::super::matrix::{Matrix, Run};
use super::super::scheduler::Spec;
use super::super::{Gpu, Scalars};
use super::Id;
use crate::Result;
use bytemuck::{Pod, Zeroable};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct Params {
    rows: u32,
    cols: u32,
    a_ld: u32,
    b_ld: u32,
    a_off: u32,
    row0: u32,
    slot: u32,
    mode: u32,
    accumulate: u32,
}

pub(in super::super) const SPEC: Spec = Spec {
    label: "sum",
    source: include_str!("../../../../shaders/sum.wgsl"),
    writes: &[false, false, true],
    constants: &[],
};

/// Parts per sum, as in the shaders; one workgroup each.
pub(in super::super) const PARTS: usize = 256;

/// What is added up, by the numbers of the shader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Mode {
    Dot,
    Entries,
    Trace,
    Difference,
}

/// A whole matrix; `b` has the shape of `a`.
pub(in super::super) fn record(
    gpu: &mut Gpu,
    mode: Mode,
    a: &Matrix,
    b: Option<&Matrix>,
    out: &Scalars,
    slot: usize,
) -> Result<()> {
    for (i, (shard, row0, rows)) in a.each().enumerate() {
        let params = Params {
            rows: rows as u32,
            cols: a.cols as u32,
            a_ld: a.ld as u32,
            b_ld: b.map_or(0, |b| b.ld as u32),
            a_off: 0,
            row0: row0 as u32,
            slot: slot as u32,
            mode: mode as u32,
            accumulate: (i > 0).into(),
        };
        let other = b.map_or(shard, |b| &b.shards[i]);
        gpu.dispatch(Id::Sum, &[shard, other, &out.buffer], &params, [PARTS as u32, 1, 1]);
    }
    Ok(())
}

/// `Σ (a − b)²` over `rows` rows of `a` from a run on and the first rows of `b`, which lies in one shard.
pub(in super::super) fn record_difference(
    gpu: &mut Gpu,
    a: &Matrix,
    run: Run,
    rows: usize,
    b: &Matrix,
    out: (&Scalars, usize),
    accumulate: bool,
) {
    let params = Params {
        rows: rows as u32,
        cols: a.cols as u32,
        a_ld: a.ld as u32,
        b_ld: b.ld as u32,
        a_off: (run.row * a.ld) as u32,
        row0: 0,
        slot: out.1 as u32,
        mode: Mode::Difference as u32,
        accumulate: accumulate.into(),
    };
    let buffers = [&a.shards[run.shard], &b.shards[0], &out.0.buffer];
    gpu.dispatch(Id::Sum, &buffers, &params, [PARTS as u32, 1, 1]);
}
