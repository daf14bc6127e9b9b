//! Images in files of their own.

use std::fs::Metadata;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ndarray::{Array2, Axis};
use rayon::prelude::*;

use super::super::budget::afford;
use super::super::picture::{Picture, decode};
use super::super::{ImageShape, LoadOptions, arrange, resize};
use super::raw::State;
use crate::{Error, Result};

/// The images of a folder, decoded when they are asked for.
#[derive(Debug)]
pub(in crate::data) struct Images {
    folder: PathBuf,
    pub(in crate::data) files: Vec<Picture>,
    /// The shape of the first image as it is, and that of all of them.
    original: ImageShape,
    pub(in crate::data) shape: ImageShape,
    /// Whether the first image has whole numbers from 0 to 255 only.
    pub(in crate::data) bytes: bool,
    opts: LoadOptions,
    /// Of the files, when they were decoded first.
    states: Box<[OnceLock<State>]>,
}

impl Images {
    /// Decodes the first one.
    pub(in crate::data) fn new(folder: PathBuf, files: Vec<Picture>, opts: &LoadOptions) -> Result<Self> {
        let states = files.iter().map(|_| OnceLock::new()).collect();
        let Some(first) = files.first() else { return Err(Error::format(folder, "every image in it is broken")) };
        let first = decode(first, opts.colour, opts.budget());
        let (pixels, original) = first.map_err(|e| skippable(e, &folder, opts))?;
        let shape = match opts.resize {
            Some(size) => arrange::resized(original, size, 1, &folder, opts.budget())?,
            None => original,
        };
        let bytes = pixels.iter().all(|v| is_byte(*v));
        Ok(Self { folder, files, original, shape, bytes, opts: opts.clone(), states })
    }

    /// `(images, numbers of each)`.
    pub(in crate::data) fn dim(&self) -> (usize, usize) {
        (self.files.len(), self.shape.features())
    }

    pub(super) fn folder(&self) -> &PathBuf {
        &self.folder
    }

    /// A file as it is called in the folder.
    pub(in crate::data) fn name(&self, file: usize) -> String {
        let Picture { path, page } = &self.files[file];
        let name = path.strip_prefix(&self.folder).ok().filter(|name| !name.as_os_str().is_empty()).unwrap_or(path);
        page.map_or_else(|| name.display().to_string(), |(page, _)| format!("{}#{page}", name.display()))
    }

    /// The values of these images, decoded by all threads.
    ///
    /// # Errors
    /// As [`Images::decode`], of the first one of them; [`Error::Config`] if memory has no room for them.
    pub(in crate::data) fn rows(&self, rows: Range<usize>) -> Result<Array2<f32>> {
        let (n, m) = (rows.len(), self.shape.features());
        let (held, budget) = (bytes(n, m), self.opts.budget());
        afford(&self.folder, &format!("{n} images of {m} numbers"), held, budget)?;
        let mut x = Array2::zeros((n, m));
        let each = self.for_each(n, budget - held)?;
        let tasks = x.axis_iter_mut(Axis(0)).into_par_iter().zip(rows);
        let failures = tasks.filter_map(|(mut row, file)| match self.decode(file, each) {
            Ok(pixels) => {
                row.iter_mut().zip(pixels).for_each(|(a, b)| *a = b);
                None
            }
            Err(e) => Some((file, e)),
        });
        // The first failure in the order of the files, not in that of the threads.
        failures.min_by_key(|(file, _)| *file).map_or(Ok(x), |(_, e)| Err(e))
    }

    /// Of the memory for decoding `n` images, that for each, of which every thread has one at a time.
    ///
    /// # Errors
    /// [`Error::Config`] if it is not enough to resize them.
    pub(super) fn for_each(&self, n: usize, memory: u64) -> Result<u64> {
        if let Some(size) = self.opts.resize {
            arrange::resized(self.original, size, 1, &self.folder, memory)?;
        }
        Ok(memory / rayon::current_num_threads().min(n).max(1) as u64)
    }

    /// The values of an image.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Format`] for one that does not decode, that has another size than the first one of all where none is asked
    /// for, or that was written to since it was decoded first; [`Error::Config`] if it needs more memory than `budget`.
    pub(super) fn decode(&self, file: usize, budget: u64) -> Result<Vec<f32>> {
        let Self { files, original, shape, opts, .. } = self;
        let picture = &files[file];
        let path = &picture.path;
        let now = || std::fs::metadata(path).map_err(|e| Error::io(path, e));
        let before: Metadata = now()?;
        let state = self.states[file].get_or_init(|| State::of(&before));
        let decoded = decode(picture, opts.colour, budget);
        // One that was cut since then may not decode.
        state.check(path, &now()?)?;
        let (pixels, found) = decoded.map_err(|e| skippable(e, &self.folder, opts))?;
        if found == *shape {
            return Ok(pixels);
        }
        if let Some(size) = opts.resize {
            arrange::resized(found, size, 1, path, budget)?;
            return Ok(resize::resize(&pixels, found, *shape));
        }
        let message = format!(
            "`{}` is {}×{} pixels, expected {}×{} as in `{}`; make all images one size with --resize WxH",
            self.name(file),
            found.width,
            found.height,
            original.width,
            original.height,
            self.name(0)
        );
        Err(Error::format(path, message))
    }
}

/// The error of an image that does not decode says how to leave it out of its folder.
pub(in crate::data) fn skippable(error: Error, folder: &Path, opts: &LoadOptions) -> Error {
    match error {
        Error::Format { path, message } if !opts.skip_broken && folder.is_dir() => {
            Error::format(path, format!("{message}; --skip-broken leaves out images that do not decode"))
        }
        other => other,
    }
}

/// Bytes of `n` images of `m` numbers.
fn bytes(n: usize, m: usize) -> u64 {
    (n as u64).saturating_mul(m as u64).saturating_mul(4)
}

/// Whether a byte can hold this value.
pub(in crate::data) fn is_byte(value: f32) -> bool {
    (0.0..=255.0).contains(&value) && value.fract() == 0.0
}
