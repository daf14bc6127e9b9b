//! Operations on small matrices, of which most are decisions about a few numbers.

use super::verifier::{Data, Verifier, wide};
use crate::Result;
use crate::backend::formula::{DIVISION, SQRT, U, gamma};
use crate::backend::{Backend, Curvature, Momentum, NesterovStep, SearchSum, Sum};
use crate::model::Metric;
use ndarray::{ArcArray2, Array2, Axis, Zip, rcarr2};

pub(super) fn run<B: Backend<Elem = f32>>(v: &mut Verifier<'_, B>) -> Result<()> {
    for k in [130, 203, 257] {
        spectral_bound(v, k)?;
    }
    for k in [1, 7, 64, 101] {
        spectral_bound(v, k)?;
        equalize(v, k)?;
        inverse(v, k)?;
    }
    for shape in [(1, 1), (64, 64), (65, 63), (131, 67), (1031, 3)] {
        write(v, shape)?;
        restart(v, shape)?;
        for data in [Data::Signed, Data::Whole] {
            nearest(v, shape, data)?;
        }
    }
    for shape in [(1, 1), (31, 8), (33, 7), (129, 63), (1031, 67), (4097, 3)] {
        for (first, has_left) in [(false, false), (false, true), (true, false), (true, true)] {
            penalised_step(v, shape, first, has_left)?;
        }
    }
    search_decisions(v)
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
        let mut exact = Curvature { scale: ArcArray2::zeros((1, k)), vector: ArcArray2::ones((1, k)) };
        v.oracle.spectral_bound(&wide(&host), metric, 5000, &mut exact)?;
        let mut same = Curvature { scale: ArcArray2::zeros((1, k)), vector: ArcArray2::ones((1, k)) };
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

fn equalize<B: Backend<Elem = f32>>(v: &mut Verifier<'_, B>, k: usize) -> Result<()> {
    for empty in [false, true] {
        let x = v.data(k, 3, Data::Nonnegative).mapv(|x| x + 0.25);
        let on_x = v.b.upload(x.view())?;
        let weights = if empty { [0.7, 0.0, 3.0] } else { [0.7, 0.02, 300.0] };
        let (mut scalars, mut of_scalars) = (v.b.scalars(5)?, vec![0.0; 5]);
        for slot in 1..4 {
            v.b.sum(Sum::Entries(&on_x), &mut scalars, slot)?;
            v.oracle.sum(Sum::Entries(&wide(&x)), &mut of_scalars, slot)?;
        }
        let weights = rcarr2(&[weights]);
        let on_weights = v.b.upload(weights.mapv(|w: f64| w as f32).view())?;
        let (mut out, mut expected) = (v.b.zeros(1, 3)?, ArcArray2::zeros((1, 3)));
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

/// A step where a penalty couples the rows of a column, with a Gram on the left and without.
fn penalised_step<B: Backend<Elem = f32>>(
    v: &mut Verifier<'_, B>,
    (rows, cols): (usize, usize),
    first: bool,
    has_left: bool,
) -> Result<()> {
    let (mu, extra, beta) = (0.25, if has_left { 0.0 } else { 0.5 }, 0.75);
    let [x, y, gradient, rhs] = [(); 4].map(|()| v.data(rows, cols, Data::Signed));
    let x = x.mapv(f32::abs);
    // Some columns without curvature but what is added everywhere: without that they stay as they are.
    let right = v.data(1, cols, Data::Signed).mapv(|d| d.max(0.0) * rows as f32);
    let left = v.data(1, rows, Data::Signed).mapv(|d| d.abs() + 0.5);
    let [mut on_x, mut on_y, mut on_gradient, on_rhs, on_right, on_left] = [
        v.b.upload(x.view())?,
        v.b.upload(y.view())?,
        v.b.upload(gradient.view())?,
        v.b.upload(rhs.view())?,
        v.b.upload(right.view())?,
        v.b.upload(left.view())?,
    ];
    let mut sums = v.b.zeros(1, cols)?;
    v.b.nesterov_step(NesterovStep {
        gradient: &mut on_gradient,
        rhs: &on_rhs,
        column_sums: Some((mu, &mut sums)),
        right: &on_right,
        left: has_left.then_some(&on_left),
        extra,
        momentum: Momentum::Fixed(beta),
        first,
        x: &mut on_x,
        y: &mut on_y,
    })?;
    let [x, y, gradient, rhs, right, left] = [&x, &y, &gradient, &rhs, &right, &left].map(|m| wide(m));
    let point = if first { &x } else { &y };
    let (sums, sizes) = (point.sum_axis(Axis(0)), point.mapv(f64::abs).sum_axis(Axis(0)));
    let mut all = [(); 4].map(|()| Array2::zeros((rows, cols)));
    let [of_x, of_y, x_bound, y_bound] = &mut all;
    for ((i, j), old) in x.indexed_iter() {
        let denominator = right[[0, j]] * if has_left { left[[0, i]] } else { 1.0 } + extra;
        if denominator == 0.0 {
            (of_x[[i, j]], of_y[[i, j]]) = (*old, *old);
            continue;
        }
        let change = (gradient[[i, j]] - rhs[[i, j]] + mu * sums[j]) / denominator;
        let new = (point[[i, j]] - change).max(0.0);
        (of_x[[i, j]], of_y[[i, j]]) = (new, new + beta * (new - old));
        let size = (gradient[[i, j]].abs() + rhs[[i, j]].abs() + mu * sizes[j]) / denominator;
        let error = (gamma(rows + 8) + DIVISION) * (point[[i, j]].abs() + size);
        x_bound[[i, j]] = error;
        y_bound[[i, j]] = (1.0 + beta) * error + gamma(4) * (new + beta * (new + old));
    }
    let name = format!(
        "step with a penalty on columns {rows}×{cols}{}{}",
        if first { ", first" } else { "" },
        if has_left { ", Gram on the left" } else { "" }
    );
    v.compare_matrix(format!("{name}, x"), &on_x, of_x, x_bound)?;
    v.compare_matrix(format!("{name}, y"), &on_y, of_y, y_bound)
}

/// Entries that replace others, and what was queued before still has the others.
fn write<B: Backend<Elem = f32>>(v: &mut Verifier<'_, B>, (rows, cols): (usize, usize)) -> Result<()> {
    let [before, after] = [(); 2].map(|()| v.data(rows, cols, Data::Signed));
    let (mut m, mut copy) = (v.b.upload(before.view())?, v.b.zeros(rows, cols)?);
    v.b.copy(&m, &mut copy)?;
    v.b.write(after.view(), &mut m)?;
    let exact = Array2::zeros((rows, cols));
    v.compare_matrix(format!("written {rows}×{cols}"), &m, &wide(&after), &exact)?;
    v.compare_matrix(format!("written {rows}×{cols}, what was there"), &copy, &wide(&before), &exact)
}

/// Whole numbers have many ties, of which the first counts; of others rounding decides where two are as good as equal.
fn nearest<B: Backend<Elem = f32>>(v: &mut Verifier<'_, B>, (rows, cols): (usize, usize), data: Data) -> Result<()> {
    let [products, halves] = [rows, 1].map(|rows| v.data(rows, cols, data));
    let (on_products, on_halves) = (v.b.upload(products.view())?, v.b.upload(halves.view())?);
    let mut out = v.b.zeros(rows, cols)?;
    v.b.nearest(&on_products, &on_halves, &mut out)?;
    let (products, halves) = (wide(&products), wide(&halves));
    let (mut expected, mut bound) = (ArcArray2::zeros((rows, cols)), Array2::zeros((rows, cols)));
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

/// Steps double and halve exactly; what is over stays as it is; what overflows is refused.
fn search_decisions<B: Backend<Elem = f32>>(v: &mut Verifier<'_, B>) -> Result<()> {
    /// What it is called, the sums, whether it is a first trial, the state before and after.
    type Case = (&'static str, [f32; SearchSum::COUNT], bool, [f32; 3], [f64; 3]);
    let over = [1.0, 1.0, 1.0];
    let cases: [Case; 8] = [
        ("enough", [-1.0, -0.5, 0.25, -0.25, 0.25], true, [0.5, 0.0, 0.0], over),
        ("enough after another search", [-1.0, -0.5, 0.25, -0.25, 0.25], true, [0.5, 1.0, 0.0], over),
        // −0.005 of the −0.01 that are asked for.
        ("too little", [-1.0, -0.5, 0.99, 0.0, 0.0], true, [0.5, 0.0, 0.0], [0.25, 0.0, 0.0]),
        ("more", [-1.0, -0.5, 1.0, 0.25, 0.25], false, [0.5, 0.0, 0.0], [0.25, 0.0, 0.0]),
        ("over", [-1.0, -0.5, 1.0, 0.0, 0.0], false, [0.5, 1.0, 1.0], [0.5, 1.0, 0.0]),
        ("overflow", [-1.0, -2e38, 3e38, 3e38, 3e38], true, [0.5, 0.0, 0.0], [0.25, 0.0, 0.0]),
        ("infinite", [-1.0, f32::NEG_INFINITY, 0.0, 0.0, 0.0], true, [0.5, 0.0, 0.0], [0.25, 0.0, 0.0]),
        (
            "nothing moves",
            [0.0; SearchSum::COUNT],
            true,
            [SearchSum::LARGEST_STEP as f32, 0.0, 0.0],
            [f64::from(SearchSum::LARGEST_STEP as f32), 1.0, 1.0],
        ),
    ];
    for (name, sums, first, state, expected) in cases {
        let mut scalars = v.b.scalars(SearchSum::COUNT)?;
        for (slot, sum) in sums.into_iter().enumerate() {
            let one = v.b.upload(ndarray::arr2(&[[sum]]).view())?;
            v.b.sum(Sum::Entries(&one), &mut scalars, slot)?;
        }
        let mut state = v.b.upload(ndarray::arr2(&[state]).view())?;
        v.b.search_decide(&scalars, first, &mut state)?;
        v.compare_matrix(format!("line search, {name}"), &state, &ndarray::arr2(&[expected]), &Array2::zeros((1, 3)))?;
    }
    Ok(())
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
    let (mut out, mut expected) = (v.b.upload(before.view())?, ArcArray2::zeros((k, k)));
    v.b.inverse(&gram, &mut out)?;
    v.oracle.inverse(&wide(&host), &mut expected)?;
    let largest = expected.iter().fold(0.0_f64, |max, e| max.max(e.abs()));
    let bound = expected.mapv(|e| U * e.abs() + 1e-12 * largest);
    v.compare_matrix(format!("inverse {k}×{k}"), &out, &expected, &bound)
}
