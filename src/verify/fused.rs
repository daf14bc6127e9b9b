//! Kernels that do many operations at once.

use super::descent::{value, whole_gram};
use super::verifier::{Data, Verifier, wide};
use crate::Result;
use crate::backend::formula::gamma;
use crate::backend::{Backend, Descent, NesterovBlock};
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

/// The same for rows that are coupled, with rows that an invocation has several of.
const COUPLED: &[(usize, usize)] = &[(1, 1), (64, 128), (7, 101), (300, 33), (514, 20), (1100, 9), (4100, 5)];

pub(super) fn run<B: Backend<Elem = f32>>(v: &mut Verifier<'_, B>) -> Result<()> {
    for &shape in SHAPES.iter().filter(|shape| v.b.fuses_block(**shape, false, 0.0)).collect::<Vec<_>>() {
        for steps in [1, 2] {
            whole(v, shape, steps, (false, 0.0))?;
        }
        objective(v, shape, 9, (false, 0.0))?;
    }
    for &shape in COUPLED {
        for steps in [1, 2] {
            whole(v, shape, steps, (false, 1.0))?;
        }
        objective(v, shape, 8, (false, 0.7))?;
        // A Gram on the left is as large as there are rows.
        for mu in [0.0_f64, 0.7].into_iter().filter(|_| shape.0 < 600) {
            whole(v, shape, 1, (true, mu.ceil()))?;
            objective(v, shape, 9, (true, mu))?;
        }
    }
    Ok(())
}

/// What both are given: A and `L d_i`, G and `L d_j`, B, and where they start.
struct Given {
    left: Option<[Array2<f32>; 2]>,
    gram: Array2<f32>,
    right: Array2<f32>,
    rhs: Array2<f32>,
    start: Array2<f32>,
}

impl Given {
    fn both<B: Backend<Elem = f32>>(
        &self,
        v: &mut Verifier<'_, B>,
        (mu, extra, steps): (f64, f64, usize),
    ) -> Result<(B::Matrix, ArcArray2<f64>)> {
        let Self { left, gram, right, rhs, start } = self;
        let [on_gram, on_rhs, on_right, mut on_x] =
            [v.b.upload(gram.view())?, v.b.upload(rhs.view())?, v.b.upload(right.view())?, v.b.upload(start.view())?];
        let on_left = match left {
            Some([a, scale]) => Some((v.b.upload(a.view())?, v.b.upload(scale.view())?)),
            None => None,
        };
        let left_of = on_left.as_ref().map(|(a, scale)| (a, scale));
        let block = NesterovBlock { left: left_of, gram: &on_gram, rhs: &on_rhs, mu, right: &on_right, extra, steps };
        v.b.nesterov_block(block, &mut on_x)?;
        let [gram, rhs, right, mut x] = [gram, rhs, right, start].map(|m| wide(m));
        let left = left.as_ref().map(|[a, scale]| (wide(a), wide(scale)));
        let left = left.as_ref().map(|(a, scale)| (a, scale));
        v.oracle
            .nesterov_block(NesterovBlock { left, gram: &gram, rhs: &rhs, mu, right: &right, extra, steps }, &mut x)?;
        Ok((on_x, x))
    }
}

fn name(left: bool, mu: f64) -> &'static str {
    match (left, mu > 0.0) {
        (false, false) => "rows",
        (false, true) => "penalised rows",
        (true, false) => "rows in the chain",
        (true, true) => "penalised rows in the chain",
    }
}

/// In whole numbers, and as the first two steps have no momentum: exactly. A component is without curvature, and stays.
fn whole<B: Backend<Elem = f32>>(
    v: &mut Verifier<'_, B>,
    (rows, k): (usize, usize),
    steps: usize,
    (left, mu): (bool, f64),
) -> Result<()> {
    let mut gram = whole_gram(v, k);
    let mut right = Array2::ones((1, k));
    if k > 2 {
        gram.row_mut(1).fill(0.0);
        gram.column_mut(1).fill(0.0);
        right[[0, 1]] = 0.0;
    }
    let left = left.then(|| [whole_gram(v, rows), Array2::ones((1, rows))]);
    let rhs = v.data(rows, k, Data::Whole).mapv(|b| 2.0 * b + 3.0);
    let start = v.data(rows, k, Data::Whole).mapv(f32::abs);
    let name = format!("Nesterov on {} {rows}×{k}, {steps} steps, whole", name(left.is_some(), mu));
    let (found, expected) = Given { left, gram, right, rhs, start }.both(v, (mu, 0.0, steps))?;
    v.compare_matrix(name, &found, &expected, &Array2::zeros((rows, k)))
}

/// The objective after some steps. A step minimises a bound on it, so what rounding does to a step changes it little.
fn objective<B: Backend<Elem = f32>>(
    v: &mut Verifier<'_, B>,
    (rows, k): (usize, usize),
    steps: usize,
    (left, mu): (bool, f64),
) -> Result<()> {
    // No norm is larger than the largest sum of a row.
    let norm = |gram: &Array2<f32>| gram.rows().into_iter().map(|row| row.sum()).fold(0.0, f32::max);
    let gram = v.gram(k);
    let curved = v.data(rows, k, Data::Nonnegative).dot(&gram);
    let noise = v.data(rows, k, Data::Signed);
    let left = left.then(|| {
        let a = v.gram(rows);
        let scale = Array2::from_elem((1, rows), norm(&a));
        [a, scale]
    });
    let rhs = left.as_ref().map_or(curved.clone(), |[a, _]| a.dot(&curved)) + noise;
    let start = v.data(rows, k, Data::Nonnegative);
    let right = Array2::from_elem((1, k), norm(&gram));
    let given = Given { left, gram, right, rhs, start };
    let (found, expected) = given.both(v, (mu, 0.5 + mu * rows as f64, steps))?;
    let found = wide(&v.b.download(&found)?);
    let (gram, rhs, left) = (wide(&given.gram), wide(&given.rhs), given.left.as_ref().map(|[a, _]| wide(a)));
    let block = Descent { left: left.as_ref(), gram: &gram, rhs: &rhs, mu, sweeps: 0 };
    let ((f, _), (e, parts)) = (value(&block, &found), value(&block, &expected));
    let name = format!("Nesterov on {} {rows}×{k}", name(left.is_some(), mu));
    v.compare_number(format!("{name}, objective"), f, e, gamma(steps * (k + rows.min(600) + 16)) * parts);
    let least = found.iter().copied().fold(0.0, f64::min);
    v.compare_number(format!("{name}, negative entries"), least, 0.0, 0.0);
    Ok(())
}
