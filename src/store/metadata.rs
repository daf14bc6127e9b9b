//! What a model file says about its factors.

use serde::{Deserialize, Serialize};

use crate::data::{ImageShape, LoadOptions, Preprocess};
use crate::model::{Activate, Activation, HPenalty, Init, Method, Metric, Solver};
use crate::train::{Balance, Config, Extrapolate, GraphConfig, History, Penalties, PenaltyScale, Seconds};

/// The version of the layout of a model file; raised when older programs could no longer read it.
pub const FORMAT: u64 = 1;

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
