//! What happens to X between the file and the factorization.

use std::fmt;
use std::str::FromStr;

use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How values are scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Scale {
    /// Every sample to Euclidean length 1, as the papers do; a sample of zeros stays. Spelt `unit`.
    #[default]
    #[serde(rename = "unit")]
    UnitL2,
    /// Everything divided by the largest value of the training data. Spelt `max`.
    #[serde(rename = "max")]
    Max,
    /// As it is. Spelt `none`.
    #[serde(rename = "none")]
    None,
}

impl FromStr for Scale {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        match s {
            "unit" => Ok(Self::UnitL2),
            "max" => Ok(Self::Max),
            "none" => Ok(Self::None),
            _ => Err(Error::Config(format!("expected the scale unit, max or none, found `{s}`"))),
        }
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnitL2 => "unit",
            Self::Max => "max",
            Self::None => "none",
        })
    }
}

/// A scaling with what it learnt from the training data; kept with a model, so that new data is
/// treated the same.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Preprocess {
    /// The rule.
    pub scale: Scale,
    /// What values are divided by under [`Scale::Max`]: the training data's largest value; else 1.
    pub factor: f32,
}

impl Preprocess {
    /// Scales `x` (`samples × features`) in place, by what was learnt.
    pub fn apply(&self, x: &mut Array2<f32>) {
        match self.scale {
            Scale::None => {}
            Scale::Max => x.par_mapv_inplace(|v| v / self.factor),
            Scale::UnitL2 => x.axis_iter_mut(Axis(0)).into_par_iter().for_each(|mut sample| {
                let norm = sample.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
                if norm > 0.0 {
                    sample.mapv_inplace(|v| (f64::from(v) / norm) as f32);
                }
            }),
        }
    }
}

/// Scales `x` (`samples × features`) in place and returns what it did.
///
/// The largest value of [`Scale::Max`] is the largest magnitude; if there is none above zero, nothing
/// is divided.
pub fn preprocess(x: &mut Array2<f32>, scale: Scale) -> Preprocess {
    let largest = || x.iter().fold(0.0f32, |max, v| max.max(v.abs()));
    let factor = match scale {
        Scale::Max => Some(largest()).filter(|&max| max > 0.0).unwrap_or(1.0),
        Scale::UnitL2 | Scale::None => 1.0,
    };
    let done = Preprocess { scale, factor };
    done.apply(x);
    done
}

/// What [`validate_nonnegative`] noticed and let pass.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checked {
    /// Rows of nothing but zeros. They cannot be normalised, and their features are zero.
    pub zero_rows: Vec<usize>,
}

/// Checks that `x` (`samples × features`) can be factorized with nonnegative factors.
///
/// `names` are the samples' names, for messages; may be empty. `source` says where `x` is from.
///
/// # Errors
/// [`Error::Data`] if `x` is empty, holds NaN, infinite or negative values (the message says how many,
/// and where the first one is), or is zero everywhere.
pub fn validate_nonnegative(x: ArrayView2<'_, f32>, names: &[String], source: &str) -> Result<Checked> {
    if x.is_empty() {
        return Err(Error::Data(format!("{source}: expected samples, found {}×{} values", x.nrows(), x.ncols())));
    }
    let locate = |bad: fn(f32) -> bool, what: &str, consequence: &str| {
        let count = x.iter().filter(|&&v| bad(v)).count();
        let ((row, column), value) = x.indexed_iter().find(|&(_, &v)| bad(v))?;
        let name = names.get(row).filter(|n| **n != row.to_string()).map(|n| format!(" (`{n}`)")).unwrap_or_default();
        let plural = if count == 1 { "value is" } else { "values are" };
        Some(Error::Data(format!(
            "{source}: {count} {plural} {what}, the first {value} in row {row}{name}, column {column} (from 0); {consequence}"
        )))
    };
    let bad = locate(|v| !v.is_finite(), "not finite", "expected finite numbers")
        .or_else(|| locate(|v| v < 0.0, "negative", "a nonnegative factorization needs values of 0 or more"));
    if let Some(error) = bad {
        return Err(error);
    }
    let zero_rows: Vec<usize> =
        x.axis_iter(Axis(0)).enumerate().filter(|(_, row)| row.iter().all(|&v| v == 0.0)).map(|(i, _)| i).collect();
    if zero_rows.len() == x.nrows() {
        return Err(Error::Data(format!("{source}: all {} samples are zero everywhere", x.nrows())));
    }
    Ok(Checked { zero_rows })
}
