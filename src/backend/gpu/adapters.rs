//! The adapters of this machine, which of them can be used, and which one is meant.

use super::missing::missing;
use crate::backend::{DeviceInfo, DeviceRequest};
use crate::{Error, Result};
use wgpu::{Backends, DeviceType, Features};

/// Without immediates every dispatch would need a uniform buffer of its own. Vulkan, Metal, DX12 and GL have them.
pub(super) const REQUIRED: Features = Features::IMMEDIATES;
/// Bytes of immediates that the largest kernel takes.
pub(super) const IMMEDIATE_BYTES: u32 = 64;
/// Invocations per workgroup of every kernel.
pub(super) const INVOCATIONS: u32 = 256;
/// Bytes of workgroup memory without which nothing runs: the two tiles of `matmul`. What takes more is left out where there is less.
pub(super) const WORKGROUP_BYTES: u32 = 2 * 272 * 16;
// Devices of 16 KiB run every kernel.
const _: () = assert!(WORKGROUP_BYTES <= 16 << 10);
/// Storage bindings of the kernel with the most.
const STORAGE_BINDINGS: u32 = 7;

fn adapters_of(backends: Backends) -> Vec<wgpu::Adapter> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = backends;
    // Validation of indirect dispatches costs 20 µs each in release. All of them are in gate.rs, with the workgroups that a
    // direct dispatch would have, or none.
    descriptor.flags = wgpu::InstanceFlags::empty();
    pollster::block_on(wgpu::Instance::new(descriptor).enumerate_adapters(backends))
}

/// GL comes last, and only where it is asked for: on a machine without a display its loader talks on stderr.
pub(super) fn adapters(with_gl: bool) -> Vec<wgpu::Adapter> {
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

pub(super) fn describe(index: usize, adapter: &wgpu::Adapter) -> DeviceInfo {
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
        problem: problem(&info, &limits, features),
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

/// Versions of GL, and of GL ES, from which on there are compute shaders that read and write buffers of any length.
const GL: [u32; 2] = [4, 3];
const GL_ES: [u32; 2] = [3, 1];

/// Why a context of GL cannot be used whose driver says this of its version; drivers list limits that need a later one.
fn old_gl(driver: &str) -> Option<String> {
    let of_es = driver.strip_prefix("OpenGL ES ");
    let (version, needed) = (of_es.unwrap_or(driver), if of_es.is_some() { GL_ES } else { GL });
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map_while(|number| number.parse().ok());
    let found = [numbers.next()?, numbers.next()?];
    let name = if of_es.is_some() { "GL ES" } else { "GL" };
    let [major, minor] = needed;
    (found < needed).then(|| format!("it has {name} {}.{}, {major}.{minor} is needed", found[0], found[1]))
}

/// Why an adapter of these limits and features cannot be used.
pub(super) fn problem(info: &wgpu::AdapterInfo, limits: &wgpu::Limits, features: Features) -> Option<String> {
    if let Some(why) = old_gl(&info.driver_info).filter(|_| info.backend == wgpu::Backend::Gl) {
        return Some(why);
    }
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
        let hint = missing(list).map(|hint| format!("; {hint}")).unwrap_or_default();
        return Err(Error::NoDevice(format!("{wanted}; adapters: {there}; `cpu` always works{hint}")));
    };
    match list.iter().find(|d| d.index == index).map(|d| (&d.name, &d.problem)) {
        Some((name, Some(why))) => Err(Error::NoDevice(format!("{name} cannot be used: {why}"))),
        _ => Ok(Some(index)),
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
    fn a_context_of_gl_is_new_enough_by_its_version() {
        let old = |driver: &str| old_gl(driver);
        assert_eq!(old("3.3.0 NVIDIA 580.159.04").as_deref(), Some("it has GL 3.3, 4.3 is needed"));
        assert_eq!(old("OpenGL ES 3.0 Mesa 22.3.6").as_deref(), Some("it has GL ES 3.0, 3.1 is needed"));
        for new in
            ["4.5 (Core Profile) Mesa 22.3.6", "4.3.0", "OpenGL ES 3.2 NVIDIA 580", "OpenGL ES 3.1", "", "unknown"]
        {
            assert_eq!(old(new), None, "{new}");
        }
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
