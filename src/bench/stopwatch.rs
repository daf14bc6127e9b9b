//! Timing.

use super::clock::cpu_seconds;
use super::{Limits, Row};
use crate::Result;
use crate::backend::Clock;
use std::time::{Duration, Instant};

/// Launches per command buffer: about as many as in a block, and few enough not to trip the timeouts of drivers.
const LAUNCHES_PER_SUBMIT: usize = 16;
/// Approximate seconds of a sample, far more than a wait for the device costs.
const SAMPLE: f64 = 0.05;
/// The most launches of a sample.
const MOST_LAUNCHES: f64 = 512.0;
/// The most samples of a measurement.
const MOST_SAMPLES: usize = 50;

/// A device under measurement.
pub(super) struct Bench<'a, B: Clock> {
    pub(super) b: &'a mut B,
    pub(super) rows: Vec<Row>,
    /// The best rate of a product so far, in operations per second: from it times are estimated.
    pub(super) flops: f64,
    /// The most bytes that a set may take.
    pub(super) bytes: Option<u64>,
    progress: &'a mut dyn FnMut(usize, &Row),
    fence: B::Scalars,
    end: Instant,
    /// The sum of the weights of the measurements that are left.
    weights: f64,
}

/// The times of one launch.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Taken {
    pub(super) seconds: f64,
    pub(super) samples: usize,
    pub(super) device_seconds: Option<f64>,
    pub(super) host_seconds: Option<f64>,
    pub(super) cpu_per_wall: Option<f64>,
}

impl Taken {
    /// `row` with these figures, `work` of its unit per launch.
    pub(super) fn fill(self, work: f64, row: Row) -> Row {
        Row {
            seconds: Some(self.seconds),
            rate: Some(work / self.seconds),
            samples: self.samples,
            device_seconds: self.device_seconds,
            host_seconds: self.host_seconds,
            cpu_per_wall: self.cpu_per_wall,
            ..row
        }
    }
}

/// The clocks at one moment.
#[derive(Clone, Copy)]
pub(super) struct Clocks {
    wall: Instant,
    waited: Option<Duration>,
    cpu: Option<f64>,
}

impl Clocks {
    pub(super) fn now<B: Clock>(b: &B) -> Self {
        Self { wall: Instant::now(), waited: b.waited(), cpu: cpu_seconds() }
    }

    /// Seconds since then: wall time, host time without waits, CPU time.
    pub(super) fn since<B: Clock>(self, b: &B) -> (f64, Option<f64>, Option<f64>) {
        let wall = self.wall.elapsed().as_secs_f64();
        let waited = self.waited.zip(b.waited()).map(|(before, now)| (now - before).as_secs_f64());
        (wall, waited.map(|waited| (wall - waited).max(0.0)), self.cpu.zip(cpu_seconds()).map(|(a, b)| b - a))
    }
}

pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[middle],
        _ => 0.5 * (values[middle - 1] + values[middle]),
    }
}

impl<'a, B: Clock<Elem = f32>> Bench<'a, B> {
    pub(super) fn new(b: &'a mut B, limits: Limits, progress: &'a mut dyn FnMut(usize, &Row)) -> Result<Self> {
        let fence = b.scalars(1)?;
        let end = Instant::now() + Duration::from_secs_f64(limits.seconds);
        Ok(Self { b, rows: Vec::new(), flops: 0.0, bytes: limits.bytes, progress, fence, end, weights: 108.0 })
    }

    /// The seconds for a measurement of this weight; all weights sum to 108. Time that is not used is left to the others.
    pub(super) fn share(&mut self, weight: f64) -> f64 {
        let left = self.end.saturating_duration_since(Instant::now()).as_secs_f64();
        let share = left * weight / self.weights.max(weight);
        self.weights -= weight;
        share.max(0.01)
    }

    /// Announces a measurement.
    pub(super) fn begin(&mut self, row: &Row) {
        (self.progress)(self.rows.len() + 1, row);
    }

    /// Waits until everything queued is done.
    pub(super) fn wait(&mut self) -> Result<()> {
        self.b.read(&self.fence).map(drop)
    }

    /// Seconds per launch, over `launches` of them.
    fn sample(&mut self, launches: usize, launch: &mut impl FnMut(&mut B) -> Result<()>) -> Result<f64> {
        let begin = Instant::now();
        for i in 1..=launches {
            launch(self.b)?;
            if i % LAUNCHES_PER_SUBMIT == 0 {
                self.b.submit()?;
            }
        }
        self.wait()?;
        Ok(begin.elapsed().as_secs_f64() / launches as f64)
    }

    /// Warms up, then takes samples of `launch` for `share` seconds, at least one.
    pub(super) fn time(&mut self, share: f64, mut launch: impl FnMut(&mut B) -> Result<()>) -> Result<Taken> {
        let begin = Instant::now();
        self.sample(1, &mut launch)?;
        let once = self.sample(1, &mut launch)?;
        let launches = (SAMPLE.min(share / 5.0) / once).clamp(1.0, MOST_LAUNCHES) as usize;
        // The seconds left after one more sample and one by the clock of the device.
        let left = |begin: Instant| share - begin.elapsed().as_secs_f64() - 2.0 * once * launches as f64;
        let mut samples = Vec::new();
        let clocks = Clocks::now(self.b);
        while samples.is_empty() || (samples.len() < MOST_SAMPLES && (left(begin) > 0.0)) {
            samples.push(self.sample(launches, &mut launch)?);
        }
        let (wall, host, cpu) = clocks.since(self.b);
        let all = (samples.len() * launches) as f64;
        let mut device_seconds = None;
        if self.b.time_passes(true) {
            let timed = self.sample(launches, &mut launch).and_then(|_| self.b.pass_seconds());
            self.b.time_passes(false);
            device_seconds = timed?.map(|seconds| seconds / launches as f64);
        }
        Ok(Taken {
            samples: samples.len(),
            seconds: median(samples),
            device_seconds,
            host_seconds: host.map(|host| host / all),
            cpu_per_wall: cpu.map(|cpu| cpu / wall),
        })
    }
}

/// Halves sides with `halve` until a launch, of `cost` seconds, takes at most a sixth of `share`: enough for two to warm up,
/// three samples and one by the clock of the device. Stops when no side is above 16.
pub(super) fn shrink<const N: usize>(
    mut sides: [usize; N],
    share: f64,
    halve: fn(&mut [usize; N]),
    cost: impl Fn([usize; N]) -> f64,
) -> [usize; N] {
    while cost(sides) > share / 6.0 && sides.iter().any(|side| *side > 16) {
        halve(&mut sides);
    }
    sides
}

/// Halves the longest sides: for products.
pub(super) fn longest<const N: usize>(sides: &mut [usize; N]) {
    let longest = sides.iter().copied().max().unwrap_or(0);
    for side in sides.iter_mut().filter(|side| **side == longest) {
        *side /= 2;
    }
}

/// Halves the samples while they are many, then samples, features and layers alike.
pub(super) fn samples<const N: usize>(sides: &mut [usize; N]) {
    let many = sides[0] > 8 * sides[1];
    for side in sides.iter_mut().take(if many { 1 } else { N }) {
        *side = (*side / 2).max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(Vec::new()).is_nan());
    }

    #[test]
    fn shapes_shrink_until_they_fit() {
        let cost = |[a, b, c]: [usize; 3]| (a * b * c) as f64;
        assert_eq!(shrink([100, 50, 20], 6e5, longest, cost), [100, 50, 20]);
        assert_eq!(shrink([100, 50, 20], 6.0 * 5e4, longest, cost), [50, 50, 20]);
        assert_eq!(shrink([64, 64, 64], 6.0 * 32.0 * 32.0 * 32.0, longest, cost), [32, 32, 32]);
        assert_eq!(shrink([64, 16, 8], 0.0, longest, cost), [16, 16, 8], "not below what is worth a launch");
        assert_eq!(shrink([1000, 50, 20], 6e6 / 4.0, samples, cost), [250, 50, 20]);
        assert_eq!(shrink([1000, 50, 20], 6.0 * 31250.0, samples, cost), [125, 25, 10]);
        assert_eq!(shrink([1000, 50, 20], 0.0, samples, cost), [15, 3, 1]);
    }
}
