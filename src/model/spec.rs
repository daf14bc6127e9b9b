//! The table of models. A model is a row of it; the code asks for its properties, never for its name.
//!
//! The models of Guo & Zhang minimise, for `x: n × m`, `h: n × k_L`, `w[l]: k_{l-1} × k_l` and `Psi = w[1] … w[L]`,
//!
//! ```text
//! f = ½‖X − H Psiᵀ‖² + ½ Σ_l mu_l Σ_j (Σ_i W_l[i,j])² + pen_H
//! pen_H = ½ lambda Σ_s (Σ_j H[s,j])²   (squared L1 norm of every sample)   or   ½ lambda ‖H‖²   (ridge)
//! ```
//!
//! The models they are compared with minimise the same without penalties on W and H, each with a solver of its own:
//!
//! | `--model` | constraint | penalty | solver | paper | command line |
//! |---|---|---|---|---|---|
//! | `dnmf` | W, H ≥ 0 | none | blocks by Nesterov's method or coordinate descent, then the whole chain | GZ sec. III, Algorithms 1 and 2 | `--model dnmf --layers 600,160` |
//! | `sdnmf-l` | W, H ≥ 0 | `mu_l` on every W | the same | the same | `--model sdnmf-l --layers 600,160 --mu 0.001` |
//! | `sdnmf-r` | W, H ≥ 0 | `lambda_l` on every H (squared L1) | the same | the same | `--model sdnmf-r --layers 600,160 --lambda 0.001` |
//! | `sdnmf-rl1` | W, H ≥ 0 | every W; the last H (squared L1) | the same | the same | `--model sdnmf-rl1 --layers 600,160` |
//! | `sdnmf-rl2` | W, H ≥ 0 | every W; the last H (ridge) | the same | the same | `--model sdnmf-rl2 --layers 600,160` |
//! | `nenmf` | W, H ≥ 0 | none | Nesterov blocks with one Lipschitz constant | Guan et al. 2012, Algorithms 1 and 2 | `--model nenmf --layers 160` |
//! | `nmf-mu` | W, H ≥ 0 | none | multiplicative updates | Lee & Seung 2001, (4) | `--model nmf-mu --layers 160` |
//! | `pgnmf` | W, H ≥ 0 | none | projected gradient, Lin's step rule | Lin 2007, Algorithm 4 | `--model pgnmf --layers 160` |
//! | `nsnmf` | W, H ≥ 0; X ≈ H S Wᵀ, S = (1 − θ)I + θ/k 11ᵀ | none | multiplicative updates | Pascual-Montano et al. 2006 | `--model nsnmf --layers 160 --theta 0.5` |
//! | `multilayer-nmf` | as `nsnmf`, H_l ≈ H_{l+1} S Wᵀ | none | `nsnmf` layer by layer, no fine-tuning | Song & Lee 2013 | `--model multilayer-nmf --layers 600,160` |
//! | `semi-nmf` | H ≥ 0; X, W of any sign | none | W by least squares, H multiplicatively | TR (5), Ding et al. 2010 | `--model semi-nmf --layers 160` |
//! | `deep-semi-nmf` | H ≥ 0; X, W_l of any sign | none | `semi-nmf` layer by layer, then the whole chain | TR (3) to (5), Algorithm 1 | `--model deep-semi-nmf --layers 600,160 --features igo` |
//! | the same with an activation | the same | none | `semi-nmf` layer by layer on g(H), then gradient steps, W_1 by least squares | TR (6) to (14) | `--model deep-semi-nmf --layers 600,160 --activation tanh` |
//! | `gnmf` | W, H ≥ 0 | `½ graph-lambda · tr(Hᵀ L H)` over a neighbour graph | multiplicative updates | Cai et al. 2011, (14) and (15) | `--model gnmf --layers 68 --neighbors 5 --graph heat` |
//!
//! GZ: Guo & Zhang 2017, *Sparse Deep Nonnegative Matrix Factorization*. TR: Trigeorgis et al. 2014, *A Deep Semi-NMF Model
//! for Learning Hidden Representations*; the sign in the numerator of its Algorithm 1 is a misprint, its (5) is right.
//! Formulas are in the layout of this crate, one row per sample. A model that differs in its numbers is one more row here; a
//! model with a solver of its own is a row with a new [`Method`] and one file in `src/train/baselines/`.

use super::{Activation, Init, Metric, Scaling, Solver};
use crate::{Error, Result};

/// The layers that a penalty applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layers {
    /// No layer.
    None,
    /// Only the last one.
    Last,
    /// Every layer.
    All,
}

impl Layers {
    /// Whether the penalty applies to layer `l` (from 0) of `depth`.
    pub fn contains(self, l: usize, depth: usize) -> bool {
        match self {
            Self::None => false,
            Self::Last => l + 1 == depth,
            Self::All => true,
        }
    }
}

/// The penalty on the coefficients of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HPenalty {
    /// `½ lambda Σ_s (Σ_j H[s,j])²`: sparse rows of H. Its Hessian is `lambda·11ᵀ`.
    SquaredL1,
    /// `½ lambda ‖H‖²`: small rows of H. Its Hessian is `lambda·I`.
    Ridge,
}

/// The method that fits a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Alternating convex blocks layer by layer, then over the whole chain: [`crate::train`].
    Blocks,
    /// Multiplicative updates, with or without smoothing, layer by layer.
    Multiplicative,
    /// Alternating projected gradients with Lin's step rule.
    ProjectedGradient,
    /// W by least squares and H multiplicatively, layer by layer, then over the whole chain.
    SemiNmf,
    /// Multiplicative updates with a penalty over a neighbour graph.
    Graph,
}

/// How many layers a model has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// One.
    One,
    /// One or more.
    Many,
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ModelSpec {
    /// As the command line spells it.
    pub name: &'static str,
    /// As the paper spells it.
    pub title: &'static str,
    /// The layers whose squared column sums of W are penalised.
    pub mu: Layers,
    /// The layers whose H is penalised.
    pub lambda: Layers,
    /// How H is penalised.
    pub h_penalty: HPenalty,
    /// The default scale-free penalty constant c of W.
    pub default_mu: f64,
    /// The default scale-free penalty constant c of H.
    pub default_lambda: f64,
    /// The method that fits it.
    pub method: Method,
    /// How many layers it has.
    pub depth: Depth,
    /// Whether X and the W_l may have negative entries; H never has.
    pub signed: bool,
    /// The default smoothing θ; None if the model has no smoothing.
    pub theta: Option<f64>,
    /// The default initialisation of every layer.
    pub init: Init,
    /// The default solver of its blocks, if it has blocks.
    pub solver: Solver,
    /// The default metric of its Nesterov steps, if it has them.
    pub metric: Metric,
    /// The default number of pre-training iterations per layer.
    pub pretrain: usize,
    /// The default number of sweeps; with one layer, of outer iterations.
    pub sweeps: usize,
    /// The default relative change of the objective at which it stops.
    pub tol: f64,
    /// The default features to cluster.
    pub features: Scaling,
    /// The default constant C of the ridge on the coefficients of new samples; linear models only.
    pub ridge: f64,
}

/// A model of Guo & Zhang.
const fn sparse(
    name: &'static str,
    title: &'static str,
    mu: Layers,
    lambda: Layers,
    h_penalty: HPenalty,
    default_lambda: f64,
) -> ModelSpec {
    ModelSpec {
        name,
        title,
        mu,
        lambda,
        h_penalty,
        default_mu: 0.001,
        default_lambda,
        method: Method::Blocks,
        depth: Depth::Many,
        signed: false,
        theta: None,
        init: Init::Nndsvd,
        solver: Solver::Auto,
        metric: Metric::Diagonal,
        pretrain: 20,
        sweeps: 40,
        tol: 1e-4,
        features: Scaling::ScaledUnit,
        ridge: 0.0,
    }
}

/// The ridge of models with components of both signs. These can cancel each other, and exact least squares of new samples
/// overfit by it. NMI of samples that were not trained on, Deep Semi-NMF, with a ridge of 0, .01, .03 and .1: PIE .872, .965,
/// .966, .957; ORL .855, .878, .905, .909; CMU Face Images .637, .677, .719, .768.
const RIDGE_OF_SIGNED: f64 = 0.03;

/// A model without penalties on W and H. Multiplicative updates are cheap but slow, so there are more of them; they keep
/// zeros, so the start has none.
const fn plain(name: &'static str, title: &'static str, method: Method, depth: Depth) -> ModelSpec {
    ModelSpec {
        method,
        depth,
        init: Init::Nndsvda,
        pretrain: 200,
        sweeps: 200,
        tol: 1e-5,
        // NMI on PIE: PgNMF .95, with `ScaledUnit` .93; Multi-layer NMF .94, with `ScaledUnit` .90. Components of both signs
        // cancel each other, so their lengths do not tell their share of a sample.
        features: Scaling::Unit,
        ..sparse(name, title, Layers::None, Layers::None, HPenalty::SquaredL1, 0.001)
    }
}

/// The models of Guo & Zhang 2017, then the models they are compared with.
pub const MODELS: &[ModelSpec] = &[
    sparse("dnmf", "DNMF", Layers::None, Layers::None, HPenalty::SquaredL1, 0.001),
    sparse("sdnmf-l", "SDNMF/L", Layers::All, Layers::None, HPenalty::SquaredL1, 0.001),
    sparse("sdnmf-r", "SDNMF/R", Layers::None, Layers::All, HPenalty::SquaredL1, 0.001),
    sparse("sdnmf-rl1", "SDNMF/RL1", Layers::All, Layers::Last, HPenalty::SquaredL1, 0.001),
    sparse("sdnmf-rl2", "SDNMF/RL2", Layers::All, Layers::Last, HPenalty::Ridge, 0.0001),
    ModelSpec {
        init: Init::Nndsvd,
        solver: Solver::Nesterov,
        metric: Metric::Plain,
        tol: 1e-4,
        // NMI on PIE: .97, with `Unit` .94.
        features: Scaling::ScaledUnit,
        ..plain("nenmf", "NeNMF", Method::Blocks, Depth::One)
    },
    plain("nmf-mu", "NMF", Method::Multiplicative, Depth::One),
    ModelSpec {
        init: Init::Nndsvd,
        sweeps: 100,
        tol: 1e-4,
        ..plain("pgnmf", "PgNMF", Method::ProjectedGradient, Depth::One)
    },
    ModelSpec { theta: Some(0.5), ..plain("nsnmf", "nsNMF", Method::Multiplicative, Depth::One) },
    ModelSpec { theta: Some(0.001), ..plain("multilayer-nmf", "Multi-layer NMF", Method::Multiplicative, Depth::Many) },
    // In these two models `Nesterov` means the papers' multiplicative update of H.
    ModelSpec {
        signed: true,
        init: Init::Svd,
        solver: Solver::Nesterov,
        ridge: RIDGE_OF_SIGNED,
        ..plain("semi-nmf", "Semi-NMF", Method::SemiNmf, Depth::One)
    },
    ModelSpec {
        signed: true,
        init: Init::Svd,
        solver: Solver::Nesterov,
        sweeps: 100,
        ridge: RIDGE_OF_SIGNED,
        ..plain("deep-semi-nmf", "Deep Semi-NMF", Method::SemiNmf, Depth::Many)
    },
    // The reasons are in `src/train/baselines/gnmf.rs`.
    ModelSpec { init: Init::Random, sweeps: 100, ..plain("gnmf", "GNMF", Method::Graph, Depth::One) },
];

impl ModelSpec {
    /// The default ridge on the coefficients of new samples: [`ModelSpec::ridge`], 0 with an activation.
    pub fn ridge_under(&self, activation: Option<Activation>) -> f64 {
        if activation.is_none() { self.ridge } else { 0.0 }
    }

    /// Checks a ridge on the coefficients of new samples.
    ///
    /// # Errors
    /// [`Error::Config`] for a ridge that is negative, not finite, or positive with an activation.
    pub fn check_ridge(&self, ridge: f64, activation: Option<Activation>) -> Result<()> {
        if !(ridge >= 0.0 && ridge.is_finite()) {
            return Err(Error::Config(format!("ridge: expected a number of at least 0, found {ridge}")));
        }
        match activation.filter(|_| ridge > 0.0) {
            Some(activation) => {
                Err(Error::Config(format!("ridge {ridge}: expected a linear model, found the activation {activation}")))
            }
            None => Ok(()),
        }
    }

    /// The row called `name`, the name or the title in upper or lower case.
    ///
    /// # Errors
    /// [`Error::Config`] with the names of all models.
    pub fn by_name(name: &str) -> Result<Self> {
        let found = MODELS.iter().find(|m| m.name.eq_ignore_ascii_case(name) || m.title.eq_ignore_ascii_case(name));
        found.copied().ok_or_else(|| {
            let names: Vec<_> = MODELS.iter().map(|m| m.name).collect();
            Error::Config(format!("no model is called `{name}`; there are {}", names.join(", ")))
        })
    }
}

impl std::str::FromStr for ModelSpec {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self> {
        Self::by_name(s)
    }
}
