//! Features and scaling: what is done to X between the file and the factorization.

use std::fmt;

use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{ImageShape, igo};
use crate::{Error, Result};

/// How values are scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Scale {
    /// Every sample to Euclidean length 1, as in the papers; samples of zeros stay. Spelt `unit`.
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

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnitL2 => "unit",
            Self::Max => "max",
            Self::None => "none",
        })
    }
}

/// Which features of an image are factorized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Features {
    /// Its values.
    #[default]
    Values,
    /// The directions of its gradients, as cosines and sines: twice as many numbers, of both signs.
    Igo,
}

/// The features and the scaling of the training data; kept with a model, so that new samples are treated the same.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Preprocess {
    /// How values are scaled.
    pub scale: Scale,
    /// Under [`Scale::Max`] the number that values are divided by: the largest magnitude of the training data. Else 1.
    pub factor: f32,
    /// The image shape for [`Features::Igo`], which are computed before the scaling; None: [`Features::Values`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub igo: Option<ImageShape>,
}

impl Preprocess {
    /// The number of features per value of a sample: 2 for [`Features::Igo`], else 1.
    pub fn features_per_value(&self) -> usize {
        if self.igo.is_some() { 2 } else { 1 }
    }

    /// Replaces new samples `x` (`samples × values`) by their scaled features.
    ///
    /// # Errors
    /// [`Error::Shape`] if the samples are not of the shape that [`Preprocess::igo`] needs.
    pub fn apply(&self, x: &mut Array2<f32>) -> Result<()> {
        self.take_features(x)?;
        self.rescale(x);
        Ok(())
    }

    fn take_features(&self, x: &mut Array2<f32>) -> Result<()> {
        if let Some(shape) = self.igo {
            shape.check(x.ncols())?;
            *x = igo::orientations(x, shape);
        }
        Ok(())
    }

    fn rescale(&self, x: &mut Array2<f32>) {
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

/// Scales `x` (`samples × features`) in place; returns how, for new samples.
///
/// [`Scale::Max`] divides by the largest magnitude; data of zeros stay.
pub fn preprocess(x: &mut Array2<f32>, scale: Scale) -> Preprocess {
    let mut done = Preprocess { scale, factor: 1.0, igo: None };
    done.learn(x);
    done.rescale(x);
    done
}

/// Replaces `x` (`samples × values`) by its scaled features (`samples × features`); returns how, for new samples.
///
/// # Errors
/// [`Error::Data`] if the features need the shape of an image and there is none, or if no image has a gradient;
/// [`Error::Shape`] if the shape does not fit.
pub fn preprocess_features(
    x: &mut Array2<f32>,
    scale: Scale,
    features: Features,
    shape: Option<ImageShape>,
) -> Result<Preprocess> {
    let igo = match features {
        Features::Values => return Ok(preprocess(x, scale)),
        Features::Igo => Some(shape.ok_or_else(|| {
            Error::Data("gradient orientations need images: expected the shape of an image, found none".into())
        })?),
    };
    let mut done = Preprocess { scale, factor: 1.0, igo };
    done.take_features(x)?;
    if x.iter().all(|&v| v == 0.0) {
        let message = "expected images with gradients, found only images of one shade: they have no gradient orientations; \
                       factorize their values (--features values)";
        return Err(Error::Data(message.into()));
    }
    done.learn(x);
    done.rescale(x);
    Ok(done)
}

impl Preprocess {
    fn learn(&mut self, features: &Array2<f32>) {
        if self.scale == Scale::Max {
            let largest = features.iter().fold(0.0f32, |max, v| max.max(v.abs()));
            self.factor = if largest > 0.0 { largest } else { 1.0 };
        }
    }
}

/// What [`validate_finite`] and [`validate_nonnegative`] report without refusing it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checked {
    /// The rows that are all zero. They cannot be normalised, and their coefficients are zero.
    pub zero_rows: Vec<usize>,
}

/// Checks that `x` (`samples × features`) can be factorized with nonnegative factors.
///
/// `names` are the samples' names, or empty, and `source` the origin of `x`; both for messages.
///
/// # Errors
/// [`Error::Data`] if `x` is empty, holds NaN, infinite or negative values (the message says how many,
/// and where the first one is), or is zero everywhere.
pub fn validate_nonnegative(x: ArrayView2<'_, f32>, names: &[String], source: &str) -> Result<Checked> {
    let checked = validate_finite(x, names, source)?;
    let consequence = "a nonnegative factorization needs values of 0 or more; --clip-negative makes them 0";
    located((x, names, source), |v| v < 0.0, "negative", consequence).map_or(Ok(checked), Err)
}

/// Checks that `x` (`samples × features`) can be factorized with factors of any sign; as [`validate_nonnegative`], but
/// values may be negative.
///
/// # Errors
/// [`Error::Data`].
pub fn validate_finite(x: ArrayView2<'_, f32>, names: &[String], source: &str) -> Result<Checked> {
    if x.is_empty() {
        return Err(Error::Data(format!("{source}: expected samples, found {}×{} values", x.nrows(), x.ncols())));
    }
    if let Some(error) = located((x, names, source), |v| !v.is_finite(), "not finite", "expected finite numbers") {
        return Err(error);
    }
    let zero_rows: Vec<usize> =
        x.axis_iter(Axis(0)).enumerate().filter(|(_, row)| row.iter().all(|&v| v == 0.0)).map(|(i, _)| i).collect();
    if zero_rows.len() == x.nrows() {
        return Err(Error::Data(format!("{source}: all {} samples are zero everywhere", x.nrows())));
    }
    Ok(Checked { zero_rows })
}

/// An error with the number of bad values and the place of the first one; None if there are none.
fn located(
    (x, names, source): (ArrayView2<'_, f32>, &[String], &str),
    bad: fn(f32) -> bool,
    what: &str,
    consequence: &str,
) -> Option<Error> {
    let count = x.iter().filter(|&&v| bad(v)).count();
    let ((row, column), value) = x.indexed_iter().find(|&(_, &v)| bad(v))?;
    let name = names.get(row).map(|n| format!(" (`{n}`)")).unwrap_or_default();
    let plural = if count == 1 { "value is" } else { "values are" };
    Some(Error::Data(format!(
        "{source}: {count} {plural} {what}, the first {value} in row {row}{name}, column {column} (from 0); {consequence}"
    )))
}
