//! Tall matrices on the host, a block of rows at a time, and those of all ranks.

use crate::backend::Element;
use crate::ranks::Tree;
use crate::train::Cut;
use crate::{Error, Result};
use faer::{Mat, MatRef};
use ndarray::parallel::prelude::*;
use ndarray::{ArrayView2, Axis, s};

/// Rows of a tall matrix that the host treats at a time.
pub(super) const BLOCK: usize = 8192;

/// Rows of a block of a tall matrix that is decomposed a block at a time.
pub(super) fn block_of(cols: usize) -> usize {
    BLOCK.max(2 * cols)
}

/// R of a QR decomposition of the rows of all ranks; `of_block` makes that of a block, and may end it.
pub(super) fn triangle_of_all<E: Element>(
    tall: ArrayView2<'_, E>,
    cut: Cut,
    of_block: &mut dyn FnMut(Mat<f64>) -> Result<Mat<f64>>,
) -> Result<Mat<f64>> {
    let Some(ranks) = cut.ranks() else { return triangle(tall, of_block) };
    let p = tall.ncols();
    if cut.samples < p {
        // Fewer numbers than in triangles.
        let mut all = vec![0.0; cut.samples * p];
        all[cut.own().start * p..cut.own().end * p].iter_mut().zip(&tall).for_each(|(to, v)| *to = v.f64());
        let all = ranks.total(all)?;
        let all = ArrayView2::from_shape((cut.samples, p), &all).map_err(|e| Error::Data(e.to_string()))?;
        return triangle(all, of_block);
    }
    let mut tree = Tree::new(ranks, (cut.leaves(), p * p), |left, right| {
        let p = left.len().isqrt();
        let both = [&*left, right].concat();
        square(Mat::from_fn(2 * p, p, |i, j| both[i * p + j]).qr().thin_R(), left);
    });
    for (leaf, rows) in cut.own_leaves() {
        let mut r = vec![0.0; p * p];
        // A leaf is over before anybody would give it up.
        let of_leaf = triangle(tall.slice(s![rows, ..]), &mut |both| Ok(both.qr().thin_R().to_owned()))?;
        square(of_leaf.as_ref(), &mut r);
        tree.add(leaf, r);
    }
    let r = tree.finish()?;
    Ok(Mat::from_fn(p, p, |i, j| r[i * p + j]))
}

/// Writes p columns of at most p rows into a square, below them zeros.
fn square(r: MatRef<'_, f64>, to: &mut [f64]) {
    let p = r.ncols();
    to.iter_mut().enumerate().for_each(|(at, v)| *v = if at / p < r.nrows() { r[(at / p, at % p)] } else { 0.0 });
}

/// R of a QR decomposition, a block of rows at a time.
fn triangle<E: Element>(
    tall: ArrayView2<'_, E>,
    of_block: &mut dyn FnMut(Mat<f64>) -> Result<Mat<f64>>,
) -> Result<Mat<f64>> {
    let mut r = Mat::<f64>::zeros(0, tall.ncols());
    for block in tall.axis_chunks_iter(Axis(0), block_of(tall.ncols())) {
        let top = r.nrows();
        let both = Mat::from_fn(top + block.nrows(), block.ncols(), |i, j| {
            if i < top { r[(i, j)] } else { block[[i - top, j]].f64() }
        });
        r = of_block(both)?;
    }
    Ok(r)
}

/// `(Σ max(x, 0)², Σ max(−x, 0)²)` of every column.
pub(super) fn squares_of_columns<E: Element>(m: ArrayView2<'_, E>) -> Vec<(f64, f64)> {
    let of_block = |block: ArrayView2<'_, E>| {
        let mut sums = vec![(0.0, 0.0); m.ncols()];
        for row in block.rows() {
            for ((plus, minus), x) in sums.iter_mut().zip(row) {
                let x = x.f64();
                *plus += x.max(0.0).powi(2);
                *minus += x.min(0.0).powi(2);
            }
        }
        sums
    };
    let parts: Vec<_> = m.axis_chunks_iter(Axis(0), BLOCK).into_par_iter().map(of_block).collect();
    let mut all = vec![(0.0, 0.0); m.ncols()];
    for part in parts {
        for (sums, (plus, minus)) in all.iter_mut().zip(part) {
            *sums = (sums.0 + plus, sums.1 + minus);
        }
    }
    all
}

/// `(Σ max(x, 0)², Σ max(−x, 0)²)`.
pub(super) fn squares<'a>(x: impl Iterator<Item = &'a f64>) -> (f64, f64) {
    x.fold((0.0, 0.0), |(plus, minus), &x| if x > 0.0 { (plus + x * x, minus) } else { (plus, minus + x * x) })
}
