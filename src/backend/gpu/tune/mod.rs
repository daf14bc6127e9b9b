//! Which variant of a product is fastest on this device, measured once for every class of shapes and kept in a file.

mod cache;

use super::handle::Gpu;
use super::kernels::class::Class;
use super::kernels::matmul_tiled::{VARIANTS, VERSION};
use super::matrix::Matrix;
use super::options::Tune;
use crate::backend::{Backend, Clock, Device, MatMul};
use crate::{Error, Result};
use cache::Known;
use std::time::{Duration, Instant};

/// For all classes together: when it is over no other is begun, but one is always measured.
const BUDGET: Duration = Duration::from_millis(2000);
/// For a measurement, about.
const SECONDS: f64 = 1e-3;
/// Measurements of a variant, of which the shortest counts: how much slower than the best so far one may be to be measured again.
const ROUNDS: [f64; 4] = [2.0, 1.25, 1.1, 1.1];
/// For a device to speed up: at first, and before every class.
const WARM: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(10)];

/// Takes the variants that the file says are fastest, and measures those that it says nothing of and writes them there. `broken` are
/// those that no device takes that this one was before.
///
/// # Errors
/// [`Error::DeviceLost`], with one more variant in `broken` where that was the cause.
pub(super) fn tune(gpu: &mut Gpu, broken: &mut Vec<usize>) -> Result<()> {
    let wanted = match gpu.recorder.context.options.tune {
        Tune::Never => false,
        Tune::Always => true,
        Tune::Auto => gpu.recorder.context.is_gpu(),
    };
    if !wanted || gpu.recorder.context.options.force_variant.is_some() {
        return Ok(());
    }
    let file = cache::file(gpu.recorder.context.options.cache.as_deref());
    let key = format!("{} | {VERSION}", gpu.recorder.context.identity);
    let mut known = file.as_deref().and_then(|file| cache::read(file, &key)).unwrap_or_default();
    known.broken.extend(broken.iter().filter(|variant| !known.broken.contains(variant)).copied().collect::<Vec<_>>());
    for variant in &known.broken {
        gpu.products.runs[*variant] = false;
    }
    let mut measured = Ok(());
    if !Class::all().all(|class| known.fastest.contains_key(&class)) {
        measured = measure(gpu, &mut known);
        gpu.recorder.context.options.force_variant = None;
        // What was measured is no part of what is asked of the device.
        gpu.recorder.scheduler.stats = Default::default();
        gpu.recorder.context.memory.forget_peak();
        if let Some(file) = file {
            cache::write(&file, &key, &known);
        }
    }
    *broken = known.broken;
    gpu.products.measured = known.fastest;
    measured
}

/// The classes that are not known yet, as many as there is time for; the others are left to the next time.
fn measure(gpu: &mut Gpu, known: &mut Known) -> Result<()> {
    let (begin, before) = (Instant::now(), known.fastest.len());
    let mut warm = WARM.into_iter();
    gpu.time_passes(true);
    for class in Class::all() {
        if known.fastest.contains_key(&class) {
            continue;
        }
        let (m, k, n) = class.shape;
        let (of_a, of_b) = match class.op {
            MatMul::NN => ((m, k), (k, n)),
            MatMul::TN => ((k, m), (k, n)),
            MatMul::NT => ((m, k), (n, k)),
        };
        let matrices = [of_a, of_b, (m, n)].map(|(rows, cols)| gpu.zeros(rows, cols));
        let [Ok(a), Ok(b), Ok(out)] = matrices else {
            // The device allows no matrix of this size: it never gets such products.
            continue;
        };
        let mut race = Race { gpu: &mut *gpu, op: class.op, a, b, out, best: (f64::INFINITY, 0) };
        let is_over = || known.fastest.len() > before && begin.elapsed() > BUDGET;
        match race.run(warm.next().unwrap_or(WARM[1]), is_over, &mut known.broken) {
            Ok(true) => known.fastest.insert(class, race.best.1),
            Ok(false) => break,
            Err(error) => return Err(error),
        };
    }
    gpu.time_passes(false);
    Ok(())
}

/// The variants on one product.
struct Race<'a> {
    gpu: &'a mut Gpu,
    op: MatMul,
    a: Matrix,
    b: Matrix,
    out: Matrix,
    /// The shortest time, and the variant that had it.
    best: (f64, usize),
}

impl Race<'_> {
    /// Whether there was time to measure them all. A variant that the driver refuses, or that the device is lost with, is `broken`.
    fn run(&mut self, warm: Duration, is_over: impl Fn() -> bool, broken: &mut Vec<usize>) -> Result<bool> {
        // All are compiled first, but for the reference, which is never the fastest.
        let mut racers = Vec::new();
        for variant in 1..VARIANTS.len() {
            if is_over() {
                return Ok(false);
            }
            if !self.gpu.products.runs[variant] {
                continue;
            }
            match self.seconds(variant, 1) {
                Ok(once) => racers.push((variant, once)),
                Err(Error::DeviceFault(_)) => {
                    self.gpu.products.runs[variant] = false;
                    broken.push(variant);
                }
                Err(error) => return Err(blamed(error, variant, broken)),
            }
        }
        // Without work a device slows its clock down, and with work it takes a while to speed up again.
        let begin = Instant::now();
        while let Some((first, _)) = racers.first().filter(|_| begin.elapsed() < warm) {
            self.seconds(*first, 4).map_err(|error| blamed(error, *first, broken))?;
        }
        // Back and forth, so that a clock that still changes is no advantage.
        for margin in ROUNDS {
            for (variant, once) in &mut racers {
                if is_over() {
                    return Ok(false);
                }
                if *once > margin * self.best.0 {
                    continue;
                }
                #[expect(clippy::cast_possible_truncation, reason = "from 1 to 64")]
                let times = (SECONDS / *once).clamp(1.0, 64.0) as usize;
                let taken = self.seconds(*variant, times).map_err(|error| blamed(error, *variant, broken))?;
                *once = once.min(taken / times as f64);
                if *once < self.best.0 {
                    self.best = (*once, *variant);
                }
            }
            racers.reverse();
        }
        Ok(true)
    }

    /// Of so many products in the way of a variant.
    fn seconds(&mut self, variant: usize, times: usize) -> Result<f64> {
        self.gpu.recorder.context.options.force_variant = Some(variant);
        let clock = Instant::now();
        (0..times).try_for_each(|_| self.gpu.matmul(self.op, &self.a, &self.b, &mut self.out))?;
        let of_passes = self.gpu.pass_seconds()?;
        self.gpu.recorder.scheduler.wait(&self.gpu.recorder.context)?;
        // By the device's own clock, if it has one.
        Ok(of_passes.unwrap_or_else(|| clock.elapsed().as_secs_f64()))
    }
}

/// `error`, with the variant among the `broken` ones where the device is lost.
fn blamed(error: Error, variant: usize, broken: &mut Vec<usize>) -> Error {
    if matches!(error, Error::DeviceLost(_)) {
        broken.push(variant);
    }
    error
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
