//! Everything that is neither a product nor a sum.

use super::{Data, Verifier, gamma, wide};
use crate::Result;
use crate::backend::{Backend, By, Curvature, Element, Momentum, NesterovStep};
use crate::model::{HPenalty, Metric};
use ndarray::{Array2, Zip};

pub(super) const U: f64 = f32::UNIT;
/// Vulkan: 2.5 units in the last place, one of which is up to 2u.
pub(super) const DIVISION: f64 = 5.0 * U;
/// Vulkan: as a division by a reciprocal square root of 2 units in the last place.
pub(super) const SQRT: f64 = 4.0 * U + DIVISION;

pub(super) fn run<B: Backend<Elem = f32>>(v: &mut Verifier<'_, B>) -> Result<()> {
    for k in [1, 7, 64, 101] {
        spectral_bound(v, k)?;
        add_penalty(v, k)?;
        balance(v, k)?;
    }
    for (rows, cols) in [(1, 1), (64, 64), (65, 63), (131, 67), (1031, 3)] {
        for left in [false, true] {
            step(v, (rows, cols), left)?;
        }
        restart(v, (rows, cols))?;
        copy_and_scale(v, (rows, cols))?;
        for data in [Data::Signed, Data::Whole] {
            nearest(v, (rows, cols), data)?;
        }
    }
    Ok(())
}

/// Whole numbers have many ties, of which the first counts; of others rounding decides where two are as good as equal.
fn nearest<B: Backend<Elem = f32>>(v: &mut Verifier<'_, B>, (rows, cols): (usize, usize), data: Data) -> Result<()> {
    let [products, halves] = [rows, 1].map(|rows| v.data(rows, cols, data));
    let (on_products, on_halves) = (v.b.upload(products.view())?, v.b.upload(halves.view())?);
    let mut out = v.b.zeros(rows, cols)?;
    v.b.nearest(&on_products, &on_halves, &mut out)?;
    let (products, halves) = (wide(&products), wide(&halves));
    let (mut expected, mut bound) = (Array2::zeros((rows, cols)), Array2::zeros((rows, cols)));
    v.oracle.nearest(&products, &halves, &mut expected)?;
    if data != Data::Whole {
        for (i, mut bound) in bound.rows_mut().into_iter().enumerate() {
            let far = &halves.row(0) - &products.row(i);
            let least = far.fold(f64::INFINITY, |least, &v| least.min(v));
            Zip::from(&mut bound).and(&far).for_each(|b, &far| *b = if far - least <= 4.0 * U { 1.0 } else { 0.0 });
            // The nearest one itself is certain where there is no other.
            if bound.sum() <= 1.0 {
                bound.fill(0.0);
            }
        }
    }
    v.compare_matrix(format!("nearest of {cols}, {rows} samples {data:?}"), &out, &expected, &bound)
}

/// Never below the norm, and as tight as in f64.
fn spectral_bound<B: Backend<Elem = f32>>(v: &mut Verifier<'_, B>, k: usize) -> Result<()> {
    let mut host = v.gram(k);
    if k > 2 {
        // A component that is not in use.
        host.row_mut(1).fill(0.0);
        host.column_mut(1).fill(0.0);
    }
    let gram = v.b.upload(host.view())?;
    for (metric, iterations) in [(Metric::Plain, 3), (Metric::Plain, 12), (Metric::Diagonal, 3), (Metric::Diagonal, 12)]
    {
        let name = format!("{metric:?} spectral bound {k}×{k}, {iterations} iterations");
        let ones = Array2::<f32>::ones((1, k));
        let mut out = Curvature { scale: v.b.zeros(1, k)?, vector: v.b.upload(ones.view())? };
        v.b.spectral_bound(&gram, metric, iterations, &mut out)?;
        let found = wide(&v.b.download(&out.scale)?);
        let mut exact = Curvature { scale: Array2::zeros((1, k)), vector: Array2::ones((1, k)) };
        v.oracle.spectral_bound(&wide(&host), metric, 5000, &mut exact)?;
        let mut same = Curvature { scale: Array2::zeros((1, k)), vector: Array2::ones((1, k)) };
        v.oracle.spectral_bound(&wide(&host), metric, iterations, &mut same)?;
        let short = Zip::from(&exact.scale).and(&found).map_collect(|e, f| (e - f).max(0.0));
        let none = Array2::zeros((1, k));
        v.compare(format!("{name}, below the norm"), short.view(), none.view(), none.view());
        // Every iteration rounds v, the bound rounds once more; the slack is twice that.
        let bound = &same.scale * (gamma(4 * (k + 2) * (iterations + 1)) + 8.0 * (k + 2) as f64 * U);
        v.compare(name, found.view(), same.scale.view(), bound.view());
    }
    Ok(())
}

fn add_penalty<B: Backend<Elem = f32>>(v: &mut Verifier<'_, B>, k: usize) -> Result<()> {
    let host = v.gram(k);
    let gram = v.b.upload(host.view())?;
    for kind in [HPenalty::SquaredL1, HPenalty::Ridge] {
        let (mut out, mut expected) = (v.b.zeros(k, k)?, Array2::zeros((k, k)));
        let lambda = 0.1;
        v.b.add_penalty(&gram, kind, lambda, &mut out)?;
        v.oracle.add_penalty(&wide(&host), kind, lambda, &mut expected)?;
        // Where nothing is added nothing may change.
        let bound =
            Zip::from(&expected).and(&wide(&host)).map_collect(|e, g| if e == g { 0.0 } else { U * (e + lambda) });
        v.compare_matrix(format!("penalty {kind:?} {k}×{k}"), &out, &expected, &bound)?;
    }
    Ok(())
}

/// The inputs of a step, and the step on both sides.
fn step<B: Backend<Elem = f32>>(v: &mut Verifier<'_, B>, (rows, cols): (usize, usize), left: bool) -> Result<()> {
    for (first, mu, beta) in [(true, 0.0, 0.0), (false, 0.0, 0.37), (false, 0.05, 0.8)] {
        let [x, y, gradient, rhs] =
            [Data::Nonnegative, Data::Signed, Data::Signed, Data::Signed].map(|d| v.data(rows, cols, d));
        let right = v.data(1, cols, Data::Nonnegative).mapv(|r| r * 9.0);
        let of_rows = v.data(1, rows, Data::Nonnegative).mapv(|r| r + 0.5);
        let sums = v.data(1, cols, Data::Signed);
        // Without `extra` a quarter of the columns have no curvature and must stay as they are.
        let extra = mu * rows as f64;
        let [mut on_x, mut on_y, mut on_gradient, on_rhs] =
            [v.b.upload(x.view())?, v.b.upload(y.view())?, v.b.upload(gradient.view())?, v.b.upload(rhs.view())?];
        let (on_right, on_rows, on_sums) =
            (v.b.upload(right.view())?, v.b.upload(of_rows.view())?, v.b.upload(sums.view())?);
        v.b.nesterov_step(NesterovStep {
            gradient: &mut on_gradient,
            rhs: &on_rhs,
            column_sums: (mu > 0.0).then_some((mu, &on_sums)),
            right: &on_right,
            left: left.then_some(&on_rows),
            extra,
            momentum: Momentum::Fixed(beta),
            first,
            x: &mut on_x,
            y: &mut on_y,
        })?;
        let [mut new_x, mut new_y, mut of_gradient, of_rhs] = [&x, &y, &gradient, &rhs].map(wide);
        v.oracle.nesterov_step(NesterovStep {
            gradient: &mut of_gradient,
            rhs: &of_rhs,
            column_sums: (mu > 0.0).then_some((mu, &wide(&sums))),
            right: &wide(&right),
            left: left.then_some(&wide(&of_rows)),
            extra,
            momentum: Momentum::Fixed(beta),
            first,
            x: &mut new_x,
            y: &mut new_y,
        })?;
        // gradient − rhs + mu s: four roundings; the denominator: three; the division; the subtraction.
        let (bound_x, bound_y) = {
            let mut bound_x = Array2::zeros((rows, cols));
            for ((i, j), b) in bound_x.indexed_iter_mut() {
                let wide_at = |m: &Array2<f32>, i: usize, j: usize| f64::from(m[[i, j]]);
                let row = if left { wide_at(&of_rows, 0, i) } else { 1.0 };
                let denominator = row * wide_at(&right, 0, j) + extra;
                if denominator > 0.0 {
                    let terms =
                        wide_at(&gradient, i, j).abs() + wide_at(&rhs, i, j).abs() + mu * wide_at(&sums, 0, j).abs();
                    let at = if first { wide_at(&x, i, j) } else { wide_at(&y, i, j) };
                    let quotient = terms / denominator;
                    *b = (gamma(7) + 2.0 * DIVISION) * quotient + gamma(2) * (at.abs() + quotient);
                }
            }
            let moved = Zip::from(&new_x).and(&wide(&x)).map_collect(|n, o| n.abs() + (n - o).abs());
            let bound_y = (1.0 + beta) * &bound_x + gamma(4) * (moved + &bound_x);
            (bound_x, bound_y)
        };
        let name =
            format!("Nesterov step {rows}×{cols}{}, mu {mu}", if left { " with a Gram on the left" } else { "" });
        v.compare_matrix(format!("{name}, x"), &on_x, &new_x, &bound_x)?;
        v.compare_matrix(format!("{name}, y"), &on_y, &new_y, &bound_y)?;
    }
    Ok(())
}

/// The state after a first step, after one downhill and after one uphill; and the point that follows from it.
fn restart<B: Backend<Elem = f32>>(v: &mut Verifier<'_, B>, (rows, cols): (usize, usize)) -> Result<()> {
    let ones = |value: f32| Array2::from_elem((rows, cols), value);
    // y − x_new = y − (y − g) = g and x_new − x = y − g − x: the sign of g (y − g − x) is that of the test.
    let cases = [("first", true, 3.0, 0.5), ("downhill", false, 1.0, 0.5), ("uphill", false, 4.0, 0.5)];
    for (name, first, y, g) in cases {
        let (x, alpha) = (2.0_f32, 2.5_f64);
        let start = ndarray::arr2(&[[alpha as f32, 0.0]]);
        let mut state = v.b.upload(start.view())?;
        let mut scalars = v.b.scalars(2)?;
        let right = v.b.upload(Array2::ones((1, cols)).view())?;
        let [mut on_x, mut on_y, mut gradient, rhs] = [
            v.b.upload(ones(x).view())?,
            v.b.upload(ones(y).view())?,
            v.b.upload(ones(g).view())?,
            v.b.zeros(rows, cols)?,
        ];
        v.b.nesterov_step(NesterovStep {
            gradient: &mut gradient,
            rhs: &rhs,
            column_sums: None,
            right: &right,
            left: None,
            extra: 0.0,
            momentum: Momentum::Restart { state: &mut state, scalars: &mut scalars, slot: 1 },
            first,
            x: &mut on_x,
            y: &mut on_y,
        })?;
        let at = f64::from(if first { x } else { y });
        let new = at - f64::from(g);
        let alpha = if first { 1.0 } else { alpha };
        let next = (1.0 + (4.0 * alpha * alpha + 1.0_f64).sqrt()) / 2.0;
        let (next, beta) = if name == "uphill" { (1.0, 0.0) } else { (next, (alpha - 1.0) / next) };
        let expected = ndarray::arr2(&[[next, beta]]);
        let bound = &expected * (gamma(4) + SQRT + DIVISION);
        let name = format!("restart {rows}×{cols}, {name}");
        v.compare_matrix(format!("{name}, state"), &state, &expected, &bound)?;
        let point = new + beta * (new - f64::from(x));
        let bound = (gamma(6) + SQRT + 2.0 * DIVISION) * (new.abs() + beta * (new - f64::from(x)).abs());
        let (point, bound) = (Array2::from_elem((rows, cols), point), Array2::from_elem((rows, cols), bound));
        v.compare_matrix(format!("{name}, y"), &on_y, &point, &bound)?;
    }
    Ok(())
}

fn copy_and_scale<B: Backend<Elem = f32>>(v: &mut Verifier<'_, B>, (rows, cols): (usize, usize)) -> Result<()> {
    let host = v.data(rows, cols, Data::Signed);
    let from = v.b.upload(host.view())?;
    let mut to = v.b.zeros(rows, cols)?;
    v.b.copy(&from, &mut to)?;
    let (host, none) = (wide(&host), Array2::zeros((rows, cols)));
    v.compare_matrix(format!("copy {rows}×{cols}"), &to, &host, &none)?;
    let of_rows = v.data(1, rows, Data::Signed).mapv(|d| d + 2.0);
    let of_cols = v.data(1, cols, Data::Signed).mapv(|d| d + 2.0);
    let (on_rows, on_cols) = (v.b.upload(of_rows.view())?, v.b.upload(of_cols.view())?);
    let (of_rows, of_cols) = (wide(&of_rows), wide(&of_cols));
    for divide in [false, true] {
        let how = if divide { "divided" } else { "multiplied" };
        let cases = [
            ("columns", By::Columns(&on_cols), By::Columns(&of_cols)),
            ("rows", By::Rows(&on_rows), By::Rows(&of_rows)),
            ("everything", By::Entry(&on_cols, cols - 1), By::Entry(&of_cols, cols - 1)),
        ];
        for (what, on_device, on_host) in cases {
            v.b.copy(&from, &mut to)?;
            v.b.scale(&mut to, on_device, divide)?;
            let mut expected = host.clone();
            v.oracle.scale(&mut expected, on_host, divide)?;
            let bound = expected.mapv(f64::abs) * if divide { DIVISION } else { U };
            v.compare_matrix(format!("{what} {how} {rows}×{cols}"), &to, &expected, &bound)?;
        }
    }
    Ok(())
}

fn balance<B: Backend<Elem = f32>>(v: &mut Verifier<'_, B>, k: usize) -> Result<()> {
    let (n, d) = (v.data(1, k, Data::Nonnegative), v.data(1, k, Data::Nonnegative));
    let (on_n, on_d, mut out) = (v.b.upload(n.view())?, v.b.upload(d.view())?, v.b.zeros(1, k)?);
    let mut expected = Array2::zeros((1, k));
    v.b.quarter_root(0.3, &on_n, &on_d, &mut out)?;
    v.oracle.quarter_root(0.3, &wide(&n), &wide(&d), &mut expected)?;
    // A relative error is halved by every square root.
    let bound = expected.mapv(|e| if e == 1.0 { 0.0 } else { e * ((gamma(2) + DIVISION) / 4.0 + SQRT / 2.0 + SQRT) });
    v.compare_matrix(format!("quarter root {k}"), &out, &expected, &bound)?;

    for empty in [false, true] {
        let x = v.data(k, 3, Data::Nonnegative).mapv(|x| x + 0.25);
        let on_x = v.b.upload(x.view())?;
        let weights = if empty { [0.7, 0.0, 3.0] } else { [0.7, 0.02, 300.0] };
        let (mut scalars, mut of_scalars) = (v.b.scalars(5)?, vec![0.0; 5]);
        for slot in 1..4 {
            use crate::backend::Sum::Entries;
            v.b.sum(Entries(&on_x), &mut scalars, slot)?;
            v.oracle.sum(Entries(&wide(&x)), &mut of_scalars, slot)?;
        }
        let weights = ndarray::arr2(&[weights]);
        let on_weights = v.b.upload(weights.mapv(|w: f64| w as f32).view())?;
        let (mut out, mut expected) = (v.b.zeros(1, 3)?, Array2::zeros((1, 3)));
        v.b.equalize(&on_weights, &scalars, 1, &mut out)?;
        v.oracle.equalize(&weights, &of_scalars, 1, &mut expected)?;
        // Vulkan: log to 3 units in the last place or 2⁻²¹ near 1, exp to 3 + 2|x| of them; the sum's own rounding.
        let largest =
            weights.iter().zip(&of_scalars[1..]).map(|(w, s)| (w * s).max(1e-30).ln().abs()).fold(0.0, f64::max);
        let exponent = 2.0_f64.powi(-21) + 8.0 * U * largest + gamma(3 * k + 10);
        let bound = expected
            .mapv(|e: f64| if empty { 0.0 } else { e * (2.0 * exponent + 2.0 * U * (3.0 + 2.0 * e.ln().abs())) });
        v.compare_matrix(
            format!("equalize {k}{}", if empty { ", one of them 0" } else { "" }),
            &out,
            &expected,
            &bound,
        )?;
    }
    Ok(())
}
