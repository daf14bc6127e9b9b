//! A folder of images; its sub-folders are the classes.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use image::{ColorType, DynamicImage, ImageDecoder, ImageReader, Limits, metadata::Orientation};
use ndarray::{Array2, Axis};
use rayon::prelude::*;

use super::labels::natural_order;
use super::{ImageSet, ImageShape, LoadOptions, arrange, resize};
use crate::{Error, Result};

const EXTENSIONS: [&str; 14] =
    ["png", "jpg", "jpeg", "jpe", "pgm", "ppm", "pbm", "pnm", "pam", "bmp", "tif", "tiff", "gif", "webp"];
/// Deeper folders are taken for a loop of links.
const MAX_DEPTH: usize = 16;

pub(super) fn is_image_extension(extension: &str) -> bool {
    EXTENSIONS.iter().any(|e| e.eq_ignore_ascii_case(extension))
}

struct Entry {
    path: PathBuf,
    name: String,
    is_dir: bool,
}

/// Images directly in the folder have no labels; images in sub-folders, however deep, have the name
/// of the outermost sub-folder. Other files and hidden ones are passed over.
pub(super) fn load(folder: &Path, opts: &LoadOptions) -> Result<ImageSet> {
    if let Some(size) = opts.resize {
        arrange::check_size(size)?;
    }
    let (mut images, mut labels, mut classes) = (Vec::new(), Vec::new(), Vec::new());
    for entry in list(folder)? {
        if entry.is_dir {
            let before = images.len();
            walk(&entry, &entry.name, 1, &mut images)?;
            if images.len() > before {
                labels.resize(images.len(), classes.len());
                classes.push(entry.name);
            }
        } else if is_image(&entry) {
            images.push((entry.path, entry.name));
        }
    }
    // Files sort among the folders, so a mixture may show in the number of labels or not at all.
    let direct = images.iter().filter(|(_, name)| !name.contains('/')).count();
    if images.is_empty() {
        return Err(Error::format(folder, format!("expected images ({}), found none", EXTENSIONS.join(", "))));
    }
    if direct > 0 && !classes.is_empty() {
        let message = format!(
            "expected images either in the folder or in sub-folders that name their classes, found {direct} directly in \
             it and {} in {} sub-folders",
            images.len() - direct,
            classes.len()
        );
        return Err(Error::format(folder, message));
    }
    if opts.image_shape.is_some() {
        return Err(Error::Config(format!("{}: images say their own shape, none may be given", folder.display())));
    }
    let (x, shape) = decode_all(&images, opts)?;
    let names = images.into_iter().map(|(_, name)| name).collect();
    let labels = (!classes.is_empty()).then_some(labels);
    Ok(ImageSet { x, image_shape: Some(shape), labels, classes, names })
}

/// What is in a folder, hidden things aside, in natural order.
fn list(folder: &Path) -> Result<Vec<Entry>> {
    let failed = |e| Error::io(folder, e);
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if !name.starts_with('.') {
            // Follows links; a link that leads nowhere is an error only if it is named as an image.
            let is_dir = path.is_dir();
            entries.push(Entry { path, name, is_dir });
        }
    }
    entries.sort_by(|a, b| natural_order(&a.name, &b.name));
    Ok(entries)
}

fn walk(folder: &Entry, relative: &str, depth: usize, images: &mut Vec<(PathBuf, String)>) -> Result<()> {
    if depth > MAX_DEPTH {
        return Err(Error::format(&folder.path, format!("more than {MAX_DEPTH} folders deep: a loop of links?")));
    }
    for entry in list(&folder.path)? {
        let name = format!("{relative}/{}", entry.name);
        if entry.is_dir {
            walk(&entry, &name, depth + 1, images)?;
        } else if is_image(&entry) {
            images.push((entry.path, name));
        }
    }
    Ok(())
}

fn is_image(entry: &Entry) -> bool {
    entry.path.extension().and_then(|e| e.to_str()).is_some_and(is_image_extension)
}

fn decode_all(images: &[(PathBuf, String)], opts: &LoadOptions) -> Result<(Array2<f32>, ImageShape)> {
    let (first, first_name) = &images[0];
    let (_, original) = decode(first, opts.colour)?;
    let shape = opts.resize.map_or(original, |(width, height)| ImageShape { height, width, ..original });
    let (n, m) = (images.len(), shape.features());
    let mut values = Vec::new();
    let length = n.saturating_mul(m);
    values
        .try_reserve_exact(length)
        .map_err(|e| Error::format(first, format!("no memory for {n} images of {m} numbers: {e}")))?;
    values.resize(length, 0.0);
    let mut x = Array2::from_shape_vec((n, m), values).map_err(|e| Error::format(first, e.to_string()))?;
    // The first failure in the order of the files, however the threads run.
    let failure = x.axis_iter_mut(Axis(0)).into_par_iter().zip(images).find_map_first(|(mut row, (path, name))| {
        let (mut pixels, found) = match decode(path, opts.colour) {
            Ok(decoded) => decoded,
            Err(e) => return Some(e),
        };
        if opts.resize.is_some() && found != shape {
            pixels = resize::resize(&pixels, found, shape);
        } else if found != shape {
            let message = format!(
                "`{name}` is {}×{} pixels, expected {}×{} as in `{first_name}`; make all images one size with --resize WxH",
                found.width, found.height, original.width, original.height
            );
            return Some(Error::format(path, message));
        }
        row.iter_mut().zip(pixels).for_each(|(a, b)| *a = b);
        None
    });
    failure.map_or(Ok((x, shape)), Err)
}

/// The pixels of one image in 0..=255, upright, row-major.
fn decode(path: &Path, colour: bool) -> Result<(Vec<f32>, ImageShape)> {
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let length = file.metadata().map_err(|e| Error::io(path, e))?.len();
    let image = decode_file(file, length)
        .map_err(|e| Error::format(path, format!("expected an image, but it does not decode: {e}")))?;
    let (width, height) = (image.width() as usize, image.height() as usize);
    let bytes = |v: Vec<u8>| v.into_iter().map(f32::from).collect();
    // 16 bits to the scale of 8, without losing the finer steps; floats run from 0 to 1.
    let words = |v: Vec<u16>| v.into_iter().map(|p| f32::from(p) / 257.0).collect();
    let floats = |v: Vec<f32>| v.into_iter().map(|p| p * 255.0).collect();
    let pixels = match (image.color(), colour) {
        (ColorType::L8 | ColorType::La8 | ColorType::Rgb8 | ColorType::Rgba8, false) => {
            bytes(image.into_luma8().into_raw())
        }
        (ColorType::L8 | ColorType::La8 | ColorType::Rgb8 | ColorType::Rgba8, true) => {
            bytes(image.into_rgb8().into_raw())
        }
        (ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16, false) => {
            words(image.into_luma16().into_raw())
        }
        (ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16, true) => {
            words(image.into_rgb16().into_raw())
        }
        (_, false) => floats(image.to_luma32f().into_raw()),
        (_, true) => floats(image.into_rgb32f().into_raw()),
    };
    Ok((pixels, ImageShape { height, width, channels: if colour { 3 } else { 1 } }))
}

fn decode_file(file: File, length: u64) -> image::ImageResult<DynamicImage> {
    // A small file cannot hold a large image: its header may claim what it likes.
    let mut limits = Limits::default();
    limits.max_alloc = Some((16 << 20) + length.saturating_mul(2048).min(512 << 20));
    let mut reader = ImageReader::new(BufReader::new(file)).with_guessed_format()?;
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder()?;
    limits.reserve(decoder.total_bytes())?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(orientation);
    Ok(image)
}
