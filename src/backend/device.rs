//! Which device is wanted, and which there are.

use crate::{Error, Result};

/// Which device is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceRequest {
    /// A real GPU where there is one, else the CPU backend; never a software adapter.
    Auto,
    /// Any adapter, a real GPU before a software one.
    Gpu,
    /// The CPU backend.
    Cpu,
    /// The adapter of that number in the list of [`devices`](crate::devices).
    Index(usize),
    /// The first adapter with this in its name, backend or driver, whatever the case.
    Name(String),
}

impl std::str::FromStr for DeviceRequest {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self> {
        Ok(match &*s.trim().to_lowercase() {
            "" => {
                return Err(Error::Config(
                    "the device is empty; expected auto, gpu, cpu, a number or part of a name".into(),
                ));
            }
            "auto" => Self::Auto,
            "gpu" => Self::Gpu,
            "cpu" => Self::Cpu,
            lower => lower.parse().map_or_else(|_| Self::Name(s.trim().to_string()), Self::Index),
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
    /// Why deepnmf cannot use it; None where it can.
    pub problem: Option<String>,
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
