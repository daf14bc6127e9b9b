use super::search::{Bottom, Search, Step, forward};
use super::*;
use crate::backend::{Cpu, SearchSum};
use crate::model::HPenalty;
use crate::model::activation::ACTIVATIONS;
use ndarray::{ArcArray2, Array2, ArrayRef2};

type M = ArcArray2<f64>;

const RANKS: [usize; 3] = [5, 4, 3];
const MU: f64 = 0.3;
const LAMBDA: f64 = 0.2;

fn data(rows: usize, cols: usize, seed: usize) -> M {
    ArcArray2::from_shape_fn((rows, cols), |(i, j)| 0.05 + 0.3 * ((i * 7 + j * 3 + seed * 5) as f64 * 0.71).sin().abs())
}

/// Of both signs.
fn signed(rows: usize, cols: usize, seed: usize) -> M {
    ArcArray2::from_shape_fn((rows, cols), |(i, j)| 0.6 * ((i * 11 + j * 5 + seed * 3) as f64 * 0.83).sin())
}

/// f as it is written, with ndarray alone.
fn objective(activation: Activation, x: &M, w: &[M], h: &M, kind: HPenalty) -> f64 {
    let mut h_tilde = h.to_owned();
    for (l, w) in w.iter().enumerate().rev() {
        h_tilde = h_tilde.dot(&w.t());
        if l > 0 {
            h_tilde.mapv_inplace(|y| activation.p(y));
        }
    }
    let squares = |m: &ArrayRef2<f64>| m.mapv(|v| v * v).sum();
    let of_w: f64 = w[1..].iter().map(|w| w.sum_axis(ndarray::Axis(0)).mapv(|s| s * s).sum()).sum();
    let of_h = match kind {
        HPenalty::SquaredL1 => h.sum_axis(ndarray::Axis(1)).mapv(|s| s * s).sum(),
        HPenalty::Ridge => squares(h),
    };
    0.5 * (squares(&(x - &h_tilde)) + MU * of_w + LAMBDA * of_h)
}

/// Central differences of f in one factor.
fn differences(of: &M, f: impl Fn(&M) -> f64) -> Array2<f64> {
    let d = 1e-6;
    Array2::from_shape_fn(of.dim(), |at| {
        let (mut up, mut down) = (of.clone(), of.clone());
        up[at] += d;
        down[at] -= d;
        (f(&up) - f(&down)) / (2.0 * d)
    })
}

#[track_caller]
fn close(what: &str, expected: &ArrayRef2<f64>, found: &ArrayRef2<f64>) {
    let scale = expected.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
    let error = (expected - found).iter().fold(0.0_f64, |most, v| most.max(v.abs()));
    assert!(error <= 1e-7 * scale, "{what}: off by {error} of {scale}");
}

/// All gradients at depth 3, penalties included, for W of one sign and of both; and steps that the objective itself
/// agrees with.
#[test]
fn gradients_are_those_of_the_objective() {
    let (n, m, last) = (7, 6, 2);
    for &(name, activation) in ACTIVATIONS {
        for (domain, kind) in [
            (Domain::Nonnegative, HPenalty::SquaredL1),
            (Domain::Nonnegative, HPenalty::Ridge),
            (Domain::Real, HPenalty::SquaredL1),
        ] {
            let case = format!("{name} {kind:?} {domain:?}");
            let b = &mut Cpu::<f64>::new();
            let entries = if domain == Domain::Real { signed } else { data };
            let x = entries(n, m, 0);
            let mut w = vec![entries(m, RANKS[0], 1), entries(RANKS[0], RANKS[1], 2), entries(RANKS[1], RANKS[2], 3)];
            let mut h = data(n, RANKS[2], 4);
            let mut bottom = Bottom::new(b, activation, n, RANKS[0]).unwrap();
            bottom.gram = w[0].t().dot(&w[0]).into_shared();
            bottom.rhs = x.dot(&w[0]).into_shared();
            let mut links: Vec<_> = RANKS[..last].iter().map(|&k| Link::new(b, n, k).unwrap()).collect();
            forward(b, activation, (&h, &w[last]), &w[..last], &mut links, Which::Now).unwrap();

            let mut search = Search::of_h(b, h.dim(), kind, LAMBDA).unwrap();
            let (w0, h0) = (w.clone(), h.clone());
            let before = objective(activation, &x, &w0, &h0, kind);
            let mut step = Step { x: &mut h, fixed: &w0[last], w: &w0[..last], links: &mut links };
            bottom.gradient(b, &mut step, &mut search).unwrap();
            let expected = differences(&h0, |h| objective(activation, &x, &w0, h, kind));
            close(&format!("{case}, H"), &expected, &search.gradient);
            bottom.descend(b, step, &mut search).unwrap();
            let after = objective(activation, &x, &w0, &h, kind);
            let promised = (&search.gradient * &(&h - &h0)).sum();
            assert!(promised < 0.0 && after - before <= SearchSum::SIGMA * promised * (1.0 - 1e-9), "{case}");
            assert!(h.iter().all(|h| *h >= 0.0));

            for l in (1..=last).rev() {
                let (h_now, w_now) = (h.clone(), w.clone());
                let at = |of_l: &M| {
                    let mut w = w_now.clone();
                    w[l].assign(of_l);
                    objective(activation, &x, &w, &h_now, kind)
                };
                let (below, here) = w.split_at_mut(l);
                let (links, above) = links.split_at_mut(l);
                let fixed = above.first().map_or(&h_now, |above| &above.now.out);
                let mut search = Search::of_w(b, here[0].dim(), domain, MU).unwrap();
                let mut step = Step { x: &mut here[0], fixed, w: below, links };
                bottom.gradient(b, &mut step, &mut search).unwrap();
                close(&format!("{case}, W_{}", l + 1), &differences(&w_now[l], at), &search.gradient);
                bottom.descend(b, step, &mut search).unwrap();
                let moved = &w[l] - &w_now[l];
                let promised = (&search.gradient * &moved).sum();
                let gained = at(&w[l]) - at(&w_now[l]);
                assert!(promised < 0.0 && gained <= SearchSum::SIGMA * promised * (1.0 - 1e-9), "{case}, W_{}", l + 1);
                // Free entries go along the gradient, whatever their sign.
                let alpha = -promised / search.gradient.mapv(|g| g * g).sum();
                if domain == Domain::Real {
                    close(&format!("{case}, step on W_{}", l + 1), &(&search.gradient * -alpha), &moved);
                    assert!(w[l].iter().any(|w| *w < 0.0));
                } else {
                    assert!(w[l].iter().all(|w| *w >= 0.0));
                }
            }
        }
    }
}
