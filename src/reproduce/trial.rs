//! A trial: a fit with its scores, kept in a file so that it is made only once.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::method::{Method, Settings};
use super::session::{Fitted, Scheme, Session, Step};
use crate::atomic::write_atomically;
use crate::data::{self, ImageSet, Scale};
use crate::evaluate::{self, KMeans, Scores};
use crate::model::{Activate, Factors};
use crate::store::Model;
use crate::train::{Config, Fit, History, Progress, Projection};
use crate::{Error, Result};

/// All that an outcome depends on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Key {
    settings: Settings,
    scheme: Scheme,
    /// Runs of k-means; None for a fit that is not clustered.
    kmeans: Option<usize>,
    samples: String,
    device: String,
    version: String,
}

/// The outcome of a trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Outcome {
    /// The scores of every run of k-means.
    pub(super) scores: Vec<Scores>,
    /// The relative error of the training samples.
    pub(super) relative_error: f64,
    /// The relative error of the scored samples.
    pub(super) scored_error: f64,
    /// Seconds of the fit.
    pub(super) seconds: f64,
    pub(super) history: History,
    /// Seconds since the start and relative error, from every report of the last stage.
    pub(super) course: Vec<(f64, f64)>,
    /// Hoyer's sparseness of W_1 … W_L, then of H.
    pub(super) hoyer: Vec<Option<f64>>,
    /// The fraction of zeros in them.
    pub(super) zeros: Vec<f64>,
}

/// The scores of every run of k-means of all fits.
pub(super) fn all_scores(outcomes: &[Outcome]) -> impl Iterator<Item = &Scores> {
    outcomes.iter().flat_map(|o| &o.scores)
}

#[derive(Serialize, Deserialize)]
struct Kept {
    key: Key,
    outcome: Outcome,
}

/// A number that tells what outcomes depend on apart.
fn digest(of: &impl Serialize) -> Result<u64> {
    let json = serde_json::to_string(of).map_err(|e| Error::Config(format!("a trial has no key: {e}")))?;
    let mut hash = DefaultHasher::new();
    json.hash(&mut hash);
    Ok(hash.finish())
}

/// A trial in words, for the report of progress.
fn described(method: &Method, scheme: Scheme) -> String {
    let fit = if method.config.seed == 0 { String::new() } else { format!(", fit {}", method.config.seed + 1) };
    match scheme {
        Scheme::All => format!("{}, layers {}{fit}", method.name(), method.layers(" → ")),
        Scheme::Split { seed, .. } => {
            format!("{}, layers {}, split {}{fit}", method.name(), method.layers(" → "), seed + 1)
        }
    }
}

impl Session<'_> {
    /// Fits and scores `method`, or reads the outcome of an earlier trial.
    pub(super) fn trial(&mut self, method: &Method, scheme: Scheme) -> Result<Outcome> {
        let key = self.key(method.settings(), scheme, Some(self.options.kmeans_seeds));
        let path = self.kept(method, scheme, &format!("-{:08x}.json", digest(&(&key.settings, key.kmeans))? as u32));
        self.step(described(method, scheme));
        // A file that cannot be read, or has another key, is replaced.
        let kept = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Kept>(&bytes).ok());
        if let Some(kept) = kept.filter(|kept| kept.key == key) {
            return Ok(kept.outcome);
        }
        let outcome = self.score(method, scheme)?;
        let kept = Kept { key, outcome };
        let json = serde_json::to_vec(&kept).map_err(|e| Error::format(&path, format!("not written: {e}")))?;
        write_atomically(&path, |file| file.write_all(&json))?;
        self.made += 1;
        Ok(kept.outcome)
    }

    /// The trials of `method` with all seeds.
    pub(super) fn trials(&mut self, method: &Method, scheme: Scheme) -> Result<Vec<Outcome>> {
        (0..self.options.fits as u64).map(|seed| self.trial(&method.clone().seeded(seed), scheme)).collect()
    }

    /// The model that `method` fits to all samples, or that an earlier trial has kept.
    pub(super) fn model(&mut self, method: &Method) -> Result<Model> {
        let scheme = Scheme::All;
        let key = self.key(method.settings_of_fit(), scheme, None);
        // The key is in the file name, so that a model and its key cannot be separated.
        let path = self.kept(method, scheme, &format!("-{:016x}.safetensors", digest(&key)?));
        self.step(described(method, scheme));
        if let Ok(model) = Model::load(&path) {
            return Ok(model);
        }
        self.fit(method, scheme)?;
        let Some(Fitted { fit, preprocess, .. }) = self.last_fit.take() else {
            return Err(Error::Config("a fit is missing".into()));
        };
        let model = Model::new(&method.config, fit, preprocess, self.engine.device_name());
        model.save(&path)?;
        self.made += 1;
        Ok(model)
    }

    fn key(&self, settings: Settings, scheme: Scheme, kmeans: Option<usize>) -> Key {
        let device =
            self.engine.adapter().map_or("cpu".into(), |a| format!("{} ({}, {})", a.name, a.backend, a.driver));
        let samples = self.identity.clone();
        Key { settings, scheme, kmeans, samples, device, version: env!("CARGO_PKG_VERSION").into() }
    }

    /// The file that keeps a trial, for all experiments that make the same.
    fn kept(&self, method: &Method, scheme: Scheme, ending: &str) -> PathBuf {
        let split = match scheme {
            Scheme::All => String::new(),
            Scheme::Split { seed, .. } => format!("-split{seed}"),
        };
        let seed = method.config.seed;
        let fit = if seed == 0 { String::new() } else { format!("-fit{seed}") };
        let slug: String = format!("{}-{}{split}{fit}", method.name(), method.layers("-"))
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '.' { c } else { '_' })
            .collect();
        self.trials.join(format!("{slug}{ending}"))
    }

    fn score(&mut self, method: &Method, scheme: Scheme) -> Result<Outcome> {
        self.fit(method, scheme)?;
        let Some(Fitted { fit, course, rows, preprocess, mut scored, .. }) = self.last_fit.take() else {
            return Err(Error::Config("a fit is missing".into()));
        };
        let config = &method.config;
        // H of the scored samples before any g, which methods that share the fit use again.
        let (h, scored_error) = match (scored.take(), scheme) {
            (Some(scored), _) => scored,
            (None, Scheme::All) => (fit.factors.h.clone(), fit.relative_error),
            (None, Scheme::Split { .. }) => {
                let mut test = self.samples.set.select(&rows.1).x;
                preprocess.apply(&mut test)?;
                let (model, ridge) = (&config.model, config.projection_ridge());
                let how = Projection::of_layers(model.h_penalty, model.signed, ridge, &fit.penalties.lambda);
                let f = &fit.factors;
                let projected = self.engine.transform(test, f, f.depth(), &how, &mut crate::train::silent)?;
                (projected.h, projected.relative_error)
            }
        };
        let factors = Factors { activate: config.activate, ..fit.factors.clone() };
        let represented = match factors.of_last() {
            Some(activation) => h.mapv(|v| activation.g(v)),
            None => h.clone(),
        };
        let of = self.classes()?;
        let of: Vec<usize> = rows.1.iter().map(|&row| of[row]).collect();
        let classes = evaluate::count_classes(&of);
        let features = evaluate::features(represented.view(), &factors, factors.depth(), method.scaling)?;
        let how = KMeans { runs: self.options.kmeans_seeds, ..KMeans::new(classes) };
        let scores = evaluate::score(&self.engine.kmeans(features.view(), &how)?, &of)?;
        let matrices: Vec<&Array2<f32>> = factors.w.iter().chain([&factors.h]).collect();
        let outcome = Outcome {
            scores,
            relative_error: fit.relative_error,
            scored_error,
            seconds: fit.seconds.total,
            history: fit.history.clone(),
            course: course.clone(),
            hoyer: matrices.iter().map(|m| evaluate::hoyer_columns(m)).collect(),
            zeros: matrices.iter().map(|m| evaluate::zeros(m)).collect(),
        };
        let settings = method.settings_of_fit();
        let scored = Some((h, scored_error));
        self.last_fit = Some(Fitted { settings, scheme, fit, course, rows, preprocess, scored });
        Ok(outcome)
    }

    /// Fits `method` into `last_fit`, unless that is the same fit.
    fn fit(&mut self, method: &Method, scheme: Scheme) -> Result<()> {
        let settings = method.settings_of_fit();
        if self.last_fit.as_ref().is_some_and(|last| last.settings == settings && last.scheme == scheme) {
            return Ok(());
        }
        self.last_fit = None;
        let set = &self.samples.set;
        let rows = match scheme {
            Scheme::All => ((0..set.n_samples()).collect(), (0..set.n_samples()).collect()),
            Scheme::Split { per_class, seed } => data::train_per_class(self.classes()?, &[], per_class, seed)?,
        };
        if rows.1.is_empty() {
            let message = format!("{}: expected samples that are not trained on, found none", self.samples.source);
            return Err(Error::Data(message));
        }
        let ImageSet { mut x, image_shape, .. } = set.select(&rows.0);
        let preprocess = data::preprocess_features(&mut x, Scale::UnitL2, method.features, image_shape)?;
        let config = Config { activate: Activate::Hidden, ..method.config.clone() };
        let (start, mut stage, mut course) = (Instant::now(), None, Vec::new());
        let fit = self.fit_of(x, &config, &mut |p| {
            if stage != Some(p.stage) {
                course.clear();
                stage = Some(p.stage);
            }
            if p.relative_error.is_finite() {
                course.push((start.elapsed().as_secs_f64(), p.relative_error));
            }
        })?;
        self.last_fit = Some(Fitted { settings, scheme, fit, course, rows, preprocess, scored: None });
        Ok(())
    }
    /// Fits these samples, and reports how far that is.
    pub(super) fn fit_of(
        &mut self,
        x: Array2<f32>,
        config: &Config,
        seen: &mut dyn FnMut(&Progress),
    ) -> Result<Fit<f32>> {
        let Self { engine, progress, current, begun, made, of, .. } = self;
        engine.fit(x, config, &mut |p| {
            progress(Step { done: *begun - 1, made: *made, of: *of, what: current, fit: Some(p) });
            seen(p);
            ControlFlow::Continue(())
        })
    }
}
