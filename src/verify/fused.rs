//! Kernels that do many operations at once.

use super::descent::{value, whole_gram};
use super::verifier::{Data, Verifier, wide};
use crate::Result;
use crate::backend::formula::gamma;
use crate::backend::{Backend, Descent, NesterovRows};
use ndarray::{ArcArray2, Array2};

/// Rows and columns: one, a tile and its neighbours for every width of tile, and a last quad that is not full.
const SHAPES: &[(usize, usize)] = &[
    (1, 1),
    (64, 128),
    (65, 127),
    (33, 129),
    (31, 256),
    (17, 300),
    (7, 101),
    (131, 70),
    (1801, 20),
    (2000, 101),
    (4000, 102),
    (6200, 101),
];

pub(super) fn run<B: Backend<Elem = f32>>(v: &mut Verifier<'_, B>) -> Result<()> {
    for &(rows, k) in SHAPES {
        if v.b.fuses_rows(k) {
            for steps in [1, 2] {
                whole(v, (rows, k), steps)?;
            }
            objective(v, (rows, k), 9)?;
        }
    }
    Ok(())
}

fn both<B: Backend<Elem = f32>>(
    v: &mut Verifier<'_, B>,
    [gram, rhs, right, start]: [&Array2<f32>; 4],
    extra: f64,
    steps: usize,
) -> Result<(B::Matrix, ArcArray2<f64>)> {
    let [on_gram, on_rhs, on_right, mut on_x] =
        [v.b.upload(gram.view())?, v.b.upload(rhs.view())?, v.b.upload(right.view())?, v.b.upload(start.view())?];
    v.b.nesterov_rows(NesterovRows { gram: &on_gram, rhs: &on_rhs, right: &on_right, extra, steps }, &mut on_x)?;
    let [gram, rhs, right, mut x] = [gram, rhs, right, start].map(|m| wide(m));
    v.oracle.nesterov_rows(NesterovRows { gram: &gram, rhs: &rhs, right: &right, extra, steps }, &mut x)?;
    Ok((on_x, x))
}

/// In whole numbers, and as the first two steps have no momentum: exactly. A component is without curvature, and stays.
fn whole<B: Backend<Elem = f32>>(v: &mut Verifier<'_, B>, (rows, k): (usize, usize), steps: usize) -> Result<()> {
    let mut gram = whole_gram(v, k);
    let mut right = Array2::ones((1, k));
    if k > 2 {
        gram.row_mut(1).fill(0.0);
        gram.column_mut(1).fill(0.0);
        right[[0, 1]] = 0.0;
    }
    let rhs = v.data(rows, k, Data::Whole).mapv(|b| 2.0 * b + 3.0);
    let start = v.data(rows, k, Data::Whole).mapv(f32::abs);
    let (found, expected) = both(v, [&gram, &rhs, &right, &start], 0.0, steps)?;
    let name = format!("Nesterov on rows {rows}×{k}, {steps} steps, whole");
    v.compare_matrix(name, &found, &expected, &Array2::zeros((rows, k)))
}

/// The objective after some steps. A step minimises a bound on it, so what rounding does to a step changes it little.
fn objective<B: Backend<Elem = f32>>(v: &mut Verifier<'_, B>, (rows, k): (usize, usize), steps: usize) -> Result<()> {
    let gram = v.gram(k);
    let rhs = v.data(rows, k, Data::Nonnegative).dot(&gram) + v.data(rows, k, Data::Signed);
    let start = v.data(rows, k, Data::Nonnegative);
    // No norm is larger than the largest sum of a row.
    let norm = gram.rows().into_iter().map(|row| row.sum()).fold(0.0, f32::max);
    let right = Array2::from_elem((1, k), norm);
    let (found, expected) = both(v, [&gram, &rhs, &right, &start], 0.5, steps)?;
    let found = wide(&v.b.download(&found)?);
    let (gram, rhs) = (wide(&gram), wide(&rhs));
    let block = Descent { left: None, gram: &gram, rhs: &rhs, mu: 0.0, sweeps: 0 };
    let ((f, _), (e, parts)) = (value(&block, &found), value(&block, &expected));
    let name = format!("Nesterov on rows {rows}×{k}");
    v.compare_number(format!("{name}, objective"), f, e, gamma(steps * (k + 16)) * parts);
    let least = found.iter().copied().fold(0.0, f64::min);
    v.compare_number(format!("{name}, negative entries"), least, 0.0, 0.0);
    Ok(())
}
