//! `shaders/nesterov_rows.wgsl`: all steps of Nesterov's method on rows on their own, in one dispatch per shard.

use super::super::context::Context;
use super::super::matrix::Matrix;
use super::super::pipeline::{Key, Program, Spec, word};
use super::super::recorder::Recorder;
use super::super::template::expand;
use crate::Result;
use crate::backend::{Element, NesterovRows, not_fused};
use bytemuck::{Pod, Zeroable};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct Params {
    rows: u32,
    k: u32,
    ld: u32,
    g_ld: u32,
    steps: u32,
    extra: f32,
}

/// How much of the rows an invocation has in registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in super::super) struct Tile {
    rows: usize,
    quads: usize,
}

/// Invocations side by side, with a quad of columns each, and one above the other.
const LANES: usize = 32;
const GROUPS: usize = 8;
/// Quads per invocation at most, of x, of the right side and of the gradient each.
const REGISTERS: usize = 8;
/// Quads of columns per invocation, at most.
const MAX_QUADS: usize = 4;

impl Tile {
    /// The largest for k columns within that much workgroup memory; None where k is so large that a workgroup would have too
    /// few rows to be worth reading G for.
    pub(in super::super) fn of(k: usize, workgroup_bytes: u32) -> Option<Self> {
        let quads = k.div_ceil(4 * LANES).max(1).next_power_of_two();
        let rows = REGISTERS.min(workgroup_bytes as usize / (16 * GROUPS * LANES)) / quads;
        (rows > 0 && quads <= MAX_QUADS).then_some(Self { rows, quads })
    }

    /// Bytes of workgroup memory: y of the rows of a workgroup.
    pub(in super::super) fn workgroup_bytes(self) -> usize {
        16 * GROUPS * self.rows * LANES * self.quads
    }

    #[cfg(test)]
    pub(in super::super) fn all() -> Vec<Self> {
        let memories = [16 << 10, 32 << 10];
        memories.iter().flat_map(|memory| [128, 256, 512].map(|k| Self::of(k, *memory))).flatten().collect()
    }
}

impl Program for Tile {
    fn key(&self) -> Key {
        Key { label: "nesterov_rows", variant: (self.rows * (MAX_QUADS + 1) + self.quads) as u64 }
    }

    fn spec(&self) -> Spec {
        let file = include_str!("../../../../shaders/nesterov_rows.wgsl");
        let pitch = LANES * self.quads;
        let values =
            [("ROWS", self.rows), ("QUADS", self.quads), ("PITCH", pitch), ("TILE", self.workgroup_bytes() / 16)];
        let spec = Spec::new::<Params>("nesterov_rows", file, &[true, false, false, false]).trusted();
        Spec { source: expand(file, &values).into(), ..spec }
    }
}

/// How rows of k columns are taken through a block at once; None where they are too long, or the Gram is in pieces.
pub(in super::super) fn tile(context: &Context, k: usize) -> Option<Tile> {
    let whole = Matrix::rows_of_one_shard(context, k, k).is_ok_and(|rows| rows >= k);
    Tile::of(k, context.info.max_workgroup_bytes).filter(|_| whole && !context.options.unfused)
}

pub(in super::super) fn record(recorder: &mut Recorder, block: &NesterovRows<'_, Matrix>, x: &Matrix) -> Result<()> {
    let (Some(tile), [gram]) = (tile(&recorder.context, x.cols), block.gram.shards.as_slice()) else {
        return Err(not_fused(x.cols));
    };
    for (i, (shard, _, rows)) in x.each_shard().enumerate() {
        let params = Params {
            rows: word(rows)?,
            k: word(x.cols)?,
            ld: word(x.ld)?,
            g_ld: word(block.gram.ld)?,
            steps: word(block.steps)?,
            extra: f32::of(block.extra),
        };
        let buffers = [shard, &block.rhs.shards[i], gram, block.right.vector()?];
        let grid = [recorder.groups(rows, GROUPS * tile.rows), 1, 1];
        recorder.dispatch(&tile, &buffers, &params, grid)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_fill_registers_and_fit_the_workgroup() {
        let of = |k, bytes| Tile::of(k, bytes).map(|t| (t.rows, t.quads));
        assert_eq!([1, 128, 129].map(|k| of(k, 32 << 10)), [Some((8, 1)), Some((8, 1)), Some((4, 2))]);
        assert_eq!([256, 512, 513].map(|k| of(k, 32 << 10)), [Some((4, 2)), Some((2, 4)), None]);
        assert_eq!([128, 512, 513].map(|k| of(k, 16 << 10)), [Some((4, 1)), Some((1, 4)), None]);
        assert!(Tile::all().iter().all(|tile| tile.workgroup_bytes() <= 32 << 10));
    }
}
