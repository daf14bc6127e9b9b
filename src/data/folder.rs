//! A folder of images; its sub-folders are the classes.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use ndarray::{Array2, ArrayViewMut2, Axis, s};
use rayon::prelude::*;

use super::budget::afford;
use super::labels::{Labels, natural_order};
use super::picture::{Picture, changes, decode, is_tiff, pages};
use super::{ImageSet, ImageShape, LoadOptions, SoFar, arrange, resize};
use crate::{Error, Result};

const EXTENSIONS: [&str; 14] =
    ["png", "jpg", "jpeg", "jpe", "pgm", "ppm", "pbm", "pnm", "pam", "bmp", "tif", "tiff", "gif", "webp"];
/// Those of images that are not read.
const UNREAD: [&str; 12] = ["heic", "heif", "avif", "jxl", "jp2", "svg", "ico", "cr2", "nef", "arw", "dng", "raw"];
/// Where no directory of a TIFF can be.
const NOWHERE: u64 = u64::MAX;
/// Images that are decoded between two reports.
const BLOCK: usize = 256;
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
    pub(super) files: Vec<Picture>,
    /// The shape of the first image as it is, and that of all of them.
    original: ImageShape,
    shape: ImageShape,
    /// Whether the first image has whole numbers from 0 to 255 only.
    pub(super) bytes: bool,
    opts: LoadOptions,
}

pub(super) fn load(folder: &Path, opts: &LoadOptions, progress: &mut dyn FnMut(&SoFar)) -> Result<ImageSet> {
    let set = open(folder, opts)?;
    let (n, m) = set.x.dim();
    let mut x = set.x.room(n)?;
    progress(&SoFar { done: 0, of: n, sample_bytes: 4 * m });
    for first in (0..n).step_by(BLOCK) {
        let done = n.min(first + BLOCK);
        set.x.decode_into(first..done, x.slice_mut(s![first..done, ..]), n)?;
        progress(&SoFar { done, of: n, sample_bytes: 4 * m });
    }
    Ok(set.with_x(|_| x))
}

/// Lists the images and decodes the first one. Images directly in the folder have no labels. The class of an image in a sub-folder,
/// at any depth, is the name of the outermost sub-folder. Hidden files and files that are no images are skipped. A TIFF of several
/// pages has a sample for each; such a file may also stand for the folder.
pub(super) fn open(folder: &Path, opts: &LoadOptions) -> Result<ImageSet<Images>> {
    let (mut images, mut labels, mut classes, mut unread) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let entries = if folder.is_dir() { list(folder)? } else { Vec::new() };
    if entries.is_empty() && folder.is_file() {
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        images.push((folder.to_path_buf(), name));
    }
    for entry in entries {
        if entry.is_dir {
            let before = images.len();
            walk(&entry, &entry.name, 1, &mut images, &mut unread)?;
            if images.len() > before {
                labels.resize(images.len(), Some(classes.len()));
                classes.push(entry.name);
            }
        } else if has_extension(&entry, &EXTENSIONS) {
            images.push((entry.path, entry.name));
        } else if has_extension(&entry, &UNREAD) {
            unread.push(entry.name);
        }
    }
    let unread = unread.first().map(|first| {
        let count = unread.len();
        format!(
            "{count} {} of a kind that is not read, the first `{first}`; convert them to JPEG or PNG",
            if count == 1 { "image is" } else { "images are" }
        )
    });
    // Files and folders are sorted together: `labels` cannot tell whether there are images of both kinds.
    let direct = images.iter().filter(|(_, name)| !name.contains('/')).count();
    if images.is_empty() {
        let but = unread.map_or(String::new(), |unread| format!(": {unread}"));
        return Err(Error::format(folder, format!("expected images ({}), found none{but}", EXTENSIONS.join(", "))));
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
    if opts.image_shape.is_some() || opts.pixel_order.is_some() {
        return Err(Error::Config(format!("{}: images say their own shape, none may be given", folder.display())));
    }
    let files = images.len();
    let (mut images, mut labels) = in_pages(images, labels, opts.skip_broken)?;
    let mut notes: Vec<String> = unread.into_iter().collect();
    if images.len() > files {
        notes.push(format!("{} images in {files} files: every page of a TIFF is a sample", images.len()));
    }
    notes.extend(changed(&images));
    if opts.skip_broken {
        notes.extend(skip_broken(&mut images, &mut labels, opts)?);
    }
    let Some((first, _)) = images.first() else { return Err(Error::format(folder, "every image in it is broken")) };
    let (pixels, original) = decode(first, opts.colour, opts.budget())?;
    let shape = match opts.resize {
        Some(size) => arrange::resized(original, size, 1, folder, opts.budget())?,
        None => original,
    };
    let bytes = pixels.iter().all(|v| is_byte(*v));
    let (files, names) = images.into_iter().unzip();
    let images = Images { folder: folder.to_path_buf(), files, original, shape, bytes, opts: opts.clone() };
    let labels = (!classes.is_empty()).then(|| Labels { of: labels, classes, source: "sub-folders".into() });
    Ok(ImageSet { names, ..ImageSet::new(images, Some(shape), labels, notes) })
}

/// Images with their names.
type Named<P> = Vec<(P, String)>;

/// Images by their files, each with its label if there are labels, become images by pages: those of a TIFF with several are called
/// `file.tif#0`, `file.tif#1` ….
///
/// One whose pages cannot be found is an error, or, where broken images are to be skipped, one image that will be.
fn in_pages(
    files: Named<PathBuf>,
    labels: Vec<Option<usize>>,
    skip_broken: bool,
) -> Result<(Named<Picture>, Vec<Option<usize>>)> {
    let of = |(path, _): &(PathBuf, String)| match is_tiff(path) {
        false => Ok(vec![0]),
        true => match pages(path) {
            Err(Error::Format { .. }) if skip_broken => Ok(vec![NOWHERE]),
            found => found,
        },
    };
    let starts = files.par_iter().map(of).collect::<Result<Vec<_>>>()?;
    let label_of = |file: usize| labels.get(file).copied();
    let paged = starts.iter().enumerate().flat_map(|(file, starts)| starts.iter().filter_map(move |_| label_of(file)));
    let labels = paged.collect();
    let mut images = Vec::with_capacity(files.len());
    for ((path, name), starts) in files.into_iter().zip(starts) {
        match *starts {
            [NOWHERE] => images.push((Picture { path, page: Some((0, NOWHERE)) }, name)),
            [_] => images.push((Picture { path, page: None }, name)),
            _ => images.extend(starts.iter().enumerate().map(|(number, &start)| {
                (Picture { path: path.clone(), page: Some((number, start)) }, format!("{name}#{number}"))
            })),
        }
    }
    Ok((images, labels))
}

/// What becomes of images other than grey or coloured ones of 8 bits, and of how many of them.
fn changed(images: &Named<Picture>) -> Vec<String> {
    // A pipe has no beginning to look at before it is read.
    let files = images.par_iter().filter(|(picture, _)| picture.path.is_file());
    let of: Vec<_> = files.flat_map_iter(|(picture, _)| changes(picture)).collect();
    let counts = of.into_iter().fold(BTreeMap::new(), |mut counts, change| {
        *counts.entry(change).or_insert(0) += 1;
        counts
    });
    let all = images.len();
    let note = |(change, count): (String, usize)| {
        if count == all { change } else { format!("{change} ({count} of {all} images)") }
    };
    counts.into_iter().map(note).collect()
}

/// Takes out the images that do not decode; returns a note about them. All are decoded for that once more than otherwise.
fn skip_broken(
    images: &mut Named<Picture>,
    labels: &mut Vec<Option<usize>>,
    opts: &LoadOptions,
) -> Result<Option<String>> {
    let each = opts.budget() / rayon::current_num_threads() as u64;
    let why = |(picture, _): &(Picture, String)| match decode(picture, opts.colour, each) {
        Ok(_) => Ok(None),
        // A lack of memory is no fault of the image.
        Err(e @ Error::Config(_)) => Err(e),
        Err(e) => Ok(Some(e.to_string())),
    };
    let broken: Vec<Option<String>> = images.par_iter().map(why).collect::<Result<_>>()?;
    let count = broken.iter().flatten().count();
    let note = broken
        .iter()
        .flatten()
        .next()
        .map(|first| format!("{count} of {} images are broken and skipped, the first: {first}", broken.len()));
    let (mut of_images, mut of_labels) = (broken.iter(), broken.iter());
    images.retain(|_| of_images.next().is_some_and(Option::is_none));
    labels.retain(|_| of_labels.next().is_some_and(Option::is_none));
    Ok(note)
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

fn walk(
    folder: &Entry,
    relative: &str,
    depth: usize,
    images: &mut Vec<(PathBuf, String)>,
    unread: &mut Vec<String>,
) -> Result<()> {
    if depth > MAX_DEPTH {
        return Err(Error::format(&folder.path, format!("more than {MAX_DEPTH} folders deep: a loop of links?")));
    }
    for entry in list(&folder.path)? {
        let name = format!("{relative}/{}", entry.name);
        if entry.is_dir {
            walk(&entry, &name, depth + 1, images, unread)?;
        } else if has_extension(&entry, &EXTENSIONS) {
            images.push((entry.path, name));
        } else if has_extension(&entry, &UNREAD) {
            unread.push(name);
        }
    }
    Ok(())
}

fn has_extension(entry: &Entry, known: &[&str]) -> bool {
    let extension = entry.path.extension().and_then(|e| e.to_str());
    extension.is_some_and(|extension| known.iter().any(|e| e.eq_ignore_ascii_case(extension)))
}

impl Images {
    /// `(images, numbers of each)`.
    pub(super) fn dim(&self) -> (usize, usize) {
        (self.files.len(), self.shape.features())
    }

    /// A file as it is called in the folder.
    pub(super) fn name(&self, file: usize) -> String {
        let Picture { path, page } = &self.files[file];
        let name = path.strip_prefix(&self.folder).ok().filter(|name| !name.as_os_str().is_empty()).unwrap_or(path);
        page.map_or_else(|| name.display().to_string(), |(page, _)| format!("{}#{page}", name.display()))
    }

    /// The values of these images, decoded by all threads.
    ///
    /// # Errors
    /// That of the first image that cannot be read, or has another size than the first one of all where none is asked for;
    /// [`Error::Config`] if memory has no room for them.
    pub(super) fn rows(&self, rows: Range<usize>) -> Result<Array2<f32>> {
        let mut x = self.room(rows.len())?;
        let held = rows.len();
        self.decode_into(rows, x.view_mut(), held)?;
        Ok(x)
    }

    /// Room for `n` images.
    ///
    /// # Errors
    /// [`Error::Config`] if memory has none.
    fn room(&self, n: usize) -> Result<Array2<f32>> {
        let Self { folder, original, shape, opts, .. } = self;
        if let Some(size) = opts.resize {
            arrange::resized(*original, size, n, folder, opts.budget())?;
        }
        let m = shape.features();
        afford(folder, &format!("{n} images of {m} numbers"), bytes(n, m), opts.budget())?;
        Ok(Array2::zeros((n, m)))
    }

    /// Decodes these images while `held` are in memory.
    fn decode_into(&self, rows: Range<usize>, mut x: ArrayViewMut2<'_, f32>, held: usize) -> Result<()> {
        let Self { files, original, shape, opts, .. } = self;
        // The rest of the budget is for the images that are being decoded, one per thread.
        let rest = opts.budget().saturating_sub(bytes(held, shape.features()));
        let each = rest / rayon::current_num_threads().min(rows.len()).max(1) as u64;
        // The first failure in the order of the files, not in that of the threads.
        let tasks = x.axis_iter_mut(Axis(0)).into_par_iter().zip(rows).map(|(row, file)| (row, file, &files[file]));
        let failure = tasks.find_map_first(|(mut row, file, picture)| {
            let path = &picture.path;
            let (mut pixels, found) = match decode(picture, opts.colour, each) {
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
        failure.map_or(Ok(()), Err)
    }
}

/// Bytes of `n` images of `m` numbers.
fn bytes(n: usize, m: usize) -> u64 {
    (n as u64).saturating_mul(m as u64).saturating_mul(4)
}

/// Whether a byte can hold this value.
pub(super) fn is_byte(value: f32) -> bool {
    (0.0..=255.0).contains(&value) && value.fract() == 0.0
}
