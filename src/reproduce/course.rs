//! Objectives over sweeps, errors over time.

use super::method::Method;
use super::session::{Scheme, Session};
use super::trial::Outcome;
use super::write::Table;
use crate::Result;
use crate::report::charts::{Axis, Chart, Series};
use crate::train::Solver;

/// GZ's layers on PIE.
const GZ: [usize; 2] = [600, 160];

/// The objective of the five models over the sweeps.
pub(super) fn sweeps(s: &mut Session<'_>) -> Result<()> {
    let mut methods = Vec::new();
    for name in ["dnmf", "sdnmf-l", "sdnmf-r", "sdnmf-rl1", "sdnmf-rl2"] {
        let mut method = Method::new(name, GZ)?;
        // The papers' solver, to the last sweep.
        (method.config.solver, method.config.tol) = (Solver::Nesterov, 0.0);
        if s.options.quick {
            (method.config.pretrain, method.config.inner) = (20, 10);
        }
        methods.push(method);
    }
    s.plan(&methods, 1)?;
    let outcomes: Vec<Outcome> = methods.iter().map(|m| s.trial(m, Scheme::All)).collect::<Result<_>>()?;
    let mut table = Table::new(&["method", "first", "last", "last ÷ first", "sweeps to 1 % above the last", "error"]);
    let (mut lines, mut series) = (Vec::new(), Vec::new());
    for (method, outcome) in methods.iter().zip(&outcomes) {
        let f = &outcome.history.finetune;
        let (Some(&first), Some(&last)) = (f.first(), f.last()) else { continue };
        let near = f.iter().position(|f| *f <= 1.01 * last).unwrap_or(f.len());
        table.rows.push(vec![
            method.name(),
            format!("{first:.4e}"),
            format!("{last:.4e}"),
            format!("{:.3}", last / first),
            near.to_string(),
            format!("{:.2} %", 100.0 * outcome.relative_error),
        ]);
        lines.extend(f.iter().enumerate().map(|(i, f)| vec![method.name(), i.to_string(), f.to_string()]));
        let points = f.iter().enumerate().map(|(i, f)| (i as f64, f / first));
        series.push(Series::new(method.name(), points));
    }
    s.csv(&["method", "sweep", "objective"], &lines)?;
    s.markdown(&table, &methods, &["From the end of the pre-training on, to the last sweep."])?;
    let (x, y) = (Axis::new("Sweep of fine-tuning"), Axis::new("Objective ÷ its first value").log());
    s.chart("", &Chart::lines(s.title(), x, y, series).sized(640, 400))
}

/// The error of one-layer methods over time.
pub(super) fn time(s: &mut Session<'_>) -> Result<()> {
    let k = [GZ[1]];
    let mut methods = vec![Method::new("nmf-mu", k)?, Method::new("pgnmf", k)?, Method::new("nenmf", k)?];
    let diagonal = Method::new("dnmf", k)?;
    for (variant, solver) in [("Nesterov, diagonal metric", Solver::Nesterov), ("coordinate descent", Solver::Cd)] {
        let mut method = diagonal.clone().variant(variant);
        method.config.solver = solver;
        methods.push(method);
    }
    s.plan(&methods, 1)?;
    let outcomes: Vec<Outcome> = methods.iter().map(|m| s.trial(m, Scheme::All)).collect::<Result<_>>()?;
    let worst = outcomes.iter().map(|o| o.relative_error).fold(0.0, f64::max);
    let to_worst = format!("seconds to {:.2} %", 100.0 * worst);
    let mut table = Table::new(&["method", "error at the end", "iterations", "seconds", &to_worst]);
    let (mut lines, mut series) = (Vec::new(), Vec::new());
    for (method, outcome) in methods.iter().zip(&outcomes) {
        let reached = outcome.course.iter().find(|(_, error)| *error <= worst).map_or(f64::NAN, |(t, _)| *t);
        table.rows.push(vec![
            method.name(),
            format!("{:.2} %", 100.0 * outcome.relative_error),
            outcome.course.len().to_string(),
            format!("{:.1}", outcome.seconds),
            format!("{reached:.2}"),
        ]);
        lines.extend(outcome.course.iter().map(|(t, e)| vec![method.name(), t.to_string(), e.to_string()]));
        let points = outcome.course.iter().map(|(t, e)| (*t, 100.0 * e));
        series.push(Series::new(method.name(), points));
    }
    s.csv(&["method", "seconds", "error"], &lines)?;
    s.markdown(
        &table,
        &methods,
        &["One layer of 160 components. Times are of this machine, with whatever else it did."],
    )?;
    let (x, y) = (Axis::new("Seconds, with the initialisation").log(), Axis::new("Error, % of ‖X‖").log());
    s.chart("", &Chart::lines(s.title(), x, y, series).sized(640, 400))
}
