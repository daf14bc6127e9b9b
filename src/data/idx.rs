//! IDX, the format of MNIST: big-endian arrays, images and labels in two files.
//!
//! The labels of `train-images-idx3-ubyte[.gz]` are read from `train-labels-idx1-ubyte[.gz]` beside it.

use std::path::{Path, PathBuf};

use super::arrange::Located;
use super::labels::Labels;
use super::source::{Kind, Numbers, Source, product_text};
use super::{ImageSet, LoadOptions, arrange, labels};
use crate::{Error, Result};

pub(super) fn load(path: &Path, gzip: bool, opts: &LoadOptions) -> Result<ImageSet> {
    let images = Source::open(path, gzip, opts.budget())?;
    parse(images, open_labels(path, opts)?, path, opts)
}

/// Where the images are, with the labels.
pub(super) fn locate(path: &Path, opts: &LoadOptions) -> Result<Located> {
    let mut images = Source::open(path, false, opts.budget())?;
    let (kind, shape) = header_of_images(&mut images)?;
    let numbers = Numbers { start: images.place(kind, &shape)?, kind, big_endian: true, shape, fortran: false };
    let labels = open_labels(path, opts)?
        .map(|(labels, name)| read_labels(labels, name, Some(numbers.shape[0]), path))
        .transpose()?;
    Ok(Located::new(numbers, labels, Vec::new()))
}

/// The labels beside the images of `path`, if there are any, and their name.
fn open_labels(path: &Path, opts: &LoadOptions) -> Result<Option<(Source<'static>, String)>> {
    let Some((labels, gzip)) = labels_beside(path) else { return Ok(None) };
    let name = labels.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Some((Source::open(&labels, gzip, opts.budget())?, name)))
}

/// Images and labels from any two readers. `label_source` comes with a name for the labels; `path` is for messages.
pub(super) fn parse(
    mut images: Source<'_>,
    label_source: Option<(Source<'_>, String)>,
    path: &Path,
    opts: &LoadOptions,
) -> Result<ImageSet> {
    let (kind, shape) = header_of_images(&mut images)?;
    let values = images.numbers::<f32>(kind, true, &shape)?;
    images.end()?;
    let labels = label_source.map(|(labels, name)| read_labels(labels, name, Some(shape[0]), path)).transpose()?;
    arrange::image_set(arrange::Raw { values, shape, fortran: false }, labels, path, &by_rows(opts))
}

/// The first axis of an IDX file is that of the samples.
pub(super) fn by_rows(opts: &LoadOptions) -> LoadOptions {
    LoadOptions { samples: super::SamplesAxis::Rows, ..opts.clone() }
}

/// Labels that are called `name`, of so many images in `path`, or of any number.
pub(super) fn read_labels(mut source: Source<'_>, name: String, images: Option<u64>, path: &Path) -> Result<Labels> {
    let (kind, shape) = header(&mut source)?;
    if shape.len() != 1 {
        return Err(source.error(format!("expected labels of 1 dimension, found {}", product_text(&shape))));
    }
    if let Some(images) = images.filter(|images| *images != shape[0]) {
        let message =
            format!("expected {images} labels, one for every image in {}, found {}", path.display(), shape[0]);
        return Err(source.error(message));
    }
    let values = source.numbers::<f64>(kind, true, &shape)?;
    source.end()?;
    labels::from_numbers(&values, path, name)
}

fn header_of_images(images: &mut Source<'_>) -> Result<(Kind, Vec<u64>)> {
    let (kind, shape) = header(images)?;
    if shape.len() < 2 {
        let message =
            format!("expected images of 2 to 4 dimensions, found {}: is this the labels file?", product_text(&shape));
        return Err(images.error(message));
    }
    Ok((kind, shape))
}

fn header(source: &mut Source<'_>) -> Result<(Kind, Vec<u64>)> {
    let [zero, also_zero, kind, rank] = source.array::<4>("the IDX header")?;
    if (zero, also_zero) != (0, 0) {
        return Err(source.error("no IDX header: the first two bytes are not zero"));
    }
    let kind = match kind {
        0x08 => Kind::U8,
        0x09 => Kind::I8,
        0x0b => Kind::I16,
        0x0c => Kind::I32,
        0x0d => Kind::F32,
        0x0e => Kind::F64,
        _ => return Err(source.error(format!("unknown IDX number type {kind:#04x}"))),
    };
    let shape = (0..rank)
        .map(|_| Ok(u64::from(u32::from_be_bytes(source.array::<4>("the IDX dimensions")?))))
        .collect::<Result<Vec<_>>>()?;
    Ok((kind, shape))
}

/// The labels file beside an images file, if there is one, and whether it is packed.
pub(super) fn labels_beside(path: &Path) -> Option<(PathBuf, bool)> {
    let name = path.file_name()?.to_str()?;
    let (stem, packed) = name.strip_suffix(".gz").map_or((name, false), |stem| (stem, true));
    // Both spellings occur: `images-idx3-ubyte` and `images.idx3-ubyte`.
    let sister = ["images-idx", "images.idx"].iter().find_map(|images| {
        let at = stem.rfind(images)?;
        let rest = stem[at + images.len()..].strip_prefix(|c: char| c.is_ascii_digit())?;
        Some(format!("{}{}1{rest}", &stem[..at], images.replace("images", "labels")))
    })?;
    let plain = path.with_file_name(&sister);
    let gz = path.with_file_name(format!("{sister}.gz"));
    let candidates = if packed { [(gz, true), (plain, false)] } else { [(plain, false), (gz, true)] };
    candidates.into_iter().find(|(p, _)| p.is_file())
}

/// Reads the embedded set from its bytes; errors name it `name`.
pub(super) fn embedded(images: &[u8], label_bytes: &[u8], name: &str) -> Result<ImageSet> {
    let path = Path::new(name);
    let unpack = |bytes| {
        let length = <[u8]>::len(bytes) as u64;
        Source::deflated(path, flate2::read::MultiGzDecoder::new(bytes), length, u64::MAX)
    };
    let opts = LoadOptions { memory: Some(u64::MAX), ..LoadOptions::default() };
    parse(unpack(images), Some((unpack(label_bytes), "the built-in labels".into())), path, &opts)
        .map_err(|e| Error::format(path, format!("the embedded data set does not read: {e}")))
}
