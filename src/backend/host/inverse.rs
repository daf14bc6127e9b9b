//! Generalised inverses of small symmetric matrices, in f64.

use crate::backend::Element;
use crate::{Error, Result};
use faer::linalg::solvers::DenseSolveCore;
use faer::{Mat, Side};
use ndarray::{Array2, ArrayView2};

/// A generalised inverse of a symmetric positive semidefinite matrix, on the host and in f64.
///
/// The matrix is first scaled to a diagonal of ones. Eigenvalues below 9 units of rounding of the largest one count as 0
/// (the proportion at which NumPy's `pinv` cuts), and so do rows and columns whose entry on the diagonal is below the root of a
/// unit of the largest: beside columns that [`whitening`] made, these are what it left of none. What remains solves least
/// squares. Where the matrix has full rank this is its inverse.
pub(crate) fn symmetric_inverse<E: Element>(gram: ArrayView2<'_, E>) -> Result<Array2<E>> {
    inverse_of(unit_diagonal(gram, E::UNIT.sqrt()), 0.0)
}

/// A T with `T Tᵀ ≈ gram⁻¹`, on the host and in f64, for a `gram` that is a product with roundings of `E`: the columns of A T
/// are nearly orthonormal where AᵀA = gram. Directions that the roundings may have made up become short columns of A T.
pub(crate) fn whitening<E: Element>(gram: ArrayView2<'_, E>) -> Result<Array2<E>> {
    let k = gram.nrows();
    let (scaled, scale) = unit_diagonal(gram, 0.0);
    let unscaled =
        |root: &dyn Fn(usize, usize) -> f64| Array2::from_shape_fn((k, k), |(i, j)| E::of(scale[i] * root(i, j)));
    let cut = 9.0 * E::UNIT;
    if let Ok(cholesky) = scaled.llt(Side::Lower) {
        let mut inverse = Mat::<f64>::identity(k, k);
        cholesky.L().solve_lower_triangular_in_place(&mut inverse);
        if cut * scaled.norm_l2() * inverse.squared_norm_l2() < 1.0 {
            return Ok(unscaled(&|i, j| inverse[(j, i)]));
        }
    }
    let (values, vectors, largest) = eigen(&scaled)?;
    Ok(unscaled(&|i, j| vectors[(i, j)] / values[j].max(cut * largest).sqrt()))
}

/// Eigenvalues and vectors, and the largest value.
fn eigen(m: &Mat<f64>) -> Result<(Vec<f64>, Mat<f64>, f64)> {
    let k = m.nrows();
    let eigen = m
        .self_adjoint_eigen(Side::Lower)
        .map_err(|e| Error::Data(format!("the eigenvalues of a {k}×{k} Gram could not be found: {e:?}")))?;
    let values: Vec<f64> = eigen.S().column_vector().iter().copied().collect();
    let largest = values.iter().fold(f64::MIN_POSITIVE, |most, v| most.max(*v));
    Ok((values, eigen.U().to_owned(), largest))
}

/// `D gram D` with `D = diag(gram)^-½`, and D; 0 where the diagonal is at most `cut` times its largest entry.
fn unit_diagonal<E: Element>(gram: ArrayView2<'_, E>, cut: f64) -> (Mat<f64>, Vec<f64>) {
    let least = cut * gram.diag().iter().fold(0.0_f64, |most, d| most.max(d.f64()));
    let scale: Vec<f64> =
        gram.diag().iter().map(|d| if d.f64() > least { d.f64().sqrt().recip() } else { 0.0 }).collect();
    // Both triangles, so that rounding does not make one of them matter more.
    let entry = |i: usize, j: usize| 0.5 * (gram[[i, j]].f64() + gram[[j, i]].f64()) * scale[i] * scale[j];
    (Mat::from_fn(gram.nrows(), gram.nrows(), entry), scale)
}

/// The generalised inverse of `gram + ridge · diag(gram)`.
pub(crate) fn regularised_inverse<E: Element>(gram: ArrayView2<'_, E>, ridge: f64) -> Result<Array2<E>> {
    inverse_of(unit_diagonal(gram, 0.0), ridge)
}

/// The same of a matrix that has been scaled.
fn inverse_of<E: Element>((mut scaled, scale): (Mat<f64>, Vec<f64>), ridge: f64) -> Result<Array2<E>> {
    let k = scale.len();
    let unscaled =
        |inverse: Mat<f64>| Array2::from_shape_fn((k, k), |(i, j)| E::of(inverse[(i, j)] * scale[i] * scale[j]));
    let cut = 9.0 * E::UNIT;
    (0..k).for_each(|i| scaled[(i, i)] += ridge);
    // Far from singular, which Frobenius norms can tell, no eigenvalue would be cut, and they need not be known.
    if let Ok(cholesky) = scaled.llt(Side::Lower) {
        let inverse = cholesky.inverse();
        if cut * scaled.norm_l2() * inverse.norm_l2() < 1.0 {
            return Ok(unscaled(inverse));
        }
    }
    let (values, vectors, largest) = eigen(&scaled)?;
    let threshold = cut * largest;
    let weighted = Mat::from_fn(k, k, |i, j| if values[j] > threshold { vectors[(i, j)] / values[j] } else { 0.0 });
    Ok(unscaled(&weighted * vectors.transpose()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inverse_inverts_what_has_an_inverse() {
        let a =
            Array2::from_shape_fn((9, 5), |(i, j)| ((i * 7 + j * 3).pow(2) as f64 * 0.61).sin() * 5f64.powi(j as i32));
        let gram = a.t().dot(&a);
        let product = symmetric_inverse(gram.view()).unwrap().dot(&gram);
        for ((i, j), v) in product.indexed_iter() {
            let expected = if i == j { 1.0 } else { 0.0 };
            // Columns of such different lengths: relative to what they are scaled by.
            let scale = 5f64.powi(j as i32 - i as i32);
            assert!((v - expected).abs() < 1e-9 * scale.max(1.0), "{i} {j}: {v}");
        }
    }

    #[test]
    fn without_full_rank_it_still_solves_least_squares() {
        // The last column is the sum of the first two, one is empty.
        let mut a = Array2::from_shape_fn((9, 4), |(i, j)| ((i * 5 + j * 11).pow(2) as f64 * 0.37).cos());
        let sum = &a.column(0) + &a.column(1);
        a.column_mut(3).assign(&sum);
        a.column_mut(2).fill(0.0);
        let y = Array2::from_shape_fn((9, 1), |(i, _)| (i as f64).sqrt());
        let x = symmetric_inverse(a.t().dot(&a).view()).unwrap().dot(&a.t().dot(&y));
        let gradient = a.t().dot(&(a.dot(&x) - &y));
        assert!(gradient.iter().all(|g| g.abs() < 1e-10), "{gradient}");
        assert_eq!(x[[2, 0]], 0.0);
    }

    #[test]
    fn whitening_makes_columns_orthonormal() {
        // Columns that differ by 1e-4 of their length: a condition of 1e8 in the Gram.
        for scale in [1.0, 1e-6, 1e5] {
            let near = |i: usize, j: usize| scale * (1.0 + 1e-4 * ((i * 7 + j * 3).pow(2) as f64 * 0.61).sin());
            let a = Array2::from_shape_fn((9, 4), |(i, j)| near(i, j));
            let q = a.dot(&whitening(a.t().dot(&a).view()).unwrap());
            for ((i, j), v) in q.t().dot(&q).indexed_iter() {
                assert!((v - f64::from(u8::from(i == j))).abs() < 1e-4, "{i} {j}: {v}");
            }
        }
    }
}
