//! Samples in a file.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use ndarray::{Array2, s};
use rayon::prelude::*;

use super::super::budget::afford;
use super::super::check::Look;
use super::super::preprocess::clip_negative;
use super::super::{ImageSet, ImageShape, LoadOptions, PixelOrder, Preprocess, Scale, SoFar, arrange};
use super::images::Images;
use super::raw::RawRows;
use super::reading::Reading;
use crate::{Error, Result};

/// Bytes of the file that are read at a time.
const BLOCK_BYTES: usize = 4 << 20;
/// Of these, the bytes that are converted at a time.
const TASK_BYTES: usize = 64 << 10;
/// Bytes of samples that are looked at at a time.
const LOOK_BYTES: usize = 16 << 20;

/// Images that are decoded between two reports.
const BLOCK_IMAGES: usize = 256;

/// Samples in a file, or images in files of their own. A sample is read, brought to the form that the options of reading ask for, and
/// preprocessed, whenever it is asked for. The files have to stay as they are: every reading checks their sizes and times.
#[derive(Debug, Clone)]
pub struct FileSamples {
    origin: Origin,
    /// Samples there.
    samples: usize,
    /// Those of them that are meant; None for all.
    rows: Option<Arc<[usize]>>,
    opts: LoadOptions,
    /// How a sample is an image, as it is read.
    image_shape: Option<ImageShape>,
    /// The order that pixels are put in; None: as reading has them.
    order: Option<PixelOrder>,
    /// Numbers of a sample before they are preprocessed.
    features: usize,
    preprocess: Preprocess,
    /// A block of the file.
    bytes: Vec<u8>,
    reading: Arc<Reading>,
}

/// Where samples are.
#[derive(Debug, Clone)]
enum Origin {
    /// One after the other in a file, each of so many numbers, whose pixels are in that order.
    Rows {
        raw: RawRows,
        values: usize,
        format_order: PixelOrder,
    },
    Images(Arc<Images>),
}

/// [`Origin::Rows`].
type Rows<'a> = (&'a RawRows, usize, PixelOrder);

impl Origin {
    /// The bytes of a sample; of an image those of its values, whatever its file has.
    fn sample_bytes(&self) -> u64 {
        match self {
            Self::Rows { raw, .. } => raw.bytes as u64,
            Self::Images(images) => size_of::<f32>() as u64 * images.dim().1 as u64,
        }
    }
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
        let origin = Origin::Rows { raw, values, format_order };
        Ok((Self::of(origin, (samples, one.n_features()), image_shape, opts), one.image_shape))
    }

    /// Images, which are all read in one form.
    pub(super) fn of_images(images: Images, opts: LoadOptions) -> Self {
        let (dim, shape) = (images.dim(), images.shape);
        Self::of(Origin::Images(Arc::new(images)), dim, Some(shape), opts)
    }

    fn of(
        origin: Origin,
        (samples, features): (usize, usize),
        image_shape: Option<ImageShape>,
        opts: LoadOptions,
    ) -> Self {
        let (order, preprocess, bytes) = (None, Preprocess::new(Scale::None, None), Vec::new());
        let rows = None;
        let reading = Reading::of(samples as u64 * origin.sample_bytes());
        Self { origin, samples, rows, opts, image_shape, order, features, preprocess, bytes, reading }
    }

    pub(in crate::data) fn path(&self) -> &Path {
        match &self.origin {
            Origin::Rows { raw, .. } => raw.path(),
            Origin::Images(images) => images.folder(),
        }
    }

    /// Whether they are images in files of their own, which are decoded whenever they are read.
    pub fn is_images(&self) -> bool {
        matches!(self.origin, Origin::Images(_))
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
        let reading = Reading::of(rows.len() as u64 * self.origin.sample_bytes());
        Self { rows: Some(rows), reading, ..self.clone() }
    }

    /// These samples, preprocessed.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Format`] for a file that changed, has numbers that f32 cannot hold, or is no image of the size of the
    /// others; [`Error::Config`] if memory has no room for decoding it.
    ///
    /// # Panics
    /// If there are not as many.
    pub fn rows(&mut self, rows: Range<usize>) -> Result<Array2<f32>> {
        self.read(rows, Vec::new())
    }

    /// [`FileSamples::rows`], in the memory of `out`.
    pub(super) fn read(&mut self, rows: Range<usize>, mut out: Vec<f32>) -> Result<Array2<f32>> {
        let (n, m) = self.dim();
        assert!(rows.start <= rows.end && rows.end <= n, "samples {rows:?} of {n}");
        out.resize(rows.len() * m, 0.0);
        // The other half is for what samples are streamed to.
        self.read_into(rows.start, &mut out, self.opts.budget() / 2)?;
        Array2::from_shape_vec((rows.len(), m), out).map_err(|e| Error::Data(e.to_string()))
    }

    /// As many samples from `first` on as there is room for. Images are decoded in that much memory.
    fn read_into(&mut self, first: usize, out: &mut [f32], memory: u64) -> Result<()> {
        let mut bytes = std::mem::take(&mut self.bytes);
        match &self.origin {
            Origin::Rows { raw, values, format_order } => {
                self.read_rows((raw, *values, *format_order), first, &mut bytes, out)?
            }
            Origin::Images(images) => self.read_images((images, memory), first, out)?,
        }
        self.bytes = bytes;
        Ok(())
    }

    fn read_rows(&self, rows: Rows<'_>, first: usize, bytes: &mut Vec<u8>, out: &mut [f32]) -> Result<()> {
        let ((raw, ..), (_, m), mut first) = (rows, self.dim(), first);
        raw.check_unchanged()?;
        let (per_block, per_task) = ((BLOCK_BYTES / raw.bytes).max(1), (TASK_BYTES / raw.bytes).max(1));
        for out in out.chunks_mut(per_block * m) {
            let block = first..first + out.len() / m;
            bytes.resize(block.len() * raw.bytes, 0);
            match &self.rows {
                None => raw.read(first, bytes)?,
                Some(chosen) => raw.read_chosen(&chosen[block], bytes)?,
            }
            self.reading.read(bytes.len() as u64);
            let tasks = out.par_chunks_mut(per_task * m).zip(bytes.par_chunks(per_task * raw.bytes)).enumerate();
            let done = tasks.map(|(t, (out, bytes))| self.convert(rows, first + t * per_task, bytes, out));
            done.collect::<Vec<_>>().into_iter().collect::<Result<()>>()?;
            first += per_block;
        }
        Ok(())
    }

    fn read_images(&self, (images, memory): (&Images, u64), first: usize, out: &mut [f32]) -> Result<()> {
        let (_, m) = self.dim();
        let budget = images.for_each(out.len() / m, memory)?;
        let one = |(i, out): (usize, &mut [f32])| {
            let file = self.rows.as_ref().map_or(first + i, |rows| rows[first + i]);
            let x = Array2::from_shape_vec((1, self.features), images.decode(file, budget)?);
            let x = x.map_err(|e| Error::Data(e.to_string()))?;
            self.finish(ImageSet::new(x, self.image_shape, None, Vec::new()), out)?;
            self.reading.read(self.origin.sample_bytes());
            Ok(())
        };
        // The first failure in the order of the files, not in that of the threads.
        out.par_chunks_mut(m).enumerate().map(one).collect::<Vec<_>>().into_iter().collect()
    }

    /// Samples from `first` on, from their bytes.
    fn convert(&self, rows: Rows<'_>, first: usize, bytes: &[u8], out: &mut [f32]) -> Result<()> {
        let ((raw, values, format_order), (_, m)) = (rows, self.dim());
        if self.is_plain() {
            raw.decode((first, values), bytes, out)?;
            out.iter_mut().filter(|v| self.opts.clip_negative && **v < 0.0).for_each(|v| *v = 0.0);
            out.chunks_exact_mut(m).for_each(|sample| self.preprocess.rescale_sample(sample));
            return Ok(());
        }
        let mut x = Array2::zeros((bytes.len() / raw.bytes, values));
        raw.decode((first, values), bytes, x.as_slice_mut().unwrap_or_default())?;
        let set = ImageSet::new(x, self.image_shape, None, Vec::new());
        self.finish(arrange::finish(set, format_order, raw.path(), &self.opts)?, out)
    }

    /// What is done to samples after they were read.
    fn finish(&self, mut set: ImageSet, out: &mut [f32]) -> Result<()> {
        self.order.into_iter().for_each(|order| set.reorder(order));
        if self.opts.clip_negative {
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
        self.unclipped().look(Look::new(self.opts.clip_negative))
    }

    /// The same, neither clipped nor preprocessed.
    fn unclipped(&self) -> Self {
        let opts = LoadOptions { clip_negative: false, ..self.opts.clone() };
        Self { opts, preprocess: Preprocess::new(Scale::None, None), ..self.clone() }
    }

    /// All of them, and what was seen of those that are to be clipped.
    pub(in crate::data) fn hold(&self, progress: &mut dyn FnMut(&SoFar)) -> Result<(Array2<f32>, Option<Look>)> {
        let (clip, mut samples) = (self.opts.clip_negative, self.unclipped());
        let (n, m) = samples.dim();
        let (needed, budget) = ((n as u64).saturating_mul(m as u64).saturating_mul(4), self.opts.budget());
        let what = if self.is_images() { "images" } else { "samples" };
        afford(self.path(), &format!("{n} {what} of {m} numbers"), needed, budget)?;
        let (mut x, mut look) = (Array2::zeros((n, m)), clip.then(|| Look::new(true)));
        let block = if self.is_images() { BLOCK_IMAGES } else { (LOOK_BYTES / (4 * m)).max(1) };
        progress(&SoFar { done: 0, of: n, sample_bytes: 4 * m });
        for first in (0..n).step_by(block) {
            let done = n.min(first + block);
            let mut part = x.slice_mut(s![first..done, ..]);
            samples.read_into(first, part.as_slice_mut().unwrap_or_default(), budget - needed)?;
            if let Some(look) = &mut look {
                look.add(part.view());
                part.iter_mut().filter(|v| **v < 0.0).for_each(|v| *v = 0.0);
            }
            progress(&SoFar { done, of: n, sample_bytes: 4 * m });
        }
        self.preprocess.apply(&mut x)?;
        Ok((x, look))
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
