//! Sums, in `f64` or by columns, in an order that does not depend on the number of threads.

use crate::Result;
use crate::backend::host::products::multiply;
use crate::backend::host::rows_per_task;
use crate::backend::{ColumnSums, Element, MatMul, Write, rows_of_bytes};
use ndarray::parallel::prelude::*;
use ndarray::{Array1, Array2, ArrayRef2, ArrayView2, Axis, s};
use pulp::Arch;

/// Sums that run side by side.
const LANES: usize = 16;
/// Bytes of a product of which a residual is taken at a time.
const RESIDUAL_BYTES: usize = 16 << 20;

/// Writes a sum.
pub(super) fn put(sum: f64, write: Write, to: &mut f64) {
    *to = if write == Write::Add { *to + sum } else { sum };
}

/// `Σ_ij a_ij b_ij`.
pub(super) fn dot<E: Element>(a: &ArrayRef2<E>, b: &ArrayRef2<E>) -> f64 {
    blocked(a.view(), b.view(), |a, b| a.f64() * b.f64())
}

/// `Σ_ij a_ij`.
pub(super) fn entries<E: Element>(a: &ArrayRef2<E>) -> f64 {
    blocked(a.view(), a.view(), |a, _| a.f64())
}

/// `‖x − h psiᵀ‖²`, of matrices that fit each other; the product is made for some rows at a time.
pub(super) fn residual<E: Element>(x: &ArrayRef2<E>, h: &ArrayRef2<E>, psi: &ArrayRef2<E>) -> Result<f64> {
    let block = rows_of_bytes::<E>(RESIDUAL_BYTES, x.ncols()).min(x.nrows().max(1));
    let mut product = Array2::zeros((block, x.ncols()));
    let mut total = 0.0;
    for start in (0..x.nrows()).step_by(block) {
        let rows = start..(start + block).min(x.nrows());
        let mut product = product.slice_mut(s![..rows.len(), ..]);
        multiply(MatMul::NT, h.slice(s![rows.clone(), ..]), psi.view(), Write::Replace, product.view_mut())?;
        total += blocked(x.slice(s![rows, ..]), product.view(), |x, p| (x.f64() - p.f64()).powi(2));
    }
    Ok(total)
}

/// Blocks of rows side by side, then their sums in order.
fn blocked<E: Element>(a: ArrayView2<'_, E>, b: ArrayView2<'_, E>, term: impl Fn(E, E) -> f64 + Copy + Sync) -> f64 {
    let rows = rows_per_task(a.ncols());
    let parts: Vec<f64> = a
        .axis_chunks_iter(Axis(0), rows)
        .into_par_iter()
        .zip(b.axis_chunks_iter(Axis(0), rows))
        .map(|(a, b)| match (a.to_slice(), b.to_slice()) {
            (Some(a), Some(b)) => Arch::new().dispatch(
                #[inline(always)]
                || lanes(a, b, term),
            ),
            _ => a.iter().zip(b).map(|(&a, &b)| term(a, b)).sum(),
        })
        .collect();
    parts.iter().sum()
}

#[inline(always)]
fn lanes<E: Element>(a: &[E], b: &[E], term: impl Fn(E, E) -> f64) -> f64 {
    let mut sums = [0.0; LANES];
    let (whole, rest) = (a.chunks_exact(LANES), a.chunks_exact(LANES).remainder());
    let (of_b, rest_of_b) = (b.chunks_exact(LANES), b.chunks_exact(LANES).remainder());
    for (a, b) in whole.zip(of_b) {
        for l in 0..LANES {
            sums[l] += term(a[l], b[l]);
        }
    }
    sums.iter().sum::<f64>() + rest.iter().zip(rest_of_b).map(|(&a, &b)| term(a, b)).sum::<f64>()
}

/// Sums of columns into a row.
pub(super) fn columns<E: Element>(m: &ArrayRef2<E>, what: ColumnSums, write: Write, out: &mut ArrayRef2<E>) {
    let term = |x: E| if what == ColumnSums::SumOfSquares { x * x } else { x };
    let parts: Vec<Array1<E>> = m
        .axis_chunks_iter(Axis(0), rows_per_task(m.ncols()))
        .into_par_iter()
        .map(|block| block.fold_axis(Axis(0), E::zero(), |&sum, &x| sum + term(x)))
        .collect();
    let mut row = out.row_mut(0);
    if write == Write::Replace {
        row.fill(E::zero());
    }
    for part in parts {
        row += &part;
    }
    if what == ColumnSums::SumSquared {
        row.mapv_inplace(|s| s * s);
    }
}
