//! The engine: a device, and what can be asked of it.

use crate::backend::gpu::{self, Gpu, GpuOptions, Stats};
use crate::backend::{Apply, Backend, Cpu, Device as _, DeviceInfo, DeviceRequest, Precision, Rows, Storage};
use crate::bench::{self, Limits};
use crate::evaluate::{Clustering, KMeans};
use crate::model::Factors;
use crate::train::{
    self, Checkpoints, Config, Cut, Fit, Progress, Projection, Samples, Solver, Source, Streamed, Unit, Warning, Watch,
};
use crate::verify::{Check, verify};
use crate::{Error, Result, evaluate};
use ndarray::{Array2, ArrayView2};
use std::ops::ControlFlow;

/// The adapters of this machine.
pub fn devices() -> Vec<DeviceInfo> {
    gpu::list(true)
}

/// What to do about a GPU of this machine that none of these adapters is for; None where there is none, as far as can be seen.
pub fn missing_device(adapters: &[DeviceInfo]) -> Option<String> {
    gpu::missing(adapters)
}

/// Coefficients of samples under fixed components.
#[derive(Debug, Clone)]
pub struct Projected {
    /// `samples × k`.
    pub h: Array2<f32>,
    /// ‖X − H Psiᵀ‖/‖X‖, with an activation that of the nonlinear reconstruction.
    pub relative_error: f64,
    /// Passes of coordinate descent, or steps, that were made.
    pub steps: usize,
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
        train::check_memory(config, n, m, matches!(self.device, Device::Gpu(_)))
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
    ) -> Result<Projected> {
        match &mut self.device {
            Device::Cpu(cpu) => project(cpu, x.into(), psi, how, progress),
            Device::Gpu(gpu) => project(gpu.as_mut(), x.into(), psi, how, progress),
        }
    }

    /// The coefficients of `x` (samples × features) on layer `layer` (from 1) of a model, as it was trained on: of a linear
    /// model by [`Engine::project`] on the components of that layer, of a nonlinear one layer by layer and then by
    /// the error of the whole, and those of
    /// the last layer through g where the model's own were ([`Factors::of_last`]). `how` has one entry per layer.
    ///
    /// # Errors
    /// As [`Engine::project`]; [`Error::Config`] for a layer that there is not.
    pub fn transform<'x>(
        &mut self,
        x: impl Into<Rows<'x, f32>>,
        factors: &Factors<f32>,
        layer: usize,
        how: &[Projection],
        progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<Projected> {
        let depth = factors.depth();
        if layer == 0 || layer > depth || how.len() != depth {
            let message = format!(
                "expected a layer from 1 to {depth} and {depth} penalties, found layer {layer} and {} penalties",
                how.len()
            );
            return Err(Error::Config(message));
        }
        if factors.activation.is_none() {
            return self.project(x, factors.components(layer)?.view(), &how[layer - 1], progress);
        }
        match &mut self.device {
            Device::Cpu(cpu) => project_layers(cpu, x.into(), factors, &how[..layer], progress),
            Device::Gpu(gpu) => project_layers(gpu.as_mut(), x.into(), factors, &how[..layer], progress),
        }
    }

    /// [`Engine::transform`] of samples from any source, which are read once, a shard after the other; `take` is handed their
    /// coefficients in order. Returns the relative error, and the most steps of a shard. The steps of a nonlinear model are those of a
    /// shard, not of all samples.
    ///
    /// # Errors
    /// As [`Engine::transform`], and whatever the source and `take` report.
    pub fn transform_samples(
        &mut self,
        x: &mut dyn Source<f32>,
        factors: &Factors<f32>,
        layer: usize,
        how: &[Projection],
        progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
        take: &mut dyn FnMut(ArrayView2<'_, f32>) -> Result<()>,
    ) -> Result<(f64, usize)> {
        let (n, m) = x.shape();
        let rows = match &self.device {
            Device::Cpu(cpu) => cpu.shard_rows(m),
            Device::Gpu(gpu) => gpu.shard_rows(m),
        };
        let (shards, of) = (Cut::new(n, rows).shards(), n.div_ceil(rows));
        let (mut squares, mut left, mut steps) = (0.0, 0.0, 0);
        for (shard, rows) in shards.enumerate() {
            let x = x.rows(rows.clone())?;
            let norm = train::squares(x.view());
            if norm == 0.0 {
                take(Array2::zeros((rows.len(), factors.components(layer)?.ncols())).view())?;
                continue;
            }
            let mut part = |p: &Progress| progress(&Progress { done: shard * p.of + p.done, of: of * p.of, ..*p });
            let projected = self.transform(x, factors, layer, how, &mut part)?;
            take(projected.h.view())?;
            (squares, left) = (squares + norm, left + norm * projected.relative_error.powi(2));
            steps = steps.max(projected.steps);
        }
        if squares == 0.0 {
            return Err(Error::Data("the data are all zero".into()));
        }
        Ok(((left / squares).sqrt(), steps))
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

    /// What [`Solver::Auto`] means on the device.
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

    /// Every kernel and a small training run against the CPU in f64.
    pub fn verify(&mut self, progress: &mut dyn FnMut(&Check)) -> Result<Vec<Check>> {
        match &mut self.device {
            Device::Cpu(cpu) => verify(cpu, progress),
            Device::Gpu(gpu) => verify(gpu.as_mut(), progress),
        }
    }
}

fn project<B: Backend<Elem = f32>>(
    b: &mut B,
    mut x: Rows<'_, f32>,
    psi: ArrayView2<'_, f32>,
    how: &Projection,
    progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Projected> {
    let (of_x, of_psi) = (check_samples(&mut x, psi.nrows(), how.signed)?, Unit::of(psi));
    let (n, m) = x.dim();
    let cut = Cut::new(n, b.shard_rows(m));
    // It is read once.
    let mut x = Streamed::new(&mut x, of_x, Storage::Auto, cut);
    let psi = b.upload(of_psi.divide(psi).view())?;
    let mut h = Samples::zeros(b, cut, b.shape(&psi).1)?;
    let how = how.divided(of_psi);
    let outcome = train::project(b, &mut x, &psi, &mut h, &how, &mut Watch::new(progress))?;
    let mut h = h.into_host(b)?;
    of_x.per(of_psi).multiply(&mut h)?;
    Ok(Projected { h, relative_error: outcome.relative_error, steps: outcome.steps })
}

/// Of a model with an activation, for as many layers as `how` has entries.
fn project_layers<B: Backend<Elem = f32>>(
    b: &mut B,
    mut x: Rows<'_, f32>,
    factors: &Factors<f32>,
    how: &[Projection],
    progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Projected> {
    let activation = factors.activation.ok_or_else(|| Error::Config("the model has no activation".into()))?;
    let n = x.dim().0;
    check_samples(&mut x, factors.n_features(), how.iter().all(|how| how.signed))?;
    // W_1 carries the unit, and its unit is that of X.
    let unit = Unit::of(factors.w[0].view());
    let how: Vec<Projection> = how.iter().map(|how| how.divided(unit)).collect();
    let how = &how[..];
    let (mut x, _) = train::hold(b, &mut x, unit, Storage::Auto, Cut::whole(n))?;
    let mut w = vec![b.upload(unit.divide(factors.w[0].view()).view())?];
    for w_l in &factors.w[1..how.len()] {
        w.push(b.upload(w_l.view())?);
    }
    let signed = how.iter().all(|how| how.signed);
    let typical = (signed && how.len() == factors.depth()).then(|| factors.typical());
    let how = (how, typical.as_ref().map(|h| h.view()));
    let (mut h, outcome) = train::project_layers(b, &mut x, &w, activation, how, &mut Watch::new(progress))?;
    if let Some(activation) = factors.of_last().filter(|_| w.len() == factors.depth()) {
        h = h.activated(b, activation, Apply::G)?;
    }
    Ok(Projected { h: h.into_host(b)?, relative_error: outcome.relative_error, steps: outcome.steps })
}

/// The unit of samples that a model takes.
fn check_samples(x: &mut Rows<'_, f32>, features: usize, signed: bool) -> Result<Unit> {
    let (n, m) = x.dim();
    if m != features && n > 0 && m > 0 {
        return Err(Error::shape("features of the samples", (n, features), (n, m)));
    }
    Unit::of_samples(x, signed)
}
