//! What a checkpoint says besides its matrices.

use super::identity::Identity;
use crate::backend::{Standing, Stopping};
use crate::train::state::Listed;
use crate::train::{Config, Penalties, Progress, Seconds, Stage};
use serde::{Deserialize, Serialize};

/// What a fit has come to at the beginning of a stage, but for its matrices.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(in crate::train) struct Course {
    /// [`History::pretrain`](super::History::pretrain).
    pub(in crate::train) history: Vec<Vec<f64>>,
    /// Of the layers that are trained. As they weigh against ‖X‖².
    pub(in crate::train) penalties: Penalties,
    /// What of the objective is neither residual nor one of these penalties.
    pub(in crate::train) graph_penalty: f64,
    /// Whether products were of halves.
    pub(in crate::train) halves: bool,
    /// The constants mu and lambda of the layer that the stage trains, as they weigh in it.
    pub(in crate::train) constants: (f64, f64),
    /// Seconds up to here.
    pub(in crate::train) seconds: Seconds,
}

/// A loop between two iterations, but for its [`State`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::train) struct LoopState {
    pub(in crate::train) history: Vec<f64>,
    /// The least objective so far, with its relative error where that is known.
    pub(in crate::train) least: (f64, Option<f64>),
    /// See [`Standing`].
    pub(in crate::train) before: Option<f64>,
    pub(in crate::train) small: u32,
    /// The objective of the last iteration.
    pub(in crate::train) last: f64,
    pub(in crate::train) over: bool,
}

impl LoopState {
    /// Before the first iteration, from `(objective, relative error)`; over where that meets the rule.
    pub(in crate::train) fn start((objective, relative_error): (f64, f64), stop: Stopping) -> Self {
        Self {
            history: vec![objective],
            least: (objective, Some(relative_error).filter(|e| e.is_finite())),
            before: Some(objective).filter(|f| f.is_finite()),
            small: 0,
            last: objective,
            over: stop.target_error.is_some_and(|target| relative_error <= target),
        }
    }

    /// Iterations that were made.
    pub(in crate::train) fn made(&self) -> usize {
        self.history.len() - 1
    }

    /// What is reported of the last one, in a loop of at most `of`.
    pub(in crate::train) fn progress(&self, (stage, of): (Stage, usize)) -> Progress {
        let (objective, relative_error) = (self.least.0, self.least.1.unwrap_or(f64::NAN));
        Progress { stage, done: self.made(), of, objective, relative_error }
    }

    pub(in crate::train) fn standing(&self) -> Standing {
        Standing { made: self.made(), before: self.before.unwrap_or(f64::NAN), small: self.small }
    }
}

/// What the file says besides the matrices.
#[derive(Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) identity: Identity,
    /// The most sweeps; a fit that goes on may make more.
    pub(super) sweeps: usize,
    pub(super) device: String,
    /// Seconds of the stage so far, and of the fit.
    pub(super) seconds: (f64, f64),
    /// The layer that is trained, from 0, or the number of layers in the fine-tuning.
    pub(super) stage: usize,
    pub(super) course: Course,
    pub(super) base: Listed,
    /// Of the loops of the stage that are over.
    pub(super) loops: Vec<Vec<f64>>,
    pub(super) here: LoopState,
    pub(super) state: Listed,
}

impl Header {
    /// Whether a fit of so many sweeps makes the iterations that were made.
    pub(super) fn is_of_sweeps(&self, config: &Config) -> bool {
        let of_sweeps = config.is_one_stage() || self.stage == config.layers.len();
        self.sweeps == config.sweeps || !of_sweeps || self.loops.is_empty() && self.least_sweeps() <= config.sweeps
    }

    /// Those of a stage of sweeps that were made; all of them, where the loops after the first follow from their number.
    pub(super) fn least_sweeps(&self) -> usize {
        if self.loops.is_empty() { self.here.made() } else { self.sweeps }
    }

    /// What no fit writes.
    pub(super) fn check(&self, depth: usize) -> Result<(), String> {
        let Course { history, penalties, .. } = &self.course;
        let lengths = [history.len(), penalties.mu.len(), penalties.lambda.len()];
        let empty = self.here.history.is_empty() || self.loops.iter().any(Vec::is_empty);
        match self.stage > depth || lengths != [self.stage; 3] || empty {
            true => Err(format!("expected a checkpoint of {depth} layers, found one of something else")),
            false => Ok(()),
        }
    }
}
