//! The engine: a device, and what can be asked of it.

use crate::model::HPenalty;
use crate::train::{Config, Fit, Progress};
use crate::{Error, Result};
use ndarray::{Array2, ArrayView2};

/// Which device is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceRequest {
    /// A real GPU where there is one, else the CPU backend; never a software adapter.
    Auto,
    /// Any adapter, a real GPU before a software one.
    Gpu,
    /// The CPU backend.
    Cpu,
    /// The adapter of that number in the list of [`devices`].
    Index(usize),
    /// The first adapter with this in its name, backend or driver, whatever the case.
    Name(String),
}

impl std::str::FromStr for DeviceRequest {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self> {
        Ok(match s.trim() {
            "" => {
                return Err(Error::Config(
                    "the device is empty; expected auto, gpu, cpu, a number or part of a name".into(),
                ));
            }
            "auto" => Self::Auto,
            "gpu" => Self::Gpu,
            "cpu" => Self::Cpu,
            s => s.parse().map_or_else(|_| Self::Name(s.to_string()), Self::Index),
        })
    }
}

/// An adapter of this machine.
#[derive(Debug, Clone, serde::Serialize)]
pub struct DeviceInfo {
    /// Its number, as `--device` takes it.
    pub index: usize,
    /// As the driver calls it.
    pub name: String,
    /// vulkan, metal, dx12 or gl.
    pub backend: String,
    /// discrete-gpu, integrated-gpu, virtual-gpu, cpu (a software adapter) or other.
    pub kind: String,
    /// The driver and its version.
    pub driver: String,
    /// Whether deepnmf can use it, and if not why not.
    pub usable: Result<(), String>,
    /// Bytes of the largest storage binding.
    pub max_binding_bytes: u64,
    /// Bytes of the largest buffer.
    pub max_buffer_bytes: u64,
    /// Bytes of workgroup memory.
    pub max_workgroup_bytes: u32,
    /// Invocations per workgroup.
    pub max_workgroup_invocations: u32,
    /// The features that matter here, of those it has.
    pub features: Vec<String>,
    /// The cooperative-matrix configurations it offers, as `m×n×k ab→cr`.
    pub cooperative_matrices: Vec<String>,
}

/// The adapters of this machine.
pub fn devices() -> Vec<DeviceInfo> {
    Vec::new()
}

/// How new samples are projected.
#[derive(Debug, Clone)]
pub struct Projection {
    /// The penalty on H.
    pub h_penalty: HPenalty,
    /// Its constant.
    pub lambda: f64,
    /// Nesterov steps, at most.
    pub max_steps: usize,
    /// It stops when the relative change of the objective over a batch of steps is at most this.
    pub tol: f64,
}

impl Default for Projection {
    fn default() -> Self {
        Self { h_penalty: HPenalty::SquaredL1, lambda: 0.0, max_steps: 2000, tol: 1e-6 }
    }
}

/// Coefficients of samples under fixed components.
#[derive(Debug, Clone)]
pub struct Projected {
    /// `samples × k`.
    pub h: Array2<f32>,
    /// ‖X − H Psiᵀ‖/‖X‖.
    pub relative_error: f64,
    /// Steps that were made.
    pub steps: usize,
}

/// One line of [`Engine::verify`].
#[derive(Debug, Clone, serde::Serialize)]
pub struct Check {
    /// What was computed, with its sizes.
    pub name: String,
    /// The largest error found.
    pub error: f64,
    /// The bound at that place.
    pub bound: f64,
    /// Whether every error was within its bound.
    pub passed: bool,
}

/// A device with everything compiled for it.
pub struct Engine {}

impl Engine {
    /// Opens the device that `request` names, or [`Error::NoDevice`] with those there are.
    pub fn open(_request: &DeviceRequest) -> Result<Self> {
        Err(Error::NoDevice("not yet".into()))
    }

    /// As the driver calls it, with its backend; `cpu` for the CPU backend.
    pub fn device_name(&self) -> String {
        String::new()
    }

    /// Fits the model of `config` to `x` (samples × features, nonnegative).
    pub fn fit(
        &mut self,
        _x: ArrayView2<'_, f32>,
        _config: &Config,
        _progress: &mut dyn FnMut(&Progress),
    ) -> Result<Fit<f32>> {
        Err(Error::NoDevice("not yet".into()))
    }

    /// Nonnegative least squares of `x` (samples × features) on `psi` (features × k), from H = 0.
    pub fn project(
        &mut self,
        _x: ArrayView2<'_, f32>,
        _psi: ArrayView2<'_, f32>,
        _how: &Projection,
        _progress: &mut dyn FnMut(&Progress),
    ) -> Result<Projected> {
        Err(Error::NoDevice("not yet".into()))
    }

    /// Every kernel and a small training run against the CPU in f64.
    pub fn verify(&mut self, _progress: &mut dyn FnMut(&Check)) -> Result<Vec<Check>> {
        Err(Error::NoDevice("not yet".into()))
    }
}
