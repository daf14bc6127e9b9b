//! `shaders/nesterov_rows.wgsl`: all steps of Nesterov's method on rows on their own, in one dispatch per shard.

use super::super::adapters::INVOCATIONS;
use super::super::context::Context;
use super::super::matrix::Matrix;
use super::super::pace::TURNS;
use super::super::pipeline::{Key, Program, Spec, word};
use super::super::recorder::Recorder;
use super::super::template::expand;
use crate::backend::{Element, NesterovBlock};
use crate::{Error, Result};
use bytemuck::{Pod, Zeroable};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct Params {
    row0: u32,
    rows: u32,
    ld: u32,
    steps: u32,
    extra: f32,
}

/// How a workgroup takes rows of k columns through a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in super::super) struct Tile {
    k: usize,
    /// Rows per invocation.
    rows: usize,
    /// Invocations of a workgroup.
    threads: usize,
}

/// Rows per invocation: many need G seldom, few leave no multiprocessor without work.
const ROWS: [usize; 4] = [1, 2, 4, 8];
/// With so few rows an invocation waits for G, and loads as many quads of it at a time as there are up to this number.
const FEW_ROWS: usize = 2;
const MOST_QUADS: usize = 5;
/// Columns at most: of longer rows a workgroup has too few to be worth reading G for.
const MOST: usize = 512;

impl Tile {
    /// For that many rows of k columns within that much workgroup memory, on a device that runs `workgroups` at a time; None where
    /// k is too large.
    pub(in super::super) fn of(k: usize, rows: usize, workgroup_bytes: u32, workgroups: usize) -> Option<Self> {
        if k == 0 || k > MOST {
            return None;
        }
        let threads = Self::threads(k.div_ceil(4));
        let tiles = ROWS.map(|rows| Self { k, rows, threads });
        let mut fits = tiles.into_iter().filter(|tile| tile.workgroup_bytes() <= workgroup_bytes as usize);
        fits.clone().find(|tile| rows <= 2 * workgroups * tile.block()).or(fits.next_back())
    }

    /// Invocations of a workgroup, by the quads of a row: the fewest for two rows of which hardly more are idle than of others.
    fn threads(quads: usize) -> usize {
        let most = INVOCATIONS as usize;
        let sizes = || (64.max(2 * quads)..=most).filter(|threads| threads % 32 == 0);
        let busy = |threads: usize| (threads / quads * quads) as f64 / threads as f64;
        let best = sizes().map(busy).fold(0.0, f64::max);
        sizes().find(|threads| busy(*threads) > 0.9 * best).unwrap_or(most)
    }

    fn quads(self) -> usize {
        self.k.div_ceil(4)
    }

    fn groups(self) -> usize {
        self.threads / self.quads()
    }

    /// Rows of a workgroup.
    fn block(self) -> usize {
        self.groups() * self.rows
    }

    /// Quads from row to row of y: odd where neighbours have different rows, so that these begin in different banks.
    fn pitch(self) -> usize {
        if self.quads() < 32 { self.quads() | 1 } else { self.quads() }
    }

    /// Bytes of workgroup memory: y of the rows of a workgroup.
    pub(in super::super) fn workgroup_bytes(self) -> usize {
        16 * self.block() * self.pitch()
    }

    /// Quads of G that are loaded at a time.
    fn unroll(self) -> usize {
        let most = if self.rows <= FEW_ROWS { MOST_QUADS } else { 1 };
        (1..=most).rev().find(|n| (self.k / 4).is_multiple_of(*n)).unwrap_or(1)
    }

    #[cfg(test)]
    pub(in super::super) fn all() -> impl Iterator<Item = Self> {
        let widths = [1, 2, 3, 4, 7, 10, 20, 40, 64, 100, 101, 126, 127, 128, 129, 300, 512];
        widths.into_iter().flat_map(|k| {
            [16 << 10, 32 << 10].into_iter().flat_map(move |bytes| {
                [1, 2000, 1 << 20].into_iter().filter_map(move |rows| Self::of(k, rows, bytes, 128))
            })
        })
    }
}

#[cfg(test)]
impl std::fmt::Display for Tile {
    /// Columns, and rows per invocation.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}", self.k, self.rows)
    }
}

impl Program for Tile {
    fn key(&self) -> Key {
        // The number of invocations follows from k.
        Key { label: "nesterov_rows", variant: (self.k * (ROWS[ROWS.len() - 1] + 1) + self.rows) as u64 }
    }

    fn spec(&self) -> Spec {
        let file = include_str!("../../../../shaders/nesterov_rows.wgsl");
        let values = [
            ("K", self.k),
            ("QUADS", self.quads()),
            ("WHOLE", self.k / 4),
            ("REST", self.k % 4),
            ("ROWS", self.rows),
            ("GROUPS", self.groups()),
            ("BLOCK", self.block()),
            ("PITCH", self.pitch()),
            ("TILE", self.workgroup_bytes() / 16),
            ("THREADS", self.threads),
            ("UNROLL", self.unroll()),
        ];
        let spec = Spec::new::<Params>("nesterov_rows", file, &[true, false, false, false]).trusted();
        Spec { source: expand(file, &values).into(), ..spec }
    }
}

/// How so many rows of k columns are taken through a block at once; None where they are too long, or the Gram is in pieces.
fn tile(context: &Context, k: usize, rows: usize) -> Option<Tile> {
    let whole = Matrix::rows_of_one_shard(context, k, k).is_ok_and(|rows| rows >= k);
    let tile = Tile::of(k, rows, context.info.max_workgroup_bytes, context.tiles_at_a_time());
    tile.filter(|_| whole && !context.options.unfused)
}

/// Whether rows of k columns are taken through a block at once.
pub(in super::super) fn takes(context: &Context, k: usize) -> bool {
    tile(context, k, 1).is_some()
}

/// Steps of rows of k columns in one dispatch: those whose loops end by themselves.
pub(in super::super) fn most_steps(k: usize) -> usize {
    TURNS / (1 + k.div_ceil(4))
}

pub(in super::super) fn record(recorder: &mut Recorder, block: &NesterovBlock<'_, Matrix>, x: &Matrix) -> Result<()> {
    for (i, (shard, _, rows)) in x.each_shard().enumerate() {
        let (Some(tile), [gram]) = (tile(&recorder.context, x.cols, rows), block.gram.shards.as_slice()) else {
            return Err(Error::DeviceFault(format!(
                "rows of {} columns are not taken through a block at once",
                x.cols
            )));
        };
        let buffers = [shard, &block.rhs.shards[i], gram, block.right.vector()?];
        let of_row = (x.cols * x.cols) as f64 * block.steps as f64;
        let most = recorder.scheduler.pace.rows(of_row, tile.block());
        for row0 in (0..rows).step_by(most) {
            let here = most.min(rows - row0);
            let params = Params {
                row0: word(row0)?,
                rows: word(row0 + here)?,
                ld: word(x.ld)?,
                steps: word(block.steps)?,
                extra: f32::of(block.extra),
            };
            recorder.dispatch(&tile, &buffers, &params, [recorder.groups(here, tile.block()), 1, 1])?;
            recorder.worked(here as f64 * of_row)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_invocations_have_work_and_every_device_has_a_tile() {
        let of = |k: usize| (Tile::threads(k / 4), Tile::threads(k / 4) / (k / 4));
        assert_eq!([20, 40, 64, 100].map(of), [(64, 12), (64, 6), (64, 4), (128, 5)]);
        assert_eq!([200, 300, 512].map(of), [(160, 3), (160, 2), (256, 2)]);
        for k in 1..=MOST {
            let quads = k.div_ceil(4);
            let threads = Tile::threads(quads);
            assert!(threads / quads * quads * 10 >= threads * 7 && threads / quads >= 2, "{k}: {threads}");
            assert!(Tile::of(k, usize::MAX >> 20, 16 << 10, 128).is_some_and(|tile| tile.rows >= 4), "{k}");
        }
        assert_eq!((Tile::of(0, 1, 32 << 10, 128), Tile::of(MOST + 1, 1, 32 << 10, 128)), (None, None));
        assert!(Tile::all().all(|tile| tile.workgroup_bytes() <= 32 << 10));
    }

    #[test]
    fn few_rows_are_spread_over_the_device() {
        let of = |rows, k| Tile::of(k, rows, 32 << 10, 128).map(|tile| (tile.rows, tile.unroll()));
        assert_eq!([60_000, 6000, 2000, 784].map(|rows| of(rows, 100)), [(8, 1), (8, 1), (2, 5), (1, 5)].map(Some));
        assert_eq!([(1, 3), (784, 40), (784, 52)].map(|(rows, k)| of(rows, k)), [(1, 5), (1, 5), (1, 1)].map(Some));
    }
}
