//! `shaders/matmul.wgsl`: products, in tiles of 64 × 64, split over the inner size where there are few tiles.

use super::super::Gpu;
use super::super::matrix::{Buffer, Matrix, pieces};
use super::super::scheduler::{Spec, groups};
use super::{Id, sum_partials};
use crate::Result;
use crate::backend::MatMul;
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
    ldc: u32,
    split_stride: u32,
    a_off: u32,
    b_off: u32,
    c_off: u32,
    accumulate: u32,
}

pub(in super::super) const fn spec(constants: &'static [(&'static str, f64)]) -> Spec {
    Spec {
        label: "matmul",
        source: include_str!("../../../../shaders/matmul.wgsl"),
        writes: &[false, false, true],
        constants,
    }
}

/// Rows and columns of a tile, as in the shader.
const TILE: usize = 64;
/// Workgroups that a large GPU keeps busy.
const BUSY: usize = 512;
/// Terms per split, at least: fewer are not worth the second pass.
const MIN_CHUNK: usize = 256;

/// Into how many parts the inner size is split.
fn splits(m: usize, n: usize, k: usize, scratch_words: usize) -> usize {
    let tiles = m.div_ceil(TILE) * n.div_ceil(TILE);
    let room = scratch_words / (m * n).max(1);
    (BUSY / tiles.max(1)).min(k / MIN_CHUNK).min(room).max(1)
}

/// A part of a matrix: a buffer, the word at which the part begins, and the words from row to row.
struct Part<'a> {
    buffer: &'a Buffer,
    offset: usize,
    ld: usize,
}

impl<'a> Part<'a> {
    fn of(m: &'a Matrix, shard: usize, row: usize, col: usize) -> Self {
        Self { buffer: &m.shards[shard], offset: row * m.ld + col, ld: m.ld }
    }
}

/// One product of parts that lie in one shard each.
fn record_part(
    gpu: &mut Gpu,
    op: MatMul,
    (m, k, n): (usize, usize, usize),
    (a, b, c): (Part<'_>, Part<'_>, Part<'_>),
    accumulate: bool,
) -> Result<()> {
    let id = match op {
        MatMul::NN => Id::MatMulNN,
        MatMul::TN => Id::MatMulTN,
        MatMul::NT => Id::MatMulNT,
    };
    let splits = splits(m, n, k, gpu.scratch_words());
    let chunk = k.div_ceil(splits);
    let mut params = Params {
        m: m as u32,
        n: n as u32,
        k: k as u32,
        chunk: chunk as u32,
        lda: a.ld as u32,
        ldb: b.ld as u32,
        ldc: c.ld as u32,
        split_stride: 0,
        a_off: a.offset as u32,
        b_off: b.offset as u32,
        c_off: c.offset as u32,
        accumulate: accumulate.into(),
    };
    let mut grid = [groups(n, TILE)?, groups(m, TILE)?, 1];
    if splits == 1 {
        gpu.dispatch(id, &[a.buffer, b.buffer, c.buffer], &params, grid);
        return Ok(());
    }
    let parts = k.div_ceil(chunk);
    grid[2] = groups(parts, 1)?;
    params = Params { ldc: n as u32, split_stride: (m * n) as u32, c_off: 0, accumulate: 0, ..params };
    let scratch = gpu.scratch();
    gpu.dispatch(id, &[a.buffer, b.buffer, &scratch], &params, grid);
    let part = sum_partials::Parts { parts, stride: m * n, ld: n };
    sum_partials::record(gpu, part, c.buffer, c.ld, (c.offset, m, n), accumulate, false)
}

/// `out = op(a) op(b)`, whatever the shards.
pub(in super::super) fn record(gpu: &mut Gpu, op: MatMul, a: &Matrix, b: &Matrix, out: &Matrix) -> Result<()> {
    let n = out.cols;
    match op {
        MatMul::NN => {
            for piece in pieces(out.rows, a.shard_rows, out.shard_rows) {
                for (j, (_, start, inner)) in b.each().enumerate() {
                    let parts = (
                        Part::of(a, piece.a.shard, piece.a.row, start),
                        Part::of(b, j, 0, 0),
                        Part::of(out, piece.b.shard, piece.b.row, 0),
                    );
                    record_part(gpu, op, (piece.rows, inner, n), parts, j > 0)?;
                }
            }
        }
        MatMul::NT => {
            for piece in pieces(out.rows, a.shard_rows, out.shard_rows) {
                for (j, (_, start, cols)) in b.each().enumerate() {
                    let parts = (
                        Part::of(a, piece.a.shard, piece.a.row, 0),
                        Part::of(b, j, 0, 0),
                        Part::of(out, piece.b.shard, piece.b.row, start),
                    );
                    record_part(gpu, op, (piece.rows, a.cols, cols), parts, false)?;
                }
            }
        }
        MatMul::TN => {
            for (i, (_, start, rows)) in out.each().enumerate() {
                for (j, piece) in pieces(a.rows, a.shard_rows, b.shard_rows).enumerate() {
                    let parts = (
                        Part::of(a, piece.a.shard, piece.a.row, start),
                        Part::of(b, piece.b.shard, piece.b.row, 0),
                        Part::of(out, i, 0, 0),
                    );
                    record_part(gpu, op, (rows, piece.rows, n), parts, j > 0)?;
                }
            }
        }
    }
    Ok(())
}

/// `out = a[rows] bᵀ` for a run of rows of `a`, into the first rows of `out`.
pub(in super::super) fn record_rows_nt(
    gpu: &mut Gpu,
    a: &Matrix,
    (shard, row, rows): (usize, usize, usize),
    b: &Matrix,
    out: &Matrix,
) -> Result<()> {
    for (j, (_, start, cols)) in b.each().enumerate() {
        let parts = (Part::of(a, shard, row, 0), Part::of(b, j, 0, 0), Part::of(out, 0, 0, start));
        record_part(gpu, MatMul::NT, (rows, a.cols, cols), parts, false)?;
    }
    Ok(())
}

/// `out += a[first..first + rows] bᵀ`, rows of `a` that lie in one shard; `out` has `ld` words from row to row.
pub(in super::super) fn record_rows_nt_onto(
    gpu: &mut Gpu,
    (a, first, rows): (&Matrix, usize, usize),
    b: &Matrix,
    out: &Buffer,
    ld: usize,
) -> Result<()> {
    for (j, (_, start, cols)) in b.each().enumerate() {
        let of_a = Part::of(a, first / a.shard_rows, first % a.shard_rows, 0);
        let parts = (of_a, Part::of(b, j, 0, 0), Part { buffer: out, offset: start, ld });
        record_part(gpu, MatMul::NT, (rows, a.cols, cols), parts, true)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_fit_the_scratch_and_are_long_enough() {
        assert_eq!(splits(60_000, 100, 784, 1 << 23), 1);
        assert_eq!(splits(100, 100, 100, 1 << 23), 1);
        for (m, n, k, words) in [(784, 100, 60_000, 1 << 23), (1, 1, 1 << 20, 64), (1024, 600, 2856, 1 << 18)] {
            let s = splits(m, n, k, words);
            assert!(s >= 1 && (s == 1 || (s * m * n <= words && k / s >= MIN_CHUNK)), "{m} {n} {k}: {s}");
        }
        assert!(splits(784, 100, 60_000, 1 << 23) > 10);
    }
}
