//! A folder of images; its sub-folders are the classes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crc32fast::Hasher;
use rayon::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::labels::{Labels, natural_order};
use super::picture::{Picture, changes, decode, is_tiff, pages};
use super::stream::{Images, skippable};
use super::{ImageSet, LoadOptions};
use crate::ranks::Ranks;
use crate::{Error, Result};

const EXTENSIONS: [&str; 14] =
    ["png", "jpg", "jpeg", "jpe", "pgm", "ppm", "pbm", "pnm", "pam", "bmp", "tif", "tiff", "gif", "webp"];
/// Those of images that are not read.
const UNREAD: [&str; 12] = ["heic", "heif", "avif", "jxl", "jp2", "svg", "ico", "cr2", "nef", "arw", "dng", "raw"];
/// Where no directory of a TIFF can be.
const NOWHERE: u64 = u64::MAX;
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

/// Lists the images and decodes the first one. Images directly in the folder have no labels. The class of an image in a sub-folder,
/// at any depth, is the name of the outermost sub-folder. Hidden files and files that are no images are skipped. A TIFF of several
/// pages has a sample for each; such a file may also stand for the folder.
///
/// Of several processes each looks into its share of the files: all have to call this.
pub(super) fn open(folder: &Path, opts: &LoadOptions, ranks: Option<Ranks>) -> Result<ImageSet<Images>> {
    let listed = listed(folder, opts);
    let Listed { images, labels, classes, unread } = match ranks {
        None => listed?,
        Some(ranks) => {
            let listed = ranks.agreed(listed)?;
            ranks.same("files", listed.checksum())?;
            listed
        }
    };
    let files = images.len();
    let (mut images, mut labels) = in_pages(images, labels, (folder, opts), ranks)?;
    let mut notes: Vec<String> = unread.into_iter().collect();
    if images.len() > files {
        notes.push(format!("{} images in {files} files: every page of a TIFF is a sample", images.len()));
    }
    notes.extend(changed(&images, ranks)?);
    if opts.skip_broken {
        notes.extend(skip_broken(&mut images, &mut labels, opts, ranks)?);
    }
    let (files, names) = images.into_iter().unzip();
    let images = Images::new(folder.to_path_buf(), files, opts)?;
    let shape = images.shape;
    let labels = (!classes.is_empty()).then(|| Labels { of: labels, classes, source: "sub-folders".into() });
    Ok(ImageSet { names, ..ImageSet::new(images, Some(shape), labels, notes) })
}

/// What is in a folder.
struct Listed {
    images: Named<PathBuf>,
    /// Of the images; none where they lie in the folder itself.
    labels: Vec<Option<usize>>,
    classes: Vec<String>,
    /// A note on images of other kinds.
    unread: Option<String>,
}

impl Listed {
    /// What other folders have otherwise.
    fn checksum(&self) -> String {
        let mut sum = Hasher::new();
        self.images.iter().for_each(|(_, name)| sum.update(format!("{name}\n").as_bytes()));
        format!("{} images whose names have the checksum {:08x}", self.images.len(), sum.finalize())
    }
}

fn listed(folder: &Path, opts: &LoadOptions) -> Result<Listed> {
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
    Ok(Listed { images, labels, classes, unread })
}

/// What is found by looking at each of `n` things; several processes each look at their share.
fn each<T>(n: usize, ranks: Option<Ranks>, look: impl Fn(usize) -> Result<T> + Send + Sync) -> Result<Vec<T>>
where
    T: Send + Serialize + DeserializeOwned,
{
    let own = ranks.map_or(0..n, |ranks| ranks.share(n, ranks.rank()));
    // The first failure in the order of the files, not in that of the threads.
    let found: Result<Vec<T>> = own.into_par_iter().map(look).collect::<Vec<_>>().into_iter().collect();
    match ranks {
        None => found,
        Some(ranks) => Ok(ranks.all_of(&ranks.agreed(found)?)?.into_iter().flatten().collect()),
    }
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
    (folder, opts): (&Path, &LoadOptions),
    ranks: Option<Ranks>,
) -> Result<(Named<Picture>, Vec<Option<usize>>)> {
    let tiffs: Vec<usize> = (0..files.len()).filter(|&file| is_tiff(&files[file].0)).collect();
    let of_tiffs = each(tiffs.len(), ranks, |tiff| match pages(&files[tiffs[tiff]].0) {
        Err(Error::Format { .. }) if opts.skip_broken => Ok(vec![NOWHERE]),
        found => found.map_err(|e| skippable(e, folder, opts)),
    })?;
    let mut starts = vec![vec![0]; files.len()];
    tiffs.into_iter().zip(of_tiffs).for_each(|(file, pages)| starts[file] = pages);
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
fn changed(images: &Named<Picture>, ranks: Option<Ranks>) -> Result<Vec<String>> {
    let all = images.len();
    let own = ranks.map_or(0..all, |ranks| ranks.share(all, ranks.rank()));
    // A pipe has no beginning to look at before it is read.
    let files = images[own].par_iter().filter(|(picture, _)| picture.path.is_file());
    let of: Vec<_> = files.flat_map_iter(|(picture, _)| changes(picture)).collect();
    let count = |mut counts: BTreeMap<String, usize>, (change, count)| {
        *counts.entry(change).or_insert(0) += count;
        counts
    };
    let counts = of.into_iter().map(|change| (change, 1)).fold(BTreeMap::new(), count);
    let counts = match ranks {
        None => counts,
        Some(ranks) => ranks.all_of(&counts)?.into_iter().flatten().fold(BTreeMap::new(), count),
    };
    let note = |(change, count): (String, usize)| {
        if count == all { change } else { format!("{change} ({count} of {all} images)") }
    };
    Ok(counts.into_iter().map(note).collect())
}

/// Takes out the images that do not decode; returns a note about them. All are decoded for that once more than otherwise.
fn skip_broken(
    images: &mut Named<Picture>,
    labels: &mut Vec<Option<usize>>,
    opts: &LoadOptions,
    ranks: Option<Ranks>,
) -> Result<Option<String>> {
    let budget = opts.budget() / rayon::current_num_threads() as u64;
    let broken = each(images.len(), ranks, |image| match decode(&images[image].0, opts.colour, budget) {
        Ok(_) => Ok(None),
        // A lack of memory or of files that may be open, or a disk that fails, is no fault of the image.
        Err(e @ Error::Format { .. }) => Ok(Some(e.to_string())),
        Err(e) => Err(e),
    })?;
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
        // Neither a file nor a folder: a pipe would be waited for. Whoever links to one wants that.
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
