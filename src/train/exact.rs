//! The loop of the models whose factors cancel each other: those of both signs, and those with activations.
//!
//! Their products with Grams are differences of large numbers, in which f32 loses an objective that falls slowly. So it is
//! taken from the residual itself after every iteration, one more product of the size of X, and the factors of the least one
//! are kept. They wait for the host in every iteration anyway.

use super::checkpoint::{Entered, LoopState, is_kept};
use super::history::Stage;
use super::samples::Samples;
use super::state::{State, Visitor};
use super::watch::Watch;
use crate::backend::{Backend, Device, Stopping};
use crate::{Error, Result};

/// The factors that a loop works on.
pub(crate) type FactorsMut<'a, B> = (&'a mut [<B as Device>::Matrix], &'a mut Samples<B>);

/// Runs `step` on `W_1 … W_L` and H at most `max` times, and leaves those with the least objective. `step` returns the
/// objective and the relative error of what it made; `start` are those before. `state` is what an iteration leaves for the next one
/// besides the factors. Returns the objective at the start and the least so far after every iteration that was made.
pub(crate) fn iterate_exactly<B: Backend, S: State<B>>(
    b: &mut B,
    (stage, max): (Stage, usize),
    (start, stop): ((f64, f64), Stopping),
    (w, h): FactorsMut<'_, B>,
    state: &mut S,
    watch: &mut Watch<'_>,
    mut step: impl FnMut(&mut B, FactorsMut<'_, B>, &mut S) -> Result<(f64, f64)>,
) -> Result<Vec<f64>> {
    let best_w = w.iter().map(|m| {
        let (rows, cols) = b.shape(m);
        let mut kept = b.zeros(rows, cols)?;
        b.copy(m, &mut kept)?;
        Ok(kept)
    });
    let best_w = best_w.collect::<Result<_>>()?;
    let best_h = h.copied(b)?;
    let mut all = WithBest { w, h, best_w, best_h, state };
    let mut here = match watch.enter(b, stage, LoopState::start(start, stop), &mut all)? {
        Entered::Over(history) => return Ok(history),
        Entered::At(here) => here,
    };
    let max = watch.iterations(stage, max);
    // A fit that was told to stop before makes the iterations that it was left.
    let mut stopped = false;
    while here.made() < max && !here.over && !stopped {
        let (objective, error) = step(b, (&mut *all.w, &mut *all.h), all.state)?;
        let done = here.history.len();
        if !objective.is_finite() {
            return Err(Error::Diverged { stage: stage.to_string(), iterations: done, objective });
        }
        here.last = objective;
        if objective <= here.least.0 {
            here.least = (objective, Some(error).filter(|e| e.is_finite()));
            all.w.iter().zip(&mut all.best_w).try_for_each(|(now, best)| b.copy(now, best))?;
            all.best_h.copy_from(b, all.h)?;
        }
        here.history.push(here.least.0);
        watch.report(&here.progress((stage, max)));
        stopped = watch.stopped;
        let (over, before, small) = stop.judge((here.standing().before, objective), (error * error, 1.0), here.small);
        (here.over, here.before, here.small) = (over, Some(before), small);
        if !is_kept(stage) {
            watch.check()?;
        }
        if watch.is_due(stage, over || done == max) {
            watch.keep(b, &here, &mut all)?;
        }
    }
    if here.last > here.least.0 {
        let WithBest { w, h, best_w, mut best_h, .. } = all;
        w.iter_mut().zip(&best_w).try_for_each(|(now, best)| b.copy(best, now))?;
        h.copy_from(b, &mut best_h)?;
    }
    watch.leave(stage, &here.history);
    Ok(here.history)
}

/// The factors, those with the least objective, and the rest.
struct WithBest<'a, B: Backend, S> {
    w: &'a mut [B::Matrix],
    h: &'a mut Samples<B>,
    best_w: Vec<B::Matrix>,
    best_h: Samples<B>,
    state: &'a mut S,
}

impl<B: Backend, S: State<B>> State<B> for WithBest<'_, B, S> {
    fn visit(&mut self, b: &mut B, visitor: &mut Visitor<'_>) -> Result<()> {
        self.w.iter_mut().try_for_each(|w| visitor.matrix(b, "W", w))?;
        self.h.visit(b, visitor)?;
        self.best_w.iter_mut().try_for_each(|w| visitor.matrix(b, "W of the least objective", w))?;
        self.best_h.visit_as(b, "H of the least objective", visitor)?;
        self.state.visit(b, visitor)
    }
}
