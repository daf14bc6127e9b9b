//! Arrays in any layout become one row per sample, in one pixel order.

use std::path::Path;

use ndarray::{Array2, ArrayViewD, Axis, ShapeBuilder};
use rayon::prelude::*;

use super::budget::afford;
use super::labels::Labels;
use super::source::{Numbers, product_text};
use super::{ImageSet, ImageShape, LoadOptions, PixelOrder, SamplesAxis, resize};
use crate::{Error, Result};

/// An array just read.
pub(super) struct Raw {
    /// Their number is the product of `shape`.
    pub(super) values: Vec<f32>,
    /// As in the file.
    pub(super) shape: Vec<u64>,
    /// Whether the first index varies fastest (column-major order).
    pub(super) fortran: bool,
}

/// An array that stays in its file, and what was read beside it.
pub(super) struct Located {
    pub(super) numbers: Numbers,
    pub(super) labels: Option<Labels>,
    /// Of samples and features; empty where they have none.
    pub(super) names: Vec<String>,
    pub(super) feature_names: Vec<String>,
    /// Choices that no option made.
    pub(super) notes: Vec<String>,
}

impl Located {
    /// Without names.
    pub(super) fn new(numbers: Numbers, labels: Option<Labels>, notes: Vec<String>) -> Self {
        Self { numbers, labels, names: Vec::new(), feature_names: Vec::new(), notes }
    }
}

/// Where the samples of an array are: two dimensions are a matrix, three are `n × height × width`, four
/// `n × height × width × channels`.
pub(super) struct Place {
    /// `(samples, features)`.
    pub(super) dim: (usize, usize),
    pub(super) image_shape: Option<ImageShape>,
    /// Whether they are the columns of a matrix.
    columns: bool,
    /// Whether the values of a sample lie side by side in the file, and the samples one after the other.
    pub(super) in_rows: bool,
}

impl Place {
    /// Of an array of this shape; `labels` is their number. A choice that no option made is reported in `notes`.
    pub(super) fn of(
        shape: &[u64],
        fortran: bool,
        labels: Option<usize>,
        path: &Path,
        opts: &LoadOptions,
        notes: &mut Vec<String>,
    ) -> Result<Self> {
        let dims: Vec<usize> = shape.iter().map(|&d| d as usize).collect();
        if dims.contains(&0) {
            return Err(Error::format(path, format!("expected samples, found an array of {}", product_text(shape))));
        }
        let (n, image_shape) = match *dims.as_slice() {
            [n, _] => (n, None),
            [n, height, width] => (n, Some(ImageShape::new(height, width, 1))),
            [n, height, width, channels @ (1 | 3)] => (n, Some(ImageShape::new(height, width, channels))),
            [n, height, width, channels] => {
                let hint = if matches!(height, 1 | 3) { "; channels come last here, move the axis" } else { "" };
                let message = format!(
                    "expected n×height×width×channels with 1 or 3 channels, found {n}×{height}×{width}×{channels}{hint}"
                );
                return Err(Error::format(path, message));
            }
            _ => {
                let message = format!(
                    "expected n×m, n×height×width or n×height×width×channels, found {} dimensions: {}",
                    dims.len(),
                    product_text(shape)
                );
                return Err(Error::format(path, message));
            }
        };
        let columns = match *dims.as_slice() {
            [r, c] => samples_in_columns((r, c), labels, path, opts, notes)?,
            _ if opts.samples == SamplesAxis::Columns || opts.pixel_order.is_some() => {
                let what =
                    if opts.pixel_order.is_some() { "an order of pixels needs" } else { "samples in columns need" };
                let message = format!("{}: {what} a matrix, found {} dimensions", path.display(), dims.len());
                return Err(Error::Config(message));
            }
            _ => false,
        };
        let features = dims[1..].iter().product();
        let dim = if columns { (features, n) } else { (n, features) };
        if let Some(found) = labels.filter(|&found| found != dim.0) {
            let message = format!("expected {} labels, one for every sample, found {found}", dim.0);
            return Err(Error::format(path, message));
        }
        Ok(Self { dim, image_shape, columns, in_rows: fortran == columns })
    }
}

/// An image set with one row per sample.
pub(super) fn image_set(raw: Raw, labels: Option<Labels>, path: &Path, opts: &LoadOptions) -> Result<ImageSet> {
    let mut notes = Vec::new();
    let count = labels.as_ref().map(|l| l.of.len());
    let place = Place::of(&raw.shape, raw.fortran, count, path, opts, &mut notes)?;
    let inconsistent = |_| Error::format(path, format!("the numbers do not fill an array of {:?}", raw.shape));
    let x = if place.in_rows {
        Array2::from_shape_vec(place.dim, raw.values).map_err(inconsistent)?
    } else {
        afford(path, "turning the array", 8 * raw.values.len() as u64, opts.budget())?;
        let dims: Vec<usize> = raw.shape.iter().map(|&d| d as usize).collect();
        let view = ArrayViewD::from_shape(dims.set_f(raw.fortran), &raw.values).map_err(inconsistent)?;
        let view = if place.columns { view.reversed_axes() } else { view };
        let x = view.as_standard_layout().into_owned();
        Array2::from_shape_vec(place.dim, x.into_raw_vec_and_offset().0).map_err(inconsistent)?
    };
    Ok(ImageSet::new(x, place.image_shape, labels, notes))
}

/// Whether the samples of a matrix are its columns. A choice that no option made is reported in `notes`.
fn samples_in_columns(
    (r, c): (usize, usize),
    labels: Option<usize>,
    path: &Path,
    opts: &LoadOptions,
    notes: &mut Vec<String>,
) -> Result<bool> {
    // Labels from elsewhere only say which side is meant: whoever joins them says what does not fit.
    let elsewhere = opts.n_labels.iter().copied().find(|n| [r, c].contains(n));
    Ok(match (opts.samples, labels.or(elsewhere)) {
        (SamplesAxis::Rows, _) => false,
        (SamplesAxis::Columns, _) => true,
        (SamplesAxis::Auto, None) => {
            notes.push(format!("the {r} rows are taken as samples, as no labels say which side is; --samples columns takes the {c} columns"));
            false
        }
        (SamplesAxis::Auto, Some(n)) if n == r && n == c => {
            notes.push(format!("{n} labels fit both sides of the {r}×{c} matrix: its rows are taken as samples; --samples columns takes the columns"));
            false
        }
        (SamplesAxis::Auto, Some(n)) if n == r => false,
        (SamplesAxis::Auto, Some(n)) if n == c => {
            notes.push(format!(
                "its {c} columns are taken as samples, as there are {n} labels; --samples rows takes the {r} rows"
            ));
            true
        }
        (SamplesAxis::Auto, Some(n)) => {
            return Err(Error::format(path, format!("found {n} labels, which fit neither side of the {r}×{c} matrix")));
        }
    })
}

/// Applies the options that every format has: image shape, grey, size. `order` is the pixel order of the format.
pub(super) fn finish(mut set: ImageSet, order: PixelOrder, path: &Path, opts: &LoadOptions) -> Result<ImageSet> {
    if set.x.is_empty() {
        return Err(Error::format(path, format!("expected samples, found {}×{}", set.n_samples(), set.n_features())));
    }
    if let Some(shape) = opts.image_shape.or(set.image_shape.filter(|_| opts.pixel_order.is_some())) {
        shape.check(set.n_features())?;
        set.image_shape = Some(shape.ordered(opts.pixel_order.unwrap_or(order)));
    } else if opts.pixel_order.is_some() {
        let message = "an order of pixels needs images, found numbers without a shape; --image-shape HxW gives one";
        return Err(Error::Config(format!("{}: {message}", path.display())));
    }
    let make_grey = !opts.colour && set.image_shape.is_some_and(|s| s.channels == 3);
    if make_grey || opts.resize.is_some() {
        // Grey and resized pixels are computed row by row.
        set.reorder(PixelOrder::Rows);
    }
    if let Some(shape) = set.image_shape.filter(|_| make_grey) {
        let grey = ImageShape { channels: 1, ..shape };
        set.x = map_rows(&set.x, grey.features(), |row, out| {
            out.extend(row.as_chunks::<3>().0.iter().map(|&[r, g, b]| 0.2126 * r + 0.7152 * g + 0.0722 * b));
        });
        set.image_shape = Some(grey);
    }
    if let Some(size) = opts.resize {
        let Some(from) = set.image_shape else {
            return Err(Error::Config(format!(
                "{}: only images are resized, found numbers without a shape; --image-shape HxW gives one",
                path.display()
            )));
        };
        let to = resized(from, size, set.n_samples(), path, opts.budget())?;
        if to != from {
            set.x = map_rows(&set.x, to.features(), |row, out| *out = resize::resize(row, from, to));
            set.image_shape = Some(to);
        }
    }
    Ok(set)
}

/// The shape of `n` images resized to `(width, height)` pixels, or [`Error::Config`] if that takes over `budget` bytes.
pub(super) fn resized(
    from: ImageShape,
    (width, height): (usize, usize),
    n: usize,
    path: &Path,
    budget: u64,
) -> Result<ImageShape> {
    if width == 0 || height == 0 {
        return Err(Error::Config(format!("cannot resize to {width}×{height} pixels")));
    }
    let to = ImageShape { height, width, ..from };
    let bytes = |a: usize, b: usize, c: usize| {
        [b, c, from.channels, 4].iter().fold(a as u64, |n, &f| n.saturating_mul(f as u64))
    };
    // Every thread holds an image resized in width only, one resized in both, and the weights of both.
    let one = bytes(from.height, width, 1)
        .saturating_add(bytes(height, width, 1))
        .saturating_add(bytes(width, 16, 1))
        .saturating_add(bytes(height, 16, 1));
    let threads = rayon::current_num_threads().min(n.max(1)) as u64;
    let all = bytes(n, height, width).saturating_add(one.saturating_mul(threads));
    afford(path, &format!("resizing to {width}×{height} pixels"), all, budget)?;
    Ok(to)
}

fn map_rows(x: &Array2<f32>, features: usize, f: impl Fn(&[f32], &mut Vec<f32>) + Sync) -> Array2<f32> {
    let mut out = Array2::zeros((x.nrows(), features));
    out.axis_iter_mut(Axis(0)).into_par_iter().zip(x.axis_iter(Axis(0))).for_each(|(mut to, from)| {
        let mut row = Vec::with_capacity(features);
        f(&from.to_vec(), &mut row);
        to.iter_mut().zip(row).for_each(|(a, b)| *a = b);
    });
    out
}
