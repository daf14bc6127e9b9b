//! How fast several ranks are together, and what that says of more of them.

use super::data::noisy;
use super::stopwatch::median;
use crate::backend::{Cadence, Clock, Rows, Storage};
use crate::model::{Init, ModelSpec};
use crate::ranks::{Ranks, Traffic};
use crate::train::{self, Config, Placed, Progress, Stage};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// Features and components of the sums that are exchanged; iterations are of the first.
const SHAPES: [(usize, usize); 4] = [(784, 100), (784, 300), (4096, 100), (12_288, 300)];
/// Samples of a rank, on the CPU and on a device that works while the host goes on: shards of 512 of any number of ranks.
const SAMPLES: [usize; 2] = [8192, 65_536];
/// The rank of the generated samples, and their noise.
const OF_SAMPLES: (usize, f32) = (16, 0.05);
/// More iterations than there is time for.
const ITERATIONS: usize = 1_000_000;
/// The samples and the ranks for which times are predicted. More ranks than shards have no samples.
const PREDICTED: ([usize; 2], [usize; 5]) = ([100_000_000, 1_000_000_000], [4, 16, 64, 256, 1024]);

/// A sum over all ranks that all of them get, as an iteration makes it: of `C` (m × k), `S` and the Gram of the extrapolation (k × k each),
/// and of one number.
#[derive(Debug, Clone, Serialize)]
pub struct AllReduce {
    /// m.
    pub features: usize,
    /// k.
    pub components: usize,
    /// Bytes of the numbers that are summed up.
    pub bytes: usize,
    /// The median of the seconds, until all ranks are there included.
    pub seconds: f64,
    /// The number of times that the median is of.
    pub repeats: usize,
}

/// Iterations of a fit of one layer, with as many samples on every rank.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Iterations {
    /// Ranks that take part.
    pub ranks: usize,
    /// Samples of all of them.
    pub samples: usize,
    /// How many iterations were timed.
    pub iterations: usize,
    /// Seconds of one.
    pub seconds: f64,
    /// Of these, those of the rank that computes longest.
    pub computing: f64,
    /// Of these, those of the first rank that it exchanges.
    pub exchanging: f64,
    /// Of these, those of the first rank that it waits for the others.
    pub waiting: f64,
}

/// The time of an iteration, as it is predicted.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Predicted {
    /// Samples of all ranks.
    pub samples: usize,
    /// How many ranks.
    pub ranks: usize,
    /// Seconds of an iteration.
    pub seconds: f64,
}

/// The measurements of `deepnmf bench --ranks`.
#[derive(Debug, Clone, Serialize)]
pub struct Together {
    /// By shape.
    pub all_reduce: Vec<AllReduce>,
    /// Of the first rank, while the others sleep.
    pub one: Iterations,
    /// Of all ranks.
    pub all: Iterations,
    /// From these.
    pub predicted: Vec<Predicted>,
}

impl Iterations {
    /// Samples per second.
    pub fn rate(&self) -> f64 {
        self.samples as f64 / self.seconds
    }

    /// The seconds of an iteration of n samples on N ranks, where P made these and an all-reduce took them `x` seconds:
    /// `n / (N s) + x log₂N / log₂P`, s the samples that the slowest rank computes with in a second.
    fn predict(&self, x: f64, samples: usize, ranks: usize) -> Predicted {
        let of_one = self.samples as f64 / self.ranks as f64 / self.computing;
        let levels = (ranks as f64).log2() / (self.ranks as f64).log2();
        Predicted { samples, ranks, seconds: samples as f64 / (ranks as f64 * of_one) + x * levels }
    }
}

/// Measures for about so many seconds; all ranks call it.
///
/// # Errors
/// [`Error::Config`] for one rank, and errors of the device and of the exchange.
pub fn together<B: Clock<Elem = f32>>(b: &mut B, ranks: Ranks, seconds: f64) -> Result<Together> {
    if ranks.size() < 2 {
        return Err(Error::Config("several ranks exchange something: expected 2 at least, found 1".into()));
    }
    ranks.same("settings", format!("{seconds} seconds"))?;
    let share = seconds / 3.0;
    let all_reduce = SHAPES.map(|shape| all_reduce(ranks, shape, share / SHAPES.len() as f64));
    let all_reduce = all_reduce.into_iter().collect::<Result<Vec<_>>>()?;
    let mut one = None;
    if ranks.is_first() {
        one = Some(iterations(b, Ranks::alone(), share)?);
    } else {
        // Who waits for another rank may keep a core busy.
        std::thread::sleep(Duration::from_secs_f64(share));
    }
    let one =
        ranks.all_of(&one)?.swap_remove(0).ok_or_else(|| Error::Data("the first rank has not measured".into()))?;
    let all = iterations(b, ranks, share)?;
    let (samples, sizes) = PREDICTED;
    let predict = |n: usize| sizes.map(|size| all.predict(all_reduce[0].seconds, n, size));
    let predicted = samples.into_iter().flat_map(predict).collect();
    Ok(Together { all_reduce, one, all, predicted })
}

fn all_reduce(ranks: Ranks, (m, k): (usize, usize), share: f64) -> Result<AllReduce> {
    let numbers = m * k + 2 * k * k + 1;
    let time = || {
        let sums = vec![1.0; numbers];
        let begin = Instant::now();
        ranks.total(sums)?;
        Ok(begin.elapsed().as_secs_f64())
    };
    // The first one warms up; of the second all know how long it took.
    time()?;
    let once = ranks.largest(vec![time()?])?[0];
    let repeats = (share / once).clamp(3.0, 200.0) as usize;
    let seconds = median((0..repeats).map(|_| time()).collect::<Result<_>>()?);
    Ok(AllReduce { features: m, components: k, bytes: numbers * size_of::<f64>(), seconds, repeats })
}

fn iterations<B: Clock<Elem = f32>>(b: &mut B, ranks: Ranks, share: f64) -> Result<Iterations> {
    let Cadence { every, ahead } = b.cadence();
    let (m, k) = SHAPES[0];
    let n = SAMPLES[usize::from(ahead > 0)] * ranks.size();
    let config = Config {
        ranks: Some(ranks),
        solver: b.fastest_solver(),
        x_storage: Storage::F32,
        init: Init::Random,
        sweeps: ITERATIONS,
        tol: 0.0,
        ..Config::new(ModelSpec::by_name("sdnmf-l")?, [k])
    };
    let own = config.own_rows(n, m);
    let x = Rows::from(noisy((own.len(), m), OF_SAMPLES.0, OF_SAMPLES.1));
    let mut x = Placed { source: Box::new(x), first: own.start, samples: n };
    let (begin, mut looks) = (Instant::now(), Vec::new());
    let mut look = |p: &Progress| {
        if !matches!(p.stage, Stage::Init { .. } | Stage::Project) && p.done > 0 && p.done.is_multiple_of(every) {
            looks.push((Instant::now(), ranks.traffic()));
        }
        let enough = looks.len() > ahead + 2 && begin.elapsed().as_secs_f64() > share;
        if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    train::fit_samples(b, &mut x, &config, None, &mut look)?;
    // Behind the last looks of a device that works ahead nothing is queued, so that their intervals would be too short.
    looks.truncate(looks.len().saturating_sub(ahead));
    let [(begin, before), .., (end, after)] = looks[..] else {
        return Err(Error::Data("expected several iterations to time, found too few".into()));
    };
    let iterations = (looks.len() - 1) * every;
    let of_one = |seconds: f64| seconds / iterations as f64;
    let spent = |of: fn(&Traffic) -> f64| of_one(of(&after) - of(&before));
    let seconds = of_one((end - begin).as_secs_f64());
    let (exchanging, waiting) = (spent(|t| t.exchanging), spent(|t| t.waiting));
    let computing = ranks.largest(vec![seconds - exchanging - waiting])?[0];
    Ok(Iterations { ranks: ranks.size(), samples: n, iterations, seconds, computing, exchanging, waiting })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_that_of_the_samples_of_a_rank_and_of_the_levels_of_the_tree() {
        let iterations = 10;
        let all = Iterations {
            ranks: 4,
            samples: 4000,
            iterations,
            seconds: 0.6,
            computing: 0.5,
            exchanging: 0.1,
            waiting: 0.0,
        };
        // 2000 samples per second and rank, two levels of 4 ranks and four of 16.
        assert_eq!(all.predict(0.1, 4000, 4).seconds, 0.6);
        assert_eq!(all.predict(0.1, 64_000, 16).seconds, 2.2);
        assert_eq!(all.rate(), 4000.0 / 0.6);
    }
}
