//! Writing and reading a model file.

use std::path::Path;

use ndarray::Array2;

use super::check::check;
use super::metadata::{FORMAT, Metadata};
use super::others::{Others, answer};
use super::tensors::{ROWS, Tensor, Tensors, write};
use crate::atomic::NewFile;
use crate::data::Preprocess;
use crate::model::{Factors, ModelSpec};
use crate::ranks::Ranks;
use crate::train::{Config, Fit, Source, relative_error};
use crate::{Error, Result};

pub(super) const KEY: &str = "deepnmf";

/// The content of a model file: factors and metadata.
#[derive(Debug, Clone)]
pub struct Model {
    /// The factors. Of several ranks that fitted them together each has the H of its own samples.
    pub factors: Factors<f32>,
    /// Their metadata.
    pub metadata: Metadata,
}

impl Model {
    /// The model of `fit`, which was trained with `config` on samples after `preprocess`, on `device`.
    ///
    /// Image shape, split, classes and labels are left empty, and the reading options at their defaults.
    pub fn new(config: &Config, fit: Fit<f32>, preprocess: Preprocess, device: String) -> Self {
        let metadata = Metadata::of(config, &fit, preprocess, device);
        Self { factors: fit.factors, metadata }
    }

    /// Writes the model to `path`, completely or not at all.
    ///
    /// # Errors
    /// As [`NewFile::create`] and [`Writer::write_to`].
    pub fn save(&self, path: &Path) -> Result<()> {
        self.write_to(NewFile::create(path)?)
    }

    /// Writes the model to a file that was created before.
    ///
    /// # Errors
    /// As [`Writer::write_to`].
    pub fn write_to(&self, file: NewFile) -> Result<()> {
        Writer { model: self, others: &Others::default() }.write_to(file)
    }

    /// Writes a model that these ranks fitted together: rank 0 does `work`, and asks the others for their rows of H while it writes, so that none
    /// has all of them in memory. All ranks call this; the others get None.
    ///
    /// # Errors
    /// [`Error::Data`] where factors and metadata of a rank do not fit each other, and where a rank is not reached.
    pub fn write_by<T>(&self, ranks: Ranks, work: impl FnOnce(&Writer<'_>) -> T) -> Result<Option<T>> {
        let rows = self.factors.h.nrows();
        let others = Others::of(ranks, rows)?;
        let own = check(&self.factors, &self.metadata, rows);
        ranks.agreed(own.map_err(|found| Error::Data(format!("the model is not written: {found}"))))?;
        if ranks.is_first() {
            let done = work(&Writer { model: self, others: &others });
            others.end()?;
            return Ok(Some(done));
        }
        answer(ranks, &|tensor| self.samples().nth(tensor))?;
        Ok(None)
    }

    /// H_1 to H_L, as far as they are there.
    fn samples(&self) -> impl Iterator<Item = &Array2<f32>> {
        self.factors.hidden.iter().chain([&self.factors.h])
    }

    /// Approximate bytes of the file of a model of `config` and `n × m` samples, with some to spare for the metadata; a lower
    /// bound for more than 10,000 iterations.
    pub fn expected_bytes(config: &Config, n: usize, m: usize) -> u64 {
        let depth = config.layers.len();
        let below = std::iter::once(m).chain(config.layers.iter().copied());
        let weights = below.zip(&config.layers).fold(0, |sum: u64, (rows, &k)| sum.saturating_add(values(rows, k)));
        let of_h = if config.hidden { &config.layers[..] } else { &config.layers[depth.saturating_sub(1)..] };
        let coefficients = of_h.iter().fold(0, |sum: u64, &k| sum.saturating_add(values(n, k)));
        // Every number of the history, and every label, in decimal digits.
        let iterations = config.pretrain.saturating_mul(depth).saturating_add(config.sweeps).min(10_000) as u64;
        let text = 16_384 + 24 * iterations + 12 * n as u64;
        weights.saturating_add(coefficients).saturating_mul(size_of::<f32>() as u64).saturating_add(text)
    }

    /// Reads the model in `path`.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read; [`Error::Format`] if it is not a model file, or not a valid one.
    pub fn load(path: &Path) -> Result<Self> {
        let file = Tensors::open(path)?;
        Self::read(&file, true).map_err(|found| Error::format(path, found))
    }

    /// The same without the coefficients of the samples that it was trained on: H has no rows, unless new samples start from their
    /// mean, as under an activation and components of both signs. Nothing else needs them for new samples, and many samples have
    /// much of it.
    ///
    /// # Errors
    /// As [`Model::load`].
    pub fn load_components(path: &Path) -> Result<Self> {
        let file = Tensors::open(path)?;
        Self::read(&file, false).map_err(|found| Error::format(path, found))
    }

    fn read(file: &Tensors, samples: bool) -> Result<Self, String> {
        let Some(json) = file.text(KEY) else {
            let names = file.names();
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
            split.rows = file.rows()?;
        }
        let spec = ModelSpec::by_name(&metadata.model).map_err(|e| e.to_string())?;
        let samples = samples || (spec.signed && metadata.activation.is_some());
        let depth = metadata.layers.len();
        if depth == 0 {
            return Err("expected at least one layer, found none".into());
        }
        let w = (1..=depth).map(|l| file.matrix(&format!("W_{l}"), true)).collect::<Result<_, _>>()?;
        let h = file.matrix(&format!("H_{depth}"), samples)?;
        let has_hidden = depth > 1 && file.names().iter().any(|name| name == "H_1");
        let hidden = match has_hidden {
            true => (1..depth).map(|l| file.matrix(&format!("H_{l}"), samples)).collect::<Result<_, _>>()?,
            false => Vec::new(),
        };
        let (activation, activate) = (metadata.activation, metadata.activate);
        let model = Self { factors: Factors { w, h, hidden, activation, activate }, metadata };
        check(&model.factors, &model.metadata, if samples { model.metadata.n_samples } else { 0 })?;
        Ok(model)
    }

    /// Whether `x` (samples × features, preprocessed) are the samples that the model was trained on: H reconstructs them with
    /// the relative error of the training. The file does not contain the samples themselves.
    ///
    /// # Errors
    /// Whatever the source reports.
    pub fn is_of(&self, x: &mut dyn Source<f32>) -> Result<bool> {
        let m = &self.metadata;
        if x.shape() != (m.n_samples, self.factors.n_features()) {
            return Ok(false);
        }
        let error = relative_error(x, &self.factors, self.factors.h.view())?;
        // The final error was computed in f32.
        Ok((error - m.relative_error).abs() <= 1e-3 * m.relative_error + 1e-5)
    }
}

/// Writes a model, of which other ranks may have rows.
#[derive(Debug)]
pub struct Writer<'a> {
    model: &'a Model,
    others: &'a Others,
}

impl Writer<'_> {
    /// Writes the model to a file that was created before; to another one again, where that failed.
    ///
    /// # Errors
    /// [`Error::Format`] if factors and metadata do not fit each other; [`Error::Io`].
    pub fn write_to(&self, file: NewFile) -> Result<()> {
        let Model { factors: f, metadata } = self.model;
        let path = file.path();
        let failed = |e: &dyn std::fmt::Display| Error::format(path, format!("not written: {e}"));
        check(f, metadata, metadata.n_samples.saturating_sub(self.others.rows())).map_err(|found| failed(&found))?;
        let json = serde_json::to_string(metadata).map_err(|e| failed(&e))?;
        let of_w = f.w.iter().enumerate().map(|(l, w)| (format!("W_{}", l + 1), Tensor::Matrix(w)));
        // The last one is that of the last layer, whether the others are there or not.
        let layer = |number: usize| if number < f.hidden.len() { number + 1 } else { f.depth() };
        let of_h = self.model.samples().enumerate();
        let of_h = of_h.map(|(number, h)| (format!("H_{}", layer(number)), Tensor::Samples(h, self.others, number)));
        let mut tensors: Vec<_> = of_w.chain(of_h).collect();
        if let Some(split) = &metadata.split {
            tensors.push((ROWS.into(), Tensor::Rows(&split.rows)));
        }
        write(file, (KEY, &json), &tensors)
    }
}

fn values(rows: usize, columns: usize) -> u64 {
    (rows as u64).saturating_mul(columns as u64)
}
