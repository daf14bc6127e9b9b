//! A sweep of fine-tuning and an iteration of one layer, as a fit runs them.

use std::time::Duration;

use deepnmf::Result;
use deepnmf::backend::Backend;
use deepnmf::data::{Scale, preprocess};
use deepnmf::model::ModelSpec;
use deepnmf::train::{Config, Start, fit};
use ndarray::Array2;

use crate::devices::{Bench, Stopwatch, Taken, Work};
use crate::operations::{Sizes, random, sizes};

pub(crate) fn run<B: Backend<Elem = f32>>(bench: &mut Bench<'_, B>) {
    let Sizes { n, m, k: [k1, k2] } = sizes(bench.small());
    let images = Work::Images(n as u64);
    let two = Training::new((n, m), vec![k1, k2]);
    bench.measure(("sweep", format!("{n}x{m}-{k1}-{k2}")), images, |b, _, sweeps| two.time(b, sweeps));
    let images = Work::Images(n as u64);
    let one = Training::new((n, m), vec![k2]);
    bench.measure(("iteration", format!("{n}x{m}-{k2}")), images, |b, _, iterations| one.time(b, iterations));
}

/// A fit from a random start, without pre-training, whose last stage is looked at.
struct Training {
    size: (usize, usize),
    layers: Vec<usize>,
    made: std::cell::OnceCell<(Array2<f32>, Start<f32>)>,
}

impl Training {
    fn new(size: (usize, usize), layers: Vec<usize>) -> Self {
        Self { size, layers, made: std::cell::OnceCell::new() }
    }

    /// Images of 40 parts and some noise, every one of norm 1.
    fn make(&self) -> (Array2<f32>, Start<f32>) {
        let (n, m) = self.size;
        let sparse = |seed, rows, cols| random(seed, rows, cols).mapv(|v: f32| v.powi(8));
        let mut x = sparse(10, n, 40).dot(&sparse(11, 40, m)) + random(12, n, m) * 0.1;
        preprocess(&mut x, Scale::UnitL2);
        let before = std::iter::once(&m).chain(&self.layers);
        let factors = before.zip(&self.layers).map(|(&rows, &k)| {
            // The size of a balanced start: sums of k products of the size of an entry of x.
            let scale = (1.0 / (k as f32 * (m as f32).sqrt())).sqrt();
            (random(13, rows, k) * scale, random(14, n, k) * scale)
        });
        let start = factors.collect();
        (x, start)
    }

    /// The time of so many iterations: that of the stage with them, less that of the stage without.
    fn time<B: Backend<Elem = f32>>(&self, b: &mut B, iterations: u64) -> Result<Taken> {
        let (x, start) = self.made.get_or_init(|| self.make());
        let mut seconds = |iterations| -> Result<f64> {
            let config = Config {
                pretrain: 0,
                sweeps: iterations,
                tol: 0.0,
                ..Config::new(ModelSpec::by_name("sdnmf-l")?, self.layers.as_slice())
            };
            let seconds = fit(b, x.view(), &config, Some(start), &mut deepnmf::train::silent)?.seconds;
            Ok(if self.layers.len() == 1 { seconds.pretrain } else { seconds.finetune })
        };
        let without = seconds(0)?;
        let watch = Stopwatch::start();
        let with = seconds(iterations as usize)?;
        // The CPU time is that of the whole fit, of which the stage is all but a little.
        Ok(watch.stop().of_that(Duration::from_secs_f64((with - without).max(1e-9))))
    }
}
