//! The format of a file: by its first bytes where they tell, else by its extension.

use std::io::Read;
use std::path::Path;

use super::source::Source;
use super::{LoadOptions, PixelOrder, SamplesAxis};
use crate::{Error, Result};

/// The formats that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Folder,
    /// A TIFF of several pages.
    Stack,
    /// MATLAB's up to version 7.
    Mat,
    Hdf5 {
        /// Whether MATLAB wrote it, as version 7.3 of its format.
        matlab: bool,
    },
    Npy,
    Npz,
    Idx,
    Csv,
    Parquet,
}

impl Format {
    /// Whether every sample is an image that says its own shape.
    pub(super) fn is_images(self) -> bool {
        matches!(self, Self::Folder | Self::Stack)
    }

    /// Whether arrays in the file have names.
    pub(super) fn has_keys(self) -> bool {
        matches!(self, Self::Mat | Self::Hdf5 { .. } | Self::Npz)
    }

    /// Whether it is a table whose columns have names.
    pub(super) fn has_columns(self) -> bool {
        matches!(self, Self::Csv | Self::Parquet)
    }

    /// Whether its samples may be columns instead of rows.
    pub(super) fn has_sides(self) -> bool {
        matches!(self, Self::Mat | Self::Hdf5 { .. } | Self::Npy | Self::Npz | Self::Csv)
    }

    /// The order of the pixels of an image.
    pub(super) fn pixel_order(self) -> PixelOrder {
        match self {
            Self::Mat | Self::Hdf5 { matlab: true } => PixelOrder::Columns,
            _ => PixelOrder::Rows,
        }
    }

    /// For messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Folder => "a folder of images",
            Self::Stack => "a TIFF of several images",
            Self::Mat => "a .mat file",
            Self::Hdf5 { matlab: true } => "a .mat file of version 7.3",
            Self::Hdf5 { matlab: false } => "an HDF5 file",
            Self::Npy => "an .npy file",
            Self::Npz => "an .npz file",
            Self::Idx => "an IDX file",
            Self::Csv => "a CSV file",
            Self::Parquet => "a Parquet file",
        }
    }
}

const KNOWN: &str = "expected a folder of images, a TIFF of several, .mat, .h5, .h5ad, .npy, .npz, IDX, .csv, .tsv or .parquet; .npy, IDX, \
                     .csv and .tsv also as .gz";

/// The format of the file or folder `path`, and whether it is packed with gzip.
pub(super) fn detect(path: &Path) -> Result<(Format, bool)> {
    let meta = std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
    if meta.is_dir() {
        return Ok((Format::Folder, false));
    }
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    if name.ends_with(".part") && path.with_file_name(format!("{name}.json")).exists() {
        let message = "this is an array that `pack` has not finished: the same command goes on with it";
        return Err(Error::format(path, message));
    }
    let head = head(path, false)?;
    if !head.starts_with(&[0x1f, 0x8b]) {
        return Ok((sniff((path, false), &head, &name)?, false));
    }
    let inner = self::head(path, true)?;
    match sniff((path, true), &inner, name.strip_suffix(".gz").unwrap_or(&name))? {
        format @ (Format::Mat | Format::Hdf5 { .. } | Format::Npz | Format::Parquet) => {
            Err(Error::format(path, format!("found {} inside gzip; unpack it first", format.name())))
        }
        format => Ok((format, true)),
    }
}

/// [`detect`]; an option that means nothing for the format is refused.
pub(super) fn detect_for(path: &Path, opts: &LoadOptions) -> Result<(Format, bool)> {
    let (format, gzip) = detect(path)?;
    for (key, option, fits) in [
        (&opts.x_key, "--x-key", format.has_keys()),
        (&opts.y_key, "--y-key", format.has_columns() || format.has_keys()),
    ] {
        if let (Some(key), false) = (key, fits) {
            let message = format!("{}: {option} {key} means nothing for {}", path.display(), format.name());
            return Err(Error::Config(message));
        }
    }
    if opts.samples != SamplesAxis::Auto && !format.has_sides() {
        let message = format!("{}: samples in rows or columns mean nothing for {}", path.display(), format.name());
        return Err(Error::Config(message));
    }
    if let (Some(name), false) = (opts.leave_out.first(), format.has_columns()) {
        let message =
            format!("{}: a column to leave out (`{name}`) means nothing for {}", path.display(), format.name());
        return Err(Error::Config(message));
    }
    if opts.skip_broken && !format.is_images() {
        let message = format!("{}: skipping broken images means nothing for {}", path.display(), format.name());
        return Err(Error::Config(message));
    }
    Ok((format, gzip))
}

/// The first 640 bytes, or all of a shorter file.
pub(super) fn head(path: &Path, gzip: bool) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    match Source::open(path, gzip, u64::MAX)?.take(640).read_to_end(&mut head) {
        Ok(_) => Ok(head),
        // A truncated gzip file: its beginning still tells the format.
        Err(_) if gzip => Ok(head),
        Err(e) => Err(Error::io(path, e)),
    }
}

fn sniff((path, gzip): (&Path, bool), head: &[u8], name: &str) -> Result<Format> {
    const HDF5: &[u8] = b"\x89HDF\r\n\x1a\n";
    if head.is_empty() {
        return Err(Error::format(path, "the file is empty, or nothing in it could be unpacked"));
    }
    // Its signature may come after what another program wrote for itself.
    if head.starts_with(HDF5) || head.get(512..).is_some_and(|h| h.starts_with(HDF5)) {
        return Ok(Format::Hdf5 { matlab: head.starts_with(b"MATLAB 7.3") });
    }
    if head.starts_with(b"\x93NUMPY") {
        return Ok(Format::Npy);
    }
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return Ok(Format::Npz);
    }
    if head.starts_with(b"MATLAB 5.0") || matches!(head.get(124..128), Some(&[0, 1, b'I', b'M'] | &[1, 0, b'M', b'I']))
    {
        return Ok(Format::Mat);
    }
    if head.starts_with(b"PAR1") {
        return Ok(Format::Parquet);
    }
    if head.starts_with(b"\x80\x04") || head.starts_with(b"\x80\x05") {
        return Err(Error::format(path, format!("{}: {KNOWN}", of_others(head))));
    }
    if let &[0, 0, 0x08 | 0x09 | 0x0b..=0x0e, 1..=8, ..] = head {
        return Ok(Format::Idx);
    }
    match name.rsplit('.').next() {
        Some("csv" | "tsv" | "tab") => Ok(Format::Csv),
        Some("txt" | "dat" | "asc") if super::dialect::is_table(path, gzip)? => Ok(Format::Csv),
        Some("mat") => Err(Error::format(path, "no MATLAB 5.0 header found; version 4 files are not read")),
        Some("tif" | "tiff") if super::picture::pages(path)?.len() > 1 => Ok(Format::Stack),
        Some(extension) if super::folder::is_image_extension(extension) => {
            Err(Error::format(path, "this is one image; give the folder that holds the images"))
        }
        _ => Err(Error::format(path, format!("{}: {KNOWN}", of_others(head)))),
    }
}

/// What a file is that is not read, as far as its first bytes tell, and what to do about it.
fn of_others(head: &[u8]) -> &'static str {
    let image =
        |kinds: &[&[u8]]| head.get(4..8) == Some(b"ftyp") && head.get(8..12).is_some_and(|kind| kinds.contains(&kind));
    if head.starts_with(b"\x80\x04") || head.starts_with(b"\x80\x05") {
        "this is a Python pickle, which is not read (numpy.save writes arrays)"
    } else if image(&[b"heic", b"heix", b"mif1", b"msf1"]) {
        "this is an HEIC image, which is not read (convert it to JPEG or PNG)"
    } else if image(&[b"avif", b"avis"]) {
        "this is an AVIF image, which is not read (convert it to JPEG or PNG)"
    } else if head.starts_with(b"\xd0\xcf\x11\xe0") {
        "this is an old Excel workbook, which is not read (save it as CSV)"
    } else {
        "unknown format"
    }
}
