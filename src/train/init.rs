//! The first W and H of a layer.
//!
//! NNDSVD (Boutsidis & Gallopoulos 2008): of every singular triplet `σ u vᵀ` the larger of the two nonnegative parts
//! `u⁺v⁺ᵀ`, `u⁻v⁻ᵀ`, scaled to its weight. The truncated SVD is randomized (Halko, Martinsson & Tropp 2011): its
//! products with X run on the backend, only matrices of `features × p` and `samples × p` come to the host. Where the
//! smaller side of X is small, the SVD is exact.

mod progress;
mod signed;
mod tall;

use super::cut::{Cut, Scratch};
use super::partials::Partials;
use super::samples::Shards;
use super::watch::Watch;
use super::{Config, Init};
use crate::backend::{Backend, Element, MatMul, Write, multiply};
use crate::model::Method;
use crate::ranks::{Tree, add};
use crate::{Error, Result};
use faer::Mat;
use ndarray::parallel::prelude::*;
use ndarray::{Array2, ArrayView1, ArrayView2, Axis, s};
use progress::Steps;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tall::{BLOCK, block_of, squares, squares_of_columns, triangle_of_all};

/// Up to this length of the smaller side the SVD is exact.
const EXACT: usize = 256;
/// Columns of the random subspace beyond the rank that is asked for.
const OVERSAMPLE: usize = 12;
/// Subspace iterations. The singular values of faces fall slowly, and the last third of many components has then little to do
/// with the exact singular vectors. A fit does not mind: after 40 iterations of one layer the objective is 4.52 for PIE, k =
/// 160, and 64.7 for the built-in garments, k = 100; from 6 iterations 4.45 and 65.1, from 12 4.49 and 65.1, with twice as many
/// columns 4.55 and 65.0, from the exact SVD 4.55 and 64.8, which takes five to eight times as long. Two layers of 600 and 160
/// for PIE end at 12.8, with 6 iterations at 12.7, from the exact SVD at 12.5.
const POWER: usize = 3;

/// W and H of a layer.
type Layer<E> = (Array2<E>, Array2<E>);

/// W (m × k) and the H of this rank (of n × k) of `layer` (from 0) for `v: n × m`, of which `(entries, squares)` are the sums. [`Init::Svd`]
/// leaves W at 0: least squares make it. A fit that is told to stop meanwhile has a random start.
pub(crate) fn start<B: Backend>(
    b: &mut B,
    (v, entries, squares): (&mut dyn Shards<B>, f64, f64),
    layer: usize,
    config: &Config,
    watch: &mut Watch<'_>,
) -> Result<Layer<B::Elem>> {
    let (n, m) = v.shape();
    let (k, own) = (config.layers[layer], v.cut().own());
    let mut rng = ChaCha8Rng::seed_from_u64(config.seed.wrapping_add(layer as u64));
    // How large an entry is; those of both signs have a mean of about 0.
    let count = (n * m) as f64;
    let mean = if config.model.signed { (squares / count).sqrt() } else { entries / count };
    // An entry of W and of H: k products of two of them are the mean of X.
    let fill = (mean / k as f64).sqrt();
    if config.init != Init::Random {
        match of_svd(b, v, (fill, layer), config, (&mut rng, watch)) {
            Err(Error::Interrupted { .. }) if watch.stopped => {}
            made => return made,
        }
    }
    let (of_w, of_h) = match config.model.method {
        // Columns of W of about unit length, and an H far above the data: `baselines/gnmf.rs` says why.
        Method::Graph => ((3.0 / m as f64).sqrt(), (m as f64 / 3.0 * squares / n as f64).sqrt()),
        _ => (fill * 2.0, fill * 2.0),
    };
    let draw = |rng: &mut ChaCha8Rng, rows, scale: f64| {
        Array2::from_shape_simple_fn((rows, k), || B::Elem::of(scale * rng.random::<f64>()))
    };
    let w = draw(&mut rng, m, of_w);
    skip(&mut rng, own.start * k);
    Ok((w, draw(&mut rng, own.len(), of_h)))
}

/// The start that a truncated SVD gives; `fill` is how large an entry is.
fn of_svd<B: Backend>(
    b: &mut B,
    v: &mut dyn Shards<B>,
    (fill, layer): (f64, usize),
    config: &Config,
    (rng, watch): (&mut ChaCha8Rng, &mut Watch<'_>),
) -> Result<Layer<B::Elem>> {
    watch.meet()?;
    watch.goes_on()?;
    let ((n, m), k) = (v.shape(), config.layers[layer]);
    let mut steps = Steps { layer, done: 0, of: steps(v, k, config), watch };
    let svd = Svd::of(b, v, triplets(k, config), rng, &mut steps)?;
    if config.init == Init::Svd {
        return Ok((Array2::zeros((m, k)), svd.signed(n, k, layer + 1 < config.layers.len(), rng)));
    }
    let (mut w, mut h) = svd.nonnegative_parts(v.cut(), k)?;
    fill_missing(b, v, &mut w, &mut h, svd.sigma.len(), (fill, layer))?;
    let replace = |m: &mut Array2<B::Elem>, value: &mut dyn FnMut() -> f64| {
        m.iter_mut().filter(|x| **x == B::Elem::of(0.0)).for_each(|x| *x = B::Elem::of(value()));
    };
    match config.init {
        Init::Nndsvda => [&mut w, &mut h].into_iter().for_each(|m| replace(m, &mut || fill)),
        Init::Nndsvdar => {
            replace(&mut w, &mut || fill * rng.random::<f64>() / 100.0);
            if let Some(ranks) = v.cut().ranks() {
                skip(rng, ranks.before(h.iter().filter(|x| **x == B::Elem::of(0.0)).count())?.0);
            }
            replace(&mut h, &mut || fill * rng.random::<f64>() / 100.0);
        }
        Init::Nndsvd | Init::Random | Init::Svd => {}
    }
    Ok((w, h))
}

/// Passes over numbers that other ranks draw: two words of the generator each.
fn skip(rng: &mut ChaCha8Rng, numbers: usize) {
    rng.set_word_pos(rng.get_word_pos() + 2 * numbers as u128);
}

/// Makes the matrices that [`start`] makes on the device, and lets them go.
pub(crate) fn shapes<B: Backend>(b: &mut B, v: &mut dyn Shards<B>, k: usize, config: &Config) -> Result<()> {
    let p = columns(v.shape(), triplets(k, config));
    if config.init != Init::Random && !exact(v.shape(), p) {
        let _with_the_basis = (range_finder(b, v, p)?, b.zeros(v.shape().1, p)?);
    }
    Ok(())
}

/// Singular triplets for k components. With [`Init::Svd`] the start is the result where the data are nonnegative, so it pays for more
/// than the k: on ORL, k = 160, an error of 8.50 % with the usual columns beyond them, 8.44 % is best.
fn triplets(k: usize, config: &Config) -> usize {
    if config.init == Init::Svd { k + k.div_ceil(2) } else { k }
}

/// How many steps [`start`] makes for k components: shards of the passes of an SVD, and blocks of its image.
pub(crate) fn steps<B: Backend>(v: &dyn Shards<B>, k: usize, config: &Config) -> usize {
    if config.init == Init::Random {
        return 1;
    }
    let ((n, m), shards) = (v.shape(), v.cut().shards().count());
    let p = columns((n, m), triplets(k, config));
    let (passes, cols) = if exact((n, m), p) { (1, m) } else { (POWER + 1, p) };
    passes * shards + n.div_ceil(block_of(cols))
}

/// Columns of the random subspace for k triplets.
fn columns((n, m): (usize, usize), k: usize) -> usize {
    k.saturating_add(OVERSAMPLE).min(n).min(m)
}

/// Whether the SVD of an n × m matrix is that of the matrix itself, not of its image of p columns.
fn exact((n, m): (usize, usize), p: usize) -> bool {
    n.min(m) <= EXACT || p == m
}

/// A truncated SVD `V ≈ U Σ Vᵀ`.
struct Svd<E> {
    /// As many as the rank of V, at most k.
    sigma: Vec<f64>,
    /// The right singular vectors, m × r.
    right: Mat<f64>,
    /// The left singular vectors, n × r.
    left: Array2<E>,
}

impl<E: Element> Svd<E> {
    fn of<B: Backend<Elem = E>>(
        b: &mut B,
        v: &mut dyn Shards<B>,
        k: usize,
        rng: &mut ChaCha8Rng,
        steps: &mut Steps<'_, '_>,
    ) -> Result<Self> {
        let (n, m) = v.shape();
        let p = columns((n, m), k);
        let (basis, image) = if exact((n, m), p) {
            let image = gather(b, v, m, |b, v| {
                steps.made()?;
                b.download(v)
            })?;
            (None, image)
        } else {
            let q = subspace(b, v, p, rng, steps)?;
            let on_device = b.upload(to_array::<E>(&q).view())?;
            let mut image = Scratch::new(v.cut(), |rows| b.zeros(rows, p))?;
            let image = gather(b, v, p, |b, v| {
                let image = image.rows(b.shape(v).0)?;
                b.matmul(MatMul::NN, v, &on_device, image)?;
                let image = b.download(image)?;
                steps.made()?;
                Ok(image)
            })?;
            (Some(q), image)
        };
        let r = triangle_of_all(image.view(), v.cut(), &mut || steps.made())?;
        let svd = steps
            .beside(move || r.thin_svd())?
            .map_err(|e| Error::Data(format!("the SVD of the data failed: {e:?}")))?;
        let sigma: Vec<f64> = svd.S().column_vector().iter().copied().collect();
        let threshold = sigma.first().map_or(0.0, |s| s * 2.0 * E::UNIT * (n.max(m) as f64).sqrt());
        let rank = sigma.iter().take(k).filter(|s| **s > threshold).count();
        let inner = svd.V().subcols(0, rank);
        let to_left = Mat::from_fn(inner.nrows(), rank, |i, j| inner[(i, j)] / sigma[j]);
        let to_left = to_array::<E>(&to_left);
        // As every rank would multiply them.
        let leaves = v.cut().own_leaves();
        let left = steps.beside(move || {
            let mut left = Array2::zeros((image.nrows(), rank));
            for (_, rows) in leaves {
                let (of, to) = (image.slice(s![rows.clone(), ..]), left.slice_mut(s![rows, ..]));
                multiply(MatMul::NN, of, to_left.view(), Write::Replace, to)?;
            }
            Ok::<_, Error>(left)
        })??;
        let right = basis.map_or_else(|| inner.to_owned(), |q| &q * inner);
        Ok(Self { sigma: sigma[..rank].to_vec(), right, left })
    }

    /// `W_:i = √(σ t) v±/‖v±‖`, `H_:i = √(σ t) u±/‖u±‖` with `t = ‖u±‖‖v±‖` the larger of the two; the first
    /// triplet has one sign and is taken whole.
    fn nonnegative_parts(&self, cut: Cut, k: usize) -> Result<Layer<E>> {
        let rank = self.sigma.len();
        let mut u_norms = squares_of_columns(self.left.view());
        if let Some(ranks) = cut.ranks() {
            let mut tree = Tree::new(ranks, (cut.leaves(), 2 * rank), add);
            for (leaf, rows) in cut.own_leaves() {
                let norms = squares_of_columns(self.left.slice(s![rows, ..]));
                tree.add(leaf, norms.into_iter().flat_map(|(plus, minus)| [plus, minus]).collect());
            }
            u_norms = tree.finish()?.chunks_exact(2).map(|norms| (norms[0], norms[1])).collect();
        }
        // What multiplies max(x, 0) and max(−x, 0): for a column of W, and for a column of H.
        let mut coefficients = Vec::with_capacity(rank);
        for (j, &sigma) in self.sigma.iter().enumerate() {
            let (up, un) = (u_norms[j].0.sqrt(), u_norms[j].1.sqrt());
            let (vp, vn) = squares(self.right.col(j).iter());
            let (vp, vn) = (vp.sqrt(), vn.sqrt());
            coefficients.push(if j == 0 {
                ((sigma.sqrt(), sigma.sqrt()), (sigma.sqrt(), sigma.sqrt()))
            } else if up * vp >= un * vn {
                let weight = (sigma * up * vp).sqrt();
                ((weight / vp, 0.0), (weight / up, 0.0))
            } else {
                let weight = (sigma * un * vn).sqrt();
                ((0.0, weight / vn), (0.0, weight / un))
            });
        }
        let part = |x: f64, (plus, minus): (f64, f64)| E::of(if x > 0.0 { x * plus } else { -x * minus });
        let mut w = Array2::zeros((self.right.nrows(), k));
        let mut h = Array2::zeros((self.left.nrows(), k));
        for (j, (of_w, _)) in coefficients.iter().enumerate() {
            for (w, &v) in w.column_mut(j).iter_mut().zip(self.right.col(j).iter()) {
                *w = part(v, *of_w);
            }
        }
        let rows = h.axis_chunks_iter_mut(Axis(0), BLOCK).into_par_iter();
        rows.zip(self.left.axis_chunks_iter(Axis(0), BLOCK)).for_each(|(mut h, left)| {
            for (mut h, left) in h.rows_mut().into_iter().zip(left.rows()) {
                for ((h, u), (_, of_h)) in h.iter_mut().zip(left).zip(&coefficients) {
                    *h = part(u.f64(), *of_h);
                }
            }
        });
        Ok((w, h))
    }
}

/// What `of` makes of every shard of this rank, with `cols` columns, on the host: a pass over V.
fn gather<B: Backend>(
    b: &mut B,
    v: &mut dyn Shards<B>,
    cols: usize,
    mut of: impl FnMut(&mut B, &B::Matrix) -> Result<Array2<B::Elem>>,
) -> Result<Array2<B::Elem>> {
    let rows: Vec<_> = v.cut().own_shards().collect();
    if rows.len() == 1 {
        let mut only = Array2::zeros((0, cols));
        v.pass(b, &mut |b, _, v| of(b, v).map(|all| only = all))?;
        return Ok(only);
    }
    let mut all = Array2::zeros((v.cut().own().len(), cols));
    v.pass(b, &mut |b, s, v| of(b, v).map(|shard| all.slice_mut(s![rows[s.index].clone(), ..]).assign(&shard)))?;
    Ok(all)
}

/// An orthonormal m × p basis of what V does most: `Q ← orth(Vᵀ V Q)` from a random start, a pass over V each time.
fn subspace<B: Backend>(
    b: &mut B,
    v: &mut dyn Shards<B>,
    p: usize,
    rng: &mut ChaCha8Rng,
    steps: &mut Steps<'_, '_>,
) -> Result<Mat<f64>> {
    let m = v.shape().1;
    let mut q = Mat::from_fn(m, p, |_, _| rng.random::<f64>() - 0.5);
    let (mut image, mut back) = range_finder(b, v, p)?;
    for _ in 0..POWER {
        let on_device = b.upload(to_array::<B::Elem>(&q).view())?;
        let mut all = Partials::new(v.cut());
        v.pass(b, &mut |b, s, v| {
            let image = image.rows(b.shape(v).0)?;
            b.matmul(MatMul::NN, v, &on_device, image)?;
            b.product(MatMul::TN, v, image, s.write, &mut back)?;
            all.add(b, s, &[&back], None)?;
            steps.made()
        })?;
        all.finish(b, &mut [&mut back], None)?;
        steps.watch.meet()?;
        let of_all = to_mat(b.download(&back)?.view());
        q = steps.beside(move || of_all.qr().compute_thin_Q())?;
    }
    Ok(q)
}

/// Room for `V Q` of a shard and for `Vᵀ V Q`.
fn range_finder<B: Backend>(b: &mut B, v: &mut dyn Shards<B>, p: usize) -> Result<(Scratch<B::Matrix>, B::Matrix)> {
    Ok((Scratch::new(v.cut(), |rows| b.zeros(rows, p))?, b.zeros(v.shape().1, p)?))
}

/// NNDSVD has as many components as X has rank. The rest are samples, spread over the set, with small coefficients;
/// left at zero they would stay there.
fn fill_missing<B: Backend>(
    b: &mut B,
    v: &mut dyn Shards<B>,
    w: &mut Array2<B::Elem>,
    h: &mut Array2<B::Elem>,
    rank: usize,
    (fill, layer): (f64, usize),
) -> Result<()> {
    let k = w.ncols();
    if rank == k {
        return Ok(());
    }
    let norm = |row: ArrayView1<'_, B::Elem>| B::Elem::of(row.iter().map(|x| x.f64().powi(2)).sum::<f64>().sqrt());
    let norms = gather(b, v, 1, |b, v| Ok(b.download(v)?.map_axis(Axis(1), norm).insert_axis(Axis(1))))?;
    let mut norms: Vec<f64> = norms.iter().map(|norm| norm.f64()).collect();
    let (own, ranks) = (v.cut().own(), v.cut().ranks());
    if let Some(ranks) = ranks {
        let mut all = vec![0.0; v.shape().0];
        all[own.clone()].copy_from_slice(&norms);
        norms = ranks.total(all)?;
    }
    let usable = norms.iter().filter(|norm| **norm > 0.0).count();
    if k - rank > usable {
        return Err(Error::Config(format!(
            "layer {} of size {k} is larger than the data allows: they have rank {rank} and {usable} samples to fill up \
             with, so at most {} components; choose a smaller layer or --init random",
            layer + 1,
            rank + usable
        )));
    }
    // The component that a sample becomes.
    let mut of = vec![None; norms.len()];
    for j in rank..k {
        let mut i = (j * 7919) % norms.len();
        while of[i].is_some() || norms[i] == 0.0 {
            i = (i + 1) % norms.len();
        }
        of[i] = Some(j);
        h.column_mut(j).fill(B::Elem::of(0.01 * fill));
    }
    let rows: Vec<_> = v.cut().shards().collect();
    v.pass(b, &mut |b, s, v| {
        let x = b.download(v)?;
        for (x, i) in x.rows().into_iter().zip(rows[s.index].clone()) {
            let Some(j) = of[i] else { continue };
            for (w, x) in w.column_mut(j).iter_mut().zip(x) {
                *w = B::Elem::of(x.f64() / norms[i] * fill * (k as f64).sqrt());
            }
        }
        Ok(())
    })?;
    if let Some(ranks) = ranks {
        // Each of them is of one rank, and 0 on the others.
        let mut new = w.slice_mut(s![.., rank..]);
        let all = ranks.total(new.iter().map(|v| v.f64()).collect())?;
        new.iter_mut().zip(all).for_each(|(w, v)| *w = B::Elem::of(v));
    }
    Ok(())
}

fn to_mat<E: Element>(m: ArrayView2<'_, E>) -> Mat<f64> {
    Mat::from_fn(m.nrows(), m.ncols(), |i, j| m[[i, j]].f64())
}

fn to_array<E: Element>(m: &Mat<f64>) -> Array2<E> {
    Array2::from_shape_fn((m.nrows(), m.ncols()), |(i, j)| E::of(m[(i, j)]))
}
