//! Sparse matrices on the host.

use super::Element;
use crate::{Error, Result};

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

#[cfg(test)]
mod tests {
    use super::*;

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
