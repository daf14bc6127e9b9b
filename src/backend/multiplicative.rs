//! What the operations of the other models than those of blocks are asked with.

use super::{Backend, Element, check};
use crate::{Error, Result};
use faer::linalg::solvers::DenseSolveCore;
use faer::{Mat, Side};
use ndarray::{Array2, ArrayView2};

/// Which part of every entry [`Backend::part`] takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// `max(m, 0)`.
    Positive,
    /// `max(−m, 0)`.
    Negative,
    /// `|m|`.
    Absolute,
}

/// What a quotient does to an entry; ε is 1e-30.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// `x · n/(d + ε)`: Lee & Seung.
    Ratio,
    /// `x · √(n/max(d, ε))`: Ding et al., for blocks of mixed signs.
    Root,
}

/// What keeps a denominator from 0: far below every other that there is beside samples of about norm 1, to which X is scaled.
/// Where a denominator is 0 so is x, or the numerator.
pub(crate) const FLOOR: f32 = 1e-30;

/// One multiplicative step; see [`Backend::multiplicative_step`]. All matrices have the shape of x.
#[derive(Debug)]
pub struct MultiplicativeStep<'a, M> {
    /// The linear term of the block: its positive part is in the numerator, its negative part in the denominator.
    pub rhs: &'a M,
    /// What else is in the numerator.
    pub attract: Option<&'a M>,
    /// What else is in the denominator.
    pub repel: &'a M,
    /// `d` (1 × rows), of which `d_i x_ij` is in the denominator.
    pub degree: Option<&'a M>,
    /// What the quotient does.
    pub rule: Rule,
    /// The iterate.
    pub x: &'a mut M,
}

/// A sparse matrix by rows: row `i` has the entries `starts[i]..starts[i + 1]` of `columns` and `weights`.
#[derive(Debug, Clone, PartialEq)]
pub struct Sparse<E> {
    /// The number of columns.
    pub cols: usize,
    /// One more than there are rows, from 0, not falling.
    pub starts: Vec<u32>,
    /// Less than `cols`.
    pub columns: Vec<u32>,
    /// As many as `columns`.
    pub weights: Vec<E>,
}

impl<E: Element> Sparse<E> {
    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// The columns and weights of row `i`.
    pub fn row(&self, i: usize) -> impl Iterator<Item = (usize, E)> {
        let entries = self.starts[i] as usize..self.starts[i + 1] as usize;
        self.columns[entries.clone()].iter().map(|&c| c as usize).zip(self.weights[entries].iter().copied())
    }

    /// Whether it is what the fields say.
    pub(crate) fn validate(&self) -> Result<()> {
        let wrong = |found: &str| {
            Err(Error::Shape { what: "sparse matrix", expected: "rows of entries".into(), found: found.into() })
        };
        if self.columns.len() != self.weights.len() {
            return wrong("as many columns as there are no weights");
        }
        let ends = (self.starts.first(), self.starts.last().map(|&end| end as usize));
        if ends != (Some(&0), Some(self.columns.len())) || !self.starts.is_sorted() {
            return wrong("rows that do not make up the entries");
        }
        if self.columns.iter().any(|&c| c as usize >= self.cols) {
            return wrong("an entry beyond the last column");
        }
        Ok(())
    }
}

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

/// The shapes of a step.
pub(crate) fn check_step<B: Backend>(b: &B, step: &MultiplicativeStep<'_, B::Matrix>) -> Result<()> {
    let x = b.shape(step.x);
    check::same("multiplicative step, right side", x, b.shape(step.rhs))?;
    check::same("multiplicative step, denominator", x, b.shape(step.repel))?;
    if let Some(attract) = step.attract {
        check::same("multiplicative step, numerator", x, b.shape(attract))?;
    }
    if let Some(degree) = step.degree {
        check::same("multiplicative step, degrees", (1, x.0), b.shape(degree))?;
    }
    Ok(())
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

    #[test]
    fn sparse_matrices_that_lie_are_refused() {
        let good = Sparse { cols: 3, starts: vec![0, 1, 3], columns: vec![2, 0, 1], weights: vec![1.0, 2.0, 3.0] };
        good.validate().unwrap();
        assert_eq!(good.row(1).collect::<Vec<_>>(), [(0, 2.0), (1, 3.0)]);
        for bad in [
            Sparse { cols: 2, ..good.clone() },
            Sparse { starts: vec![0, 2, 1], ..good.clone() },
            Sparse { starts: vec![0, 1, 2], ..good.clone() },
            Sparse { starts: vec![], ..good.clone() },
            Sparse { weights: vec![1.0], ..good.clone() },
        ] {
            assert!(bad.validate().is_err(), "{bad:?}");
        }
    }
}
