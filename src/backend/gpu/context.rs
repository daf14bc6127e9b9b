//! The device and its limits, and what the driver reports.

use super::adapters::{REQUIRED, adapters, describe, problem};
use super::fault::Faults;
use super::memory::Counted;
use super::options::GpuOptions;
use crate::backend::tally::Tally;
use crate::backend::{DeviceInfo, Precision};
use crate::{Error, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use wgpu::{DeviceType, Features};

/// What products of fragments need.
const FRAGMENTS: Features =
    Features::EXPERIMENTAL_COOPERATIVE_MATRIX.union(Features::SHADER_F16).union(Features::SUBGROUP);
/// Bytes of a binding that every device has room for.
const SURE_BINDING: u64 = 64 << 20;

/// A device, its queue and what was reported of them.
pub(super) struct Context {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) name: String,
    pub(super) info: DeviceInfo,
    pub(super) options: GpuOptions,
    /// Bytes per binding.
    pub(super) max_binding: u64,
    /// Workgroups per dimension of a dispatch.
    pub(super) max_workgroups: u32,
    /// Whether passes can be timed.
    pub(super) timestamps: bool,
    pub(super) memory: Arc<Tally>,
    kind: DeviceType,
    /// What kernels were measured on: the device and its driver.
    pub(super) identity: String,
    /// Whether shaders unpack halves.
    pub(super) halves: bool,
    /// The size of the fragments that products of halves are made of, where the device was opened for them.
    pub(super) fragment: Option<usize>,
    /// Whether the device can end a loop itself.
    pub(super) stops: bool,
    faults: Faults,
}

/// Sizes of the fragments that there are kernels for, the better one first; adapters list what they offer.
pub(super) const FRAGMENT_SIZES: [usize; 2] = [16, 8];

/// The best fragments that products of halves with sums of f32 can be made of.
fn fragment(adapter: &wgpu::Adapter) -> Option<usize> {
    use wgpu::CooperativeScalarType::{F16, F32};
    let offered = adapter.cooperative_matrix_properties();
    let offers = |size: &usize| {
        let sizes = |c: &wgpu::CooperativeMatrixProperties| [c.m_size, c.n_size, c.k_size].map(|n| n as usize);
        offered.iter().any(|c| sizes(c) == [*size; 3] && (c.ab_type, c.cr_type) == (F16, F32))
    };
    FRAGMENT_SIZES.into_iter().find(offers).filter(|_| adapter.features().contains(FRAGMENTS))
}

fn no_fragments(info: &DeviceInfo) -> Error {
    let offered = info.cooperative_matrices.join(", ");
    let offered = if offered.is_empty() { "none".into() } else { offered };
    Error::Config(format!(
        "precision f16: expected cooperative matrices of 16×16×16 or 8×8×8 F16→F32, {} offers {offered}",
        info.name
    ))
}

impl Context {
    pub(super) fn open(index: usize, options: GpuOptions) -> Result<Self> {
        options.validate()?;
        let native = adapters(false);
        let there = if index < native.len() { native } else { adapters(true) };
        let adapter = there
            .into_iter()
            .nth(index)
            .ok_or_else(|| Error::NoDevice(format!("no adapter has the number {index}")))?;
        let flags = adapter.get_downlevel_capabilities().flags;
        let halves = flags.contains(wgpu::DownlevelFlags::SHADER_F16_IN_F32);
        let info = adapter.get_info();
        // On DX12 an indirect dispatch that is not validated leaves `num_workgroups` at 0, by which kernels stride.
        let stops = flags.contains(wgpu::DownlevelFlags::INDIRECT_EXECUTION)
            && info.backend != wgpu::Backend::Dx12
            && !options.host_stops;
        let limits = adapter.limits();
        if let Some(why) = problem(&info, &limits, adapter.features()) {
            return Err(Error::NoDevice(format!("{} cannot be used: {why}", info.name)));
        }
        // A clock, for those who measure.
        let timestamps = adapter.features() & Features::TIMESTAMP_QUERY;
        let described = describe(index, &adapter);
        let fragment = match options.precision {
            Precision::F32 => None,
            Precision::F16 => Some(fragment(&adapter).ok_or_else(|| no_fragments(&described))?),
        };
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("deepnmf"),
            required_features: REQUIRED | timestamps | fragment.map_or(Features::empty(), |_| FRAGMENTS),
            required_limits: limits.clone(),
            experimental_features: match fragment {
                // SAFETY: the kernels that use cooperative matrices keep to what the adapter lists, and every fragment that
                // they read or write lies in its buffer, which is padded for them.
                Some(_) => unsafe { wgpu::ExperimentalFeatures::enabled() },
                None => wgpu::ExperimentalFeatures::disabled(),
            },
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))
            .map_err(|e| Error::NoDevice(format!("{} could not be opened: {e}", info.name)))?;
        let own_workgroups = limits.max_compute_workgroups_per_dimension;
        let mut context = Self {
            faults: Faults::listen(&device),
            device,
            queue,
            name: format!("{} ({})", info.name, format!("{:?}", info.backend).to_lowercase()),
            info: described,
            max_binding: options.binding_bytes(&limits),
            max_workgroups: options.max_workgroups.map_or(own_workgroups, |limit| limit.min(own_workgroups)),
            options,
            timestamps: !timestamps.is_empty(),
            memory: Arc::default(),
            halves,
            fragment,
            stops,
            kind: info.device_type,
            identity: format!("{} | {:?} | {} {}", info.name, info.backend, info.driver, info.driver_info),
        };
        if context.is_gpu() {
            context.fit_bindings()?;
        }
        Ok(context)
    }

    /// Halves the largest binding while there is no buffer of its size: drivers promise more than their memory has, or refuse what they
    /// promise. Later would be too late, as matrices of the same shape lie in the same shards.
    pub(super) fn fit_bindings(&mut self) -> Result<()> {
        while self.max_binding > SURE_BINDING {
            match self.buffer("the largest binding", self.max_binding / 4 * 4) {
                Err(Error::OutOfMemory(_)) => self.max_binding /= 2,
                other => return other.map(|_| self.memory.forget_peak()),
            }
        }
        Ok(())
    }

    /// How many tiles of a product it is taken to work on at the same time.
    pub(super) fn tiles_at_a_time(&self) -> usize {
        match self.kind {
            DeviceType::Cpu => 1,
            DeviceType::IntegratedGpu => 16,
            _ => 128,
        }
    }

    /// Whether it is no software adapter.
    pub(super) fn is_gpu(&self) -> bool {
        matches!(self.kind, DeviceType::DiscreteGpu | DeviceType::IntegratedGpu | DeviceType::VirtualGpu)
    }

    /// What was reported since this was last asked.
    pub(super) fn check(&self) -> Result<()> {
        self.faults.check()
    }

    /// [`Context::check`] behind what takes this much memory.
    pub(super) fn check_memory(&self, what: &str, bytes: u64) -> Result<()> {
        self.check().map_err(|error| match error {
            Error::OutOfMemory(_) => Error::OutOfMemory(format!("{what} needs {bytes} bytes")),
            other => other,
        })
    }

    /// Waits for what was submitted.
    pub(super) fn poll(&self, until: wgpu::PollType) -> Result<()> {
        // wgpu panics where a device is lost while it is waited for.
        let polled = catch_unwind(AssertUnwindSafe(|| self.device.poll(until)));
        self.check()?;
        match polled {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(e)) => Err(Error::DeviceFault(e.to_string())),
            Err(_) => Err(Error::DeviceLost("it no longer answers".into())),
        }
    }

    /// [`Error::Config`] for what was made on another device.
    pub(super) fn check_own(&self, buffer: &Counted) -> Result<()> {
        if buffer.is_of(&self.memory) {
            return Ok(());
        }
        Err(Error::Config(format!("{}: expected matrices of this device, found one of another", self.name)))
    }

    /// A storage buffer of `bytes`; [`Error::TooLarge`] or [`Error::OutOfMemory`].
    pub(super) fn buffer(&self, label: &str, bytes: u64) -> Result<Counted> {
        self.buffer_for(wgpu::BufferUsages::empty(), label, bytes)
    }

    /// [`Context::buffer`], from which dispatches may have their workgroups where there are such.
    pub(super) fn gate(&self, label: &str, bytes: u64) -> Result<Counted> {
        let usage = if self.stops { wgpu::BufferUsages::INDIRECT } else { wgpu::BufferUsages::empty() };
        self.buffer_for(usage, label, bytes)
    }

    fn buffer_for(&self, usage: wgpu::BufferUsages, label: &str, bytes: u64) -> Result<Counted> {
        if bytes > self.max_binding {
            let (what, limit) = (label.into(), self.max_binding);
            return Err(Error::TooLarge { what, needed: bytes, limit, unit: "bytes" });
        }
        let (now, _) = self.memory.bytes();
        if let Some(limit) = self.options.max_bytes.filter(|limit| now.saturating_add(bytes) > *limit) {
            let message = format!("{label} needs {bytes} bytes, {now} of the {limit} that are allowed are taken");
            return Err(Error::OutOfMemory(message));
        }
        // What was reported before is not about this buffer.
        self.check()?;
        #[cfg(test)]
        self.options.planned.allocate(bytes)?;
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: bytes,
            usage: usage | wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        self.check_memory(label, bytes)?;
        Ok(Counted::new(buffer, &self.memory))
    }
}
