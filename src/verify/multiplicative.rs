//! The operations of the other models than those of blocks.

use super::elementwise::{DIVISION, SQRT, U};
use super::{Data, Verifier, gamma, wide};
use crate::Result;
use crate::backend::multiplicative::FLOOR;
use crate::backend::{Backend, MultiplicativeStep, Part, Rule, Sparse};
use ndarray::Array2;

pub(super) fn run<B: Backend<Elem = f32>>(v: &mut Verifier<'_, B>) -> Result<()> {
    for shape in [(1, 1), (64, 64), (65, 63), (131, 67), (1031, 3)] {
        step(v, shape)?;
        part(v, shape)?;
        descent(v, shape)?;
    }
    for k in [1, 7, 64, 101] {
        inverse(v, k)?;
    }
    // Rows, columns of the sparse matrix and of the other.
    for shape in [(1, 1, 1), (64, 64, 64), (65, 131, 63), (300, 7, 3)] {
        for data in [Data::Signed, Data::Whole] {
            sparse_product(v, shape, data)?;
        }
    }
    Ok(())
}

fn step<B: Backend<Elem = f32>>(v: &mut Verifier<'_, B>, (rows, cols): (usize, usize)) -> Result<()> {
    for (rule, with_attract, with_degree) in
        [(Rule::Ratio, false, false), (Rule::Ratio, true, true), (Rule::Root, true, false)]
    {
        let [x, attract, repel] = [(); 3].map(|()| v.data(rows, cols, Data::Nonnegative));
        let rhs = v.data(rows, cols, if rule == Rule::Root { Data::Signed } else { Data::Nonnegative });
        // Denominators of 0 are met where `rhs` and `repel` both have one.
        let degree = v.data(1, rows, Data::Nonnegative);
        let mut on_x = v.b.upload(x.view())?;
        let (on_rhs, on_attract) = (v.b.upload(rhs.view())?, v.b.upload(attract.view())?);
        let (on_repel, on_degree) = (v.b.upload(repel.view())?, v.b.upload(degree.view())?);
        v.b.multiplicative_step(MultiplicativeStep {
            rhs: &on_rhs,
            attract: with_attract.then_some(&on_attract),
            repel: &on_repel,
            degree: with_degree.then_some(&on_degree),
            rule,
            x: &mut on_x,
        })?;
        let [mut expected, attract, repel, rhs, degree] = [&x, &attract, &repel, &rhs, &degree].map(wide);
        for ((i, j), x) in expected.indexed_iter_mut() {
            let r = rhs[[i, j]];
            let n = r.max(0.0) + if with_attract { attract[[i, j]] } else { 0.0 };
            let d = (-r).max(0.0) + repel[[i, j]] + if with_degree { degree[[0, i]] * *x } else { 0.0 };
            *x *= match rule {
                Rule::Ratio => n / (d + f64::from(FLOOR)),
                Rule::Root => (n / d.max(f64::from(FLOOR))).sqrt(),
            };
        }
        // Nothing is subtracted, so relative errors add up: two sums, a product, a quotient, a product.
        let root = if rule == Rule::Root { SQRT } else { 0.0 };
        let bound = expected.mapv(|e| e * (gamma(10) + 2.0 * DIVISION + root));
        let name =
            format!("multiplicative step {rows}×{cols} {rule:?}{}", if with_degree { " with a graph" } else { "" });
        v.compare_matrix(name, &on_x, &expected, &bound)?;
    }
    Ok(())
}

fn part<B: Backend<Elem = f32>>(v: &mut Verifier<'_, B>, (rows, cols): (usize, usize)) -> Result<()> {
    let host = v.data(rows, cols, Data::Signed);
    let m = v.b.upload(host.view())?;
    for part in [Part::Positive, Part::Negative, Part::Absolute] {
        let (mut out, mut expected) = (v.b.zeros(rows, cols)?, Array2::zeros((rows, cols)));
        v.b.part(&m, part, &mut out)?;
        v.oracle.part(&wide(&host), part, &mut expected)?;
        v.compare_matrix(format!("{part:?} part {rows}×{cols}"), &out, &expected, &(&expected * 0.0))?;
    }
    Ok(())
}

fn descent<B: Backend<Elem = f32>>(v: &mut Verifier<'_, B>, (rows, cols): (usize, usize)) -> Result<()> {
    let [x, product, rhs] = [Data::Nonnegative, Data::Signed, Data::Signed].map(|data| v.data(rows, cols, data));
    let (on_x, on_rhs) = (v.b.upload(x.view())?, v.b.upload(rhs.view())?);
    let (mut gradient, mut out) = (v.b.upload(product.view())?, v.b.zeros(rows, cols)?);
    v.b.projected_gradient(&on_x, &on_rhs, &mut gradient, &mut out)?;
    let [x, mut of_gradient, rhs] = [&x, &product, &rhs].map(wide);
    let mut expected = Array2::zeros((rows, cols));
    v.oracle.projected_gradient(&x, &rhs, &mut of_gradient, &mut expected)?;
    // One rounding, which keeps the sign.
    let bound = of_gradient.mapv(|g| U * g.abs());
    v.compare_matrix(format!("gradient {rows}×{cols}"), &gradient, &of_gradient, &bound)?;
    let bound = expected.mapv(|g| U * g.abs());
    v.compare_matrix(format!("projected gradient {rows}×{cols}"), &out, &expected, &bound)?;

    // From what the device has, so that the errors are those of this step.
    let of_gradient = wide(&v.b.download(&gradient)?);
    let (mut there, mut moved) = (v.b.zeros(rows, cols)?, v.b.zeros(rows, cols)?);
    let alpha = 0.375;
    v.b.gradient_step(&on_x, &gradient, alpha, &mut there, &mut moved)?;
    let (mut expected, mut of_moved) = (Array2::zeros((rows, cols)), Array2::zeros((rows, cols)));
    v.oracle.gradient_step(&x, &of_gradient, alpha, &mut expected, &mut of_moved)?;
    let bound = gamma(2) * (&x + &(of_gradient.mapv(f64::abs) * alpha));
    v.compare_matrix(format!("descent {rows}×{cols}"), &there, &expected, &bound)?;
    let bound = &bound + &(gamma(2) * (&of_moved.mapv(f64::abs) + &bound));
    v.compare_matrix(format!("descent {rows}×{cols}, difference"), &moved, &of_moved, &bound)
}

/// The host inverts in f64 on either side, so only the result is rounded.
fn inverse<B: Backend<Elem = f32>>(v: &mut Verifier<'_, B>, k: usize) -> Result<()> {
    let mut host = v.gram(k);
    // Far from singular, and with a component that is not in use.
    host.diag_mut().mapv_inplace(|d| 2.0 * d);
    if k > 2 {
        host.row_mut(1).fill(0.0);
        host.column_mut(1).fill(0.0);
    }
    let gram = v.b.upload(host.view())?;
    // What was there before must not matter.
    let before = v.data(k, k, Data::Signed);
    let (mut out, mut expected) = (v.b.upload(before.view())?, Array2::zeros((k, k)));
    v.b.inverse(&gram, &mut out)?;
    v.oracle.inverse(&wide(&host), &mut expected)?;
    let largest = expected.iter().fold(0.0_f64, |max, e| max.max(e.abs()));
    let bound = expected.mapv(|e| U * e.abs() + 1e-12 * largest);
    v.compare_matrix(format!("inverse {k}×{k}"), &out, &expected, &bound)
}

fn sparse_product<B: Backend<Elem = f32>>(
    v: &mut Verifier<'_, B>,
    (rows, inner, cols): (usize, usize, usize),
    data: Data,
) -> Result<()> {
    // A tenth of the entries; the first row has none and the last one all.
    let chance = v.data(rows, inner, Data::Signed);
    let values = v.data(rows, inner, data);
    let mut a = Sparse { cols: inner, starts: vec![0], columns: Vec::new(), weights: Vec::new() };
    let mut dense = Array2::zeros((rows, inner));
    for i in 0..rows {
        for j in (0..inner).filter(|&j| i + 1 == rows || (i > 0 && chance[[i, j]] > 0.8)) {
            a.columns.push(j as u32);
            a.weights.push(values[[i, j]]);
            dense[[i, j]] = f64::from(values[[i, j]]);
        }
        a.starts.push(a.columns.len() as u32);
    }
    let b = v.data(inner, cols, data);
    let before = v.data(rows, cols, Data::Signed);
    let (on_a, on_b, mut out) = (v.b.sparse(&a)?, v.b.upload(b.view())?, v.b.upload(before.view())?);
    v.b.sparse_product(&on_a, &on_b, &mut out)?;
    let b = wide(&b);
    let expected = dense.dot(&b);
    let bound = dense.mapv(f64::abs).dot(&b.mapv(f64::abs)) * gamma(inner + 1);
    let bound = if data == Data::Whole { bound * 0.0 } else { bound };
    v.compare_matrix(format!("sparse product {rows}×{inner}×{cols} {data:?}"), &out, &expected, &bound)
}
