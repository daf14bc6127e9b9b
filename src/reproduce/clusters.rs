//! Tables and box plots of scores on samples that were not trained on.

use super::method::Method;
use super::printed::{Printed, table3 as printed_in};
use super::session::{Options, Scheme, Session};
use super::trial::Outcome;
use super::write::Table;
use crate::Result;
use crate::evaluate::{METRICS, Scores, Statistic};
use crate::model::{Activate, Activation};
use crate::report::charts::{Axis, Chart, Group, Series};

/// Training faces per person, of 42: as in GZ.
const PIE_TRAINING: usize = 36;
const PIE_LAYERS: [usize; 2] = [600, 160];
/// Training faces per person, of 10.
const ORL_TRAINING: usize = 8;
const ORL_LAYERS: [usize; 2] = [200, 80];
const SPARSE: [&str; 5] = ["sdnmf-l", "sdnmf-rl2", "sdnmf-r", "sdnmf-rl1", "dnmf"];

/// The scores that GZ prints.
const OF_GZ: [&str; 3] = ["NMI", "NP", "ER"];

/// GZ Table III.
pub(super) fn table3(s: &mut Session<'_>) -> Result<()> {
    let mut methods = Vec::new();
    for name in SPARSE.into_iter().chain(["multilayer-nmf"]) {
        let method = Method::new(name, PIE_LAYERS)?;
        methods.extend([method.clone(), method.clone().square1(), method.square2()]);
    }
    let last = [PIE_LAYERS[1]];
    methods.push(Method::new("deep-semi-nmf", PIE_LAYERS)?);
    methods.extend([Method::new("pgnmf", last)?, Method::new("nenmf", last)?]);
    let notes = [
        "Square1: the root stands between the layers. Square2: the coefficients that are clustered pass through it too. \
         Printed values are means of seven splits.",
    ];
    compare(s, &methods, PIE_TRAINING, printed, &notes).map(drop)
}

fn printed(method: &Method) -> Option<Printed> {
    printed_in(&method.title, &method.variant)
}

/// Box plots of the linear models on ORL.
pub(super) fn linear_orl(s: &mut Session<'_>) -> Result<()> {
    linear(s, ORL_LAYERS, ORL_TRAINING, |_| None)
}

/// Box plots of the linear models on PIE.
pub(super) fn linear_pie(s: &mut Session<'_>) -> Result<()> {
    linear(s, PIE_LAYERS, PIE_TRAINING, printed)
}

fn linear(
    s: &mut Session<'_>,
    layers: [usize; 2],
    training: usize,
    printed: fn(&Method) -> Option<Printed>,
) -> Result<()> {
    let deep = SPARSE.into_iter().chain(["multilayer-nmf", "deep-semi-nmf"]);
    let mut methods = deep.map(|name| Method::new(name, layers)).collect::<Result<Vec<_>>>()?;
    for name in ["pgnmf", "nenmf"] {
        methods.push(Method::new(name, [layers[1]])?);
    }
    compare(s, &methods, training, printed, &[]).map(drop)
}

/// Box plots of SDNMF/L with every activation.
pub(super) fn nonlinear(s: &mut Session<'_>) -> Result<()> {
    let method = Method::new("sdnmf-l", PIE_LAYERS)?;
    let with = |name, activation, activate| method.clone().nonlinear(name, activation, activate);
    let methods = [
        method.clone(),
        method.clone().square1(),
        method.clone().square2(),
        with("tanh", Activation::Tanh, Activate::Hidden),
        with("sigmoid", Activation::Sigmoid, Activate::Hidden),
        with("softplus", Activation::Softplus, Activate::Hidden),
    ];
    compare(s, &methods, PIE_TRAINING, printed, &[]).map(drop)
}

/// Scores and sparsity of SDNMF/L over its penalty constant.
pub(super) fn penalties(s: &mut Session<'_>) -> Result<()> {
    let constants: &[f64] = match s.options.quick {
        true => &[0.0, 0.01, 0.1],
        false => &[0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3],
    };
    let mut methods = Vec::new();
    for c in constants {
        let mut method = Method::new("sdnmf-l", PIE_LAYERS)?.variant(format!("c = {c}"));
        method.config.mu = vec![*c];
        methods.push(method);
    }
    let outcomes = compare(s, &methods, PIE_TRAINING, |_| None, &[])?;
    // A logarithmic axis cannot show 0.
    let over = |of: &dyn Fn(&Outcome) -> f64| -> Vec<(f64, f64)> {
        let mean = |outcomes: &Vec<Outcome>| outcomes.iter().map(of).sum::<f64>() / outcomes.len() as f64;
        constants.iter().zip(&outcomes).filter(|(c, _)| **c > 0.0).map(|(c, o)| (*c, mean(o))).collect()
    };
    let series = vec![
        Series { label: "NMI".into(), points: over(&|o| Statistic::of(o.scores.iter().map(|s| s.nmi)).mean) },
        Series { label: "sparseness of W_1 (Hoyer)".into(), points: over(&|o| o.hoyer[0].unwrap_or(f64::NAN)) },
        Series { label: "sparseness of W_2 (Hoyer)".into(), points: over(&|o| o.hoyer[1].unwrap_or(f64::NAN)) },
    ];
    let axis = Axis::new("penalty constant c of W").log();
    s.chart("-constants", &Chart::lines("SDNMF/L", axis, Axis::new("").limits(0.0, 1.0), series))
}

/// Runs all methods on all splits: a CSV with every score of every run of k-means, a table of means, box plots.
fn compare(
    s: &mut Session<'_>,
    methods: &[Method],
    per_class: usize,
    printed: impl Fn(&Method) -> Option<Printed>,
    notes: &[&str],
) -> Result<Vec<Vec<Outcome>>> {
    let Options { splits, fits, .. } = s.options;
    s.plan(methods, splits.saturating_mul(fits))?;
    // The methods are in the inner loop, so that those that share a fit follow each other.
    let runs: Vec<(usize, usize)> = (0..splits).flat_map(|split| (0..fits).map(move |fit| (split, fit))).collect();
    let mut outcomes: Vec<Vec<Outcome>> = methods.iter().map(|_| Vec::new()).collect();
    for &(split, fit) in &runs {
        for (method, outcomes) in methods.iter().zip(&mut outcomes) {
            let method = method.clone().seeded(fit as u64);
            outcomes.push(s.trial(&method, Scheme::Split { per_class, seed: split as u64 })?);
        }
    }

    let mut lines = Vec::new();
    let mut table =
        Table::new(&["method", "NMI", "printed", "NP", "printed", "ER", "printed", "AC", "error", "seconds"]);
    for (method, outcomes) in methods.iter().zip(&outcomes) {
        for ((split, fit), outcome) in runs.iter().zip(outcomes) {
            for (run, scores) in outcome.scores.iter().enumerate() {
                let mut line = vec![method.title.clone(), method.variant.clone()];
                line.extend([*split, *fit, run].map(|i| i.to_string()));
                line.extend(METRICS.iter().map(|(_, of)| of(scores).to_string()));
                line.extend([outcome.relative_error, outcome.scored_error, outcome.seconds].map(|v| v.to_string()));
                lines.push(line);
            }
        }
        let score = |name: &str| Statistic::of(values(outcomes, name));
        let shown = |name: &str, digits: usize| {
            let Statistic { mean, sd } = score(name);
            format!("{mean:.digits$} ± {sd:.digits$}")
        };
        let print = printed(method);
        let beside = |of: fn(Printed) -> f64| print.map_or("–".into(), |p| of(p).to_string());
        let mean = |of: fn(&Outcome) -> f64| Statistic::of(outcomes.iter().map(of)).mean;
        table.rows.push(vec![
            method.name(),
            shown("NMI", 3),
            beside(|p| p.nmi),
            shown("NP", 3),
            beside(|p| p.np),
            shown("ER", 2),
            beside(|p| p.er),
            shown("AC", 3),
            format!("{:.2} %", 100.0 * mean(|o| o.scored_error)),
            format!("{:.1}", mean(|o| o.seconds)),
        ]);
    }
    let header = [
        "method",
        "variant",
        "split",
        "fit",
        "run",
        "nmi",
        "np",
        "er",
        "ac",
        "purity",
        "error",
        "test_error",
        "seconds",
    ];
    s.csv(&header, &lines)?;
    let how = format!(
        "{per_class} samples of every class are trained on, the others are clustered, in as many clusters as there are classes. \
         Error: ‖X − X̂‖/‖X‖ of those. NMI, NP: higher is better; ER: lower."
    );
    let notes: Vec<&str> = std::iter::once(how.as_str()).chain(notes.iter().copied()).collect();
    s.markdown(&table, methods, &notes)?;
    for name in OF_GZ {
        let groups = methods.iter().zip(&outcomes).map(|(method, outcomes)| Group {
            label: method.name(),
            values: values(outcomes, name).collect(),
            reference: printed(method).map(|p| of_printed(p, name)),
        });
        let chart = Chart::boxes(s.experiment.title, Axis::new(name), groups.collect(), "printed");
        s.chart(&format!("-{}", name.to_lowercase()), &chart)?;
    }
    Ok(outcomes)
}

fn of_printed(p: Printed, name: &str) -> f64 {
    match name {
        "NMI" => p.nmi,
        "NP" => p.np,
        _ => p.er,
    }
}

/// A score over all splits and runs.
fn values(outcomes: &[Outcome], name: &str) -> impl Iterator<Item = f64> {
    let of: fn(&Scores) -> f64 = METRICS.iter().find(|(n, _)| *n == name).map_or(|_| f64::NAN, |(_, of)| *of);
    outcomes.iter().flat_map(|o| &o.scores).map(of)
}
