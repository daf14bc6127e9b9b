//! Tall matrices on the host, a block of rows at a time, and those of all ranks.

use crate::backend::Element;
use crate::ranks::Tree;
use crate::train::Cut;
use crate::{Error, Result};
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::qr::no_pivoting::factor;
use faer::{Mat, MatRef, Par, Spec};
use ndarray::{ArrayView2, Axis, s};
use rayon::prelude::*;

/// Rows of a tall matrix that the host treats at a time.
pub(super) const BLOCK: usize = 2048;

/// Rows of a block that is decomposed by itself, at least.
const LEAST: usize = 1024;
/// Blocks that are decomposed side by side, at most, and bytes of them.
const SIDE_BY_SIDE: usize = 16;
const BYTES: usize = 128 << 20;

/// Rows of a block of a tall matrix that is decomposed a block at a time.
pub(super) fn block_of(cols: usize) -> usize {
    LEAST.max(2 * cols)
}

/// R of a QR decomposition of the rows of all ranks; `made` is told of every block, and ends it.
pub(super) fn triangle_of_all<E: Element>(
    tall: ArrayView2<'_, E>,
    cut: Cut,
    made: &mut dyn FnMut() -> Result<()>,
) -> Result<Mat<f64>> {
    let Some(ranks) = cut.ranks() else { return triangle(tall, made) };
    let p = tall.ncols();
    if cut.samples < p {
        // Fewer numbers than in triangles.
        let mut all = vec![0.0; cut.samples * p];
        all[cut.own().start * p..cut.own().end * p].iter_mut().zip(&tall).for_each(|(to, v)| *to = v.f64());
        let all = ranks.total(all)?;
        return triangle(ArrayView2::from_shape((cut.samples, p), &all).map_err(|e| Error::Data(e.to_string()))?, made);
    }
    let mut tree = Tree::new(ranks, (cut.leaves(), p * p), |left, right| {
        let p = left.len().isqrt();
        let both = [&*left, right].concat();
        square(qr(Mat::from_fn(2 * p, p, |i, j| both[i * p + j])).as_ref(), left);
    });
    for (leaf, rows) in cut.own_leaves() {
        let mut r = vec![0.0; p * p];
        // A leaf is over before anybody would give it up.
        square(triangle(tall.slice(s![rows, ..]), &mut || Ok(()))?.as_ref(), &mut r);
        tree.add(leaf, r);
    }
    let r = tree.finish()?;
    made()?;
    Ok(Mat::from_fn(p, p, |i, j| r[i * p + j]))
}

/// Writes p columns of at most p rows into a square, below them zeros.
fn square(r: MatRef<'_, f64>, to: &mut [f64]) {
    let p = r.ncols();
    to.iter_mut().enumerate().for_each(|(at, v)| *v = if at / p < r.nrows() { r[(at / p, at % p)] } else { 0.0 });
}

/// R of a QR decomposition: of blocks of rows side by side, then of their triangles in pairs, whatever the number of threads.
fn triangle<E: Element>(tall: ArrayView2<'_, E>, made: &mut dyn FnMut() -> Result<()>) -> Result<Mat<f64>> {
    let (rows, p) = (block_of(tall.ncols()), tall.ncols());
    let blocks: Vec<_> = tall.axis_chunks_iter(Axis(0), rows).collect();
    let side_by_side = (BYTES / (8 * rows * p).max(1)).clamp(1, SIDE_BY_SIDE);
    let mut r = Mat::zeros(0, p);
    for some in blocks.chunks(side_by_side) {
        let of = |block: &ArrayView2<'_, E>| qr(Mat::from_fn(block.nrows(), p, |i, j| block[[i, j]].f64()));
        let mut triangles: Vec<Mat<f64>> = some.par_iter().map(of).collect();
        while triangles.len() > 1 {
            let stacked = |pair: &[Mat<f64>]| if let [a, b] = pair { below(a, b) } else { pair[0].clone() };
            triangles = triangles.par_chunks(2).map(stacked).collect();
        }
        r = triangles.iter().fold(r, |r, new| below(&r, new));
        some.iter().try_for_each(|_| made())?;
    }
    Ok(r)
}

/// R of `a` above `b`.
fn below(a: &Mat<f64>, b: &Mat<f64>) -> Mat<f64> {
    let top = a.nrows();
    qr(Mat::from_fn(top + b.nrows(), b.ncols(), |i, j| if i < top { a[(i, j)] } else { b[(i - top, j)] }))
}

/// R of a QR decomposition, by one thread: those of faer's parallel one wait for each other in loops, which takes 16 of them twice as
/// long as two.
fn qr(mut m: Mat<f64>) -> Mat<f64> {
    let (rows, cols) = m.shape();
    let size = rows.min(cols);
    let block = factor::recommended_block_size::<f64>(rows, cols);
    let scratch = factor::qr_in_place_scratch::<f64>(rows, cols, block, Par::Seq, Spec::default());
    let (mut memory, mut coefficients) = (MemBuffer::new(scratch), Mat::zeros(block, size));
    factor::qr_in_place(m.as_mut(), coefficients.as_mut(), Par::Seq, MemStack::new(&mut memory), Spec::default());
    Mat::from_fn(size, cols, |i, j| if i <= j { m[(i, j)] } else { 0.0 })
}

/// `(Σ max(x, 0)², Σ max(−x, 0)²)` of every column.
pub(super) fn squares_of_columns<E: Element>(m: ArrayView2<'_, E>) -> Vec<(f64, f64)> {
    let of_block = |block: ArrayView2<'_, E>| {
        let (mut plus, mut minus) = (vec![0.0; m.ncols()], vec![0.0; m.ncols()]);
        for row in block.rows() {
            for ((plus, minus), x) in plus.iter_mut().zip(&mut minus).zip(row) {
                let x = x.f64();
                *plus += x.max(0.0) * x;
                *minus += x.min(0.0) * x;
            }
        }
        (plus, minus)
    };
    let parts: Vec<_> = m.axis_chunks_iter(Axis(0), BLOCK).into_par_iter().map(of_block).collect();
    let mut all = vec![(0.0, 0.0); m.ncols()];
    for (plus, minus) in parts {
        for (sums, (plus, minus)) in all.iter_mut().zip(plus.into_iter().zip(minus)) {
            *sums = (sums.0 + plus, sums.1 + minus);
        }
    }
    all
}

/// `(Σ max(x, 0)², Σ max(−x, 0)²)`.
pub(super) fn squares<'a>(x: impl Iterator<Item = &'a f64>) -> (f64, f64) {
    x.fold((0.0, 0.0), |(plus, minus), &x| if x > 0.0 { (plus + x * x, minus) } else { (plus, minus + x * x) })
}
