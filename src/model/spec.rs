//! The table of models. A model is a row, never a code path.
//!
//! All five minimise, for `x: n × m`, `h: n × k_L`, `w[l]: k_{l-1} × k_l` and `Psi = w[1] … w[L]`,
//!
//! ```text
//! f = ½‖X − H Psiᵀ‖² + ½ Σ_l mu_l Σ_j (Σ_i W_l[i,j])² + pen_H
//! pen_H = ½ lambda Σ_s (Σ_j H[s,j])²   (squared L1 norm of every sample)   or   ½ lambda ‖H‖²   (ridge)
//! ```
//!
//! Guo & Zhang 2017, *Sparse Deep Nonnegative Matrix Factorization*, section III, in the row layout of this crate.

use crate::{Error, Result};

/// The layers on which a penalty stands.
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
    /// Whether the penalty stands on layer `l` (from 0) of `depth`.
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

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ModelSpec {
    /// As the command line spells it.
    pub name: &'static str,
    /// As the paper spells it.
    pub title: &'static str,
    /// Where the squared column sums of W are penalised.
    pub mu: Layers,
    /// Where H is penalised.
    pub lambda: Layers,
    /// How H is penalised.
    pub h_penalty: HPenalty,
    /// The scale-free penalty constant c of W that is used when none is given.
    pub default_mu: f64,
    /// The scale-free penalty constant c of H that is used when none is given.
    pub default_lambda: f64,
}

const fn row(
    name: &'static str,
    title: &'static str,
    mu: Layers,
    lambda: Layers,
    h_penalty: HPenalty,
    default_lambda: f64,
) -> ModelSpec {
    ModelSpec { name, title, mu, lambda, h_penalty, default_mu: 0.01, default_lambda }
}

/// The models of Guo & Zhang 2017.
pub const MODELS: &[ModelSpec] = &[
    row("dnmf", "DNMF", Layers::None, Layers::None, HPenalty::SquaredL1, 0.01),
    row("sdnmf-l", "SDNMF/L", Layers::All, Layers::None, HPenalty::SquaredL1, 0.01),
    row("sdnmf-r", "SDNMF/R", Layers::None, Layers::All, HPenalty::SquaredL1, 0.01),
    row("sdnmf-rl1", "SDNMF/RL1", Layers::All, Layers::Last, HPenalty::SquaredL1, 0.01),
    row("sdnmf-rl2", "SDNMF/RL2", Layers::All, Layers::Last, HPenalty::Ridge, 0.001),
];

impl ModelSpec {
    /// The row called `name`, or [`Error::Config`] with the names there are.
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
