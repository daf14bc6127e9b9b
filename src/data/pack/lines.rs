//! The samples of a CSV file, a few lines at a time.

use std::ops::Range;
use std::path::{Path, PathBuf};

use ndarray::Array2;

use super::super::csv::{Lines, Read};
use super::super::preprocess::clip_negative;
use super::super::stream::is_byte;
use super::super::{ImageSet, LoadOptions, PixelOrder, SamplesAxis, arrange};
use crate::{Error, Result};

/// Lines that are read at a time.
const BLOCK: usize = 512;

/// Samples of a file that is read from the beginning once to count them, and once more when they are asked for in order.
pub(super) struct CsvSamples {
    path: PathBuf,
    gzip: bool,
    opts: LoadOptions,
    /// Samples, and values of each in the file and after reading.
    samples: usize,
    values: usize,
    features: usize,
    /// Whether all values in the file are whole numbers from 0 to 255.
    pub(super) bytes: bool,
    /// The file, and the sample that comes next in it.
    lines: Option<(Lines, usize)>,
}

impl CsvSamples {
    /// Reads all lines once, for labels and names.
    pub(super) fn open(path: &Path, gzip: bool, opts: &LoadOptions) -> Result<ImageSet<Self>> {
        let mut lines = Lines::open(path, gzip, opts)?;
        let mut bytes = true;
        loop {
            let values = lines.take(BLOCK)?;
            if values.is_empty() {
                break;
            }
            bytes &= values.iter().all(|v| is_byte(*v));
        }
        let Read { shape, labels, names, mut feature_names, mut notes } = lines.finish()?;
        let opts = LoadOptions { samples: SamplesAxis::Rows, ..opts.clone() };
        let count = labels.as_ref().map(|l| l.of.len());
        let place = arrange::Place::of(&shape, false, count, path, &opts, &mut notes)?;
        let (samples, values) = place.dim;
        let mut x = Self { path: path.to_path_buf(), gzip, opts, samples, values, features: 0, bytes, lines: None };
        let one = x.arranged(Array2::zeros((1, values)))?;
        x.features = one.n_features();
        if one.image_shape.is_some() {
            feature_names.clear();
        }
        Ok(ImageSet { names, feature_names, ..ImageSet::new(x, one.image_shape, labels, notes) })
    }

    pub(super) fn dim(&self) -> (usize, usize) {
        (self.samples, self.features)
    }

    /// These samples. The file is read from its beginning if they are not the next ones.
    pub(super) fn rows(&mut self, rows: Range<usize>) -> Result<Array2<f32>> {
        let (mut lines, mut next) = match self.lines.take().filter(|(_, next)| *next == rows.start) {
            Some(open) => open,
            None => (Lines::open(&self.path, self.gzip, &self.opts)?, 0),
        };
        while next < rows.start {
            let skipped = BLOCK.min(rows.start - next);
            lines.take(skipped)?;
            next += skipped;
        }
        let values = lines.take(rows.len())?;
        let changed = |_| Error::format(&self.path, "the file changed while it was packed: it has fewer lines now");
        let x = Array2::from_shape_vec((rows.len(), self.values), values).map_err(changed)?;
        self.lines = Some((lines, rows.end));
        Ok(self.arranged(x)?.x)
    }

    /// Samples as the options of reading ask for them.
    fn arranged(&self, x: Array2<f32>) -> Result<ImageSet> {
        let mut set =
            arrange::finish(ImageSet::new(x, None, None, Vec::new()), PixelOrder::Rows, &self.path, &self.opts)?;
        if self.opts.clip_negative {
            clip_negative(&mut set.x);
        }
        Ok(set)
    }
}
