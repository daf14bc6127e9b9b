//! Learning from samples as they come: the W of a model follows after every batch, and what it remembers is sums.

use super::block::{BlockSolver, HBlock};
use super::cut::Cut;
use super::finetune::{Chain, Sums, grow_psi};
use super::online::{SOLVES, follow};
use super::samples::{Samples, hold};
use super::unit::Unit;
use super::watch::Watch;
use super::{Config, Penalties, Progress, Shards as _, Stage};
use crate::backend::{Backend, Element, MatMul, Rows, Sum, Write};
use crate::model::{Factors, Method};
use crate::{Error, Result};
use ndarray::Array2;
use std::ops::ControlFlow;

/// The samples that a model has seen, as far as it remembers them. After a fit: XᵀH and HᵀH of its samples, 1 and their ‖X‖².
#[derive(Debug, Clone)]
pub struct Memory<E> {
    /// `Σ X_sᵀH_s` (features × k_L), older ones weighing less.
    pub c: Array2<E>,
    /// `Σ H_sᵀH_s` (k_L × k_L), the same.
    pub s: Array2<E>,
    /// As which share of those samples these weigh.
    pub weight: f64,
    /// ‖X‖² of the samples that the penalty constants of W are of.
    pub squared_norm: f64,
}

/// Changes the W of `factors` after every batch of `x` (samples × features), by [`Config::online`], and adds to `memory`; the H of
/// `factors` become the coefficients of x under the W at the end. The penalty constants are those of the fit, as they stand in its
/// objective ([`Fit::penalties`](super::Fit::penalties)).
///
/// # Errors
/// [`Error::Config`] for a model that is not trained online, and for factors or a memory of other shapes; as
/// [`fit_samples`](super::fit_samples) for the samples.
pub fn learn<'x, B: Backend>(
    b: &mut B,
    x: impl Into<Rows<'x, B::Elem>>,
    config: &Config,
    penalties: &Penalties,
    (factors, memory): (&mut Factors<B::Elem>, &mut Memory<B::Elem>),
    progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<()> {
    let mut x = x.into();
    let ((n, m), depth) = (x.dim(), factors.depth());
    let config = &super::fit::of_device(b, config);
    let online =
        config.online.ok_or_else(|| Error::Config("learning from batches: expected online training".into()))?;
    config.validate()?;
    if config.model.method != Method::Blocks || !config.elastic_net.is_none() {
        return Err(Error::Config(format!("{} does not learn from batches", config.model.name)));
    }
    let ranks = factors.layer_sizes();
    let k = ranks.last().copied().unwrap_or(0);
    let shapes = [factors.n_features() == m, memory.c.dim() == (m, k), memory.s.dim() == (k, k)];
    if ranks != config.layers
        || penalties.mu.len() != depth
        || penalties.lambda.len() != depth
        || shapes.contains(&false)
    {
        let found = format!("{ranks:?} components of {} features, sums of {:?}", factors.n_features(), memory.c.dim());
        let message =
            format!("expected {:?} components of {m} features, and sums of as many, found {found}", config.layers);
        return Err(Error::Config(message));
    }
    if !(memory.squared_norm > 0.0 && memory.squared_norm.is_finite() && memory.weight.is_finite()) {
        return Err(Error::Config(format!("expected a positive ‖X‖² to remember, found {}", memory.squared_norm)));
    }
    let unit = Unit::of_samples(&mut x, config.model.signed)?;
    let squared = unit.squared();
    let scaled = |m: &Array2<B::Elem>, by: f64| m.mapv(|v| B::Elem::of(v.f64() * by));
    let mu = penalties.mu.iter().map(|mu| mu / squared).collect();
    let penalties = Penalties { mu, lambda: penalties.lambda.clone() };

    let cut = Cut::new(n, config.shard_rows(b.shard_rows(m)));
    let (mut x, _) = hold(b, &mut x, unit, config.x_storage, cut)?;
    let mut w = factors.w.iter().map(|w| b.upload(w.view())).collect::<Result<Vec<_>>>()?;
    let mut h = Samples::zeros(b, cut, k)?;
    let sums = (scaled(&memory.c, 1.0 / squared), scaled(&memory.s, 1.0 / squared));
    let mut sums = Sums::<B> { c: b.upload(sums.0.view())?, s: b.upload(sums.1.view())? };
    let (kind, lambda) = (config.model.h_penalty, penalties.lambda[depth - 1]);
    let mut h_block = HBlock::new(b, cut, k, (kind, lambda, 0.0), BlockSolver::of(config, m, k))?;
    let mut chain = Chain::of_layers(b, m, &ranks, &penalties, config)?;
    for (l, w) in w.iter().enumerate() {
        grow_psi(b, w, &mut chain, l)?;
    }
    let forgets = b.upload(Array2::from_elem((1, 1), B::Elem::of(online.forget)).view())?;
    let (mut of_shard, mut square, mut watch) = (b.zeros(k, k)?, b.scalars(1)?, Watch::new(progress));
    let batches = cut.shards().count();
    // Once to learn, and once for the coefficients under what was learnt.
    for learns in [true, false] {
        h_block.set_gram(b, &chain[depth - 1].psi)?;
        h_block.prepare(b)?;
        x.pass(b, &mut |b, s, x| {
            if learns && watch.stopped {
                return Ok(());
            }
            let h = h.at(b, s.index)?;
            h_block.set_rhs(b, x, &chain[depth - 1].psi)?;
            (0..SOLVES).try_for_each(|_| h_block.solve(b, h))?;
            if !learns {
                return Ok(());
            }
            b.product(MatMul::TN, h, h, Write::Replace, &mut of_shard)?;
            b.sum(Sum::Dot(x, x), &mut square, 0)?;
            let share = squared * b.read(&square)?[0] / memory.squared_norm;
            if share > 0.0 {
                let (of_batch, weight) = ((x, &*h, &of_shard, share), (&mut memory.weight, 0.0));
                follow(b, (&mut w, &mut chain, &mut sums), of_batch, &penalties.mu, (online.forget, &forgets), weight)?;
            }
            h_block.set_gram(b, &chain[depth - 1].psi)?;
            h_block.prepare(b)?;
            watch.report(&Progress { done: s.index + 1, of: batches, ..Progress::of(Stage::Finetune) });
            Ok(())
        })?;
    }
    memory.c = scaled(&b.download(&sums.c)?, squared);
    memory.s = scaled(&b.download(&sums.s)?, squared);
    factors.w = w.iter().map(|w| b.download(w)).collect::<Result<_>>()?;
    factors.h = h.into_host(b)?;
    unit.multiply(&mut factors.h)
}
