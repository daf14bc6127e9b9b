//! Images as numbers: one file is one image, or a TIFF of several pages.

use std::collections::HashSet;
use std::fmt::Display;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use image::codecs::gif::GifDecoder;
use image::{
    AnimationDecoder, ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, metadata::Orientation,
};
use tiff::decoder::{Decoder, DecodingResult};
use tiff::tags::Tag;

use super::ImageShape;
use super::budget::afford;
use crate::{Error, Result};

/// An image in a file of its own, or a page of a TIFF with several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Picture {
    pub(super) path: PathBuf,
    /// The number of the page, from 0, and where in the file its directory begins.
    pub(super) page: Option<(usize, u64)>,
}

/// The pixels of one image in 0..=255, upright, row by row. Floats in a file are taken to be in 0..=1, other numbers to have the range
/// of their type.
pub(super) fn decode(picture: &Picture, colour: bool, budget: u64) -> Result<(Vec<f32>, ImageShape)> {
    let path = &picture.path;
    let open = || Page::open(picture).map_err(|e| Error::io(path, e));
    let length = std::fs::metadata(path).map_err(|e| Error::io(path, e))?.len();
    let undecoded = |e: &dyn Display| Error::format(path, format!("expected an image, but it does not decode: {e}"));
    let mut reader = ImageReader::new(open()?).with_guessed_format().map_err(|e| Error::io(path, e))?;
    // A small file cannot hold a large image, whatever its header claims.
    let most = (16 << 20) + length.saturating_mul(2048).min(512 << 20);
    // The decoded bytes, a copy with another number of bits, and 32-bit floats.
    let cost = |width: u32, height: u32, bytes: u64| {
        let pixels = u64::from(width).saturating_mul(u64::from(height));
        if pixels == 0 {
            return Err(undecoded(&"it has no pixels"));
        }
        let needed = bytes.saturating_mul(2).saturating_add(pixels.saturating_mul(if colour { 12 } else { 4 }));
        afford(path, &format!("decoding {width}×{height} pixels"), needed, budget)
    };
    // The crate does not know one with offsets of 8 bytes by its beginning.
    if reader.format().is_none() && is_tiff(path) {
        reader.set_format(ImageFormat::Tiff);
    }
    if reader.format() == Some(ImageFormat::Tiff)
        && let Some((width, height, grey)) = grey_tiff(open()?, most, cost, &undecoded)?
    {
        let channels = if colour { 3 } else { 1 };
        let pixels = grey.into_iter().flat_map(|v| std::iter::repeat_n(v, channels)).collect();
        return Ok((pixels, ImageShape::new(height as usize, width as usize, channels)));
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

/// What becomes of an image whose values are no bytes, that has an alpha channel, or that is one of several in its file; for notes.
pub(super) fn changes(picture: &Picture) -> Vec<String> {
    let open = || Page::open(picture).ok();
    let several = || GifDecoder::new(open()?).ok().map(|gif| gif.into_frames().take(2).count() > 1);
    let is_gif = picture.path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gif"));
    let first = (is_gif && several() == Some(true)).then(|| "of a GIF with several images the first is taken".into());
    let alpha = "the alpha channel (what is transparent) is left out";
    let kind = kind(picture);
    let without = kind.filter(|kind| kind.alpha).map(|_| alpha.into());
    first.into_iter().chain(without).chain(kind.and_then(scaled)).collect()
}

/// How an image has its values.
#[derive(Clone, Copy)]
struct Kind {
    bits: u16,
    float: bool,
    alpha: bool,
}

/// None for what does not decode.
fn kind(picture: &Picture) -> Option<Kind> {
    let open = || Page::open(picture).ok();
    if is_tiff(&picture.path) {
        let mut decoder = Decoder::new(open()?).ok()?;
        let format = decoder.find_tag_unsigned_vec::<u16>(Tag::SampleFormat).ok().flatten();
        let (colour, float) = (decoder.colortype().ok()?, format.is_some_and(|format| format.first() == Some(&3)));
        let alpha = matches!(colour, tiff::ColorType::GrayA(_) | tiff::ColorType::RGBA(_));
        return Some(Kind { bits: colour.bit_depth().into(), float, alpha });
    }
    let colour = ImageReader::new(open()?).with_guessed_format().ok()?.into_decoder().ok()?.color_type();
    let bits = 8 * u16::from(colour.bytes_per_pixel() / colour.channel_count());
    Some(Kind { bits, float: false, alpha: colour.has_alpha() })
}

/// What becomes of values that are no bytes.
fn scaled(Kind { bits, float, .. }: Kind) -> Option<String> {
    let is = |of: &str| Some(format!("pixels are numbers from 0 to 255: {of}"));
    match (bits, float) {
        (_, true) => is("floats are multiplied by 255, so that 1 is white"),
        (0..=8, false) => None,
        (16, false) => is("numbers of 16 bits are divided by 257"),
        (bits, false) => is(&format!("numbers of {bits} bits are divided by a 255th of their largest")),
    }
}

/// Whether a file is called a TIFF.
pub(super) fn is_tiff(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("tif") || e.eq_ignore_ascii_case("tiff"))
}

/// Width, height and pixels of a TIFF with one channel of floats, of signed numbers, or of more than 16 bits, which the crate `image`
/// does not read; None for other TIFFs.
fn grey_tiff(
    file: BufReader<Page>,
    most: u64,
    cost: impl Fn(u32, u32, u64) -> Result<()>,
    undecoded: &dyn Fn(&dyn Display) -> Error,
) -> Result<Option<(u32, u32, Vec<f32>)>> {
    let failed = |e: tiff::TiffError| undecoded(&e);
    let mut limits = tiff::decoder::Limits::default();
    limits.decoding_buffer_size = usize::try_from(most).unwrap_or(usize::MAX);
    let mut decoder = Decoder::new(file).map_err(failed)?.with_limits(limits);
    let tiff::ColorType::Gray(bits) = decoder.colortype().map_err(failed)? else { return Ok(None) };
    let format = decoder.find_tag_unsigned_vec::<u16>(Tag::SampleFormat).map_err(failed)?;
    let unsigned = format.is_none_or(|format| format.first() == Some(&1));
    if bits <= 16 && unsigned {
        return Ok(None);
    }
    let (width, height) = decoder.dimensions().map_err(failed)?;
    cost(width, height, u64::from(bits).div_ceil(8).saturating_mul(u64::from(width) * u64::from(height)))?;
    // As much of 255 as of the range of numbers without sign.
    let of = |bits: i32| 255.0 / (2f64.powi(bits) - 1.0);
    let pixels = |values: Vec<f64>, unit: f64| values.into_iter().map(|v| (v * unit) as f32).collect::<Vec<f32>>();
    fn wide<T: Into<f64>>(values: Vec<T>) -> Vec<f64> {
        values.into_iter().map(Into::into).collect()
    }
    let pixels = match decoder.read_image().map_err(failed)? {
        DecodingResult::F16(v) => v.into_iter().map(|v| 255.0 * v.to_f32()).collect(),
        DecodingResult::F32(v) => v.into_iter().map(|v| 255.0 * v).collect(),
        DecodingResult::F64(v) => pixels(v, 255.0),
        DecodingResult::U8(v) => pixels(wide(v), of(8)),
        DecodingResult::U16(v) => pixels(wide(v), of(16)),
        DecodingResult::U32(v) => pixels(wide(v), of(32)),
        DecodingResult::U64(v) => pixels(v.into_iter().map(|v| v as f64).collect(), of(64)),
        DecodingResult::I8(v) => pixels(wide(v), of(8)),
        DecodingResult::I16(v) => pixels(wide(v), of(16)),
        DecodingResult::I32(v) => pixels(wide(v), of(32)),
        DecodingResult::I64(v) => pixels(v.into_iter().map(|v| v as f64).collect(), of(64)),
    };
    Ok(Some((width, height, pixels)))
}

/// The images in a TIFF: where their directories begin. Small copies and masks are no images of their own. One that does not read
/// has one, which will say why.
///
/// # Errors
/// [`Error::Io`]; [`Error::Format`] for a stack of ImageJ's that other programs see the first image of.
pub(super) fn pages(path: &Path) -> Result<Vec<u64>> {
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let length = file.metadata().map_err(|e| Error::io(path, e))?.len();
    let Ok(mut decoder) = Decoder::new(BufReader::new(file)) else { return Ok(vec![0]) };
    let (mut pages, mut seen) = (Vec::new(), HashSet::new());
    let mut next = decoder.ifd_pointer();
    while let Some(at) = next {
        let directory = if at.0 < length && seen.insert(at.0) { decoder.read_directory(at).ok() } else { None };
        let Some(directory) = directory else {
            let message = format!(
                "expected a directory after page {} of the TIFF, found none: it is cut short or damaged",
                seen.len()
            );
            return Err(Error::format(path, message));
        };
        let kind = decoder.read_directory_tags(&directory).find_tag_unsigned::<u32>(Tag::NewSubfileType);
        if !matches!(kind, Ok(Some(kind)) if kind & 5 != 0) {
            pages.push(at.0);
        }
        next = directory.next();
    }
    let described = decoder.get_tag_ascii_string(Tag::ImageDescription).unwrap_or_default();
    let size = decoder.dimensions().map_or(1, |(width, height)| u64::from(width) * u64::from(height));
    let by_shape = tifffile_images(&described, size.max(1)).filter(|n| *n > pages.len());
    let claimed = described.lines().find_map(|line| line.strip_prefix("images=")?.trim().parse::<usize>().ok());
    let claimed = claimed.filter(|n| described.starts_with("ImageJ=") && *n > pages.len());
    if let Some(claimed) = claimed.or(by_shape) {
        let message = format!(
            "expected a stack of {claimed} images, as it says, found {} directories of images; save it as an image sequence",
            pages.len()
        );
        return Err(Error::format(path, message));
    }
    Ok(if pages.is_empty() { vec![0] } else { pages })
}

/// How many images of `size` pixels tifffile says that a file has, whose directories need not say so.
fn tifffile_images(described: &str, size: u64) -> Option<usize> {
    let json: serde_json::Value = serde_json::from_str(described).ok()?;
    let shape: Vec<u64> =
        json.get("shape")?.as_array()?.iter().map(serde_json::Value::as_u64).collect::<Option<_>>()?;
    let colours = if matches!(shape.last(), Some(3 | 4)) && shape.len() > 2 { *shape.last()? } else { 1 };
    let all = shape.iter().try_fold(1u64, |n, d| n.checked_mul(*d))?;
    usize::try_from(all / size.checked_mul(colours)?).ok()
}

/// The bytes of a file in which a page is the first: what says where the first directory begins says where that of the page begins.
struct Page {
    file: File,
    at: u64,
    /// The first bytes of the file, where they are not its own.
    head: Vec<u8>,
}

impl Page {
    fn open(picture: &Picture) -> std::io::Result<BufReader<Self>> {
        let mut file = File::open(&picture.path)?;
        let mut head = Vec::new();
        if let Some((_, start)) = picture.page.filter(|(_, start)| *start > 0) {
            (&mut file).take(16).read_to_end(&mut head)?;
            file.rewind()?;
            // Offsets have 4 bytes; in a BigTIFF, whose version is 43 instead of 42, 8.
            let (little, big) = (head.starts_with(b"II"), head.get(2..4).is_some_and(|v| v.contains(&43)));
            let bytes = if little { start.to_le_bytes() } else { start.to_be_bytes() };
            let (place, bytes) = match (big, little) {
                (true, _) => (8..16, &bytes[..]),
                (false, true) => (4..8, &bytes[..4]),
                (false, false) => (4..8, &bytes[4..]),
            };
            if let Some(place) = head.get_mut(place) {
                place.copy_from_slice(bytes);
            }
        }
        Ok(BufReader::new(Self { file, at: 0, head }))
    }
}

impl Read for Page {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let n = self.file.read(out)?;
        let changed = self.head.iter().skip(usize::try_from(self.at).unwrap_or(usize::MAX));
        out[..n].iter_mut().zip(changed).for_each(|(byte, changed)| *byte = *changed);
        self.at += n as u64;
        Ok(n)
    }
}

impl Seek for Page {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.at = self.file.seek(to)?;
        Ok(self.at)
    }
}
