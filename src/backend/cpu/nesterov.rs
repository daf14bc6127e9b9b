//! Projected steps of Nesterov's method.

use super::products::{faer_view, not_row_major};
use super::{Cpu, rows_per_task};
use crate::Result;
use crate::backend::{Element, Momentum, NesterovRows, NesterovStep, check, momentum};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, Par};
use ndarray::parallel::prelude::*;
use ndarray::{Array1, Array2, Axis, Zip};
use pulp::Arch;

/// See [`Backend::nesterov_step`](crate::backend::Backend::nesterov_step); the shapes have been checked.
pub(super) fn step<E: Element>(step: NesterovStep<'_, Cpu<E>>) -> Result<()> {
    let NesterovStep { gradient, rhs, column_sums, right, left, extra, momentum, first, x, y } = step;
    let cols = x.ncols();
    let mut pull = Array1::zeros(cols);
    if let Some((mu, sums)) = column_sums {
        pull = &sums.row(0) * E::of(mu);
    }
    let (extra, right) = (E::of(extra), right.row(0));
    let (restart, fixed) = match &momentum {
        Momentum::Fixed(beta) => (false, E::of(*beta)),
        Momentum::Restart { .. } => (true, E::zero()),
    };
    // y becomes x_new + β(x_new − x) at once, or x_new − x where β waits for the sum of the restart test.
    let task = rows_per_task(cols);
    let uphill: Vec<f64> = x
        .axis_chunks_iter_mut(Axis(0), task)
        .into_par_iter()
        .zip(y.axis_chunks_iter_mut(Axis(0), task))
        .zip(gradient.axis_chunks_iter(Axis(0), task))
        .zip(rhs.axis_chunks_iter(Axis(0), task))
        .enumerate()
        .map(|(block, (((mut x, mut y), gradient), rhs))| {
            let mut uphill = 0.0;
            for (i, mut x) in x.rows_mut().into_iter().enumerate() {
                let row = left.map_or(E::one(), |left| left[[0, block * task + i]]);
                let (mut y, gradient, rhs) = (y.row_mut(i), gradient.row(i), rhs.row(i));
                for j in 0..cols {
                    let at = if first { x[j] } else { y[j] };
                    let new = entry(x[j], at, gradient[j] - rhs[j] + pull[j], row * right[j] + extra);
                    let moved = new - x[j];
                    if restart {
                        uphill += ((at - new) * moved).f64();
                        y[j] = moved;
                    } else {
                        y[j] = new + fixed * moved;
                    }
                    x[j] = new;
                }
            }
            uphill
        })
        .collect();
    if let Momentum::Restart { state, scalars, slot } = momentum {
        check::slot(scalars.len(), slot)?;
        scalars[slot] = uphill.iter().sum();
        let alpha = if first { E::one() } else { state[[0, 0]] };
        let four = E::of(4.0);
        let next = (E::one() + (four * alpha * alpha + E::one()).sqrt()) / E::of(2.0);
        let (next, beta) =
            if !first && scalars[slot] > 0.0 { (E::one(), E::zero()) } else { (next, (alpha - E::one()) / next) };
        state.assign(&ndarray::arr2(&[[next, beta]]));
        Zip::from(y).and(x).par_for_each(|y, &mut x| *y = x + beta * *y);
    }
    Ok(())
}

/// Where an entry goes from x, by the gradient at another point; without curvature nothing depends on it, and it stays.
#[inline(always)]
fn entry<E: Element>(x: E, at: E, gradient: E, curvature: E) -> E {
    if curvature > E::zero() { (at - gradient / curvature).max(E::zero()) } else { x }
}

/// See [`Backend::nesterov_rows`](crate::backend::Backend::nesterov_rows): as many rows at a time as stay in a core's cache.
pub(super) fn rows<E: Element>(block: NesterovRows<'_, Array2<E>>, x: &mut Array2<E>) -> Result<()> {
    let (k, gram, extra) = (x.ncols(), faer_view(block.gram.view())?, E::of(block.extra));
    let curvature = &block.right.row(0) + extra;
    let task = rows_per_task(k);
    x.axis_chunks_iter_mut(Axis(0), task).into_par_iter().zip(block.rhs.axis_chunks_iter(Axis(0), task)).try_for_each(
        |(mut x, rhs)| {
            let rows = x.nrows();
            let (mut y, mut gradient) = (x.to_owned(), Array2::zeros(x.dim()));
            let x = x.as_slice_mut().ok_or_else(not_row_major)?;
            let mut alpha = 1.0_f64;
            for _ in 0..block.steps {
                let (next, beta) = momentum(alpha);
                let beta = E::of(beta);
                alpha = next;
                let to = gradient.as_slice_mut().ok_or_else(not_row_major)?;
                let product = MatMut::from_row_major_slice_mut(to, rows, k);
                matmul(product, Accum::Replace, faer_view(y.view())?, gram, E::one(), Par::Seq);
                let y = y.as_slice_mut().ok_or_else(not_row_major)?.chunks_exact_mut(k);
                let lines = x.chunks_exact_mut(k).zip(y).zip(to.chunks_exact(k)).zip(rhs.rows());
                for (((x, y), gradient), rhs) in lines {
                    let rhs = rhs.to_slice().ok_or_else(not_row_major)?;
                    Arch::new().dispatch(
                        #[inline(always)]
                        || {
                            let entries = x.iter_mut().zip(y).zip(gradient).zip(rhs).zip(&curvature);
                            for ((((x, y), &gradient), &rhs), &curvature) in entries {
                                let new = entry(*x, *y, gradient - rhs, curvature);
                                *y = new + beta * (new - *x);
                                *x = new;
                            }
                        },
                    );
                }
            }
            Ok(())
        },
    )
}
