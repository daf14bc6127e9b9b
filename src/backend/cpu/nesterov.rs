//! All steps of Nesterov's method on rows on their own.

use crate::Result;
use crate::backend::formula::stepped;
use crate::backend::host::products::{faer_view, not_row_major};
use crate::backend::host::rows_per_task;
use crate::backend::{Element, NesterovBlock, momentum};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, Par};
use ndarray::parallel::prelude::*;
use ndarray::{ArcArray2, Array2, Axis};
use pulp::Arch;

/// See [`Backend::nesterov_block`](crate::backend::Backend::nesterov_block), where nothing couples the rows: as many rows at a time as stay in a core's cache.
pub(super) fn rows<E: Element>(block: NesterovBlock<'_, ArcArray2<E>>, x: &mut ArcArray2<E>) -> Result<()> {
    let (k, gram, extra) = (x.ncols(), faer_view(block.gram.view())?, E::of(block.extra));
    let curvature = &block.right.row(0) + extra;
    let task = rows_per_task(k);
    x.axis_chunks_iter_mut(Axis(0), task).into_par_iter().zip(block.rhs.axis_chunks_iter(Axis(0), task)).try_for_each(
        |(mut x, rhs)| {
            let rows = x.nrows();
            let (mut y, mut gradient) = (x.to_owned(), Array2::zeros(x.dim()));
            let x = x.as_slice_mut().ok_or_else(not_row_major)?;
            let mut alpha = 1.0_f64;
            for _ in 0..block.steps {
                let (next, beta) = momentum(alpha);
                let beta = E::of(beta);
                alpha = next;
                let to = gradient.as_slice_mut().ok_or_else(not_row_major)?;
                let product = MatMut::from_row_major_slice_mut(to, rows, k);
                matmul(product, Accum::Replace, faer_view(y.view())?, gram, E::one(), Par::Seq);
                let y = y.as_slice_mut().ok_or_else(not_row_major)?.chunks_exact_mut(k);
                let lines = x.chunks_exact_mut(k).zip(y).zip(to.chunks_exact(k)).zip(rhs.rows());
                for (((x, y), gradient), rhs) in lines {
                    let rhs = rhs.to_slice().ok_or_else(not_row_major)?;
                    Arch::new().dispatch(
                        #[inline(always)]
                        || {
                            let entries = x.iter_mut().zip(y).zip(gradient).zip(rhs).zip(&curvature);
                            for ((((x, y), &gradient), &rhs), &curvature) in entries {
                                let new = stepped(*x, *y, gradient - rhs, curvature);
                                *y = new + beta * (new - *x);
                                *x = new;
                            }
                        },
                    );
                }
            }
            Ok(())
        },
    )
}
