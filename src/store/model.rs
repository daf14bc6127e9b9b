//! Writing and reading a model file.

use std::path::Path;

use safetensors::SafeTensors;

use super::check::check;
use super::metadata::{FORMAT, Metadata};
use super::tensors::{ROWS, Tensor, matrix, not_safetensors, rows, write};
use crate::atomic::NewFile;
use crate::data::Preprocess;
use crate::model::Factors;
use crate::train::{Config, Fit, Source, relative_error};
use crate::{Error, Result};

pub(super) const KEY: &str = "deepnmf";

/// The content of a model file: factors and metadata.
#[derive(Debug, Clone)]
pub struct Model {
    /// The factors.
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
    /// As [`NewFile::create`] and [`Model::write_to`].
    pub fn save(&self, path: &Path) -> Result<()> {
        self.write_to(NewFile::create(path)?)
    }

    /// Writes the model to a file that was created before.
    ///
    /// # Errors
    /// [`Error::Format`] if factors and metadata do not fit each other; [`Error::Io`].
    pub fn write_to(&self, file: NewFile) -> Result<()> {
        let path = file.path();
        check(&self.factors, &self.metadata).map_err(|found| Error::format(path, format!("not written: {found}")))?;
        let failed = |e: &dyn std::fmt::Display| Error::format(path, format!("not written: {e}"));
        let json = serde_json::to_string(&self.metadata).map_err(|e| failed(&e))?;
        let f = &self.factors;
        let mut tensors: Vec<_> =
            f.w.iter().enumerate().map(|(l, w)| (format!("W_{}", l + 1), Tensor::Matrix(w))).collect();
        tensors.extend(f.hidden.iter().enumerate().map(|(l, h)| (format!("H_{}", l + 1), Tensor::Matrix(h))));
        tensors.push((format!("H_{}", f.depth()), Tensor::Matrix(&f.h)));
        if let Some(split) = &self.metadata.split {
            tensors.push((ROWS.into(), Tensor::Rows(&split.rows)));
        }
        write(file, (KEY, &json), &tensors)
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
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        Self::from_bytes(&bytes).map_err(|found| Error::format(path, found))
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        // Both calls compare the sizes in the header with the length of the file before they allocate memory.
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
        check(&model.factors, &model.metadata)?;
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

fn values(rows: usize, columns: usize) -> u64 {
    (rows as u64).saturating_mul(columns as u64)
}
