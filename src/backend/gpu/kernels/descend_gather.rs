//! `shaders/descend_gather.wgsl`: columns of X by columns, and back.

use super::super::matrix::{Buffer, Matrix};
use super::super::pipeline::{Spec, word};
use super::super::recorder::Recorder;
use crate::Result;
use bytemuck::{Pod, Zeroable};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct GatherParams {
    rows: u32,
    ld: u32,
    row0: u32,
    j0: u32,
    count: u32,
    pitch: u32,
}

pub(super) const GATHER: Spec = Spec::new::<GatherParams>(
    "descend_gather",
    include_str!("../../../../shaders/descend_gather.wgsl"),
    &[true, false, true, true],
);
pub(super) const SCATTER: Spec = GATHER.with("descend_scatter", &[("STORE", 1.0)]);

/// Columns between two products.
pub(in super::super) const BLOCK: usize = 32;
/// Columns of X as they are gathered, and what belongs to them, by columns.
pub(super) struct Gathered {
    pub(super) columns: std::sync::Arc<Buffer>,
    pub(super) u: std::sync::Arc<Buffer>,
    /// Scratch.
    pub(super) other: std::sync::Arc<Buffer>,
    /// Words from column to column.
    pub(super) pitch: usize,
}

impl Gathered {
    /// Room for the columns between two products.
    pub(super) fn new(recorder: &mut Recorder, x: &Matrix) -> Result<Self> {
        let pitch = pitch(x.rows);
        let [columns, u, other] = recorder.descent_scratch(words(x.rows, x.cols))?;
        Ok(Self { columns, u, other, pitch })
    }

    /// Brings `count` columns of X from j0 on to it and `−B` into u, or, by [`SCATTER`], the columns back.
    pub(super) fn exchange(
        &self,
        recorder: &mut Recorder,
        spec: &Spec,
        (x, rhs): (&Matrix, &Matrix),
        (j0, count): (usize, usize),
    ) -> Result<()> {
        for (i, (shard, row0, rows)) in x.each_shard().enumerate() {
            let params = GatherParams {
                rows: word(rows)?,
                ld: word(x.ld)?,
                row0: word(row0)?,
                j0: word(j0)?,
                count: word(count)?,
                pitch: word(self.pitch)?,
            };
            let buffers = [shard, &rhs.shards[i], &*self.columns, &*self.u];
            recorder.dispatch(spec, &buffers, &params, [recorder.groups(rows, 64), 1, 1])?;
        }
        Ok(())
    }
}

/// Words from column to column of so many rows, for loads of whole vectors.
pub(super) fn pitch(rows: usize) -> usize {
    rows.next_multiple_of(4)
}

/// Words of the columns between two products, whole quads of them.
pub(in super::super) fn words(rows: usize, cols: usize) -> usize {
    BLOCK.min(cols).next_multiple_of(4).saturating_mul(pitch(rows))
}
