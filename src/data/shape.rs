//! How the values of a sample form an image.

use ndarray::{Array2, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The order of the pixels of an image in a row of X.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PixelOrder {
    /// Row by row, the channels of a pixel side by side.
    #[default]
    Rows,
    /// Column by column, one channel after the other, as in MATLAB.
    Columns,
}

/// How the pixels of a sample lie in its row of X.
///
/// Model files without a `pixel_order` are of an earlier version, which put all images in [`PixelOrder::Rows`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageShape {
    /// Rows of pixels.
    pub height: usize,
    /// Columns of pixels.
    pub width: usize,
    /// 1 for grey, 3 for colour.
    pub channels: usize,
    /// The order of the pixels.
    #[serde(default, rename = "pixel_order")]
    pub order: PixelOrder,
}

impl ImageShape {
    /// An image whose pixels lie row by row.
    pub fn new(height: usize, width: usize, channels: usize) -> Self {
        Self { height, width, channels, order: PixelOrder::Rows }
    }

    /// The image that a sample of a MATLAB file is taken for, if its features are a square number. The shape only serves to show it.
    pub(super) fn square(features: usize) -> Option<Self> {
        let side = features.isqrt();
        (side > 1 && side * side == features).then(|| Self::new(side, side, 1).ordered(PixelOrder::Columns))
    }

    /// The same image with its pixels in another order.
    #[must_use]
    pub fn ordered(self, order: PixelOrder) -> Self {
        Self { order, ..self }
    }

    /// `height · width · channels`, the length of a row of [`ImageSet::x`](super::ImageSet::x).
    pub fn features(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// The column of X that holds the value of channel `k` of the pixel in row `r`, column `c`: `(r·width + c)·channels + k`,
    /// or `r + height·(c + width·k)` if pixels lie column by column.
    pub fn at(&self, row: usize, column: usize, channel: usize) -> usize {
        match self.order {
            PixelOrder::Rows => (row * self.width + column) * self.channels + channel,
            PixelOrder::Columns => row + self.height * (column + self.width * channel),
        }
    }

    /// `(row, column, channel)` of every value.
    pub(super) fn pixels(self) -> impl Iterator<Item = (usize, usize, usize)> {
        let Self { height, width, channels, .. } = self;
        (0..height).flat_map(move |r| (0..width).flat_map(move |c| (0..channels).map(move |k| (r, c, k))))
    }

    /// Whether samples of `features` numbers can have this shape.
    pub(super) fn check(&self, features: usize) -> Result<()> {
        let product = self.height.checked_mul(self.width).and_then(|p| p.checked_mul(self.channels));
        if product == Some(features) && matches!(self.channels, 1 | 3) {
            return Ok(());
        }
        Err(Error::Shape {
            what: "image shape",
            expected: format!("height·width·channels = {features} with 1 or 3 channels"),
            found: format!("{}×{}×{}", self.height, self.width, self.channels),
        })
    }
}

/// Reorders the pixels of every sample of `x`, images of `shape`; returns the new shape.
pub(super) fn reorder(x: &mut Array2<f32>, shape: ImageShape, order: PixelOrder) -> ImageShape {
    let to = shape.ordered(order);
    if to == shape {
        return to;
    }
    let mut from = vec![0; shape.features()];
    shape.pixels().for_each(|(r, c, k)| from[to.at(r, c, k)] = shape.at(r, c, k));
    x.axis_iter_mut(Axis(0)).into_par_iter().for_each(|mut sample| {
        let old = sample.to_vec();
        sample.iter_mut().zip(&from).for_each(|(value, &i)| *value = old[i]);
    });
    to
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pixel_has_its_place_in_both_orders() {
        let rows = ImageShape::new(2, 3, 3);
        let value = |r: usize, c: usize, k: usize| (100 * r + 10 * c + k) as f32;
        let mut x = Array2::zeros((2, 18));
        rows.pixels().for_each(|(r, c, k)| x[[1, rows.at(r, c, k)]] = value(r, c, k));
        assert_eq!(x.row(1).to_vec()[..6], [0., 1., 2., 10., 11., 12.]);
        let before = x.clone();
        let columns = reorder(&mut x, rows, PixelOrder::Columns);
        // One channel after the other, column by column.
        assert_eq!(x.row(1).to_vec()[..7], [0., 100., 10., 110., 20., 120., 1.]);
        assert_eq!(x[[1, columns.at(1, 2, 2)]], 122.);
        assert_eq!(reorder(&mut x, columns, PixelOrder::Rows), rows);
        assert_eq!(x, before);
    }

    #[test]
    fn a_shape_without_an_order_is_read_row_by_row() {
        let shape: ImageShape = serde_json::from_str(r#"{"height":2,"width":3,"channels":1}"#).expect("as of old");
        assert_eq!(shape, ImageShape::new(2, 3, 1));
        let text = serde_json::to_string(&shape.ordered(PixelOrder::Columns)).expect("plain data");
        assert_eq!(text, r#"{"height":2,"width":3,"channels":1,"pixel_order":"columns"}"#);
    }
}
