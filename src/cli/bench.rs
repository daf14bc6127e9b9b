//! `deepnmf bench`: the speed of the device beside that of the CPU.

use std::collections::BTreeMap;
use std::time::Instant;

use deepnmf::backend::Precision;
use deepnmf::bench::{MEASUREMENTS, Row};
use deepnmf::train::Solver;
use deepnmf::{DeviceInfo, DeviceRequest, Engine};
use serde_json::json;

use super::args::{DeviceArg, seconds};
use super::output::{Output, name_of, percent};
use super::{Failure, Result};

/// Measure the speed of the device, beside that of the CPU backend: copies, products, blocks, sweeps and a whole fit.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  deepnmf bench                              a real GPU and the CPU, in a minute and a half
  deepnmf bench --quick --device cpu
  mpirun -n 4 deepnmf bench --ranks          what several processes exchange, and how fast they are together
  deepnmf bench --device 0 --json > bench.json
  deepnmf bench --all --json > bench.json    all that there is to know of a new GPU; benches/peers/markdown.py makes tables of it

Shapes that would take too long are halved until they do not, and every line says which shape was measured. Times are \
medians. `device` is the time by the device's own clock, `host` what the host did besides waiting. CPU/wall is the CPU time \
of this process ÷ wall time: on a shared machine a CPU figure means something only if that is near the number of threads.")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) device: DeviceArg,
    /// As --seconds 24
    #[arg(long, conflicts_with = "seconds")]
    quick: bool,
    /// Approximate seconds for all measurements together
    #[arg(long, value_name = "S", default_value_t = 90.0, value_parser = seconds)]
    seconds: f64,
    /// Verify the device first, which --seconds does not count, and tell the way that every product was found fastest in
    #[arg(long)]
    all: bool,
    /// Measure several processes together, which mpirun or srun starts: how fast they sum up over all of them and how many samples they
    /// train on in a second; from that, what more of them would take for an iteration over 10⁸ and 10⁹ samples
    #[arg(long, conflicts_with = "all")]
    pub(super) ranks: bool,
}

impl Args {
    /// Seconds for all measurements.
    pub(super) fn limit(&self) -> f64 {
        if self.quick { QUICK } else { self.seconds }
    }
}

const QUICK: f64 = 24.0;

/// A device with its measurements.
struct Measured {
    /// `gpu` or `cpu`.
    backend: &'static str,
    name: String,
    adapter: Option<DeviceInfo>,
    solver: Solver,
    rows: Vec<Row>,
    /// By --all: checks, and those that failed; and the fastest ways to compute products.
    checks: Option<(usize, Vec<String>)>,
    tuned: Vec<(String, &'static str)>,
}

pub(crate) fn run(args: Args, out: &Output) -> Result {
    let seconds = args.limit();
    // With tensor cores where there are some.
    let mut engines = vec![args.device.clone().open_for(Precision::F16, out).or_else(|_| args.device.open(out))?];
    if engines[0].adapter().is_some() {
        engines.push(Engine::open(&DeviceRequest::Cpu)?);
    }
    let (count, mut checks) = (engines.len(), None);
    if args.all {
        out.note("verify");
        let all = engines[0].verify(&mut |_| {})?;
        let failed = all.iter().filter(|check| !check.passed).map(|check| check.name.clone()).collect();
        checks = Some((all.len(), failed));
    }
    let begin = Instant::now();
    let mut measured = Vec::with_capacity(count);
    for (i, mut engine) in engines.into_iter().enumerate() {
        let backend = if engine.adapter().is_some() { "gpu" } else { "cpu" };
        // The time for opening and compiling does not count; time that a device does not use is left to the next.
        let left = (seconds - begin.elapsed().as_secs_f64()).max(0.1 * seconds) / (count - i) as f64;
        let rows = engine.bench(left, &mut |number, row| {
            out.note(format!("{backend} {number}/{MEASUREMENTS}: {} {}", row.name, row.shape).trim_end());
        })?;
        let (adapter, solver) = (engine.adapter().cloned(), engine.fastest_solver());
        let tuned = if args.all { engine.tuned() } else { Vec::new() };
        measured.push(Measured {
            backend,
            name: engine.device_name(),
            adapter,
            solver,
            rows,
            checks: checks.take(),
            tuned,
        });
    }
    let passed = measured.iter().filter_map(|m| m.checks.as_ref()).all(|(all, failed)| *all > 0 && failed.is_empty());
    let took = begin.elapsed().as_secs_f64();
    if out.is_json() {
        let devices: Vec<_> = measured.iter().map(Measured::json).collect();
        out.json(&json!({
            "version": env!("CARGO_PKG_VERSION"),
            "os": std::env::consts::OS,
            "architecture": std::env::consts::ARCH,
            "cores": std::thread::available_parallelism().map_or(1, usize::from),
            "limit_seconds": seconds,
            "seconds": took,
            "devices": devices,
        }))?;
    } else {
        table(&measured, out)?;
        out.line(&format!("\n{took:.0} s, deepnmf {}", env!("CARGO_PKG_VERSION")))?;
    }
    if passed { Ok(()) } else { Err(Failure::ChecksFailed) }
}

impl Measured {
    fn json(&self) -> serde_json::Value {
        let checks = self.checks.as_ref().map(|(all, failed)| json!({ "checks": all, "failed": failed }));
        json!({
            "backend": self.backend,
            "name": self.name,
            "adapter": self.adapter,
            "solver": self.solver,
            "rows": self.rows,
            "verify": checks,
            "tuned": self.tuned.iter().cloned().collect::<BTreeMap<_, _>>(),
        })
    }
}

/// Prints the rows of all devices, measurement by measurement.
fn table(measured: &[Measured], out: &Output) -> Result {
    for Measured { backend, name, adapter, solver, .. } in measured {
        let driver = adapter.as_ref().map_or(String::new(), |a| format!(", {}", a.driver));
        out.line(&format!("{backend}  {name}{driver}; blocks by --solver {}", name_of(solver)))?;
    }
    for Measured { checks, tuned, .. } in measured {
        if let Some((all, failed)) = checks {
            out.line(&format!("\n{} of {all} checks passed", all - failed.len()))?;
            failed.iter().try_for_each(|name| out.line(&format!("  FAILED {name}")))?;
        }
        tuned.iter().try_for_each(|(class, way)| out.line(&format!("{class:<20} {way}")))?;
    }
    // The CPU backend has wall time only.
    let clocks = measured.iter().any(|m| m.adapter.is_some());
    let head = ["measurement", "on", "shape", "time", "rate", "of best", "device", "host", "CPU/wall"];
    out.line(&format!("\n{}", columns(head, clocks)))?;
    for i in 0..measured.iter().map(|m| m.rows.len()).max().unwrap_or(0) {
        for (Measured { backend, .. }, row) in measured.iter().filter_map(|m| Some((m, m.rows.get(i)?))) {
            out.line(&line(backend, row, clocks))?;
            if let Some(note) = remark(row) {
                out.line(&format!("{:<20} {note}", ""))?;
            }
        }
    }
    if measured.iter().any(|m| m.adapter.as_ref().is_some_and(|a| a.kind == "cpu")) {
        out.line("\nA software adapter: its speed is no GPU's, and what it computes while it is handed work counts as the host's.")?;
    }
    Ok(())
}

fn line(backend: &str, row: &Row, clocks: bool) -> String {
    let rate = row.rate.map_or(String::new(), |rate| format!("{} {}", number(rate), row.unit));
    let of_best = row.of_best.map_or(String::new(), |part| format!("{:.0} %", 100.0 * part));
    let busy = row.cpu_per_wall.map_or(String::new(), |busy| format!("{busy:.2}"));
    let times = [row.seconds, row.device_seconds, row.host_seconds].map(|s| s.map_or(String::new(), time));
    columns([row.name, backend, &row.shape, &times[0], &rate, &of_best, &times[1], &times[2], &busy], clocks)
}

fn columns([name, on, shape, time, rate, of_best, device, host, busy]: [&str; 9], clocks: bool) -> String {
    let clocks = if clocks { format!(" {device:>9} {host:>9}") } else { String::new() };
    let line = format!("{name:<15} {on:<4} {shape:<25} {time:>9} {rate:>18} {of_best:>8}{clocks} {busy:>8}");
    line.trim_end().to_string()
}

/// What has no column of its own.
fn remark(row: &Row) -> Option<String> {
    let mut parts = Vec::new();
    if let (Some(error), Some(target), Some(iterations)) = (row.relative_error, row.target_error, row.iterations) {
        let verb = if error <= target { "reached" } else { "did not reach" };
        parts.push(format!("{verb} an error of {}: {} after {iterations} iterations", percent(target), percent(error)));
    }
    parts.extend(row.of_linear.map(|of_linear| format!("{of_linear:.2} of linear")));
    parts.extend(row.note.clone());
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// Three significant digits.
pub(super) fn number(value: f64) -> String {
    match value {
        v if v >= 100.0 => {
            let digits = format!("{v:.0}");
            let first = (digits.len() - 1) % 3 + 1;
            let (mut text, rest) = (digits[..first].to_string(), &digits.as_bytes()[first..]);
            for group in rest.chunks(3) {
                text.push(',');
                text.extend(group.iter().map(|&b| char::from(b)));
            }
            text
        }
        v if v >= 10.0 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

pub(super) fn time(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{} µs", number(1e6 * s)),
        s if s < 1.0 => format!("{} ms", number(1e3 * s)),
        s => format!("{} s", number(s)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_or_commas() {
        for (value, expected) in
            [(0.5, "0.50"), (12.34, "12.3"), (123.4, "123"), (1234.5, "1,234"), (1_234_567.0, "1,234,567")]
        {
            assert_eq!(number(value), expected);
        }
        assert_eq!([2.5e-5, 0.0123, 4.0].map(time), ["25.0 µs", "12.3 ms", "4.00 s"]);
    }

    #[test]
    fn seconds_are_positive_and_not_too_many() {
        assert_eq!(seconds("2.5"), Ok(2.5));
        for bad in ["0", "-1", "nan", "inf", "many", "1e9"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
