//! The loop of the models whose factors cancel each other: those of both signs, and those with activations.
//!
//! Their products with Grams are differences of large numbers, in which f32 loses an objective that falls slowly. So it is
//! taken from the residual itself after every iteration, one more product of the size of X, and the factors of the least one
//! are kept. They wait for the host in every iteration anyway.

use super::history::{Progress, Stage};
use super::samples::Samples;
use super::watch::Watch;
use crate::backend::{Backend, Device, Stopping};
use crate::{Error, Result};

/// The factors that a loop works on.
pub(crate) type FactorsMut<'a, B> = (&'a mut [<B as Device>::Matrix], &'a mut Samples<B>);

/// Runs `step` on `W_1 … W_L` and H at most `max` times, and leaves those with the least objective. `step` returns the
/// objective and the relative error of what it made; `start` are those before. Returns the objective at the start and the least
/// so far after every iteration that was made.
pub(crate) fn iterate_exactly<B: Backend>(
    b: &mut B,
    (stage, max): (Stage, usize),
    (start, stop): ((f64, f64), Stopping),
    (w, h): FactorsMut<'_, B>,
    watch: &mut Watch<'_>,
    mut step: impl FnMut(&mut B, FactorsMut<'_, B>) -> Result<(f64, f64)>,
) -> Result<Vec<f64>> {
    let mut history = vec![start.0];
    let max = watch.iterations(stage, max);
    if max == 0 || stop.target_error.is_some_and(|target| start.1 <= target) {
        return Ok(history);
    }
    let mut best = Vec::with_capacity(w.len() + 1);
    for m in w.iter().chain(&h.shards) {
        let (rows, cols) = b.shape(m);
        let mut kept = b.zeros(rows, cols)?;
        b.copy(m, &mut kept)?;
        best.push(kept);
    }
    let (mut least, mut last, mut before, mut small) = (start, start.0, start.0, 0);
    for done in 1..=max {
        let (objective, error) = step(b, (&mut *w, &mut *h))?;
        if !objective.is_finite() {
            return Err(Error::Diverged { stage: stage.to_string(), iterations: done, objective });
        }
        last = objective;
        if objective <= least.0 {
            least = (objective, error);
            w.iter().chain(&h.shards).zip(&mut best).try_for_each(|(now, best)| b.copy(now, best))?;
        }
        history.push(least.0);
        watch.report(&Progress { stage, done, of: max, objective: least.0, relative_error: least.1 });
        let over;
        (over, before, small) = stop.judge((before, objective), (error * error, 1.0), small);
        if over || watch.stopped {
            break;
        }
    }
    if last > least.0 {
        w.iter_mut().chain(&mut h.shards).zip(&best).try_for_each(|(now, best)| b.copy(best, now))?;
    }
    Ok(history)
}
