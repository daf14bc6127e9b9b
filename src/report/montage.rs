//! A sheet of components: one picture with a tile for each.

use std::path::Path;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{DynamicImage, GrayImage, Luma, Rgb, RgbImage};
use ndarray::{ArrayView1, ArrayView2};

use crate::atomic::write_atomically;
use crate::data::ImageShape;
use crate::model::ModelSpec;
use crate::{Error, Result};

/// The most pixels of a sheet: a quarter of a gigabyte in grey.
const MAX_PIXELS: u64 = 1 << 28;
/// The grey between the tiles: different from black, which is 0, and from white, which is the maximum.
const BETWEEN: u8 = 96;

/// The layout of a sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GridOptions {
    /// Whether all tiles share one scale, so that weak components look weak; otherwise each tile has its own.
    pub common_scale: bool,
    /// Pixels between tiles and around them.
    pub gap: u32,
    /// The least pixels of the longer side of a tile; tiles are enlarged by a whole number.
    pub min_side: u32,
    /// Tiles per line; None: so that the sheet is about square.
    pub columns: Option<usize>,
    /// Whether values have both signs: blue below zero, white at zero, red above; for images in colour, grey at zero.
    /// Otherwise values of 0 and below are black.
    pub diverging: bool,
}

impl Default for GridOptions {
    fn default() -> Self {
        Self { common_scale: false, gap: 2, min_side: 48, columns: None, diverging: false }
    }
}

impl GridOptions {
    /// The default, with blue and red if values of these components of a model are negative.
    pub fn of(model: &ModelSpec, components: ArrayView2<'_, f32>) -> Self {
        Self { diverging: model.signed && components.iter().any(|v| *v < 0.0), ..Self::default() }
    }
}

/// A sheet of the columns of `components` (features × k), each an image of `shape`; black is 0, white the top of the scale
/// (the largest value but for outliers: the 99.5th percentile of the values above 0, if that is not below half of the largest).
pub fn grid(components: ArrayView2<'_, f32>, shape: ImageShape, options: &GridOptions) -> Result<DynamicImage> {
    let ImageShape { height, width, channels, .. } = shape;
    let pixels = height.checked_mul(width).and_then(|p| p.checked_mul(channels));
    let (features, k) = components.dim();
    if pixels != Some(features) || k == 0 || features == 0 {
        return Err(Error::Shape {
            what: "components of a picture",
            expected: format!("columns of {height}×{width}×{channels} values, at least one"),
            found: format!("{k} columns of {features} values"),
        });
    }
    let layout = Layout::new(shape, k, options)?;
    let all = top_of_scale(components.iter(), options.diverging);
    let tile = |j: usize| {
        let values = components.column(j);
        let top = if options.common_scale { all } else { top_of_scale(values.iter(), options.diverging) };
        painter(values, shape, top, options.diverging)
    };
    match (channels, options.diverging) {
        (1, false) => {
            let mut sheet = GrayImage::from_pixel(layout.width, layout.height, Luma([BETWEEN]));
            for j in 0..k {
                let at = tile(j);
                layout.each_pixel(j, |px, py, y, x| sheet.put_pixel(px, py, Luma([at(y, x)[0]])));
            }
            Ok(sheet.into())
        }
        (1 | 3, _) => {
            let mut sheet = RgbImage::from_pixel(layout.width, layout.height, Rgb([BETWEEN; 3]));
            for j in 0..k {
                let at = tile(j);
                layout.each_pixel(j, |px, py, y, x| sheet.put_pixel(px, py, Rgb(at(y, x))));
            }
            Ok(sheet.into())
        }
        (n, _) => Err(Error::Shape {
            what: "channels of a picture",
            expected: "1 (grey) or 3 (colour)".into(),
            found: n.to_string(),
        }),
    }
}

/// The ends and the middle of the scale for values of both signs: ColorBrewer's RdBu, which is safe for the colour-blind.
const BELOW: [f32; 3] = [33.0, 102.0, 172.0];
const MIDDLE: [f32; 3] = [247.0, 247.0, 247.0];
const ABOVE: [f32; 3] = [178.0, 24.0, 43.0];

/// Shades from the middle to an end.
const STEPS: f32 = 30.0;

/// The colour of a pixel of the image `values`; `top` is the value at the end of the scale.
fn painter(
    values: ArrayView1<'_, f32>,
    shape: ImageShape,
    top: f32,
    diverging: bool,
) -> impl Fn(usize, usize) -> [u8; 3] + '_ {
    let scale = if top > 0.0 { 1.0 / top } else { 0.0 };
    let channels = shape.channels;
    let value = move |y: usize, x: usize, c: usize| values[shape.at(y, x, c.min(channels - 1))] * scale;
    // `as u8` saturates, and NaN becomes 0.
    move |y, x| match (diverging, channels) {
        (false, _) => [0, 1, 2].map(|c| (value(y, x, c) * 255.0).round() as u8),
        (true, 1) => {
            // In steps too small to see: with fewer colours a PNG has a third of the size.
            let v = (value(y, x, 0).clamp(-1.0, 1.0) * STEPS).round() / STEPS;
            let end = if v < 0.0 { BELOW } else { ABOVE };
            [0, 1, 2].map(|c: usize| (MIDDLE[c] + (end[c] - MIDDLE[c]) * v.abs()).round() as u8)
        }
        (true, _) => [0, 1, 2].map(|c| (127.5 + 127.5 * value(y, x, c)).round() as u8),
    }
}

/// An image of `shape` as a picture, not enlarged: from black at 0, or on the scale for both signs, to `top`.
pub(super) fn tile(values: ArrayView1<'_, f32>, shape: ImageShape, top: f32, diverging: bool) -> DynamicImage {
    let at = painter(values, shape, top, diverging);
    let (width, height) = (shape.width as u32, shape.height as u32);
    match (shape.channels, diverging) {
        (1, false) => GrayImage::from_fn(width, height, |x, y| Luma([at(y as usize, x as usize)[0]])).into(),
        _ => RgbImage::from_fn(width, height, |x, y| Rgb(at(y as usize, x as usize))).into(),
    }
}

/// Writes `picture` to `path` as PNG, completely or not at all.
pub fn save_png(path: &Path, picture: &DynamicImage) -> Result<()> {
    let bytes = png(picture).map_err(|e| Error::format(path, format!("the picture cannot be encoded: {e}")))?;
    write_atomically(path, |out| std::io::Write::write_all(out, &bytes))
}

/// The bytes of a PNG, encoded in memory because the encoder has to seek and has errors of its own.
pub(super) fn png(picture: &DynamicImage) -> image::ImageResult<Vec<u8>> {
    let mut bytes = Vec::new();
    let how = PngEncoder::new_with_quality(&mut bytes, CompressionType::Best, FilterType::Adaptive);
    picture.write_with_encoder(how)?;
    Ok(bytes)
}

/// The largest value, at least 0; for values of both signs the largest magnitude.
pub(super) fn largest<'a>(values: impl Iterator<Item = &'a f32>, diverging: bool) -> f32 {
    let of = |v: f32| if diverging { v.abs() } else { v };
    values.copied().filter(|v| v.is_finite()).map(of).fold(0.0, f32::max)
}

/// The share of values that are on the scale; the others are as bright as its end, so that a few pixels do not darken the rest.
const ON_SCALE: f64 = 0.995;

/// The value at the end of the scale: a high percentile of the values above 0, but at least half of the largest.
pub(super) fn top_of_scale<'a>(values: impl Iterator<Item = &'a f32>, diverging: bool) -> f32 {
    let of = |v: f32| if diverging { v.abs() } else { v };
    let mut positive: Vec<f32> = values.copied().map(of).filter(|v| v.is_finite() && *v > 0.0).collect();
    let Some(last) = positive.len().checked_sub(1) else { return 0.0 };
    let at = (ON_SCALE * last as f64).ceil() as usize;
    let (_, high, above) = positive.select_nth_unstable_by(at, f32::total_cmp);
    above.iter().fold(*high, |high, v| high.max(v / 2.0))
}

/// Positions of the tiles.
struct Layout {
    tile_height: u32,
    tile_width: u32,
    zoom: u32,
    gap: u32,
    columns: u32,
    width: u32,
    height: u32,
}

impl Layout {
    fn new(shape: ImageShape, k: usize, options: &GridOptions) -> Result<Self> {
        let (h, w, k) = (shape.height as u64, shape.width as u64, k as u64);
        let zoom = u64::from(options.min_side).div_ceil(h.max(w)).max(1);
        let gap = u64::from(options.gap);
        let (cell_h, cell_w) = (h.saturating_mul(zoom).saturating_add(gap), w.saturating_mul(zoom).saturating_add(gap));
        // √(k · height/width of a cell) columns make a square of pixels.
        let square = (k as f64 * cell_h as f64 / cell_w as f64).sqrt().ceil() as u64;
        let columns = options.columns.map_or(square, |columns| columns as u64).clamp(1, k);
        let rows = k.div_ceil(columns);
        let side = |tiles: u64, cell: u64| tiles.saturating_mul(cell).saturating_add(gap);
        let (height, width) = (side(rows, cell_h), side(columns, cell_w));
        let needed = height.saturating_mul(width);
        if needed > MAX_PIXELS {
            return Err(too_large("a picture of all components", needed));
        }
        let too_large = |_| too_large("a side of a picture", needed);
        let narrow = |v: u64| u32::try_from(v).map_err(too_large);
        Ok(Self {
            tile_height: narrow(h)?,
            tile_width: narrow(w)?,
            zoom: narrow(zoom)?,
            gap: options.gap,
            columns: narrow(columns)?,
            width: narrow(width)?,
            height: narrow(height)?,
        })
    }

    /// Calls `put(sheet x, sheet y, row, column)` for every pixel of tile `j`.
    fn each_pixel(&self, j: usize, mut put: impl FnMut(u32, u32, usize, usize)) {
        let (row, column) = (j as u32 / self.columns, j as u32 % self.columns);
        let top = self.gap + row * (self.tile_height * self.zoom + self.gap);
        let left = self.gap + column * (self.tile_width * self.zoom + self.gap);
        for y in 0..self.tile_height * self.zoom {
            for x in 0..self.tile_width * self.zoom {
                put(left + x, top + y, (y / self.zoom) as usize, (x / self.zoom) as usize);
            }
        }
    }
}

fn too_large(what: &str, needed: u64) -> Error {
    Error::TooLarge { what: what.into(), needed, limit: MAX_PIXELS, unit: "pixels" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    const SMALL: GridOptions =
        GridOptions { common_scale: false, gap: 1, min_side: 1, columns: None, diverging: false };

    fn shape(height: usize, width: usize, channels: usize) -> ImageShape {
        ImageShape::new(height, width, channels)
    }

    #[test]
    fn every_tile_has_its_own_scale_and_its_own_place() {
        // Two components of one row and two pixels: columns of a 2 × 2 matrix.
        let components = array![[1.0, 0.0], [0.5, 4.0]];
        let sheet = grid(components.view(), shape(1, 2, 1), &SMALL).expect("fits").into_luma8();
        // Cells of 2 × 3 pixels: √(2·2/3) → 2 columns.
        assert_eq!(sheet.dimensions(), (7, 3));
        let row: Vec<u8> = (0..7).map(|x| sheet.get_pixel(x, 1)[0]).collect();
        assert_eq!(row, [BETWEEN, 255, 128, BETWEEN, 0, 255, BETWEEN]);
        let common = GridOptions { common_scale: true, ..SMALL };
        let sheet = grid(components.view(), shape(1, 2, 1), &common).expect("fits").into_luma8();
        assert_eq!(sheet.get_pixel(1, 1)[0], 64);
    }

    #[test]
    fn a_few_bright_pixels_do_not_darken_the_others() {
        let mut values = vec![1.0f32; 1000];
        assert_eq!(top_of_scale(values.iter(), false), 1.0);
        values[3..6].fill(1.5);
        values[7] = f32::INFINITY;
        assert_eq!(top_of_scale(values.iter(), false), 1.0);
        // What is much brighter than the rest is what the picture shows.
        values[3] = -9.0;
        assert_eq!((top_of_scale(values.iter(), false), top_of_scale(values.iter(), true)), (1.0, 4.5));
        assert_eq!(top_of_scale([0.0, -1.0].iter(), false), 0.0);
    }

    #[test]
    fn small_tiles_are_enlarged_and_the_sheet_is_nearly_square() {
        let components = Array2::<f32>::ones((8 * 8, 100));
        let sheet = grid(components.view(), shape(8, 8, 1), &GridOptions::default()).expect("fits");
        assert_eq!((sheet.width(), sheet.height()), (10 * 50 + 2, 10 * 50 + 2));
    }

    #[test]
    fn colour_has_its_channels_innermost() {
        let components = array![[1.0], [0.0], [0.0], [0.0], [0.0], [1.0]];
        let sheet = grid(components.view(), shape(1, 2, 3), &SMALL).expect("fits").into_rgb8();
        assert_eq!(sheet.get_pixel(1, 1).0, [255, 0, 0]);
        assert_eq!(sheet.get_pixel(2, 1).0, [0, 0, 255]);
    }

    #[test]
    fn pixels_of_both_orders_make_the_same_picture() {
        let rows = array![[1.0], [2.0], [3.0], [4.0], [5.0], [6.0]];
        let columns = array![[1.0], [4.0], [2.0], [5.0], [3.0], [6.0]];
        let turned = shape(2, 3, 1).ordered(crate::data::PixelOrder::Columns);
        let of = |x: &Array2<f32>, shape| grid(x.view(), shape, &SMALL).expect("fits").into_luma8();
        assert_eq!(of(&rows, shape(2, 3, 1)), of(&columns, turned));
        let of = |x: &Array2<f32>, shape| tile(x.column(0), shape, 6.0, false).into_luma8();
        assert_eq!(of(&rows, shape(2, 3, 1)), of(&columns, turned));
    }

    #[test]
    fn values_of_both_signs_lie_around_white_or_grey() {
        let signed = GridOptions { diverging: true, ..SMALL };
        let components = array![[-2.0], [0.0], [1.0]];
        let sheet = grid(components.view(), shape(1, 3, 1), &signed).expect("fits").into_rgb8();
        let row: Vec<_> = (1..4).map(|x| sheet.get_pixel(x, 1).0).collect();
        // Half of the way to the red that 2 would be.
        assert_eq!(row, [[33, 102, 172], [247, 247, 247], [213, 136, 145]]);
        let sheet = grid(components.view(), shape(1, 1, 3), &signed).expect("fits").into_rgb8();
        assert_eq!(sheet.get_pixel(1, 1).0, [0, 128, 191]);
    }

    #[test]
    fn zeros_negative_values_and_nan_are_black() {
        let components = array![[0.0, f32::NAN], [0.0, -1.0]];
        let sheet = grid(components.view(), shape(1, 2, 1), &SMALL).expect("fits").into_luma8();
        assert!([1, 2, 4, 5].iter().all(|x| sheet.get_pixel(*x, 1)[0] == 0));
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let components = Array2::<f32>::ones((6, 2));
        for bad in [shape(2, 2, 1), shape(3, 1, 2), shape(0, 0, 1), shape(usize::MAX, 2, 1)] {
            assert!(matches!(grid(components.view(), bad, &SMALL), Err(Error::Shape { .. })));
        }
        let huge = GridOptions { min_side: u32::MAX, ..SMALL };
        assert!(matches!(grid(components.view(), shape(2, 3, 1), &huge), Err(Error::TooLarge { .. })));
    }

    #[test]
    fn a_png_can_be_read_back() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("parts.png");
        let sheet = grid(array![[0.25], [1.0]].view(), shape(1, 2, 1), &SMALL).expect("fits");
        save_png(&path, &sheet).expect("written");
        assert_eq!(image::open(&path).expect("a picture").into_luma8(), sheet.into_luma8());
        assert_eq!(std::fs::read_dir(folder.path()).expect("listed").count(), 1);
    }
}
