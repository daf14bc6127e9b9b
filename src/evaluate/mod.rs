//! How good a representation is: features, their clusters, and how well these agree with known classes.
//!
//! [`features()`] turns coefficients into features, [`Engine::kmeans`](crate::Engine::kmeans) clusters them on the device,
//! [`score`] compares clusters with classes by the scores of [`Contingency`], [`zeros`] and [`hoyer_columns`] measure how
//! sparse a factor is, [`Recovery`] how many known parts are among the components.
//!
//! ```
//! use deepnmf::{DeviceRequest, Engine, evaluate, model::ModelSpec, train::Config};
//!
//! # fn main() -> deepnmf::Result<()> {
//! let x = ndarray::array![[1.0, 0.1, 0.0], [0.1, 1.0, 1.1], [2.0, 0.1, 0.2], [0.0, 0.5, 0.6]];
//! let mut engine = Engine::open(&DeviceRequest::Cpu)?;
//! let fit = engine.fit(x.view(), &Config::new(ModelSpec::by_name("sdnmf-l")?, [2]), &mut deepnmf::train::silent)?;
//! let features = evaluate::features(fit.factors.h.view(), &fit.factors, 1, evaluate::Scaling::ScaledUnit)?;
//! let runs = engine.kmeans(features.view(), &evaluate::KMeans::new(2))?;
//! let scores = evaluate::score(&runs, &[0, 1, 0, 1])?;
//! assert_eq!(evaluate::Statistic::of(scores.iter().map(|s| s.nmi)).mean, 1.0);
//! # Ok(())
//! # }
//! ```

mod features;
mod kmeans;
mod metrics;
mod recovery;
mod sparsity;

pub use crate::model::Scaling;
pub use features::features;
pub(crate) use kmeans::kmeans;
pub use kmeans::{Clustering, KMeans};
pub use metrics::{Contingency, METRICS, Score, Scores};
pub use recovery::Recovery;
pub use sparsity::{hoyer_columns, zeros};

use crate::Result;

/// The scores of every clustering in `runs`; `classes` has the class of every sample.
///
/// # Errors
/// As [`Contingency::new`].
pub fn score(runs: &[Clustering], classes: &[usize]) -> Result<Vec<Scores>> {
    runs.iter().map(|run| Ok(Contingency::new(classes, &run.of)?.scores())).collect()
}

/// The number of distinct classes in `of`, the class of every sample.
pub fn count_classes(of: &[usize]) -> usize {
    of.iter().collect::<std::collections::BTreeSet<_>>().len()
}

/// Mean and spread of a score over runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Statistic {
    /// The mean.
    pub mean: f64,
    /// The standard deviation with n − 1 in the denominator; 0 for one value.
    pub sd: f64,
}

impl Statistic {
    /// Mean and standard deviation of `values`; NaN without values.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.into_iter().collect();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let sd = match values.len() {
            1 => 0.0,
            _ => (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt(),
        };
        Self { mean, sd }
    }
}
