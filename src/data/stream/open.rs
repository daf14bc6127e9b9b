//! Which files can be streamed, and where their samples lie.

use std::path::Path;

use super::super::arrange::{Located, Place};
use super::super::format::{self, Format};
use super::super::sidecar::Sidecar;
use super::super::source::{Source, not_in_rows};
use super::super::{ImageSet, ImageShape, LoadOptions, PixelOrder, Samples, folder, hdf5, idx, npy, npz};
use super::file::FileSamples;
use super::raw::RawRows;
use crate::Result;
use crate::ranks::Ranks;

/// Opens a set whose samples stay in their file: `.npy` in C order (or in Fortran order, with samples in columns), such an array
/// in an uncompressed `.npz`, HDF5 and MATLAB 7.3 under the same condition, or IDX; or a folder of images. Labels are read; of the samples
/// nothing is read yet, but for the first image and what others say of themselves.
///
/// # Errors
/// As [`load`](crate::data::load); [`Error::Config`](crate::Error::Config) for samples that cannot be read by rows.
pub fn open(path: &Path, opts: &LoadOptions) -> Result<ImageSet<Samples>> {
    open_by(path, opts, None)
}

/// [`open`], by several processes together: all have to call it. Each looks into its share of the files of a folder.
///
/// # Errors
/// As [`open`]; of a folder on all processes, [`Error::Config`](crate::Error::Config) if it has other files on one of them.
pub fn open_by(path: &Path, opts: &LoadOptions, ranks: Option<Ranks>) -> Result<ImageSet<Samples>> {
    let opts = LoadOptions { memory: Some(opts.budget()), ..opts.clone() };
    let detected = format::detect_for(path, &opts);
    let (format, gzip) = match ranks {
        None => detected?,
        Some(ranks) => {
            let (format, gzip) = ranks.agreed(detected)?;
            ranks.same("kind of data", format.name())?;
            (format, gzip)
        }
    };
    if gzip {
        return Err(not_in_rows(path, "they are packed with gzip"));
    }
    let mut sidecar = None;
    let (located, chunks) = match format {
        Format::Npy => {
            let (numbers, mut notes) = (npy::locate(&mut Source::open(path, false, u64::MAX)?)?, Vec::new());
            sidecar = Sidecar::read(path, &numbers.shape, &opts, &mut notes)?;
            (Located::new(numbers, sidecar.as_mut().and_then(Sidecar::labels), notes), None)
        }
        Format::Npz => (npz::locate(path, &opts)?, None),
        Format::Hdf5 { matlab } => hdf5::locate(path, matlab, &opts)?,
        Format::Idx => (idx::locate(path, &opts)?, None),
        Format::Folder | Format::Stack => {
            let images = folder::open(path, &opts, ranks)?;
            return Ok(images.with_x(|x| Samples::InFile(Box::new(FileSamples::of_images(x, opts)))));
        }
        _ => return Err(not_in_rows(path, &format!("{} is not read by rows", format.name()))),
    };
    let Located { numbers, labels, names, feature_names, mut notes } = located;
    // Samples with names are rows.
    let opts = if format == Format::Idx || sidecar.is_some() || !names.is_empty() { idx::by_rows(&opts) } else { opts };
    let count = labels.as_ref().map(|l| l.of.len());
    let place = Place::of(&numbers.shape, numbers.fortran, count, path, &opts, &mut notes)?;
    if !place.in_rows {
        return Err(not_in_rows(path, "the values of a sample do not lie side by side in the file"));
    }
    let raw = RawRows::open(path, &numbers, place.dim.1, chunks)?;
    let image_shape = match &sidecar {
        Some(sidecar) => sidecar.image_shape(),
        None if format.pixel_order() == PixelOrder::Columns => ImageShape::square(place.dim.1),
        None => place.image_shape,
    };
    let order = image_shape.map_or(format.pixel_order(), |shape| shape.order);
    let (x, image_shape) = FileSamples::new(path, raw, place.dim, (image_shape, order), opts)?;
    let set = ImageSet::new(Samples::InFile(Box::new(x)), image_shape, labels, notes);
    Ok(match sidecar {
        Some(sidecar) => ImageSet { image_shape, ..sidecar.complete(set) },
        None => ImageSet { names, feature_names, ..set },
    })
}
