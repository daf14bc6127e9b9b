//! Which variant of a product is fastest on this device, measured once for every class of shapes and kept in a file.

mod cache;

use super::handle::Gpu;
use super::kernels::class::{Class, Table};
use super::kernels::matmul_tiled::{VARIANTS, VERSION};
use super::options::Tune;
use crate::backend::{Backend, Clock, Device, MatMul};
use crate::{Error, Result};
use std::time::{Duration, Instant};

/// For all classes together: when it is over no other is begun, but one is always measured.
const BUDGET: Duration = Duration::from_millis(1500);
/// For a measurement, about.
const SECONDS: f64 = 1e-3;
/// Measurements of every variant, of which the shortest counts.
const ROUNDS: usize = 2;
/// For a device to speed up.
const WARM: Duration = Duration::from_millis(30);

/// What the file knows of this device, else what is measured now and written there.
pub(super) fn table(gpu: &mut Gpu) -> Result<Table> {
    let wanted = match gpu.recorder.context.options.tune {
        Tune::Never => false,
        Tune::Always => true,
        Tune::Auto => gpu.recorder.context.is_gpu(),
    };
    if !wanted || gpu.recorder.context.options.force_variant.is_some() {
        return Ok(Table::new());
    }
    let file = cache::file(gpu.recorder.context.options.cache.as_deref());
    let key = format!("{} | {VERSION}", gpu.recorder.context.identity);
    let known = file.as_deref().and_then(|file| cache::read(file, &key)).unwrap_or_default();
    if Class::all().all(|class| known.contains_key(&class)) {
        return Ok(known);
    }
    let measured = measure(gpu, known);
    gpu.recorder.context.options.force_variant = None;
    // What was measured is no part of what is asked of the device.
    gpu.recorder.scheduler.stats = Default::default();
    gpu.recorder.context.memory.forget_peak();
    let table = measured?;
    if let Some(file) = file {
        cache::write(&file, &key, &table);
    }
    Ok(table)
}

/// The classes that are not known yet, as many as there is time for; the others are left to the next time.
fn measure(gpu: &mut Gpu, known: Table) -> Result<Table> {
    let (begin, mut runs) = (Instant::now(), gpu.products.runs);
    let (before, mut table) = (known.len(), known);
    gpu.time_passes(true);
    'classes: for class in Class::all() {
        if table.contains_key(&class) {
            continue;
        }
        let ((m, k, n), mut best) = (class.shape, (f64::INFINITY, 0));
        let (of_a, of_b) = match class.op {
            MatMul::NN => ((m, k), (k, n)),
            MatMul::TN => ((k, m), (k, n)),
            MatMul::NT => ((m, k), (n, k)),
        };
        let matrices = [of_a, of_b, (m, n)].map(|(rows, cols)| gpu.zeros(rows, cols));
        let [Ok(a), Ok(b), Ok(mut out)] = matrices else {
            // The device allows no matrix of this size: it never gets such products.
            continue;
        };
        let mut seconds = |variant: usize, times: usize| {
            gpu.recorder.context.options.force_variant = Some(variant);
            let clock = Instant::now();
            (0..times).try_for_each(|_| gpu.matmul(class.op, &a, &b, &mut out))?;
            let of_passes = gpu.pass_seconds()?;
            gpu.recorder.scheduler.wait(&gpu.recorder.context)?;
            // By the device's own clock, unless that stands still.
            Ok::<f64, Error>(of_passes.filter(|s| *s > 0.0).unwrap_or_else(|| clock.elapsed().as_secs_f64()))
        };
        let over = |table: &Table| table.len() > before && begin.elapsed() > BUDGET;
        // All are compiled first, but for the reference, which is never the fastest. What the driver refuses is not asked for again.
        let mut racers = Vec::new();
        for (variant, runs) in runs.iter_mut().enumerate().skip(1) {
            if over(&table) {
                break 'classes;
            }
            if !*runs {
                continue;
            }
            match seconds(variant, 1) {
                Ok(once) => racers.push((variant, once)),
                Err(Error::DeviceFault(_)) => *runs = false,
                Err(other) => return Err(other),
            }
        }
        // Without work a device slows its clock down, and with work it takes a while to speed up again.
        let warm = Instant::now();
        while let Some((first, _)) = racers.first().filter(|_| warm.elapsed() < WARM) {
            seconds(*first, 4)?;
        }
        for _ in 0..ROUNDS {
            for (variant, once) in &mut racers {
                if over(&table) {
                    break 'classes;
                }
                if *once > 2.0 * best.0 {
                    continue;
                }
                #[expect(clippy::cast_possible_truncation, reason = "from 1 to 64")]
                let times = (SECONDS / *once).clamp(1.0, 64.0) as usize;
                *once = once.min(seconds(*variant, times)? / times as f64);
                if *once < best.0 {
                    best = (*once, *variant);
                }
            }
        }
        table.insert(class, best.1);
    }
    gpu.time_passes(false);
    gpu.products.runs = runs;
    Ok(table)
}

impl Gpu {
    /// The classes of products that were measured, by one of them (rows × terms × columns), each with the fastest
    /// variant.
    pub fn tuned(&self) -> Vec<(String, &'static str)> {
        let mut list: Vec<_> =
            self.products.measured.iter().map(|(class, v)| (class.name(), VARIANTS[*v].name)).collect();
        list.sort();
        list
    }
}
