//! Checks of a model, before it is written and after it was read.

use super::metadata::Metadata;
use super::tensors::ROWS;
use crate::model::{Factors, ModelSpec};

/// Checks that factors and metadata fit each other; `rows` are those of H, of which other ranks may have more. The error says what
/// was expected and what was found.
pub(super) fn check(f: &Factors<f32>, m: &Metadata, rows: usize) -> Result<(), String> {
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
    if !m.feature_names.is_empty() {
        same("names of features", f.n_features(), m.feature_names.len())?;
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
        same(&format!("rows of H_{l} (samples)"), rows, h.nrows())?;
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
        return Err(format!("factor of the preprocessing: expected a positive number, found {}", m.preprocess.factor));
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
