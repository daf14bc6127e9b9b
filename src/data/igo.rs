//! Image gradient orientations: cosine and sine of the angle of the gradient at every pixel.
//!
//! Tzimiropoulos, Zafeiriou & Pantic 2012; Trigeorgis et al. 2014 feed them to Deep Semi-NMF, because light changes the
//! length of a gradient far more than its direction.

use ndarray::parallel::prelude::*;
use ndarray::{Array2, ArrayView1, Axis};

use super::ImageShape;

/// `samples × features` → `samples × 2·features`: all cosines, then all sines, each laid out as the image was.
///
/// Gradients are differences of the two neighbours, at the border of the pixel and its one neighbour; every channel has its
/// own. Where there is no gradient there is no direction, and both numbers are 0.
pub(super) fn orientations(x: &Array2<f32>, shape: ImageShape) -> Array2<f32> {
    let features = shape.features();
    let mut out = Array2::zeros((x.nrows(), 2 * features));
    out.axis_iter_mut(Axis(0)).into_par_iter().zip(x.axis_iter(Axis(0))).for_each(|(mut out, image)| {
        for i in 0..features {
            let (dx, dy) = gradient(image, shape, i);
            let length = dx.hypot(dy);
            if length > 0.0 {
                (out[i], out[features + i]) = (dx / length, dy / length);
            }
        }
    });
    out
}

/// The derivatives to the right and downwards at the value `i` of an image.
fn gradient(image: ArrayView1<'_, f32>, shape: ImageShape, i: usize) -> (f32, f32) {
    let ImageShape { height, width, channels } = shape;
    let pixel = i / channels;
    let along = |at: usize, len: usize, step: usize| {
        let back = usize::from(at > 0);
        let forth = usize::from(at + 1 < len);
        (image[i + forth * step] - image[i - back * step]) / (back + forth).max(1) as f32
    };
    (along(pixel % width, width, channels), along(pixel / width, height, width * channels))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f32, expected: f32) {
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }

    #[test]
    fn a_plane_has_one_direction() {
        let shape = ImageShape { height: 4, width: 5, channels: 1 };
        // Rises by 3 to the right and by 4 downwards.
        let x = Array2::from_shape_fn((1, 20), |(_, i)| (3 * (i % 5) + 4 * (i / 5)) as f32);
        let found = orientations(&x, shape);
        assert_eq!(found.dim(), (1, 40));
        for i in 0..20 {
            close(found[[0, i]], 0.6);
            close(found[[0, 20 + i]], 0.8);
        }
    }

    #[test]
    fn channels_are_on_their_own_and_flat_ones_have_no_direction() {
        let shape = ImageShape { height: 2, width: 3, channels: 3 };
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
        let shape = ImageShape { height: 1, width: 1, channels: 1 };
        assert_eq!(orientations(&Array2::ones((1, 1)), shape), Array2::<f32>::zeros((1, 2)));
    }
}
