//! Scores of how well clusters agree with classes.
//!
//! All are functions of the contingency table: `N_ij` is the number of samples of class i in cluster j, `N_i·` the sum of a
//! row, `N_·j` that of a column, n that of all. Classes and clusters without samples do not count.

use std::collections::BTreeMap;

use ndarray::Array2;
use pathfinding::matrix::Matrix;
use pathfinding::prelude::kuhn_munkres;

use crate::{Error, Result};

/// The table of classes against clusters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contingency {
    /// `N_ij`.
    pub counts: Array2<u64>,
    /// The class of every row.
    pub classes: Vec<usize>,
    /// The cluster of every column.
    pub clusters: Vec<usize>,
}

/// The scores of a clustering; the formulas are with the methods of [`Contingency`].
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Scores {
    /// [`Contingency::nmi`].
    pub nmi: f64,
    /// [`Contingency::naive_precision`].
    pub np: f64,
    /// [`Contingency::error_rate`].
    pub er: f64,
    /// [`Contingency::accuracy`].
    pub ac: f64,
    /// [`Contingency::purity`].
    pub purity: f64,
}

/// A score by its name in the papers.
pub type Score = (&'static str, fn(&Scores) -> f64);

/// Every score.
pub const METRICS: [Score; 5] =
    [("NMI", |s| s.nmi), ("NP", |s| s.np), ("ER", |s| s.er), ("AC", |s| s.ac), ("purity", |s| s.purity)];

/// The distinct values in ascending order, and the index of each value among them.
fn ranks(values: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let mut places: BTreeMap<usize, usize> = values.iter().map(|&v| (v, 0)).collect();
    places.values_mut().enumerate().for_each(|(place, of)| *of = place);
    let of = values.iter().map(|v| places[v]).collect();
    (places.into_keys().collect(), of)
}

impl Contingency {
    /// The table of samples whose classes and clusters are given, one of each per sample.
    ///
    /// # Errors
    /// [`Error::Data`] without samples, or if the two have different lengths.
    pub fn new(classes: &[usize], clusters: &[usize]) -> Result<Self> {
        if classes.is_empty() || classes.len() != clusters.len() {
            let (n, m) = (classes.len(), clusters.len());
            return Err(Error::Data(format!(
                "scores need samples: expected a class and a cluster of each, found {n} and {m}"
            )));
        }
        let ((classes, rows), (clusters, columns)) = (ranks(classes), ranks(clusters));
        let mut counts = Array2::zeros((classes.len(), clusters.len()));
        rows.into_iter().zip(columns).for_each(|at| counts[[at.0, at.1]] += 1);
        Ok(Self { counts, classes, clusters })
    }

    fn rows(&self) -> Vec<u64> {
        self.counts.rows().into_iter().map(|row| row.sum()).collect()
    }

    fn columns(&self) -> Vec<u64> {
        self.counts.columns().into_iter().map(|column| column.sum()).collect()
    }

    fn total(&self) -> f64 {
        self.counts.sum() as f64
    }

    /// Normalised mutual information `2I / (H(classes) + H(clusters))`: 1 if classes and clusters are the same partition, 0 if
    /// they are independent. 1 for one class and one cluster.
    ///
    /// A. Strehl, J. Ghosh: *Cluster Ensembles*, JMLR 3, 583–617, 2002, with the arithmetic mean of the entropies.
    pub fn nmi(&self) -> f64 {
        let (rows, columns, n) = (self.rows(), self.columns(), self.total());
        let entropy = |sums: &[u64]| -> f64 { sums.iter().map(|&s| -(s as f64 / n) * (s as f64 / n).ln()).sum() };
        let (of_classes, of_clusters) = (entropy(&rows), entropy(&columns));
        if rows.len() == 1 || columns.len() == 1 {
            return if rows.len() == columns.len() { 1.0 } else { 0.0 };
        }
        let information: f64 = (self.counts.indexed_iter().filter(|(_, c)| **c > 0))
            .map(|((i, j), &c)| (c as f64 / n) * (c as f64 * n / (rows[i] as f64 * columns[j] as f64)).ln())
            .sum();
        (2.0 * information / (of_classes + of_clusters)).clamp(0.0, 1.0)
    }

    /// Naive precision `mean_i max_j N_ij / N_i·`: the largest share of a class in one cluster. Clusters that merge classes
    /// are not punished, so report [`Contingency::accuracy`] beside it.
    ///
    /// Guo & Zhang 2017, section IV.
    pub fn naive_precision(&self) -> f64 {
        let best = self.counts.rows().into_iter().zip(self.rows()).map(|(row, sum)| largest(row) / sum as f64);
        best.sum::<f64>() / self.counts.nrows() as f64
    }

    /// Error rate `√‖Z*Z*ᵀ − ZZᵀ‖_F = (Σ_i N_i·² + Σ_j N_·j² − 2 Σ_ij N_ij²)^¼`, Z and Z* the 0–1 matrices of samples in
    /// classes and in clusters: the fourth root of twice the number of pairs of samples that are together in one of the two
    /// only. It grows with the number of samples: compare it on the same samples only.
    ///
    /// Guo & Zhang 2017, section IV.
    pub fn error_rate(&self) -> f64 {
        let squares = |sums: &mut dyn Iterator<Item = u64>| sums.map(u128::from).map(|s| s * s).sum::<u128>();
        let (rows, columns) = (self.rows(), self.columns());
        let apart = squares(&mut rows.into_iter()) + squares(&mut columns.into_iter())
            - 2 * squares(&mut self.counts.iter().copied());
        (apart as f64).sqrt().sqrt()
    }

    /// Accuracy: the share of samples whose class is that of their cluster, under the best one-to-one assignment of clusters
    /// to classes (Hungarian method).
    pub fn accuracy(&self) -> f64 {
        // The method expects no more rows than columns.
        let (rows, columns) = self.counts.dim();
        let (short, long) = (rows.min(columns), rows.max(columns));
        let weights = Matrix::from_fn(short, long, |(i, j)| {
            let at = if rows <= columns { [i, j] } else { [j, i] };
            i64::try_from(self.counts[at]).unwrap_or(i64::MAX)
        });
        kuhn_munkres(&weights).0 as f64 / self.total()
    }

    /// Purity `1/n Σ_j max_i N_ij`: the share of samples that are of the largest class of their cluster. It grows with the
    /// number of clusters.
    pub fn purity(&self) -> f64 {
        self.counts.columns().into_iter().map(largest).sum::<f64>() / self.total()
    }

    /// All scores.
    pub fn scores(&self) -> Scores {
        Scores {
            nmi: self.nmi(),
            np: self.naive_precision(),
            er: self.error_rate(),
            ac: self.accuracy(),
            purity: self.purity(),
        }
    }
}

fn largest(counts: ndarray::ArrayView1<'_, u64>) -> f64 {
    counts.iter().copied().max().unwrap_or(0) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_classes_and_clusters_do_not_matter_and_empty_ones_do_not_count() {
        let table = Contingency::new(&[7, 7, 3, 3], &[100, 5, 5, 5]).expect("four samples");
        assert_eq!(table.counts, ndarray::array![[2, 0], [1, 1]]);
        assert_eq!((table.classes.as_slice(), table.clusters.as_slice()), ([3, 7].as_slice(), [5, 100].as_slice()));
        assert_eq!((table.naive_precision(), table.accuracy(), table.purity()), (0.75, 0.75, 0.75));
    }

    #[test]
    fn more_clusters_than_classes_and_the_other_way_round() {
        let (few, many) = ([0, 0, 0, 1, 1, 1], [0, 0, 1, 2, 2, 3]);
        assert_eq!(Contingency::new(&few, &many).expect("samples").accuracy(), 4.0 / 6.0);
        assert_eq!(Contingency::new(&many, &few).expect("samples").accuracy(), 4.0 / 6.0);
    }

    #[test]
    fn what_cannot_be_scored_is_said() {
        assert!(matches!(Contingency::new(&[], &[]), Err(Error::Data(_))));
        assert!(matches!(Contingency::new(&[1], &[1, 2]), Err(Error::Data(_))));
    }
}
