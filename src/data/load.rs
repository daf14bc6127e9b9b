//! Reads a whole data set into memory.

use std::path::Path;

use super::format::{self, Format};
use super::preprocess::clip_negative;
use super::stream::open;
use super::{ImageSet, LoadOptions, SoFar, arrange, check, csv, hdf5, idx, mat, npy, npz, parquet};
use crate::Result;

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
    load_with(path, opts, &mut |_| {})
}

/// [`load`], which says how many of the images of a folder it has decoded.
///
/// # Errors
/// As [`load`].
pub fn load_with(path: &Path, opts: &LoadOptions, progress: &mut dyn FnMut(&SoFar)) -> Result<ImageSet> {
    let opts = &LoadOptions { memory: Some(opts.budget()), ..opts.clone() };
    let (format, gzip) = format::detect_for(path, opts)?;
    let mut set = match format {
        Format::Folder | Format::Stack => {
            let (mut set, look) = open(path, opts)?.hold_with(progress)?;
            set.notes.extend(look.and_then(|look| look.note()));
            return Ok(set);
        }
        Format::Mat => mat::load(path, opts)?,
        Format::Hdf5 { matlab } => hdf5::load(path, matlab, opts)?,
        Format::Npy => npy::load(path, gzip, opts)?,
        Format::Npz => npz::load(path, opts)?,
        Format::Idx => idx::load(path, gzip, opts)?,
        Format::Csv => csv::load(path, gzip, opts)?,
        Format::Parquet => parquet::load(path, opts)?,
    };
    let order = set.image_shape.map_or(format.pixel_order(), |shape| shape.order);
    set = arrange::finish(set, order, path, opts)?;
    if set.image_shape.is_some() {
        set.feature_names.clear();
    }
    if opts.clip_negative {
        let mut look = check::Look::new(true);
        look.add(set.x.view());
        set.notes.extend(look.note());
        clip_negative(&mut set.x);
    }
    Ok(set)
}
