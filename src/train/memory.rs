//! The memory that a fit takes, predicted from its shapes alone.
//!
//! The loops of a fit run once each on a device that holds nothing and counts what a real one would hold.

use super::Config;
use super::fit::fit_divided;
use super::layers::REFINEMENT;
use super::source::Source;
use super::unit::Unit;
use super::watch::{Watch, silent};
use crate::backend::gpu::predict::{MOST, words};
use crate::backend::{Backend, Counting, Rows, Rules, SHARD_BYTES};
use crate::{Error, Result, memory};
use ndarray::{ArrayView2, ShapeBuilder};
use std::ops::Range;

/// The peak of the device memory of [`fit`](crate::train::fit()) for `n × m` data on the GPU backend, in bytes; what
/// [`Stats::peak_bytes`](crate::backend::gpu::Stats::peak_bytes) then says of a device on which nothing else ran.
///
/// Counted are the buffers that a fit of `config` makes: X as it is stored, the factors, what the blocks work with, and scratch.
/// Of a neighbour graph it is the most that there can be, and beyond a thousand shards of X what the last of them add. A device
/// that offers less than 32 MiB per binding has smaller scratch, and takes less; products of halves take more.
/// [`Solver::Auto`](super::Solver::Auto) is what it means on a GPU, and [`Storage::Auto`](crate::backend::Storage::Auto) counts
/// as f32: [`Storage::resolve`](crate::backend::Storage::resolve) says what it comes to. What has a matrix of more than 2⁴⁸
/// bytes counts as that.
///
/// # Errors
/// [`Error::Config`] for settings that make no sense, as [`Config::validate`].
pub fn device_bytes(config: &Config, n: usize, m: usize) -> Result<u64> {
    config.validate()?;
    peak(Rules::Gpu, &of_rank(config, n, m), config.own_rows(n, m).len(), m)
}

/// The settings of a fit of the samples of one rank of several alone, which takes as much memory: of a part for the pre-training it has
/// its share.
fn of_rank(config: &Config, n: usize, m: usize) -> Config {
    let mut config = config.clone();
    if config.ranks.is_some() {
        let share = config.pretrained_on(n).map(|part| config.own_rows(part, m).len());
        config.pretrain_samples = Some(share.unwrap_or(usize::MAX));
    }
    config
}

/// How samples may lie on a device, from the fastest way on: as `config` says, or streamed to it in shards of
/// `shard_rows` rows and ever fewer; before these are few, H is in a scratch file too, in the folder of the config or that of
/// temporary files.
pub(crate) fn placements(config: &Config, shard_rows: usize) -> Vec<Config> {
    // An online batch is a shard.
    let least = config.online.map_or(LEAST_ROWS, |online| online.batch);
    let fewer = move |rows: &usize| Some(rows / 2).filter(|rows| *rows >= least);
    let first = (!config.couples_samples()).then(|| config.shard_rows(shard_rows));
    let rows: Vec<usize> = std::iter::successors(first, fewer).collect();
    let few = rows.partition_point(|rows| *rows >= FEW_ROWS);
    let streamed = rows[..few].iter().map(|rows| (*rows, config.scratch.clone()));
    let scratch = || Some(config.scratch.clone().unwrap_or_else(std::env::temp_dir));
    let parked = rows.iter().map(|rows| (*rows, scratch()));
    let all = streamed.chain(parked);
    let all = all.map(|(rows, scratch)| Config { stream: true, max_shard_rows: Some(rows), scratch, ..config.clone() });
    std::iter::once(config.clone()).chain(all).collect()
}

/// The rows of the smallest shard, and those of one that is small.
const LEAST_ROWS: usize = 64;
const FEW_ROWS: usize = 1024;

/// The host memory that [`fit`](crate::train::fit()) of `n × m` data takes besides the caller's samples, in bytes, about: the W
/// and H that the largest layer starts from, of a stream the shard in use and the one that is read ahead, and on the CPU backend,
/// in f32, what [`device_bytes`] is of a GPU. `u64::MAX` where it is beyond counting.
pub fn host_bytes(config: &Config, n: usize, m: usize, on_gpu: bool) -> u64 {
    let (all, n) = (n, config.own_rows(n, m).len());
    let mut config = of_rank(config, all, m);
    if config.ranks.is_some() && !on_gpu {
        // Their shards are small.
        config.max_shard_rows = Some(config.block_rows((all, m)));
    }
    let config = &config;
    let rows = [m].into_iter().chain(config.layers.iter().copied());
    let of = config.pretrained_on(n).unwrap_or(n);
    let start =
        rows.zip(&config.layers).map(|(rows, &k)| words(of, k).saturating_add(words(rows, k))).max().unwrap_or(0);
    // The fit says what is wrong with its settings.
    let mut fit = if on_gpu { 0 } else { peak(Rules::Cpu, config, n, m).unwrap_or(0) };
    if config.scratch.is_some() {
        // H is in memory once it is done.
        fit = fit.max(words(n, config.layers.last().copied().unwrap_or(0)));
    }
    // A part for the pre-training is picked out of large ones.
    let rows = if of < n { n } else { n.min(config.shard_rows(n)) };
    let shard = words(rows, m).min(SHARD_BYTES as u64);
    let ahead = if config.stream { 2 * shard } else { 0 };
    match start.saturating_add(fit).saturating_add(ahead) {
        most if most >= MOST => u64::MAX,
        bytes => bytes,
    }
}

/// Shards that are counted one by one.
const SHARDS: usize = 1000;

/// Of the device that follows these rules.
fn peak(rules: Rules, config: &Config, n: usize, m: usize) -> Result<u64> {
    let layers = &config.layers;
    if [m].iter().chain(layers).any(|&k| words(n, k).max(words(m, k)) >= MOST)
        || layers.iter().any(|&k| layers.iter().any(|&l| words(k, l) >= MOST))
    {
        return Ok(MOST);
    }
    // With as many iterations as have all the matrices: of a fit in halves the last ones are in f32, and of one layer the last is plain.
    let (pretrain, sweeps) = (config.pretrain.min(1), config.sweeps.min(REFINEMENT + 1));
    let config = &Config { pretrain, sweeps, inner: 1, tol: 0.0, target_error: None, ranks: None, ..config.clone() };
    let of = |n: usize, part: usize| {
        let mut counting = Counting::new(rules);
        let mut report = silent;
        let config = Config { pretrain_samples: Some(part), ..config.clone() };
        fit_divided(&mut counting, (&mut Shape(n, m), Unit::ONE), &config, None, &mut Watch::new(&mut report))?;
        Ok(counting.peak())
    };
    let rows = config.shard_rows(Counting::new(rules).shard_rows(m));
    let more = |n: usize| if config.couples_samples() { 0 } else { (n / rows).saturating_sub(SHARDS) };
    let along = |n: usize, of: &dyn Fn(usize) -> Result<u64>| {
        let (counted, more) = (of(n - more(n) * rows)?, more(n));
        if more == 0 {
            return Ok(counted);
        }
        // Every further shard adds the same.
        let each = of(n - (more - 1) * rows)? - counted;
        Ok(counted.saturating_add(each.saturating_mul(more as u64)).min(MOST))
    };
    match config.pretrained_on(n) {
        None => along(n, &|n| of(n, usize::MAX)),
        // Of all samples, beside pre-training on next to none; and of the part, beside next to none that it leaves out.
        Some(part) => Ok(along(n, &|n| of(n, 1))?.max(along(part, &|part| of(part + 1, part))?)),
    }
}

/// Samples of which only the shape is known.
struct Shape(usize, usize);

impl Source<f32> for Shape {
    fn shape(&self) -> (usize, usize) {
        (self.0, self.1)
    }

    /// One number for all of them.
    fn rows(&mut self, rows: Range<usize>) -> Result<Rows<'_, f32>> {
        let all = ArrayView2::from_shape((rows.len(), self.1).strides((0, 0)), &[1.0]);
        Ok(all.map_err(|e| Error::Data(e.to_string()))?.into())
    }
}

/// Refuses a fit of `n × m` data, which the caller has in memory, that this machine has no more memory for: nothing can be done once
/// an allocation fails. `bytes` are those of a number.
///
/// # Errors
/// [`Error::Config`] with what is needed and what is available.
pub(crate) fn check_memory(config: &Config, (n, m): (usize, usize), (on_gpu, bytes): (bool, usize)) -> Result<()> {
    let needed = host_bytes(config, n, m, on_gpu).saturating_mul((bytes / size_of::<f32>()) as u64);
    let Some(available) = memory::available().filter(|available| *available < needed) else { return Ok(()) };
    let size = |bytes: u64| match bytes as f64 / f64::from(1 << 30) {
        _ if bytes == u64::MAX => "more than can be counted".into(),
        gib if gib >= 0.1 => format!("about {gib:.1} GiB"),
        gib => format!("about {:.1} MiB", 1024.0 * gib),
    };
    let layers = config.layers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    Err(Error::Config(format!(
        "layers {layers} of {n} samples × {m} features need {} of memory, and {} are available; choose smaller layers, \
         or fewer samples or features",
        size(needed),
        size(available)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MODELS;

    #[test]
    fn what_no_machine_has_is_refused_before_anything_is_allocated() {
        for layers in [vec![usize::MAX], vec![i64::MAX as usize, 2], vec![4, 1 << 40], vec![100_000_000_000]] {
            for model in MODELS {
                for on_gpu in [false, true] {
                    let config = Config::new(*model, layers.clone());
                    for bytes in [4, 8] {
                        let message = check_memory(&config, (60, 36), (on_gpu, bytes)).unwrap_err().to_string();
                        let sizes = ["need about", "need more than can be counted of memory"];
                        assert!(
                            sizes.iter().any(|size| message.contains(&format!("60 samples × 36 features {size}"))),
                            "{message}"
                        );
                        assert!(!message.contains("17179869184"), "{message}");
                    }
                }
            }
        }
        let config = Config::new(MODELS[0], [4, 2]);
        assert!(check_memory(&config, (usize::MAX, usize::MAX), (false, 4)).is_err());
        assert!(check_memory(&config, (60, 36), (false, 4)).is_ok());
    }
}
