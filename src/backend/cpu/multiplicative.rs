//! The operations of the other models than those of blocks.

use super::{Cpu, rows_per_task};
use crate::Result;
use crate::backend::multiplicative::FLOOR;
use crate::backend::{Element, MatMul, MultiplicativeStep, Part, Rule, Sparse, check, multiplicative};
use ndarray::parallel::prelude::*;
use ndarray::{Array2, Axis, Zip};

pub(super) fn step<E: Element>(b: &Cpu<E>, step: MultiplicativeStep<'_, Array2<E>>) -> Result<()> {
    multiplicative::check_step(b, &step)?;
    let MultiplicativeStep { rhs, attract, repel, degree, rule, x } = step;
    let (cols, zero, floor) = (x.ncols(), E::zero(), E::of(FLOOR.into()));
    let task = rows_per_task(cols);
    x.axis_chunks_iter_mut(Axis(0), task).into_par_iter().enumerate().for_each(|(block, mut x)| {
        for (i, mut x) in x.rows_mut().into_iter().enumerate() {
            let i = block * task + i;
            let degree = degree.map_or(zero, |d| d[[0, i]]);
            let (rhs, repel) = (rhs.row(i), repel.row(i));
            let attract = attract.map(|a| a.row(i));
            for j in 0..cols {
                let n = rhs[j].max(zero) + attract.map_or(zero, |a| a[j]);
                let d = (-rhs[j]).max(zero) + repel[j] + degree * x[j];
                x[j] *= match rule {
                    Rule::Ratio => n / (d + floor),
                    Rule::Root => (n / d.max(floor)).sqrt(),
                };
            }
        }
    });
    Ok(())
}

pub(super) fn part<E: Element>(m: &Array2<E>, part: Part, out: &mut Array2<E>) -> Result<()> {
    check::same("part", m.dim(), out.dim())?;
    let zero = E::zero();
    Zip::from(out).and(m).par_for_each(|out, &m| {
        *out = match part {
            Part::Positive => m.max(zero),
            Part::Negative => (-m).max(zero),
            Part::Absolute => m.abs(),
        }
    });
    Ok(())
}

/// Not below `least`.
pub(super) fn gradient_step<E: Element>(
    (x, gradient): (&Array2<E>, &Array2<E>),
    alpha: f64,
    least: E,
    (to, moved): (&mut Array2<E>, &mut Array2<E>),
) -> Result<()> {
    check::same("descent, gradient", x.dim(), gradient.dim())?;
    check::same("descent, result", x.dim(), to.dim())?;
    check::same("descent, difference", x.dim(), moved.dim())?;
    let alpha = E::of(alpha);
    Zip::from(to).and(moved).and(x).and(gradient).par_for_each(|to, moved, &x, &g| {
        *to = (x - alpha * g).max(least);
        *moved = *to - x;
    });
    Ok(())
}

pub(super) fn projected_gradient<E: Element>(
    x: &Array2<E>,
    rhs: &Array2<E>,
    gradient: &mut Array2<E>,
    out: &mut Array2<E>,
) -> Result<()> {
    check::same("projected gradient, right side", x.dim(), rhs.dim())?;
    check::same("projected gradient, gradient", x.dim(), gradient.dim())?;
    check::same("projected gradient", x.dim(), out.dim())?;
    Zip::from(out).and(gradient).and(x).and(rhs).par_for_each(|out, g, &x, &rhs| {
        *g -= rhs;
        *out = if *g < E::zero() || x > E::zero() { *g } else { E::zero() };
    });
    Ok(())
}

pub(super) fn inverse<E: Element>(gram: &Array2<E>, out: &mut Array2<E>) -> Result<()> {
    check::square("gram", gram.dim())?;
    check::same("inverse", gram.dim(), out.dim())?;
    out.assign(&multiplicative::symmetric_inverse(gram.view())?);
    Ok(())
}

pub(super) fn sparse_product<E: Element>(a: &Sparse<E>, b: &Array2<E>, out: &mut Array2<E>) -> Result<()> {
    check::product(MatMul::NN, (a.rows(), a.cols), b.dim(), out.dim())?;
    out.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(i, mut out)| {
        out.fill(E::zero());
        for (c, w) in a.row(i) {
            out.scaled_add(w, &b.row(c));
        }
    });
    Ok(())
}
