//! Kernels: what they are made of, how they are found again, and how they are compiled.

use super::context::Context;
use super::template::expand;
use crate::backend::Storage;
use crate::{Error, Result};
use std::borrow::Cow;

/// Parts of a sum on the device, and invocations of a workgroup that adds some up.
pub(super) const PARTS: usize = 256;

/// By what a compiled kernel is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) label: &'static str,
    /// Of those with that label, a number that no other has.
    pub(super) variant: u64,
}

/// A kernel that is compiled when it is first needed.
pub(super) trait Program {
    fn key(&self) -> Key;
    fn spec(&self) -> Spec;
}

/// What a kernel is made of.
#[derive(Debug, Clone)]
pub(super) struct Spec {
    /// The name of its file.
    pub(super) label: &'static str,
    /// WGSL with one entry point, `main`; a template.
    pub(super) source: Cow<'static, str>,
    /// For every storage binding of group 0, in order, whether the kernel writes it.
    pub(super) writes: Cow<'static, [bool]>,
    /// Bytes of its parameters.
    pub(super) immediate_bytes: usize,
    /// How its first operand is stored.
    pub(super) reads: Storage,
    /// Whether it stays within bounds without being made to.
    pub(super) trusted: bool,
    /// Values of `override` constants.
    pub(super) constants: &'static [(&'static str, f64)],
}

impl Spec {
    /// A kernel with parameters `P`, a file of its own and no constants.
    pub(super) const fn new<P>(label: &'static str, source: &'static str, writes: &'static [bool]) -> Self {
        let (source, writes) = (Cow::Borrowed(source), Cow::Borrowed(writes));
        let (immediate_bytes, reads) = (size_of::<P>(), Storage::F32);
        Self { label, source, writes, immediate_bytes, reads, trusted: false, constants: &[] }
    }

    /// The same, known to stay within bounds.
    pub(super) const fn trusted(mut self) -> Self {
        self.trusted = true;
        self
    }

    /// The same by another name, with constants.
    pub(super) const fn with(mut self, label: &'static str, constants: &'static [(&'static str, f64)]) -> Self {
        (self.label, self.constants) = (label, constants);
        self
    }

    /// The WGSL.
    pub(super) fn text(&self) -> String {
        expand(&self.source, &[("PARTS", PARTS)])
    }
}

impl Program for Spec {
    fn key(&self) -> Key {
        Key { label: self.label, variant: 0 }
    }

    fn spec(&self) -> Spec {
        self.clone()
    }
}

/// A compiled kernel.
#[derive(Debug)]
pub(super) struct Kernel {
    pub(super) id: usize,
    pub(super) label: &'static str,
    /// How its first operand is stored.
    pub(super) reads: Storage,
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) layout: wgpu::BindGroupLayout,
}

impl Kernel {
    /// [`Error::DeviceFault`] where the driver does not compile it.
    pub(super) fn new(context: &Context, id: usize, spec: &Spec) -> Result<Self> {
        context.check()?;
        let (device, text) = (&context.device, spec.text());
        #[cfg(test)]
        context.options.planned.compile(device, &text)?;
        let entries: Vec<_> = spec
            .writes
            .iter()
            .zip(0..)
            .map(|(&write, binding)| wgpu::BindGroupLayoutEntry {
                binding,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer {
                    ty: wgpu::BufferBindingType::Storage { read_only: !write },
                    has_dynamic_offset: false,
                    min_binding_size: None,
                },
                count: None,
            })
            .collect();
        let label = Some(spec.label);
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label, entries: &entries });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label,
            bind_group_layouts: &[Some(&layout)],
            immediate_size: word(spec.immediate_bytes)?,
        });
        let descriptor = wgpu::ShaderModuleDescriptor { label, source: wgpu::ShaderSource::Wgsl(text.into()) };
        let module = if spec.trusted && !context.options.checked {
            // SAFETY: a kernel that says so reads and writes behind conditions of its own, or at places that its template's
            // sizes bound; all its loops end. With checks and without, and with guards behind every shard, it is tested.
            unsafe { device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) }
        } else {
            device.create_shader_module(descriptor)
        };
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label,
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: spec.constants,
                // Every kernel writes its workgroup memory before it reads it.
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        });
        context.check()?;
        Ok(Self { id, label: spec.label, reads: spec.reads, pipeline, layout })
    }
}

/// A number as kernels count. Whatever lies in a shard can be counted so; not all samples together, nor any number of steps.
pub(super) fn word(n: usize) -> Result<u32> {
    u32::try_from(n).map_err(|_| Error::TooLarge {
        what: "a kernel".into(),
        needed: n as u64,
        limit: u32::MAX.into(),
        unit: "rows, columns or steps",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_a_word_is_refused() {
        assert_eq!(word(u32::MAX as usize).unwrap(), u32::MAX);
        assert!(word(u32::MAX as usize + 1).unwrap_err().to_string().contains("4294967296 rows, columns or steps"));
    }
}
