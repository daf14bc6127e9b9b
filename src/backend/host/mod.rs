//! What the host computes: for the CPU backend, and for devices that have no kernel of their own for it.

pub(super) mod decide;
mod descent;
pub(crate) mod inverse;
mod nearest;
pub(super) mod products;
mod rows;
mod spectral;

pub(super) use nearest::nearest;
pub(super) use spectral::spectral_bound;

use super::{Descent, Element};
use crate::Result;
use ndarray::Array2;

/// Rows that one task takes, so that small matrices are not spread over threads.
pub(super) fn rows_per_task(cols: usize) -> usize {
    (1 << 15) / cols.max(1) + 1
}

/// See [`Backend::descend`](super::Backend::descend); the shapes have been checked.
pub(super) fn descend<E: Element>(block: Descent<'_, Array2<E>>, x: &mut Array2<E>) -> Result<()> {
    if x.is_empty() {
        return Ok(());
    }
    match block.left {
        Some(left) => descent::chained(left, block, x),
        None if block.mu > 0.0 => descent::columns(block, x),
        None => rows::descend(block, x),
    }
}
