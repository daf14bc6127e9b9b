//! How much is computed by one dispatch, and handed over at once: systems reset a GPU that does not answer for some seconds, and
//! desktops stand still while it does not.
//!
//! Work is counted in multiplications. How many of them the device makes in a second is seen where the host waits for it anyway, from
//! when they were handed over: the host's share of the time makes the device look slower, never faster. Dispatches are cut by rows of
//! the result, which changes no bit of it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Seconds that a dispatch should take. Kernels differ in how fast they multiply, by less than the four times that are between
/// this and half a second.
const SECONDS: f64 = 0.125;
/// Multiplications per second of a slow GPU, for one that was not seen at work.
const UNKNOWN: f64 = 2e10;
/// What takes less says nothing: most of it is the host's.
const SHORT: Duration = Duration::from_millis(2);
/// Multiplications that are most of what a submission with them does.
const MUCH: f64 = 1e8;

/// Turns that all loops of an invocation take together, at most. Mesa's software driver counts them over all loops of a kernel
/// (LP_MAX_TGSI_LOOP_ITERATIONS, 65,535); from then on it leaves every loop after its first turn, and says nothing.
pub(super) const TURNS: usize = 60_000;

#[derive(Debug)]
pub(super) struct Pace {
    /// Multiplications per second, the most that was seen.
    seen: Option<f64>,
    /// What a dispatch may do, whatever was seen.
    told: Option<f64>,
    /// Multiplications recorded so far, and of these those that were handed over, and that are known to be done.
    recorded: f64,
    submitted: f64,
    done: f64,
    /// What was handed over by when, and is not known to be done.
    under_way: VecDeque<(f64, Instant)>,
}

impl Pace {
    pub(super) fn new(told: Option<f64>) -> Self {
        Self { seen: None, told, recorded: 0.0, submitted: 0.0, done: 0.0, under_way: VecDeque::new() }
    }

    /// Multiplications of a dispatch.
    fn most(&self) -> f64 {
        self.told.unwrap_or(self.seen.unwrap_or(UNKNOWN) * SECONDS)
    }

    /// Rows of a dispatch with so many multiplications each: a multiple of `step`.
    #[expect(clippy::cast_possible_truncation, reason = "it is cut down to what 32 bits hold")]
    pub(super) fn rows(&self, of_row: f64, step: usize) -> usize {
        let steps = self.most() / (of_row * step as f64).max(1.0);
        steps.clamp(1.0, (u32::MAX as usize / step).max(1) as f64) as usize * step
    }

    /// Counts what is recorded, and says whether there is as much as should be handed over at once.
    pub(super) fn record(&mut self, work: f64) -> bool {
        self.recorded += work;
        self.recorded - self.submitted >= self.most()
    }

    /// All that is recorded is handed over.
    pub(super) fn submit(&mut self) {
        if self.recorded > self.submitted {
            self.submitted = self.recorded;
            self.under_way.push_back((self.submitted, Instant::now()));
        }
    }

    /// All that was handed over, to be told when it is done.
    pub(super) fn submitted(&self) -> f64 {
        self.submitted
    }

    /// That much is done.
    pub(super) fn finish(&mut self, work: f64) {
        let began = self.under_way.front().map(|(_, at)| *at);
        while self.under_way.front().is_some_and(|(upto, _)| *upto <= work) {
            self.under_way.pop_front();
        }
        if let Some(began) = began {
            self.note(work - self.done, began.elapsed());
        }
        self.done = self.done.max(work);
    }

    fn note(&mut self, work: f64, took: Duration) {
        if took >= SHORT && work >= MUCH {
            let rate = work / took.as_secs_f64();
            self.seen = Some(self.seen.map_or(rate, |seen| seen.max(rate)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dispatches_are_as_long_as_the_fastest_that_was_seen_allows() {
        let mut pace = Pace::new(None);
        assert_eq!(pace.rows(1e6, 64), 2496);
        // A first look may say that the device is slow; a later one only that it is faster.
        pace.note(1e9, Duration::from_secs(1));
        assert_eq!((pace.rows(1e6, 64), pace.rows(1e9, 64)), (64, 64));
        pace.note(1e9, Duration::from_secs(2));
        assert_eq!(pace.rows(1e6, 1), 125);
        pace.note(1e12, Duration::from_millis(500));
        assert_eq!(pace.rows(1e6, 1), 250_000);
        // Too little, and too short.
        pace.note(1e7, Duration::from_millis(2));
        pace.note(1e12, Duration::from_millis(1));
        assert_eq!((pace.rows(1e6, 1), pace.rows(0.0, 1)), (250_000, u32::MAX as usize));
    }

    #[test]
    fn what_is_handed_over_is_done_in_its_order() {
        let mut pace = Pace::new(Some(10.0));
        assert!(!pace.record(6.0) && pace.record(6.0));
        pace.submit();
        let first = pace.submitted();
        assert!(!pace.record(9.0) && pace.under_way.len() == 1);
        pace.submit();
        pace.submit();
        assert_eq!((first, pace.submitted(), pace.under_way.len()), (12.0, 21.0, 2));
        pace.finish(first);
        assert_eq!((pace.done, pace.under_way.len()), (12.0, 1));
        pace.finish(first);
        pace.finish(pace.submitted());
        assert_eq!((pace.done, pace.under_way.len(), pace.seen), (21.0, 0, None));
    }
}
