//! `shaders/matmul_halves.wgsl` and `shaders/halve.wgsl`: products with data stored as halves, on tensor cores. The other
//! operand is rounded to halves; sums are of f32.

use super::super::matrix::Region;
use super::super::pipeline::{self, Key, Spec, word};
use super::super::recorder::{Purpose, Recorder};
use super::super::template::expand;
use super::matmul_tiled::BUSY;
use super::sum_partials;
use crate::backend::{MatMul, Storage};
use crate::{Error, Result};
use bytemuck::{Pod, Zeroable};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct Params {
    m: u32,
    n: u32,
    k: u32,
    chunk: u32,
    lda: u32,
    ldb: u32,
    split_stride: u32,
    a_off: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct HalveParams {
    rows: u32,
    cols: u32,
    lda: u32,
    a_off: u32,
    out_rows: u32,
    out_cols: u32,
}

pub(super) const HALVE: Spec =
    Spec::new::<HalveParams>("halve", include_str!("../../../../shaders/halve.wgsl"), &[false, true]).trusted();

/// Fragments of a subgroup, down and across, and subgroups' regions of a workgroup.
const ROWS: usize = 2;
const COLS: usize = 4;
const REGIONS: usize = 4;
/// Terms per split, at least.
const MIN_CHUNK: usize = 512;

/// A product, as a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in super::super) struct Program {
    /// Of a fragment.
    pub(in super::super) size: usize,
    /// Whether the first operand is transposed.
    pub(in super::super) transposed: bool,
}

impl pipeline::Program for Program {
    fn key(&self) -> Key {
        Key { label: "matmul_halves", variant: 2 * self.size as u64 + u64::from(self.transposed) }
    }

    fn spec(&self) -> Spec {
        let values =
            [("S", self.size), ("ROWS", ROWS), ("COLS", COLS), ("REGIONS", REGIONS), ("A_T", self.transposed.into())];
        let file = include_str!("../../../../shaders/matmul_halves.wgsl");
        let spec = Spec::new::<Params>("matmul_halves", file, &[false, false, true]).trusted();
        Spec { source: expand(file, &values).into(), reads: Storage::F16, ..spec }
    }
}

/// Rows and columns of a workgroup's tile.
pub(in super::super) fn tile(size: usize) -> (usize, usize) {
    (REGIONS * ROWS * size, COLS * size)
}

/// Terms of a split, whole fragments. There are at most `most_splits`.
fn chunk(size: usize, (m, k, n): (usize, usize, usize), scratch_words: usize, most_splits: usize) -> usize {
    let (rows, cols) = tile(size);
    let tiles = m.div_ceil(rows) * n.div_ceil(cols);
    let room = scratch_words / (m * n).max(1);
    let splits = (BUSY / tiles.max(1)).min(k / MIN_CHUNK).min(room).min(most_splits).max(1);
    k.div_ceil(splits).next_multiple_of(size)
}

/// One product of parts that lie in one shard each; `a` is stored as halves.
pub(in super::super) fn record(
    recorder: &mut Recorder,
    size: usize,
    op: MatMul,
    (m, k, n): (usize, usize, usize),
    (a, b, c): (Region<'_>, Region<'_>, Region<'_>),
    accumulate: bool,
) -> Result<()> {
    let (inner, ldb) = (k.next_multiple_of(size), n.next_multiple_of(size));
    let halves = recorder.kept(Purpose::Halves, inner * ldb / 2)?;
    let params = HalveParams {
        rows: word(k)?,
        cols: word(n)?,
        lda: word(b.ld)?,
        a_off: word(b.offset)?,
        out_rows: word(inner)?,
        out_cols: word(ldb)?,
    };
    recorder.dispatch(&HALVE, &[b.buffer, &halves], &params, recorder.elementwise(inner, ldb / 2))?;
    let (words, scratch) = (recorder.scratch_words(), recorder.scratch());
    let most = words / ldb / size * size;
    if most == 0 {
        return Err(Error::TooLarge {
            what: format!("{size} rows of {ldb}"),
            needed: 4 * (size * ldb) as u64,
            limit: 4 * words as u64,
            unit: "bytes",
        });
    }
    let transposed = op == MatMul::TN;
    // As many rows of the result at a time as the scratch takes.
    for start in (0..m).step_by(most) {
        let rows = most.min(m - start);
        let padded = rows.next_multiple_of(size);
        let chunk = chunk(size, (padded, k, ldb), words, recorder.most_groups());
        let parts = k.div_ceil(chunk);
        let params = Params {
            m: word(padded)?,
            n: word(ldb)?,
            k: word(k)?,
            chunk: word(chunk)?,
            lda: word(a.ld)?,
            ldb: word(ldb)?,
            split_stride: word(padded * ldb)?,
            a_off: word(a.offset + if transposed { start } else { start * a.ld })?,
        };
        let (tall, wide) = tile(size);
        let grid = [recorder.groups(ldb, wide), recorder.groups(padded, tall), recorder.groups(parts, 1)];
        let program = Program { size, transposed };
        recorder.dispatch(&program, &[a.buffer, &halves, &scratch], &params, grid)?;
        let part = sum_partials::Parts { parts, stride: padded * ldb, ld: ldb };
        sum_partials::record(recorder, part, c.buffer, c.ld, (c.offset + start * c.ld, rows, n), accumulate, false)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::super::context::FRAGMENT_SIZES;
    use super::*;

    #[test]
    fn chunks_are_whole_fragments_and_fit_the_scratch() {
        for size in FRAGMENT_SIZES {
            for (m, k, n, words) in
                [(784, 60_000, 112, 1 << 23), (16, 1 << 20, 16, 1 << 12), (60_000, 784, 112, 1 << 23)]
            {
                let chunk = chunk(size, (m, k, n), words, BUSY);
                let parts = k.div_ceil(chunk);
                assert!(
                    chunk.is_multiple_of(size) && parts >= 1 && (parts == 1 || parts * m * n <= words),
                    "{m} {k} {n}"
                );
            }
        }
    }
}
