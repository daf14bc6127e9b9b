//! Data of known parts.

use ndarray::Array2;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::data::ImageShape;

/// Samples, and the parts that they are made of.
pub(super) struct Truth {
    pub(super) x: Array2<f32>,
    pub(super) shape: ImageShape,
    /// The true components of every layer, `features × k_l`.
    pub(super) parts: Vec<Array2<f32>>,
}

const SIDE: usize = 32;
/// Pixels of a limb.
const LIMB: i32 = 6;
/// Down and to the right.
type Point = (i32, i32);
/// The joint of every limb, and the directions of its four positions.
const LIMBS: [(Point, [Point; 4]); 4] = [
    ((10, 14), [(-1, 0), (-1, -1), (0, -1), (1, -1)]),
    ((10, 17), [(-1, 0), (-1, 1), (0, 1), (1, 1)]),
    ((21, 14), [(1, 0), (1, -1), (0, -1), (-1, -1)]),
    ((21, 17), [(1, 0), (1, 1), (0, 1), (-1, 1)]),
];

/// The Swimmer (D. Donoho, V. Stodden, *When Does Non-Negative Matrix Factorization Give a Correct Decomposition into Parts?*,
/// 2004): a torso and four limbs, each in one of four positions. All 256 images, of 17 parts that share no pixel.
pub(super) fn swimmer(_seed: u64) -> Truth {
    let mut parts = Array2::zeros((SIDE * SIDE, 1 + 4 * LIMBS.len()));
    for (row, column) in (10..22).flat_map(|row| [(row, 15), (row, 16)]) {
        parts[[row * SIDE + column, 0]] = 1.0;
    }
    for (limb, ((row, column), directions)) in LIMBS.iter().enumerate() {
        for (position, (down, right)) in directions.iter().enumerate() {
            for step in 1..=LIMB {
                let (row, column) = (row + step * down, column + step * right);
                parts[[row as usize * SIDE + column as usize, 1 + 4 * limb + position]] = 1.0;
            }
        }
    }
    let h = Array2::from_shape_fn((256, 17), |(i, part)| match part.checked_sub(1) {
        None => 1.0,
        Some(part) => f32::from(i >> (2 * (part / 4)) & 3 == part % 4),
    });
    Truth { x: h.dot(&parts.t()), shape: ImageShape::new(SIDE, SIDE, 1), parts: vec![parts] }
}

/// Samples, features (an image of 16×16), and components of the two layers.
const PLANTED: (usize, usize, [usize; 2]) = (600, 256, [24, 8]);
/// The length of the noise by that of the samples.
const NOISE: f32 = 0.05;

/// X = (H W_2ᵀ + E) W_1ᵀ + noise, negative values cut off. Columns of W_1 are rectangles of 3 to 6 pixels a side at random places, columns
/// of W_2 have 5 of them, and samples 30 % of the components, at least one, by exponential coefficients. By E every part is also in
/// 10 % of the samples on its own: otherwise X had the rank of H, and nothing told the parts apart.
pub(super) fn planted(seed: u64) -> Truth {
    let (n, m, [k1, k2]) = PLANTED;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut uniform = move || (rng.next_u64() >> 40) as f32 / (1u64 << 24) as f32;
    let mut below = |n: usize| ((uniform() * n as f32) as usize).min(n - 1);
    let side = m.isqrt();
    let mut w1 = Array2::zeros((m, k1));
    for mut part in w1.columns_mut() {
        let (height, width) = (3 + below(4), 3 + below(4));
        let (top, left) = (below(side - height + 1), below(side - width + 1));
        for (y, x) in (top..top + height).flat_map(|y| (left..left + width).map(move |x| (y, x))) {
            part[y * side + x] = 0.5 + below(1000) as f32 / 2000.0;
        }
    }
    let mut w2 = Array2::zeros((k1, k2));
    for (j, mut whole) in w2.columns_mut().into_iter().enumerate() {
        // Every part is in a component at least once.
        let own: Vec<usize> = (j..k1).step_by(k2).collect();
        let others = (own.len()..5).map(|_| below(k1)).collect::<Vec<_>>();
        for i in own.into_iter().chain(others) {
            whole[i] = 0.5 + below(1000) as f32 / 1000.0;
        }
    }
    let exponential = |chosen: bool, below: &mut dyn FnMut(usize) -> usize| match chosen {
        true => -(1.0 - below(1 << 20) as f32 / (1 << 20) as f32).ln(),
        false => 0.0,
    };
    let h = Array2::from_shape_fn((n, k2), |(i, j)| exponential(below(10) < 3 || j == i % k2, &mut below));
    let alone = Array2::from_shape_simple_fn((n, k1), || exponential(below(10) < 1, &mut below));
    let mut x = (h.dot(&w2.t()) + alone).dot(&w1.t());
    // The sum of twelve uniform numbers is about normal.
    let noise =
        Array2::from_shape_simple_fn(x.dim(), || (0..12).map(|_| below(1 << 16) as f32 / 65536.0).sum::<f32>() - 6.0);
    let length = |a: &Array2<f32>| a.iter().map(|v| v * v).sum::<f32>().sqrt();
    let share = NOISE * length(&x) / length(&noise);
    x.scaled_add(share, &noise);
    x.mapv_inplace(|v| v.max(0.0));
    Truth { x, shape: ImageShape::new(side, side, 1), parts: vec![w1.clone(), w1.dot(&w2)] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swimmers_are_256_and_have_17_parts_that_share_no_pixel() {
        let Truth { x, parts, .. } = swimmer(0);
        assert_eq!((x.dim(), parts[0].dim()), ((256, 1024), (1024, 17)));
        assert!(parts[0].rows().into_iter().all(|pixel| pixel.sum() <= 1.0));
        let sizes: Vec<f32> = parts[0].columns().into_iter().map(|part| part.sum()).collect();
        assert_eq!((sizes[0], &sizes[1..]), (24.0, [6.0; 16].as_slice()));
        let images: std::collections::BTreeSet<Vec<u8>> =
            x.rows().into_iter().map(|row| row.iter().map(|v| *v as u8).collect()).collect();
        assert_eq!(images.len(), 256);
        assert!(x.rows().into_iter().all(|image| image.sum() == 24.0 + 4.0 * 6.0));
    }

    #[test]
    fn planted_data_are_sparse_of_the_rank_that_they_should_have_and_new_for_every_seed() {
        let Truth { x, parts, .. } = planted(1);
        let zeros = |a: &Array2<f32>| a.iter().filter(|v| **v == 0.0).count() as f64 / a.len() as f64;
        assert!(zeros(&parts[0]) > 0.85 && zeros(&parts[1]) > 0.4, "{} {}", zeros(&parts[0]), zeros(&parts[1]));
        assert!(x.iter().all(|v| *v >= 0.0) && parts[0].columns().into_iter().all(|c| c.sum() > 0.0));
        assert!(x.rows().into_iter().all(|row| row.sum() > 0.0));
        assert_ne!(planted(2).x, x);
        assert_eq!(planted(1).x, x);
    }
}
