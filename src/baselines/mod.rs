//! The models that the papers compare theirs with, one file for each way to fit one; all on the same backend, in the same
//! [`fit`](crate::train::fit): start, layers, fine-tuning, score, history, stopping and progress are not theirs.
//!
//! | file | models |
//! |---|---|
//! | `multiplicative.rs` | NMF by multiplicative updates, nsNMF, Multi-layer NMF |
//! | `pgnmf.rs` | PgNMF |
//! | `semi_nmf.rs`, `deep_semi_nmf.rs`, with `pseudo_inverse.rs` | Semi-NMF, Deep Semi-NMF |
//! | `gnmf.rs` with `graph.rs` | GNMF |
//!
//! With an activation the layers of Deep Semi-NMF are trained together by `train/nonlinear.rs`. NeNMF is a row of the table: DNMF with one layer and one step size.

mod deep_semi_nmf;
mod gnmf;
mod graph;
mod multiplicative;
mod pgnmf;
mod pseudo_inverse;
mod semi_nmf;

pub(crate) use semi_nmf::unit_components;

use crate::Result;
use crate::backend::Backend;
use crate::model::Method;
use crate::train::{self, Config, Layer, Penalties, Progress, Stage, Stopping};

/// What came of training a layer.
pub(crate) struct Trained {
    /// The layer's own objective over time.
    pub(crate) history: Vec<f64>,
    /// What of the last one is neither residual nor a penalty of [`Penalties`].
    pub(crate) graph_penalty: f64,
}

impl From<Vec<f64>> for Trained {
    fn from(history: Vec<f64>) -> Self {
        Self { history, graph_penalty: 0.0 }
    }
}

/// Trains one layer, `V ≈ H Wᵀ`, from and into `w: m × k` and `h: n × k`, by the method of the model; `vv = ‖V‖²`.
pub(crate) fn train_layer<B: Backend>(
    b: &mut B,
    v: (&B::Matrix, f64),
    w: &mut B::Matrix,
    h: &mut B::Matrix,
    layer: &Layer,
    config: &Config,
    progress: &mut dyn FnMut(&Progress),
) -> Result<Trained> {
    Ok(match config.model.method {
        Method::Blocks => train::pretrain(b, v, w, h, layer, config, progress)?.into(),
        Method::Multiplicative => multiplicative::train(b, v, w, h, layer, config, progress)?.into(),
        Method::ProjectedGradient => pgnmf::train(b, v, w, h, layer, config, progress)?.into(),
        Method::SemiNmf => semi_nmf::train(b, v, w, h, layer, config, progress)?.into(),
        Method::Graph => gnmf::train(b, v, w, h, layer, config, progress)?,
    })
}

/// Trains all layers together, by the method of the model; nothing where it has no such stage. `xx = ‖X‖²`.
pub(crate) fn finetune<B: Backend>(
    b: &mut B,
    x: (&B::Matrix, f64),
    w: &mut [B::Matrix],
    h: &mut B::Matrix,
    penalties: &Penalties,
    config: &Config,
    progress: &mut dyn FnMut(&Progress),
) -> Result<Vec<f64>> {
    match (config.model.method, config.activation) {
        (Method::Blocks | Method::SemiNmf, Some(activation)) => {
            train::finetune_nonlinear(b, x, w, h, penalties, (config, activation), progress)
        }
        (Method::Blocks, None) => train::finetune(b, x, w, h, penalties, config, progress),
        (Method::SemiNmf, None) => deep_semi_nmf::finetune(b, x, w, h, config, progress),
        (Method::Multiplicative | Method::ProjectedGradient | Method::Graph, _) => Ok(Vec::new()),
    }
}

/// The stage of a layer, its iterations, and when it ends before them.
fn stage_of(layer: &Layer, config: &Config) -> ((Stage, usize), Stopping) {
    let one_layer = config.layers.len() == 1;
    let stop = Stopping::new(config.tol, config.target_error.filter(|_| one_layer));
    ((Stage::Pretrain { layer: layer.index }, layer.iterations), stop)
}
