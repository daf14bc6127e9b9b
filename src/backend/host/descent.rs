//! Coordinate descent on the CPU: columns in blocks, products between the blocks, rows side by side in registers.
//!
//! A block of columns J first gets its gradients from one product, `U = X G_:J − B_:J`, which holds for the X before the
//! block; within the block every column that moves by δ corrects the later ones: `U_:j' += G_jj' δ`. That is the plain
//! order of the coordinates, with nearly all of the work in the product.

use super::products::{faer_view, in_parts, not_row_major};
use super::rows;
use crate::Result;
use crate::backend::{Descent, Element, LEAST_CURVATURE};
use faer::{Accum, MatMut, MatRef};
use ndarray::ArrayRef2;
use pulp::Arch;
use rayon::prelude::*;
use rayon::slice::ParallelSliceMut;

/// Columns between two products.
const BLOCK: usize = 64;
/// Sums that run side by side.
const LANES: usize = 16;

/// See [`Backend::descend`](crate::backend::Backend::descend); the shapes have been checked.
pub(in super::super) fn descend<E: Element>(block: Descent<'_, ArrayRef2<E>>, x: &mut ArrayRef2<E>) -> Result<()> {
    if x.is_empty() {
        return Ok(());
    }
    match block.left {
        Some(left) => chained(left, block, x),
        None if block.mu > 0.0 => columns(block, x),
        None => rows::descend(block, x),
    }
}

/// Column after column, each solved exactly: the prox of the squared L1 norm. X is held by columns.
fn columns<E: Element>(block: Descent<'_, ArrayRef2<E>>, x: &mut ArrayRef2<E>) -> Result<()> {
    let (rows, k) = x.dim();
    let (gram, mu) = (faer_view(block.gram.view())?, E::of(block.mu));
    let mut columns = transposed(x);
    let rhs = transposed(block.rhs);
    let mut u = vec![E::zero(); BLOCK * rows];
    for first in (0..block.sweeps).flat_map(|_| (0..k).step_by(BLOCK)) {
        let count = BLOCK.min(k - first);
        let u = &mut u[..count * rows];
        for (u, b) in u.iter_mut().zip(&rhs[first * rows..]) {
            *u = -*b;
        }
        let (of_u, x) =
            (MatMut::from_row_major_slice_mut(u, count, rows), MatRef::from_row_major_slice(&columns, k, rows));
        in_parts(of_u, Accum::Add, gram.subrows(first, count), x);
        for (j, x) in columns[first * rows..(first + count) * rows].chunks_exact_mut(rows).enumerate() {
            let (now, later) = u[j * rows..].split_at_mut(rows);
            let curvature = block.gram[[first + j, first + j]];
            if curvature <= E::of(LEAST_CURVATURE) {
                continue;
            }
            Arch::new().dispatch(
                #[inline(always)]
                || solve_column(curvature, mu, now, x),
            );
            let moved = &*now;
            let correct = |(later, u): (usize, &mut [E])| {
                let g = block.gram[[first + j, first + j + 1 + later]];
                Arch::new().dispatch(
                    #[inline(always)]
                    || add_scaled(g, moved, u),
                );
            };
            // Columns of everyday size are done before another thread has woken up.
            if rows < 1 << 14 {
                later.chunks_exact_mut(rows).enumerate().for_each(correct);
            } else {
                later.par_chunks_exact_mut(rows).enumerate().for_each(correct);
            }
        }
    }
    for (mut x, columns) in x.columns_mut().into_iter().zip(columns.chunks_exact(rows.max(1))) {
        x.assign(&ndarray::aview1(columns));
    }
    Ok(())
}

/// Entry after entry, by columns, from one to the next.
fn transposed<E: Element>(m: &ArrayRef2<E>) -> Vec<E> {
    m.columns().into_iter().flat_map(|column| column.to_vec()).collect()
}

/// `u += g · moved`.
#[inline(always)]
fn add_scaled<E: Element>(g: E, moved: &[E], u: &mut [E]) {
    for (u, moved) in u.iter_mut().zip(moved) {
        *u += g * *moved;
    }
}

/// One column, from its gradient `u`; afterwards `u` is by how much the column moved.
#[inline(always)]
fn solve_column<E: Element>(curvature: E, mu: E, u: &mut [E], x: &mut [E]) {
    for (u, x) in u.iter_mut().zip(&*x) {
        *u = curvature * *x - *u;
    }
    let t = threshold(u, curvature, mu);
    let step = E::one() / curvature;
    for (u, x) in u.iter_mut().zip(x) {
        let new = ((*u - t) * step).max(E::zero());
        *u = new - *x;
        *x = new;
    }
}

/// The t with `t = mu Σ_i max(0, (r_i − t)/c)`: `t = mu Σ_{active} r / (c + mu · active)`, active where r > t. From t = 0
/// on this is Newton's method on a convex piecewise linear function: t grows and entries only leave, until none does.
#[inline(always)]
fn threshold<E: Element>(r: &[E], c: E, mu: E) -> E {
    let (mut t, mut active_before) = (E::zero(), E::infinity());
    loop {
        let (sum, active) = above(r, t);
        // Rounding may let an entry in again.
        if active >= active_before || active <= E::zero() {
            return t;
        }
        active_before = active;
        t = mu * sum / (c + mu * active);
    }
}

/// The sum and the number of the entries above t.
#[inline(always)]
fn above<E: Element>(r: &[E], t: E) -> (E, E) {
    let (mut sums, mut counts) = ([E::zero(); LANES], [E::zero(); LANES]);
    let whole = r.chunks_exact(LANES);
    let rest = whole.remainder();
    for r in whole {
        for l in 0..LANES {
            let is_above = r[l] > t;
            sums[l] += if is_above { r[l] } else { E::zero() };
            counts[l] += if is_above { E::one() } else { E::zero() };
        }
    }
    for (l, r) in rest.iter().enumerate().filter(|(_, r)| **r > t) {
        sums[l] += *r;
        counts[l] += E::one();
    }
    (sums.into_iter().sum(), counts.into_iter().sum())
}

/// With A on the left: column after column, in each coordinate after coordinate. Everything is coupled, so what
/// runs side by side is the correction by a coordinate that moved; one that stays at 0 costs nothing.
fn chained<E: Element>(left: &ArrayRef2<E>, block: Descent<'_, ArrayRef2<E>>, x: &mut ArrayRef2<E>) -> Result<()> {
    let (rows, k) = x.dim();
    let (gram, a, mu) = (faer_view(block.gram.view())?, faer_view(left.view())?, E::of(block.mu));
    let (mut t, mut u) = (vec![E::zero(); BLOCK * rows], vec![E::zero(); BLOCK * rows]);
    // A δ of the column.
    let mut pull = vec![E::zero(); rows];
    for first in (0..block.sweeps).flat_map(|_| (0..k).step_by(BLOCK)) {
        let count = BLOCK.min(k - first);
        let (t, u) = (&mut t[..count * rows], &mut u[..count * rows]);
        // By columns: (X G_:J)ᵀ = G_J: Xᵀ, and A on its right.
        let mut of_t = MatMut::from_row_major_slice_mut(t, count, rows);
        let gram = gram.subrows(first, count);
        in_parts(of_t.as_mut(), Accum::Replace, gram, faer_view(x.view())?.transpose());
        let of_u = MatMut::from_row_major_slice_mut(u, count, rows);
        in_parts(of_u, Accum::Replace, of_t.as_ref(), a);
        for j in 0..count {
            let (now, later) = u[j * rows..].split_at_mut(rows);
            let mut column = x.column_mut(first + j);
            let curvature = block.gram[[first + j, first + j]];
            let mut sum: E = column.iter().copied().sum();
            pull.fill(E::zero());
            for i in 0..rows {
                let denominator = left[[i, i]] * curvature + mu;
                if denominator <= E::of(LEAST_CURVATURE) {
                    continue;
                }
                let gradient = now[i] + curvature * pull[i] - block.rhs[[i, first + j]] + mu * sum;
                let new = (column[i] - gradient / denominator).max(E::zero());
                let moved = new - column[i];
                if moved != E::zero() {
                    column[i] = new;
                    sum += moved;
                    let row = left.row(i);
                    let row = row.as_slice().ok_or_else(not_row_major)?;
                    Arch::new().dispatch(
                        #[inline(always)]
                        || add_scaled(moved, row, &mut pull),
                    );
                }
            }
            for (later, u) in later.chunks_exact_mut(rows).enumerate() {
                let g = block.gram[[first + j, first + j + 1 + later]];
                Arch::new().dispatch(
                    #[inline(always)]
                    || add_scaled(g, &pull, u),
                );
            }
        }
    }
    Ok(())
}
