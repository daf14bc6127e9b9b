//! The engine: a device, and what can be asked of it.

use crate::backend::gpu::{self, Gpu, GpuOptions, Stats};
use crate::backend::{Backend, Cpu, Device as _, DeviceInfo, DeviceRequest, Precision, Rows};
use crate::bench::{self, Limits};
use crate::evaluate::{Clustering, KMeans};
use crate::model::Factors;
use crate::ranks::Ranks;
use crate::train::{
    self, Checkpoints, Config, Fit, Memory, Penalties, Progress, Projected, Projection, Solver, Source, Start, Warning,
};
use crate::verify::{Check, verify};
use crate::{Error, Result, evaluate};
use ndarray::ArrayView2;
use std::ops::ControlFlow;

/// The adapters of this machine.
pub fn devices() -> Vec<DeviceInfo> {
    gpu::list(true)
}

/// What to do about a GPU of this machine that none of these adapters is for; None where there is none, as far as can be seen.
pub fn missing_device(adapters: &[DeviceInfo]) -> Option<String> {
    gpu::missing(adapters)
}

/// A device with everything compiled for it.
#[derive(Debug)]
pub struct Engine {
    device: Device,
}

#[derive(Debug)]
enum Device {
    Cpu(Cpu<f32>),
    Gpu(Box<Gpu>),
}

impl Engine {
    /// Opens the device that `request` names, or [`Error::NoDevice`] with those there are.
    pub fn open(request: &DeviceRequest) -> Result<Self> {
        Self::open_with(request, GpuOptions::default())
    }

    /// [`Engine::open`] with limits below the device's own.
    pub fn open_with(request: &DeviceRequest, options: GpuOptions) -> Result<Self> {
        Ok(Self {
            device: match gpu::find(request)? {
                Some(index) => Device::Gpu(Box::new(Gpu::open(index, options)?)),
                None if options.precision == Precision::F16 => {
                    let message = "precision f16: expected a GPU with cooperative matrices, found the CPU backend";
                    return Err(Error::Config(message.into()));
                }
                None => Device::Cpu(Cpu::new()),
            },
        })
    }

    /// As the driver calls it, with its backend; `cpu` for the CPU backend.
    pub fn device_name(&self) -> String {
        match &self.device {
            Device::Cpu(cpu) => cpu.device_name(),
            Device::Gpu(gpu) => gpu.device_name(),
        }
    }

    /// What has been asked of the device so far, and its memory; None for the CPU backend, which does not count.
    pub fn stats(&self) -> Option<Stats> {
        match &self.device {
            Device::Cpu(_) => None,
            Device::Gpu(gpu) => Some(gpu.stats()),
        }
    }

    /// Refuses a fit of `n × m` data, which are in memory already, that the host has no more memory for; see
    /// [`train::host_bytes`].
    ///
    /// # Errors
    /// [`Error::Config`] with what is needed and what is available.
    pub fn check_memory(&self, config: &Config, n: usize, m: usize) -> Result<()> {
        train::check_memory(config, (n, m), (matches!(self.device, Device::Gpu(_)), size_of::<f32>()))
    }

    /// Fits the model of `config` to `x` (samples × features, nonnegative unless the model is signed). The CPU backend
    /// copies a view, and not an array that is given away or shared.
    ///
    /// # Errors
    /// See [`train::fit`] and [`Engine::check_memory`].
    pub fn fit<'x>(
        &mut self,
        x: impl Into<Rows<'x, f32>>,
        config: &Config,
        progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<Fit<f32>> {
        self.fit_samples(&mut x.into(), config, progress)
    }

    /// [`Engine::fit`] to samples from any source, which are held as the device holds them or, with [`Config::stream`], read
    /// in every pass. Where a GPU has no room for that they are streamed to it in smaller shards, and the fit has
    /// [`Warning::Streamed`]; models that couple the samples cannot be.
    ///
    /// # Errors
    /// See [`train::fit_samples`] and [`Engine::check_memory`]; [`Error::OutOfMemory`] where no shard is small enough.
    pub fn fit_samples(
        &mut self,
        x: &mut dyn Source<f32>,
        config: &Config,
        progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<Fit<f32>> {
        self.fit_where_it_fits(x.shape(), config, &mut |device, config| match device {
            Device::Cpu(cpu) => train::fit_samples(cpu, x, config, None, progress),
            Device::Gpu(gpu) => train::fit_samples(gpu.as_mut(), x, config, None, progress),
        })
    }

    /// With the samples as `config` says or, where a GPU has no room for them or for what is needed besides, streamed to it.
    fn fit_where_it_fits(
        &mut self,
        (n, m): (usize, usize),
        config: &Config,
        fit: &mut dyn FnMut(&mut Device, &Config) -> Result<Fit<f32>>,
    ) -> Result<Fit<f32>> {
        self.check_memory(config, n, m)?;
        let (limit, shard_rows) = match &self.device {
            Device::Cpu(_) => return fit(&mut self.device, config),
            // One rank cannot change alone how samples lie.
            Device::Gpu(_) if config.ranks.is_some() => return fit(&mut self.device, config),
            Device::Gpu(gpu) => (gpu.max_bytes(), gpu.shard_rows(m)),
        };
        let mut full = None;
        for config in train::placements(config, shard_rows) {
            if let Some(limit) = limit {
                let needed = train::device_bytes(&config, n, m)?;
                if needed > limit {
                    full = Some(Error::OutOfMemory(format!(
                        "the fit takes {needed} bytes of the {limit} that are allowed"
                    )));
                    continue;
                }
            }
            match fit(&mut self.device, &config) {
                Err(error @ Error::OutOfMemory(_)) => full = Some(error),
                Ok(mut fit) => {
                    fit.warnings.extend(config.max_shard_rows.map(|rows| Warning::Streamed { rows }));
                    return Ok(fit);
                }
                failed => return failed,
            }
        }
        Err(full.unwrap_or_else(|| Error::OutOfMemory("the device".into())))
    }

    /// [`Engine::fit_samples`] from the W and H of the caller; see [`train::Start`].
    ///
    /// # Errors
    /// See [`train::fit_samples`] and [`Engine::check_memory`].
    pub fn fit_from(
        &mut self,
        x: &mut dyn Source<f32>,
        config: &Config,
        start: &Start<f32>,
        progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<Fit<f32>> {
        self.fit_where_it_fits(x.shape(), config, &mut |device, config| match device {
            Device::Cpu(cpu) => train::fit_samples(cpu, x, config, Some(start), progress),
            Device::Gpu(gpu) => train::fit_samples(gpu.as_mut(), x, config, Some(start), progress),
        })
    }

    /// [`train::learn`] on this device.
    ///
    /// # Errors
    /// See there.
    pub fn learn<'x>(
        &mut self,
        x: impl Into<Rows<'x, f32>>,
        config: &Config,
        penalties: &Penalties,
        known: (&mut Factors<f32>, &mut Memory<f32>),
        progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<()> {
        match &mut self.device {
            Device::Cpu(cpu) => train::learn(cpu, x, config, penalties, known, progress),
            Device::Gpu(gpu) => train::learn(gpu.as_mut(), x, config, penalties, known, progress),
        }
    }

    /// [`Engine::fit_samples`] that is written down while it runs, or goes on; see [`train::fit_with_checkpoints`].
    ///
    /// # Errors
    /// See there, and [`Engine::check_memory`].
    pub fn fit_with_checkpoints(
        &mut self,
        x: &mut dyn Source<f32>,
        config: &Config,
        checkpoints: &mut Checkpoints,
        progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<Fit<f32>> {
        self.fit_where_it_fits(x.shape(), config, &mut |device, config| match device {
            Device::Cpu(cpu) => train::fit_with_checkpoints(cpu, x, config, checkpoints, progress),
            Device::Gpu(gpu) => train::fit_with_checkpoints(gpu.as_mut(), x, config, checkpoints, progress),
        })
    }

    /// Nonnegative least squares of `x` (samples × features; as in [`Engine::fit`]) on `psi` (features × k), from H = 0.
    ///
    /// # Errors
    /// [`Error::Shape`] where x and psi differ in features, [`Error::Data`] for values that are not finite, or
    /// negative where that is not allowed.
    pub fn project<'x>(
        &mut self,
        x: impl Into<Rows<'x, f32>>,
        psi: ArrayView2<'_, f32>,
        how: &Projection,
        progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<Projected<f32>> {
        match &mut self.device {
            Device::Cpu(cpu) => train::on_components(cpu, x.into(), psi, how, progress),
            Device::Gpu(gpu) => train::on_components(gpu.as_mut(), x.into(), psi, how, progress),
        }
    }

    /// [`train::transform`] on this device.
    ///
    /// # Errors
    /// See there.
    pub fn transform<'x>(
        &mut self,
        x: impl Into<Rows<'x, f32>>,
        factors: &Factors<f32>,
        layer: usize,
        how: &[Projection],
        progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<Projected<f32>> {
        match &mut self.device {
            Device::Cpu(cpu) => train::transform(cpu, x, factors, layer, how, progress),
            Device::Gpu(gpu) => train::transform(gpu.as_mut(), x, factors, layer, how, progress),
        }
    }

    /// [`train::transform_samples`] on this device.
    ///
    /// # Errors
    /// See there.
    pub fn transform_samples(
        &mut self,
        x: (&mut dyn Source<f32>, Option<Ranks>),
        factors: &Factors<f32>,
        layer: usize,
        how: &[Projection],
        progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
        take: &mut dyn FnMut(ArrayView2<'_, f32>) -> Result<()>,
    ) -> Result<(f64, usize)> {
        match &mut self.device {
            Device::Cpu(cpu) => train::transform_samples(cpu, x, factors, layer, how, progress, take),
            Device::Gpu(gpu) => train::transform_samples(gpu.as_mut(), x, factors, layer, how, progress, take),
        }
    }

    /// k-means of `features` (samples × any), in as many runs as `how` says; the same for the same seed on a device.
    ///
    /// # Errors
    /// [`Error::Data`] for fewer samples than clusters, [`Error::Config`] for no clusters or no runs.
    pub fn kmeans(&mut self, features: ArrayView2<'_, f32>, how: &KMeans) -> Result<Vec<Clustering>> {
        match &mut self.device {
            Device::Cpu(cpu) => evaluate::kmeans(cpu, features, how),
            Device::Gpu(gpu) => evaluate::kmeans(gpu.as_mut(), features, how),
        }
    }

    /// The adapter; None for the CPU backend.
    pub fn adapter(&self) -> Option<&DeviceInfo> {
        match &self.device {
            Device::Cpu(_) => None,
            Device::Gpu(gpu) => Some(gpu.info()),
        }
    }

    /// What [`Solver::Auto`] means on the device, for [`Config::solver_on`].
    pub fn fastest_solver(&self) -> Solver {
        match &self.device {
            Device::Cpu(cpu) => cpu.fastest_solver(),
            Device::Gpu(gpu) => gpu.fastest_solver(),
        }
    }

    /// How fast the device is at what a fit does, in about `seconds`; see [`bench::run`].
    ///
    /// # Errors
    /// Whatever the device reports.
    pub fn bench(&mut self, seconds: f64, progress: &mut dyn FnMut(usize, &bench::Row)) -> Result<Vec<bench::Row>> {
        // A card of its own tells what fits by refusing it.
        let own_memory = self.adapter().is_some_and(|a| a.kind == "discrete-gpu");
        let limits = if own_memory { Limits { seconds, bytes: None } } else { Limits::of_this_machine(seconds) };
        match &mut self.device {
            Device::Cpu(cpu) => bench::run(cpu, limits, progress),
            Device::Gpu(gpu) => bench::run(gpu.as_mut(), limits, progress),
        }
    }

    /// How fast the devices of several ranks are together, in about `seconds`; see [`bench::together`].
    ///
    /// # Errors
    /// See there.
    pub fn bench_ranks(&mut self, ranks: Ranks, seconds: f64) -> Result<bench::Together> {
        match &mut self.device {
            Device::Cpu(cpu) => bench::together(cpu, ranks, seconds),
            Device::Gpu(gpu) => bench::together(gpu.as_mut(), ranks, seconds),
        }
    }

    /// Classes of products that were measured on the device, by one of them (rows × terms × columns), each with the fastest way to compute
    /// it.
    pub fn tuned(&self) -> Vec<(String, &'static str)> {
        match &self.device {
            Device::Cpu(_) => Vec::new(),
            Device::Gpu(gpu) => gpu.tuned(),
        }
    }

    /// Every kernel and a small training run against the CPU in f64.
    pub fn verify(&mut self, progress: &mut dyn FnMut(&Check)) -> Result<Vec<Check>> {
        match &mut self.device {
            Device::Cpu(cpu) => verify(cpu, progress),
            Device::Gpu(gpu) => verify(gpu.as_mut(), progress),
        }
    }
}
