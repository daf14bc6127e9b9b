//! Files → [`ImageSet`]: one row per sample, whatever the format.
//!
//! [`load`] recognises the format by content and reads it; sizes that a file claims are checked against the bytes it has.
//! [`open`] leaves the samples in their file, to be read a few at a time whenever they are needed.
//! [`preprocess()`] scales, [`validate_nonnegative`] refuses data that a nonnegative factorization cannot take,
//! [`train_per_class`] splits into training and test samples.
//!
//! | source | samples | labels |
//! |---|---|---|
//! | folder | the images in it, in natural order (`s2` before `s10`) | the sub-folders |
//! | `.mat`, HDF5 (`.h5`), `.npz` | `fea`, `x`, `data`, `features` or `arr_0`, or the only matrix | `gnd`, `y`, `labels`, `label` or `arr_1` |
//! | `.npy` | the array | none |
//! | IDX (MNIST) | `…images-idx3…` | `…labels-idx1…` beside it |
//! | `.csv` | the rows | a column named `label`, `labels` or `class` |
//!
//! Names of arrays and columns may be in upper or lower case. The first column of a CSV file names the samples if it is text,
//! or if its header is empty, `index`, `id`, `name`, `file` or the like. A label that is empty, NaN or NA means: no label.
//! Choices that the reader makes on its own are reported in [`ImageSet::notes`].

use std::path::Path;

use crate::Result;

mod arrange;
mod budget;
mod check;
mod csv;
pub mod embedded;
mod folder;
mod format;
mod hdf5;
mod idx;
mod igo;
mod inputs;
mod keys;
mod labels;
mod mat;
mod npy;
mod npz;
mod options;
mod preprocess;
mod resize;
mod samples;
mod set;
mod shape;
mod source;
mod split;
mod stream;
mod table;

pub use check::{Checked, validate_finite, validate_nonnegative};
pub use inputs::{applicable, reads};
pub use labels::minus_one;
pub use options::{LoadOptions, SamplesAxis};
pub use preprocess::{Features, Preprocess, Scale, preprocess, preprocess_features};
pub use samples::Samples;
pub use set::{Dim, ImageSet};
pub use shape::{ImageShape, PixelOrder};
pub use split::train_per_class;
pub use stream::{FileSamples, ReadAhead, Reading, open};
pub use table::{Join, Table};

/// Reads a folder of images, a `.mat`, HDF5, `.npy`, `.npz`, IDX or CSV file; `.npy`, IDX and CSV also packed with gzip.
///
/// The format is recognised by the first bytes of the file, else by its extension. Features keep the order of the file. A
/// sample of a `.mat` file with a square number of features, or with a given image shape, is taken for an image whose pixels
/// lie column by column, as in MATLAB. Alpha channels are dropped. Values are not scaled. Reading takes at most
/// [`LoadOptions::memory`] bytes.
///
/// # Errors
/// [`Error::Io`] if a file cannot be read; [`Error::Format`] if its content is not as expected; [`Error::Config`] and
/// [`Error::Shape`] if the options do not fit the file, [`Error::Config`] also if it takes too much memory.
///
/// [`Error::Io`]: crate::Error::Io
/// [`Error::Format`]: crate::Error::Format
/// [`Error::Config`]: crate::Error::Config
/// [`Error::Shape`]: crate::Error::Shape
pub fn load(path: &Path, opts: &LoadOptions) -> Result<ImageSet> {
    use format::Format;
    let opts = &LoadOptions { memory: Some(opts.budget()), ..opts.clone() };
    let (format, gzip) = format::detect_for(path, opts)?;
    let mut set = match format {
        Format::Folder => folder::load(path, opts)?,
        Format::Mat => mat::load(path, opts)?,
        Format::Hdf5 { matlab } => hdf5::load(path, matlab, opts)?,
        Format::Npy => npy::load(path, gzip, opts)?,
        Format::Npz => npz::load(path, opts)?,
        Format::Idx => idx::load(path, gzip, opts)?,
        Format::Csv => csv::load(path, gzip, opts)?,
    };
    // The images of a folder were resized one by one while they were read.
    if format != Format::Folder {
        set = arrange::finish(set, format.pixel_order(), path, opts)?;
    }
    if opts.clip_negative {
        set.notes.push(check::Look::at(set.x.view()).clipped());
        preprocess::clip_negative(&mut set.x);
    }
    Ok(set)
}
