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

/// Columns of a class, at most, and of the product that is measured; the last has those with more.
const COLUMNS: [(usize, usize); 4] = [(32, 20), (64, 40), (128, 100), (256, 300)];
/// Rows of the products that are small, and of those that are no larger than the data have features.
const ROWS: [usize; 2] = [256, 1024];
/// Terms of a short sum, at most.
const INNER: usize = 128;
/// What is measured is of the size of what is computed: tiles are fitted to it, and a device is as busy with it. Features, and
/// samples of which the data fit the bindings of any GPU.
const FEATURES: usize = 784;
const SAMPLES: usize = 32_768;

impl Class {
    pub(in super::super) fn of(op: MatMul, (m, k, n): (usize, usize, usize)) -> Self {
        let cols = COLUMNS.iter().position(|(most, _)| n <= *most).unwrap_or(COLUMNS.len() - 1);
        let rows = ROWS.iter().filter(|most| m > **most).count();
        Self::at(op, rows, usize::from(k > INNER), cols)
    }

    fn at(op: MatMul, rows: usize, inner: usize, cols: usize) -> Self {
        let (_, cols) = COLUMNS[cols];
        let shape = match op {
            // Sums over samples are the longest; their results are XᵀH and HᵀH.
            MatMul::TN => ([cols.min(ROWS[0]), FEATURES, 2048][rows], [cols.min(INNER), SAMPLES][inner], cols),
            MatMul::NN | MatMul::NT => {
                ([cols.min(ROWS[0]), FEATURES, SAMPLES][rows], [cols.min(INNER), FEATURES][inner], cols)
            }
        };
        Self { op, shape }
    }

    /// All of them. A slow device gets through the small ones within its time; of the others those come first that most of a fit goes
    /// into, the products with the data.
    pub(in super::super) fn all() -> impl Iterator<Item = Self> {
        let ops = [MatMul::NN, MatMul::TN, MatMul::NT];
        let sizes = [(0, 0), (2, 1), (1, 1), (0, 1), (2, 0), (1, 0)];
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
        assert_eq!((all.len(), Class::all().count()), (72, 72));
        for op in [MatMul::NN, MatMul::TN, MatMul::NT] {
            for m in [1, 256, 257, 1024, 1025, 60_000] {
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
        // What is measured for XΨ, XᵀH and HᵀH has their tiles, and keeps a device as busy.
        let measured = |op, shape| Class::of(op, shape).shape;
        assert_eq!(measured(MatMul::NN, (60_000, 784, 100)), (32_768, 784, 100));
        assert_eq!(measured(MatMul::TN, (784, 60_000, 100)), (784, 32_768, 100));
        assert_eq!(measured(MatMul::TN, (40, 60_000, 40)), (40, 32_768, 40));
    }
}
