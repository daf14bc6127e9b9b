//! `deepnmf verify`: checks of the device.

use deepnmf::backend::Precision;
use serde_json::json;

use super::args::{DeviceArg, named};
use super::output::Output;
use super::{Failure, Result};

/// Check every kernel and a small training run on the device against the CPU in double precision.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  deepnmf verify --device gpu && echo this GPU can be trusted

Exit code 1 if an error exceeds its bound.")]
pub(crate) struct Args {
    #[command(flatten)]
    device: DeviceArg,
    /// The precision of products with the data: f16 checks those on tensor cores too
    #[arg(long, value_name = "P", default_value = "f32", value_parser = named::<Precision>(["f32", "f16"]))]
    precision: Precision,
}

pub(crate) fn run(args: Args, out: &Output) -> Result {
    let mut engine = args.device.open_for(args.precision, out)?;
    let device = engine.device_name();
    out.line(&format!("device {device}"))?;
    out.line(&format!("{:<61} {:>10} {:>10}", "check", "error", "bound"))?;
    // Every check is printed at once, as some take a while. Checks go on if the reader closes the output.
    let mut printed = Ok(());
    let checks = engine.verify(&mut |c| {
        let verdict = if c.passed { "ok" } else { "FAILED" };
        let line = format!("{:<61} {:>10.2e} {:>10.2e} {verdict}", c.name, c.error, c.bound);
        if printed.is_ok() {
            printed = out.line(&line);
        }
    })?;
    printed?;
    let failed = checks.iter().filter(|c| !c.passed).count();
    // No checks are no success.
    let passed = failed == 0 && !checks.is_empty();
    out.line(&format!("{} of {} checks passed", checks.len() - failed, checks.len()))?;
    if out.is_json() {
        out.json(&json!({ "device": device, "passed": passed, "checks": checks }))?;
    }
    if passed { Ok(()) } else { Err(Failure::ChecksFailed) }
}
