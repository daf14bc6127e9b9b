//! `shaders/nesterov_columns.wgsl`: steps of Nesterov's method on rows that a penalty or a Gram on the left couples, in one dispatch
//! each.

use super::super::context::Context;
use super::super::matrix::Matrix;
use super::super::pipeline::{Key, Program, Spec, word};
use super::super::recorder::{Purpose, Recorder};
use super::super::template::expand;
use crate::Result;
use crate::backend::{Element, NesterovBlock, momentum};
use bytemuck::{Pod, Zeroable};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct Params {
    rows: u32,
    k: u32,
    ld: u32,
    a_ld: u32,
    gather: u32,
    odd: u32,
    last: u32,
    mu: f32,
    extra: f32,
    beta: f32,
}

/// How a workgroup makes a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in super::super) struct Tile {
    /// Rows that an invocation has at a time.
    rows: usize,
    /// Rows that there is room for between the products with two Grams; 0 where there is one.
    half: usize,
}

/// Rows at most: longer columns are too much for one workgroup each.
const MOST_ROWS: usize = 4096;
/// Terms of the gradient of a column at most: with more the tiles of a product are worth a dispatch.
const MOST_TERMS: usize = 1 << 20;
/// Invocations of a workgroup.
const THREADS: usize = 256;

impl Tile {
    /// For rows of k columns, with a Gram on the left or not, within that much workgroup memory; None where that is too much.
    pub(in super::super) fn of((rows, k): (usize, usize), left: bool, workgroup_bytes: u32) -> Option<Self> {
        let half = if left { rows.next_multiple_of(THREADS) } else { 0 };
        let tile = Self { rows: rows.div_ceil(THREADS).next_power_of_two().min(4), half };
        let terms = rows * (k + if left { rows } else { 0 });
        let fits = k > 0 && (1..=MOST_ROWS).contains(&rows) && terms <= MOST_TERMS;
        (fits && tile.workgroup_bytes() <= workgroup_bytes as usize).then_some(tile)
    }

    /// Bytes of workgroup memory: a quad of columns, and what adds up.
    pub(in super::super) fn workgroup_bytes(self) -> usize {
        16 * (self.half + THREADS + 16)
    }

    #[cfg(test)]
    pub(super) fn all() -> impl Iterator<Item = Self> {
        [(1, 1), (200, 40), (300, 100), (600, 160), (784, 100), (960, 40)]
            .into_iter()
            .flat_map(|shape| [false, true].into_iter().filter_map(move |left| Self::of(shape, left, 32 << 10)))
    }
}

#[cfg(test)]
impl std::fmt::Display for Tile {
    /// Rows of an invocation, and those between two products.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.rows, self.half)
    }
}

impl Program for Tile {
    fn key(&self) -> Key {
        Key { label: "nesterov_columns", variant: (self.half * 8 + self.rows) as u64 }
    }

    fn spec(&self) -> Spec {
        let file = include_str!("../../../../shaders/nesterov_columns.wgsl");
        let writes: &[bool] = match self.half {
            0 => &[true, true, false, false, false],
            _ => &[true, true, false, false, false, false, false],
        };
        let source = expand(file, &[("ROWS", self.rows), ("HALF", self.half)]).into();
        Spec { source, ..Spec::new::<Params>("nesterov_columns", file, writes) }
    }
}

/// How rows of k columns are stepped; None where they are too many, or anything lies in pieces.
pub(in super::super) fn tile(context: &Context, (rows, k): (usize, usize), left: bool) -> Option<Tile> {
    let whole = |n: usize, m: usize| Matrix::rows_of_one_shard(context, n, m).is_ok_and(|rows| rows >= n);
    let fits = whole(rows, k) && whole(k, k) && (!left || whole(rows, rows)) && !context.options.unfused;
    // Four of them are in one buffer.
    let room = 16 * (4 * rows * k.div_ceil(4)) as u64 <= context.max_binding;
    Tile::of((rows, k), left, context.info.max_workgroup_bytes).filter(|_| fits && room)
}

/// Words of y, the next y, x and the right side.
pub(in super::super) fn words(rows: usize, k: usize) -> usize {
    4 * rows * k.next_multiple_of(4)
}

/// All steps of a block of matrices in one shard each.
pub(in super::super) fn record(
    recorder: &mut Recorder,
    tile: Tile,
    block: &NesterovBlock<'_, Matrix>,
    x: &Matrix,
) -> Result<()> {
    if block.steps == 0 {
        return Ok(());
    }
    let work = recorder.kept(Purpose::Steps, words(x.rows, x.cols))?;
    let (right, gram) = (block.right.vector()?, &block.gram.shards[0]);
    let mut buffers = vec![&x.shards[0], &*work, &block.rhs.shards[0], gram, right];
    if let Some((a, left)) = block.left {
        buffers.extend([left.vector()?, &a.shards[0]]);
    }
    let mut params = Params {
        rows: word(x.rows)?,
        k: word(x.cols)?,
        ld: word(x.ld)?,
        a_ld: word(block.left.map_or(0, |(a, _)| a.ld))?,
        gather: 1,
        odd: 0,
        last: 0,
        mu: f32::of(block.mu),
        extra: f32::of(block.extra),
        beta: 0.0,
    };
    let grid = [recorder.groups(x.ld / 4, 1), 1, 1];
    recorder.dispatch(&tile, &buffers, &params, grid)?;
    let mut alpha = 1.0;
    for step in 0..block.steps {
        let (next, beta) = momentum(alpha);
        alpha = next;
        params.gather = 0;
        (params.odd, params.last) = (u32::from(step % 2 == 1), (step + 1 == block.steps).into());
        params.beta = f32::of(beta);
        recorder.dispatch(&tile, &buffers, &params, grid)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_workgroup_can_do_for_a_column_is_taken() {
        let of = |shape, left| Tile::of(shape, left, 32 << 10).map(|tile| (tile.rows, tile.half));
        assert_eq!(
            [(200, 40), (300, 100), (784, 100)].map(|shape| of(shape, false)),
            [(1, 0), (2, 0), (4, 0)].map(Some)
        );
        assert_eq!([(200, 40), (600, 160)].map(|shape| of(shape, true)), [(1, 256), (4, 768)].map(Some));
        // Too many rows, too many terms, too little memory.
        assert_eq!([of((5000, 1), false), of((4000, 300), false), of((1100, 40), true)], [None; 3]);
        assert_eq!((Tile::of((600, 40), true, 16 << 10), of((0, 3), false), of((3, 0), true)), (None, None, None));
    }
}
