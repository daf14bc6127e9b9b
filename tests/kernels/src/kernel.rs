//! A kernel as wgpu hands it to a driver.

use naga::back::{hlsl, msl, spv};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::{AddressSpace, Module, ResourceBinding, ShaderStage, StorageAccess, valid};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The entry point of every kernel.
const MAIN: &str = "main";

/// A kernel of a file. Its text begins with `// @trusted` where nothing has to be checked, and with `// @constant NAME VALUE` for every
/// `override`.
pub struct Kernel {
    pub name: String,
    pub file: PathBuf,
    trusted: bool,
    module: Module,
    info: valid::ModuleInfo,
    /// The storage bindings, and whether they are written.
    pub bindings: Vec<(ResourceBinding, bool)>,
    pub immediate_bytes: u32,
}

impl Kernel {
    pub fn read(file: &Path) -> Result<Self, String> {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let failed = |e: String| format!("{name}: {e}");
        let text = std::fs::read_to_string(file).map_err(|e| failed(e.to_string()))?;
        let module = naga::front::wgsl::parse_str(&text).map_err(|e| failed(e.emit_to_string(&text)))?;
        let mut validator = valid::Validator::new(valid::ValidationFlags::all(), valid::Capabilities::all());
        let info = validator.validate(&module).map_err(|e| failed(e.emit_to_string(&text)))?;
        let constants = text.lines().filter_map(|line| line.strip_prefix("// @constant ")?.split_once(' '));
        let constants = constants.filter_map(|(name, value)| Some((name.to_string(), value.parse().ok()?))).collect();
        let (module, info) = naga::back::pipeline_constants::process_overrides(
            &module,
            &info,
            Some((ShaderStage::Compute, MAIN)),
            &constants,
        )
        .map_err(|e| failed(e.to_string()))?;
        let (module, info) = (module.into_owned(), info.into_owned());
        let (mut bindings, mut immediate_bytes) = (Vec::new(), 0);
        for (_, variable) in module.global_variables.iter() {
            match (variable.space, &variable.binding) {
                (AddressSpace::Storage { access }, Some(at)) => {
                    bindings.push((*at, access.contains(StorageAccess::STORE)));
                }
                (AddressSpace::Immediate, _) => {
                    immediate_bytes = module.types[variable.ty].inner.size(module.to_ctx());
                }
                _ => {}
            }
        }
        bindings.sort_by_key(|(at, _)| at.binding);
        let trusted = text.lines().any(|line| line == "// @trusted");
        Ok(Self { name, file: file.into(), trusted, module, info, bindings, immediate_bytes })
    }

    /// Whether it needs matrices of subgroups.
    pub fn is_cooperative(&self) -> bool {
        self.module.types.iter().any(|(_, ty)| matches!(ty.inner, naga::TypeInner::CooperativeMatrix { .. }))
    }

    fn checks(&self, buffer: BoundsCheckPolicy) -> BoundsCheckPolicies {
        let index = if self.trusted { BoundsCheckPolicy::Unchecked } else { BoundsCheckPolicy::Restrict };
        let buffer = if self.trusted { BoundsCheckPolicy::Unchecked } else { buffer };
        BoundsCheckPolicies { index, buffer, ..Default::default() }
    }

    /// As for Vulkan, on a device that checks the bounds of buffers itself.
    pub fn spirv(&self) -> Result<Vec<u32>, String> {
        let options = spv::Options {
            lang_version: (1, 6),
            flags: spv::WriterFlags::LABEL_VARYINGS,
            bounds_check_policies: self.checks(BoundsCheckPolicy::Unchecked),
            zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
            force_loop_bounding: !self.trusted,
            emit_int_div_checks: !self.trusted,
            ..Default::default()
        };
        let entry = spv::PipelineOptions { entry_point: MAIN.into(), shader_stage: ShaderStage::Compute };
        spv::write_vec(&self.module, &self.info, &options, Some(&entry)).map_err(|e| e.to_string())
    }

    /// As for DirectX 12.
    pub fn hlsl(&self) -> Result<String, String> {
        let mut registers = [0, 0];
        let bind = |(at, writes): &(ResourceBinding, bool)| {
            let next = &mut registers[usize::from(*writes)];
            *next += 1;
            (*at, hlsl::BindTarget { register: *next - 1, ..Default::default() })
        };
        let space = |space| Some(hlsl::BindTarget { space, ..Default::default() });
        let options = hlsl::Options {
            shader_model: hlsl::ShaderModel::V6_2,
            binding_map: self.bindings.iter().map(bind).collect(),
            fake_missing_bindings: false,
            special_constants_binding: space(1),
            immediates_target: space(2),
            zero_initialize_workgroup_memory: false,
            restrict_indexing: !self.trusted,
            force_loop_bounding: !self.trusted,
            ..Default::default()
        };
        let mut text = String::new();
        let entry = hlsl::PipelineOptions { entry_point: Some((ShaderStage::Compute, MAIN.into())) };
        let mut writer = hlsl::Writer::new(&mut text, &options, &entry);
        writer.write(&self.module, &self.info, None).map_err(|e| e.to_string())?;
        Ok(text)
    }

    /// As for Metal.
    pub fn msl(&self) -> Result<String, String> {
        let bind = |(at, mutable): &(ResourceBinding, bool)| {
            let buffer = u8::try_from(at.binding).ok();
            (*at, msl::BindTarget { buffer, mutable: *mutable, ..Default::default() })
        };
        let resources = msl::EntryPointResources {
            resources: self.bindings.iter().map(bind).collect(),
            immediates_buffer: Some(30),
            sizes_buffer: Some(29),
        };
        let options = msl::Options {
            lang_version: (3, 0),
            per_entry_point_map: BTreeMap::from([(MAIN.into(), resources)]),
            fake_missing_bindings: false,
            bounds_check_policies: self.checks(BoundsCheckPolicy::Restrict),
            zero_initialize_workgroup_memory: false,
            force_loop_bounding: !self.trusted,
            emit_int_div_checks: !self.trusted,
            spirv_cross_compatibility: false,
            ..Default::default()
        };
        let entry =
            msl::PipelineOptions { entry_point: Some((ShaderStage::Compute, MAIN.into())), ..Default::default() };
        let (text, _) = msl::write_string(&self.module, &self.info, &options, &entry).map_err(|e| e.to_string())?;
        Ok(text)
    }
}
