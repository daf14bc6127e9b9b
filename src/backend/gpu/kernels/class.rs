//! Classes of products, for each of which one variant is taken to be the fastest.

use crate::backend::MatMul;
use std::collections::HashMap;

/// Products that are taken to be fastest in the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in super::super) struct Class {
    pub(in super::super) op: MatMul,
    /// One of them: rows, inner size, columns.
    pub(in super::super) shape: (usize, usize, usize),
}

/// Columns of a class, at most; the last has those with more.
const COLUMNS: [usize; 4] = [32, 64, 128, 256];
/// Rows of a small product, at most, and of the larger one that is measured.
const ROWS: [usize; 2] = [1024, 8192];
/// Terms of a short sum, at most, and of the longer one that is measured.
const INNER: [usize; 2] = [128, 1024];

impl Class {
    pub(in super::super) fn of(op: MatMul, (m, k, n): (usize, usize, usize)) -> Self {
        let cols = COLUMNS.iter().position(|most| n <= *most).unwrap_or(COLUMNS.len() - 1);
        Self::at(op, usize::from(m > ROWS[0]), usize::from(k > INNER[0]), cols)
    }

    fn at(op: MatMul, rows: usize, inner: usize, cols: usize) -> Self {
        // Sums over samples are the longest, and have no more rows than there are features.
        let (rows, inner) = match op {
            MatMul::TN => ([256, 2048][rows], [128, 8192][inner]),
            MatMul::NN | MatMul::NT => ([256, 8192][rows], [64, INNER[1]][inner]),
        };
        Self { op, shape: (rows, inner, COLUMNS[cols]) }
    }

    /// All of them, those of few terms first: a slow device gets through these within its time.
    pub(in super::super) fn all() -> impl Iterator<Item = Self> {
        let ops = [MatMul::NN, MatMul::TN, MatMul::NT];
        let sizes = [(0, 0), (0, 1), (1, 0), (1, 1)];
        sizes.into_iter().flat_map(move |(rows, inner)| {
            ops.into_iter().flat_map(move |op| (0..COLUMNS.len()).map(move |cols| Self::at(op, rows, inner, cols)))
        })
    }

    pub(in super::super) fn name(&self) -> String {
        let (m, k, n) = self.shape;
        format!("{:?} {m}x{k}x{n}", self.op)
    }
}

/// The numbers of the fastest variants.
pub(in super::super) type Table = HashMap<Class, usize>;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_product_is_of_a_class_that_is_measured() {
        let all: HashSet<Class> = Class::all().collect();
        assert_eq!((all.len(), Class::all().count()), (48, 48));
        for op in [MatMul::NN, MatMul::TN, MatMul::NT] {
            for m in [1, 1024, 1025, 60_000] {
                for k in [1, 128, 129, 60_000] {
                    for n in [1, 32, 33, 64, 65, 128, 129, 5000] {
                        assert!(all.contains(&Class::of(op, (m, k, n))), "{op:?} {m} {k} {n}");
                    }
                }
            }
        }
        for class in Class::all() {
            assert_eq!(Class::of(class.op, class.shape), class, "{}", class.name());
        }
    }
}
