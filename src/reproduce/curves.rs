//! Scores and errors over the number of components.

use super::method::Method;
use super::printed::{Areas, TABLE1, TABLE1_COMPONENTS};
use super::session::{Scheme, Session};
use super::trial::{Outcome, all_scores};
use super::write::Table;
use crate::Result;
use crate::evaluate::{METRICS, Scores, Statistic};
use crate::report::charts::{Axis, Chart, Series};

/// The first layer of TR on PIE.
const FIRST: usize = 625;

/// The first layer for the samples: half as large as there are, where they are few.
pub(super) fn first_layer(s: &Session<'_>) -> usize {
    FIRST.min(s.samples.set.n_samples() / 2)
}

/// The methods of TR with k components, of pixels or of gradient orientations. The latter have both signs, which only two
/// models accept.
fn methods(s: &Session<'_>, k: usize, igo: bool) -> Result<Vec<Method>> {
    let first = first_layer(s);
    let (deep, semi) = (Method::new("deep-semi-nmf", [first, k])?, Method::new("semi-nmf", [k])?);
    if igo {
        return Ok(vec![deep.igo(), semi.igo()]);
    }
    let multilayer = Method::new("multilayer-nmf", [first, k])?;
    let mut all = vec![deep, semi, Method::new("nmf-mu", [k])?, multilayer];
    all.extend([Method::new("nenmf", [k])?, Method::new("gnmf", [k])?]);
    Ok(all)
}

/// Methods with several numbers of components, and their outcomes by k, method, and fit.
struct Curves {
    ks: Vec<usize>,
    methods: Vec<Vec<Method>>,
    outcomes: Vec<Vec<Vec<Outcome>>>,
}

impl Curves {
    fn made(s: &mut Session<'_>, ks: Vec<usize>, igo: &[bool]) -> Result<Self> {
        s.classes()?;
        let at = |k: &usize| {
            let of: Result<Vec<_>> = igo.iter().map(|igo| methods(s, *k, *igo)).collect();
            Ok(of?.concat())
        };
        let methods = ks.iter().map(at).collect::<Result<Vec<_>>>()?;
        s.plan(methods.iter().flatten(), s.options.fits)?;
        let mut outcomes = Vec::new();
        for methods in &methods {
            outcomes.push(methods.iter().map(|method| s.trials(method, Scheme::All)).collect::<Result<_>>()?);
        }
        Ok(Self { ks, methods, outcomes })
    }

    /// A CSV with every score of every run of k-means.
    fn csv(&self, s: &mut Session<'_>) -> Result<()> {
        let mut lines = Vec::new();
        for ((k, methods), outcomes) in self.ks.iter().zip(&self.methods).zip(&self.outcomes) {
            for (method, outcomes) in methods.iter().zip(outcomes) {
                for (fit, outcome) in outcomes.iter().enumerate() {
                    for (run, scores) in outcome.scores.iter().enumerate() {
                        let mut line = vec![method.name(), k.to_string(), fit.to_string(), run.to_string()];
                        line.extend(METRICS.iter().map(|(_, of)| of(scores).to_string()));
                        line.extend([outcome.relative_error, outcome.seconds].map(|v| v.to_string()));
                        lines.push(line);
                    }
                }
            }
        }
        s.csv(&["method", "k", "fit", "run", "nmi", "np", "er", "ac", "purity", "error", "seconds"], &lines)
    }

    /// The outcomes of method `i`, by k.
    fn of(&self, i: usize) -> impl Iterator<Item = (f64, &[Outcome])> {
        self.ks.iter().zip(&self.outcomes).map(move |(k, outcomes)| (*k as f64, outcomes[i].as_slice()))
    }

    /// k, mean and standard deviation of a score of method `i`.
    fn score(&self, i: usize, of: fn(&Scores) -> f64) -> Vec<(f64, f64, f64)> {
        let at = |(k, outcomes): (f64, &[Outcome])| {
            let Statistic { mean, sd } = Statistic::of(all_scores(outcomes).map(of));
            (k, mean, sd)
        };
        self.of(i).map(at).collect()
    }
}

/// Scores of all samples over the number of components, with the areas under the curves beside the printed ones: TR Fig. 3 to 8.
pub(super) fn areas(s: &mut Session<'_>, printed: &Areas, igo: bool) -> Result<()> {
    let ks = if s.options.quick { vec![20, 45, 70] } else { (20..=70).step_by(10).collect() };
    let curves = Curves::made(s, ks, &[igo])?;
    curves.csv(s)?;
    let on = format!("printed, on {}", printed.on);
    let mut table = Table::new(&["method", "AUC of NMI", &on, "AUC of AC", &on]);
    table.columns.extend(curves.ks.iter().map(|k| format!("AC, k = {k}")));
    let mut charts = [("NMI", Vec::new()), ("AC", Vec::new())];
    for (i, method) in curves.methods[0].iter().enumerate() {
        let (nmi, ac) = (curves.score(i, |s| s.nmi), curves.score(i, |s| s.ac));
        let of = printed.of.iter().find(|(title, ..)| *title == method.title);
        let mut row = vec![method.name()];
        for (score, printed) in [(&nmi, of.map(|p| p.1)), (&ac, of.map(|p| p.2))] {
            row.extend([format!("{:.2}", area(score)), printed.map_or("–".into(), |p| format!("{p:.2}"))]);
        }
        row.extend(ac.iter().map(|(_, mean, sd)| format!("{mean:.3} ± {sd:.3}")));
        table.rows.push(row);
        for ((_, series), score) in charts.iter_mut().zip([nmi, ac]) {
            let label = format!("{} ({:.2})", method.name(), area(&score));
            series.push(Series::with_deviations(label, score));
        }
    }
    let how = format!(
        "AUC: the area under the curve from k = 20 to 70, as the paper has it; divided by 50 it is the mean score. Deep models \
         have a first layer of {} components, the paper's 625 where there are samples enough. The settings are those of the \
         first k. Printed areas are of curves on {}.",
        first_layer(s),
        printed.on,
    );
    s.markdown(&table, &curves.methods[0], &[&how])?;
    for (name, series) in charts {
        let (x, y) = (Axis::new("Components k"), Axis::new(format!("{name} (in brackets: area under the curve)")));
        let chart = Chart::lines(s.title(), x, y, series).sized(640, 440);
        s.chart(&format!("-{}", name.to_lowercase()), &chart)?;
    }
    Ok(())
}

/// The area under a curve by the trapezoidal rule.
fn area(points: &[(f64, f64, f64)]) -> f64 {
    points.windows(2).map(|p| 0.5 * (p[1].0 - p[0].0) * (p[0].1 + p[1].1)).sum()
}

/// Errors by the number of components: TR Table 1.
pub(super) fn errors(s: &mut Session<'_>) -> Result<()> {
    let all = TABLE1_COMPONENTS;
    let shown: Vec<usize> = if s.options.quick { vec![0, 2, 4] } else { (0..all.len()).collect() };
    let ks = shown.iter().map(|i| all[*i]).collect();
    let igo: &[bool] = if s.samples.set.image_shape.is_some() { &[false, true] } else { &[false] };
    let curves = Curves::made(s, ks, igo)?;
    curves.csv(s)?;
    let mut table = Table::new(&["method"]);
    table.columns.extend(curves.ks.iter().map(|k| format!("k = {k}")));
    table.columns.extend(curves.ks.iter().map(|k| format!("printed, on MultiPIE, k = {k}")));
    table.columns.extend(["÷ Semi-NMF", "printed ÷ Semi-NMF, on MultiPIE"].map(String::from));
    let methods = &curves.methods[0];
    let errors: Vec<Vec<f64>> = (0..methods.len())
        .map(|i| curves.of(i).map(|(_, o)| Statistic::of(o.iter().map(|o| o.relative_error)).mean).collect())
        .collect();
    let printed = |of: &Method| {
        let row = TABLE1.iter().find(|(title, variant, _)| (*title, *variant) == (&of.title, &of.variant));
        row.map(|(.., values)| shown.iter().map(|i| values[*i]).collect::<Vec<f64>>())
    };
    // The mean over k of an error by that of Semi-NMF, of the same features.
    let mean_ratio = |a: &[f64], b: &[f64]| Statistic::of(a.iter().zip(b).map(|(a, b)| a / b)).mean;
    let mut series = Vec::new();
    for (method, of) in methods.iter().zip(&errors) {
        let mut row = vec![method.name()];
        row.extend(of.iter().map(|e| format!("{:.2} %", 100.0 * e)));
        let semi = methods.iter().position(|m| (m.title.as_str(), &m.variant) == ("Semi-NMF", &method.variant));
        let (by, values) = (semi.map(|i| mean_ratio(of, &errors[i])), printed(method));
        row.extend((0..shown.len()).map(|i| values.as_ref().map_or("–".into(), |v| v[i].to_string())));
        let by_printed = semi.and_then(|i| Some(mean_ratio(&values?, &printed(&methods[i])?)));
        row.extend([by, by_printed].map(|r| r.map_or("–".into(), |r| format!("{r:.3}"))));
        table.rows.push(row);
        let points = curves.ks.iter().zip(of).map(|(k, e)| (*k as f64, 100.0 * e));
        series.push(Series::new(method.name(), points));
    }
    let how = "Error: ‖X − X̂‖/‖X‖ of the samples, all of which were trained on. The paper's are mean errors in a unit that it does \
               not say, so only the quotients by the error of Semi-NMF (means over k) can be compared. The paper's claim: two \
               layers are within a few per cent of one; Multi-layer NMF and GNMF are above.";
    s.markdown(&table, methods, &[how])?;
    let (x, y) = (Axis::new("Components k"), Axis::new("Error, % of ‖X‖"));
    s.chart("", &Chart::lines(s.title(), x, y, series).sized(640, 440))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_area_is_that_of_the_paper() {
        // A constant score of .5 from 20 to 70.
        assert_eq!(super::area(&[(20.0, 0.5, 0.0), (30.0, 0.5, 0.1), (70.0, 0.5, 0.0)]), 25.0);
        assert_eq!(super::area(&[(0.0, 0.0, 0.0), (1.0, 1.0, 0.0), (3.0, 1.0, 0.0)]), 2.5);
    }
}
