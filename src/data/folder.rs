//! A folder of images; its sub-folders are the classes.

use std::fmt::Display;
use std::fs::File;
use std::io::BufReader;
use std::ops::Range;
use std::path::{Path, PathBuf};

use image::{ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, metadata::Orientation};
use ndarray::{Array2, Axis};
use rayon::prelude::*;
use tiff::decoder::DecodingResult;

use super::budget::afford;
use super::labels::{Labels, natural_order};
use super::{ImageSet, ImageShape, LoadOptions, arrange, resize};
use crate::{Error, Result};

const EXTENSIONS: [&str; 14] =
    ["png", "jpg", "jpeg", "jpe", "pgm", "ppm", "pbm", "pnm", "pam", "bmp", "tif", "tiff", "gif", "webp"];
/// Folders nested deeper are taken for a loop of links.
const MAX_DEPTH: usize = 16;

pub(super) fn is_image_extension(extension: &str) -> bool {
    EXTENSIONS.iter().any(|e| e.eq_ignore_ascii_case(extension))
}

struct Entry {
    path: PathBuf,
    name: String,
    is_dir: bool,
}

/// The images of a folder, decoded when they are asked for.
#[derive(Debug)]
pub(super) struct Images {
    folder: PathBuf,
    pub(super) files: Vec<PathBuf>,
    /// The shape of the first image as it is, and that of all of them.
    original: ImageShape,
    shape: ImageShape,
    /// Whether the first image has whole numbers from 0 to 255 only.
    pub(super) bytes: bool,
    opts: LoadOptions,
}

pub(super) fn load(folder: &Path, opts: &LoadOptions) -> Result<ImageSet> {
    let set = open(folder, opts)?;
    let x = set.x.rows(0..set.x.files.len())?;
    Ok(set.with_x(|_| x))
}

/// Lists the images and decodes the first one. Images directly in the folder have no labels. The class of an image in a sub-folder,
/// at any depth, is the name of the outermost sub-folder. Hidden files and files that are no images are skipped.
pub(super) fn open(folder: &Path, opts: &LoadOptions) -> Result<ImageSet<Images>> {
    let (mut images, mut labels, mut classes) = (Vec::new(), Vec::new(), Vec::new());
    for entry in list(folder)? {
        if entry.is_dir {
            let before = images.len();
            walk(&entry, &entry.name, 1, &mut images)?;
            if images.len() > before {
                labels.resize(images.len(), Some(classes.len()));
                classes.push(entry.name);
            }
        } else if is_image(&entry) {
            images.push((entry.path, entry.name));
        }
    }
    // Files and folders are sorted together: `labels` cannot tell whether there are images of both kinds.
    let direct = images.iter().filter(|(_, name)| !name.contains('/')).count();
    let Some((first, _)) = images.first() else {
        return Err(Error::format(folder, format!("expected images ({}), found none", EXTENSIONS.join(", "))));
    };
    if direct > 0 && !classes.is_empty() {
        let message = format!(
            "expected images either in the folder or in sub-folders that name their classes, found {direct} directly in \
             it and {} in {} sub-folders",
            images.len() - direct,
            classes.len()
        );
        return Err(Error::format(folder, message));
    }
    if opts.image_shape.is_some() || opts.pixel_order.is_some() {
        return Err(Error::Config(format!("{}: images say their own shape, none may be given", folder.display())));
    }
    let (pixels, original) = decode(first, opts.colour, opts.budget())?;
    let shape = match opts.resize {
        Some(size) => arrange::resized(original, size, 1, folder, opts.budget())?,
        None => original,
    };
    let bytes = pixels.iter().all(|v| is_byte(*v));
    let (files, names) = images.into_iter().unzip();
    let images = Images { folder: folder.to_path_buf(), files, original, shape, bytes, opts: opts.clone() };
    let labels = (!classes.is_empty()).then(|| Labels { of: labels, classes, source: "sub-folders".into() });
    Ok(ImageSet { names, ..ImageSet::new(images, Some(shape), labels, Vec::new()) })
}

/// The entries of a folder without the hidden ones, in natural order.
fn list(folder: &Path) -> Result<Vec<Entry>> {
    let failed = |e| Error::io(folder, e);
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let is_special = entry.file_type().is_ok_and(|kind| !(kind.is_file() || kind.is_dir() || kind.is_symlink()));
        // Neither a file nor a folder: a pipe would be waited for.
        if !name.starts_with('.') && !is_special {
            // Follows links. A broken link is an error only if it has the name of an image.
            let is_dir =
                entry.file_type().is_ok_and(|kind| if kind.is_symlink() { path.is_dir() } else { kind.is_dir() });
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

impl Images {
    /// `(images, numbers of each)`.
    pub(super) fn dim(&self) -> (usize, usize) {
        (self.files.len(), self.shape.features())
    }

    /// A file as it is called in the folder.
    pub(super) fn name(&self, file: usize) -> std::path::Display<'_> {
        let path = &self.files[file];
        path.strip_prefix(&self.folder).unwrap_or(path).display()
    }

    /// The values of these images, decoded by all threads.
    ///
    /// # Errors
    /// That of the first image that cannot be read, or has another size than the first one of all where none is asked for;
    /// [`Error::Config`] if memory has no room for them.
    pub(super) fn rows(&self, rows: Range<usize>) -> Result<Array2<f32>> {
        let Self { folder, files, original, shape, opts, .. } = self;
        let (n, m, budget) = (rows.len(), shape.features(), opts.budget());
        if let Some(size) = opts.resize {
            arrange::resized(*original, size, n, folder, budget)?;
        }
        let needed = (n as u64).saturating_mul(m as u64).saturating_mul(4);
        afford(folder, &format!("{n} images of {m} numbers"), needed, budget)?;
        // The rest of the budget is for the images that are being decoded, one per thread.
        let each = (budget - needed) / rayon::current_num_threads().min(n).max(1) as u64;
        let mut x = Array2::zeros((n, m));
        // The first failure in the order of the files, not in that of the threads.
        let tasks = x.axis_iter_mut(Axis(0)).into_par_iter().zip(rows).map(|(row, file)| (row, file, &files[file]));
        let failure = tasks.find_map_first(|(mut row, file, path)| {
            let (mut pixels, found) = match decode(path, opts.colour, each) {
                Ok(decoded) => decoded,
                Err(e) => return Some(e),
            };
            if let Some(size) = opts.resize.filter(|_| found != *shape) {
                if let Err(e) = arrange::resized(found, size, 1, path, each) {
                    return Some(e);
                }
                pixels = resize::resize(&pixels, found, *shape);
            } else if found != *shape {
                let message = format!(
                    "`{}` is {}×{} pixels, expected {}×{} as in `{}`; make all images one size with --resize WxH",
                    self.name(file),
                    found.width,
                    found.height,
                    original.width,
                    original.height,
                    self.name(0)
                );
                return Some(Error::format(path, message));
            }
            row.iter_mut().zip(pixels).for_each(|(a, b)| *a = b);
            None
        });
        failure.map_or(Ok(x), Err)
    }
}

/// Whether a byte can hold this value.
pub(super) fn is_byte(value: f32) -> bool {
    (0.0..=255.0).contains(&value) && value.fract() == 0.0
}

/// The pixels of one image in 0..=255, upright, row by row. Floats in a file are taken to be in 0..=1.
fn decode(path: &Path, colour: bool, budget: u64) -> Result<(Vec<f32>, ImageShape)> {
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let length = file.metadata().map_err(|e| Error::io(path, e))?.len();
    let undecoded = |e: &dyn Display| Error::format(path, format!("expected an image, but it does not decode: {e}"));
    let mut reader = ImageReader::new(BufReader::new(file)).with_guessed_format().map_err(|e| Error::io(path, e))?;
    // A small file cannot hold a large image, whatever its header claims.
    let most = (16 << 20) + length.saturating_mul(2048).min(512 << 20);
    // The decoded bytes, a copy with another number of bits, and 32-bit floats.
    let cost = |width: u32, height: u32, bytes: u64| {
        let pixels = u64::from(width).saturating_mul(u64::from(height));
        let needed = bytes.saturating_mul(2).saturating_add(pixels.saturating_mul(if colour { 12 } else { 4 }));
        afford(path, &format!("decoding {width}×{height} pixels"), needed, budget)
    };
    if reader.format() == Some(ImageFormat::Tiff) {
        let file = File::open(path).map_err(|e| Error::io(path, e))?;
        if let Some((width, height, grey)) = float_tiff(file, most, cost, &undecoded)? {
            let channels = if colour { 3 } else { 1 };
            let pixels = grey.into_iter().flat_map(|v| std::iter::repeat_n(v * 255.0, channels)).collect();
            return Ok((pixels, ImageShape::new(height as usize, width as usize, channels)));
        }
    }
    let mut limits = Limits::default();
    limits.max_alloc = Some(most);
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder().map_err(|e| undecoded(&e))?;
    limits.reserve(decoder.total_bytes()).map_err(|e| undecoded(&e))?;
    let (width, height) = decoder.dimensions();
    cost(width, height, decoder.total_bytes())?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(|e| undecoded(&e))?;
    image.apply_orientation(orientation);
    let (width, height) = (image.width() as usize, image.height() as usize);
    let bytes = |v: Vec<u8>| v.into_iter().map(f32::from).collect();
    // 16 bits to the range of 8, keeping the finer steps.
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
    Ok((pixels, ImageShape::new(height, width, if colour { 3 } else { 1 })))
}

/// Width, height and values of a TIFF with one channel of floats, which the crate `image` does not read; None for other
/// TIFFs.
fn float_tiff(
    file: File,
    most: u64,
    cost: impl Fn(u32, u32, u64) -> Result<()>,
    undecoded: &dyn Fn(&dyn Display) -> Error,
) -> Result<Option<(u32, u32, Vec<f32>)>> {
    let failed = |e: tiff::TiffError| undecoded(&e);
    let mut limits = tiff::decoder::Limits::default();
    limits.decoding_buffer_size = usize::try_from(most).unwrap_or(usize::MAX);
    let mut decoder = tiff::decoder::Decoder::new(BufReader::new(file)).map_err(failed)?.with_limits(limits);
    let bits = match decoder.colortype().map_err(failed)? {
        tiff::ColorType::Gray(bits @ (32 | 64)) => u64::from(bits),
        _ => return Ok(None),
    };
    let (width, height) = decoder.dimensions().map_err(failed)?;
    cost(width, height, (bits / 8).saturating_mul(u64::from(width) * u64::from(height)))?;
    let values = match decoder.read_image().map_err(failed)? {
        DecodingResult::F32(values) => values,
        DecodingResult::F64(values) => values.into_iter().map(|v| v as f32).collect(),
        // 32-bit integers have no common range.
        _ => return Ok(None),
    };
    Ok(Some((width, height, values)))
}
