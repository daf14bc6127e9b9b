//! The model file: safetensors with everything that projecting new samples needs.
//!
//! Tensors `W_1` … `W_L` (`k_{l-1} × k_l`), `H_L` (`samples × k_L`) and, where they were solved for, the hidden
//! `H_1` … `H_{L-1}`: F32, row-major. `training_rows` (U32), where only some of a set were trained on: which. The header's
//! `__metadata__` has one key, `deepnmf`: [`Metadata`] as JSON.

mod atomic;
mod tensors;

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use ndarray::ArrayView2;
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use self::tensors::{ROWS, Tensor, matrix, not_safetensors, rows};
use super::{Activate, Activation, Factors, HPenalty, Method, ModelSpec};
use crate::data::{ImageShape, LoadOptions, Preprocess};
use crate::train::{
    Balance, Config, Extrapolate, Fit, GraphConfig, History, Init, Metric, Penalties, PenaltyScale, Seconds, Solver,
};
use crate::{Error, Result};

pub use atomic::{NewFile, abandon_files, write_atomically};
pub(crate) use atomic::{folder_of, target_of};

/// The version of the layout of a model file; raised when older programs could no longer read it.
pub const FORMAT: u64 = 1;
const KEY: &str = "deepnmf";

/// How a model was trained: the part of [`Config`] that is not the model itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// How each layer started.
    pub init: Init,
    /// The seed of whatever was random.
    pub seed: u64,
    /// Outer iterations of pre-training per layer, at most.
    pub pretrain: usize,
    /// Sweeps of fine-tuning, at most.
    pub sweeps: usize,
    /// How blocks were solved: what `auto` came to.
    pub solver: Solver,
    /// Nesterov steps per block.
    pub inner: usize,
    /// Visits of every coordinate per block of coordinate descent; None: as the shapes said.
    pub passes: Option<usize>,
    /// Between which iterations the factors were extrapolated.
    #[serde(deserialize_with = "extrapolate")]
    pub extrapolate: Extrapolate,
    /// The relative change at which it stopped.
    pub tol: f64,
    /// The relative error at which it stopped.
    pub target_error: Option<f64>,
    /// The metric of the steps.
    pub metric: Metric,
    /// Whether the momentum restarted.
    pub restart: bool,
    /// Which scale freedoms were taken out.
    pub balance: Balance,
    /// Power iterations per Lipschitz bound.
    pub power_iterations: usize,
    /// The smoothing of the model, where it has one; what is stored as W_l is W_l S.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub theta: Option<f64>,
    /// The neighbour graph of the model, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graph: Option<GraphConfig>,
    /// How `mu` and `lambda` were read.
    pub penalty_scale: PenaltyScale,
    /// Penalty constants of W as they were given.
    pub mu: Vec<f64>,
    /// Penalty constants of H as they were given.
    pub lambda: Vec<f64>,
}

/// Earlier versions extrapolated the pre-training or nothing, and wrote true or false.
fn extrapolate<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Extrapolate, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Earlier(bool),
        Now(Extrapolate),
    }
    Ok(match Written::deserialize(from)? {
        Written::Earlier(true) => Extrapolate::Pretrain,
        Written::Earlier(false) => Extrapolate::None,
        Written::Now(extrapolate) => extrapolate,
    })
}

impl From<&Config> for Training {
    fn from(c: &Config) -> Self {
        Self {
            init: c.init,
            seed: c.seed,
            pretrain: c.pretrain,
            sweeps: c.sweeps,
            solver: c.solver,
            inner: c.inner,
            passes: c.passes,
            extrapolate: c.extrapolate,
            tol: c.tol,
            target_error: c.target_error,
            metric: c.metric,
            restart: c.restart,
            balance: c.balance,
            power_iterations: c.power_iterations,
            theta: c.model.theta.map(|_| c.theta),
            graph: (c.model.method == Method::Graph).then_some(c.graph),
            penalty_scale: c.penalty_scale,
            mu: c.mu.clone(),
            lambda: c.lambda.clone(),
        }
    }
}

/// Which samples of a labelled set were trained on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// Training samples of every class.
    pub per_class: usize,
    /// The seed they were drawn with.
    pub seed: u64,
    /// Training samples altogether.
    pub train: usize,
    /// Samples left for testing.
    pub test: usize,
    /// The training samples: their rows in the whole set, ascending.
    #[serde(skip)]
    pub rows: Vec<u32>,
}

impl Split {
    /// Training and test rows of a set of `samples`, both ascending; None if the model was split from a set of another size.
    pub fn parts(&self, samples: usize) -> Option<(Vec<usize>, Vec<usize>)> {
        if self.train.checked_add(self.test) != Some(samples) {
            return None;
        }
        let mut in_training = vec![false; samples];
        for &row in &self.rows {
            *in_training.get_mut(row as usize)? = true;
        }
        Some((0..samples).partition(|&row| in_training[row]))
    }
}

/// What a model file says about its factors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// [`FORMAT`].
    pub format: u64,
    /// The version of this crate that wrote the file.
    pub crate_version: String,
    /// The name of the model in the table of models.
    pub model: String,
    /// `[k_1, …, k_L]`.
    pub layers: Vec<usize>,
    /// What stands between two layers; files from before there were nonlinear models do not say.
    #[serde(default)]
    pub activation: Option<Activation>,
    /// Which coefficients passed through it.
    #[serde(default)]
    pub activate: Activate,
    /// The number of samples of H.
    pub n_samples: usize,
    /// The penalty constants as they stand in the objective.
    pub penalties: Penalties,
    /// How H is penalised.
    pub h_penalty: HPenalty,
    /// C of the ridge on the coefficients of new samples; files from before there was one do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ridge: Option<f64>,
    /// How the file of the samples was read; what is read for this model later is read so too, as far as its format allows.
    #[serde(default)]
    pub reading: LoadOptions,
    /// What was done to the samples before training; new ones need the same.
    pub preprocess: Preprocess,
    /// How a sample is an image.
    pub image_shape: Option<ImageShape>,
    /// How the model was trained.
    pub training: Training,
    /// The objective over time.
    pub history: History,
    /// The objective of these factors.
    pub objective: f64,
    /// ‖X − H Psiᵀ‖/‖X‖ of these factors.
    pub relative_error: f64,
    /// The device it was trained on.
    pub device: String,
    /// Where the time went.
    pub seconds: Seconds,
    /// Which samples were trained on, where only some were.
    pub split: Option<Split>,
    /// The names of the classes, where there are labels.
    pub classes: Vec<String>,
    /// The class of every row of H, where known; None for a row without a label.
    pub labels: Option<Vec<Option<usize>>>,
}

/// Factors and what there is to know about them: the content of a model file.
#[derive(Debug, Clone)]
pub struct Model {
    /// The factors.
    pub factors: Factors<f32>,
    /// What there is to know about them.
    pub metadata: Metadata,
}

impl Model {
    /// The model that `fit` is, trained as `config` says on samples preprocessed as `preprocess` says on `device`.
    ///
    /// Image shape, split, classes and labels are left empty, the reading options at their defaults.
    pub fn new(config: &Config, fit: Fit<f32>, preprocess: Preprocess, device: String) -> Self {
        let metadata = Metadata {
            format: FORMAT,
            crate_version: env!("CARGO_PKG_VERSION").into(),
            model: config.model.name.into(),
            layers: fit.factors.layer_sizes(),
            activation: fit.factors.activation,
            activate: fit.factors.activate,
            n_samples: fit.factors.h.nrows(),
            penalties: fit.penalties,
            h_penalty: config.model.h_penalty,
            ridge: Some(config.projection_ridge()),
            reading: LoadOptions::default(),
            preprocess,
            image_shape: None,
            training: Training { solver: fit.solver, ..config.into() },
            history: fit.history,
            objective: fit.objective,
            relative_error: fit.relative_error,
            device,
            seconds: fit.seconds,
            split: None,
            classes: Vec::new(),
            labels: None,
        };
        Self { factors: fit.factors, metadata }
    }

    /// Writes the model to `path`, all of it or nothing.
    pub fn save(&self, path: &Path) -> Result<()> {
        self.write_to(NewFile::create(path)?)
    }

    /// Writes the model to a file whose place was made sure of before.
    pub fn write_to(&self, file: NewFile) -> Result<()> {
        let path = file.path();
        self.check().map_err(|found| Error::format(path, format!("not written: {found}")))?;
        let failed = |e: &dyn std::fmt::Display| Error::format(path, format!("not written: {e}"));
        let json = serde_json::to_string(&self.metadata).map_err(|e| failed(&e))?;
        let f = &self.factors;
        let mut tensors: Vec<_> =
            f.w.iter().enumerate().map(|(l, w)| (format!("W_{}", l + 1), Tensor::matrix(w))).collect();
        tensors.extend(f.hidden.iter().enumerate().map(|(l, h)| (format!("H_{}", l + 1), Tensor::matrix(h))));
        tensors.push((format!("H_{}", f.depth()), Tensor::matrix(&f.h)));
        if let Some(split) = &self.metadata.split {
            tensors.push((ROWS.into(), Tensor::Rows([split.rows.len()], &split.rows)));
        }
        let info = HashMap::from([(KEY.to_string(), json)]);
        let bytes = safetensors::serialize(tensors, Some(info)).map_err(|e| failed(&e))?;
        file.write(|out| out.write_all(&bytes))
    }

    /// Bytes that the file of a model of `config` and of `n × m` samples takes, with some to spare for what it says about them;
    /// a lower bound where there are very many iterations.
    pub fn expected_bytes(config: &Config, n: usize, m: usize) -> u64 {
        let depth = config.layers.len();
        let below = std::iter::once(m).chain(config.layers.iter().copied());
        let weights = below.zip(&config.layers).fold(0, |sum: u64, (rows, &k)| sum.saturating_add(values(rows, k)));
        let of_h = if config.hidden { &config.layers[..] } else { &config.layers[depth.saturating_sub(1)..] };
        let coefficients = of_h.iter().fold(0, |sum: u64, &k| sum.saturating_add(values(n, k)));
        // A number of the history or of the labels in decimals; not many fits make more iterations.
        let iterations = config.pretrain.saturating_mul(depth).saturating_add(config.sweeps).min(10_000) as u64;
        let text = 16_384 + 24 * iterations + 12 * n as u64;
        weights.saturating_add(coefficients).saturating_mul(size_of::<f32>() as u64).saturating_add(text)
    }

    /// Reads the model in `path`, or [`Error::Format`] with what is wrong with the file.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        Self::from_bytes(&bytes).map_err(|found| Error::format(path, found))
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        // Both calls compare the header's sizes with the length of the file before anything is allocated for them.
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(not_safetensors)?;
        let file = SafeTensors::deserialize(bytes).map_err(not_safetensors)?;
        let Some(json) = header.metadata().as_ref().and_then(|m| m.get(KEY)) else {
            let names = header.offset_keys();
            return Err(format!(
                "expected a deepnmf model, found a safetensors file of something else (tensors: {})",
                if names.is_empty() { "none".into() } else { names.join(", ") }
            ));
        };
        let wrong = |e| format!("expected the metadata of a deepnmf model, found JSON that is not it: {e}");
        let value: serde_json::Value = serde_json::from_str(json).map_err(wrong)?;
        // The version first: another one may well have other fields.
        match value.get("format").and_then(serde_json::Value::as_u64) {
            Some(FORMAT) => {}
            Some(v) => return Err(format!("expected a model file of format {FORMAT}, found format {v}")),
            None => return Err(format!("expected a model file of format {FORMAT}, found no format number")),
        }
        let mut metadata: Metadata = serde_json::from_value(value).map_err(wrong)?;
        if let Some(split) = &mut metadata.split {
            split.rows = rows(&file)?;
        }
        let depth = metadata.layers.len();
        if depth == 0 {
            return Err("expected at least one layer, found none".into());
        }
        let w = (1..=depth).map(|l| matrix(&file, &format!("W_{l}"))).collect::<Result<_, _>>()?;
        let h = matrix(&file, &format!("H_{depth}"))?;
        let has_hidden = header.info("H_1").is_some() && depth > 1;
        let hidden = match has_hidden {
            true => (1..depth).map(|l| matrix(&file, &format!("H_{l}"))).collect::<Result<_, _>>()?,
            false => Vec::new(),
        };
        let (activation, activate) = (metadata.activation, metadata.activate);
        let model = Self { factors: Factors { w, h, hidden, activation, activate }, metadata };
        model.check()?;
        Ok(model)
    }

    /// Whether `x` (preprocessed) are the samples that the model was trained on: whether its H explains them as well as it did
    /// those. The file does not keep the samples themselves.
    pub fn is_of(&self, x: ArrayView2<'_, f32>) -> bool {
        let m = &self.metadata;
        if x.dim() != (m.n_samples, self.factors.n_features()) {
            return false;
        }
        let Ok(error) = self.factors.relative_error(x, self.factors.h.view()) else { return false };
        // The final error was computed in f32.
        (error - m.relative_error).abs() <= 1e-3 * m.relative_error + 1e-5
    }

    /// Whether factors and metadata fit each other; the same for a file to write and a file that was read.
    fn check(&self) -> Result<(), String> {
        let (f, m) = (&self.factors, &self.metadata);
        if f.w.is_empty() || m.layers.contains(&0) {
            return Err(format!("layers: expected at least one and none of size 0, found {:?}", m.layers));
        }
        let depth = f.depth();
        let same = |what: &str, expected: usize, found: usize| match expected == found {
            true => Ok(()),
            false => Err(format!("{what}: expected {expected}, found {found}")),
        };
        same("layers in the metadata", depth, m.layers.len())?;
        if (f.activation, f.activate) != (m.activation, m.activate) {
            return Err("activation: expected factors and metadata to agree, found that they do not".into());
        }
        if m.activation.is_some() && depth == 1 {
            return Err("activation: expected at least two layers to stand between, found one".into());
        }
        if let Some(shape) = m.image_shape {
            let pixels = shape.height.checked_mul(shape.width).and_then(|p| p.checked_mul(shape.channels));
            let pixels = pixels.and_then(|p| p.checked_mul(m.preprocess.features_per_value()));
            same("rows of W_1 (the features of the image shape)", pixels.unwrap_or(usize::MAX), f.n_features())?;
        }
        for (l, w) in f.w.iter().enumerate() {
            same(&format!("columns of W_{}", l + 1), m.layers[l], w.ncols())?;
            if l > 0 {
                same(&format!("rows of W_{} (the columns of W_{l})", l + 1), m.layers[l - 1], w.nrows())?;
            }
        }
        if !f.hidden.is_empty() {
            same("hidden H", depth - 1, f.hidden.len())?;
        }
        let all_h = f.hidden.iter().enumerate().map(|(l, h)| (l + 1, h)).chain([(depth, &f.h)]);
        for (l, h) in all_h.clone() {
            same(&format!("rows of H_{l} (samples)"), m.n_samples, h.nrows())?;
            same(&format!("columns of H_{l} (the columns of W_{l})"), m.layers[l - 1], h.ncols())?;
        }
        // JSON has no NaN: it would come back as nothing.
        let (hist, pen) = (&m.history, &m.penalties);
        let numbers = hist.pretrain.iter().flatten().chain(&hist.finetune).chain(&pen.mu).chain(&pen.lambda);
        if let Some(v) = numbers.chain([&m.objective, &m.relative_error]).find(|v| !v.is_finite()) {
            return Err(format!("metadata: expected finite numbers, found {v}"));
        }
        if let Some(v) = pen.mu.iter().chain(&pen.lambda).find(|v| **v < 0.0) {
            return Err(format!("penalty constants: expected numbers of at least 0, found {v}"));
        }
        if !(m.preprocess.factor.is_finite() && m.preprocess.factor > 0.0) {
            return Err(format!(
                "factor of the preprocessing: expected a positive number, found {}",
                m.preprocess.factor
            ));
        }
        same("penalty constants mu", depth, m.penalties.mu.len())?;
        same("penalty constants lambda", depth, m.penalties.lambda.len())?;
        if let Some(labels) = &m.labels {
            same("labels", m.n_samples, labels.len())?;
            if let Some(label) = labels.iter().flatten().find(|l| **l >= m.classes.len()) {
                return Err(format!("labels: expected numbers below {}, found {label}", m.classes.len()));
            }
        }
        if let Some(split) = &m.split {
            same("training samples of the split", m.n_samples, split.train)?;
            same("rows of the training samples", split.train, split.rows.len())?;
            // A row is a u32: no set that was split had more.
            let all = split.train.checked_add(split.test).filter(|all| u32::try_from(*all).is_ok());
            let Some(all) = all else {
                let (train, test) = (split.train, split.test);
                return Err(format!("split: expected at most {} samples in all, found {train} and {test}", u32::MAX));
            };
            let ascending = split.rows.windows(2).all(|pair| pair[0] < pair[1]);
            if !ascending || split.rows.last().is_some_and(|&row| row as usize >= all) {
                return Err(format!("{ROWS}: expected ascending rows below {all}, found others"));
            }
        }
        let spec = ModelSpec::by_name(&m.model).map_err(|e| e.to_string())?;
        spec.check_ridge(m.ridge.unwrap_or(0.0), m.activation).map_err(|e| e.to_string())?;
        let signed = spec.signed;
        let named = f.w.iter().enumerate().map(|(l, w)| ("W", l + 1, w)).chain(all_h.map(|(l, h)| ("H", l, h)));
        for (name, l, a) in named {
            if let Some(((i, j), v)) = a.indexed_iter().find(|(_, v)| !v.is_finite()) {
                return Err(format!("{name}_{l}: expected finite numbers, found {v} in row {i}, column {j}"));
            }
            let free = signed && name == "W";
            if let Some(((i, j), v)) = a.indexed_iter().find(|(_, v)| !free && **v < 0.0) {
                return Err(format!("{name}_{l}: expected no negative numbers, found {v} in row {i}, column {j}"));
            }
        }
        Ok(())
    }
}

fn values(rows: usize, columns: usize) -> u64 {
    (rows as u64).saturating_mul(columns as u64)
}

#[cfg(test)]
mod tests;
