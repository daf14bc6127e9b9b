//! A Vulkan device that builds pipelines and tells what they are made of. It needs no queue.

use crate::kernel::Kernel;
use crate::listing::fma_share;
use ash::{khr, vk};
use std::ffi::{CStr, CString, c_char};

/// What a pipeline takes.
#[derive(Debug, Default)]
pub struct Figures {
    pub vgprs: u64,
    sgprs: u64,
    /// Bytes of workgroup memory.
    lds: u64,
    /// Subgroups at a time.
    waves: u64,
    pub spills: u64,
    fma_share: Option<f64>,
}

impl Figures {
    /// The share of multiplications in the inner loop, 0 where there is none.
    pub fn percent(&self) -> f64 {
        100.0 * self.fma_share.unwrap_or(0.0)
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let share = self.fma_share.map_or("-".into(), |_| format!("{:.0}", self.percent()));
        let Self { vgprs, sgprs, lds, waves, spills, .. } = self;
        write!(f, "{vgprs:>5} {sgprs:>5} {lds:>6} {waves:>5} {share:>5} {spills:>6}")
    }
}

pub struct Driver {
    /// The device and the version of the driver.
    pub name: String,
    cooperative: bool,
    device: ash::Device,
    executables: khr::pipeline_executable_properties::Device,
    _instance: ash::Instance,
    _entry: ash::Entry,
}

fn text(of: &[c_char]) -> String {
    let bytes: Vec<u8> = of.iter().map(|c| c.to_ne_bytes()[0]).take_while(|byte| *byte != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Driver {
    /// The first device that RADV offers, with the features by which wgpu opens one.
    pub fn open() -> Result<Self, String> {
        let failed = |what: &str| {
            let what = what.to_string();
            move |e: vk::Result| format!("{what}: {e}")
        };
        // SAFETY: every structure is built by its builder and outlives the call that it is given to. What is made is only used
        // while the device is there, which is never destroyed.
        unsafe {
            let entry = ash::Entry::load().map_err(|e| format!("no Vulkan loader: {e}"))?;
            let app = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_3);
            let info = vk::InstanceCreateInfo::default().application_info(&app);
            let instance = entry.create_instance(&info, None).map_err(failed("no instance"))?;
            let mut found = None;
            for physical in instance.enumerate_physical_devices().map_err(failed("no devices"))? {
                let mut driver = vk::PhysicalDeviceDriverProperties::default();
                let mut properties = vk::PhysicalDeviceProperties2::default().push_next(&mut driver);
                instance.get_physical_device_properties2(physical, &mut properties);
                let device = text(&properties.properties.device_name);
                if driver.driver_id == vk::DriverId::MESA_RADV {
                    found.get_or_insert((physical, format!("{device}, {}", text(&driver.driver_info))));
                }
            }
            let (physical, name) = found.ok_or("there is no device of RADV")?;
            let offered = instance.enumerate_device_extension_properties(physical).map_err(failed("no extensions"))?;
            let has = |wanted: &CStr| offered.iter().any(|e| e.extension_name_as_c_str() == Ok(wanted));
            let executable = khr::pipeline_executable_properties::NAME;
            if !has(executable) {
                return Err(format!("{name} does not tell what it makes"));
            }
            let robust_name = ash::ext::robustness2::NAME;
            let (is_robust, cooperative) = (has(robust_name), has(khr::cooperative_matrix::NAME));
            let mut names = vec![executable.as_ptr()];
            let mut executable =
                vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default().pipeline_executable_info(true);
            let mut robust = vk::PhysicalDeviceRobustness2FeaturesEXT::default().robust_buffer_access2(true);
            let mut matrices = vk::PhysicalDeviceCooperativeMatrixFeaturesKHR::default().cooperative_matrix(true);
            let mut v11 = vk::PhysicalDeviceVulkan11Features::default().storage_buffer16_bit_access(true);
            let mut v12 = vk::PhysicalDeviceVulkan12Features::default().shader_float16(true).vulkan_memory_model(true);
            let mut v13 = vk::PhysicalDeviceVulkan13Features::default().maintenance4(true).subgroup_size_control(true);
            let core = vk::PhysicalDeviceFeatures::default().robust_buffer_access(true).shader_int16(true);
            let queue = [vk::DeviceQueueCreateInfo::default().queue_priorities(&[1.0])];
            let mut info = vk::DeviceCreateInfo::default().queue_create_infos(&queue).enabled_features(&core);
            info = info.push_next(&mut executable).push_next(&mut v11).push_next(&mut v12).push_next(&mut v13);
            if is_robust {
                names.push(robust_name.as_ptr());
                info = info.push_next(&mut robust);
            }
            if cooperative {
                names.push(khr::cooperative_matrix::NAME.as_ptr());
                info = info.push_next(&mut matrices);
            }
            let info = info.enabled_extension_names(&names);
            let device = instance.create_device(physical, &info, None).map_err(failed("the device does not open"))?;
            let executables = khr::pipeline_executable_properties::Device::new(&instance, &device);
            Ok(Self { name, cooperative, device, executables, _instance: instance, _entry: entry })
        }
    }

    pub fn takes(&self, kernel: &Kernel) -> bool {
        self.cooperative || !kernel.is_cooperative()
    }

    /// Builds a kernel, and reads what it takes.
    pub fn build(&self, kernel: &Kernel, words: &[u32]) -> Result<Figures, String> {
        let failed = |e: vk::Result| format!("not built: {e}");
        let entry = CString::new("main").unwrap_or_default();
        // SAFETY: as in `open`; the module was made from a program that naga found valid.
        unsafe {
            let binding = |(at, _): &(naga::ResourceBinding, bool)| {
                vk::DescriptorSetLayoutBinding::default()
                    .binding(at.binding)
                    .descriptor_count(1)
                    .descriptor_type(vk::DescriptorType::STORAGE_BUFFER)
                    .stage_flags(vk::ShaderStageFlags::COMPUTE)
            };
            let bindings: Vec<_> = kernel.bindings.iter().map(binding).collect();
            let info = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
            let set = [self.device.create_descriptor_set_layout(&info, None).map_err(failed)?];
            let bytes = kernel.immediate_bytes.max(4);
            let range = [vk::PushConstantRange::default().stage_flags(vk::ShaderStageFlags::COMPUTE).size(bytes)];
            let info = vk::PipelineLayoutCreateInfo::default().set_layouts(&set).push_constant_ranges(&range);
            let layout = self.device.create_pipeline_layout(&info, None).map_err(failed)?;
            let info = vk::ShaderModuleCreateInfo::default().code(words);
            let module = self.device.create_shader_module(&info, None).map_err(failed)?;
            let stage = vk::PipelineShaderStageCreateInfo::default()
                .stage(vk::ShaderStageFlags::COMPUTE)
                .module(module)
                .name(&entry);
            let told = vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR
                | vk::PipelineCreateFlags::CAPTURE_INTERNAL_REPRESENTATIONS_KHR;
            let info = [vk::ComputePipelineCreateInfo::default().flags(told).stage(stage).layout(layout)];
            let made = self.device.create_compute_pipelines(vk::PipelineCache::null(), &info, None);
            let pipeline = *made.map_err(|(_, e)| failed(e))?.first().ok_or("not built")?;
            let figures = self.figures(pipeline);
            self.device.destroy_pipeline(pipeline, None);
            self.device.destroy_shader_module(module, None);
            self.device.destroy_pipeline_layout(layout, None);
            self.device.destroy_descriptor_set_layout(set[0], None);
            figures
        }
    }

    fn figures(&self, pipeline: vk::Pipeline) -> Result<Figures, String> {
        let failed = |e: vk::Result| format!("nothing is told of it: {e}");
        let info = vk::PipelineExecutableInfoKHR::default().pipeline(pipeline);
        let mut figures = Figures::default();
        // SAFETY: the pipeline is there, and was built to be told about; every text has as many bytes as it was said to have.
        unsafe {
            let known = self.executables.get_pipeline_executable_statistics(&info).map_err(failed)?;
            let of = |name: &str| {
                let one = known.iter().find(|one| text(&one.name) == name);
                one.map(|one| one.value.u64).ok_or_else(|| format!("nothing is told of its {name}"))
            };
            (figures.vgprs, figures.sgprs, figures.lds) = (of("VGPRs")?, of("SGPRs")?, of("LDS size")?);
            figures.waves = of("Subgroups per SIMD")?;
            figures.spills = of("Spilled VGPRs")? + of("Spilled SGPRs")?;
            let read = self.executables.fp().get_pipeline_executable_internal_representations_khr;
            let mut texts = self.executables.get_pipeline_executable_internal_representations(&info).map_err(failed)?;
            let mut bytes: Vec<Vec<u8>> = texts.iter().map(|one| vec![0; one.data_size]).collect();
            for (one, bytes) in texts.iter_mut().zip(&mut bytes) {
                one.p_data = bytes.as_mut_ptr().cast();
            }
            let mut count = u32::try_from(texts.len()).unwrap_or(0);
            read(self.device.handle(), &info, &mut count, texts.as_mut_ptr()).result().map_err(failed)?;
            let listing =
                texts.iter().position(|one| text(&one.name) == "Assembly").ok_or("there is no listing of it")?;
            figures.fma_share = fma_share(&String::from_utf8_lossy(&bytes[listing]).replace('\0', ""));
        }
        Ok(figures)
    }
}
