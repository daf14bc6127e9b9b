//! Blocks, sweeps and a whole fit, by the fastest solver of the device.

use super::Row;
use super::data::{Set, noisy, random};
use super::stopwatch::{Bench, Clocks, Taken, median, samples, shrink};
use crate::backend::{Cadence, Clock, MatMul, Storage};
use crate::model::ModelSpec;
use crate::train::{
    self, BlockSolver, Config, Cut, HBlock, Penalties, Progress, Samples, Solver, Stage, WBlock, Watch, device_bytes,
    totals,
};
use crate::{Error, Result};
use std::ops::ControlFlow;
use std::time::Instant;

/// Images, pixels and components of a block, as in Fashion-MNIST.
const BLOCK: [usize; 3] = [60_000, 784, 100];
/// Images, pixels and components of two layers.
const SWEEP: [usize; 4] = [60_000, 784, 300, 100];
/// Samples and features of the fit.
const FIT: [usize; 2] = [10_000, 784];
/// The layers of the fit; the last one is the rank of its data.
const LAYERS: [usize; 2] = [32, 16];
/// The noise in the data of the fit, relative to their norm: the relative error of a model of that rank is not far below.
const NOISE: f32 = 0.05;
/// The relative error at which the fit stops.
const TARGET: f64 = 0.055;
/// The penalty on the columns of W in blocks and sweeps.
const MU: f64 = 0.01;

fn config<B: Clock>(b: &B, model: &str, layers: &[usize]) -> Result<Config> {
    // X as f32, so that all devices do the same work.
    Ok(Config {
        solver: b.fastest_solver(),
        x_storage: Storage::F32,
        tol: 0.0,
        ..Config::new(ModelSpec::by_name(model)?, layers)
    })
}

/// Products with a Gram per block, for estimates. Coordinate descent makes up to 6 passes of up to two products' time.
fn steps(c: &Config) -> f64 {
    if c.solver == Solver::Cd { 12.0 } else { c.inner as f64 }
}

fn text([n, m]: [usize; 2], layers: &[usize]) -> String {
    let layers: Vec<_> = layers.iter().map(ToString::to_string).collect();
    format!("{n}×{m} → {}", layers.join(" → "))
}

/// The estimated seconds of `operations`.
fn cost<B: Clock>(bench: &Bench<'_, B>, operations: f64) -> f64 {
    2.0 * operations / bench.flops
}

/// An H block and a W block: Gram, right side, solution.
pub(super) fn blocks<B: Clock<Elem = f32>>(bench: &mut Bench<'_, B>) -> Result<()> {
    let share = bench.share(12.0) / 2.0;
    let config = config(bench.b, "sdnmf-l", &[BLOCK[2]])?;
    let steps = steps(&config);
    let shape = shrink(BLOCK, share, samples, |[n, m, k]| {
        let (n, m, k) = (n as f64, m as f64, k as f64);
        cost(bench, 2.0 * n * m * k + 2.0 * m * k * k + steps * 2.0 * n * k * k)
    });
    let [n, m, k] = shape;
    let note = (shape != BLOCK).then(|| format!("instead of {}", text([BLOCK[0], BLOCK[1]], &[BLOCK[2]])));
    let shape = text([n, m], &[k]);
    let row = |name| Row { name, shape: shape.clone(), unit: "images/s", note: note.clone(), ..Row::default() };

    bench.begin(&row("H block"));
    let Set { x, mut h } = Set::new(bench.b, (n, m), k)?;
    let mut w = bench.b.upload(random(7, m, k).view())?;
    let mut h_block =
        HBlock::new(bench.b, Cut::new(n, n), k, (config.model.h_penalty, 0.0, 0.0), BlockSolver::of(&config, m, k))?;
    let taken = bench.time(share, |b| {
        h_block.set_gram(b, &w)?;
        h_block.prepare(b)?;
        h_block.set_rhs(b, &x, &w)?;
        h_block.solve(b, &mut h)
    })?;
    bench.rows.push(taken.fill(n as f64, row("H block")));

    bench.begin(&row("W block"));
    let mut w_block = WBlock::new(bench.b, (m, k), MU, false, BlockSolver::of(&config, n, k))?;
    let taken = bench.time(share, |b| {
        b.matmul(MatMul::TN, &h, &h, &mut w_block.gram)?;
        b.matmul(MatMul::TN, &x, &h, &mut w_block.rhs)?;
        w_block.solve(b, &mut w)
    })?;
    bench.rows.push(taken.fill(n as f64, row("W block")));
    Ok(())
}

/// A fit of noisy low-rank data until the relative error is a little above that of the noise.
pub(super) fn fit<B: Clock<Elem = f32>>(bench: &mut Bench<'_, B>) -> Result<()> {
    let share = bench.share(16.0);
    let config = Config { sweeps: 300, target_error: Some(TARGET), ..config(bench.b, "dnmf", &LAYERS)? };
    let (steps, [k1, k]) = (steps(&config), LAYERS.map(|k| k as f64));
    // Estimated with twenty iterations per layer, and twenty sweeps.
    let shape = shrink(FIT, 2.0 * share, samples, |[n, m]| {
        // The layers are not halved, so samples and features must stay above them.
        if n.min(m) < 128 {
            return 0.0;
        }
        let (n, m) = (n as f64, m as f64);
        let layer = |m: f64, k: f64| 4.0 * n * m * k + steps * 2.0 * (n + m) * k * k;
        20.0 * cost(bench, layer(m, k1) + layer(k1, k) + layer(m, k) + steps * 2.0 * m * k1 * k1)
    });
    let [n, m] = shape;
    let row = Row {
        name: "fit",
        shape: text(shape, &LAYERS),
        note: (shape != FIT).then(|| format!("instead of {}", text(FIT, &LAYERS))),
        target_error: Some(TARGET),
        ..Row::default()
    };
    bench.begin(&row);
    let x = noisy((n, m), LAYERS[1], NOISE);
    let begin = Instant::now();
    let mut taken = Vec::new();
    let mut last = None;
    let timed = bench.b.time_passes(true);
    // The first one warms up, if there is time for another.
    while taken.len() < 6 && taken.last().is_none_or(|t: &Taken| begin.elapsed().as_secs_f64() + t.seconds < share) {
        let clocks = Clocks::now(bench.b);
        last = Some(train::fit(bench.b, x.view(), &config, None, &mut train::silent)?);
        let (seconds, host_seconds, cpu) = clocks.since(bench.b);
        let device_seconds = if timed { bench.b.pass_seconds()? } else { None };
        taken.push(Taken {
            seconds,
            samples: 1,
            device_seconds,
            host_seconds,
            cpu_per_wall: cpu.map(|cpu| cpu / seconds),
        });
    }
    bench.b.time_passes(false);
    let warm = &taken[usize::from(taken.len() > 1)..];
    let middle = median(warm.iter().map(|t| t.seconds).collect());
    // Host, device and CPU times of the run nearest to the median.
    let nearest = warm.iter().min_by(|a, b| (a.seconds - middle).abs().total_cmp(&(b.seconds - middle).abs()));
    let taken = Taken { seconds: middle, samples: warm.len(), ..nearest.copied().unwrap_or_default() };
    let iterations = last
        .as_ref()
        .map(|fit| fit.history.pretrain.iter().chain([&fit.history.finetune]).map(|h| h.len().saturating_sub(1)).sum());
    let relative_error = last.map(|fit| fit.relative_error);
    bench.rows.push(Row { rate: None, relative_error, iterations, ..taken.fill(1.0, row) });
    Ok(())
}

/// A sweep of fine-tuning over as many samples as Fashion-MNIST has, then over 10 and 100 times as many.
pub(super) fn sweeps<B: Clock<Elem = f32>>(bench: &mut Bench<'_, B>) -> Result<()> {
    let share = bench.share(10.0);
    let config = config(bench.b, "sdnmf-l", &SWEEP[2..])?;
    // Two runs, and about one sweep more to begin each.
    let (steps, sweeps) = (steps(&config), (2 * first_run(bench.b) + bench.b.cadence().every + 2) as f64);
    let shape = shrink(SWEEP, 3.0 * share, samples, |[n, m, k1, k]| {
        let (n, m, k1, k) = (n as f64, m as f64, k1 as f64, k as f64);
        let of_samples = 4.0 * n * m * k + steps * 2.0 * n * k * k;
        let chain = m * k1 * k1 + k1 * k * k + k1 * k1 * k;
        sweeps * cost(bench, of_samples + steps * 2.0 * chain)
    });
    let [n, m, k1, k] = shape;
    let row = |name, times: usize| {
        let usual = text([times * SWEEP[0], SWEEP[1]], &SWEEP[2..]);
        let note = (shape != SWEEP).then(|| format!("instead of {usual}"));
        Row { name, shape: text([times * n, m], &[k1, k]), unit: "images/s", note, ..Row::default() }
    };
    let config = Config { layers: vec![k1, k], ..config };
    let first = row("sweep n", 1);
    bench.begin(&first);
    let taken = sweep(bench, (n, m), &config, share, true)?;
    bench.rows.push(taken.fill(n as f64, first));
    for (name, times, weight) in [("sweep 10n", 10, 14.0), ("sweep 100n", 100, 16.0)] {
        let share = bench.share(weight);
        let row = row(name, times);
        bench.begin(&row);
        let expected = taken.seconds * (times * (first_run(bench.b) + 2)) as f64;
        let bytes = device_bytes(&config, times * n, m)?;
        let measured = if expected > 1.5 * share {
            Err(format!(
                "left out: it would take about {} s",
                if expected < 10.0 { format!("{expected:.2}") } else { format!("{expected:.0}") }
            ))
        } else if bench.bytes.is_some_and(|limit| bytes > limit) {
            Err(format!("left out: it would take {:.1} GB of memory", bytes as f64 * 1e-9))
        } else {
            match sweep(bench, (times * n, m), &config, share, false) {
                Ok(of_many) => Ok(of_many),
                Err(e @ (Error::TooLarge { .. } | Error::OutOfMemory(_))) => {
                    bench.b.time_passes(false);
                    Err(format!("does not fit: {e}"))
                }
                Err(e) => return Err(e),
            }
        };
        bench.rows.push(match measured {
            Ok(of_many) => Row {
                of_linear: Some(of_many.seconds / (times as f64 * taken.seconds)),
                ..of_many.fill((times * n) as f64, row)
            },
            Err(note) => Row { note: Some(note), ..row },
        });
    }
    Ok(())
}

/// The sweeps of the first run: just enough for one measured interval between two looks at the objective.
fn first_run<B: Clock>(b: &B) -> usize {
    (2 + b.cadence().ahead) * b.cadence().every
}

/// The times of a run of sweeps: as a whole, and per sweep between two looks at the objective.
struct Run {
    sweeps: usize,
    wall: f64,
    host: Option<f64>,
    cpu: Option<f64>,
    device: Option<f64>,
    of_one: Vec<f64>,
}

/// Times a sweep for `share` seconds: by a short run, and a longer one if there is time for it or `both` asks for it. The
/// runs differ in the number of sweeps only.
fn sweep<B: Clock<Elem = f32>>(
    bench: &mut Bench<'_, B>,
    (n, m): (usize, usize),
    config: &Config,
    share: f64,
    both: bool,
) -> Result<Taken> {
    let (begin, Cadence { every, ahead }) = (Instant::now(), bench.b.cadence());
    let b = &mut *bench.b;
    let [k1, k] = [config.layers[0], config.layers[1]];
    let Set { x, h } = Set::new(b, (n, m), k)?;
    let (mut x, mut h) = (Samples::of_one(b, x), Samples::of_one(b, h));
    let (_, xx) = totals(b, &mut x)?;
    let mut w = vec![b.upload(random(8, m, k1).view())?, b.upload(random(9, k1, k).view())?];
    let penalties = Penalties { mu: vec![MU; 2], lambda: vec![0.0; 2] };
    let timed = b.time_passes(true);
    let mut run = |sweeps: usize| -> Result<Run> {
        let (mut looks, config) = (Vec::new(), Config { sweeps, ..config.clone() });
        let clocks = Clocks::now(b);
        let mut look = |p: &Progress| {
            if p.stage == Stage::Finetune && p.done.is_multiple_of(every) {
                looks.push(Instant::now());
            }
            ControlFlow::Continue(())
        };
        train::finetune(b, (&mut x, xx), &mut w, &mut h, &penalties, &config, &mut Watch::new(&mut look))?;
        let (wall, host, cpu) = clocks.since(b);
        let device = if timed { b.pass_seconds()? } else { None };
        // No sweep is queued behind the last looks, so their intervals would be too short.
        looks.truncate(looks.len().saturating_sub(ahead));
        let of_one = looks.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64() / every as f64).collect();
        Ok(Run { sweeps, wall, host, cpu, device, of_one })
    };
    let short = run((2 + ahead) * every)?;
    let seconds = median(short.of_one.clone());
    let setup = (short.wall - short.sweeps as f64 * seconds).max(0.0);
    let left = share - begin.elapsed().as_secs_f64() - setup;
    let sweeps = ((left / seconds).clamp(0.0, 60.0) as usize) / every * every;
    let sweeps = if both { sweeps.max(short.sweeps + every) } else { sweeps };
    let long = if sweeps > short.sweeps { Some(run(sweeps)?) } else { None };
    bench.b.time_passes(false);
    let Some(long) = long else {
        return Ok(Taken { seconds, samples: short.of_one.len(), ..Taken::default() });
    };
    let more = (long.sweeps - short.sweeps) as f64;
    let of_one = |long: Option<f64>, short: Option<f64>| long.zip(short).map(|(l, s)| ((l - s) / more).max(0.0));
    Ok(Taken {
        samples: long.of_one.len(),
        seconds: median(long.of_one),
        device_seconds: of_one(long.device, short.device),
        host_seconds: of_one(long.host, short.host),
        cpu_per_wall: long.cpu.map(|cpu| cpu / long.wall),
    })
}
