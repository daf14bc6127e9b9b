//! Which method trains a layer, and which the whole chain.

use super::baselines::{deep_semi_nmf, gnmf, multiplicative, pgnmf, semi_nmf};
use super::layer::{Layer, Trained};
use super::pretrain::pretrain;
use super::{Config, Penalties, Progress, nonlinear};
use crate::Result;
use crate::backend::Backend;
use crate::model::Method;

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
        Method::Blocks => pretrain(b, v, w, h, layer, config, progress)?.into(),
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
            nonlinear::finetune(b, x, w, h, penalties, (config, activation), progress)
        }
        (Method::Blocks, None) => super::finetune::finetune(b, x, w, h, penalties, config, progress),
        (Method::SemiNmf, None) => deep_semi_nmf::finetune(b, x, w, h, config, progress),
        (Method::Multiplicative | Method::ProjectedGradient | Method::Graph, _) => Ok(Vec::new()),
    }
}
