//! Samples that are packed, a block at a time.

use std::fs::Metadata;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use ndarray::{Array2, s};
use rayon::prelude::*;

use super::super::folder;
use super::super::format::{self, Format};
use super::super::load::load;
use super::super::sidecar::hash;
use super::super::stream::{FileSamples, Images, is_byte, open};
use super::super::{Dim, ImageSet, LoadOptions, Samples, SamplesAxis};
use super::lines::CsvSamples;
use crate::{Error, Result};

/// Where the samples come from.
pub(super) struct Input {
    path: PathBuf,
    kind: Kind,
}

enum Kind {
    Images(Box<Images>),
    Lines(Box<CsvSamples>),
    InFile(Box<FileSamples>),
    Held(Array2<f32>),
}

impl Dim for Input {
    fn size(&self) -> (usize, usize) {
        match &self.kind {
            Kind::Images(x) => x.dim(),
            Kind::Lines(x) => x.dim(),
            Kind::InFile(x) => x.dim(),
            Kind::Held(x) => x.dim(),
        }
    }
}

impl Input {
    /// Reads what is known of the samples, and the samples themselves only where they cannot be read a block at a time.
    pub(super) fn open(path: &Path, opts: &LoadOptions) -> Result<ImageSet<Self>> {
        let of = |kind| Self { path: path.to_path_buf(), kind };
        Ok(match format::detect_for(path, opts)? {
            (Format::Folder | Format::Stack, _) => {
                folder::open(path, opts, None)?.with_x(|x| of(Kind::Images(Box::new(x))))
            }
            // One whose samples are columns is held, and turned.
            (Format::Csv, gzip) if opts.samples != SamplesAxis::Columns => {
                CsvSamples::open(path, gzip, opts)?.with_x(|x| of(Kind::Lines(Box::new(x))))
            }
            // What cannot be opened can perhaps be read; if not, that says why.
            _ => match open(path, opts) {
                Ok(set) => set.with_x(|x| match x {
                    Samples::InFile(x) => of(Kind::InFile(x)),
                    Samples::Held(x) => of(Kind::Held(x)),
                }),
                Err(_) => load(path, opts)?.with_x(|x| of(Kind::Held(x))),
            },
        })
    }

    /// The values of these samples.
    pub(super) fn rows(&mut self, rows: Range<usize>, clip: bool) -> Result<Array2<f32>> {
        match &mut self.kind {
            Kind::Images(x) => {
                let mut x = x.rows(rows)?;
                x.iter_mut().filter(|_| clip).for_each(|v| *v = v.max(0.0));
                Ok(x)
            }
            Kind::Lines(x) => x.rows(rows),
            Kind::InFile(x) => x.rows(rows),
            Kind::Held(x) => Ok(x.slice(s![rows, ..]).to_owned()),
        }
    }

    /// Whether bytes are the type for these samples: of images by the first one before it is resized, else if they hold all values.
    pub(super) fn fits_bytes(&mut self, block: usize) -> Result<bool> {
        let (n, _) = self.size();
        match &mut self.kind {
            Kind::Images(x) => Ok(x.bytes),
            Kind::Lines(x) if !x.bytes => Ok(false),
            Kind::Held(x) => Ok(x.iter().all(|v| is_byte(*v))),
            Kind::Lines(_) | Kind::InFile(_) => {
                for first in (0..n).step_by(block) {
                    if !self.rows(first..n.min(first + block), false)?.iter().all(|v| is_byte(*v)) {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
        }
    }

    /// Whether all samples are in one file.
    pub(super) fn is_file(&self) -> bool {
        !matches!(self.kind, Kind::Images(_))
    }

    /// The files that these samples are in, for messages.
    pub(super) fn files(&self, rows: &Range<usize>) -> String {
        match &self.kind {
            Kind::Images(x) => {
                format!("one of the {} files `{}` to `{}`", rows.len(), x.name(rows.start), x.name(rows.end - 1))
            }
            _ => format!("the file {}", self.path.display()),
        }
    }

    /// A hash of the names, sizes and times of the files that these samples are in.
    ///
    /// # Errors
    /// [`Error::Io`] if the system does not tell them.
    pub(super) fn state(&self, rows: Range<usize>) -> Result<u64> {
        let one = |path: &Path, name: &str| {
            let meta = std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
            Ok(hash(&[name.as_bytes(), &meta.len().to_le_bytes(), &time(&meta).to_le_bytes()].concat()))
        };
        match &self.kind {
            Kind::Images(x) => {
                let each = rows.into_par_iter().map(|file| one(&x.files[file].path, &x.name(file)));
                let each: Vec<[u8; 8]> = each.map(|hash| hash.map(u64::to_le_bytes)).collect::<Result<_>>()?;
                Ok(hash(each.as_flattened()))
            }
            _ => one(&self.path, ""),
        }
    }
}

/// When a file was written to, in nanoseconds.
fn time(meta: &Metadata) -> u128 {
    let since = meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| since.as_nanos())
}
