//! Adapters, the device and its limits, and what the driver reports.

use super::fault::Faults;
use super::memory::Counted;
use super::options::GpuOptions;
use crate::backend::tally::Tally;
use crate::backend::{DeviceInfo, DeviceRequest, Precision};
use crate::{Error, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use wgpu::{Backends, DeviceType, Features};

/// Without immediates every dispatch would need a uniform buffer of its own. Vulkan, Metal, DX12 and GL have them.
const REQUIRED: Features = Features::IMMEDIATES;
/// What products of fragments need.
const FRAGMENTS: Features =
    Features::EXPERIMENTAL_COOPERATIVE_MATRIX.union(Features::SHADER_F16).union(Features::SUBGROUP);
/// Bytes of immediates that the largest kernel takes.
pub(super) const IMMEDIATE_BYTES: u32 = 64;
/// Invocations per workgroup of every kernel.
pub(super) const INVOCATIONS: u32 = 256;
/// Bytes of workgroup memory that the largest kernel takes: two tiles and what is solved for of `descend_rows`.
pub(super) const WORKGROUP_BYTES: u32 = 272 * 16 + (528 + 2112) * 4;
// Devices of 16 KiB run every kernel.
const _: () = assert!(WORKGROUP_BYTES <= 16 << 10);
/// Storage bindings of the kernel with the most.
const STORAGE_BINDINGS: u32 = 7;

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

fn adapters_of(backends: Backends) -> Vec<wgpu::Adapter> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = backends;
    // Validation of indirect dispatches costs 20 µs each in release. All of them are in gate.rs, with the workgroups that a
    // direct dispatch would have, or none.
    descriptor.flags = wgpu::InstanceFlags::empty();
    pollster::block_on(wgpu::Instance::new(descriptor).enumerate_adapters(backends))
}

/// GL comes last, and only where it is asked for: on a machine without a display its loader talks on stderr.
fn adapters(with_gl: bool) -> Vec<wgpu::Adapter> {
    let mut adapters = adapters_of(Backends::VULKAN | Backends::METAL | Backends::DX12);
    if with_gl {
        adapters.extend(adapters_of(Backends::GL));
    }
    adapters
}

/// The adapters of this machine, in the order of their numbers; those of GL are last.
pub(crate) fn list(with_gl: bool) -> Vec<DeviceInfo> {
    adapters(with_gl).iter().enumerate().map(|(index, adapter)| describe(index, adapter)).collect()
}

fn describe(index: usize, adapter: &wgpu::Adapter) -> DeviceInfo {
    let (info, limits, features) = (adapter.get_info(), adapter.limits(), adapter.features());
    let named = [
        (Features::IMMEDIATES, "immediates"),
        (Features::SUBGROUP, "subgroups"),
        (Features::SHADER_F16, "f16"),
        (Features::SHADER_F64, "f64"),
        (Features::TIMESTAMP_QUERY, "timestamps"),
        (Features::PIPELINE_CACHE, "pipeline-cache"),
        (Features::MAPPABLE_PRIMARY_BUFFERS, "mappable-buffers"),
        (Features::EXPERIMENTAL_COOPERATIVE_MATRIX, "cooperative-matrix"),
    ];
    let cooperative = adapter.cooperative_matrix_properties();
    DeviceInfo {
        index,
        name: info.name.clone(),
        backend: format!("{:?}", info.backend).to_lowercase(),
        kind: match info.device_type {
            DeviceType::DiscreteGpu => "discrete-gpu",
            DeviceType::IntegratedGpu => "integrated-gpu",
            DeviceType::VirtualGpu => "virtual-gpu",
            DeviceType::Cpu => "cpu",
            DeviceType::Other => "other",
        }
        .into(),
        driver: format!("{} {}", info.driver, info.driver_info).trim().into(),
        problem: problem(&limits, features),
        max_binding_bytes: limits.max_storage_buffer_binding_size,
        max_buffer_bytes: limits.max_buffer_size,
        max_workgroup_bytes: limits.max_compute_workgroup_storage_size,
        max_workgroup_invocations: limits.max_compute_invocations_per_workgroup,
        features: named.iter().filter(|(f, _)| features.contains(*f)).map(|(_, name)| (*name).into()).collect(),
        cooperative_matrices: cooperative
            .iter()
            .map(|c| format!("{}×{}×{} {:?}→{:?}", c.m_size, c.n_size, c.k_size, c.ab_type, c.cr_type))
            .collect(),
    }
}

/// Why an adapter of these limits and features cannot be used.
fn problem(limits: &wgpu::Limits, features: Features) -> Option<String> {
    if !features.contains(REQUIRED) {
        return Some("it has no immediates".into());
    }
    let asked = [
        ("immediate bytes", IMMEDIATE_BYTES, limits.max_immediate_size),
        ("invocations per workgroup", INVOCATIONS, limits.max_compute_invocations_per_workgroup),
        ("invocations side by side", INVOCATIONS, limits.max_compute_workgroup_size_x),
        ("bytes of workgroup memory", WORKGROUP_BYTES, limits.max_compute_workgroup_storage_size),
        ("storage bindings", STORAGE_BINDINGS, limits.max_storage_buffers_per_shader_stage),
    ];
    let lacking = asked.iter().find(|(_, needed, there)| there < needed);
    lacking.map(|(what, needed, there)| format!("it has {there} {what}, {needed} are needed"))
}

/// Real GPUs before software, the device's own interface before GL.
fn preference(info: &DeviceInfo) -> (u8, bool) {
    let kind = match info.kind.as_str() {
        "discrete-gpu" => 0,
        "integrated-gpu" => 1,
        "virtual-gpu" => 2,
        "other" => 3,
        _ => 4,
    };
    (kind, info.backend == "gl")
}

/// The number of the adapter that `request` means: None for the CPU backend.
pub(crate) fn find(request: &DeviceRequest) -> Result<Option<usize>> {
    match request {
        DeviceRequest::Cpu => Ok(None),
        DeviceRequest::Auto => choose(request, &list(false)),
        _ => choose(request, &list(false)).or_else(|_| choose(request, &list(true))),
    }
}

fn choose(request: &DeviceRequest, list: &[DeviceInfo]) -> Result<Option<usize>> {
    let best = |wanted: &dyn Fn(&DeviceInfo) -> bool| {
        list.iter().filter(|d| d.problem.is_none() && wanted(d)).min_by_key(|d| preference(d)).map(|d| d.index)
    };
    let chosen = match request {
        DeviceRequest::Cpu => return Ok(None),
        DeviceRequest::Auto => return Ok(best(&|d| preference(d).0 <= 2)),
        DeviceRequest::Gpu => best(&|_| true),
        DeviceRequest::Index(index) => list.iter().find(|d| d.index == *index).map(|d| d.index),
        DeviceRequest::Name(part) => {
            let part = part.to_lowercase();
            best(&|d| format!("{} {} {}", d.name, d.backend, d.driver).to_lowercase().contains(&part))
        }
    };
    let Some(index) = chosen else {
        let there: Vec<String> =
            list.iter().map(|d| format!("{}: {} ({}, {})", d.index, d.name, d.backend, d.kind)).collect();
        let wanted = match request {
            DeviceRequest::Index(index) => format!("no adapter has the number {index}"),
            DeviceRequest::Name(part) => format!("no usable adapter has `{part}` in its name"),
            _ => "there is no usable GPU".into(),
        };
        let there = if there.is_empty() { "none".into() } else { there.join("; ") };
        return Err(Error::NoDevice(format!("{wanted}; adapters: {there}; `cpu` always works")));
    };
    match list.iter().find(|d| d.index == index).map(|d| (&d.name, &d.problem)) {
        Some((name, Some(why))) => Err(Error::NoDevice(format!("{name} cannot be used: {why}"))),
        _ => Ok(Some(index)),
    }
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
        if let Some(why) = problem(&limits, adapter.features()) {
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
        Ok(Self {
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
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn device(index: usize, name: &str, kind: &str, backend: &str) -> DeviceInfo {
        DeviceInfo {
            index,
            name: name.into(),
            backend: backend.into(),
            kind: kind.into(),
            driver: String::new(),
            problem: None,
            max_binding_bytes: 0,
            max_buffer_bytes: 0,
            max_workgroup_bytes: 0,
            max_workgroup_invocations: 0,
            features: Vec::new(),
            cooperative_matrices: Vec::new(),
        }
    }

    #[test]
    fn auto_takes_a_real_gpu_and_never_a_software_adapter() {
        let software = [device(0, "llvmpipe", "cpu", "vulkan"), device(1, "llvmpipe", "cpu", "gl")];
        assert_eq!(choose(&DeviceRequest::Auto, &software).unwrap(), None);
        assert_eq!(choose(&DeviceRequest::Gpu, &software).unwrap(), Some(0));
        let mut both = software.to_vec();
        both.push(device(2, "Arc", "integrated-gpu", "vulkan"));
        both.push(device(3, "GeForce", "discrete-gpu", "gl"));
        both.push(device(4, "GeForce", "discrete-gpu", "vulkan"));
        assert_eq!(choose(&DeviceRequest::Auto, &both).unwrap(), Some(4));
        both[4].problem = Some("broken".into());
        assert_eq!(choose(&DeviceRequest::Auto, &both).unwrap(), Some(3));
        assert_eq!(choose(&DeviceRequest::Name("arc".into()), &both).unwrap(), Some(2));
        assert!(choose(&DeviceRequest::Index(4), &both).unwrap_err().to_string().contains("broken"));
    }

    #[test]
    fn what_matches_nothing_lists_what_there_is() {
        let list = [device(0, "llvmpipe", "cpu", "vulkan")];
        for request in [DeviceRequest::Index(7), DeviceRequest::Name("nvidia".into())] {
            let message = choose(&request, &list).unwrap_err().to_string();
            assert!(message.contains("0: llvmpipe (vulkan, cpu)") && message.contains("cpu"), "{message}");
        }
        assert!(choose(&DeviceRequest::Gpu, &[]).unwrap_err().to_string().contains("none"));
    }
}
