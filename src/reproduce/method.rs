//! Methods: a model with its settings, and the coefficients that are clustered.

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::data::Features;
use crate::evaluate::Scaling;
use crate::model::spec::Layers;
use crate::model::{self, Activate, Activation, ModelSpec};
use crate::store::Training;
use crate::train::{Config, Solver};

/// Pre-training iterations per layer of models that are fine-tuned. With more of them, sparse models cluster held-out faces
/// better: the NMI on PIE is .982 with 20 iterations, .989 with 60, .991 with 100. Deep Semi-NMF gains nothing from more.
const PRETRAIN: usize = 60;

/// A model with its settings.
#[derive(Debug, Clone)]
pub(super) struct Method {
    /// The title of the model.
    pub(super) title: String,
    /// The variant: `linear`, `Square1`, `c = 0.01` …
    pub(super) variant: String,
    pub(super) config: Config,
    pub(super) features: Features,
    pub(super) scaling: Scaling,
}

/// All that an outcome depends on, except the samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Settings {
    model: String,
    layers: Vec<usize>,
    activation: Option<Activation>,
    activate: Activate,
    training: Training,
    features: Features,
    scaling: Scaling,
    ridge: f64,
}

impl Method {
    /// The model called `name`, linear, with the settings for the papers' experiments.
    pub(super) fn new(name: &str, layers: impl Into<Vec<usize>>) -> Result<Self> {
        let mut config = Config::new(ModelSpec::by_name(name)?, layers);
        let fine_tuned = matches!(config.model.method, model::Method::Blocks | model::Method::SemiNmf);
        if fine_tuned && config.layers.len() > 1 {
            config.pretrain = PRETRAIN;
        }
        Ok(Self {
            title: config.model.title.into(),
            variant: "linear".into(),
            scaling: config.model.features,
            config,
            features: Features::Values,
        })
    }

    /// The same with an activation.
    pub(super) fn nonlinear(mut self, variant: &str, activation: Activation, activate: Activate) -> Self {
        (self.config.activation, self.config.activate) = (Some(activation), activate);
        self.variant = variant.into();
        self
    }

    pub(super) fn square1(self) -> Self {
        self.nonlinear("Square1", Activation::Root, Activate::Hidden)
    }

    pub(super) fn square2(self) -> Self {
        self.nonlinear("Square2", Activation::Root, Activate::All)
    }

    /// The same with a penalty constant of W.
    pub(super) fn penalised(mut self, c: f64) -> Self {
        self.config.mu = vec![c];
        self.variant(format!("c = {c}"))
    }

    /// The same on gradient orientations.
    pub(super) fn igo(mut self) -> Self {
        self.features = Features::Igo;
        self.variant("IGO")
    }

    /// The same with another name of the variant.
    pub(super) fn variant(mut self, variant: impl Into<String>) -> Self {
        self.variant = variant.into();
        self
    }

    /// Title and variant, such as `SDNMF/L, Square1`; `linear` is left out.
    pub(super) fn name(&self) -> String {
        if self.is_linear() { self.title.clone() } else { format!("{}, {}", self.title, self.variant) }
    }

    pub(super) fn is_linear(&self) -> bool {
        self.variant == "linear"
    }

    pub(super) fn settings(&self) -> Settings {
        Settings {
            model: self.config.model.name.into(),
            layers: self.config.layers.clone(),
            activation: self.config.activation,
            activate: self.config.activate,
            training: (&self.config).into(),
            features: self.features,
            scaling: self.scaling,
            ridge: self.config.projection_ridge(),
        }
    }

    /// The sizes of its layers.
    pub(super) fn layers(&self, between: &str) -> String {
        self.config.layers.iter().map(ToString::to_string).collect::<Vec<_>>().join(between)
    }

    /// The same with another seed.
    pub(super) fn seeded(mut self, seed: u64) -> Self {
        self.config.seed = seed;
        self
    }

    /// The columns of [`Method::said`].
    pub(super) const SAID: [&str; 11] = [
        "method",
        "layers",
        "factorized",
        "activation",
        "penalty constants",
        "start",
        "pre-training, per layer",
        "fine-tuning",
        "stops at",
        "solver",
        "clustered",
    ];

    /// The settings that belong to a table of scores.
    pub(super) fn said(&self) -> Vec<String> {
        let c = &self.config;
        let deep = c.layers.len() > 1;
        let fine_tuned = matches!(c.model.method, model::Method::Blocks | model::Method::SemiNmf);
        let iterations = |n: usize, made: bool| if made { n.to_string() } else { "–".into() };
        let solver = match (c.model.method, c.solver) {
            (model::Method::Blocks | model::Method::SemiNmf, Solver::Cd) => "coordinate descent",
            (model::Method::Blocks, _) => "Nesterov",
            _ => "the model's own",
        };
        let activation = match (c.activation, c.activate) {
            (None, _) => "linear".into(),
            (Some(activation), Activate::Hidden) => activation.to_string(),
            (Some(activation), Activate::All) => format!("{activation}, also of what is clustered"),
        };
        let texts = |values: &[f64]| values.iter().map(f64::to_string).collect::<Vec<_>>().join("/");
        let of =
            |name: &str, on: Layers, values: &[f64]| (on != Layers::None).then(|| format!("{name} {}", texts(values)));
        let penalties: Vec<_> =
            [of("W", c.model.mu, &c.mu), of("H", c.model.lambda, &c.lambda)].into_iter().flatten().collect();
        vec![
            self.name(),
            self.layers(" → "),
            if self.features == Features::Igo { "gradient orientations" } else { "values" }.into(),
            activation,
            if penalties.is_empty() { "–".into() } else { penalties.join(", ") },
            spelt(&c.init),
            iterations(c.pretrain, deep),
            iterations(c.sweeps, !deep || fine_tuned),
            format!("{:e}", c.tol),
            solver.into(),
            format!("{} features", spelt(&self.scaling)),
        ]
    }

    /// The settings of the fit, without those of the features.
    pub(super) fn settings_of_fit(&self) -> Settings {
        Settings { activate: Activate::Hidden, scaling: Scaling::Raw, ..self.settings() }
    }
}

/// The name on the command line.
fn spelt(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}
