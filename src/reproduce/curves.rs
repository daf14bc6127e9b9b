//! Accuracy over the number of components and of layers, objectives over sweeps, errors over time.

use super::method::Method;
use super::session::{Scheme, Session};
use super::trial::Outcome;
use super::write::Table;
use crate::Result;
use crate::evaluate::{METRICS, Scores, Statistic};
use crate::report::charts::{Axis, Bar, Chart, Series};
use crate::train::Solver;

/// The first layer of TR on PIE; half as large for fewer samples.
const FIRST: usize = 625;
/// GZ's layers on PIE.
const GZ: [usize; 2] = [600, 160];

fn components(s: &Session<'_>) -> Vec<usize> {
    if s.options.quick { vec![20, 45, 70] } else { (20..=70).step_by(10).collect() }
}

fn first_layer(s: &Session<'_>) -> usize {
    FIRST.min(s.samples.set.n_samples() / 2)
}

/// Methods on pixels: TR Fig. 5 on PIE.
pub(super) fn pixels(s: &mut Session<'_>) -> Result<()> {
    let first = first_layer(s);
    accuracy(s, |k| {
        let deep = Method::new("deep-semi-nmf", [first, k])?;
        Ok(vec![
            deep.clone(),
            deep.square1().variant("root"),
            Method::new("semi-nmf", [k])?,
            Method::new("nmf-mu", [k])?,
            Method::new("multilayer-nmf", [first, k])?,
            Method::new("nenmf", [k])?,
            Method::new("gnmf", [k])?,
        ])
    })
}

/// Methods on gradient orientations. These have both signs, which only these models accept.
pub(super) fn igo(s: &mut Session<'_>) -> Result<()> {
    let first = first_layer(s);
    accuracy(s, |k| Ok(vec![Method::new("deep-semi-nmf", [first, k])?.igo(), Method::new("semi-nmf", [k])?.igo()]))
}

/// Scores of all samples over the number of components, and the area under the curve of AC.
fn accuracy(s: &mut Session<'_>, methods: impl Fn(usize) -> Result<Vec<Method>>) -> Result<()> {
    let ks = components(s);
    let all = ks.iter().map(|&k| methods(k)).collect::<Result<Vec<_>>>()?;
    s.plan(all.iter().flatten(), s.options.fits)?;
    // The outcomes of all fits, by k and method.
    let mut outcomes: Vec<Vec<Vec<Outcome>>> = Vec::new();
    for methods in &all {
        outcomes.push(methods.iter().map(|method| s.trials(method, Scheme::All)).collect::<Result<_>>()?);
    }

    let mut lines = Vec::new();
    for ((k, methods), outcomes) in ks.iter().zip(&all).zip(&outcomes) {
        let fits = methods
            .iter()
            .zip(outcomes)
            .flat_map(|(method, o)| o.iter().enumerate().map(move |(fit, o)| (method, fit, o)));
        for (method, fit, outcome) in fits {
            for (run, scores) in outcome.scores.iter().enumerate() {
                let mut line = vec![method.name(), k.to_string(), fit.to_string(), run.to_string()];
                line.extend(METRICS.iter().map(|(_, of)| of(scores).to_string()));
                line.extend([outcome.relative_error, outcome.seconds].map(|v| v.to_string()));
                lines.push(line);
            }
        }
    }
    s.csv(&["method", "k", "fit", "run", "nmi", "np", "er", "ac", "purity", "error", "seconds"], &lines)?;

    let columns: Vec<String> = ks.iter().map(|k| format!("AC, k = {k}")).collect();
    let mut table = Table::new(&["method", "AUC"]);
    table.columns.extend(columns);
    table.columns.push("NMI, mean".into());
    let mut series = Vec::new();
    for (i, method) in all[0].iter().enumerate() {
        let of_method = outcomes.iter().map(|outcomes| &outcomes[i]);
        let ac: Vec<Statistic> = of_method.clone().map(|o| Statistic::of(scores(o).map(|scores| scores.ac))).collect();
        let points: Vec<(f64, f64)> = ks.iter().zip(&ac).map(|(k, ac)| (*k as f64, ac.mean)).collect();
        let area = area(&points);
        let nmi = Statistic::of(of_method.flat_map(|o| scores(o)).map(|scores| scores.nmi));
        let mut row = vec![method.name(), format!("{area:.3}")];
        row.extend(ac.iter().map(|ac| format!("{:.3} ± {:.3}", ac.mean, ac.sd)));
        row.push(format!("{:.3}", nmi.mean));
        table.rows.push(row);
        series.push(Series { label: format!("{} ({area:.3})", method.name()), points });
    }
    let how = format!(
        "AUC: the area under the curve of AC, divided by the range of k. Deep models have a first layer of {} components. The \
         settings are those of the first k. The paper prints curves, no values.",
        first_layer(s)
    );
    s.markdown(&table, &all[0], &[&how])?;
    let chart = Chart::lines(s.experiment.title, Axis::new("components k"), Axis::new("AC"), series).sized(640, 400);
    s.chart("", &chart)
}

/// A score of every run of k-means of all fits.
fn scores(outcomes: &[Outcome]) -> impl Iterator<Item = &Scores> {
    outcomes.iter().flat_map(|o| &o.scores)
}

/// The area under a curve by the trapezoidal rule, divided by its range: the mean height.
fn area(points: &[(f64, f64)]) -> f64 {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return f64::NAN };
    if points.len() == 1 {
        return first.1;
    }
    let under: f64 = points.windows(2).map(|p| 0.5 * (p[1].0 - p[0].0) * (p[0].1 + p[1].1)).sum();
    under / (last.0 - first.0)
}

/// Models of one to three layers with the same number of components in the last one.
fn depths(s: &mut Session<'_>) -> Result<(Vec<Method>, Vec<Vec<Outcome>>)> {
    let (first, k) = (first_layer(s), 70);
    let middle = first / 2;
    let mut methods = vec![Method::new("semi-nmf", [k])?];
    for name in ["deep-semi-nmf", "sdnmf-l"] {
        for layers in [vec![first, k], vec![first, middle, k]] {
            let depth = layers.len();
            methods.push(Method::new(name, layers)?.variant(format!("{depth} layers")));
        }
    }
    methods.insert(3, Method::new("sdnmf-l", [k])?);
    methods.push(Method::new("deep-semi-nmf", [first, k])?.square1().variant("2 layers, root"));
    s.plan(&methods, s.options.fits)?;
    let outcomes = methods.iter().map(|method| s.trials(method, Scheme::All)).collect::<Result<_>>()?;
    Ok((methods, outcomes))
}

fn depth_files(s: &mut Session<'_>) -> Result<(Vec<Method>, Vec<Vec<Outcome>>)> {
    let (methods, outcomes) = depths(s)?;
    let mut table = Table::new(&["method", "layers", "error", "AC", "NMI", "seconds"]);
    let mut lines = Vec::new();
    for (method, outcomes) in methods.iter().zip(&outcomes) {
        let layers: Vec<_> = method.config.layers.iter().map(ToString::to_string).collect();
        let (ac, nmi) = (Statistic::of(scores(outcomes).map(|s| s.ac)), Statistic::of(scores(outcomes).map(|s| s.nmi)));
        let (error, seconds) = (mean_error(outcomes), Statistic::of(outcomes.iter().map(|o| o.seconds)).mean);
        table.rows.push(vec![
            method.title.clone(),
            layers.join(" → "),
            format!("{:.2} %", 100.0 * error),
            format!("{:.3} ± {:.3}", ac.mean, ac.sd),
            format!("{:.3} ± {:.3}", nmi.mean, nmi.sd),
            format!("{seconds:.1}"),
        ]);
        let values = [error, ac.mean, ac.sd, nmi.mean, nmi.sd, seconds];
        let mut line = vec![method.title.clone(), layers.join("-")];
        line.extend(values.map(|v| v.to_string()));
        lines.push(line);
    }
    s.csv(&["method", "layers", "error", "ac", "ac_sd", "nmi", "nmi_sd", "seconds"], &lines)?;
    s.markdown(&table, &methods, &["Error: ‖X − X̂‖/‖X‖ of the samples, all of which were trained on."])?;
    Ok((methods, outcomes))
}

fn mean_error(outcomes: &[Outcome]) -> f64 {
    Statistic::of(outcomes.iter().map(|o| o.relative_error)).mean
}

/// Reconstruction errors by the number of layers.
pub(super) fn depth(s: &mut Session<'_>) -> Result<()> {
    let (methods, outcomes) = depth_files(s)?;
    let bars = methods.iter().zip(&outcomes).map(|(method, outcomes)| Bar {
        label: method.name(),
        value: 100.0 * mean_error(outcomes),
        ..Bar::default()
    });
    s.chart("", &Chart::bars(s.experiment.title, Axis::new("error, % of ‖X‖"), bars.collect(), ""))
}

/// Accuracy by the number of layers.
pub(super) fn layers(s: &mut Session<'_>) -> Result<()> {
    let (methods, outcomes) = depth_files(s)?;
    let bars = methods.iter().zip(&outcomes).map(|(method, outcomes)| {
        let ac = Statistic::of(scores(outcomes).map(|scores| scores.ac));
        Bar { label: method.name(), value: ac.mean, deviation: Some(ac.sd), reference: None }
    });
    s.chart("", &Chart::bars(s.experiment.title, Axis::new("AC"), bars.collect(), ""))
}

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
        let points = f.iter().enumerate().map(|(i, f)| (i as f64, f / first)).collect();
        series.push(Series { label: method.name(), points });
    }
    s.csv(&["method", "sweep", "objective"], &lines)?;
    s.markdown(&table, &methods, &["From the end of the pre-training on, to the last sweep."])?;
    let (x, y) = (Axis::new("sweep of fine-tuning"), Axis::new("objective, of its first value").log());
    s.chart("", &Chart::lines(s.experiment.title, x, y, series).sized(640, 400))
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
        let points = outcome.course.iter().map(|(t, e)| (*t, 100.0 * e)).collect();
        series.push(Series { label: method.name(), points });
    }
    s.csv(&["method", "seconds", "error"], &lines)?;
    s.markdown(
        &table,
        &methods,
        &["One layer of 160 components. Times are of this machine, with whatever else it did."],
    )?;
    let (x, y) = (Axis::new("seconds, with the initialisation").log(), Axis::new("error, % of ‖X‖").log());
    s.chart("", &Chart::lines(s.experiment.title, x, y, series).sized(640, 400))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_area_is_the_mean_height() {
        assert_eq!(super::area(&[(20.0, 0.5), (30.0, 0.5), (70.0, 0.5)]), 0.5);
        assert_eq!(super::area(&[(0.0, 0.0), (1.0, 1.0), (3.0, 1.0)]), 2.5 / 3.0);
        assert_eq!(super::area(&[(20.0, 0.7)]), 0.7);
    }
}
