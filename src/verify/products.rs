//! Products and sums.

use super::verifier::{Data, Verifier, wide};
use crate::Result;
use crate::backend::formula::gamma;
use crate::backend::{Backend, ColumnSums, MatMul, Sparse, Storage, Sum, Write};
use ndarray::{ArcArray2, Array2, ArrayRef2, Axis};

/// Rows, inner size, columns: one, tiles of every size and their neighbours, primes, an inner size of one and long enough
/// to be split, nothing.
const PRODUCTS: &[(usize, usize, usize)] = &[
    (1, 1, 1),
    (64, 16, 64),
    (63, 64, 65),
    (65, 17, 63),
    (127, 31, 2),
    (130, 1, 67),
    (3, 701, 5),
    (97, 1031, 101),
    (128, 512, 1),
    (129, 31, 33),
    (127, 33, 129),
    (128, 16, 32),
    (31, 700, 127),
    (257, 15, 128),
    (5, 0, 3),
    (0, 4, 3),
];

/// Rows and columns of what is summed.
const SUMS: &[(usize, usize)] = &[(1, 1), (64, 64), (63, 65), (257, 3), (1031, 101), (3, 700)];

pub(super) fn run<B: Backend<Elem = f32>>(v: &mut Verifier<'_, B>) -> Result<()> {
    for op in [MatMul::NN, MatMul::TN, MatMul::NT] {
        for &shape in PRODUCTS {
            for data in [Data::Signed, Data::Whole] {
                matmul(v, op, shape, data)?;
            }
        }
    }
    for &shape in SUMS {
        for data in [Data::Signed, Data::Whole] {
            sums(v, shape, data)?;
            column_sums(v, shape, data)?;
        }
    }
    for (n, k, m) in [(1, 1, 1), (65, 7, 63), (130, 33, 101)] {
        for data in [Data::Signed, Data::Whole] {
            residual(v, (n, k, m), data)?;
        }
    }
    for storage in [Storage::F16, Storage::U8, Storage::Auto] {
        for shape in [(1, 1, 1), (65, 63, 7), (131, 129, 34), (700, 31, 20)] {
            stored(v, shape, storage)?;
        }
    }
    for shape in [(1, 1, 1), (16, 16, 16), (65, 63, 7), (131, 129, 34), (1500, 31, 70)] {
        for data in [Data::Signed, Data::Whole] {
            halves(v, shape, data)?;
        }
    }
    // Rows, columns of the sparse matrix and of the other.
    for shape in [(1, 1, 1), (64, 64, 64), (65, 131, 63), (300, 7, 3)] {
        for data in [Data::Signed, Data::Whole] {
            sparse_product(v, shape, data)?;
        }
    }
    Ok(())
}

/// The bound, or 0 where the data make every order exact.
fn unless_whole(data: Data, bound: Array2<f64>) -> Array2<f64> {
    if data == Data::Whole { bound * 0.0 } else { bound }
}

fn matmul<B: Backend<Elem = f32>>(
    v: &mut Verifier<'_, B>,
    op: MatMul,
    (m, k, n): (usize, usize, usize),
    data: Data,
) -> Result<()> {
    let a = if op == MatMul::TN { v.data(k, m, data) } else { v.data(m, k, data) };
    let on_a = v.b.upload(a.view())?;
    compare_product(v, format!("product {op:?} {m}×{k}×{n} {data:?}"), op, (&on_a, &a), n, data)
}

/// A product with an operand on the device and one of `n` columns or, transposed, rows.
fn compare_product<B: Backend<Elem = f32>>(
    v: &mut Verifier<'_, B>,
    name: String,
    op: MatMul,
    (on_a, a): (&B::Matrix, &ArrayRef2<f32>),
    n: usize,
    data: Data,
) -> Result<()> {
    let (m, k) = if op == MatMul::TN { (a.ncols(), a.nrows()) } else { a.dim() };
    let b = if op == MatMul::NT { v.data(n, k, data) } else { v.data(k, n, data) };
    // What was there before must not matter.
    let before = v.data(m, n, Data::Signed);
    let mut out = v.b.upload(before.view())?;
    let on_b = v.b.upload(b.view())?;
    v.b.matmul(op, on_a, &on_b, &mut out)?;
    let (a, b) = (wide(a), wide(&b));
    let (mut expected, mut bound) = (ArcArray2::zeros((m, n)), ArcArray2::zeros((m, n)));
    v.oracle.matmul(op, &a, &b, &mut expected)?;
    v.oracle.matmul(op, &a.mapv_into(f64::abs), &b.mapv_into(f64::abs), &mut bound)?;
    v.compare_matrix(name.clone(), &out, &expected, &unless_whole(data, &bound * gamma(k + 1)))?;
    v.b.product(op, on_a, &on_b, Write::Add, &mut out)?;
    v.compare_matrix(name + ", added", &out, &(2.0 * expected), &unless_whole(data, &bound * 2.0 * gamma(k + 2)))
}

/// Products of halves, on a device that was opened for them. Whole numbers are halves too, and make them exact.
fn halves<B: Backend<Elem = f32>>(v: &mut Verifier<'_, B>, (n, m, k): (usize, usize, usize), data: Data) -> Result<()> {
    if !v.b.use_halves(true) {
        return Ok(());
    }
    let outcome = compare_halves(v, (n, m, k), data);
    v.b.use_halves(false);
    outcome
}

fn compare_halves<B: Backend<Elem = f32>>(
    v: &mut Verifier<'_, B>,
    (n, m, k): (usize, usize, usize),
    data: Data,
) -> Result<()> {
    let x = v.data(n, m, data);
    let (on_x, storage) = v.b.upload_data(x.view().into(), Storage::F16)?;
    let x = storage.round(x.view().into());
    for op in [MatMul::NN, MatMul::TN] {
        let (rows, inner) = if op == MatMul::NN { (n, m) } else { (m, n) };
        let other = v.data(inner, k, data);
        let before = v.data(rows, k, Data::Signed);
        let (on_other, mut out) = (v.b.upload(other.view())?, v.b.upload(before.view())?);
        v.b.matmul(op, &on_x, &on_other, &mut out)?;
        let (mut expected, mut bound) = (ArcArray2::zeros((rows, k)), ArcArray2::zeros((rows, k)));
        v.oracle.matmul(op, &wide(&x), &wide(&other), &mut expected)?;
        v.oracle.matmul(op, &wide(&x).mapv_into(f64::abs), &wide(&other).mapv_into(f64::abs), &mut bound)?;
        // The rounding to halves, and such units: neither need be to the nearest.
        let bound = unless_whole(data, &bound * (f64::from(half::f16::EPSILON) + 2.0 * gamma(inner + 1)));
        v.compare_matrix(format!("product of halves {op:?} {n}×{m}×{k} {data:?}"), &out, &expected, &bound)?;
    }
    Ok(())
}

/// X (n × m) as it may be stored on the device, and all that is done with it. The oracle has what is left of X.
fn stored<B: Backend<Elem = f32>>(
    v: &mut Verifier<'_, B>,
    (n, m, k): (usize, usize, usize),
    storage: Storage,
) -> Result<()> {
    let mut x = v.data(n, m, Data::Nonnegative);
    match storage {
        // Images of bytes with a scale of their own each: what is kept as bytes by itself.
        Storage::Auto => {
            let bytes = |(i, _): (usize, usize), x: f32| (x * 255.0).floor() / (i + 3) as f32;
            x = Array2::from_shape_fn((n, m), |at| bytes(at, x[at]));
        }
        Storage::F16 => x.indexed_iter_mut().filter(|((i, j), _)| (i + j) % 2 == 1).for_each(|(_, x)| *x = -*x),
        Storage::F32 | Storage::U8 => {}
    }
    let (on_x, found) = v.b.upload_data(x.view().into(), storage)?;
    let x = found.round(x.view().into());
    let name = |what: &str| format!("X as {storage}, {what} {n}×{m}×{k}");
    v.compare_matrix(name("download"), &on_x, &wide(&x), &Array2::zeros((n, m)))?;
    for op in [MatMul::NN, MatMul::TN, MatMul::NT] {
        compare_product(v, name(&format!("product {op:?}")), op, (&on_x, &x), k, Data::Signed)?;
    }
    let mut scalars = v.b.scalars(2)?;
    v.b.sum(Sum::Dot(&on_x, &on_x), &mut scalars, 0)?;
    v.b.sum(Sum::Entries(&on_x), &mut scalars, 1)?;
    let sums = v.b.read(&scalars)?;
    let (squares, entries, magnitudes) =
        (wide(&x).mapv(|x| x * x).sum(), wide(&x).sum(), wide(&x).mapv(f64::abs).sum());
    v.compare_number(name("squares"), sums[0], squares, gamma(n * m + 1) * squares);
    v.compare_number(name("entries"), sums[1], entries, gamma(n * m) * magnitudes);
    compare_residual(v, name("residual"), (&on_x, &x), k, Data::Signed)
}

fn sums<B: Backend<Elem = f32>>(v: &mut Verifier<'_, B>, (rows, cols): (usize, usize), data: Data) -> Result<()> {
    let (a, b) = (v.data(rows, cols, data), v.data(rows, cols, data));
    let square = v.data(cols, cols, data);
    let (on_a, on_b, on_square) = (v.b.upload(a.view())?, v.b.upload(b.view())?, v.b.upload(square.view())?);
    let mut scalars = v.b.scalars(5)?;
    v.b.sum(Sum::Dot(&on_a, &on_b), &mut scalars, 3)?;
    v.b.sum(Sum::Dot(&on_a, &on_b), &mut scalars, 4)?;
    v.b.reduce(Sum::Entries(&on_a), Write::Add, &mut scalars, 4)?;
    v.b.sum(Sum::Entries(&on_a), &mut scalars, 0)?;
    v.b.sum(Sum::Trace(&on_square), &mut scalars, 2)?;
    let found = v.b.read(&scalars)?;
    let (a, b, square) = (wide(&a), wide(&b), wide(&square));
    let count = rows * cols;
    let products = (&a * &b).mapv(f64::abs).sum();
    let (dot, entries, magnitudes) = ((&a * &b).sum(), a.sum(), a.mapv(f64::abs).sum());
    let cases = [
        ("inner product", found[3], dot, gamma(count + 1) * products),
        ("sum of entries", found[0], entries, gamma(count) * magnitudes),
        ("sum that is added", found[4], dot + entries, gamma(count + 2) * (products + magnitudes)),
        ("trace", found[2], square.diag().sum(), gamma(cols) * square.diag().mapv(f64::abs).sum()),
        ("sum that was not asked for", found[1], 0.0, 0.0),
    ];
    for (what, found, expected, bound) in cases {
        let bound = if data == Data::Whole { 0.0 } else { bound };
        v.compare_number(format!("{what} {rows}×{cols} {data:?}"), found, expected, bound);
    }
    Ok(())
}

fn column_sums<B: Backend<Elem = f32>>(
    v: &mut Verifier<'_, B>,
    (rows, cols): (usize, usize),
    data: Data,
) -> Result<()> {
    let host = v.data(rows, cols, data);
    let m = v.b.upload(host.view())?;
    let host = wide(&host);
    let row = |a: &ArrayRef2<f64>| a.sum_axis(Axis(0)).insert_axis(Axis(0));
    for what in [ColumnSums::Sum, ColumnSums::SumOfSquares, ColumnSums::SumSquared] {
        let mut out = v.b.zeros(1, cols)?;
        v.b.column_sums(&m, what, Write::Replace, &mut out)?;
        let sum = row(&host);
        let squares = row(&(&host * &host));
        let error = gamma(rows) * row(&host.mapv(f64::abs));
        let (expected, bound) = match what {
            ColumnSums::Sum => (sum, error),
            ColumnSums::SumOfSquares => (squares.clone(), squares * gamma(rows + 1)),
            // (s + e)² rounded once more.
            ColumnSums::SumSquared => {
                let slack = 2.0 * sum.mapv(f64::abs) * &error + &error * &error;
                (&sum * &sum, slack + gamma(2) * (sum.mapv(f64::abs) + error).mapv(|s| s * s))
            }
        };
        let (name, bound) = (format!("column {what:?} {rows}×{cols} {data:?}"), unless_whole(data, bound));
        v.compare_matrix(name.clone(), &out, &expected, &bound)?;
        if what != ColumnSums::SumSquared {
            v.b.column_sums(&m, what, Write::Add, &mut out)?;
            let bound = unless_whole(data, 2.0 * bound + 2.0 * gamma(1) * expected.mapv(f64::abs));
            v.compare_matrix(name + ", added", &out, &(2.0 * expected), &bound)?;
        }
    }
    Ok(())
}

fn residual<B: Backend<Elem = f32>>(
    v: &mut Verifier<'_, B>,
    (n, k, m): (usize, usize, usize),
    data: Data,
) -> Result<()> {
    let x = v.data(n, m, data);
    let on_x = v.b.upload(x.view())?;
    compare_residual(v, format!("residual {n}×{k}×{m} {data:?}"), (&on_x, &x), k, data)
}

fn compare_residual<B: Backend<Elem = f32>>(
    v: &mut Verifier<'_, B>,
    name: String,
    (on_x, x): (&B::Matrix, &ArrayRef2<f32>),
    k: usize,
    data: Data,
) -> Result<()> {
    let (n, m) = x.dim();
    let (h, psi) = (v.data(n, k, data), v.data(m, k, data));
    let (on_h, on_psi) = (v.b.upload(h.view())?, v.b.upload(psi.view())?);
    let mut scalars = v.b.scalars(2)?;
    v.b.residual(on_x, &on_h, &on_psi, Write::Replace, &mut scalars, 0)?;
    v.b.residual(on_x, &on_h, &on_psi, Write::Replace, &mut scalars, 1)?;
    v.b.residual(on_x, &on_h, &on_psi, Write::Add, &mut scalars, 1)?;
    let found = v.b.read(&scalars)?;
    let (x, h, psi) = (wide(x), wide(&h), wide(&psi));
    let difference = (&x - &h.dot(&psi.t())).mapv(f64::abs);
    // The product's error and that of the subtraction, then squares and their sum.
    let error = gamma(k + 3) * (h.mapv(f64::abs).dot(&psi.t().mapv(f64::abs)) + x.mapv(f64::abs));
    let bound = (2.0 * &difference * &error + &error * &error).sum()
        + gamma(n * m + 2) * (&difference + &error).mapv(|d| d * d).sum();
    let bound = if data == Data::Whole { 0.0 } else { bound };
    let expected = difference.mapv(|d| d * d).sum();
    v.compare_number(name.clone(), found[0], expected, bound);
    v.compare_number(name + ", added", found[1], 2.0 * expected, 2.0 * bound + 2.0 * gamma(1) * expected);
    Ok(())
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
    let bound = unless_whole(data, dense.mapv(f64::abs).dot(&b.mapv(f64::abs)) * gamma(inner + 1));
    v.compare_matrix(format!("sparse product {rows}×{inner}×{cols} {data:?}"), &out, &expected, &bound)
}
