//! Coefficients of new samples under a model with an activation.

use super::refine;
use crate::Result;
use crate::backend::{Apply, Backend};
use crate::model::Activation;
use crate::train::project::{Outcome, Projection, project};
use crate::train::samples::{Samples, Shards, totals};
use crate::train::watch::Watch;
use ndarray::{Array2, ArrayView2};

/// The tolerance of the gradient steps from there, at least: what they gain later is not worth their time.
const SETTLED: f64 = 2e-3;
/// The same from coefficients that are the same for every sample, which are further away.
const SETTLED_FROM_AFAR: f64 = 2e-4;

/// Layer by layer, as a nonlinear model is pre-trained: H_1 on W_1, then g(H_1) on W_2 and so on, from 0; then the last
/// of them alone by the objective of the whole, in which the errors of the layers below do not add up. `how` has as many
/// entries as `w`. Returns the coefficients of the last of these layers; the error is that of X.
///
/// With `typical` coefficients of the last layer (1 × k) every sample starts from those instead: where W has any sign,
/// H̃ of a hidden layer is no H ≥ 0 of its own, and what is projected layer by layer is far from any that the model has.
pub(crate) fn project_layers<B: Backend>(
    b: &mut B,
    x: &mut Samples<B>,
    w: &[B::Matrix],
    activation: Activation,
    (how, typical): (&[Projection], Option<ArrayView2<'_, B::Elem>>),
    watch: &mut Watch<'_>,
) -> Result<(Samples<B>, Outcome)> {
    let cut = x.cut();
    let (_, xx) = totals(b, x)?;
    let settled = if typical.is_some() { SETTLED_FROM_AFAR } else { SETTLED };
    let how_last = &how[w.len() - 1];
    let last = Projection { tol: how_last.tol.max(settled), ..how_last.clone() };
    if let Some(typical) = typical {
        let all = Array2::from_shape_fn((x.shape().0, typical.ncols()), |(_, j)| typical[[0, j]]);
        let mut h = Samples::upload(b, cut, all.view())?;
        let outcome = refine(b, (x.whole()?, xx), w, &mut h, (&last, activation), watch)?;
        return Ok((h, outcome));
    }
    let mut h = Samples::zeros(b, cut, b.shape(&w[0]).1)?;
    if w.len() == 1 {
        let outcome = project(b, x, &w[0], &mut h, &how[0], watch)?;
        return Ok((h, outcome));
    }
    // The refinement goes on from there, and ends no better where these are exact.
    let start = |how: &Projection| Projection { exact: false, ..how.clone() };
    let mut steps = project(b, x, &w[0], &mut h, &start(&how[0]), watch)?.steps;
    for (w, how) in w[1..].iter().zip(&how[1..]) {
        let mut v = h.activated(b, activation, Apply::G)?;
        h = Samples::zeros(b, cut, b.shape(w).1)?;
        steps += project(b, &mut v, w, &mut h, &start(how), watch)?.steps;
    }
    let refined = refine(b, (x.whole()?, xx), w, &mut h, (&last, activation), watch)?;
    Ok((h, Outcome { steps: steps + refined.steps, ..refined }))
}
