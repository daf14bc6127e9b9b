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
    let mut best = Vec::with_capacity(w.len() + 1);
    for m in w.iter().chain(&h.shards) {
        let (rows, cols) = b.shape(m);
        let mut kept = b.zeros(rows, cols)?;
        b.copy(m, &mut kept)?;
        best.push(kept);
    }
    let mut all = WithBest { w, h, best, state };
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
            all.w.iter().chain(&all.h.shards).zip(&mut all.best).try_for_each(|(now, best)| b.copy(now, best))?;
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
        let WithBest { w, h, best, .. } = all;
        w.iter_mut().chain(&mut h.shards).zip(&best).try_for_each(|(now, best)| b.copy(best, now))?;
    }
    watch.leave(stage, &here.history);
    Ok(here.history)
}

/// The factors, those with the least objective, and the rest.
struct WithBest<'a, B: Backend, S> {
    w: &'a mut [B::Matrix],
    h: &'a mut Samples<B>,
    /// The W, then the shards of H.
    best: Vec<B::Matrix>,
    state: &'a mut S,
}

impl<B: Backend, S: State<B>> State<B> for WithBest<'_, B, S> {
    fn visit(&mut self, b: &mut B, visitor: &mut Visitor<'_>) -> Result<()> {
        let (of_w, of_h) = self.best.split_at_mut(self.w.len());
        self.w.iter_mut().try_for_each(|w| visitor.matrix(b, "W", w))?;
        visitor.rows(b, "H", &mut self.h.shards)?;
        of_w.iter_mut().try_for_each(|w| visitor.matrix(b, "W of the least objective", w))?;
        visitor.rows(b, "H of the least objective", of_h)?;
        self.state.visit(b, visitor)
    }
}
