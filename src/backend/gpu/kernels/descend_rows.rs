//! `shaders/descend_rows.wgsl`: coordinate descent on rows on their own, in one dispatch per shard.

use super::super::context::Context;
use super::super::matrix::Matrix;
use super::super::pace::TURNS;
use super::super::pipeline::{Key, Program, Spec, word};
use super::super::recorder::Recorder;
use super::super::template::expand;
use crate::Result;
use crate::backend::Descent;
use bytemuck::{Pod, Zeroable};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct Params {
    row0: u32,
    rows: u32,
    k: u32,
    ld: u32,
    sweeps: u32,
}

/// How a workgroup takes rows of k columns through their coordinates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in super::super) struct Tile {
    k: usize,
    /// Rows of a workgroup.
    rows: usize,
    /// Invocations per row.
    split: usize,
}

/// Rows of a workgroup and invocations per row.
const SIZES: [(usize, usize); 4] = [(64, 1), (32, 4), (16, 8), (8, 16)];
/// Quads of columns whose gradients are in registers.
const MOST_QUADS: usize = 4;

impl Tile {
    /// For that many rows of k columns within that much workgroup memory, on a device that runs `workgroups` at a time: with few rows
    /// several invocations share one. None where k is too large.
    pub(in super::super) fn of(k: usize, rows: usize, workgroup_bytes: u32, workgroups: usize) -> Option<Self> {
        let tiles = SIZES.map(|(rows, split)| Self { k, rows, split });
        let mut fits = tiles.into_iter().filter(|tile| k > 0 && tile.workgroup_bytes() <= workgroup_bytes as usize);
        fits.clone().find(|tile| rows >= 4 * workgroups * tile.rows / tile.split.min(4)).or(fits.next_back())
    }

    fn quads(self) -> usize {
        self.k.div_ceil(4)
    }

    /// Quads of columns between two products: loads of x count as much as one quad of G.
    fn block(self) -> usize {
        let cost = |block: usize| self.quads().div_ceil(block) * (block + 1);
        (1..=MOST_QUADS.min(self.quads())).rev().min_by_key(|block| cost(*block)).unwrap_or(1)
    }

    /// Sweeps of a dispatch: those whose loops end by themselves.
    fn sweeps(self) -> usize {
        let blocks = self.quads().div_ceil(self.block());
        (TURNS / (blocks * (1 + self.quads().div_ceil(self.split) + self.split))).max(1)
    }

    fn kept(self) -> usize {
        self.quads() * self.rows
    }

    /// Quads of the sums of the invocations of a row but the first.
    fn parts(self) -> usize {
        (self.split - 1) * self.block() * self.rows
    }

    /// Bytes of workgroup memory.
    pub(in super::super) fn workgroup_bytes(self) -> usize {
        16 * (self.kept() + self.parts())
    }

    #[cfg(test)]
    pub(in super::super) fn all() -> impl Iterator<Item = Self> {
        [1, 3, 10, 20, 33, 40, 64, 70, 100, 101, 128, 300].into_iter().flat_map(|k| {
            [16 << 10, 32 << 10].into_iter().flat_map(move |bytes| {
                [1, 6000, 1 << 20].into_iter().filter_map(move |rows| Self::of(k, rows, bytes, 128))
            })
        })
    }
}

#[cfg(test)]
impl std::fmt::Display for Tile {
    /// Columns, rows of a workgroup, and invocations per row.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}x{}", self.k, self.rows, self.split)
    }
}

impl Program for Tile {
    fn key(&self) -> Key {
        // The number of invocations of a row follows from the rows.
        Key { label: "descend_rows", variant: (self.k * (SIZES[0].0 + 1) + self.rows) as u64 }
    }

    fn spec(&self) -> Spec {
        let file = include_str!("../../../../shaders/descend_rows.wgsl");
        let values = [
            ("K", self.k),
            ("QUADS", self.quads()),
            ("WHOLE", self.k / 4),
            ("REST", self.k % 4),
            ("ROWS", self.rows),
            ("SPLIT", self.split),
            ("OTHERS", self.split - 1),
            ("BLOCK", self.block()),
            ("KEPT", self.kept()),
            ("PARTS_OF_U", self.parts()),
            ("THREADS", self.rows * self.split),
        ];
        let spec = Spec::new::<Params>("descend_rows", file, &[true, false, false]).trusted();
        Spec { source: expand(file, &values).into(), ..spec }
    }
}

/// How so many rows of k columns are taken at once; None where they are too long, or the Gram is in pieces.
fn tile(context: &Context, k: usize, rows: usize) -> Option<Tile> {
    let whole = Matrix::rows_of_one_shard(context, k, k).is_ok_and(|rows| rows >= k);
    let tile = Tile::of(k, rows, context.info.max_workgroup_bytes, context.tiles_at_a_time());
    tile.filter(|_| whole && !context.options.unfused)
}

/// Whether it did; not where rows are too long, or the Gram is in pieces.
pub(in super::super) fn record(recorder: &mut Recorder, block: Descent<'_, Matrix>, x: &Matrix) -> Result<bool> {
    for (i, (shard, _, rows)) in x.each_shard().enumerate() {
        let (Some(tile), [gram]) = (tile(&recorder.context, x.cols, rows), block.gram.shards.as_slice()) else {
            return Ok(false);
        };
        let buffers = [shard, &block.rhs.shards[i], gram];
        for done in (0..block.sweeps).step_by(tile.sweeps()) {
            let sweeps = tile.sweeps().min(block.sweeps - done);
            let of_row = (x.cols * x.cols) as f64 * sweeps as f64;
            let most = recorder.scheduler.pace.rows(of_row, tile.rows);
            for row0 in (0..rows).step_by(most) {
                let here = most.min(rows - row0);
                let (end, sweeps) = (word(row0 + here)?, word(sweeps)?);
                let params = Params { row0: word(row0)?, rows: end, k: word(x.cols)?, ld: word(x.ld)?, sweeps };
                recorder.dispatch(&tile, &buffers, &params, [recorder.groups(here, tile.rows), 1, 1])?;
                recorder.worked(here as f64 * of_row)?;
            }
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_rows_have_many_invocations_and_blocks_waste_little() {
        let of = |rows, k| Tile::of(k, rows, 32 << 10, 128).map(|tile| (tile.rows, tile.split));
        assert_eq!([60_000, 6000, 784].map(|rows| of(rows, 100)), [(64, 1), (32, 4), (8, 16)].map(Some));
        assert_eq!(
            [(60_000, 300), (60_000, 600), (60_000, 900)].map(|(rows, k)| of(rows, k)),
            [Some((16, 8)), Some((8, 16)), None]
        );
        let block = |k| Tile { k, rows: 64, split: 1 }.block();
        assert_eq!([1, 10, 20, 40, 64, 100, 128, 300].map(block), [1, 3, 3, 4, 4, 4, 4, 4]);
        let sweeps = |k, rows| Tile::of(k, rows, 32 << 10, 128).map(Tile::sweeps);
        assert_eq!((sweeps(100, 60_000), sweeps(600, 8)), (Some(317), Some(58)));
        assert_eq!((Tile::of(0, 1, 32 << 10, 128), Tile::of(1, 1, 32 << 10, 128).is_some()), (None, true));
        assert!(Tile::all().all(|tile| tile.workgroup_bytes() <= 32 << 10));
    }
}
