//! Coefficients of new samples under a model with an activation.

use super::{apply, refine};
use crate::Result;
use crate::backend::{Apply, Backend};
use crate::model::Activation;
use crate::train::Progress;
use crate::train::project::{Outcome, Projection, norm_squared, project};
use ndarray::{Array2, ArrayView2};

/// The tolerance of the projections that a nonlinear one starts from, at least: it goes on from them, and ends no better
/// where they are exact (PIE, `root`, layers 600,160: by one and the same
/// stopping rule 4.74 % from this, 4.73 % from 1e-6, for two thirds of the time).
const START: f64 = 1e-4;
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
    (x, xx): (&B::Matrix, f64),
    w: &[B::Matrix],
    activation: Activation,
    (how, typical): (&[Projection], Option<ArrayView2<'_, B::Elem>>),
    progress: &mut dyn FnMut(&Progress),
) -> Result<(B::Matrix, Outcome)> {
    let n = b.shape(x).0;
    let settled = if typical.is_some() { SETTLED_FROM_AFAR } else { SETTLED };
    let to = |tol: f64, how: &Projection| Projection { tol: how.tol.max(tol), ..how.clone() };
    let last = to(settled, &how[w.len() - 1]);
    if let Some(typical) = typical {
        let all = Array2::from_shape_fn((n, typical.ncols()), |(_, j)| typical[[0, j]]);
        let mut h = b.upload(all.view())?;
        let outcome = refine(b, (x, xx), w, &mut h, (&last, activation), progress)?;
        return Ok((h, outcome));
    }
    let k = b.shape(&w[0]).1;
    let mut h = b.zeros(n, k)?;
    if w.len() == 1 {
        let outcome = project(b, (x, xx), &w[0], &mut h, &how[0], progress)?;
        return Ok((h, outcome));
    }
    let mut steps = project(b, (x, xx), &w[0], &mut h, &to(START, &how[0]), progress)?.steps;
    for (w, how) in w[1..].iter().zip(&how[1..]) {
        let v = apply(b, activation, Apply::G, &h)?;
        let vv = norm_squared(b, &v)?;
        let k = b.shape(w).1;
        h = b.zeros(n, k)?;
        steps += project(b, (&v, vv), w, &mut h, &to(START, how), progress)?.steps;
    }
    let refined = refine(b, (x, xx), w, &mut h, (&last, activation), progress)?;
    Ok((h, Outcome { steps: steps + refined.steps, ..refined }))
}
