//! `deepnmf devices`: the adapters of this machine.

use deepnmf::DeviceInfo;
use serde_json::json;

use super::Result;
use super::output::{Output, bytes};

/// List the adapters of this machine: backends, limits and the features that matter here.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  deepnmf devices
  deepnmf fit faces/ --layers 160,40 --device 0       a device by its number
  deepnmf fit faces/ --layers 160,40 --device radeon  or by part of its name")]
pub(crate) struct Args {}

pub(crate) fn run(_args: Args, out: &Output) -> Result {
    let adapters = deepnmf::devices();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let hint = deepnmf::missing_device(&adapters);
    if out.is_json() {
        return out.json(&json!({ "cpu": { "cores": cores }, "adapters": adapters, "hint": hint }));
    }
    for a in &adapters {
        print(a, out)?;
    }
    if adapters.is_empty() {
        out.line("no adapters: no GPU, or no driver for it (Vulkan, Metal, DX12 or GL)")?;
    }
    if let Some(hint) = hint {
        out.line(&format!("hint: {hint}"))?;
    }
    out.line(&format!("cpu  the CPU backend, {cores} cores"))
}

fn print(a: &DeviceInfo, out: &Output) -> Result {
    out.line(&format!("{:<4} {} ({}, {})", a.index, a.name, a.backend, a.kind))?;
    let row = |name: &str, value: &str| out.line(&format!("     {name:<22} {value}"));
    if let Some(reason) = &a.problem {
        row("not usable", reason)?;
    }
    if !a.driver.is_empty() {
        row("driver", &a.driver)?;
    }
    let (binding, buffer) = (bytes(a.max_binding_bytes), bytes(a.max_buffer_bytes));
    row("limits", &format!("binding {binding}, buffer {buffer}"))?;
    let memory = bytes(u64::from(a.max_workgroup_bytes));
    row("workgroup", &format!("{} invocations, {memory}", a.max_workgroup_invocations))?;
    let list = |v: &[String]| if v.is_empty() { "none".into() } else { v.join(", ") };
    row("features", &list(&a.features))?;
    row("cooperative matrices", &list(&a.cooperative_matrices))
}
