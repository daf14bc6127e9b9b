//! The loop of every stage: iterations, looks at their objective, checkpoints.

use super::checkpoint::{Entered, LoopState};
use super::history::Stage;
use super::objective::Objective;
use super::state::State;
use super::watch::Watch;
use crate::Result;
use crate::backend::{Backend, Cadence, Stopping};
use std::collections::VecDeque;

/// Runs `step` at most `max` times and returns the objective at the start and after every iteration that was made; of
/// extrapolated iterations, some of which are taken back, the least so far. `state` is all that an iteration leaves for the next
/// one: a fit that goes on from a checkpoint finds it there.
///
/// The device ends the loop itself ([`Backend::gate`]), with the first iteration that meets the rule, and its word is what
/// counts: the host looks only as often as the backend's cadence says, at iterations that are already done while the next ones
/// run, and what it has queued in vain is skipped. So a step may well be called again after the end. What it then reads from
/// the device is what the last iteration left there, and what it writes from the host may only be what every iteration writes
/// anew (inverses, for one). Where the device cannot do that the host looks after every iteration.
pub(crate) fn iterate<B: Backend, S: State<B>>(
    b: &mut B,
    objective: &mut Objective<B>,
    (stage, max): (Stage, usize),
    (start, stop): ((f64, f64), Stopping),
    state: &mut S,
    watch: &mut Watch<'_>,
    step: impl FnMut(&mut B, &mut Objective<B>, &mut S, usize) -> Result<()>,
) -> Result<Vec<f64>> {
    let mut here = match watch.enter(b, stage, LoopState::start(start, stop), state)? {
        Entered::Over(history) => return Ok(history),
        Entered::At(here) => here,
    };
    let max = watch.iterations(stage, max);
    if !here.over && here.made() < max {
        let ends_itself = stop.is_any() && watch.is_alone() && b.gate(true);
        let looks = stop.is_any() && !ends_itself || !watch.is_alone();
        let cadence = if looks { Cadence { every: 1, ahead: 0 } } else { b.cadence() };
        let done = run(b, objective, ((stage, max), cadence), (&mut here, stop), state, watch, step);
        b.gate(false);
        done?;
    }
    watch.leave(stage, &here.history);
    Ok(here.history)
}

fn run<B: Backend, S: State<B>>(
    b: &mut B,
    objective: &mut Objective<B>,
    (bounds, cadence): ((Stage, usize), Cadence),
    (here, stop): (&mut LoopState, Stopping),
    state: &mut S,
    watch: &mut Watch<'_>,
    mut step: impl FnMut(&mut B, &mut Objective<B>, &mut S, usize) -> Result<()>,
) -> Result<()> {
    let (stage, max) = bounds;
    let mut first = Some(here.standing());
    let mut queued = here.made();
    let mut under_way: VecDeque<(usize, B::Pending)> = VecDeque::new();
    // A fit that was told to stop before makes the iterations that it was left.
    let mut stopped = false;
    while queued < max && !here.over && !stopped {
        let turns = cadence.every.clamp(1, max - queued);
        for turn in 0..turns {
            step(b, objective, state, turn)?;
            if stop.is_any() {
                objective.check_stop(b, turn, first.take(), stop)?;
            }
        }
        queued += turns;
        under_way.push_back((turns, b.start_read(&objective.scalars)?));
        // What is written down is what the last iteration left, so that all of them have to be done.
        let mut due = queued < max && watch.is_due(stage, false);
        let ahead = if due { 0 } else { cadence.ahead };
        while !here.over && !stopped && under_way.len() > ahead {
            if let Some(pending) = under_way.pop_front() {
                objective.look(b, pending, (bounds, stop), here, watch)?;
                stopped = watch.stopped;
            }
        }
        due |= watch.tell(stage, false, &mut here.over)? && queued < max;
        stopped |= watch.stopped && !watch.is_alone();
        if due && !here.over && under_way.is_empty() {
            watch.keep(b, here, state)?;
        }
    }
    for pending in under_way {
        objective.look(b, pending, (bounds, stop), here, watch)?;
    }
    if watch.is_due(stage, true) || watch.tell(stage, true, &mut here.over)? {
        watch.keep(b, here, state)?;
    }
    Ok(())
}
