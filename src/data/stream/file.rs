//! Samples in a file.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::Array2;
use rayon::prelude::*;

use super::super::check::Look;
use super::super::preprocess::clip_negative;
use super::super::source::too_large;
use super::super::{ImageSet, ImageShape, LoadOptions, PixelOrder, Preprocess, Scale, arrange};
use super::raw::RawRows;
use super::reading::Reading;
use crate::{Error, Result};

/// Bytes of the file that are read at a time.
const BLOCK_BYTES: usize = 4 << 20;
/// Of these, the bytes that are converted at a time.
const TASK_BYTES: usize = 64 << 10;
/// Bytes of samples that are looked at at a time.
const LOOK_BYTES: usize = 16 << 20;

/// Samples in a file. A sample is read, brought to the form that the options of reading ask for, and preprocessed, whenever it
/// is asked for. The file has to stay as it is: every reading checks its size and its time.
#[derive(Debug, Clone)]
pub struct FileSamples {
    path: PathBuf,
    raw: RawRows,
    /// Samples in the file.
    samples: usize,
    /// Those of them that are meant; None for all.
    rows: Option<Arc<[usize]>>,
    /// Numbers of a sample in the file, and how they are an image.
    values: usize,
    image_shape: Option<ImageShape>,
    format_order: PixelOrder,
    opts: LoadOptions,
    /// The order that pixels are put in; None: as reading has them.
    order: Option<PixelOrder>,
    /// Numbers of a sample before they are preprocessed.
    features: usize,
    preprocess: Preprocess,
    /// A block of the file.
    bytes: Vec<u8>,
    reading: Arc<Reading>,
}

impl FileSamples {
    /// All samples of a file, as the reader of the whole would make them; with the shape of their images.
    pub(super) fn new(
        path: &Path,
        raw: RawRows,
        (samples, values): (usize, usize),
        (image_shape, format_order): (Option<ImageShape>, PixelOrder),
        opts: LoadOptions,
    ) -> Result<(Self, Option<ImageShape>)> {
        // What is done to all samples, done to one.
        let one = ImageSet::new(Array2::zeros((1, values)), image_shape, None, Vec::new());
        let one = arrange::finish(one, format_order, path, &opts)?;
        let raw_bytes = raw.bytes as u64;
        let new = Self {
            path: path.to_path_buf(),
            raw,
            samples,
            rows: None,
            values,
            image_shape,
            format_order,
            opts,
            order: None,
            features: one.n_features(),
            preprocess: Preprocess::new(Scale::None, None),
            bytes: Vec::new(),
            reading: Reading::of(samples as u64 * raw_bytes),
        };
        Ok((new, one.image_shape))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What is read of them, also while somebody else reads.
    pub fn reading(&self) -> Arc<Reading> {
        self.reading.clone()
    }

    /// `(samples, features)`.
    pub fn dim(&self) -> (usize, usize) {
        let n = self.rows.as_ref().map_or(self.samples, |rows| rows.len());
        (n, self.features * self.preprocess.features_per_value())
    }

    /// Samples are preprocessed so from now on.
    ///
    /// # Errors
    /// [`Error::Shape`] if they are not of the shape that [`Preprocess::igo`] needs.
    pub fn apply(&mut self, preprocess: Preprocess) -> Result<()> {
        preprocess.igo.map_or(Ok(()), |shape| shape.check(self.features))?;
        self.preprocess = preprocess;
        Ok(())
    }

    /// Those of these rows (from 0), in that order.
    ///
    /// # Panics
    /// If a row is not less than their number.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        let rows: Arc<[usize]> = match &self.rows {
            None => rows.iter().inspect(|row| assert!(**row < self.samples)).copied().collect(),
            Some(all) => rows.iter().map(|&row| all[row]).collect(),
        };
        let reading = Reading::of((rows.len() * self.raw.bytes) as u64);
        Self { rows: Some(rows), reading, ..self.clone() }
    }

    /// These samples, preprocessed.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Format`] for a file that changed or has numbers that f32 cannot hold.
    ///
    /// # Panics
    /// If there are not as many.
    pub fn rows(&mut self, rows: Range<usize>) -> Result<Array2<f32>> {
        self.read(rows, Vec::new())
    }

    /// [`FileSamples::rows`], in the memory of `out`.
    pub(super) fn read(&mut self, rows: Range<usize>, mut out: Vec<f32>) -> Result<Array2<f32>> {
        self.raw.check_unchanged()?;
        let (n, m) = self.dim();
        assert!(rows.start <= rows.end && rows.end <= n, "samples {rows:?} of {n}");
        out.resize(rows.len() * m, 0.0);
        let mut bytes = std::mem::take(&mut self.bytes);
        let (per_block, per_task) = ((BLOCK_BYTES / self.raw.bytes).max(1), (TASK_BYTES / self.raw.bytes).max(1));
        let mut first = rows.start;
        for out in out.chunks_mut(per_block * m) {
            let block = first..first + out.len() / m;
            bytes.resize(block.len() * self.raw.bytes, 0);
            self.read_bytes(block, &mut bytes)?;
            self.reading.read(bytes.len() as u64);
            let tasks = out.par_chunks_mut(per_task * m).zip(bytes.par_chunks(per_task * self.raw.bytes)).enumerate();
            let done: Vec<_> = tasks.map(|(t, (out, bytes))| self.convert(first + t * per_task, bytes, out)).collect();
            done.into_iter().collect::<Result<()>>()?;
            first += per_block;
        }
        self.bytes = bytes;
        Array2::from_shape_vec((rows.len(), m), out).map_err(|e| Error::Data(e.to_string()))
    }

    /// Samples as they are in the file.
    fn read_bytes(&self, rows: Range<usize>, out: &mut [u8]) -> Result<()> {
        let Some(chosen) = &self.rows else { return self.raw.read(rows.start, out) };
        let mut out = out;
        for run in chosen[rows].chunk_by(|a, b| a + 1 == *b) {
            let (of_run, rest) = out.split_at_mut(run.len() * self.raw.bytes);
            self.raw.read(run[0], of_run)?;
            out = rest;
        }
        Ok(())
    }

    /// Samples from `first` on, from their bytes.
    fn convert(&self, first: usize, bytes: &[u8], out: &mut [f32]) -> Result<()> {
        let (_, m) = self.dim();
        let clip = self.opts.clip_negative;
        if self.is_plain() {
            self.decode(first, bytes, out)?;
            out.iter_mut().filter(|v| clip && **v < 0.0).for_each(|v| *v = 0.0);
            out.chunks_exact_mut(m).for_each(|sample| self.preprocess.rescale_sample(sample));
            return Ok(());
        }
        let n = bytes.len() / self.raw.bytes;
        let mut x = Array2::zeros((n, self.values));
        self.decode(first, bytes, x.as_slice_mut().unwrap_or_default())?;
        let mut set = ImageSet::new(x, self.image_shape, None, Vec::new());
        set = arrange::finish(set, self.format_order, &self.path, &self.opts)?;
        self.order.into_iter().for_each(|order| set.reorder(order));
        if clip {
            clip_negative(&mut set.x);
        }
        self.preprocess.apply(&mut set.x)?;
        out.iter_mut().zip(&set.x).for_each(|(out, v)| *out = *v);
        Ok(())
    }

    /// Whether every sample has its values from the file, at most clipped and scaled.
    fn is_plain(&self) -> bool {
        let LoadOptions { resize, colour, .. } = self.opts;
        let grey = !colour && self.opts.image_shape.or(self.image_shape).is_some_and(|shape| shape.channels == 3);
        !(grey || resize.is_some() || self.order.is_some() || self.preprocess.igo.is_some())
    }

    fn decode(&self, first: usize, bytes: &[u8], out: &mut [f32]) -> Result<()> {
        let RawRows { kind, big_endian, .. } = self.raw;
        kind.decode(bytes, big_endian, out);
        let Some((at, value)) = kind.overflow(bytes, big_endian, out) else { return Ok(()) };
        let place = format!(
            "{value:e} in row {}, column {}, counted from 1",
            first + at / self.values + 1,
            at % self.values + 1
        );
        Err(Error::format(&self.path, too_large(&place)))
    }

    /// Looks at all samples once.
    fn look(mut self, mut look: Look) -> Result<Look> {
        let (n, m) = self.dim();
        let (mut memory, rows) = (Vec::new(), (LOOK_BYTES / (4 * m)).max(1));
        for first in (0..n).step_by(rows) {
            let x = self.read(first..n.min(first + rows), memory)?;
            look.add(x.view());
            memory = x.into_raw_vec_and_offset().0;
        }
        Ok(look)
    }

    /// Looks at all samples once, before they are clipped and preprocessed.
    pub(in crate::data) fn look_at_all(&self) -> Result<Look> {
        let unclipped = LoadOptions { clip_negative: false, ..self.opts.clone() };
        let unclipped = Self { opts: unclipped, preprocess: Preprocess::new(Scale::None, None), ..self.clone() };
        unclipped.look(Look::new(self.opts.clip_negative))
    }

    /// What a sample is called, where it is not by its number.
    pub(in crate::data) fn name(&self, row: usize) -> Option<String> {
        self.rows.as_ref().map(|rows| rows[row].to_string())
    }

    /// Learns `how` samples are preprocessed, and does so from now on; returns how many of them have no feature but zeros, if it
    /// looked.
    pub(in crate::data) fn preprocess(&mut self, how: &mut Preprocess) -> Result<Option<usize>> {
        let unscaled = Self { preprocess: Preprocess { scale: Scale::None, ..*how }, ..self.clone() };
        let look = how.learns().then(|| unscaled.look(Look::new(false))).transpose()?;
        look.iter().try_for_each(|look| how.learn(look))?;
        self.apply(*how)?;
        Ok(look.map(|look| look.zero_rows.len()))
    }

    /// The pixels of a sample, which is an image, are in this order from now on.
    pub(in crate::data) fn reorder(&mut self, order: PixelOrder) {
        self.order = Some(order);
    }
}
