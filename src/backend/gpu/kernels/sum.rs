//! `shaders/sum.wgsl`: sums over all entries, in 256 parts which the host adds up.

use super::super::matrix::{Matrix, Position, Scalars};
use super::super::pipeline::{Key, PARTS, Program, Spec, word};
use super::super::recorder::Recorder;
use super::super::template::expand;
use super::matmul_tiled::{STORED, storage_values, stored_bindings};
use crate::Result;
use crate::backend::{Storage, Write};
use bytemuck::{Pod, Zeroable};

/// Rows that a workgroup has at a time.
const ROWS: usize = 4;

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

/// The kernel for a first operand that is stored so.
pub(super) struct Sum(pub(super) Storage);

impl Program for Sum {
    fn key(&self) -> Key {
        Key { label: "sum", variant: self.0 as u64 }
    }

    fn spec(&self) -> Spec {
        let file = include_str!("../../../../shaders/sum.wgsl");
        let source = (expand(STORED, &storage_values(self.0)) + file).into();
        Spec { source, reads: self.0, ..Spec::new::<Params>("sum", file, stored_bindings(self.0)) }
    }
}

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
    recorder: &mut Recorder,
    mode: Mode,
    a: &Matrix,
    b: Option<&Matrix>,
    write: Write,
    out: &Scalars,
    slot: usize,
) -> Result<()> {
    let scratch = recorder.scratch();
    for (i, (shard, row0, rows)) in a.each_shard().enumerate() {
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
        recorder.dispatch(&Sum(a.storage), &buffers, &params, grid(recorder, rows))?;
    }
    Ok(())
}

/// A workgroup for every part that has some of the rows, which the parts take in turn.
fn grid(recorder: &Recorder, rows: usize) -> [u32; 3] {
    [recorder.groups(rows.min(ROWS * PARTS), ROWS), 1, 1]
}

/// `Σ (a − b)²` over `rows` rows of `a` from a run on and the first rows of `b`, which lies in one shard.
pub(in super::super) fn record_difference(
    recorder: &mut Recorder,
    a: &Matrix,
    run: Position,
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
    recorder.dispatch(&Sum(a.storage), &buffers, &params, grid(recorder, rows))
}
