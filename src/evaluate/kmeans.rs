//! k-means: k-means++ on the host, Lloyd's iterations on the device, where distances are a product.
//!
//! ```text
//! j(s) = argmin_j ½‖c_j‖² − ⟨f_s, c_j⟩          M_sj = 1 where j = j(s), else 0
//! c_j = (Mᵀ F)_j / (Mᵀ 1)_j                     until no centre moves
//! ```
//!
//! Features are centred first: in f32 the distances between samples far from 0 would be differences of large numbers.
//!
//! S. P. Lloyd: *Least Squares Quantization in PCM*, IEEE Trans. Information Theory 28(2), 129–137, 1982. D. Arthur, S.
//! Vassilvitskii: *k-means++*, SODA 2007, 1027–1035, greedy: of 2 + ln k candidates the one that leaves least.

use ndarray::{Array2, ArrayView2, Axis, s};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::backend::{Backend, ColumnSums, MatMul};
use crate::train::{Cut, Samples, Scratch, Shards};
use crate::{Error, Result};

/// How samples are clustered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KMeans {
    /// The number of clusters.
    pub clusters: usize,
    /// Runs, each from its own seed.
    pub runs: usize,
    /// The seed of the first; the others follow.
    pub seed: u64,
    /// Iterations of a run, at most.
    pub iterations: usize,
    /// A run ends when its centres move by no more than this, `Σ_j ‖c_j − c_j'‖²` relative to the mean variance of a feature.
    pub tol: f64,
}

impl KMeans {
    /// Ten runs with this many clusters.
    pub fn new(clusters: usize) -> Self {
        Self { clusters, runs: 10, seed: 0, iterations: 300, tol: 1e-4 }
    }
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Clustering {
    /// The cluster of every sample.
    pub of: Vec<usize>,
    /// `Σ_s ‖f_s − c_j(s)‖²`.
    pub inertia: f64,
    /// Iterations that were made.
    pub iterations: usize,
}

/// The clusterings of `features` (samples × k), one of every run; the same for a seed on a device.
///
/// # Errors
/// [`Error::Data`] if there are fewer samples than clusters, [`Error::Config`] for no clusters or no runs.
pub(crate) fn kmeans<B: Backend<Elem = f32>>(
    b: &mut B,
    features: ArrayView2<'_, f32>,
    how: &KMeans,
) -> Result<Vec<Clustering>> {
    let ((n, d), k) = (features.dim(), how.clusters);
    if k == 0 || how.runs == 0 || how.iterations == 0 {
        let KMeans { runs, iterations, .. } = how;
        let message = format!("k-means: expected clusters, runs and iterations, found {k}, {runs} and {iterations}");
        return Err(Error::Config(message));
    }
    if n < k {
        return Err(Error::Data(format!("k-means: expected at least as many samples as clusters ({k}), found {n}")));
    }
    let features = centred(features);
    let features = features.view();
    let cut = Cut::new(n, b.shard_rows(d));
    let mut device = Device {
        features: Samples::upload(b, cut, features)?,
        shards: Scratch::new(cut, |rows| Ok(Shard { membership: b.zeros(rows, k)?, products: b.zeros(rows, k)? }))?,
        sums: b.zeros(k, d)?,
        counts: b.zeros(1, k)?,
        numbers: b.upload(Array2::from_shape_fn((k, 1), |(j, _)| j as f32).view())?,
        of: Samples::zeros(b, cut, 1)?,
    };
    let squares: Vec<f64> = features.axis_iter(Axis(0)).into_par_iter().map(|f| squared(f)).collect();
    (0..how.runs as u64).map(|run| device.run(b, features, &squares, how, how.seed.wrapping_add(run))).collect()
}

/// Every feature minus its mean.
fn centred(features: ArrayView2<'_, f32>) -> Array2<f32> {
    let mut out = features.to_owned();
    out.axis_iter_mut(Axis(1)).into_par_iter().for_each(|mut column| {
        let mean = column.iter().map(|&v| f64::from(v)).sum::<f64>() / column.len().max(1) as f64;
        column.mapv_inplace(|v| (f64::from(v) - mean) as f32);
    });
    out
}

fn squared(v: ndarray::ArrayView1<'_, f32>) -> f64 {
    v.iter().map(|&v| f64::from(v).powi(2)).sum()
}

/// What stays on the device from run to run.
struct Device<B: Backend> {
    features: Samples<B>,
    shards: Scratch<Shard<B>>,
    /// Mᵀ F.
    sums: B::Matrix,
    /// Mᵀ 1.
    counts: B::Matrix,
    /// 0 … k − 1, whole numbers: M times this says the cluster of every sample.
    numbers: B::Matrix,
    of: Samples<B>,
}

/// Of some samples.
struct Shard<B: Backend> {
    /// M.
    membership: B::Matrix,
    /// F Cᵀ.
    products: B::Matrix,
}

impl<B: Backend<Elem = f32>> Device<B> {
    fn run(
        &mut self,
        b: &mut B,
        features: ArrayView2<'_, f32>,
        squares: &[f64],
        how: &KMeans,
        seed: u64,
    ) -> Result<Clustering> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut centers = plus_plus(features, squares, how.clusters, &mut rng);
        let enough = how.tol * variance(features);
        let mut iterations = 0;
        loop {
            let (sums, counts) = self.assign(b, &centers)?;
            if iterations == how.iterations {
                break;
            }
            iterations += 1;
            let mut next = means(&sums, &counts, &centers);
            let empty: Vec<usize> = (0..how.clusters).filter(|&j| counts[j] == 0.0).collect();
            if !empty.is_empty() {
                let of = self.clusters(b)?;
                refill(&mut next, &empty, features, &centers, &of);
            }
            let moved: f64 = next.iter().zip(&centers).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
            centers = next;
            if moved <= enough && empty.is_empty() {
                self.assign(b, &centers)?;
                break;
            }
        }
        let of = self.clusters(b)?;
        let inertia = inertia(features, &centers, &of);
        Ok(Clustering { of, inertia, iterations })
    }

    /// Sends every sample to its nearest centre; the sums and counts of the clusters. A pass over the features.
    fn assign(&mut self, b: &mut B, centers: &Array2<f32>) -> Result<(Array2<f32>, Vec<f32>)> {
        let halves = Array2::from_shape_fn((1, centers.nrows()), |(_, j)| (0.5 * squared(centers.row(j))) as f32);
        let (centers, halves) = (b.upload(centers.view())?, b.upload(halves.view())?);
        let Self { features, shards, sums, counts, numbers, of } = self;
        features.pass(b, &mut |b, s, features| {
            let (Shard { membership, products }, write) = (shards.rows(b.shape(features).0)?, s.write);
            b.matmul(MatMul::NT, features, &centers, products)?;
            b.nearest(products, &halves, membership)?;
            b.product(MatMul::TN, membership, features, write, sums)?;
            b.column_sums(membership, ColumnSums::Sum, write, counts)?;
            let of = of.at(b, s.index)?;
            b.matmul(MatMul::NN, membership, numbers, of)
        })?;
        Ok((b.download(&self.sums)?, b.download(&self.counts)?.into_raw_vec_and_offset().0))
    }

    fn clusters(&mut self, b: &mut B) -> Result<Vec<usize>> {
        let mut of = Vec::new();
        self.of.pass(b, &mut |b, _, shard| {
            of.extend(b.download(shard)?.iter().map(|&j| j as usize));
            Ok(())
        })?;
        Ok(of)
    }
}

/// A cluster without samples keeps its centre.
fn means(sums: &Array2<f32>, counts: &[f32], centers: &Array2<f32>) -> Array2<f32> {
    Array2::from_shape_fn(sums.dim(), |(j, i)| if counts[j] > 0.0 { sums[[j, i]] / counts[j] } else { centers[[j, i]] })
}

/// The mean variance of a feature, the scale of what is a small move.
fn variance(features: ArrayView2<'_, f32>) -> f64 {
    let n = features.nrows() as f64;
    let of = |column: ndarray::ArrayView1<'_, f32>| {
        let mean = column.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        column.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n
    };
    let total: f64 = features.axis_iter(Axis(1)).into_par_iter().map(of).collect::<Vec<_>>().iter().sum();
    total / features.ncols().max(1) as f64
}

fn distance(f: ndarray::ArrayView1<'_, f32>, center: ndarray::ArrayView1<'_, f32>) -> f64 {
    f.iter().zip(center).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum()
}

fn distances(features: ArrayView2<'_, f32>, centers: &Array2<f32>, of: &[usize]) -> Vec<f64> {
    features.axis_iter(Axis(0)).into_par_iter().zip(of).map(|(f, &j)| distance(f, centers.row(j))).collect()
}

fn inertia(features: ArrayView2<'_, f32>, centers: &Array2<f32>, of: &[usize]) -> f64 {
    distances(features, centers, of).iter().sum()
}

/// Clusters that lost all their samples start again where the others explain least: at the samples farthest from their
/// own centres, the farthest first.
fn refill(next: &mut Array2<f32>, empty: &[usize], features: ArrayView2<'_, f32>, centers: &Array2<f32>, of: &[usize]) {
    let distances = distances(features, centers, of);
    let mut farthest: Vec<usize> = (0..of.len()).collect();
    farthest.sort_by(|a, b| distances[*b].total_cmp(&distances[*a]).then(a.cmp(b)));
    for (&j, &s) in empty.iter().zip(&farthest) {
        next.row_mut(j).assign(&features.row(s));
    }
}

/// The first centre at random, each further one at a sample drawn by its squared distance from those there are.
fn plus_plus(features: ArrayView2<'_, f32>, squares: &[f64], k: usize, rng: &mut ChaCha8Rng) -> Array2<f32> {
    let (n, d) = features.dim();
    let candidates = 2 + (k as f64).ln() as usize;
    let mut centers = Array2::zeros((k, d));
    let first = rng.random_range(0..n);
    centers.row_mut(0).assign(&features.row(first));
    let mut nearest = from_candidates(features, squares, &[first]).remove(0);
    for j in 1..k {
        let total: f64 = nearest.iter().sum();
        let drawn: Vec<usize> = (0..candidates).map(|_| draw(&nearest, total, rng)).collect();
        let best = from_candidates(features, squares, &drawn)
            .into_iter()
            .zip(drawn)
            .map(|(mut to, s)| {
                to.iter_mut().zip(&nearest).for_each(|(to, before)| *to = to.min(*before));
                (to.iter().sum::<f64>(), to, s)
            })
            .min_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((_, left, s)) = best {
            nearest = left;
            centers.slice_mut(s![j, ..]).assign(&features.row(s));
        }
    }
    centers
}

/// A sample with the probability of its weight; any where all weights are 0.
fn draw(weights: &[f64], total: f64, rng: &mut ChaCha8Rng) -> usize {
    let mut left = rng.random::<f64>() * total;
    if total <= 0.0 {
        return rng.random_range(0..weights.len());
    }
    let mut last = 0;
    for (s, &w) in weights.iter().enumerate() {
        if w > 0.0 {
            last = s;
            left -= w;
            if left < 0.0 {
                break;
            }
        }
    }
    last
}

/// The squared distances of all samples from each of some of them.
fn from_candidates(features: ArrayView2<'_, f32>, squares: &[f64], candidates: &[usize]) -> Vec<Vec<f64>> {
    let products = features.dot(&features.select(Axis(0), candidates).t());
    let to = |(c, &s): (usize, &usize)| {
        let far = |(i, square): (usize, &f64)| (square + squares[s] - 2.0 * f64::from(products[[i, c]])).max(0.0);
        squares.iter().enumerate().map(far).collect()
    };
    candidates.iter().enumerate().map(to).collect()
}
