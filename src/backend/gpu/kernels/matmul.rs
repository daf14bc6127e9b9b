//! `shaders/matmul.wgsl` and `shaders/matmul_tiled.wgsl`: products, cut by shards, split over the inner size where there are
//! few tiles.

use super::super::matrix::{Buffer, Matrix, Region, pieces};
use super::super::pipeline::word;
use super::super::recorder::Recorder;
use super::class::{Class, Table};
use super::matmul_tiled::{self, Params, Program, VARIANTS};
use super::{matmul_halves, sum_partials};
use crate::Result;
use crate::backend::{MatMul, Storage, Write};

/// How a device makes products.
pub(in super::super) struct Products {
    /// Which variants it can run.
    pub(in super::super) runs: [bool; VARIANTS.len()],
    /// The variants that were measured to be the fastest.
    pub(in super::super) measured: Table,
    /// Whether products of data stored as halves are made of halves.
    pub(in super::super) halves: bool,
}

impl Products {
    /// The number of the variant for a product whose parts allow any.
    fn variant(&self, recorder: &Recorder, op: MatMul, shape: (usize, usize, usize)) -> usize {
        let measured = || self.measured.get(&Class::of(op, shape)).copied();
        match recorder.context.options.force_variant.or_else(measured) {
            Some(variant) if self.runs[variant] => variant,
            _ => matmul_tiled::choose(shape, recorder.context.tiles_at_a_time(), |i| self.runs[i]),
        }
    }

    /// The size of the fragments that a product is made of on tensor cores; None where it is not.
    fn fragments(&self, recorder: &Recorder, op: MatMul, a: &Buffer) -> Option<usize> {
        let suits = self.halves && op != MatMul::NT && a.storage == Storage::F16;
        recorder.context.fragment.filter(|_| suits)
    }
}

/// One product of parts that lie in one shard each, in as many pieces as have no more tiles than a dispatch may have, and take no
/// longer. A piece is made as the whole would be, so that it does not depend on the pieces what comes out.
fn record_part(
    recorder: &mut Recorder,
    products: &Products,
    op: MatMul,
    (m, k, n): (usize, usize, usize),
    (a, b, c): (Region<'_>, Region<'_>, Region<'_>),
    accumulate: bool,
) -> Result<()> {
    let fragments = products.fragments(recorder, op, a.buffer);
    // Columns of a shard's own need not begin at a multiple of 4.
    let aligned = [&a, &b, &c].iter().all(|part| part.offset % 4 == 0 && part.ld % 4 == 0);
    let variant = if aligned { products.variant(recorder, op, (m, k, n)) } else { 0 };
    let fitted = VARIANTS[variant].fitted(m, n);
    let (tall, wide) = fragments.map_or(fitted.tile, matmul_halves::tile);
    let chunk = fitted.chunk((m, k, n), recorder.scratch_words(), recorder.most_groups());
    let program = Program { op, variant, storage: a.buffer.storage, tile: fitted.tile };
    let cols = recorder.most_groups() * wide;
    let paced = recorder.scheduler.pace.rows(k as f64 * n.min(cols) as f64, tall);
    // Those of halves are the fastest, and cut by what their scratch takes.
    let rows = (recorder.most_groups() * tall).min(if fragments.is_some() { usize::MAX } else { paced });
    for i in (0..m).step_by(rows) {
        for j in (0..n).step_by(cols) {
            let (m, n) = (rows.min(m - i), cols.min(n - j));
            let of_a = if op == MatMul::TN { a.at(0, i) } else { a.at(i, 0) };
            let of_b = if op == MatMul::NT { b.at(j, 0) } else { b.at(0, j) };
            let parts = (of_a, of_b, c.at(i, j));
            match fragments {
                Some(size) => matmul_halves::record(recorder, size, op, (m, k, n), parts, accumulate)?,
                None => {
                    recorder.scheduler.stats.unaligned += u64::from(!aligned);
                    record_piece(recorder, program, chunk, (m, k, n), parts, accumulate)?;
                }
            }
            recorder.worked(m as f64 * k as f64 * n as f64)?;
        }
    }
    Ok(())
}

/// One product that fits a dispatch, by sums of so many terms.
fn record_piece(
    recorder: &mut Recorder,
    program: Program,
    chunk: usize,
    (m, k, n): (usize, usize, usize),
    (a, b, c): (Region<'_>, Region<'_>, Region<'_>),
    accumulate: bool,
) -> Result<()> {
    let parts = k.div_ceil(chunk);
    let (rows, cols) = program.tile;
    let mut params = Params {
        m: word(m)?,
        n: word(n)?,
        k: word(k)?,
        chunk: word(chunk)?,
        lda: word(a.ld)?,
        ldb: word(b.ld)?,
        ldc: word(c.ld)?,
        split_stride: 0,
        a_off: word(a.offset)?,
        b_off: word(b.offset)?,
        c_off: word(c.offset)?,
        a_row: word(a.row)?,
        accumulate: accumulate.into(),
    };
    let grid = [recorder.groups(n, cols), recorder.groups(m, rows), recorder.groups(parts, 1)];
    if parts == 1 {
        return recorder.dispatch(&program, &a.before(&[b.buffer, c.buffer]), &params, grid);
    }
    let ld = n.next_multiple_of(4);
    params = Params { ldc: word(ld)?, split_stride: word(m * ld)?, c_off: 0, accumulate: 0, ..params };
    let scratch = recorder.scratch();
    recorder.dispatch(&program, &a.before(&[b.buffer, &scratch]), &params, grid)?;
    let part = sum_partials::Parts { parts, stride: m * ld, ld };
    sum_partials::record(recorder, part, c.buffer, c.ld, (c.offset, m, n), accumulate, false)
}

/// `out = op(a) op(b)`, or that added to `out`, whatever the shards.
pub(in super::super) fn record(
    recorder: &mut Recorder,
    products: &Products,
    op: MatMul,
    a: &Matrix,
    b: &Matrix,
    write: Write,
    out: &Matrix,
) -> Result<()> {
    let (n, add) = (out.cols, write == Write::Add);
    match op {
        MatMul::NN => {
            for piece in pieces(out.rows, a.shard_rows, out.shard_rows) {
                for (j, (_, start, inner)) in b.each_shard().enumerate() {
                    let parts = (
                        Region::of(a, piece.a.shard, piece.a.row, start),
                        Region::of(b, j, 0, 0),
                        Region::of(out, piece.b.shard, piece.b.row, 0),
                    );
                    record_part(recorder, products, op, (piece.rows, inner, n), parts, add || j > 0)?;
                }
            }
        }
        MatMul::NT => {
            for piece in pieces(out.rows, a.shard_rows, out.shard_rows) {
                for (j, (_, start, cols)) in b.each_shard().enumerate() {
                    let parts = (
                        Region::of(a, piece.a.shard, piece.a.row, 0),
                        Region::of(b, j, 0, 0),
                        Region::of(out, piece.b.shard, piece.b.row, start),
                    );
                    record_part(recorder, products, op, (piece.rows, a.cols, cols), parts, add)?;
                }
            }
        }
        MatMul::TN => {
            for (i, (_, start, rows)) in out.each_shard().enumerate() {
                for (j, piece) in pieces(a.rows, a.shard_rows, b.shard_rows).enumerate() {
                    let parts = (
                        Region::of(a, piece.a.shard, piece.a.row, start),
                        Region::of(b, piece.b.shard, piece.b.row, 0),
                        Region::of(out, i, 0, 0),
                    );
                    record_part(recorder, products, op, (rows, piece.rows, n), parts, add || j > 0)?;
                }
            }
        }
    }
    Ok(())
}

/// `out = a[rows] bᵀ` for a run of rows of `a`, into the first rows of `out`.
pub(in super::super) fn record_rows_nt(
    recorder: &mut Recorder,
    products: &Products,
    a: &Matrix,
    (shard, row, rows): (usize, usize, usize),
    b: &Matrix,
    out: &Matrix,
) -> Result<()> {
    for (j, (_, start, cols)) in b.each_shard().enumerate() {
        let parts = (Region::of(a, shard, row, 0), Region::of(b, j, 0, 0), Region::of(out, 0, 0, start));
        record_part(recorder, products, MatMul::NT, (rows, a.cols, cols), parts, false)?;
    }
    Ok(())
}

/// `out = a[first..first + rows] bᵀ`, or that added to it, of rows of `a` that lie in one shard; `out` has `ld` words from row to row.
pub(in super::super) fn record_rows_nt_onto(
    recorder: &mut Recorder,
    products: &Products,
    (a, first, rows): (&Matrix, usize, usize),
    b: &Matrix,
    (out, ld): (&Buffer, usize),
    write: Write,
) -> Result<()> {
    for (j, (_, start, cols)) in b.each_shard().enumerate() {
        let of_a = Region::of(a, first / a.shard_rows, first % a.shard_rows, 0);
        let parts = (of_a, Region::of(b, j, 0, 0), Region { offset: start, ..Region::scratch(out, ld) });
        record_part(recorder, products, MatMul::NT, (rows, a.cols, cols), parts, write == Write::Add)?;
    }
    Ok(())
}

/// `out += a b` for so many rows; `a` and `out` have `ld` words from row to row.
pub(in super::super) fn record_onto(
    recorder: &mut Recorder,
    products: &Products,
    (a, rows): (&Buffer, usize),
    b: &Matrix,
    out: &Buffer,
    ld: usize,
) -> Result<()> {
    for (j, (_, start, inner)) in b.each_shard().enumerate() {
        let of_a = Region { offset: start, ..Region::scratch(a, ld) };
        let parts = (of_a, Region::of(b, j, 0, 0), Region::scratch(out, ld));
        record_part(recorder, products, MatMul::NN, (rows, inner, b.cols), parts, true)?;
    }
    Ok(())
}
