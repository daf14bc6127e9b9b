//! Decisions about a few numbers, in f64.

use crate::backend::{GROWTH, GROWTH_OF_MOST, SHRINKAGE, SearchSum, Standing, Stopping, VERDICT, momentum};

/// The state `[α, β]` after the restart test; see [`Backend::restart`](crate::backend::Backend::restart).
pub(in super::super) fn restart(uphill: f64, first: bool, alpha: f64) -> [f64; 2] {
    if !first && uphill > 0.0 {
        return [1.0, 0.0];
    }
    let (next, beta) = momentum(if first { 1.0 } else { alpha });
    [next, beta]
}

/// The state after a trial with the objective `f`; see [`Backend::judge`](crate::backend::Backend::judge).
pub(in super::super) fn judge(f: f64, first: bool, state: [f64; 5]) -> [f64; 5] {
    let [beta, success, most, before, _] = state;
    if !first && f > before {
        [beta / SHRINKAGE, success, success, f, 0.0]
    } else {
        [most.min(GROWTH * beta), beta, (GROWTH_OF_MOST * most).min(1.0), f, 1.0]
    }
}

/// The scales at which all of `q` are equal; see [`Backend::equalize`](crate::backend::Backend::equalize).
pub(in super::super) fn equalize(q: &[f64]) -> Vec<f64> {
    let log_mean = q.iter().map(|q| q.ln()).sum::<f64>() / q.len() as f64;
    let usable = q.iter().all(|&q| q > 0.0);
    q.iter().map(|q| if usable { (0.5 * (log_mean - q.ln())).exp() } else { 1.0 }).collect()
}

/// The state of a line search after a trial; see [`Backend::search_decide`](crate::backend::Backend::search_decide).
pub(in super::super) fn search(sums: &[f64], first: bool, [alpha, over, _]: [f64; 3]) -> [f64; 3] {
    if !first && over != 0.0 {
        return [alpha, 1.0, 0.0];
    }
    let excess: f64 = SearchSum::WEIGHTS.iter().zip(sums).map(|(w, s)| w * s).sum();
    // A step that overflows is refused like any other that is too long.
    let taken = excess.is_finite() && excess <= 0.0;
    let flag = f64::from(u8::from(taken));
    [if taken { (2.0 * alpha).min(SearchSum::LARGEST_STEP) } else { 0.5 * alpha }, flag, flag]
}

/// The verdict after an iteration, from the one before; see [`Backend::check_stop`](crate::backend::Backend::check_stop). Its
/// third number is the objective before, to which the fifth is added where a slot does not hold all digits of it; the fourth is
/// how many iterations in a row changed too little. `terms` are those of the objective.
pub(in super::super) fn stop(
    terms: &[f64],
    constant: f64,
    start: Option<Standing>,
    rule: Stopping,
    verdict: [f64; VERDICT],
) -> [f64; VERDICT] {
    let [made, over, before, small, rest] = verdict;
    if start.is_none() && over > 0.0 {
        return verdict;
    }
    let half_residual = constant + terms[..2].iter().sum::<f64>();
    let f = half_residual + terms[2..].iter().sum::<f64>();
    let (made, before, small) = start
        .map_or((made, before + rest, small as u32), |Standing { made, before, small }| (made as f64, before, small));
    let (over, before, small) = rule.judge((before, f), (half_residual, constant), small);
    [made + 1.0, f64::from(u8::from(over)), before, f64::from(small), 0.0]
}
