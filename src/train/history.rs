//! What training reports, while it runs and afterwards.

use crate::backend::Storage;
use crate::model::{Factors, Solver};

/// The objective after every iteration, from the start of each stage on.
///
/// Of models whose W has any sign, and in the fine-tuning of those with an activation, it is from the residual itself, the least so
/// far. Elsewhere it comes from Gram matrices, `½‖X‖² − ⟨XΨ, H⟩ + ½⟨ΨᵀΨ, HᵀH⟩`.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct History {
    /// For each layer its own objective `½‖H_{l-1} − H_l W_lᵀ‖² + penalties`: at the start, then after every iteration; of the samples
    /// that it was trained on.
    pub pretrain: Vec<Vec<f64>>,
    /// The objective of the whole model: at the start, then after every sweep. Empty for one layer.
    pub finetune: Vec<f64>,
}

/// Wall seconds of the parts of a fit.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Seconds {
    /// Initialisation of all layers.
    pub init: f64,
    /// Pre-training of all layers, without their initialisation.
    pub pretrain: f64,
    /// Fine-tuning.
    pub finetune: f64,
    /// Everything from the upload of X to the download of the factors.
    pub total: f64,
}

/// The penalty constants as they stand in the objective, one per layer.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Penalties {
    /// Of the column sums of W_l.
    pub mu: Vec<f64>,
    /// Of H_l.
    pub lambda: Vec<f64>,
}

/// A fitted model.
#[derive(Debug, Clone)]
pub struct Fit<E> {
    /// The factors. Of several ranks each has all W, and the H of its own samples.
    pub factors: Factors<E>,
    /// The samples, of all ranks.
    pub n_samples: usize,
    /// The solver that was used: what [`Solver::Auto`] came to.
    pub solver: Solver,
    /// How X was stored: what [`Storage::Auto`] came to.
    pub x_storage: Storage,
    /// How many of the samples the layers were pre-trained on; None for all of them.
    pub pretrain_samples: Option<usize>,
    /// The penalty constants that were used.
    pub penalties: Penalties,
    /// The objective over time.
    pub history: History,
    /// The objective of these factors, from the residual itself.
    pub objective: f64,
    /// ‖X − H Psiᵀ‖/‖X‖ of these factors, from the residual itself.
    pub relative_error: f64,
    /// ‖X‖ of the samples.
    pub norm: f64,
    /// Where the time went.
    pub seconds: Seconds,
    /// What its user should know.
    pub warnings: Vec<Warning>,
}

/// The part of training that a [`Progress`] speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Initialisation of a layer (from 0).
    Init {
        /// The layer, from 0.
        layer: usize,
    },
    /// Pre-training of a layer.
    Pretrain {
        /// The layer, from 0.
        layer: usize,
    },
    /// Fine-tuning of all layers.
    Finetune,
    /// Solving for coefficients with the other factors fixed.
    Project,
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Init { layer } => write!(f, "init of layer {}", layer + 1),
            Self::Pretrain { layer } => write!(f, "pre-training of layer {}", layer + 1),
            Self::Finetune => write!(f, "fine-tuning"),
            Self::Project => write!(f, "projection"),
        }
    }
}

/// One report from a running fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Where it is.
    pub stage: Stage,
    /// Iterations done in this stage.
    pub done: usize,
    /// Iterations of this stage, at most.
    pub of: usize,
    /// The objective after them, NaN where the stage has none.
    pub objective: f64,
    /// The relative error after them, NaN where the stage has none.
    pub relative_error: f64,
}

/// Something odd about a finished fit. Its text says what was found and what may help.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Warning {
    /// Components of the last layer that are all zero: they explain nothing, in no sample.
    DeadComponents {
        /// The layer, from 1.
        layer: usize,
        /// How many of its components.
        dead: usize,
        /// How many it has.
        of: usize,
    },
    /// Components of a hidden layer that the layer above makes no use of.
    UnusedComponents {
        /// The layer, from 1.
        layer: usize,
        /// How many of its components.
        unused: usize,
        /// How many it has.
        of: usize,
    },
    /// Next to nothing of X is explained.
    NothingExplained {
        /// ‖X − H Psiᵀ‖/‖X‖.
        relative_error: f64,
    },
    /// [`Config::target_error`](super::Config::target_error) was not reached.
    TargetMissed {
        /// What was asked for.
        target: f64,
        /// ‖X − H Psiᵀ‖/‖X‖.
        relative_error: f64,
    },
    /// All iterations were used up, and the objective still changed by more than [`Config::tol`](super::Config::tol) in each of them.
    StillFalling {
        /// Iterations of the last stage.
        iterations: usize,
        /// The share of the objective by which an iteration lowered it, a mean over the last ones.
        change: f64,
        /// What would have ended it.
        tol: f64,
    },
    /// It was told to stop before its end.
    Stopped {
        /// The stage that was under way.
        stage: Stage,
        /// How many layers, the last ones, had one iteration only, from a random start.
        untrained: usize,
    },
    /// The device had no room for X, which was brought to it anew in every pass.
    Streamed {
        /// Rows of X that were there at a time, at most.
        rows: usize,
    },
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::DeadComponents { layer, dead, of } => write!(
                f,
                "{dead} of {of} components of layer {layer} are all zero; a smaller layer, lower penalties or another init \
                 (--init random) may help"
            ),
            Self::UnusedComponents { layer, unused, of } => write!(
                f,
                "{unused} of {of} components of layer {layer} are not used by the layer above; a smaller layer would do, or lower \
                 penalties use more of them"
            ),
            Self::NothingExplained { relative_error } => write!(
                f,
                "next to nothing is explained: the relative error is {:.2} %; lower the penalties, take more components or \
                 more sweeps",
                100.0 * relative_error
            ),
            Self::TargetMissed { target, relative_error } => write!(
                f,
                "the relative error is {:.2} %, above the target of {:.2} %; take more sweeps or more components",
                100.0 * relative_error,
                100.0 * target
            ),
            Self::StillFalling { iterations, change, tol } => write!(
                f,
                "not converged: after {iterations} iterations the objective still falls by {:.2} % in each (--tol {tol} was \
                 not met); more --sweeps lower the error further",
                100.0 * change
            ),
            Self::Stopped { stage, untrained } => {
                write!(f, "stopped in the {stage}, as asked: the factors are those of the last iteration")?;
                match untrained {
                    0 => Ok(()),
                    1 => f.write_str("; the last layer had one only, from a random start"),
                    n => write!(f, "; the last {n} layers had one only, from a random start"),
                }
            }
            Self::Streamed { rows } => write!(
                f,
                "the device had no room for all samples at once: they were brought to it anew in every pass, {rows} at a time; with \
                 more device memory, or smaller layers, it is faster"
            ),
        }
    }
}
