//! An experiment under way.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::method::{Method, Settings};
use crate::data::{Features, ImageSet, Preprocess};
use crate::train::{Fit, Init};
use crate::{Engine, Error, Result};

/// One table or figure.
#[derive(Debug)]
pub struct Experiment {
    /// As the command line spells it.
    pub name: &'static str,
    /// What it shows.
    pub title: &'static str,
    /// The data it wants, and what stands in for data that cannot be had.
    pub data: &'static str,
    /// What its scores are the mean of.
    pub repeats: Repeats,
    pub(super) run: fn(&mut Session<'_>) -> Result<()>,
}

/// What an experiment does more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeats {
    /// Splits into training and test samples; without it all samples are fitted, and clustered.
    pub splits: bool,
    /// Fits of the same samples, with other seeds.
    pub fits: bool,
    /// Runs of k-means.
    pub kmeans: bool,
}

/// How an experiment is made; what [`Repeats`] does not have makes no difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Splits into training and test samples.
    pub splits: usize,
    /// Fits of the training samples of every split, with seeds from 0.
    pub fits: usize,
    /// Runs of k-means per fit.
    pub kmeans_seeds: usize,
    /// Fewer points of a curve.
    pub quick: bool,
}

/// The samples of an experiment: as they were read, with at least one column of labels.
#[derive(Debug)]
pub struct Samples {
    /// Where they are from.
    pub source: String,
    /// The samples, unscaled.
    pub set: ImageSet,
    /// Classes of all samples by the name of the attribute; the first is what clusters are compared with.
    pub labels: Vec<(String, Vec<usize>)>,
}

impl Samples {
    /// What tells them from others: a hash of every bit of the values, of their shape, and of the labels in their order.
    pub(super) fn identity(&self) -> String {
        let Self { set, labels, .. } = self;
        let mut hash = DefaultHasher::new();
        set.x.dim().hash(&mut hash);
        set.x.iter().for_each(|value| value.to_bits().hash(&mut hash));
        set.image_shape.map(|s| (s.height, s.width, s.channels, s.order as u8)).hash(&mut hash);
        labels.hash(&mut hash);
        format!("{:016x}", hash.finish())
    }
}

/// What is being done.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// Fits that are done, or were found done.
    pub done: usize,
    /// All of them.
    pub of: usize,
    /// The next one.
    pub what: &'a str,
}

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Where it is.
    pub path: PathBuf,
    /// What is in it.
    pub what: &'static str,
}

/// Which samples are trained on, and which are scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Scheme {
    /// All of them.
    All,
    /// This many of every class are trained on, the others scored; drawn with a seed.
    Split { per_class: usize, seed: u64 },
}

/// A fit in memory.
pub(super) struct Fitted {
    pub(super) settings: Settings,
    pub(super) scheme: Scheme,
    pub(super) fit: Fit<f32>,
    pub(super) course: Vec<(f64, f64)>,
    /// Unscaled, rows that are trained on and scored.
    pub(super) rows: (Vec<usize>, Vec<usize>),
    pub(super) preprocess: Preprocess,
    /// H of the samples that are scored, and their error, once they are known.
    pub(super) scored: Option<(Array2<f32>, f64)>,
}

/// An experiment under way.
pub(super) struct Session<'a> {
    pub(super) engine: &'a mut Engine,
    pub(super) experiment: &'a Experiment,
    pub(super) samples: &'a Samples,
    /// Of the samples.
    pub(super) identity: String,
    pub(super) options: Options,
    pub(super) out: PathBuf,
    pub(super) trials: PathBuf,
    pub(super) done: usize,
    pub(super) of: usize,
    pub(super) progress: &'a mut dyn FnMut(Step<'_>),
    /// The last fit, for methods that differ only in what they read from it.
    pub(super) last_fit: Option<Fitted>,
    pub(super) written: Vec<Written>,
}

impl Session<'_> {
    /// Counts the fits that are to come and makes the folder for what is kept of them; what cannot work is refused before the first.
    pub(super) fn plan<'m>(
        &mut self,
        methods: impl IntoIterator<Item = &'m Method>,
        fits_of_each: usize,
    ) -> Result<()> {
        let Samples { source, set, .. } = self.samples;
        for method in methods {
            let what =
                |e: Error| Error::Config(format!("{source}: {} does not go with this experiment: {e}", method.name()));
            method.config.validate().map_err(what)?;
            if method.features == Features::Igo && set.image_shape.is_none() {
                let message = "expected images, of whose gradients the directions can be taken, found numbers without a shape; \
                               --image-shape says it";
                return Err(Error::Data(format!("{source}: {message}")));
            }
            let features = if method.features == Features::Igo { 2 } else { 1 } * set.n_features();
            // The rank of the samples, and samples to fill up with, at most.
            let (most, first) = (set.n_samples().min(features) + set.n_samples(), method.config.layers[0]);
            if first > most && !matches!(method.config.init, Init::Random | Init::Svd) {
                return Err(what(Error::Config(format!(
                    "expected a layer 1 of at most {most} components, found {first}"
                ))));
            }
            self.engine.check_memory(&method.config, set.n_samples(), features)?;
            self.of += fits_of_each;
        }
        std::fs::create_dir_all(&self.trials).map_err(|e| Error::io(&self.trials, e))
    }

    pub(super) fn step(&mut self, what: &str) {
        (self.progress)(Step { done: self.done, of: self.of, what });
        self.done += 1;
    }

    /// What is clustered against.
    pub(super) fn classes(&self) -> Result<&[usize]> {
        self.samples
            .labels
            .first()
            .map(|(_, of)| of.as_slice())
            .ok_or_else(|| Error::Data(format!("{}: expected labels, found none", self.samples.source)))
    }
}
