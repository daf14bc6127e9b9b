//! The end of a loop.

use super::Cpu;
use crate::backend::{Element, StopCheck, VERDICT};

/// The third slot of the verdict is the objective before, the fourth how many iterations in a row changed too little.
pub(super) fn check<E: Element>(check: StopCheck<'_, Cpu<E>>) {
    let StopCheck { weights, sums, first, constant, start, stop, verdict } = check;
    if start.is_none() && sums[verdict + 1] > 0.0 {
        return;
    }
    let sum = |terms: std::ops::Range<usize>| terms.map(|l| weights[[0, l]].f64() * sums[first + l]).sum::<f64>();
    let half_residual = constant + sum(0..2);
    let f = half_residual + sum(2..weights.ncols());
    let (made, before, small) =
        start.map_or((sums[verdict], sums[verdict + 2], sums[verdict + 3] as u32), |start| (0.0, start, 0));
    let (over, before, small) = stop.judge((before, f), (half_residual, constant), small);
    sums[verdict..][..VERDICT].copy_from_slice(&[made + 1.0, f64::from(u8::from(over)), before, f64::from(small)]);
}
