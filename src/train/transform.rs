//! Coefficients of new samples under the components of a model.

use super::Progress;
use super::cut::Cut;
use super::nonlinear::layers::project_layers;
use super::project::{Projection, project};
use super::samples::{Samples, Streamed, hold};
use super::shared::machine;
use super::source::{Source, squares};
use super::unit::Unit;
use super::watch::Watch;
use crate::backend::{Apply, Backend, Element, Rows, Storage};
use crate::model::{Activation, Factors};
use crate::ranks::Ranks;
use crate::{Error, Result};
use crc32fast::Hasher;
use ndarray::{Array2, ArrayView2};
use serde_json::json;
use std::ops::ControlFlow;

/// Coefficients of samples under fixed components.
#[derive(Debug, Clone)]
pub struct Projected<E> {
    /// `samples × k`.
    pub h: Array2<E>,
    /// ‖X − H Psiᵀ‖/‖X‖, with an activation that of the nonlinear reconstruction.
    pub relative_error: f64,
    /// Passes of coordinate descent, or steps, that were made.
    pub steps: usize,
}

/// The coefficients of `x` (samples × features) on layer `layer` (from 1) of a model, as it was trained on: of a linear
/// model by nonnegative least squares on the components of that layer, from H = 0; of a nonlinear one layer by layer and then by
/// the error of the whole, and those of the last layer through g where the model's own were ([`Factors::of_last`]). `how` has
/// one entry per layer.
///
/// # Errors
/// [`Error::Shape`] where x and the model differ in features, [`Error::Data`] for values that are not finite, or negative where
/// that is not allowed; [`Error::Config`] for a layer that there is not; [`Error::Interrupted`] where `progress` says not to go on.
pub fn transform<'x, B: Backend>(
    b: &mut B,
    x: impl Into<Rows<'x, B::Elem>>,
    factors: &Factors<B::Elem>,
    layer: usize,
    how: &[Projection],
    progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Projected<B::Elem>> {
    let depth = factors.depth();
    if layer == 0 || layer > depth || how.len() != depth {
        let message = format!(
            "expected a layer from 1 to {depth} and {depth} penalties, found layer {layer} and {} penalties",
            how.len()
        );
        return Err(Error::Config(message));
    }
    let (how, x) = (&how[..layer], x.into());
    match factors.activation {
        None => on_components(b, x, factors.components(layer)?.view(), &how[layer - 1], progress),
        Some(activation) => on_layers(b, x, (factors, activation), how, progress),
    }
}

/// [`transform`] of samples from any source, which are read once, a shard after the other; `take` is handed their
/// coefficients in order. Returns the relative error, NaN where all samples are zero, and the most steps of a shard. The steps of a
/// nonlinear model are those of a shard, not of all samples.
///
/// Of P ranks each has every P-th shard, so that all of them work at the same time and none keeps more than one. The first rank is
/// sent the coefficients of the others, and hands all of them to its `take`, that of the others is not called. Shards are those of one
/// process, and so are the bits that come of them.
///
/// # Errors
/// As [`transform`], and whatever the source and `take` report; [`Error::Config`] for ranks of which one has another model, shape,
/// setting or kind of device.
pub fn transform_samples<B: Backend>(
    b: &mut B,
    (x, ranks): (&mut dyn Source<B::Elem>, Option<Ranks>),
    factors: &Factors<B::Elem>,
    layer: usize,
    how: &[Projection],
    progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    take: &mut dyn FnMut(ArrayView2<'_, B::Elem>) -> Result<()>,
) -> Result<(f64, usize)> {
    let (n, m) = x.shape();
    let (rows, k) = (b.shard_rows(m), factors.components(layer)?.ncols());
    let (shards, of) = (Cut::new(n, rows).shards(), n.div_ceil(rows));
    if let Some(ranks) = ranks {
        let weights = checksum(factors.w.iter().flatten().map(|v| v.f64()));
        let what = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "samples": n,
            "features": m,
            "checksum of W": format!("{weights:08x}"),
            "layer": layer,
            "settings": format!("{how:?}"),
            "machine": machine(b),
        });
        ranks.same("task", what)?;
    }
    let (rank, size) = ranks.map_or((0, 1), |ranks| (ranks.rank(), ranks.size()));
    let (mut squares_of_all, mut left, mut steps, mut said) = (0.0, 0.0, 0.0, None);
    for (shard, rows) in shards.enumerate() {
        let owner = shard % size;
        let (mut h, mut numbers) = (Array2::zeros((0, k)), [0.0; 3]);
        if owner == rank {
            let x = x.rows(rows.clone())?;
            let norm = squares(x.view());
            let mut part = |p: &Progress| {
                said = Some(*p);
                progress(&Progress { done: shard * p.of + p.done, of: of * p.of, ..*p })
            };
            (h, numbers) = if norm == 0.0 {
                (Array2::zeros((rows.len(), k)), numbers)
            } else {
                let projected = transform(b, x, factors, layer, how, &mut part)?;
                (projected.h, [norm, projected.relative_error, projected.steps as f64])
            };
        }
        match ranks {
            Some(ranks) if owner == rank && rank > 0 => {
                ranks.send(0, bytemuck::cast_slice(&numbers))?;
                ranks.send_rows(0, h.view())?;
            }
            Some(ranks) if owner != rank && rank == 0 => {
                h = Array2::zeros((rows.len(), k));
                ranks.receive(owner, bytemuck::cast_slice_mut(&mut numbers))?;
                ranks.receive_rows(owner, h.view_mut())?;
                // What another rank has done is done.
                if let Some(p) = said {
                    let _ = progress(&Progress { done: (shard + 1) * p.of, of: of * p.of, ..p });
                }
            }
            _ => {}
        }
        if rank == 0 {
            take(h.view())?;
            let [norm, error, made] = numbers;
            (squares_of_all, left) = (squares_of_all + norm, left + norm * error.powi(2));
            steps = made.max(steps);
        }
    }
    let mut came_to = [(left / squares_of_all).sqrt(), steps];
    if let Some(ranks) = ranks {
        ranks.broadcast(bytemuck::cast_slice_mut(&mut came_to))?;
    }
    Ok((came_to[0], came_to[1] as usize))
}

/// Tells numbers from others.
fn checksum(numbers: impl Iterator<Item = f64>) -> u32 {
    let mut sum = Hasher::new();
    numbers.for_each(|v| sum.update(&v.to_le_bytes()));
    sum.finalize()
}

/// Nonnegative least squares of `x` (samples × features) on `psi` (features × k), from H = 0.
pub(crate) fn on_components<B: Backend>(
    b: &mut B,
    mut x: Rows<'_, B::Elem>,
    psi: ArrayView2<'_, B::Elem>,
    how: &Projection,
    progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Projected<B::Elem>> {
    let (of_x, of_psi) = (check_samples(&mut x, psi.nrows(), how.signed)?, Unit::of(psi));
    let (n, m) = x.dim();
    let cut = Cut::new(n, b.shard_rows(m));
    // It is read once.
    let mut x = Streamed::new(&mut x, of_x, Storage::Auto, cut);
    let psi = b.upload(of_psi.divide(psi).view())?;
    let mut h = Samples::zeros(b, cut, b.shape(&psi).1)?;
    let how = how.divided(of_x, of_psi);
    let mut watch = Watch::new(progress);
    let outcome = project(b, &mut x, &psi, &mut h, &how, &mut watch)?;
    watch.goes_on()?;
    let mut h = h.into_host(b)?;
    of_x.per(of_psi).multiply(&mut h)?;
    Ok(Projected { h, relative_error: outcome.relative_error, steps: outcome.steps })
}

/// Of a model with an activation, for as many layers as `how` has entries.
fn on_layers<B: Backend>(
    b: &mut B,
    mut x: Rows<'_, B::Elem>,
    (factors, activation): (&Factors<B::Elem>, Activation),
    how: &[Projection],
    progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Projected<B::Elem>> {
    let n = x.dim().0;
    check_samples(&mut x, factors.n_features(), how.iter().all(|how| how.signed))?;
    // W_1 carries the unit, and its unit is that of X.
    let unit = Unit::of(factors.w[0].view());
    let how: Vec<Projection> = how.iter().map(|how| how.divided(unit, unit)).collect();
    let how = &how[..];
    let (mut x, _) = hold(b, &mut x, unit, Storage::Auto, Cut::whole(n))?;
    let mut w = vec![b.upload(unit.divide(factors.w[0].view()).view())?];
    for w_l in &factors.w[1..how.len()] {
        w.push(b.upload(w_l.view())?);
    }
    let signed = how.iter().all(|how| how.signed);
    let typical = (signed && how.len() == factors.depth()).then(|| factors.typical());
    let how = (how, typical.as_ref().map(|h| h.view()));
    let mut watch = Watch::new(progress);
    let (mut h, outcome) = project_layers(b, &mut x, &w, activation, how, &mut watch)?;
    watch.goes_on()?;
    if let Some(activation) = factors.of_last().filter(|_| w.len() == factors.depth()) {
        h = h.activated(b, activation, Apply::G)?;
    }
    Ok(Projected { h: h.into_host(b)?, relative_error: outcome.relative_error, steps: outcome.steps })
}

/// The unit of samples that a model takes.
fn check_samples<E: Element>(x: &mut Rows<'_, E>, features: usize, signed: bool) -> Result<Unit> {
    let (n, m) = x.dim();
    if m != features && n > 0 && m > 0 {
        return Err(Error::shape("features of the samples", (n, features), (n, m)));
    }
    Unit::of_samples(x, signed)
}
