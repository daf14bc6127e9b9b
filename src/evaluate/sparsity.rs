//! Measures of how sparse a factor is.

use ndarray::Array2;

/// The fraction of entries that are exactly 0.
pub fn zeros(a: &Array2<f32>) -> f64 {
    a.iter().filter(|v| **v == 0.0).count() as f64 / a.len().max(1) as f64
}

/// Hoyer's sparseness of a column v of n numbers, `(√n − ‖v‖₁/‖v‖₂) / (√n − 1)`, averaged over the columns that are not
/// zero: 0 for equal entries, 1 for a single nonzero entry. None if all columns are zero or have fewer than two entries.
///
/// P. O. Hoyer: *Non-negative Matrix Factorization with Sparseness Constraints*, JMLR 5, 1457–1469, 2004.
pub fn hoyer_columns(a: &Array2<f32>) -> Option<f64> {
    let root = (a.nrows() as f64).sqrt();
    if a.nrows() < 2 {
        return None;
    }
    let each = a.columns().into_iter().filter_map(|column| {
        let (sum, squares) = column.iter().fold((0.0, 0.0), |(sum, squares), &v| {
            let v = f64::from(v);
            (sum + v.abs(), squares + v * v)
        });
        (squares > 0.0).then(|| (root - sum / squares.sqrt()) / (root - 1.0))
    });
    let (count, total) = each.fold((0usize, 0.0), |(count, total), v| (count + 1, total + v));
    (count > 0).then(|| total / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn extremes() {
        // One entry of two, both alike, none at all, and (√2 − 7/5)/(√2 − 1) for (3, 4).
        let a = array![[2.0, 1.0, 0.0, 3.0], [0.0, 1.0, 0.0, 4.0]];
        let root = 2f64.sqrt();
        let expected = (1.0 + 0.0 + (root - 1.4) / (root - 1.0)) / 3.0;
        assert!((hoyer_columns(&a).expect("three columns count") - expected).abs() < 1e-12);
        assert_eq!(zeros(&a), 3.0 / 8.0);
        assert_eq!(hoyer_columns(&Array2::zeros((3, 2))), None);
        assert_eq!(hoyer_columns(&Array2::ones((1, 2))), None);
    }
}
