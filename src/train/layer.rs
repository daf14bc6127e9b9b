//! One layer, and what came of training it.

use super::config::Config;
use super::history::Stage;
use crate::backend::Stopping;
use ndarray::Array2;

/// The first W (m × k) and H (n × k) of every layer, instead of those that [`Config::init`] would make.
pub type Start<E> = Vec<(Array2<E>, Array2<E>)>;

/// One layer: `V ≈ H Wᵀ` with its penalties.
pub(crate) struct Layer {
    /// From 0.
    pub(crate) index: usize,
    /// Outer iterations, at most.
    pub(crate) iterations: usize,
    pub(crate) mu: f64,
    pub(crate) lambda: f64,
}

/// What came of training a layer.
pub(crate) struct Trained {
    /// The layer's own objective over time.
    pub(crate) history: Vec<f64>,
    /// What of the last one is neither residual nor a penalty of [`Penalties`](super::Penalties).
    pub(crate) graph_penalty: f64,
}

impl From<Vec<f64>> for Trained {
    fn from(history: Vec<f64>) -> Self {
        Self { history, graph_penalty: 0.0 }
    }
}

/// The stage of a layer, its iterations, and when it ends before them.
pub(crate) fn stage_of(layer: &Layer, config: &Config) -> ((Stage, usize), Stopping) {
    let one_layer = config.is_one_stage();
    let stop = Stopping::new(config.tol, config.target_error.filter(|_| one_layer));
    ((Stage::Pretrain { layer: layer.index }, layer.iterations), stop)
}
