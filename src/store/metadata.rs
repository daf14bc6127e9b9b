//! The metadata of a model file.

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::data::{ImageShape, LoadOptions, Preprocess};
use crate::element::Element;
use crate::model::{Activate, Activation, HPenalty, Init, Method, Metric, ModelSpec, Solver};
use crate::train::{
    Balance, Config, ElasticNet, Extrapolate, Fit, GraphConfig, History, Online, Penalties, PenaltyScale, Projection,
    Seconds,
};

/// The version of the layout of model files; it rises when older programs can no longer read them.
pub const FORMAT: u64 = 1;

/// How a model was trained: [`Config`] without the model itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// The initialisation of every layer.
    pub init: Init,
    /// The seed of the random numbers.
    pub seed: u64,
    /// The most iterations of pre-training per layer.
    pub pretrain: usize,
    /// How many of the samples the layers were pre-trained on; None for all of them.
    #[serde(default)]
    pub pretrain_samples: Option<usize>,
    /// The most sweeps of fine-tuning.
    pub sweeps: usize,
    /// Whether and how sweeps were online.
    #[serde(default)]
    pub online: Option<Online>,
    /// The solver of the blocks: for `auto`, the one that was chosen.
    pub solver: Solver,
    /// Nesterov steps per block.
    pub inner: usize,
    /// Passes of coordinate descent per block; None: chosen by shape, see [`Config::passes_of`].
    pub passes: Option<usize>,
    /// The iterations between which the factors were extrapolated.
    #[serde(deserialize_with = "extrapolate")]
    pub extrapolate: Extrapolate,
    /// The relative change of the objective at which training stops.
    pub tol: f64,
    /// The relative error at which training stops.
    pub target_error: Option<f64>,
    /// The metric of the steps.
    pub metric: Metric,
    /// Whether the momentum restarted.
    pub restart: bool,
    /// The scale freedoms that were removed.
    pub balance: Balance,
    /// Power iterations per Lipschitz bound.
    pub power_iterations: usize,
    /// The smoothing of the model, if it has one; the stored W_l are then W_l S.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub theta: Option<f64>,
    /// The neighbour graph of the model, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graph: Option<GraphConfig>,
    /// How `mu` and `lambda` were read.
    pub penalty_scale: PenaltyScale,
    /// Penalties per entry, where there are any.
    #[serde(default, skip_serializing_if = "ElasticNet::is_none")]
    pub elastic_net: ElasticNet,
    /// The penalty constants of W in the configuration.
    pub mu: Vec<f64>,
    /// The penalty constants of H in the configuration.
    pub lambda: Vec<f64>,
}

/// Files of earlier versions have true (the pre-training was extrapolated) or false (nothing was).
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
            pretrain_samples: c.pretrain_samples,
            sweeps: c.sweeps,
            online: c.online,
            solver: c.solver,
            inner: c.inner,
            passes: c.passes,
            extrapolate: c.extrapolated(),
            tol: c.tol,
            target_error: c.target_error,
            metric: c.metric,
            restart: c.restart,
            balance: c.balance,
            power_iterations: c.power_iterations,
            theta: c.model.theta.map(|_| c.theta),
            graph: (c.model.method == Method::Graph).then_some(c.graph),
            penalty_scale: c.penalty_scale,
            elastic_net: c.elastic_net,
            mu: c.mu.clone(),
            lambda: c.lambda.clone(),
        }
    }
}

/// Which samples of a labelled set were trained on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// The number of training samples of every class.
    pub per_class: usize,
    /// The seed of the draw.
    pub seed: u64,
    /// The number of all training samples.
    pub train: usize,
    /// The number of test samples.
    pub test: usize,
    /// The rows of the training samples in the whole set, ascending.
    #[serde(skip)]
    pub rows: Vec<u32>,
}

impl Split {
    /// The training and the test rows of a set of `samples` samples, each ascending; None if the split is of a set of another
    /// size.
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

/// What a model file says about its factors and their training.
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
    /// The activation between two layers; missing in files of versions without nonlinear models.
    #[serde(default)]
    pub activation: Option<Activation>,
    /// Which coefficients passed through g.
    #[serde(default)]
    pub activate: Activate,
    /// The number of samples of H.
    pub n_samples: usize,
    /// The penalty constants in the objective.
    pub penalties: Penalties,
    /// How H is penalised.
    pub h_penalty: HPenalty,
    /// The constant C of the ridge on the coefficients of new samples; missing in files of versions without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ridge: Option<f64>,
    /// The options that the samples were read with. New samples are read with those that apply to their format.
    #[serde(default)]
    pub reading: LoadOptions,
    /// The features and the scaling of the samples; new samples need the same.
    pub preprocess: Preprocess,
    /// The image shape of a sample; None if unknown.
    pub image_shape: Option<ImageShape>,
    /// The name of every feature; empty if they have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub feature_names: Vec<String>,
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
    /// The time that the parts of the fit took.
    pub seconds: Seconds,
    /// The training samples, if only a part of a set was trained on.
    pub split: Option<Split>,
    /// The names of the classes; empty without labels.
    pub classes: Vec<String>,
    /// The class of every row of H, None for a row without a label; None without labels.
    pub labels: Option<Vec<Option<usize>>>,
}

impl Metadata {
    /// Of a `fit` with `config` on samples after `preprocess`, on `device`; as [`Model::new`](super::Model::new).
    pub fn of<E: Element>(config: &Config, fit: &Fit<E>, preprocess: Preprocess, device: String) -> Self {
        Self {
            format: FORMAT,
            crate_version: env!("CARGO_PKG_VERSION").into(),
            model: config.model.name.into(),
            layers: fit.factors.layer_sizes(),
            activation: fit.factors.activation,
            activate: fit.factors.activate,
            n_samples: fit.n_samples,
            penalties: fit.penalties.clone(),
            h_penalty: config.h_penalty(),
            ridge: Some(config.projection_ridge()),
            reading: LoadOptions::default(),
            preprocess,
            image_shape: None,
            feature_names: Vec::new(),
            training: Training { solver: fit.solver, pretrain_samples: fit.pretrain_samples, ..config.into() },
            history: fit.history.clone(),
            objective: fit.objective,
            relative_error: fit.relative_error,
            device,
            seconds: fit.seconds,
            split: None,
            classes: Vec::new(),
            labels: None,
        }
    }

    /// How new samples are projected on every layer: with `ridge`, else with that of the file, else with the default of the model.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for a model that there is not, and as [`ModelSpec::check_ridge`].
    pub fn projections(&self, ridge: Option<f64>) -> Result<Vec<Projection>> {
        let spec = ModelSpec::by_name(&self.model)?;
        let ridge = ridge.or(self.ridge).unwrap_or_else(|| spec.ridge_under(self.activation));
        spec.check_ridge(ridge, self.activation)?;
        let mut all = Projection::of_layers(self.h_penalty, spec.signed, ridge, &self.penalties.lambda);
        all.iter_mut().for_each(|how| how.l1 = self.training.elastic_net.h.l1);
        Ok(all)
    }
}
