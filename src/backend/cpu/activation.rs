//! The operations of the nonlinear models: activations and the line search.

use super::multiplicative;
use crate::Result;
use crate::backend::{Apply, Domain, Element, SearchSum, check};
use crate::model::Activation;
use ndarray::{Array2, Zip};

pub(super) fn activate<E: Element>(
    activation: Activation,
    apply: Apply,
    from: &Array2<E>,
    out: &mut Array2<E>,
) -> Result<()> {
    check::same("activation", from.dim(), out.dim())?;
    let pairs = Zip::from(out).and(from);
    match apply {
        Apply::P => pairs.par_for_each(|out, &y| *out = activation.p(y)),
        Apply::G => pairs.par_for_each(|out, &h| *out = activation.g(h)),
        Apply::TimesDerivative => pairs.par_for_each(|out, &y| *out *= activation.derivative(y)),
    }
    Ok(())
}

pub(super) fn add<E: Element>(out: &mut Array2<E>, c: f64, m: &Array2<E>) -> Result<()> {
    check::same("addition", out.dim(), m.dim())?;
    let c = E::of(c);
    Zip::from(out).and(m).par_for_each(|out, &m| *out += c * m);
    Ok(())
}

pub(super) fn search_trial<E: Element>(
    (x, gradient): (&Array2<E>, &Array2<E>),
    state: &Array2<E>,
    domain: Domain,
    (trial, moved): (&mut Array2<E>, &mut Array2<E>),
) -> Result<()> {
    check::search_trial(x.dim(), [gradient.dim(), trial.dim(), moved.dim()], state.dim())?;
    let least = if domain == Domain::Nonnegative { E::zero() } else { E::neg_infinity() };
    multiplicative::gradient_step((x, gradient), state[[0, 0]].f64(), least, (trial, moved))
}

pub(super) fn search_decide<E: Element>(sums: &[f64], first: bool, state: &mut Array2<E>) -> Result<()> {
    check::slot(sums.len(), SearchSum::COUNT - 1)?;
    check::search_state(state.dim())?;
    let mut next = [state[[0, 0]], E::one(), E::zero()];
    if first || state[[0, 1]].is_zero() {
        let excess: f64 = SearchSum::WEIGHTS.iter().zip(sums).map(|(w, s)| w * s).sum();
        // A step that overflows is refused like any other that is too long.
        let taken = excess.is_finite() && excess <= 0.0;
        let flag = if taken { E::one() } else { E::zero() };
        let two = E::of(2.0);
        let alpha = if taken { (next[0] * two).min(E::of(SearchSum::LARGEST_STEP)) } else { next[0] / two };
        next = [alpha, flag, flag];
    }
    state.assign(&ndarray::arr2(&[next]));
    Ok(())
}

pub(super) fn search_accept<E: Element>(state: &Array2<E>, trial: &Array2<E>, x: &mut Array2<E>) -> Result<()> {
    check::search_state(state.dim())?;
    check::same("line search, trial", x.dim(), trial.dim())?;
    if !state[[0, 2]].is_zero() {
        x.assign(trial);
    }
    Ok(())
}
