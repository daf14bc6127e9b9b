//! Arrays as files hold them → one row per sample, one pixel order.

use std::path::Path;

use ndarray::{Array2, ArrayView2, ArrayView4, Axis, ShapeBuilder};
use rayon::prelude::*;

use super::labels::Labels;
use super::source::product_text;
use super::{ImageSet, ImageShape, LoadOptions, SamplesAxis, resize};
use crate::{Error, Result};

/// An array just read.
pub(super) struct Raw {
    /// As many as the product of `shape`.
    pub(super) values: Vec<f32>,
    /// As the file gives it.
    pub(super) shape: Vec<u64>,
    /// The first index runs fastest.
    pub(super) fortran: bool,
}

/// Samples to rows: two dimensions are a matrix, three are `n×h×w`, four `n×h×w×channels`.
pub(super) fn image_set(raw: Raw, labels: Option<Labels>, path: &Path, opts: &LoadOptions) -> Result<ImageSet> {
    let dims: Vec<usize> = raw.shape.iter().map(|&d| d as usize).collect();
    if dims.contains(&0) {
        return Err(Error::format(path, format!("expected samples, found an array of {}", product_text(&raw.shape))));
    }
    let count = labels.as_ref().map(|l| l.of.len());
    let (x, image_shape) = match *dims.as_slice() {
        [r, c] => (matrix(raw, (r, c), count, path, opts)?, None),
        [n, height, width] => (stack(raw, [n, height, width, 1], path)?, Some((height, width, 1))),
        [n, height, width, channels] => {
            if channels != 1 && channels != 3 {
                let hint = if matches!(height, 1 | 3) { "; channels come last here, move the axis" } else { "" };
                let message = format!(
                    "expected n×height×width×channels with 1 or 3 channels, found {n}×{height}×{width}×{channels}{hint}"
                );
                return Err(Error::format(path, message));
            }
            (stack(raw, [n, height, width, channels], path)?, Some((height, width, channels)))
        }
        _ => {
            let message = format!(
                "expected n×m, n×height×width or n×height×width×channels, found {} dimensions: {}",
                dims.len(),
                product_text(&raw.shape)
            );
            return Err(Error::format(path, message));
        }
    };
    if dims.len() > 2 && opts.samples == SamplesAxis::Columns {
        return Err(Error::Config(format!("samples in columns need a matrix, found {} dimensions", dims.len())));
    }
    if let Some(found) = count.filter(|&found| found != x.nrows()) {
        let message = format!("expected {} labels, one for every sample, found {found}", x.nrows());
        return Err(Error::format(path, message));
    }
    let image_shape = image_shape.map(|(height, width, channels)| ImageShape { height, width, channels });
    Ok(ImageSet::new(x, image_shape, labels))
}

fn matrix(
    raw: Raw,
    (r, c): (usize, usize),
    labels: Option<usize>,
    path: &Path,
    opts: &LoadOptions,
) -> Result<Array2<f32>> {
    let columns = match (opts.samples, labels) {
        (SamplesAxis::Rows, _) | (SamplesAxis::Auto, None) => false,
        (SamplesAxis::Columns, _) => true,
        (SamplesAxis::Auto, Some(n)) if n == r => false,
        (SamplesAxis::Auto, Some(n)) if n == c => true,
        (SamplesAxis::Auto, Some(n)) => {
            return Err(Error::format(path, format!("found {n} labels, which fit neither side of the {r}×{c} matrix")));
        }
    };
    let inconsistent = |_| Error::format(path, format!("the numbers do not fill a {r}×{c} matrix"));
    // A row-major matrix of rows and a column-major one of columns already lie as wanted.
    if raw.fortran == columns {
        let shape = if columns { (c, r) } else { (r, c) };
        return Array2::from_shape_vec(shape, raw.values).map_err(inconsistent);
    }
    let view = ArrayView2::from_shape((r, c).set_f(raw.fortran), &raw.values).map_err(inconsistent)?;
    let view = if columns { view.reversed_axes() } else { view };
    Ok(view.as_standard_layout().into_owned())
}

fn stack(raw: Raw, dims: [usize; 4], path: &Path) -> Result<Array2<f32>> {
    let inconsistent = |_| Error::format(path, format!("the numbers do not fill an array of {dims:?}"));
    let flat = (dims[0], dims[1] * dims[2] * dims[3]);
    if !raw.fortran {
        return Array2::from_shape_vec(flat, raw.values).map_err(inconsistent);
    }
    let view = ArrayView4::from_shape(dims.f(), &raw.values).map_err(inconsistent)?;
    let x = view.as_standard_layout().into_owned();
    Array2::from_shape_vec(flat, x.into_raw_vec_and_offset().0).map_err(inconsistent)
}

/// Pixels that lie column by column, channel by channel (MATLAB) → row-major, channels innermost.
pub(super) fn pixels_from_column_major(x: &mut Array2<f32>, shape: ImageShape) {
    let ImageShape { height, width, channels } = shape;
    let mut from = Vec::with_capacity(shape.features());
    for r in 0..height {
        for c in 0..width {
            from.extend((0..channels).map(|k| r + height * (c + width * k)));
        }
    }
    x.axis_iter_mut(Axis(0)).into_par_iter().for_each(|mut row| {
        let old = row.to_vec();
        row.iter_mut().zip(&from).for_each(|(pixel, &i)| *pixel = old[i]);
    });
}

/// The options that hold for every format: the shape the caller knows, grey, size.
pub(super) fn finish(mut set: ImageSet, path: &Path, opts: &LoadOptions) -> Result<ImageSet> {
    if set.x.is_empty() {
        return Err(Error::format(path, format!("expected samples, found {}×{}", set.n_samples(), set.n_features())));
    }
    if let Some(shape) = opts.image_shape {
        shape.check(set.n_features())?;
        set.image_shape = Some(shape);
    }
    if !opts.colour
        && let Some(shape) = set.image_shape.filter(|s| s.channels == 3)
    {
        let grey = ImageShape { channels: 1, ..shape };
        set.x = map_rows(&set.x, grey.features(), |row, out| {
            out.extend(row.as_chunks::<3>().0.iter().map(|&[r, g, b]| 0.2126 * r + 0.7152 * g + 0.0722 * b));
        });
        set.image_shape = Some(grey);
    }
    if let Some((width, height)) = opts.resize {
        check_size((width, height))?;
        let Some(from) = set.image_shape else {
            return Err(Error::Config(format!("{}: cannot resize without an image shape; give one", path.display())));
        };
        let to = ImageShape { height, width, ..from };
        if to != from {
            set.x = map_rows(&set.x, to.features(), |row, out| *out = resize::resize(row, from, to));
            set.image_shape = Some(to);
        }
    }
    Ok(set)
}

/// A size to resize to must have pixels.
pub(super) fn check_size((width, height): (usize, usize)) -> Result<()> {
    if width == 0 || height == 0 || width.checked_mul(height).is_none() {
        return Err(Error::Config(format!("cannot resize to {width}×{height} pixels")));
    }
    Ok(())
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
