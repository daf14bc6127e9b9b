//! What to fit and how.

use super::settings::{Balance, ElasticNet, Extrapolate, GraphConfig, Online, PenaltyScale};
use crate::backend::Storage;
use crate::model::spec::Layers;
use crate::model::{Activate, Activation, Depth, HPenalty, Init, Method, Metric, ModelSpec, Solver};
use crate::ranks::Ranks;
use crate::{Error, Result};
use std::path::PathBuf;

/// What to fit and how. [`Config::new`] has the defaults.
///
/// In serde's formats the model is its name.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The row of the table of models.
    #[serde(serialize_with = "name_of", deserialize_with = "by_name")]
    pub model: ModelSpec,
    /// `[k_1, …, k_L]`.
    pub layers: Vec<usize>,
    /// What stands between two layers; None for a linear model.
    pub activation: Option<Activation>,
    /// Which coefficients pass through it.
    pub activate: Activate,
    /// Penalty constants of W, one or one per layer; read as [`Config::penalty_scale`] says.
    pub mu: Vec<f64>,
    /// Penalty constants of H, one or one per layer.
    pub lambda: Vec<f64>,
    /// How `mu` and `lambda` are read.
    pub penalty_scale: PenaltyScale,
    /// Penalties per entry instead of these: of linear models of [`Method::Blocks`] that have one layer and no other penalty, with
    /// [`PenaltyScale::Absolute`].
    pub elastic_net: ElasticNet,
    /// How each layer starts.
    pub init: Init,
    /// Seeds whatever is random.
    pub seed: u64,
    /// Outer iterations of pre-training per layer, at most. A model of one layer takes [`Config::sweeps`].
    pub pretrain: usize,
    /// On how many samples the layers are pre-trained: drawn from all of them without replacement, with [`Config::seed`]. Then H_L of
    /// all samples is solved for under these W, and the fine-tuning is of all. More than there are: on all. None: on
    /// [`Config::PRETRAIN_SAMPLES`] at most where fine-tuning follows and no start is given, else on all. Not for one layer, nor for
    /// models that couple the samples. [`PenaltyScale::Absolute`] constants are the same for the part.
    pub pretrain_samples: Option<usize>,
    /// Sweeps of fine-tuning, at most.
    pub sweeps: usize,
    /// Whether sweeps are [`Online`]. Of linear models of [`Method::Blocks`], which then are pre-trained also where they have one layer.
    pub online: Option<Online>,
    /// How blocks are solved.
    pub solver: Solver,
    /// How X is stored on the device.
    pub x_storage: Storage,
    /// Whether X is read in every pass over the samples instead of being held: for more samples than memory has room for.
    /// [`Storage::Auto`] is then as f32. Not for models that couple the samples ([`Config::couples_samples`]).
    #[serde(skip)]
    pub stream: bool,
    /// Rows of X that are on the device at a time, at most; None: as it likes. With it the part of a pre-training is streamed too.
    #[serde(skip)]
    pub max_shard_rows: Option<usize>,
    /// The folder of a scratch file that H is in while it is fitted, instead of in memory; None: in memory. Not for models that
    /// couple the samples.
    #[serde(skip)]
    pub scratch: Option<PathBuf>,
    /// The ranks that make the fit together, each with [`Config::own_rows`]; None: this process alone. For models whose samples only
    /// meet in sums, and whose blocks are solved for ([`Method::Blocks`]); not online.
    #[serde(skip)]
    pub ranks: Option<Ranks>,
    /// Nesterov steps per block.
    pub inner: usize,
    /// Visits of every coordinate per block of coordinate descent; None: as the shapes say, see [`Config::passes_of`].
    /// The W blocks of a fine-tuning sweep, which are one for every layer, take half as many.
    pub passes: Option<usize>,
    /// Between which iterations the factors are extrapolated (Ang & Gillis 2019); never where entries have penalties.
    pub extrapolate: Extrapolate,
    /// Training stops when the relative change of the objective per iteration is at most this; 0: never.
    pub tol: f64,
    /// Training stops as soon as ‖X − H Psiᵀ‖/‖X‖ is at most this.
    pub target_error: Option<f64>,
    /// The metric of the steps.
    pub metric: Metric,
    /// Whether the momentum restarts when it points uphill (O'Donoghue & Candès 2015, gradient scheme).
    pub restart: bool,
    /// Which scale freedoms are taken out.
    pub balance: Balance,
    /// The smoothing θ of [`Method::Multiplicative`], in [0, 1).
    pub theta: f64,
    /// The neighbour graph of [`Method::Graph`].
    pub graph: GraphConfig,
    /// Whether the coefficients of the hidden layers are solved for at the end.
    pub hidden: bool,
    /// The ridge on the coefficients of new samples, [`Projection::ridge`](super::Projection::ridge); it belongs to the model's
    /// file, not to its training. None: [`ModelSpec::ridge_under`].
    pub ridge: Option<f64>,
    /// Power iterations per Lipschitz bound. The bound holds after any number; more make it tighter.
    pub power_iterations: usize,
}

fn name_of<S: serde::Serializer>(model: &ModelSpec, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(model.name)
}

fn by_name<'de, D: serde::Deserializer<'de>>(from: D) -> Result<ModelSpec, D::Error> {
    let name: String = serde::Deserialize::deserialize(from)?;
    ModelSpec::by_name(&name).map_err(serde::de::Error::custom)
}

impl Config {
    /// The defaults for `model` with `layers`.
    pub fn new(model: ModelSpec, layers: impl Into<Vec<usize>>) -> Self {
        Self {
            model,
            layers: layers.into(),
            activation: None,
            activate: Activate::Hidden,
            mu: vec![model.default_mu],
            lambda: vec![model.default_lambda],
            penalty_scale: PenaltyScale::ScaleFree,
            elastic_net: ElasticNet::default(),
            init: model.init,
            seed: 0,
            pretrain: model.pretrain,
            pretrain_samples: None,
            sweeps: model.sweeps,
            online: None,
            solver: model.solver,
            x_storage: Storage::Auto,
            stream: false,
            max_shard_rows: None,
            scratch: None,
            ranks: None,
            inner: 30,
            passes: None,
            extrapolate: Extrapolate::All,
            tol: model.tol,
            target_error: None,
            metric: model.metric,
            restart: false,
            balance: Balance { layers: true, penalties: true, lengths: true },
            theta: model.theta.unwrap_or(0.0),
            graph: GraphConfig::default(),
            hidden: false,
            ridge: None,
            power_iterations: 12,
        }
    }

    /// Up to here a set is pre-trained on as a whole, by default; or up to the size of the largest layer.
    pub const PRETRAIN_SAMPLES: usize = 65_536;

    /// On how many of `n` samples the layers are pre-trained; None for all of them.
    pub fn pretrained_on(&self, n: usize) -> Option<usize> {
        let default = self.fine_tunes() && !self.couples_samples();
        let default = default.then(|| Self::PRETRAIN_SAMPLES.max(self.largest_layer()));
        self.pretrain_samples.or(default).filter(|&part| part < n)
    }

    /// [`Config::solver`]; where that is open, `fastest` of the device, and coordinate descent on any device where no block has rows
    /// that something couples: one layer without a penalty on the columns of W. It then takes .2 to .8 of the time of
    /// Nesterov's method from 40 components on, and as long with fewer (on an H200: Fashion-MNIST, PIE).
    pub fn solver_on(&self, fastest: Solver) -> Solver {
        let uncoupled = || {
            self.is_one_stage()
                && self.model.method == Method::Blocks
                && self.model.mu == Layers::None
                && self.activation.is_none()
        };
        match self.solver {
            Solver::Auto if uncoupled() => Solver::Cd,
            Solver::Auto => fastest,
            chosen => chosen,
        }
    }

    /// Whether the training of one layer is all there is.
    pub(crate) fn is_one_stage(&self) -> bool {
        self.layers.len() == 1 && self.online.is_none()
    }

    /// The most rows of a shard of X on a device that takes so many.
    pub(crate) fn shard_rows(&self, of_device: usize) -> usize {
        [self.max_shard_rows, self.online.map(|online| online.batch)].into_iter().flatten().fold(of_device, usize::min)
    }

    /// Whether all layers are trained together after their pre-training.
    pub(crate) fn fine_tunes(&self) -> bool {
        !self.is_one_stage() && self.sweeps > 0 && matches!(self.model.method, Method::Blocks | Method::SemiNmf)
    }

    /// Whether the coefficients of the hidden layers are kept from the pre-training on.
    pub(crate) fn keeps_hidden(&self) -> bool {
        self.hidden && self.activation.is_none()
    }

    fn largest_layer(&self) -> usize {
        self.layers.iter().copied().max().unwrap_or(0)
    }

    /// [`Config::ridge`], or the model's.
    pub fn projection_ridge(&self) -> f64 {
        self.ridge.unwrap_or_else(|| self.model.ridge_under(self.activation))
    }

    /// Whether an iteration needs all samples at once, otherwise than as a sum over them: for a neighbour graph, and for line
    /// searches whose one step is that of all samples. Then X is one matrix.
    pub fn couples_samples(&self) -> bool {
        matches!(self.model.method, Method::Graph | Method::ProjectedGradient) || self.activation.is_some()
    }

    /// Which setting couples the samples, where one does ([`Config::couples_samples`]); for messages.
    pub fn coupled(&self) -> Option<String> {
        let with = self.activation.map_or(String::new(), |activation| format!(" with the activation {activation}"));
        self.couples_samples().then(|| format!("{}{with} couples all samples", self.model.name))
    }

    /// Checks everything that can be checked without data.
    pub fn validate(&self) -> Result<()> {
        let wrong = |message: String| Err(Error::Config(message));
        if self.layers.is_empty() || self.layers.contains(&0) {
            return wrong(format!("layers must be positive numbers, found {:?}", self.layers));
        }
        match self.activation {
            Some(activation) if self.layers.len() == 1 => {
                return wrong(format!(
                    "activation {activation}: expected at least two layers to stand between, found one"
                ));
            }
            None if self.activate == Activate::All => {
                return wrong("activate all: expected an activation, found none".into());
            }
            _ => {}
        }
        self.validate_method()?;
        self.validate_elastic_net()?;
        let coupled = self.coupled();
        if let Some(why) = coupled.as_ref().filter(|_| self.scratch.is_some()) {
            return wrong(format!("{why}: H has to be in memory, it cannot be in a scratch file"));
        }
        if let Some(why) = coupled.as_ref().filter(|_| self.stream) {
            return wrong(format!("{why}: X has to be held, it cannot be streamed"));
        }
        if let Some(Online { batch, forget }) = self.online {
            let blocks = self.model.method == Method::Blocks;
            let other = || (!blocks).then(|| format!("{} does not solve for W from sums", self.model.name));
            if let Some(why) = coupled.clone().or_else(other) {
                return wrong(format!("{why}: it cannot be trained online"));
            }
            if batch == 0 || !(forget > 0.0 && forget <= 1.0) {
                return wrong(format!(
                    "online: expected a batch of at least 1 and to forget by (0, 1], found {batch} and {forget}"
                ));
            }
        }
        if let Some(part) = self.pretrain_samples.filter(|&part| part < usize::MAX) {
            let (one, largest) = (self.is_one_stage(), self.largest_layer());
            if let Some(why) = one.then(|| "a model of one layer has no pre-training".into()).or(coupled.clone()) {
                return wrong(format!("{why}: it is trained on all samples, expected no number for the pre-training"));
            }
            if part < largest {
                return wrong(format!(
                    "samples of the pre-training: expected at least as many as the largest layer has components, {largest}, found {part}"
                ));
            }
        }
        self.validate_ranks()?;
        self.model.check_ridge(self.projection_ridge(), self.activation)?;
        for (name, values) in [("mu", &self.mu), ("lambda", &self.lambda)] {
            self.one_per_layer(name, values)?;
            if let Some(v) = values.iter().find(|v| !v.is_finite() || **v < 0.0) {
                return wrong(format!("{name}: expected a number of at least 0, found {v}"));
            }
        }
        if [self.inner, self.passes.unwrap_or(1), self.power_iterations].contains(&0) {
            return wrong("inner steps, passes and power iterations must be at least 1".into());
        }
        if !(self.tol >= 0.0 && self.tol < 1.0) {
            return wrong(format!("tol: expected a number in [0, 1), found {}", self.tol));
        }
        if let Some(e) = self.target_error
            && !(e > 0.0 && e < 1.0)
        {
            return wrong(format!("target error: expected a number between 0 and 1, found {e}"));
        }
        Ok(())
    }

    /// What the other models than those of blocks ask for.
    fn validate_method(&self) -> Result<()> {
        let (model, layers) = (&self.model, &self.layers);
        let wrong = |message: String| Err(Error::Config(format!("{}: {message}", model.name)));
        if model.depth == Depth::One && layers.len() > 1 {
            return wrong(format!("expected one layer, found {}", layers.len()));
        }
        // In the linear chain the coefficients under a layer narrower than the last one have no full rank, and its W no
        // unique update.
        if let (Method::SemiNmf, None, Some(last)) = (model.method, self.activation, layers.last())
            && let Some(narrow) = layers.iter().find(|k| *k < last)
        {
            return wrong(format!("expected no layer to be smaller than the last one ({last}), found one of {narrow}"));
        }
        if self.init == Init::Svd && !model.signed {
            return wrong("the init svd makes negative W, and this model has none".into());
        }
        if !(0.0..1.0).contains(&self.theta) {
            return wrong(format!("theta: expected a number in [0, 1), found {}", self.theta));
        }
        if self.graph.neighbors == 0 || !(self.graph.lambda >= 0.0 && self.graph.lambda.is_finite()) {
            let GraphConfig { neighbors, lambda, .. } = self.graph;
            return wrong(format!(
                "expected at least 1 neighbor and a graph constant of at least 0, found {neighbors} and {lambda}"
            ));
        }
        Ok(())
    }

    /// The [`Config::extrapolate`] of a fit: penalised entries that are extrapolated are zero too soon, and stay so.
    pub fn extrapolated(&self) -> Extrapolate {
        if self.elastic_net.is_none() { self.extrapolate } else { Extrapolate::None }
    }

    fn validate_elastic_net(&self) -> Result<()> {
        let ElasticNet { w, h } = self.elastic_net;
        let wrong = |found: String| Err(Error::Config(format!("elastic net: {found}")));
        if let Some(v) = [w.l1, w.l2, h.l1, h.l2].iter().find(|v| !v.is_finite() || **v < 0.0) {
            return wrong(format!("expected numbers of at least 0, found {v}"));
        }
        let (model, plain) = (&self.model, self.model.mu == Layers::None && self.model.lambda == Layers::None);
        if self.elastic_net.is_none()
            || self.penalty_scale == PenaltyScale::Absolute
                && plain
                && self.is_one_stage()
                && model.method == Method::Blocks
        {
            return Ok(());
        }
        wrong(format!(
            "expected absolute penalties, one layer, all samples at once, and a model of blocks without other penalties; found {} of {} \
             layers",
            model.name,
            self.layers.len()
        ))
    }

    /// How H is penalised.
    pub fn h_penalty(&self) -> HPenalty {
        if self.elastic_net.is_none() { self.model.h_penalty } else { HPenalty::Ridge }
    }

    /// [`Config::passes`] over a block of rows of k, whose right side is a product of inner size `inner`. Where they are left
    /// open, a quarter of what that product costs is spent on them: `1 + inner/(4k)`, rounded, from 2 to 6 (after Gillis
    /// & Glineur 2012, *Accelerated multiplicative updates and hierarchical ALS algorithms*, section 4.2). One where entries have
    /// penalties: the more of a block is solved for at once, the more components such penalties leave at zero, and a
    /// component that is zero in W and in H stays so.
    pub fn passes_of(&self, inner: usize, k: usize) -> usize {
        let open = || inner.saturating_add(k.saturating_mul(2)) / k.max(1).saturating_mul(4);
        let chosen = || if self.elastic_net.is_none() { open().clamp(1, 5) + 1 } else { 1 };
        self.passes.unwrap_or_else(chosen)
    }

    /// The constant of W on layer `l` (from 0), 0 where the model has none.
    ///
    /// # Errors
    /// [`Error::Config`] for a layer that there is not, and where there are neither one constant nor one for each layer.
    pub fn mu_of(&self, l: usize) -> Result<f64> {
        self.of_layer("mu", &self.mu, self.model.mu, l)
    }

    /// The constant of [`Config::h_penalty`] on layer `l` (from 0), 0 where the model has none.
    ///
    /// # Errors
    /// As [`Config::mu_of`].
    pub fn lambda_of(&self, l: usize) -> Result<f64> {
        let of_model = self.of_layer("lambda", &self.lambda, self.model.lambda, l)?;
        Ok(of_model + self.elastic_net.h.l2)
    }

    fn of_layer(&self, name: &str, values: &[f64], on: Layers, l: usize) -> Result<f64> {
        let depth = self.layers.len();
        if l >= depth {
            return Err(Error::Config(format!("{name}: expected a layer below {depth}, from 0, found {l}")));
        }
        self.one_per_layer(name, values)?;
        Ok(if on.contains(l, depth) { values[l.min(values.len() - 1)] } else { 0.0 })
    }

    /// One value for all layers or one for each.
    fn one_per_layer(&self, name: &str, values: &[f64]) -> Result<()> {
        let (depth, found) = (self.layers.len(), values.len());
        if found == 1 || found == depth && depth > 0 {
            return Ok(());
        }
        let message = format!("{name}: expected one value or one for each of the {depth} layers, found {found}");
        Err(Error::Config(message))
    }
}
