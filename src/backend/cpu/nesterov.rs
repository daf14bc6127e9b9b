//! One projected step of Nesterov's method.

use super::{Cpu, rows_per_task};
use crate::Result;
use crate::backend::{Element, Momentum, NesterovStep, check};
use ndarray::parallel::prelude::*;
use ndarray::{Array1, Axis, Zip};

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
                    let denominator = row * right[j] + extra;
                    let mut new = x[j];
                    if denominator > E::zero() {
                        new = (at - (gradient[j] - rhs[j] + pull[j]) / denominator).max(E::zero());
                    }
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
