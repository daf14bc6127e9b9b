//! The data of measurements: the same in every run, and without zeros, which some processors multiply faster.

use crate::Result;
use crate::backend::{Clock, MatMul};
use ndarray::Array2;

/// Uniform random numbers in (0, 1], by Marsaglia's xorshift, which is fast enough for sets of 60,000 images.
pub(super) fn random(seed: u64, rows: usize, cols: usize) -> Array2<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    Array2::from_shape_simple_fn((rows, cols), || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ((state >> 40) + 1) as f32 / (1 << 24) as f32
    })
}

/// The rank of a set.
const RANK: usize = 16;

/// Samples X = A Bᵀ of rank 16 and a first H = A C, computed on the device.
pub(super) struct Set<B: Clock> {
    /// n × m.
    pub(super) x: B::Matrix,
    /// n × k.
    pub(super) h: B::Matrix,
}

impl<B: Clock<Elem = f32>> Set<B> {
    pub(super) fn new(b: &mut B, (n, m): (usize, usize), k: usize) -> Result<Self> {
        // The largest matrices first: if they do not fit, nothing else is done.
        let (mut x, mut h) = (b.zeros(n, m)?, b.zeros(n, k)?);
        let a = b.upload(random(1, n, RANK).view())?;
        let of_x = b.upload(random(2, m, RANK).mapv(|v| v.powi(4)).view())?;
        let of_h = b.upload(random(3, RANK, k).mapv(|v| v.powi(4) / RANK as f32).view())?;
        b.matmul(MatMul::NT, &a, &of_x, &mut x)?;
        b.matmul(MatMul::NN, &a, &of_h, &mut h)?;
        b.submit()?;
        Ok(Self { x, h })
    }
}

/// A sparse nonnegative `n × m` matrix of rank `rank`, plus uniform noise with `noise` times its norm; negative sums become 0.
pub(super) fn noisy((n, m): (usize, usize), rank: usize, noise: f32) -> Array2<f32> {
    let sparse = |seed, rows| random(seed, rows, rank).mapv(|v: f32| v.powi(6));
    let mut x = sparse(4, n).dot(&sparse(5, m).t());
    let norm = x.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    // Uniform in ±s has a mean square of s²/3.
    let s = noise * (3.0 * norm * norm / (n * m) as f64).sqrt() as f32;
    x.zip_mut_with(&random(6, n, m), |x, u| *x = (*x + s * (2.0 * u - 1.0)).max(0.0));
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_uniform_and_the_same_every_time() {
        let a = random(7, 100, 100);
        assert_eq!(a, random(7, 100, 100));
        assert_ne!(a, random(8, 100, 100));
        assert!(a.iter().all(|v| *v > 0.0 && *v <= 1.0));
        let mean = a.mean().unwrap();
        assert!((mean - 0.5).abs() < 0.02, "{mean}");
    }

    #[test]
    fn noise_is_as_large_as_was_asked_for() {
        let (clean, noisy) = (noisy((300, 200), 8, 0.0), noisy((300, 200), 8, 0.05));
        let norm = |a: &Array2<f32>| a.iter().map(|v| v * v).sum::<f32>().sqrt();
        let share = norm(&(&noisy - &clean)) / norm(&clean);
        assert!(share > 0.04 && share < 0.051, "{share}");
    }
}
