//! Image gradient orientations: cosine and sine of the angle of the gradient at every pixel.
//!
//! After Tzimiropoulos, Zafeiriou & Pantic 2012. Trigeorgis et al. 2014 train Deep Semi-NMF on them, because light changes
//! the length of a gradient far more than its direction.

use ndarray::parallel::prelude::*;
use ndarray::{Array2, Axis};

use super::ImageShape;

/// From `samples × features` to `samples × 2·features`: all cosines, then all sines, each in the pixel order of the image.
///
/// The gradient at a pixel is the difference of its two neighbours, halved; at the border, that of the pixel and its one
/// neighbour. Every channel is treated on its own. Where the gradient is 0, so are cosine and sine.
pub(super) fn orientations(x: &Array2<f32>, shape: ImageShape) -> Array2<f32> {
    let ImageShape { height, width, .. } = shape;
    let features = shape.features();
    let mut out = Array2::zeros((x.nrows(), 2 * features));
    out.axis_iter_mut(Axis(0)).into_par_iter().zip(x.axis_iter(Axis(0))).for_each(|(mut out, image)| {
        for (r, c, k) in shape.pixels() {
            let dx = difference(c, width, |c| image[shape.at(r, c, k)]);
            let dy = difference(r, height, |r| image[shape.at(r, c, k)]);
            let length = dx.hypot(dy);
            if length > 0.0 {
                let i = shape.at(r, c, k);
                (out[i], out[features + i]) = (dx / length, dy / length);
            }
        }
    });
    out
}

/// The derivative at position `at` of a line of `len` values.
fn difference(at: usize, len: usize, value: impl Fn(usize) -> f32) -> f32 {
    let (back, forth) = (at.saturating_sub(1), (at + 1).min(len - 1));
    (value(forth) - value(back)) / (forth - back).max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::super::shape::{PixelOrder, reorder};
    use super::*;
    use ndarray::s;

    fn close(found: f32, expected: f32) {
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }

    #[test]
    fn a_plane_has_one_direction() {
        let shape = ImageShape::new(4, 5, 1);
        // Rises by 3 to the right and by 4 downwards.
        let x = Array2::from_shape_fn((1, 20), |(_, i)| (3 * (i % 5) + 4 * (i / 5)) as f32);
        let found = orientations(&x, shape);
        let mut turned = x.clone();
        let columns = reorder(&mut turned, shape, PixelOrder::Columns);
        let mut of_columns = orientations(&turned, columns).slice(s![.., ..20]).to_owned();
        reorder(&mut of_columns, columns, PixelOrder::Rows);
        assert_eq!(of_columns, found.slice(s![.., ..20]), "the order of the pixels does not matter");
        assert_eq!(found.dim(), (1, 40));
        for i in 0..20 {
            close(found[[0, i]], 0.6);
            close(found[[0, 20 + i]], 0.8);
        }
    }

    #[test]
    fn channels_are_on_their_own_and_flat_ones_have_no_direction() {
        let shape = ImageShape::new(2, 3, 3);
        // Red falls to the right, green falls downwards, blue is flat.
        let x = Array2::from_shape_fn((2, 18), |(_, i)| match i % 3 {
            0 => -((i / 3 % 3) as f32),
            1 => -((i / 9) as f32),
            _ => 7.0,
        });
        let found = orientations(&x, shape);
        for i in 0..18 {
            let (cos, sin) = [(-1.0, 0.0), (0.0, -1.0), (0.0, 0.0)][i % 3];
            close(found[[1, i]], cos);
            close(found[[1, 18 + i]], sin);
        }
    }

    #[test]
    fn a_single_pixel_is_flat() {
        let shape = ImageShape::new(1, 1, 1);
        assert_eq!(orientations(&Array2::ones((1, 1)), shape), Array2::<f32>::zeros((1, 2)));
    }
}
