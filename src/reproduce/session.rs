//! An experiment under way.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::method::{Method, Settings};
use super::printed::{PERSONS, PIE};
use crate::data::{Features, ImageSet, Preprocess};
use crate::evaluate::count_classes;
use crate::train::{Fit, Init, Progress};
use crate::{Engine, Error, Result};

/// A table or figure.
#[derive(Debug)]
pub struct Experiment {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its title.
    pub title: &'static str,
    /// The data set.
    pub data: Data,
    /// What is repeated; scores are means over the repeats.
    pub repeats: Repeats,
    /// The usual number of fits, and that of a quick run.
    pub fits: (usize, usize),
    pub(super) run: fn(&mut Session<'_>) -> Result<()>,
}

/// The data set of an experiment.
#[derive(Debug, Clone, Copy)]
pub enum Data {
    /// One that there is, or a substitute if that of the paper is not public.
    Given(&'static str),
    /// One that the experiment makes.
    Made(fn() -> Result<Samples>),
}

/// What an experiment repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeats {
    /// Splits into training and test samples. Without them, all samples are trained on and clustered.
    pub splits: bool,
    /// Fits of the same samples, with other seeds.
    pub fits: bool,
    /// Runs of k-means.
    pub kmeans: bool,
}

/// The number of repeats; one counts only if [`Repeats`] has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The number of splits into training and test samples.
    pub splits: usize,
    /// The number of fits per split, with seeds from 0.
    pub fits: usize,
    /// The number of runs of k-means per fit.
    pub kmeans_seeds: usize,
    /// Whether curves have fewer points.
    pub quick: bool,
}

/// The samples of an experiment.
#[derive(Debug)]
pub struct Samples {
    /// Their source, for people.
    pub source: String,
    /// The samples, unscaled.
    pub set: ImageSet,
    /// Names of attributes, with the class of every sample. Clusters are compared with the first attribute. Samples that are made
    /// have none.
    pub labels: Vec<(String, Vec<usize>)>,
    /// The names of the classes of the first attribute; empty where they have none.
    pub classes: Vec<String>,
}

impl Samples {
    /// A hash that identifies them: of all values bit by bit, of shapes, and of labels.
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

/// A report of progress.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// Fits that are done, or were done before.
    pub done: usize,
    /// Those of them that this run has made.
    pub made: usize,
    /// All fits.
    pub of: usize,
    /// The fit under way.
    pub what: &'a str,
    /// How far it is; None at its beginning.
    pub fit: Option<&'a Progress>,
}

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its path.
    pub path: PathBuf,
    /// Its content, for people.
    pub what: &'static str,
}

/// Which samples are trained on, and which are scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Scheme {
    /// All samples, for both.
    All,
    /// `per_class` samples of every class are trained on, the others are scored.
    Split { per_class: usize, seed: u64 },
}

/// The last fit, for methods that share it.
pub(super) struct Fitted {
    pub(super) settings: Settings,
    pub(super) scheme: Scheme,
    pub(super) fit: Fit<f32>,
    pub(super) course: Vec<(f64, f64)>,
    /// The rows that were trained on, and those that are scored.
    pub(super) rows: (Vec<usize>, Vec<usize>),
    pub(super) preprocess: Preprocess,
    /// H and the error of the samples that are scored; None until they are computed.
    pub(super) scored: Option<(Array2<f32>, f64)>,
}

/// An experiment under way.
pub(super) struct Session<'a> {
    pub(super) engine: &'a mut Engine,
    pub(super) experiment: &'a Experiment,
    pub(super) samples: &'a Samples,
    /// [`Samples::identity`].
    pub(super) identity: String,
    pub(super) options: Options,
    pub(super) out: PathBuf,
    pub(super) trials: PathBuf,
    /// Fits that were begun, those of them that were made, and all.
    pub(super) begun: usize,
    pub(super) made: usize,
    pub(super) of: usize,
    /// The fit under way.
    pub(super) current: String,
    pub(super) progress: &'a mut dyn FnMut(Step<'_>),
    /// The last fit, for methods that differ only in the coefficients that they cluster.
    pub(super) last_fit: Option<Fitted>,
    pub(super) written: Vec<Written>,
}

impl Session<'_> {
    /// Counts the fits of an experiment, creates the folder for their results, and checks all methods before the first fit.
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
            // The other initialisations use singular vectors, then samples.
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

    /// Begins the next fit.
    pub(super) fn step(&mut self, what: String) {
        self.current = what;
        (self.progress)(Step { done: self.begun, made: self.made, of: self.of, what: &self.current, fit: None });
        self.begun += 1;
    }

    /// Whether the samples are those of GZ Table III, PIE, pose 27: by their number and size, and the number of persons.
    pub(super) fn is_of_print(&self) -> Result<bool> {
        let set = &self.samples.set;
        Ok((set.n_samples(), set.n_features()) == PIE && count_classes(self.classes()?) == PERSONS)
    }

    /// An error where not every class has so many training samples, or none has more.
    pub(super) fn splits_into(&self, per_class: usize) -> Result<()> {
        let (of, Samples { source, classes, labels, .. }) = (self.classes()?, self.samples);
        let mut counts = vec![0_usize; of.iter().max().map_or(0, |last| last + 1)];
        of.iter().for_each(|class| counts[*class] += 1);
        let name = |class: usize| classes.get(class).cloned().unwrap_or_else(|| format!("{class}"));
        let attribute = labels.first().map_or("class", |(name, _)| name.as_str());
        let few = counts.iter().enumerate().filter(|(_, n)| (1..per_class).contains(*n)).min_by_key(|(_, n)| **n);
        let message = match few {
            Some((class, n)) => {
                let all = counts.iter().filter(|n| (1..per_class).contains(*n)).count();
                let more = if all > 1 { format!(" and too few of {} more", all - 1) } else { String::new() };
                format!("found {n} of `{}`{more}", name(class))
            }
            None if counts.iter().all(|n| *n <= per_class) => {
                "found none with more, of which some could be left to be clustered".into()
            }
            None => return Ok(()),
        };
        Err(Error::Data(format!(
            "{source}: {} trains on {per_class} samples of every class of `{attribute}`, {message}",
            self.experiment.name
        )))
    }

    /// The classes that clusters are compared with.
    pub(super) fn classes(&self) -> Result<&[usize]> {
        self.samples
            .labels
            .first()
            .map(|(_, of)| of.as_slice())
            .ok_or_else(|| Error::Data(format!("{}: expected labels, found none", self.samples.source)))
    }
}
