//! Which files a data set is read from, and which options apply to it: told without reading it.

use std::path::{Path, PathBuf};

use super::format::{self, Format};
use super::{LoadOptions, SamplesAxis, folder, idx, sidecar};
use crate::Result;
use crate::atomic::{folder_of, target_of};

/// Whether [`load`](super::load) of `path` reads `file`, or would if `file` existed: the same file under any name or link, an
/// image in the folder `path`, the labels beside an IDX file, or the sidecar of an `.npy` file.
///
/// # Errors
/// [`Error::Format`](crate::Error::Format) for links in a circle.
pub fn reads(path: &Path, file: &Path) -> Result<bool> {
    // Only files are opened: to open a pipe would block.
    let same = |path: &Path| file.is_file() && same_file::is_same_file(path, file).unwrap_or(false);
    let labels = [idx::labels_beside(path).map(|(labels, _)| labels), sidecar::sidecar_of(path)];
    if same(path) || labels.iter().flatten().any(|labels| same(labels)) {
        return Ok(true);
    }
    let target = target_of(file)?;
    let image = target.extension().and_then(|e| e.to_str()).is_some_and(folder::is_image_extension);
    Ok(image && path.is_dir() && lies_in(folder_of(&target), path))
}

/// Whether `folder`, which need not exist yet, is `outer` or lies in it.
pub(crate) fn lies_in(folder: &Path, outer: &Path) -> bool {
    let there = folder.ancestors().map(|f| if f.as_os_str().is_empty() { Path::new(".") } else { f });
    let there: Option<PathBuf> = there.filter_map(|f| f.canonicalize().ok()).next();
    outer.canonicalize().is_ok_and(|outer| there.is_some_and(|there| there.starts_with(outer)))
}

/// The part of `opts` that applies to the format of `path`: for reading a file with the options of another one.
///
/// # Errors
/// As [`load`](super::load), for a file of no known format.
pub fn applicable(path: &Path, opts: &LoadOptions) -> Result<LoadOptions> {
    let (format, _) = format::detect(path)?;
    let (folder, keys) = (format.is_images(), format.has_keys());
    let image_shape = opts.image_shape.filter(|_| !folder);
    // Samples without an image shape cannot be resized; they are taken to have the final size.
    let sized = folder || format == Format::Idx || image_shape.is_some() || sidecar::has_images(path);
    Ok(LoadOptions {
        x_key: opts.x_key.clone().filter(|_| keys),
        y_key: opts.y_key.clone().filter(|_| keys || format.has_columns()),
        resize: opts.resize.filter(|_| sized),
        image_shape,
        pixel_order: opts.pixel_order.filter(|_| !folder),
        leave_out: if format.has_columns() { opts.leave_out.clone() } else { Vec::new() },
        samples: if format.has_sides() { opts.samples } else { SamplesAxis::Auto },
        ..opts.clone()
    })
}
