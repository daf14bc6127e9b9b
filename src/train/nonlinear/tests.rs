use super::*;
use crate::backend::Cpu;
use crate::model::activation::ACTIVATIONS;
use ndarray::Array2;

type M = Array2<f64>;

const RANKS: [usize; 3] = [5, 4, 3];
const MU: f64 = 0.3;
const LAMBDA: f64 = 0.2;

fn data(rows: usize, cols: usize, seed: usize) -> M {
    Array2::from_shape_fn((rows, cols), |(i, j)| 0.05 + 0.3 * ((i * 7 + j * 3 + seed * 5) as f64 * 0.71).sin().abs())
}

/// f as it is written, with ndarray alone.
fn objective(activation: Activation, x: &M, w: &[M], h: &M, kind: HPenalty) -> f64 {
    let mut h_tilde = h.clone();
    for (l, w) in w.iter().enumerate().rev() {
        h_tilde = h_tilde.dot(&w.t());
        if l > 0 {
            h_tilde.mapv_inplace(|y| activation.p(y));
        }
    }
    let squares = |m: M| m.mapv(|v| v * v).sum();
    let of_w: f64 = w[1..].iter().map(|w| w.sum_axis(ndarray::Axis(0)).mapv(|s| s * s).sum()).sum();
    let of_h = match kind {
        HPenalty::SquaredL1 => h.sum_axis(ndarray::Axis(1)).mapv(|s| s * s).sum(),
        HPenalty::Ridge => squares(h.clone()),
    };
    0.5 * (squares(x - &h_tilde) + MU * of_w + LAMBDA * of_h)
}

/// Central differences of f in one factor.
fn differences(of: &M, f: impl Fn(&M) -> f64) -> M {
    let d = 1e-6;
    Array2::from_shape_fn(of.dim(), |at| {
        let (mut up, mut down) = (of.clone(), of.clone());
        up[at] += d;
        down[at] -= d;
        (f(&up) - f(&down)) / (2.0 * d)
    })
}

#[track_caller]
fn close(what: &str, expected: &M, found: &M) {
    let scale = expected.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
    let error = (expected - found).iter().fold(0.0_f64, |most, v| most.max(v.abs()));
    assert!(error <= 1e-7 * scale, "{what}: off by {error} of {scale}");
}

/// All gradients at depth 3, penalties included; and a step that the objective itself agrees with.
#[test]
fn gradients_are_those_of_the_objective() {
    let (n, m, last) = (7, 6, 2);
    for &(name, activation) in ACTIVATIONS {
        for kind in [HPenalty::SquaredL1, HPenalty::Ridge] {
            let b = &mut Cpu::<f64>::new();
            let x = data(n, m, 0);
            let mut w = vec![data(m, RANKS[0], 1), data(RANKS[0], RANKS[1], 2), data(RANKS[1], RANKS[2], 3)];
            let mut h = data(n, RANKS[2], 4);
            let mut bottom = Bottom::new(b, activation, n, RANKS[0]).unwrap();
            bottom.gram = w[0].t().dot(&w[0]);
            bottom.rhs = x.dot(&w[0]);
            let mut links: Vec<_> = RANKS[..last].iter().map(|&k| Link::new(b, n, k).unwrap()).collect();
            forward(b, activation, (&h, &w[last]), &w[..last], &mut links, Which::Now).unwrap();

            let mut search = Search::new(b, Side::H, h.dim(), kind, LAMBDA).unwrap();
            let (w0, h0) = (w.clone(), h.clone());
            let before = objective(activation, &x, &w0, &h0, kind);
            let mut step = Step { x: &mut h, fixed: &w0[last], w: &w0[..last], links: &mut links };
            bottom.gradient(b, &mut step, &mut search).unwrap();
            let expected = differences(&h0, |h| objective(activation, &x, &w0, h, kind));
            close(&format!("{name} {kind:?}, H"), &expected, &search.gradient);
            bottom.descend(b, step, &mut search).unwrap();
            let after = objective(activation, &x, &w0, &h, kind);
            let promised = (&search.gradient * &(&h - &h0)).sum();
            assert!(promised < 0.0 && after - before <= SearchSum::SIGMA * promised * (1.0 - 1e-9), "{name} {kind:?}");

            for l in (1..=last).rev() {
                let (h_now, w_now) = (h.clone(), w.clone());
                let (below, here) = w.split_at_mut(l);
                let (links, above) = links.split_at_mut(l);
                let fixed = above.first().map_or(&h_now, |above| &above.now.out);
                let (rows, cols) = here[0].dim();
                let mut search = Search::new(b, Side::W, (rows, cols), HPenalty::SquaredL1, MU).unwrap();
                let step = &mut Step { x: &mut here[0], fixed, w: below, links };
                bottom.gradient(b, step, &mut search).unwrap();
                let expected = differences(&w_now[l], |of_l| {
                    let mut w = w_now.clone();
                    w[l].assign(of_l);
                    objective(activation, &x, &w, &h_now, kind)
                });
                close(&format!("{name} {kind:?}, W_{}", l + 1), &expected, &search.gradient);
            }
        }
    }
}
