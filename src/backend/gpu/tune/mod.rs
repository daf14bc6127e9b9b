//! Which variant of a product is fastest on this device, measured once for every class of shapes and kept in a file.

mod cache;

use super::Gpu;
use super::kernels::matmul_tiled::{VARIANTS, VERSION};
use super::options::Tune;
use crate::backend::{Backend, Clock, Device, MatMul};
use crate::{Error, Result};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// For all classes together: when it is over no other is begun, but one is always measured.
const BUDGET: Duration = Duration::from_millis(1500);
/// For a measurement, about.
const SECONDS: f64 = 1e-3;

/// Products that are taken to be fastest in the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Class {
    op: MatMul,
    /// One of them: rows, inner size, columns.
    shape: (usize, usize, usize),
}

/// Columns of a class, at most; the last has those with more.
const COLUMNS: [usize; 4] = [32, 64, 128, 256];
/// Rows of a small product, at most, and of the larger one that is measured.
const ROWS: [usize; 2] = [1024, 8192];
/// Terms of a short sum, at most, and of the longer one that is measured.
const INNER: [usize; 2] = [128, 1024];

impl Class {
    pub(super) fn of(op: MatMul, (m, k, n): (usize, usize, usize)) -> Self {
        let cols = COLUMNS.iter().position(|most| n <= *most).unwrap_or(COLUMNS.len() - 1);
        Self::at(op, usize::from(m > ROWS[0]), usize::from(k > INNER[0]), cols)
    }

    fn at(op: MatMul, rows: usize, inner: usize, cols: usize) -> Self {
        // Sums over samples are the longest, and have no more rows than there are features.
        let (rows, inner) = match op {
            MatMul::TN => ([256, 2048][rows], [128, 8192][inner]),
            MatMul::NN | MatMul::NT => ([256, 8192][rows], [64, INNER[1]][inner]),
        };
        Self { op, shape: (rows, inner, COLUMNS[cols]) }
    }

    /// All of them, those of few terms first: a slow device gets through these within its time.
    fn all() -> impl Iterator<Item = Self> {
        let ops = [MatMul::NN, MatMul::TN, MatMul::NT];
        let sizes = [(0, 0), (0, 1), (1, 0), (1, 1)];
        sizes.into_iter().flat_map(move |(rows, inner)| {
            ops.into_iter().flat_map(move |op| (0..COLUMNS.len()).map(move |cols| Self::at(op, rows, inner, cols)))
        })
    }

    fn name(&self) -> String {
        let (m, k, n) = self.shape;
        format!("{:?} {m}x{k}x{n}", self.op)
    }
}

/// The numbers of the fastest variants.
pub(super) type Table = HashMap<Class, usize>;

/// What the file knows of this device, else what is measured now and written there.
pub(super) fn table(gpu: &mut Gpu) -> Result<Table> {
    let wanted = match gpu.context.options.tune {
        Tune::Never => false,
        Tune::Always => true,
        Tune::Auto => gpu.context.is_gpu(),
    };
    if !wanted || gpu.context.options.force_variant.is_some() {
        return Ok(Table::new());
    }
    let file = cache::file(gpu.context.options.cache.as_deref());
    let key = format!("{} | {VERSION}", gpu.context.identity);
    let known = file.as_deref().and_then(|file| cache::read(file, &key)).unwrap_or_default();
    if Class::all().all(|class| known.contains_key(&class)) {
        return Ok(known);
    }
    let measured = measure(gpu, known);
    gpu.context.options.force_variant = None;
    // What was measured is no part of what is asked of the device.
    gpu.scheduler.stats = Default::default();
    gpu.context.memory.forget_peak();
    let table = measured?;
    if let Some(file) = file {
        cache::write(&file, &key, &table);
    }
    Ok(table)
}

/// The classes that are not known yet, as many as there is time for; the others are left to the next time.
fn measure(gpu: &mut Gpu, known: Table) -> Result<Table> {
    let (begin, runs) = (Instant::now(), gpu.runs);
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
        // The reference last: it is rarely the fastest, and told so by a single run.
        for variant in (1..VARIANTS.len()).chain([0]).filter(|i| runs[*i]) {
            if table.len() > before && begin.elapsed() > BUDGET {
                break 'classes;
            }
            gpu.context.options.force_variant = Some(variant);
            let mut seconds = |times: usize| {
                let clock = Instant::now();
                (0..times).try_for_each(|_| gpu.matmul(class.op, &a, &b, &mut out))?;
                let of_passes = gpu.pass_seconds()?;
                gpu.scheduler.wait(&gpu.context)?;
                // By the device's own clock, unless that stands still.
                Ok::<f64, Error>(of_passes.filter(|s| *s > 0.0).unwrap_or_else(|| clock.elapsed().as_secs_f64()))
            };
            // The first run compiles. What the driver refuses is never asked for again.
            match seconds(1) {
                Err(Error::DeviceFault(_)) => {
                    gpu.runs[variant] = false;
                    continue;
                }
                other => other?,
            };
            let once = seconds(1)?;
            if once > 2.0 * best.0 {
                continue;
            }
            #[expect(clippy::cast_possible_truncation, reason = "from 1 to 64")]
            let times = (SECONDS / once).clamp(1.0, 64.0) as usize;
            let mean = seconds(times)? / times as f64;
            if mean < best.0 {
                best = (mean, variant);
            }
        }
        table.insert(class, best.1);
    }
    gpu.time_passes(false);
    Ok(table)
}

impl Gpu {
    /// The classes of products that were measured, by one of them (rows × terms × columns), each with the fastest
    /// variant.
    pub fn tuned(&self) -> Vec<(String, &'static str)> {
        let mut list: Vec<_> = self.tuned.iter().map(|(class, v)| (class.name(), VARIANTS[*v].name)).collect();
        list.sort();
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_product_is_of_a_class_that_is_measured() {
        let all: HashSet<Class> = Class::all().collect();
        assert_eq!((all.len(), Class::all().count()), (48, 48));
        for op in [MatMul::NN, MatMul::TN, MatMul::NT] {
            for m in [1, 1024, 1025, 60_000] {
                for k in [1, 128, 129, 60_000] {
                    for n in [1, 32, 33, 64, 65, 128, 129, 5000] {
                        assert!(all.contains(&Class::of(op, (m, k, n))), "{op:?} {m} {k} {n}");
                    }
                }
            }
        }
        for class in Class::all() {
            assert_eq!(Class::of(class.op, class.shape), class, "{}", class.name());
        }
    }
}
