//! Which of some centres is nearest to every sample.

use crate::backend::Element;
use ndarray::parallel::prelude::*;
use ndarray::{ArrayRef2, Axis};

pub(in super::super) fn nearest<E: Element>(
    products: &ArrayRef2<E>,
    half_norms: &ArrayRef2<E>,
    membership: &mut ArrayRef2<E>,
) {
    let half_norms = half_norms.row(0);
    let rows = super::products::rows_per_task(products.ncols());
    let (products, membership) =
        (products.axis_chunks_iter(Axis(0), rows), membership.axis_chunks_iter_mut(Axis(0), rows));
    products.into_par_iter().zip(membership).for_each(|(products, mut membership)| {
        for (products, mut member) in products.rows().into_iter().zip(membership.rows_mut()) {
            let mut best = (0, E::infinity());
            for (j, (&half, &product)) in half_norms.iter().zip(products).enumerate() {
                if half - product < best.1 {
                    best = (j, half - product);
                }
            }
            member.fill(E::zero());
            member[best.0] = E::one();
        }
    });
}
