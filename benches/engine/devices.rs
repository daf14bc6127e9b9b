//! The devices, and how something is measured on one of them.

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use deepnmf::Result;
use deepnmf::backend::Backend;

/// Launches per command buffer: about those of a block, and few enough for drivers that lose patience.
const LAUNCHES_PER_SUBMIT: u64 = 16;

/// Where to measure, and what is small enough for it.
pub(crate) struct Device {
    /// The number of the adapter; None for the CPU backend.
    pub(crate) index: Option<usize>,
    /// The backend's part of a benchmark's name: `cpu`, `vulkan-llvmpipe`.
    pub(crate) id: String,
    /// Whether only small shapes end in time.
    pub(crate) small: bool,
}

/// The CPU backend and every adapter that can be used.
pub(crate) fn present() -> Vec<Device> {
    let full = std::env::var("DEEPNMF_BENCH_SOFTWARE").is_ok_and(|v| v == "1");
    let mut devices = vec![Device { index: None, id: "cpu".into(), small: false }];
    for adapter in deepnmf::devices().into_iter().filter(|a| a.problem.is_none()) {
        let mut id = format!("{}-{}", adapter.backend, slug(&adapter.name));
        if devices.iter().any(|d| d.id == id) {
            id = format!("{id}-{}", adapter.index);
        }
        devices.push(Device { index: Some(adapter.index), id, small: adapter.kind == "cpu" && !full });
    }
    devices
}

/// `NVIDIA GeForce RTX 4090` → `nvidia-geforce-rtx-4090`; versions in parentheses would tell results apart that
/// are to be compared.
fn slug(name: &str) -> String {
    let name = name.split('(').next().unwrap_or_default().to_lowercase();
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty());
    words.collect::<Vec<_>>().join("-")
}

/// A device under measurement.
pub(crate) struct Bench<'a, B: Backend> {
    criterion: &'a mut Criterion,
    b: &'a mut B,
    device: &'a Device,
    fence: B::Scalars,
}

/// What a measurement counts.
pub(crate) enum Work {
    /// Floating-point operations of one launch.
    Flops(u64),
    /// Images that one launch handles.
    Images(u64),
}

impl<'a, B: Backend<Elem = f32>> Bench<'a, B> {
    pub(crate) fn new(criterion: &'a mut Criterion, b: &'a mut B, device: &'a Device) -> Result<Self> {
        let fence = b.scalars(1)?;
        Ok(Self { criterion, b, device, fence })
    }

    pub(crate) fn small(&self) -> bool {
        self.device.small
    }

    /// Measures `launch` on what `prepare` makes; neither runs unless the benchmark was asked for.
    pub(crate) fn operation<D>(
        &mut self,
        (name, shape): (&str, String),
        work: Work,
        prepare: impl Fn(&mut B) -> Result<D>,
        launch: impl Fn(&mut B, &mut D) -> Result<()>,
    ) {
        let mut data = None;
        self.measure((name, shape), work, |b, fence, launches| {
            if data.is_none() {
                data = Some(prepare(b)?);
            }
            let Some(data) = &mut data else { return Ok(Taken::default()) };
            wait(b, fence)?;
            let watch = Stopwatch::start();
            for i in 1..=launches {
                launch(b, data)?;
                if i % LAUNCHES_PER_SUBMIT == 0 {
                    b.submit()?;
                }
            }
            wait(b, fence)?;
            Ok(watch.stop())
        });
    }

    /// Measures what `time` says that so many iterations take.
    pub(crate) fn measure(
        &mut self,
        (name, shape): (&str, String),
        work: Work,
        mut time: impl FnMut(&mut B, &B::Scalars, u64) -> Result<Taken>,
    ) {
        let Self { criterion, b, device, fence } = self;
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(match work {
            Work::Flops(n) | Work::Images(n) => n,
        }));
        // Long operations: ten samples of equal length tell as much as a hundred growing ones, in a tenth of the time.
        group.sample_size(10).sampling_mode(SamplingMode::Flat);
        let mut all = Taken::default();
        group.bench_function(BenchmarkId::new(&device.id, shape), |bencher| {
            bencher.iter_custom(|iterations| {
                let taken = time(b, fence, iterations).expect("a benchmark of what the tests run does not fail");
                all.wall += taken.wall;
                all.cpu += taken.cpu;
                taken.wall
            });
        });
        group.finish();
        if !all.cpu.is_zero() {
            println!("{:24}CPU time ÷ wall {:.2}\n", "", all.cpu.as_secs_f64() / all.wall.as_secs_f64());
        }
    }
}

/// Until everything queued is done.
fn wait<B: Backend>(b: &mut B, fence: &B::Scalars) -> Result<()> {
    let pending = b.start_read(fence)?;
    b.finish_read(pending).map(drop)
}

/// What a measurement took.
#[derive(Default)]
pub(crate) struct Taken {
    wall: Duration,
    cpu: Duration,
}

impl Taken {
    /// The part of it that took `wall`.
    pub(crate) fn of_that(self, wall: Duration) -> Self {
        Self { wall, cpu: self.cpu.mul_f64(wall.as_secs_f64() / self.wall.as_secs_f64()) }
    }
}

/// Wall time and, where the system tells it, CPU time.
pub(crate) struct Stopwatch {
    start: Instant,
    cpu: Duration,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self { cpu: cpu_time(), start: Instant::now() }
    }

    pub(crate) fn stop(&self) -> Taken {
        Taken { wall: self.start.elapsed(), cpu: cpu_time().saturating_sub(self.cpu) }
    }
}

/// The CPU time of all threads of this process; where the system does not tell, 0.
fn cpu_time() -> Duration {
    Duration::from_secs_f64(deepnmf::bench::cpu_seconds().unwrap_or(0.0))
}
