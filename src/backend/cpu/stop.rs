//! The end of a loop.

use super::Cpu;
use crate::backend::{Element, StopCheck, VERDICT};

/// The third slot of the verdict is the objective before.
pub(super) fn check<E: Element>(check: StopCheck<'_, Cpu<E>>) {
    let StopCheck { weights, sums, first, constant, start, stop, verdict } = check;
    if start.is_none() && sums[verdict + 1] > 0.0 {
        return;
    }
    let sum = |terms: std::ops::Range<usize>| terms.map(|l| weights[[0, l]].f64() * sums[first + l]).sum::<f64>();
    let half_residual = constant + sum(0..2);
    let f = half_residual + sum(2..weights.ncols());
    let (made, before) = start.map_or((sums[verdict], sums[verdict + 2]), |start| (0.0, start));
    let over = stop.met(before, f, half_residual, constant);
    sums[verdict..][..VERDICT].copy_from_slice(&[made + 1.0, f64::from(u8::from(over)), f]);
}
