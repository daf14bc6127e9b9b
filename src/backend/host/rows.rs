//! Coordinate descent on rows on their own: `x ← max(0, x − (Gx − b)_j / G_jj)`, j from first to last.
//!
//! Rows lie side by side in vector registers. A tile of them is held by columns; [`COLUMNS`] columns at a time get their
//! gradients `u_J = G_J: x − b_J` from one pass over the tile and are then solved in their order, a column that moves by
//! δ correcting the later ones of the few: `u_j' += G_jj' δ`. The gradients never leave the registers.

use crate::Result;
use crate::backend::{Descent, Element, LEAST_CURVATURE};
use ndarray::parallel::prelude::*;
use ndarray::{ArrayRef2, ArrayView2, ArrayViewMut2, Axis};
use pulp::{Arch, Simd, WithSimd};

/// Columns whose gradients are in registers.
const COLUMNS: usize = 4;
/// Rows of a task: one tile where registers are longest.
const ROWS: usize = 64;

/// See [`Backend::descend`](crate::backend::Backend::descend); the shapes have been checked.
pub(super) fn descend<E: Element>(block: Descent<'_, ArrayRef2<E>>, x: &mut ArrayRef2<E>) -> Result<()> {
    let panels = panels(block.gram);
    x.axis_chunks_iter_mut(Axis(0), ROWS)
        .into_par_iter()
        .zip(block.rhs.axis_chunks_iter(Axis(0), ROWS))
        .for_each(|(x, rhs)| Arch::new().dispatch(Task { panels: &panels, x, rhs, sweeps: block.sweeps }));
    Ok(())
}

/// The Gram in the order in which it is read: for every few columns J row after row of `G_:J`; what is missing of the
/// last few is 0.
fn panels<E: Element>(gram: &ArrayRef2<E>) -> Vec<E> {
    let k = gram.nrows();
    let starts = (0..k).step_by(COLUMNS);
    let entry = |first: usize, t: usize, c: usize| if first + c < k { gram[[t, first + c]] } else { E::zero() };
    starts.flat_map(|first| (0..k * COLUMNS).map(move |i| entry(first, i / COLUMNS, i % COLUMNS))).collect()
}

/// Rows for one thread.
struct Task<'a, E> {
    panels: &'a [E],
    x: ArrayViewMut2<'a, E>,
    rhs: ArrayView2<'a, E>,
    sweeps: usize,
}

impl<E: Element> WithSimd for Task<'_, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // Sixteen registers hold the gradients, two thirds of those there are.
        if S::REGISTER_COUNT >= 32 { self.run::<S, 4>(simd) } else { self.run::<S, 2>(simd) }
    }
}

impl<E: Element> Task<'_, E> {
    /// Tiles of V vectors of rows.
    #[inline(always)]
    fn run<S: Simd, const V: usize>(mut self, simd: S) {
        let k = self.x.ncols();
        let simd = E::simd_ctx(simd);
        let tile = V * size_of::<E::SimdVec<S>>() / size_of::<E>();
        let zero = E::simd_splat(&simd, &E::zero());
        let padded = k.next_multiple_of(COLUMNS);
        // By columns. Rows and columns that are missing are 0 and stay so.
        let (mut columns, mut minus_rhs) = (vec![[zero; V]; padded], vec![[zero; V]; padded]);
        for (mut x, rhs) in self.x.axis_chunks_iter_mut(Axis(0), tile).zip(self.rhs.axis_chunks_iter(Axis(0), tile)) {
            let numbers: &mut [E] = bytemuck::cast_slice_mut(&mut minus_rhs);
            for (i, rhs) in rhs.rows().into_iter().enumerate() {
                for (to, b) in numbers[i..].iter_mut().step_by(tile).zip(rhs) {
                    *to = -*b;
                }
            }
            let numbers: &mut [E] = bytemuck::cast_slice_mut(&mut columns);
            for (i, x) in x.rows().into_iter().enumerate() {
                for (to, x) in numbers[i..].iter_mut().step_by(tile).zip(x) {
                    *to = *x;
                }
            }
            for _ in 0..self.sweeps {
                for (panel, first) in self.panels.chunks_exact(k * COLUMNS).zip((0..).step_by(COLUMNS)) {
                    solve::<E, S, V>(&simd, panel, first, &minus_rhs, &mut columns);
                }
            }
            let numbers: &[E] = bytemuck::cast_slice(&columns);
            for (i, mut x) in x.rows_mut().into_iter().enumerate() {
                for (x, from) in x.iter_mut().zip(numbers[i..].iter().step_by(tile)) {
                    *x = *from;
                }
            }
        }
    }
}

/// The columns of one panel, from `first` on.
#[inline(always)]
fn solve<E: Element, S: Simd, const V: usize>(
    simd: &E::SimdCtx<S>,
    panel: &[E],
    first: usize,
    minus_rhs: &[[E::SimdVec<S>; V]],
    columns: &mut [[E::SimdVec<S>; V]],
) {
    let zero = E::simd_splat(simd, &E::zero());
    let mut u = [[zero; V]; COLUMNS];
    u.copy_from_slice(&minus_rhs[first..first + COLUMNS]);
    for (x, g) in columns.iter().zip(panel.chunks_exact(COLUMNS)) {
        for (u, g) in u.iter_mut().zip(g) {
            let g = E::simd_splat(simd, g);
            for (u, x) in u.iter_mut().zip(x) {
                *u = E::simd_mul_add(simd, g, *x, *u);
            }
        }
    }
    for c in 0..COLUMNS {
        let Some(row) = panel.chunks_exact(COLUMNS).nth(first + c) else { return };
        if row[c] <= E::of(LEAST_CURVATURE) {
            continue;
        }
        let minus_step = E::simd_splat(simd, &(-E::one() / row[c]));
        let x = &mut columns[first + c];
        let mut moved = [zero; V];
        for ((x, u), moved) in x.iter_mut().zip(&u[c]).zip(&mut moved) {
            let new = E::simd_mul_add(simd, minus_step, *u, *x);
            let new = E::simd_select(simd, E::simd_greater_than(simd, new, zero), new, zero);
            *moved = E::simd_sub(simd, new, *x);
            *x = new;
        }
        for (u, g) in u.iter_mut().zip(row).skip(c + 1) {
            let g = E::simd_splat(simd, g);
            for (u, moved) in u.iter_mut().zip(&moved) {
                *u = E::simd_mul_add(simd, g, *moved, *u);
            }
        }
    }
}
