//! Neighbour graphs over samples.

use crate::backend::{Backend, Element, MatMul, Sparse};
use crate::train::{GraphConfig, GraphWeights, Progress, Stage, Watch};
use crate::{Error, Result};
use ndarray::{Array2, ArrayView1, Axis, s};
use rayon::prelude::*;

/// Numbers of a block of inner products that come to the host at a time.
const BLOCK: usize = 1 << 22;

/// A symmetric matrix of weights with an empty diagonal, and what hangs on it.
pub(super) struct Graph {
    /// For every sample its neighbours, ascending, and the weights of the edges.
    edges: Vec<Vec<(usize, f64)>>,
    /// The sums of their weights.
    degrees: Vec<f64>,
}

impl Graph {
    /// The samples `x: n × m` with as many nearest neighbours each as `how` says; an edge is there if either end has chosen
    /// the other.
    ///
    /// Brute force: the inner products of all pairs, a block of rows at a time, on the backend; the choice on the host. A fit of `layer`
    /// that is told to stop meanwhile has the edges of the samples before.
    pub(super) fn of<B: Backend>(
        b: &mut B,
        x: &B::Matrix,
        how: &GraphConfig,
        (layer, watch): (usize, &mut Watch<'_>),
    ) -> Result<Self> {
        let host = b.download(x)?;
        let n = host.nrows();
        let squares: Vec<f64> =
            host.axis_iter(Axis(0)).into_par_iter().map(|row| row.iter().map(|v| v.f64().powi(2)).sum()).collect();
        let mut chosen: Vec<Vec<(usize, f64)>> = Vec::with_capacity(n);
        let rows = rows_at_a_time(n);
        for start in (0..n).step_by(rows) {
            watch.report(&Progress { done: start, of: n, ..Progress::of(Stage::Init { layer }) });
            match watch.goes_on() {
                Err(Error::Interrupted { .. }) if watch.stopped => break,
                goes_on => goes_on?,
            }
            let end = n.min(start + rows);
            let block = b.upload(host.slice(s![start..end, ..]))?;
            // X first: only from there is it read however it is stored.
            let mut products = b.zeros(n, end - start)?;
            b.matmul(MatMul::NT, x, &block, &mut products)?;
            let products = b.download(&products)?;
            chosen.par_extend(
                products
                    .axis_iter(Axis(1))
                    .into_par_iter()
                    .enumerate()
                    .map(|(i, row)| nearest(row, start + i, &squares, how)),
            );
        }
        chosen.resize(n, Vec::new());
        Ok(Self::joined(chosen, how.weights))
    }

    /// Makes the matrices that [`Graph::of`] makes on the device, and lets them go.
    pub(super) fn shapes<B: Backend>(b: &mut B, x: &B::Matrix) -> Result<Self> {
        let (n, m) = b.shape(x);
        let _block_and_products = (b.zeros(rows_at_a_time(n), m)?, b.zeros(n, rows_at_a_time(n))?);
        Ok(Self { edges: Vec::new(), degrees: Vec::new() })
    }

    /// Entries of the weights of n samples, at most: an edge has two ends.
    pub(super) fn most_edges(n: usize, how: &GraphConfig) -> usize {
        n.saturating_mul(how.neighbors.saturating_mul(2).min(n.max(1) - 1))
    }

    /// What is chosen on either side, with the weight of the edge: `chosen` has squared distances, or cosines.
    fn joined(chosen: Vec<Vec<(usize, f64)>>, weights: GraphWeights) -> Self {
        let count = chosen.iter().map(Vec::len).sum::<usize>().max(1);
        let mean = chosen.iter().flatten().map(|(_, d)| d).sum::<f64>() / count as f64;
        let weight = |value: f64| match weights {
            GraphWeights::Binary => 1.0,
            // Samples that are all alike have no distance to compare with.
            GraphWeights::Heat => {
                if mean > 0.0 {
                    (-value / mean).exp()
                } else {
                    1.0
                }
            }
            GraphWeights::Cosine => value.max(0.0),
        };
        let mut edges = vec![Vec::new(); chosen.len()];
        for (i, neighbours) in chosen.iter().enumerate() {
            for &(j, value) in neighbours {
                edges[i].push((j, weight(value)));
                edges[j].push((i, weight(value)));
            }
        }
        for list in &mut edges {
            list.sort_by_key(|(j, _)| *j);
            list.dedup_by_key(|(j, _)| *j);
        }
        let degrees = edges.iter().map(|list| list.iter().map(|(_, w)| w).sum()).collect();
        Self { edges, degrees }
    }

    /// The weights, all times `factor`.
    pub(super) fn weights<E: Element>(&self, factor: f64) -> Sparse<E> {
        self.sparse(|_, list| list.iter().map(|(j, w)| (*j, w * factor)).collect())
    }

    /// `L = D − A`, D the degrees and A the weights.
    pub(super) fn laplacian<E: Element>(&self) -> Sparse<E> {
        self.sparse(|i, list| list.iter().map(|(j, w)| (*j, -w)).chain([(i, self.degrees[i])]).collect())
    }

    /// The degrees, all times `factor`; 1 × n.
    pub(super) fn degrees<E: Element>(&self, factor: f64) -> Array2<E> {
        Array2::from_shape_fn((1, self.degrees.len()), |(_, i)| E::of(self.degrees[i] * factor))
    }

    fn sparse<E: Element>(&self, row: impl Fn(usize, &[(usize, f64)]) -> Vec<(usize, f64)>) -> Sparse<E> {
        let mut out = Sparse { cols: self.edges.len(), starts: vec![0], columns: Vec::new(), weights: Vec::new() };
        for (i, list) in self.edges.iter().enumerate() {
            for (j, w) in row(i, list) {
                out.columns.push(j as u32);
                out.weights.push(E::of(w));
            }
            out.starts.push(out.columns.len() as u32);
        }
        out
    }
}

/// Rows of inner products that come to the host at a time.
fn rows_at_a_time(n: usize) -> usize {
    (BLOCK / n.max(1)).clamp(1, n.max(1))
}

/// The nearest samples to sample `i`, of whose inner products with all `products` is the row: their numbers with the squared
/// distance, or with the cosine where these are the weights. Equally near ones by their number.
fn nearest<E: Element>(products: ArrayView1<'_, E>, i: usize, squares: &[f64], how: &GraphConfig) -> Vec<(usize, f64)> {
    let cosine = how.weights == GraphWeights::Cosine;
    let value = |j: usize| {
        let product = products[j].f64();
        if cosine {
            let lengths = (squares[i] * squares[j]).sqrt();
            if lengths > 0.0 { product / lengths } else { 0.0 }
        } else {
            (squares[i] + squares[j] - 2.0 * product).max(0.0)
        }
    };
    let mut all: Vec<(usize, f64)> = (0..squares.len()).filter(|j| *j != i).map(|j| (j, value(j))).collect();
    let by = |a: &(usize, f64), b: &(usize, f64)| {
        let order = if cosine { b.1.total_cmp(&a.1) } else { a.1.total_cmp(&b.1) };
        order.then(a.0.cmp(&b.0))
    };
    let p = how.neighbors.min(all.len());
    if p < all.len() {
        all.select_nth_unstable_by(p, by);
        all.truncate(p);
    }
    all.sort_by(by);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Cpu;

    fn graph(x: Array2<f64>, how: GraphConfig) -> Graph {
        let mut silent = crate::train::silent;
        Graph::of(&mut Cpu::<f64>::new(), &x.into(), &how, (0, &mut Watch::new(&mut silent))).unwrap()
    }

    /// Points on a line, one of them far away.
    fn line(weights: GraphWeights, neighbors: usize) -> Graph {
        let x = ndarray::arr2(&[[0.0], [1.0], [3.0], [100.0]]);
        graph(x, GraphConfig { neighbors, weights, lambda: 1.0 })
    }

    fn neighbours(graph: &Graph, i: usize) -> Vec<usize> {
        graph.edges[i].iter().map(|(j, _)| *j).collect()
    }

    #[test]
    fn an_edge_is_there_if_either_end_chose_it() {
        let graph = line(GraphWeights::Binary, 1);
        let all: Vec<_> = (0..4).map(|i| neighbours(&graph, i)).collect();
        assert_eq!(all, [vec![1], vec![0, 2], vec![1, 3], vec![2]]);
        assert_eq!(graph.degrees, [1.0, 2.0, 2.0, 1.0]);
        // More neighbours than there are samples: everybody.
        assert_eq!(neighbours(&line(GraphWeights::Binary, 9), 0), [1, 2, 3]);
    }

    #[test]
    fn weights_fall_with_distance_and_the_laplacian_has_no_row_sums() {
        let graph = line(GraphWeights::Heat, 1);
        let weight = |i: usize, j: usize| graph.edges[i].iter().find(|(at, _)| *at == j).unwrap().1;
        // Squared distances 1, 1, 4 and 97².
        let mean = (1.0 + 1.0 + 4.0 + 97.0 * 97.0) / 4.0;
        assert!((weight(0, 1) - (-1.0_f64 / mean).exp()).abs() < 1e-12);
        assert!((weight(2, 1) - (-4.0_f64 / mean).exp()).abs() < 1e-12 && weight(2, 1) == weight(1, 2));
        let laplacian: Sparse<f64> = graph.laplacian();
        laplacian.validate().unwrap();
        for i in 0..4 {
            assert!(laplacian.row(i).map(|(_, w)| w).sum::<f64>().abs() < 1e-12);
        }
        assert_eq!(graph.weights::<f64>(3.0).row(0).next(), Some((1, 3.0 * weight(0, 1))));
    }

    #[test]
    fn cosines_choose_by_direction() {
        let x = ndarray::arr2(&[[1.0, 0.0], [9.0, 1.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]]);
        let how = GraphConfig { neighbors: 1, weights: GraphWeights::Cosine, lambda: 1.0 };
        let graph = graph(x, how);
        assert!(neighbours(&graph, 0).contains(&1));
        assert!((graph.edges[1].iter().find(|(j, _)| *j == 0).unwrap().1 - 9.0 / 82.0_f64.sqrt()).abs() < 1e-12);
        // A sample of zeros has no direction, and no weight.
        assert_eq!(graph.degrees[4], 0.0);
    }
}
