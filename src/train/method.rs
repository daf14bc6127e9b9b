//! Which method trains a layer, and which the whole chain.

use super::baselines::{deep_semi_nmf, gnmf, multiplicative, pgnmf, semi_nmf};
use super::layer::{Layer, Trained};
use super::pretrain::pretrain;
use super::samples::{Samples, Shards};
use super::watch::Watch;
use super::{Config, Penalties, nonlinear, online};
use crate::Result;
use crate::backend::Backend;
use crate::model::Method;

/// Trains one layer, `V ≈ H Wᵀ`, from and into `w: m × k` and `h: n × k`, by the method of the model; `vv = ‖V‖²`.
pub(crate) fn train_layer<B: Backend>(
    b: &mut B,
    (v, vv): (&mut dyn Shards<B>, f64),
    w: &mut B::Matrix,
    h: &mut Samples<B>,
    layer: &Layer,
    config: &Config,
    watch: &mut Watch<'_>,
) -> Result<Trained> {
    Ok(match config.model.method {
        Method::Blocks => pretrain(b, (v, vv), w, h, layer, config, watch)?.into(),
        Method::Multiplicative => multiplicative::train(b, (v, vv), w, h, layer, config, watch)?.into(),
        Method::ProjectedGradient => pgnmf::train(b, (v.whole()?, vv), w, h.whole_mut()?, layer, config, watch)?.into(),
        Method::SemiNmf => semi_nmf::train(b, (v, vv), w, h, layer, config, watch)?.into(),
        Method::Graph => gnmf::train(b, (v.whole()?, vv), w, h.whole_mut()?, layer, config, watch)?,
    })
}

/// Trains all layers together, by the method of the model; nothing where it has no such stage. `xx = ‖X‖²`.
pub(crate) fn finetune<B: Backend>(
    b: &mut B,
    (x, xx): (&mut dyn Shards<B>, f64),
    w: &mut [B::Matrix],
    h: &mut Samples<B>,
    penalties: &Penalties,
    config: &Config,
    watch: &mut Watch<'_>,
) -> Result<Vec<f64>> {
    match (config.model.method, config.activation) {
        (Method::Blocks | Method::SemiNmf, Some(activation)) => {
            nonlinear::finetune(b, (x.whole()?, xx), w, h, penalties, (config, activation), watch)
        }
        (Method::Blocks, None) if config.online.is_some() => {
            online::finetune(b, (x, xx), w, h, penalties, config, watch)
        }
        (Method::Blocks, None) => super::finetune::finetune(b, (x, xx), w, h, penalties, config, watch),
        (Method::SemiNmf, None) => deep_semi_nmf::finetune(b, (x, xx), w, h, config, watch),
        (Method::Multiplicative | Method::ProjectedGradient | Method::Graph, _) => Ok(Vec::new()),
    }
}
