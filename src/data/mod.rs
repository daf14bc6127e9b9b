//! Files → [`ImageSet`]: one row per sample, whatever the format.
//!
//! [`load`] tells the format by content and reads it; nothing in a file is believed before it is
//! checked against the bytes that are there. [`preprocess()`] scales, [`validate_nonnegative`] refuses
//! what a nonnegative factorization cannot take, [`train_per_class`] splits.
//!
//! | source | samples | labels |
//! |---|---|---|
//! | folder | the images in it, in natural order (`s2` before `s10`) | the sub-folders |
//! | `.mat` version 5 | `fea`, or the only matrix | `gnd` |
//! | `.npy` | the array | none |
//! | `.npz` | `x`, `X`, `data` or `arr_0` | `y`, `labels` or `arr_1` |
//! | IDX (MNIST) | `…images-idx3…` | `…labels-idx1…` beside it |
//! | `.csv` | the rows | a column named `label`, `class` or `y` |

use std::path::Path;

use ndarray::{Array2, Axis};

use crate::{Error, Result};

mod arrange;
mod csv;
pub mod embedded;
mod folder;
mod format;
mod idx;
mod igo;
mod labels;
mod mat;
mod npy;
mod npz;
mod preprocess;
mod resize;
mod source;
mod split;

pub use labels::{classes, label_columns, read_labels};
pub use preprocess::{
    Checked, Features, Preprocess, Scale, preprocess, preprocess_features, validate_finite, validate_nonnegative,
};
pub use split::train_per_class;

/// How the pixels of one sample lie in its row: `height × width × channels`, row-major, channels
/// innermost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ImageShape {
    /// Rows of pixels.
    pub height: usize,
    /// Columns of pixels.
    pub width: usize,
    /// 1 for grey, 3 for colour.
    pub channels: usize,
}

impl ImageShape {
    /// `height · width · channels`, the length of a row of [`ImageSet::x`].
    pub fn features(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Whether samples of `features` numbers can have this shape.
    fn check(&self, features: usize) -> Result<()> {
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

/// Samples with what is known about them.
#[derive(Debug, Clone)]
pub struct ImageSet {
    /// `samples × features`. Pixels of 8-bit images are 0..=255, as stored; see [`preprocess()`].
    pub x: Array2<f32>,
    /// How a row is an image, where that is known.
    pub image_shape: Option<ImageShape>,
    /// The class of every sample, an index into [`ImageSet::classes`].
    pub labels: Option<Vec<usize>>,
    /// The names of the classes, as the source spells them: folder names in natural order, label
    /// values in numeric order. Empty without labels.
    pub classes: Vec<String>,
    /// A name for every sample: its file, relative to the folder, or its row number from 0.
    pub names: Vec<String>,
}

impl ImageSet {
    /// A set whose samples have only numbers for names.
    fn new(x: Array2<f32>, image_shape: Option<ImageShape>, labels: Option<labels::Labels>) -> Self {
        let names = (0..x.nrows()).map(|i| i.to_string()).collect();
        let (labels, classes) = labels.map_or((None, Vec::new()), |l| (Some(l.of), l.classes));
        Self { x, image_shape, labels, classes, names }
    }

    /// The number of samples, rows of `x`.
    pub fn n_samples(&self) -> usize {
        self.x.nrows()
    }

    /// The number of features, columns of `x`.
    pub fn n_features(&self) -> usize {
        self.x.ncols()
    }

    /// The samples of the given rows, in the given order; a row may be given more than once.
    ///
    /// The classes stay as they are, so that labels mean the same in every part of a split.
    ///
    /// # Panics
    /// If a row is not less than [`ImageSet::n_samples`].
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        Self {
            x: self.x.select(Axis(0), rows),
            image_shape: self.image_shape,
            labels: self.labels.as_ref().map(|l| rows.iter().map(|&r| l[r]).collect()),
            classes: self.classes.clone(),
            names: rows.iter().map(|&r| self.names[r].clone()).collect(),
        }
    }

    /// How many samples each of [`ImageSet::classes`] has; empty without labels.
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        for &label in self.labels.iter().flatten() {
            counts[label] += 1;
        }
        counts
    }
}

/// Which axis of a matrix is the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SamplesAxis {
    /// The axis as long as the labels; rows if both fit, or without labels.
    #[default]
    Auto,
    /// One sample a row.
    Rows,
    /// One sample a column.
    Columns,
}

/// How to read; the default suits every format.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// The array of a `.mat` or `.npz` file that holds the samples.
    pub x_key: Option<String>,
    /// The array (`.mat`, `.npz`) or column (`.csv`) that holds the labels.
    pub y_key: Option<String>,
    /// Resize every image to `(width, height)` pixels.
    pub resize: Option<(usize, usize)>,
    /// The shape of an image where the file does not say it, or says it wrongly; as in the file,
    /// before grey and resizing.
    pub image_shape: Option<ImageShape>,
    /// Which axis is the samples, in `.mat`, `.npy` and `.npz` matrices.
    pub samples: SamplesAxis,
    /// Keep three channels; else colour becomes grey by luma (0.2126 R + 0.7152 G + 0.0722 B).
    pub colour: bool,
}

/// Reads a folder of images, a `.mat`, `.npy`, `.npz`, IDX or CSV file; `.npy`, IDX and CSV also packed with gzip.
///
/// The format is told by the first bytes where they say it, else by the file's extension. In `.mat`
/// files whose samples are square (or whose shape is given), pixels are taken to lie column by
/// column, as MATLAB does, and are put into row-major order. Images with an alpha channel lose it.
/// Values are not scaled.
///
/// # Errors
/// [`Error::Io`] if a file cannot be read, [`Error::Format`] if it is not what it claims to be, with
/// what was expected and what was found, [`Error::Config`] and [`Error::Shape`] if the options do not
/// fit the file.
pub fn load(path: &Path, opts: &LoadOptions) -> Result<ImageSet> {
    use format::Format;
    let (format, gzip) = format::detect(path)?;
    for (key, option, fits) in [
        (&opts.x_key, "a key for the samples", format.has_keys()),
        (&opts.y_key, "a key for the labels", format.has_keys() || format == Format::Csv),
    ] {
        if let (Some(key), false) = (key, fits) {
            let message = format!("{}: {option} (`{key}`) means nothing for {}", path.display(), format.name());
            return Err(Error::Config(message));
        }
    }
    let set = match format {
        // Images are made equal one by one, before there is a matrix.
        Format::Folder => return folder::load(path, opts),
        Format::Mat => mat::load(path, opts)?,
        Format::Npy => npy::load(path, gzip, opts)?,
        Format::Npz => npz::load(path, opts)?,
        Format::Idx => idx::load(path, gzip, opts)?,
        Format::Csv => csv::load(path, gzip, opts)?,
    };
    arrange::finish(set, path, opts)
}
