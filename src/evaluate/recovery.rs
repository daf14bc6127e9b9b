//! How many known parts are among the components that were found.

use ndarray::{ArrayView1, ArrayView2};
use pathfinding::matrix::Matrix;
use pathfinding::prelude::kuhn_munkres;

use crate::{Error, Result};

/// A part counts as found if its cosine is at least this.
const FOUND: f64 = 0.95;

/// Parts that are matched with components one to one.
#[derive(Debug, Clone, PartialEq)]
pub struct Recovery {
    /// The component of every part; None if there are fewer components than parts.
    pub component: Vec<Option<usize>>,
    /// The cosine of every part and its component; 0 without one.
    pub cosine: Vec<f64>,
}

impl Recovery {
    /// Matches the columns of `parts` with those of `components`, both `features × k`, so that the sum of their cosines is the
    /// largest (Hungarian method). Lengths do not matter; a column of zeros has cosine 0 with all.
    ///
    /// # Errors
    /// [`Error::Shape`] for other numbers of features; [`Error::Data`] without parts or components.
    pub fn of(components: ArrayView2<'_, f32>, parts: ArrayView2<'_, f32>) -> Result<Self> {
        let ((features, found), (expected, known)) = (components.dim(), parts.dim());
        if features != expected {
            return Err(Error::shape("components to match with parts", (expected, found), components.dim()));
        }
        if found == 0 || known == 0 {
            return Err(Error::Data(format!("expected parts and components, found {known} and {found}")));
        }
        let cosines = |i: usize, j: usize| cosine(parts.column(i), components.column(j));
        // The method takes integers, and no more rows than columns.
        let turned = known > found;
        let weights = Matrix::from_fn(known.min(found), known.max(found), |(i, j)| {
            let cosine = if turned { cosines(j, i) } else { cosines(i, j) };
            (cosine * 1e12).round() as i64
        });
        let of = kuhn_munkres(&weights).1;
        let mut component = vec![None; known];
        for (row, column) in of.into_iter().enumerate() {
            let (part, j) = if turned { (column, row) } else { (row, column) };
            component[part] = Some(j);
        }
        let cosine = component.iter().enumerate().map(|(i, j)| j.map_or(0.0, |j| cosines(i, j))).collect();
        Ok(Self { component, cosine })
    }

    /// The share of parts that are found: whose cosine is at least .95.
    pub fn found(&self) -> f64 {
        self.cosine.iter().filter(|c| **c >= FOUND).count() as f64 / self.cosine.len() as f64
    }

    /// The mean cosine.
    pub fn mean(&self) -> f64 {
        self.cosine.iter().sum::<f64>() / self.cosine.len() as f64
    }
}

fn cosine(a: ArrayView1<'_, f32>, b: ArrayView1<'_, f32>) -> f64 {
    let dot = |a: ArrayView1<'_, f32>, b: ArrayView1<'_, f32>| {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>()
    };
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    if lengths > 0.0 { dot(a, b) / lengths } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn parts_are_matched_one_to_one_whatever_their_order_and_length() {
        let parts = array![[1.0, 0.0, 1.0], [0.0, 1.0, 1.0], [0.0, 0.0, 0.0]];
        let components = array![[0.0, 7.0, 3.0], [0.5, 7.0, 0.0], [0.0, 0.0, 0.0]];
        let found = Recovery::of(components.view(), parts.view()).expect("fits");
        assert_eq!(found.component, [Some(2), Some(0), Some(1)]);
        assert!((found.mean() - 1.0).abs() < 1e-7 && found.found() == 1.0, "{found:?}");
        // The first component is near to both parts: the sum decides.
        let found = Recovery::of(array![[0.8, 0.0], [0.6, 1.0]].view(), array![[1.0, 0.7], [0.0, 0.7]].view());
        assert_eq!(found.expect("fits").component, [Some(0), Some(1)]);
    }

    #[test]
    fn fewer_components_than_parts_leave_parts_without_one() {
        let parts = array![[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        let found = Recovery::of(array![[0.0], [0.2], [0.9]].view(), parts.view()).expect("fits");
        assert_eq!(found.component, [None, None, Some(0)]);
        assert!((found.found() - 1.0 / 3.0).abs() < 1e-12 && found.cosine[..2] == [0.0; 2], "{found:?}");
        let more = array![[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.3], [0.0, 0.0, 0.0, 0.0]];
        let found = Recovery::of(more.view(), parts.view()).expect("fits");
        assert_eq!(found.component[..2], [Some(1), Some(3)]);
        assert_eq!(found.cosine, [1.0, 1.0, 0.0]);
    }

    #[test]
    fn what_cannot_be_matched_is_an_error() {
        let (a, none) = (array![[1.0], [0.0]], ndarray::Array2::zeros((2, 0)));
        assert!(matches!(Recovery::of(a.view(), array![[1.0]].view()), Err(Error::Shape { .. })));
        assert!(matches!(Recovery::of(a.view(), none.view()), Err(Error::Data(_))));
        assert!(matches!(Recovery::of(none.view(), a.view()), Err(Error::Data(_))));
    }
}
