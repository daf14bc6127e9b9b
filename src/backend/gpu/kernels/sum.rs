//! `shaders/sum.wgsl`: sums over all entries, in 256 parts which the host adds up.

use super::super::matrix::{Matrix, Run};
use super::super::scheduler::{Spec, word};
use super::super::{Gpu, Scalars};
use super::Lazy;
use super::matmul_tiled::{STORED, storage_values};
use super::template::expand;
use crate::Result;
use crate::backend::{Storage, Write};
use bytemuck::{Pod, Zeroable};
use std::borrow::Cow;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct Params {
    rows: u32,
    cols: u32,
    a_ld: u32,
    b_ld: u32,
    a_off: u32,
    a_row: u32,
    row0: u32,
    slot: u32,
    mode: u32,
    accumulate: u32,
}

pub(in super::super) fn source(storage: Storage) -> String {
    expand(STORED, &storage_values(storage)) + include_str!("../../../../shaders/sum.wgsl")
}

pub(in super::super) fn spec(source: &str, storage: Storage) -> Spec<'_> {
    let writes: &[bool] = if storage == Storage::U8 { &[false, false, true, false] } else { &[false, false, true] };
    Spec { label: "sum", source, writes: Cow::Borrowed(writes), trusted: false, constants: &[] }
}

/// Parts per sum, as in the shaders.
pub(in super::super) const PARTS: usize = 256;

/// What is added up, by the numbers of the shader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Mode {
    Dot,
    Entries,
    Trace,
    Difference,
    Squares,
}

/// A whole matrix; `b` has the shape of `a`.
pub(in super::super) fn record(
    gpu: &mut Gpu,
    mode: Mode,
    a: &Matrix,
    b: Option<&Matrix>,
    write: Write,
    out: &Scalars,
    slot: usize,
) -> Result<()> {
    let scratch = gpu.scratch();
    for (i, (shard, row0, rows)) in a.each().enumerate() {
        let params = Params {
            rows: word(rows)?,
            cols: word(a.cols)?,
            a_ld: word(a.ld)?,
            b_ld: word(b.map_or(0, |b| b.ld))?,
            a_off: 0,
            a_row: 0,
            row0: word(row0)?,
            slot: word(slot)?,
            mode: mode as u32,
            accumulate: (i > 0 || write == Write::Add).into(),
        };
        // What is not read has to be bound all the same.
        let other = b.map_or(&*scratch, |b| &b.shards[i]);
        let buffers: Vec<_> = [shard, other, &out.buffer].into_iter().chain(a.scales.get(i)).collect();
        gpu.dispatch_lazy(Lazy::Sum(a.storage), &buffers, bytemuck::bytes_of(&params), [gpu.groups(PARTS, 1), 1, 1])?;
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
    write: Write,
) -> Result<()> {
    let params = Params {
        rows: word(rows)?,
        cols: word(a.cols)?,
        a_ld: word(a.ld)?,
        b_ld: word(b.ld)?,
        a_off: word(run.row * a.ld)?,
        a_row: word(run.row)?,
        row0: 0,
        slot: word(out.1)?,
        mode: Mode::Difference as u32,
        accumulate: (write == Write::Add).into(),
    };
    let buffers = [&a.shards[run.shard], &b.shards[0], &out.0.buffer];
    let buffers: Vec<_> = buffers.into_iter().chain(a.scales.get(run.shard)).collect();
    gpu.dispatch_lazy(Lazy::Sum(a.storage), &buffers, bytemuck::bytes_of(&params), [gpu.groups(PARTS, 1), 1, 1])
}
