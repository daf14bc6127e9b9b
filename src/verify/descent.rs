//! Coordinate descent and the extrapolation between its iterations.

use super::verifier::{Data, Verifier, wide};
use crate::Result;
use crate::backend::formula::gamma;
use crate::backend::{Backend, Combination, Descent, EXTRAPOLATION, Element, Elementwise, Sum};
use ndarray::{ArcArray2, Array2, Axis, rcarr2};

/// Rows and columns for every way to share a row among invocations, and for rows that are too long for that.
const WIDE: [(usize, usize); 5] = [(300, 20), (260, 101), (19, 40), (40, 300), (5, 801)];
/// And for every number of rows that an invocation has of a penalised column, and for columns that are too long for that, the last of
/// them for more turns of a loop than a driver may do (Mesa's software driver, 65,535) if rows were taken one by one.
const TALL: [(usize, usize); 6] = [(300, 40), (700, 37), (1500, 11), (3000, 9), (4200, 35), (30_001, 35)];

pub(super) fn run<B: Backend<Elem = f32>>(v: &mut Verifier<'_, B>) -> Result<()> {
    for (rows, k) in [(1, 1), (64, 32), (65, 33), (7, 101), (131, 70)] {
        for sweeps in [1, 3] {
            whole(v, (rows, k), sweeps, false)?;
        }
        whole(v, (rows, k), 2, true)?;
        for mu in [0.0, 0.7] {
            objective(v, (rows, k), mu, false)?;
            objective(v, (rows, k), mu, true)?;
        }
        extrapolation(v, (rows, k))?;
    }
    for (rows, k) in WIDE {
        whole(v, (rows, k), 2, false)?;
    }
    for (rows, k) in TALL {
        objective(v, (rows, k), 0.7, false)?;
    }
    whole(v, (300, 37), 2, true)?;
    objective(v, (300, 37), 0.7, true)?;
    prox(v)
}

/// A symmetric Gram of zeros and ones with ones on its diagonal: from whole numbers come whole numbers, which as
/// parts of a right side stay small.
pub(super) fn whole_gram<B: Backend<Elem = f32>>(v: &mut Verifier<'_, B>, k: usize) -> Array2<f32> {
    let entries = v.data(k, k, Data::Whole);
    Array2::from_shape_fn((k, k), |(i, j)| match i.cmp(&j) {
        std::cmp::Ordering::Less => f32::from(entries[[i, j]] > 1.0),
        std::cmp::Ordering::Equal => 1.0,
        std::cmp::Ordering::Greater => f32::from(entries[[j, i]] > 1.0),
    })
}

/// In whole numbers, where every order of a sum gives the exact result: the order of the coordinates, to the last bit.
fn whole<B: Backend<Elem = f32>>(
    v: &mut Verifier<'_, B>,
    (rows, k): (usize, usize),
    sweeps: usize,
    chained: bool,
) -> Result<()> {
    let (mut gram, left) = (whole_gram(v, k), chained.then(|| whole_gram(v, rows)));
    if k > 2 {
        // A component that is not in use.
        gram.row_mut(1).fill(0.0);
        gram.column_mut(1).fill(0.0);
    }
    let rhs = v.data(rows, k, Data::Whole).mapv(|b| 2.0 * b + 3.0);
    let start = v.data(rows, k, Data::Whole).mapv(f32::abs);
    let expected = {
        let (gram, left, rhs) = (wide(&gram), left.as_ref().map(|left| wide(left)), wide(&rhs));
        let block = Descent { left: left.as_ref(), gram: &gram, rhs: &rhs, mu: 0.0, sweeps };
        let mut x = wide(&start);
        v.oracle.descend(block, &mut x)?;
        x
    };
    let [gram, rhs, mut x] = [v.b.upload(gram.view())?, v.b.upload(rhs.view())?, v.b.upload(start.view())?];
    let left = left.map(|left| v.b.upload(left.view())).transpose()?;
    let block = Descent { left: left.as_ref(), gram: &gram, rhs: &rhs, mu: 0.0, sweeps };
    v.b.descend(block, &mut x)?;
    let name = format!("descent {rows}×{k}{}, {sweeps} sweeps, whole", if chained { " in the chain" } else { "" });
    v.compare_matrix(name, &x, &expected, &Array2::zeros((rows, k)))
}

/// `½⟨X, A X G⟩ − ⟨B, X⟩ + ½ mu Σ_j s_j²` and the sum of what it is made of.
pub(super) fn value(block: &Descent<'_, ArcArray2<f64>>, x: &ArcArray2<f64>) -> (f64, f64) {
    let curved = x.dot(block.gram);
    let curved = block.left.map_or(curved.clone(), |a| a.dot(&curved));
    let sums = x.sum_axis(Axis(0));
    let parts = [0.5 * (x * &curved).sum(), -(x * block.rhs).sum(), 0.5 * block.mu * sums.dot(&sums)];
    (parts.iter().sum(), parts.iter().map(|p| p.abs()).sum())
}

/// The objective after two sweeps. Each step minimises, so what rounding does to a step changes it in second order.
fn objective<B: Backend<Elem = f32>>(
    v: &mut Verifier<'_, B>,
    (rows, k): (usize, usize),
    mu: f64,
    chained: bool,
) -> Result<()> {
    let gram = v.gram(k);
    // As large as there are rows.
    let left = chained.then(|| v.gram(rows));
    let true_x = v.data(rows, k, Data::Nonnegative);
    let noise = v.data(rows, k, Data::Signed);
    let curved = true_x.dot(&gram);
    let rhs = left.as_ref().map_or(curved.clone(), |left| left.dot(&curved)) + noise;
    let start = v.data(rows, k, Data::Nonnegative);
    let [on_gram, on_rhs, mut on_x] = [v.b.upload(gram.view())?, v.b.upload(rhs.view())?, v.b.upload(start.view())?];
    let on_left = left.as_ref().map(|left| v.b.upload(left.view())).transpose()?;
    let block = Descent { left: on_left.as_ref(), gram: &on_gram, rhs: &on_rhs, mu, sweeps: 2 };
    v.b.descend(block, &mut on_x)?;
    let found = wide(&v.b.download(&on_x)?);
    let (gram, left, rhs) = (wide(&gram), left.as_ref().map(|left| wide(left)), wide(&rhs));
    let block = Descent { left: left.as_ref(), gram: &gram, rhs: &rhs, mu, sweeps: 2 };
    let mut x = wide(&start);
    v.oracle.descend(block, &mut x)?;
    let name = format!("descent {rows}×{k}{}, mu {mu}", if chained { " in the chain" } else { "" });
    let ((f, _), (e, parts)) = (value(&block, &found), value(&block, &x));
    v.compare_number(format!("{name}, objective"), f, e, gamma(2 * (rows + k + 16)) * parts);
    let least = found.iter().copied().fold(0.0, f64::min);
    v.compare_number(format!("{name}, negative entries"), least, 0.0, 0.0);
    Ok(())
}

/// One column: the prox of the squared L1 norm, whose t is a quotient of sums.
fn prox<B: Backend<Elem = f32>>(v: &mut Verifier<'_, B>) -> Result<()> {
    for rows in [1, 255, 256, 1031, 4097] {
        let (c, mu) = (0.8_f32, 0.3);
        let rhs = v.data(rows, 1, Data::Signed);
        let [gram, on_rhs, mut x] =
            [v.b.upload(ndarray::arr2(&[[c]]).view())?, v.b.upload(rhs.view())?, v.b.zeros(rows, 1)?];
        v.b.descend(Descent { left: None, gram: &gram, rhs: &on_rhs, mu, sweeps: 1 }, &mut x)?;
        let (rhs, gram) = (wide(&rhs), rcarr2(&[[f64::from(c)]]));
        let mut expected = ArcArray2::zeros((rows, 1));
        v.oracle.descend(Descent { left: None, gram: &gram, rhs: &rhs, mu, sweeps: 1 }, &mut expected)?;
        let t = mu * expected.sum();
        let bound = rhs.mapv(|r| (gamma(8) * r.abs() + gamma(rows + 16) * t) / f64::from(c));
        v.compare_matrix(format!("prox of the squared L1 norm {rows}"), &x, &expected, &bound)?;
    }
    Ok(())
}

/// Three trials: the first, a better one, a worse one; each with what it leads to.
fn extrapolation<B: Backend<Elem = f32>>(v: &mut Verifier<'_, B>, (rows, cols): (usize, usize)) -> Result<()> {
    let state = Array2::from_shape_fn((1, EXTRAPOLATION.len()), |(_, i)| f32::of(EXTRAPOLATION[i]));
    let (mut on_state, mut expected) = (v.b.upload(state.view())?, wide(&state));
    // β takes two roundings at every trial, and what is compared are whole numbers.
    let exact = Array2::zeros((rows, cols));
    for (trial, (name, value)) in [("first", 9.0), ("better", 5.0), ("worse", 6.0)].into_iter().enumerate() {
        let [now, before, mut best, mut point] =
            std::array::from_fn(|_| v.data(rows, cols, Data::Whole).mapv(f32::abs));
        let [on_now, on_before, mut on_best, mut on_point, mut on_out] = [
            v.b.upload(now.view())?,
            v.b.upload(before.view())?,
            v.b.upload(best.view())?,
            v.b.upload(point.view())?,
            v.b.zeros(rows, cols)?,
        ];
        let name = format!("extrapolation {rows}×{cols}, {name}");
        let mut out = ArcArray2::zeros((rows, cols));
        v.b.look_ahead(&on_now, &on_before, &on_state, &mut on_out)?;
        v.oracle.look_ahead(&wide(&now), &wide(&before), &expected, &mut out)?;
        let bound = gamma(2 * trial + 3) * (2.0 * wide(&now) + wide(&before));
        v.compare_matrix(format!("{name}, ahead"), &on_out, &out, &bound)?;

        let ones = Array2::from_elem((3, 2), value);
        let on_ones = v.b.upload(ones.view())?;
        let (mut sums, mut of_sums) = (v.b.scalars(4)?, vec![0.0; 4]);
        for slot in 2..4 {
            v.b.sum(Sum::Entries(&on_ones), &mut sums, slot)?;
            v.oracle.sum(Sum::Entries(&wide(&ones)), &mut of_sums, slot)?;
        }
        let weights = ndarray::arr2(&[[3.0_f32, -2.0]]);
        let on_weights = v.b.upload(weights.view())?;
        let f = Combination { weights: &on_weights, sums: &sums, first: 2, constant: 256.0 };
        v.b.judge(f, trial == 0, &mut on_state)?;
        let weights = wide(&weights);
        let f = Combination { weights: &weights, sums: &of_sums, first: 2, constant: 256.0 };
        v.oracle.judge(f, trial == 0, &mut expected)?;
        let mut bound = &expected * gamma(2 * trial + 4 + 5);
        (bound[[0, 3]], bound[[0, 4]]) = (0.0, 0.0);
        v.compare_matrix(format!("{name}, state"), &on_state, &expected, &bound)?;

        v.b.settle(&on_now, &on_state, &mut on_best, &mut on_point)?;
        if trial < 2 {
            (best, point) = (point, now);
        } else {
            point = best.clone();
        }
        v.compare_matrix(format!("{name}, best"), &on_best, &wide(&best), &exact)?;
        v.compare_matrix(format!("{name}, next"), &on_point, &wide(&point), &exact)?;
    }
    Ok(())
}
