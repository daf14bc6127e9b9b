//! Resizing by a triangle filter as wide as the pixels it merges.
//!
//! The filter is linear and clips nothing: negative values, those above 255 and NaN are kept and checked later. Nonnegative
//! images stay nonnegative.

use super::ImageShape;

/// `pixels` of shape `from`, row by row, resized to the height and width of `to`, with the channels of `from`.
pub(super) fn resize(pixels: &[f32], from: ImageShape, to: ImageShape) -> Vec<f32> {
    let channels = from.channels;
    let across = weights(from.width, to.width);
    let down = weights(from.height, to.height);
    let mut rows = vec![0.0; from.height * to.width * channels];
    for r in 0..from.height {
        for (c, (start, taps)) in across.iter().enumerate() {
            for k in 0..channels {
                let at = |i: usize| pixels[(r * from.width + start + i) * channels + k];
                rows[(r * to.width + c) * channels + k] = taps.iter().enumerate().map(|(i, w)| w * at(i)).sum();
            }
        }
    }
    let stride = to.width * channels;
    let mut out = vec![0.0; to.height * stride];
    for (line, (start, taps)) in out.chunks_exact_mut(stride.max(1)).zip(&down) {
        for (i, w) in taps.iter().enumerate() {
            let source = &rows[(start + i) * stride..][..stride];
            line.iter_mut().zip(source).for_each(|(o, s)| *o += w * s);
        }
    }
    out
}

/// For every target pixel, its first source pixel and the weights of the source pixels from there on, which sum to 1.
fn weights(from: usize, to: usize) -> Vec<(usize, Vec<f32>)> {
    let scale = from as f64 / to as f64;
    let reach = scale.max(1.0);
    (0..to)
        .map(|o| {
            let centre = (o as f64 + 0.5) * scale;
            let start = (centre - reach).floor().max(0.0) as usize;
            let end = ((centre + reach).ceil() as usize).min(from);
            let taps = (start..end).map(|i| (1.0 - (i as f64 + 0.5 - centre).abs() / reach).max(0.0));
            let sum: f64 = taps.clone().sum();
            (start, taps.map(|w| (w / sum) as f32).collect())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(height: usize, width: usize) -> ImageShape {
        ImageShape::new(height, width, 1)
    }

    #[test]
    fn halving_a_ramp_keeps_its_slope_and_flat_stays_flat() {
        let ramp: Vec<f32> = (0..8).flat_map(|_| (0..8).map(|c| c as f32)).collect();
        let half = resize(&ramp, grey(8, 8), grey(4, 4));
        assert_eq!(half.len(), 16);
        // Inner pixels merge symmetric neighbours: column c sits at 2c + 0.5.
        assert!((half[5] - 2.5).abs() < 1e-5 && (half[6] - 4.5).abs() < 1e-5, "{half:?}");
        let flat = resize(&[7.0; 15], grey(3, 5), grey(7, 2));
        assert!(flat.iter().all(|v| (v - 7.0).abs() < 1e-5), "{flat:?}");
    }

    #[test]
    fn channels_do_not_mix_and_axes_are_not_swapped() {
        let shape = ImageShape::new(1, 2, 3);
        let wide = resize(&[1., 10., 100., 1., 10., 100.], shape, ImageShape { width: 4, height: 2, ..shape });
        assert_eq!(wide, [1., 10., 100.].repeat(8));
        // Left black, right white: still so after making it taller.
        let tall = resize(&[0., 9.], grey(1, 2), grey(3, 2));
        assert_eq!(tall, [0., 9., 0., 9., 0., 9.]);
    }
}
