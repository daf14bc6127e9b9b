//! IDX, the format of MNIST: big-endian arrays, images and labels in two files.
//!
//! The labels of `train-images-idx3-ubyte[.gz]` are read from `train-labels-idx1-ubyte[.gz]` beside it.

use std::path::{Path, PathBuf};

use super::source::{Kind, Source, product_text};
use super::{ImageSet, LoadOptions, arrange, labels};
use crate::{Error, Result};

pub(super) fn load(path: &Path, gzip: bool, opts: &LoadOptions) -> Result<ImageSet> {
    let images = Source::open(path, gzip, opts.budget())?;
    let Some((labels_path, labels_gzip)) = labels_beside(path) else {
        return parse(images, None, path, opts);
    };
    let labels = Source::open(&labels_path, labels_gzip, opts.budget())?;
    let name = labels_path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    parse(images, Some((labels, name)), path, opts)
}

/// Images and labels from any two readers. `label_source` comes with a name for the labels; `path` is for messages.
pub(super) fn parse(
    mut images: Source<'_>,
    label_source: Option<(Source<'_>, String)>,
    path: &Path,
    opts: &LoadOptions,
) -> Result<ImageSet> {
    let (kind, shape) = header(&mut images)?;
    if shape.len() < 2 {
        let message =
            format!("expected images of 2 to 4 dimensions, found {}: is this the labels file?", product_text(&shape));
        return Err(images.error(message));
    }
    let values = images.numbers::<f32>(kind, true, &shape)?;
    images.end()?;
    let labels = match label_source {
        None => None,
        Some((mut source, name)) => {
            let (kind, label_shape) = header(&mut source)?;
            if label_shape.len() != 1 {
                return Err(
                    source.error(format!("expected labels of 1 dimension, found {}", product_text(&label_shape)))
                );
            }
            if label_shape[0] != shape[0] {
                let message = format!(
                    "expected {} labels, one for every image in {}, found {}",
                    shape[0],
                    path.display(),
                    label_shape[0]
                );
                return Err(source.error(message));
            }
            let values = source.numbers::<f64>(kind, true, &label_shape)?;
            source.end()?;
            Some(labels::from_numbers(&values, path, name)?)
        }
    };
    // The first axis of an IDX file is that of the samples.
    let opts = LoadOptions { samples: super::SamplesAxis::Rows, ..opts.clone() };
    arrange::image_set(arrange::Raw { values, shape, fortran: false }, labels, path, &opts)
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
