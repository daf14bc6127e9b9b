//! Features and scaling: what is done to X between the file and the factorization.

use std::fmt;

use ndarray::{Array2, ArrayView1, Axis};
use pulp::Arch;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::check::Look;
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
    /// Before anything is learnt from samples.
    pub(super) fn new(scale: Scale, igo: Option<ImageShape>) -> Self {
        Self { scale, factor: 1.0, igo }
    }

    /// [`Preprocess::new`] for these features of images of this shape.
    pub(super) fn of_features(scale: Scale, features: Features, shape: Option<ImageShape>) -> Result<Self> {
        let igo = match features {
            Features::Values => None,
            Features::Igo => Some(shape.ok_or_else(|| {
                Error::Data("gradient orientations need images: expected the shape of an image, found none".into())
            })?),
        };
        Ok(Self::new(scale, igo))
    }

    /// Learns from all features what they are divided by; refuses gradient orientations where there are none.
    pub(super) fn learn(&mut self, look: &Look) -> Result<()> {
        if self.igo.is_some() && look.largest == 0.0 {
            let message = "expected images with gradients, found only images of one shade: they have no gradient orientations; \
                           factorize their values (--features values)";
            return Err(Error::Data(message.into()));
        }
        self.learn_factor(look);
        Ok(())
    }

    fn learn_factor(&mut self, look: &Look) {
        if self.scale == Scale::Max {
            self.factor = if look.largest > 0.0 { look.largest } else { 1.0 };
        }
    }

    /// Whether samples have to be looked at before they can be preprocessed.
    pub(super) fn learns(&self) -> bool {
        self.scale == Scale::Max || self.igo.is_some()
    }

    /// [`Preprocess::apply`], after [`Preprocess::learn`]; returns how many samples have no feature but zeros, if it looked.
    pub(super) fn learn_and_apply(&mut self, x: &mut Array2<f32>) -> Result<Option<usize>> {
        self.take_features(x)?;
        let look = self.learns().then(|| Look::at(x.view()));
        look.iter().try_for_each(|look| self.learn(look))?;
        self.rescale(x);
        Ok(look.map(|look| look.zero_rows.len()))
    }

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
        x.axis_iter_mut(Axis(0)).into_par_iter().for_each(|mut sample| match sample.as_slice_mut() {
            Some(sample) => self.rescale_sample(sample),
            None => {
                let mut values = sample.to_vec();
                self.rescale_sample(&mut values);
                sample.assign(&ArrayView1::from(&values));
            }
        });
    }

    /// Scales the features of a sample.
    pub(super) fn rescale_sample(&self, sample: &mut [f32]) {
        match self.scale {
            Scale::None => {}
            Scale::Max => sample.iter_mut().for_each(|v| *v /= self.factor),
            Scale::UnitL2 => Arch::new().dispatch(
                #[inline(always)]
                || to_norm_one(sample),
            ),
        }
    }
}

/// Divides numbers by their Euclidean norm, unless that is 0.
#[inline(always)]
fn to_norm_one(sample: &mut [f32]) {
    const LANES: usize = 16;
    let (whole, rest) = sample.as_chunks::<LANES>();
    let mut sums = [0.0f64; LANES];
    for chunk in whole {
        sums.iter_mut().zip(chunk).for_each(|(sum, &v)| *sum += f64::from(v) * f64::from(v));
    }
    let squares = sums.iter().sum::<f64>() + rest.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>();
    if squares > 0.0 {
        let inverse = 1.0 / squares.sqrt();
        sample.iter_mut().for_each(|v| *v = (f64::from(*v) * inverse) as f32);
    }
}

/// Scales `x` (`samples × features`) in place; returns how, for new samples.
///
/// [`Scale::Max`] divides by the largest magnitude; data of zeros stay.
pub fn preprocess(x: &mut Array2<f32>, scale: Scale) -> Preprocess {
    let mut done = Preprocess::new(scale, None);
    done.learn_factor(&Look::at(x.view()));
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
    let mut done = Preprocess::of_features(scale, features, shape)?;
    done.learn_and_apply(x)?;
    Ok(done)
}

/// Replaces negative values by 0.
pub(super) fn clip_negative(x: &mut Array2<f32>) {
    x.par_mapv_inplace(|v| if v < 0.0 { 0.0 } else { v });
}
