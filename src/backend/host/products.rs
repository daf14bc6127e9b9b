//! Products: faer's on one thread each, in parts that depend on the shapes alone, so that the result does not depend on the
//! number of threads.
//!
//! Its own parallel product lets its threads spin at barriers, which on a machine with other work costs more than the
//! product; and a result with few tiles, as sums over samples have, leaves threads without work.

use crate::backend::{Element, MatMul, Write};
use crate::{Error, Result};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use ndarray::parallel::prelude::*;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, s};

/// Multiplications per part, at most: enough of them to make up for packing the other operand again.
const PART: usize = 1 << 25;
/// Rows (or columns) of a result per part, at least.
const MIN_LINES: usize = 96;
/// Parts into which a result is cut where it is small.
const PARTS: usize = 16;
/// Samples per part of a sum over samples, at least, and the number of parts at most.
const MIN_SAMPLES: usize = 4096;
const SAMPLE_PARTS: usize = 64;

/// Rows that one task takes, so that small matrices are not spread over threads.
pub(in super::super) fn rows_per_task(cols: usize) -> usize {
    (1 << 15) / cols.max(1) + 1
}

/// A view for faer; what is made here is row-major and contiguous.
pub(in super::super) fn faer_view<E: Element>(m: ArrayView2<'_, E>) -> Result<MatRef<'_, E>> {
    let (rows, cols) = m.dim();
    Ok(MatRef::from_row_major_slice(m.to_slice().ok_or_else(not_row_major)?, rows, cols))
}

pub(in super::super) fn not_row_major() -> Error {
    Error::Shape { what: "matrix", expected: "row-major and contiguous".into(), found: "another layout".into() }
}

/// `out = op(a) op(b)`, or that added to `out`, of matrices that fit each other.
pub(crate) fn multiply<E: Element>(
    op: MatMul,
    a: ArrayView2<'_, E>,
    b: ArrayView2<'_, E>,
    write: Write,
    mut out: ArrayViewMut2<'_, E>,
) -> Result<()> {
    if out.is_empty() {
        return Ok(());
    }
    let (mut left, mut right) = (faer_view(a)?, faer_view(b)?);
    match op {
        MatMul::NN => {}
        MatMul::TN if a.nrows() >= 2 * MIN_SAMPLES => return sum_over_samples(a, b, write, out),
        MatMul::TN => left = left.transpose(),
        MatMul::NT => right = right.transpose(),
    }
    let (rows, cols) = out.dim();
    let out = MatMut::from_row_major_slice_mut(out.as_slice_mut().ok_or_else(not_row_major)?, rows, cols);
    let accum = if write == Write::Add { Accum::Add } else { Accum::Replace };
    in_parts(out, accum, left, right);
    Ok(())
}

/// `out = left right`, or that added to `out`: parts along its longer side, next to each other.
pub(in super::super) fn in_parts<E: Element>(
    mut out: MatMut<'_, E>,
    accum: Accum,
    left: MatRef<'_, E>,
    right: MatRef<'_, E>,
) {
    let (rows, cols, inner) = (out.nrows(), out.ncols(), left.ncols());
    if inner == 0 {
        if accum == Accum::Replace {
            out.fill(E::zero());
        }
        return;
    }
    let by_rows = rows >= cols;
    let (lines, across) = (rows.max(cols), rows.min(cols));
    let size = (PART / (across * inner).max(1)).min(lines.div_ceil(PARTS)).max(MIN_LINES);
    let mut parts = Vec::with_capacity(lines.div_ceil(size));
    for start in (0..lines).step_by(size) {
        let count = size.min(lines - start);
        let (part, rest) = if by_rows { out.split_at_row_mut(count) } else { out.split_at_col_mut(count) };
        out = rest;
        let (left, right) = match by_rows {
            true => (left.subrows(start, count), right),
            false => (left, right.subcols(start, count)),
        };
        parts.push((part, left, right));
    }
    parts.into_par_iter().for_each(|(part, left, right)| matmul(part, accum, left, right, E::one(), Par::Seq));
}

/// `aᵀb` of tall matrices: parts of the samples side by side, then their sums in order.
fn sum_over_samples<E: Element>(
    a: ArrayView2<'_, E>,
    b: ArrayView2<'_, E>,
    write: Write,
    mut out: ArrayViewMut2<'_, E>,
) -> Result<()> {
    let part = a.nrows().div_ceil(SAMPLE_PARTS).max(MIN_SAMPLES);
    let starts: Vec<usize> = (0..a.nrows()).step_by(part).collect();
    let parts = starts.into_par_iter().map(|start| {
        let rows = s![start..(start + part).min(a.nrows()), ..];
        let mut part = Array2::zeros(out.dim());
        let (a, b) = (faer_view(a.slice(rows))?, faer_view(b.slice(rows))?);
        let to = part.as_slice_mut().ok_or_else(not_row_major)?;
        let to = MatMut::from_row_major_slice_mut(to, a.ncols(), b.ncols());
        matmul(to, Accum::Replace, a.transpose(), b, E::one(), Par::Seq);
        Ok(part)
    });
    let parts = parts.collect::<Result<Vec<Array2<E>>>>()?;
    if write == Write::Replace {
        out.fill(E::zero());
    }
    for part in parts {
        out += &part;
    }
    Ok(())
}
