//! The Collatz–Wielandt bound on the norm of a Gram.

use crate::backend::Element;
use crate::model::Metric;
use ndarray::{Array1, Array2, Zip};

/// `L d` and the next vector (both 1 × k); see [`Backend::spectral_bound`](crate::backend::Backend::spectral_bound).
pub(in super::super) fn spectral_bound<E: Element>(
    gram: &Array2<E>,
    metric: Metric,
    iterations: usize,
    vector: &Array2<E>,
) -> (Array2<E>, Array2<E>) {
    let k = gram.nrows();
    let d: Array1<E> = match metric {
        Metric::Plain => Array1::ones(k),
        Metric::Diagonal => gram.diag().to_owned(),
    };
    // Any positive vector gives a bound; the least value keeps it positive.
    let least = E::of(1e-6);
    let (mut v, mut kept) = (vector.row(0).to_owned(), vector.clone());
    let mut bound = E::zero();
    for i in 0..=iterations {
        let max = v.fold(E::zero(), |m, &x| m.max(x));
        v.mapv_inplace(|x| if max > E::zero() { (x / max).max(least) } else { E::one() });
        if i == iterations {
            kept.row_mut(0).assign(&v);
        }
        let mut next = gram.dot(&v);
        Zip::from(&mut next).and(&d).for_each(|n, &d| *n = if d > E::zero() { *n / d } else { E::zero() });
        let (low, high) = next.iter().zip(&v).fold((E::infinity(), E::zero()), |(low, high), (&n, &v)| {
            let ratio = n / v;
            (low.min(ratio), high.max(ratio))
        });
        bound = high;
        if high - low <= E::of(4.0 * E::UNIT) * high {
            break;
        }
        v = next;
    }
    let slack = E::of(1.0 + 4.0 * (k + 2) as f64 * E::UNIT);
    (d.mapv(|d| bound * slack * d).insert_axis(ndarray::Axis(0)), kept)
}
