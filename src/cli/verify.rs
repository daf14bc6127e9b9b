//! `deepnmf verify`: checks of the device.

use deepnmf::backend::Precision;
use deepnmf::verify::Check;
use serde_json::json;
use std::time::{Duration, Instant};

use super::args::{DeviceArg, named};
use super::output::Output;
use super::{Failure, Result};

/// Check every kernel and a small training run on the device against the CPU in double precision.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  deepnmf verify --device gpu && echo this GPU can be trusted

Without -v a line for every operation, with its worst case; with -v one for every check. Exit code 1 if an error exceeds its \
bound.")]
pub(crate) struct Args {
    #[command(flatten)]
    device: DeviceArg,
    /// The precision of products with the data: f16 checks those on tensor cores too
    #[arg(long, value_name = "P", default_value = "f32", value_parser = named::<Precision>(["f32", "f16"]))]
    precision: Precision,
}

/// How often it says how far it is.
const BETWEEN: Duration = Duration::from_secs(2);

pub(crate) fn run(args: Args, out: &Output) -> Result {
    let mut engine = args.device.open_for(args.precision, out)?;
    let device = engine.device_name();
    out.line(&format!("device {device}"))?;
    if out.is_verbose() {
        out.line(&format!("{:<61} {:>10} {:>10}", "check", "error", "bound"))?;
    }
    // A check is printed at once, as some take a while. Checks go on if the reader closes the output.
    let (mut printed, mut said) = (Ok(()), Instant::now());
    let mut operations: Vec<Operation> = Vec::new();
    let checks = engine.verify(&mut |c| {
        let (name, case) = operation_of(&c.name);
        if (out.is_verbose() || !c.passed) && printed.is_ok() {
            let verdict = if c.passed { "ok" } else { "FAILED" };
            printed = out.line(&format!("{:<61} {:>10.2e} {:>10.2e} {verdict}", c.name, c.error, c.bound));
        }
        let at = operations.iter().position(|o| o.name == name).unwrap_or(operations.len());
        if at == operations.len() {
            operations.push(Operation { name: name.into(), checks: 0, failed: 0, worst: (-1.0, String::new()) });
        }
        operations[at].take(c, case);
        if !out.is_verbose() && said.elapsed() >= BETWEEN {
            let done: usize = operations.iter().map(|o| o.checks).sum();
            out.note(&format!("{done} checks so far, now of: {name}"));
            said = Instant::now();
        }
    })?;
    printed?;
    if !out.is_verbose() {
        out.line(&format!("{:<40} {:>6}   the largest error, as a share of its bound", "operation", "checks"))?;
        operations.iter().try_for_each(|operation| out.line(&operation.line()))?;
    }
    let failed = checks.iter().filter(|c| !c.passed).count();
    // No checks are no success.
    let passed = failed == 0 && !checks.is_empty();
    out.line(&format!("{} of {} checks passed", checks.len() - failed, checks.len()))?;
    if out.is_json() {
        out.json(&json!({ "device": device, "passed": passed, "checks": checks }))?;
    }
    if passed { Ok(()) } else { Err(Failure::ChecksFailed) }
}

/// The checks of one operation.
struct Operation {
    name: String,
    checks: usize,
    failed: usize,
    /// The largest error as a share of its bound, and in which case.
    worst: (f64, String),
}

impl Operation {
    fn take(&mut self, check: &Check, case: &str) {
        self.checks += 1;
        self.failed += usize::from(!check.passed);
        let share = if check.error == 0.0 { 0.0 } else { check.error / check.bound };
        // One that is not a number is the worst.
        if share > self.worst.0 || share.is_nan() {
            self.worst = (share, case.into());
        }
    }

    fn line(&self) -> String {
        let Self { name, checks, failed, worst: (share, case) } = self;
        let verdict = if *failed == 0 { "ok".into() } else { format!("{failed} FAILED") };
        format!("{name:<40} {checks:>6}   {:>5.1} %  {case:<38} {verdict}", 100.0 * share)
    }
}

/// The operation of a check, and the case: what comes after a comma, or from the first size on.
fn operation_of(name: &str) -> (&str, &str) {
    let sizes =
        name.match_indices(' ').find(|(at, _)| name[at + 1..].starts_with(|c: char| c.is_ascii_digit() || c == '['));
    let end = [name.find(','), sizes.map(|(at, _)| at)].into_iter().flatten().min().unwrap_or(name.len());
    (&name[..end], name[end..].trim_start_matches([',', ' ']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_of_an_operation_in_a_case() {
        for (name, operation, case) in [
            ("product NN 64×16×64 Signed, added", "product NN", "64×16×64 Signed, added"),
            ("X as f16, download 1×1×1", "X as f16", "download 1×1×1"),
            ("SDNMF/RL1 [12, 5], Plain, objective", "SDNMF/RL1", "[12, 5], Plain, objective"),
            ("line search", "line search", ""),
        ] {
            assert_eq!(operation_of(name), (operation, case));
        }
    }

    #[test]
    fn the_worst_case_is_that_of_the_largest_share() {
        let mut all = Operation { name: "sum".into(), checks: 0, failed: 0, worst: (-1.0, String::new()) };
        for (error, bound, case) in [(0.0, 0.0, "a"), (1.0, 2.0, "b"), (3.0, 30.0, "c")] {
            all.take(&Check { name: String::new(), error, bound, passed: true }, case);
        }
        assert!(all.line().contains("50.0 %  b") && all.line().ends_with(" ok"), "{}", all.line());
        all.take(&Check { name: String::new(), error: f64::NAN, bound: 1.0, passed: false }, "d");
        assert!(all.line().contains("NaN %  d") && all.line().ends_with("1 FAILED"), "{}", all.line());
    }
}
