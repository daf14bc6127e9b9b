//! Models of one to three layers.

use super::curves::first_layer;
use super::method::Method;
use super::session::{Scheme, Session};
use super::trial::{Outcome, all_scores};
use super::write::Table;
use crate::Result;
use crate::evaluate::Statistic;
use crate::report::charts::{Axis, Bar, Chart};

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

/// Reconstruction errors and accuracy by the number of layers.
pub(super) fn depth(s: &mut Session<'_>) -> Result<()> {
    let (methods, outcomes) = depths(s)?;
    let mut table = Table::new(&["method", "layers", "error", "AC", "NMI", "seconds"]);
    let mut lines = Vec::new();
    for (method, outcomes) in methods.iter().zip(&outcomes) {
        let (ac, nmi) =
            (Statistic::of(all_scores(outcomes).map(|s| s.ac)), Statistic::of(all_scores(outcomes).map(|s| s.nmi)));
        let (error, seconds) = (mean_error(outcomes), Statistic::of(outcomes.iter().map(|o| o.seconds)).mean);
        table.rows.push(vec![
            method.title.clone(),
            method.layers(" → "),
            format!("{:.2} %", 100.0 * error),
            format!("{:.3} ± {:.3}", ac.mean, ac.sd),
            format!("{:.3} ± {:.3}", nmi.mean, nmi.sd),
            format!("{seconds:.1}"),
        ]);
        let values = [error, ac.mean, ac.sd, nmi.mean, nmi.sd, seconds];
        let mut line = vec![method.title.clone(), method.layers("-")];
        line.extend(values.map(|v| v.to_string()));
        lines.push(line);
    }
    s.csv(&["method", "layers", "error", "ac", "ac_sd", "nmi", "nmi_sd", "seconds"], &lines)?;
    s.markdown(&table, &methods, &["Error: ‖X − X̂‖/‖X‖ of the samples, all of which were trained on."])?;
    let bars = |of: &dyn Fn(&[Outcome]) -> Statistic| {
        let rows = methods.iter().zip(&outcomes).map(|(method, outcomes)| {
            let Statistic { mean, sd } = of(outcomes);
            let deviation = Some(sd).filter(|sd| *sd > 0.0);
            Bar { label: method.name(), value: mean, deviation, ..Bar::default() }
        });
        rows.collect::<Vec<_>>()
    };
    let errors = bars(&|o| Statistic::of(o.iter().map(|o| 100.0 * o.relative_error)));
    let ac = bars(&|o| Statistic::of(all_scores(o).map(|scores| scores.ac)));
    let title = s.title();
    s.chart("-error", &Chart::bars(title.clone(), Axis::new("Error, % of ‖X‖"), errors, ""))?;
    s.chart("-ac", &Chart::bars(title, Axis::new("AC (higher is better)"), ac, ""))
}

fn mean_error(outcomes: &[Outcome]) -> f64 {
    Statistic::of(outcomes.iter().map(|o| o.relative_error)).mean
}
