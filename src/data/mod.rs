//! Files → [`ImageSet`]: one row per sample, whatever the format.
//!
//! [`load`] tells the format by content and reads it; nothing in a file is believed before it is
//! checked against the bytes that are there. [`preprocess()`] scales, [`validate_nonnegative`] refuses
//! what a nonnegative factorization cannot take, [`train_per_class`] splits.
//!
//! | source | samples | labels |
//! |---|---|---|
//! | folder | the images in it, in natural order (`s2` before `s10`) | the sub-folders |
//! | `.mat` version 5, `.npz` | `fea`, `x`, `data`, `features` or `arr_0`, or the only matrix | `gnd`, `y`, `labels`, `label` or `arr_1` |
//! | `.npy` | the array | none |
//! | IDX (MNIST) | `…images-idx3…` | `…labels-idx1…` beside it |
//! | `.csv` | the rows | a column named `label`, `labels` or `class` |
//!
//! Names of arrays and columns may be in upper or lower case. A first column of a CSV file that is text, or is called nothing,
//! `index`, `id`, `name`, `file` or the like, names the samples. Labels that are empty, NaN or NA are none. What was decided
//! without being asked for stands in [`ImageSet::notes`].

use std::borrow::Cow;
use std::path::Path;

use ndarray::{Array2, Axis};

use crate::{Error, Result};

mod arrange;
mod budget;
mod csv;
pub mod embedded;
mod folder;
mod format;
mod idx;
mod igo;
mod inputs;
mod keys;
mod labels;
mod mat;
mod npy;
mod npz;
mod preprocess;
mod resize;
mod shape;
mod source;
mod split;
mod table;

pub use inputs::{applicable, reads};
pub use labels::minus_one;
pub use preprocess::{
    Checked, Features, Preprocess, Scale, preprocess, preprocess_features, validate_finite, validate_nonnegative,
};
pub use shape::{ImageShape, PixelOrder};
pub use split::train_per_class;
pub use table::{Join, Table};

/// Samples with what is known about them.
#[derive(Debug, Clone)]
pub struct ImageSet {
    /// `samples × features`. Pixels of 8-bit images are 0..=255, as stored; see [`preprocess()`].
    pub x: Array2<f32>,
    /// How a row is an image, where that is known.
    pub image_shape: Option<ImageShape>,
    /// The class of every sample, an index into [`ImageSet::classes`]; None for a sample without a label.
    pub labels: Option<Vec<Option<usize>>>,
    /// The names of the classes, as the source spells them: folder names in natural order, label
    /// values in numeric order. Empty without labels.
    pub classes: Vec<String>,
    /// Where the labels are from, such as "sub-folders".
    pub label_source: Option<String>,
    /// A name for every sample, such as its file relative to the folder; empty where samples have only row numbers. See
    /// [`ImageSet::name`].
    pub names: Vec<String>,
    /// What the reader decided without being asked, and which option changes it; for people.
    pub notes: Vec<String>,
}

impl ImageSet {
    /// A set whose samples have only numbers for names.
    fn new(
        x: Array2<f32>,
        image_shape: Option<ImageShape>,
        labels: Option<labels::Labels>,
        notes: Vec<String>,
    ) -> Self {
        let mut set =
            Self { x, image_shape, labels: None, classes: Vec::new(), label_source: None, names: Vec::new(), notes };
        match labels {
            Some(l) if l.classes.is_empty() => set.notes.push(format!("{} holds no label: all are missing", l.source)),
            Some(l) => {
                set.notes.extend(minus_one(&l.classes).map(|note| format!("{}: {note}", l.source)));
                (set.labels, set.classes, set.label_source) = (Some(l.of), l.classes, Some(l.source));
            }
            None => {}
        }
        set
    }

    /// The name of a sample, or its row number from 0.
    pub fn name(&self, row: usize) -> Cow<'_, str> {
        self.names.get(row).map_or_else(|| row.to_string().into(), |name| name.as_str().into())
    }

    /// Puts the pixels of all samples into another order, where they are images.
    pub fn reorder(&mut self, order: PixelOrder) {
        self.image_shape = self.image_shape.map(|shape| shape::reorder(&mut self.x, shape, order));
    }

    /// Makes negative values 0; how many there were, and the lowest.
    fn clip_negative(&mut self) -> (usize, f32) {
        let (mut count, mut lowest) = (0, 0.0f32);
        for value in self.x.iter_mut().filter(|v| **v < 0.0) {
            (count, lowest) = (count + 1, lowest.min(*value));
            *value = 0.0;
        }
        (count, lowest)
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
            label_source: self.label_source.clone(),
            names: rows.iter().map(|&r| self.name(r).into_owned()).collect(),
            notes: self.notes.clone(),
        }
    }

    /// How many samples each of [`ImageSet::classes`] has; empty without labels.
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        for &label in self.labels.iter().flatten().flatten() {
            counts[label] += 1;
        }
        counts
    }
}

/// Which axis of a matrix is the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
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
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct LoadOptions {
    /// The array of a `.mat` or `.npz` file that holds the samples.
    pub x_key: Option<String>,
    /// The array (`.mat`, `.npz`) or column (`.csv`) that holds the labels.
    pub y_key: Option<String>,
    /// Data without that array or column are read without labels.
    #[serde(skip)]
    pub y_optional: bool,
    /// Resize every image to `(width, height)` pixels.
    pub resize: Option<(usize, usize)>,
    /// The shape of an image where the file does not say it, or says it wrongly; as in the file,
    /// before grey and resizing. [`LoadOptions::pixel_order`] says the order of its pixels.
    pub image_shape: Option<ImageShape>,
    /// In which order the pixels of an image lie in a row of a matrix; None: column by column in `.mat`, else row by row.
    pub pixel_order: Option<PixelOrder>,
    /// Which axis is the samples, in `.mat`, `.npy` and `.npz` matrices.
    pub samples: SamplesAxis,
    /// Keep three channels; else colour becomes grey by luma (0.2126 R + 0.7152 G + 0.0722 B).
    pub colour: bool,
    /// Make negative values 0.
    pub clip_negative: bool,
    /// How many bytes of memory reading may take; None: half of what is free.
    #[serde(skip)]
    pub memory: Option<u64>,
}

/// Reads a folder of images, a `.mat`, `.npy`, `.npz`, IDX or CSV file; `.npy`, IDX and CSV also packed with gzip.
///
/// The format is told by the first bytes where they say it, else by the file's extension. Features keep the order of the file;
/// a row of a `.mat` file with a square number of features (or of a given shape) is taken for an image whose pixels lie column
/// by column, as MATLAB does it. Images with an alpha channel lose it. Values are not scaled. No more memory is taken than
/// [`LoadOptions::memory`].
///
/// # Errors
/// [`Error::Io`] if a file cannot be read, [`Error::Format`] if it is not what it claims to be, with
/// what was expected and what was found, [`Error::Config`] and [`Error::Shape`] if the options do not
/// fit the file or it takes too much memory.
pub fn load(path: &Path, opts: &LoadOptions) -> Result<ImageSet> {
    use format::Format;
    let opts = &LoadOptions { memory: Some(opts.budget()), ..opts.clone() };
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
    if opts.samples != SamplesAxis::Auto && !format.has_sides() {
        let message = format!("{}: samples in rows or columns mean nothing for {}", path.display(), format.name());
        return Err(Error::Config(message));
    }
    let mut set = match format {
        Format::Folder => folder::load(path, opts)?,
        Format::Mat => mat::load(path, opts)?,
        Format::Npy => npy::load(path, gzip, opts)?,
        Format::Npz => npz::load(path, opts)?,
        Format::Idx => idx::load(path, gzip, opts)?,
        Format::Csv => csv::load(path, gzip, opts)?,
    };
    // The images of a folder were made equal one by one, before there was a matrix.
    if format != Format::Folder {
        let order = if format == Format::Mat { PixelOrder::Columns } else { PixelOrder::Rows };
        set = arrange::finish(set, order, path, opts)?;
    }
    if opts.clip_negative {
        let (count, lowest) = set.clip_negative();
        set.notes.push(format!("{count} negative values were made 0, the lowest {lowest}"));
    }
    Ok(set)
}
