//! Tables and box plots of scores: methods, layers, penalty constants.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::method::Method;
use super::printed::{Printed, table3};
use super::session::{Options, Scheme, Session};
use super::trial::Outcome;
use super::write::Table;
use crate::Result;
use crate::evaluate::{METRICS, Scores, Statistic, count_classes};
use crate::report::charts::{Axis, Chart, Group, Series};
use crate::train::Init;

/// The models of GZ.
pub(super) const SPARSE: &[&str] = &["sdnmf-l", "sdnmf-rl2", "sdnmf-r", "sdnmf-rl1", "dnmf"];
/// A method as it is.
pub(super) const LINEAR: Variant = |method| method;

/// Makes a method another one.
pub(super) type Variant = fn(Method) -> Method;

/// Methods that are compared by their scores.
pub(super) struct Comparison {
    pub(super) methods: &'static [Methods],
    /// Training samples of every class; the others are scored. None: all samples are fitted, and scored.
    pub(super) train: Option<usize>,
    /// The scores that there are box plots of.
    pub(super) charts: &'static [&'static str],
    /// Whether the table says how sparse the factors are; all methods have as many layers then.
    pub(super) sparsity: bool,
    pub(super) notes: &'static [&'static str],
}

/// Every model with all layers and variants.
pub(super) struct Methods {
    pub(super) models: &'static [&'static str],
    pub(super) layers: Layers,
    pub(super) variants: &'static [Variant],
}

/// The layers of methods.
pub(super) enum Layers {
    Are(&'static [&'static [usize]]),
    /// So many, the last as given. The others are drawn anew for every fit.
    Drawn(&'static [usize], usize),
}

/// The mean of the sizes that are drawn, before they are sorted.
const MEAN_DRAWN: f64 = 300.0;

/// A row of the table, and a box.
struct Row {
    name: String,
    /// One for every fit.
    methods: Vec<Method>,
    /// The number of its model, for the colour.
    model: usize,
}

impl Comparison {
    fn rows(&self, s: &Session<'_>) -> Result<Vec<Row>> {
        let mut rows: Vec<Row> = Vec::new();
        let mut models = Vec::new();
        for Methods { models: names, layers, variants } in self.methods {
            for name in *names {
                if !models.contains(name) {
                    models.push(*name);
                }
                for sizes in layers.choices(s.options) {
                    for variant in *variants {
                        let method = |fit| Ok(variant(Method::new(name, sizes(s, fit))?).seeded(fit as u64));
                        let methods =
                            (0..s.options.fits).map(|fit| self.begun(method(fit)?, s)).collect::<Result<_>>()?;
                        rows.push(Row { name: String::new(), methods, model: models.len() - 1 });
                    }
                }
            }
        }
        let layers = |row: &Row| match self.methods[0].layers {
            Layers::Drawn(..) => format!("{} layers", row.methods[0].config.layers.len()),
            Layers::Are(_) => row.methods[0].layers(" → "),
        };
        // One-layer models have fewer layers than the others by their nature.
        let deep: Vec<String> = rows.iter().filter(|row| row.methods[0].config.layers.len() > 1).map(layers).collect();
        let varied = deep.iter().any(|of| *of != deep[0]);
        let nonlinear: Vec<String> = rows
            .iter()
            .filter(|row| row.methods[0].config.activation.is_some())
            .map(|row| row.methods[0].title.clone())
            .collect();
        for row in &mut rows {
            let method = &row.methods[0];
            row.name = method.name();
            if method.is_linear() && nonlinear.contains(&method.title) {
                row.name += ", linear";
            }
            if varied {
                row.name += &format!(", {}", layers(row));
            }
        }
        Ok(rows)
    }

    /// The method with a start that can make its layer 1 of the training samples.
    fn begun(&self, mut method: Method, s: &Session<'_>) -> Result<Method> {
        let n = match self.train {
            None => s.samples.set.n_samples(),
            Some(each) => each * count_classes(s.classes()?),
        };
        // NNDSVD has singular vectors, then samples.
        if method.config.layers[0] > n + n.min(s.samples.set.n_features()) && method.config.init == Init::Nndsvd {
            method.config.init = Init::Random;
        }
        Ok(method)
    }
}

/// Makes the layers for a fit.
type Sizes<'a> = Box<dyn Fn(&Session<'_>, usize) -> Vec<usize> + 'a>;

impl Layers {
    /// All choices; in a quick run the first, the middle, and the last one.
    fn choices(&self, options: Options) -> Vec<Sizes<'_>> {
        let all: Vec<Sizes<'_>> = match self {
            Self::Are(all) => all.iter().map(|sizes| Box::new(move |_: &Session<'_>, _| sizes.to_vec()) as _).collect(),
            Self::Drawn(depths, last) => {
                let draw =
                    |depth: usize| move |s: &Session<'_>, fit| drawn(depth, *last, s.samples.set.n_features(), fit);
                depths.iter().map(|depth| Box::new(draw(*depth)) as _).collect()
            }
        };
        let n = all.len();
        let shown = |i: usize| !options.quick || n <= 3 || [0, n / 2, n - 1].contains(&i);
        all.into_iter().enumerate().filter(|(i, _)| shown(*i)).map(|(_, sizes)| sizes).collect()
    }
}

/// Hidden sizes from an exponential distribution, the largest first, and the last layer.
fn drawn(depth: usize, last: usize, features: usize, fit: usize) -> Vec<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64((fit * 16 + depth) as u64);
    let mut uniform = || (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
    let hidden = (1..depth).map(|_| (last as f64 - MEAN_DRAWN * (1.0 - uniform()).ln()) as usize);
    let mut sizes: Vec<usize> = hidden.map(|size| size.clamp(last, features.max(last))).collect();
    sizes.sort_by(|a, b| b.cmp(a));
    sizes.push(last);
    sizes
}

/// Runs all methods on all splits: a CSV with every score of every run of k-means, a table of means, box plots.
pub(super) fn compare(s: &mut Session<'_>, comparison: &Comparison) -> Result<()> {
    outcomes(s, comparison).map(drop)
}

fn outcomes(s: &mut Session<'_>, comparison: &Comparison) -> Result<Vec<Vec<Outcome>>> {
    if let Some(per_class) = comparison.train {
        s.splits_into(per_class)?;
    }
    s.classes()?;
    let rows = comparison.rows(s)?;
    let splits = if comparison.train.is_some() { s.options.splits } else { 1 };
    s.plan(rows.iter().flat_map(|row| &row.methods), splits)?;
    // The methods are in the inner loop, so that those that share a fit follow each other.
    let runs: Vec<(usize, usize)> =
        (0..splits).flat_map(|split| (0..s.options.fits).map(move |fit| (split, fit))).collect();
    let mut outcomes: Vec<Vec<Outcome>> = rows.iter().map(|_| Vec::new()).collect();
    for &(split, fit) in &runs {
        let scheme = comparison.train.map_or(Scheme::All, |per_class| Scheme::Split { per_class, seed: split as u64 });
        for (row, outcomes) in rows.iter().zip(&mut outcomes) {
            outcomes.push(s.trial(&row.methods[fit], scheme)?);
        }
    }

    let mut lines = Vec::new();
    for (row, outcomes) in rows.iter().zip(&outcomes) {
        for ((split, fit), outcome) in runs.iter().zip(outcomes) {
            let method = &row.methods[*fit];
            for (run, scores) in outcome.scores.iter().enumerate() {
                let mut line = vec![method.title.clone(), method.variant.clone(), method.layers("-")];
                line.extend([*split, *fit, run].map(|i| i.to_string()));
                line.extend(METRICS.iter().map(|(_, of)| of(scores).to_string()));
                line.extend([outcome.relative_error, outcome.scored_error, outcome.seconds].map(|v| v.to_string()));
                if comparison.sparsity {
                    line.extend(outcome.hoyer.iter().map(|hoyer| hoyer.map_or(String::new(), |v| v.to_string())));
                }
                lines.push(line);
            }
        }
    }
    let mut header = vec![
        "method",
        "variant",
        "layers",
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
    let factors = if comparison.sparsity { sparse_factors(&outcomes) } else { Vec::new() };
    let columns: Vec<String> =
        factors.iter().map(|of| format!("hoyer_{}", of.replace('_', "").to_lowercase())).collect();
    header.extend(columns.iter().map(String::as_str));
    s.csv(&header, &lines)?;
    let in_print: Vec<Option<Printed>> = rows.iter().map(|row| table3(&row.methods[0], comparison.train)).collect();
    let is_printed = in_print.iter().any(Option::is_some);
    let printed = if s.is_of_print()? { in_print } else { vec![None; rows.len()] };
    let how = match comparison.train {
        Some(n) => format!(
            "{n} samples of every class are trained on, the others are clustered, in as many clusters as there are \
             classes. Error: ‖X − X̂‖/‖X‖ of those. NMI, NP, AC: higher is better; ER: lower."
        ),
        None => "Clusters: as many as there are classes. Error: ‖X − X̂‖/‖X‖. NMI, NP, AC: higher is better; ER: lower."
            .into(),
    };
    let mut notes = vec![how.as_str()];
    let beside = beside_print(&rows, &outcomes, &printed);
    match printed.iter().any(Option::is_some) {
        true => notes.push("Printed: GZ Table III, means over seven splits of PIE, pose 27."),
        false if is_printed => {
            notes.push("GZ Table III prints values of PIE, pose 27: they are not beside those of other samples.")
        }
        false if s.experiment.name.starts_with("gz-") => notes.push("GZ prints no numbers of this figure."),
        false => {}
    }
    notes.extend(beside.as_deref());
    notes.extend(comparison.notes);
    let methods = rows.iter().map(|row| &row.methods[0]);
    s.markdown(&table(&rows, &outcomes, &printed, &factors), methods, &notes)?;
    for name in comparison.charts {
        let groups = rows.iter().zip(&outcomes).zip(&printed).map(|((row, outcomes), printed)| Group {
            label: row.name.clone(),
            values: values(outcomes, name).collect(),
            reference: printed.map(|p| p.of(name)),
            colour: row.model,
        });
        let better = if *name == "ER" { "lower is better" } else { "higher is better" };
        let axis = Axis::new(format!("{name} ({better})"));
        let chart = Chart::boxes(s.title_of(name), axis, groups.collect(), "Printed, on PIE").sized(560, 0);
        let chart = chart.noted(format!("{BOXES} Values: {}.", s.repeats().unwrap_or_default()));
        s.chart(&format!("-{}", name.to_lowercase()), &chart)?;
    }
    Ok(outcomes)
}

/// What the marks of a box plot are.
const BOXES: &str = "Box: the middle half of the values, with their median; whiskers: values up to 1.5 times its length away; circles: values \
                     beyond.";

/// W_1, W_2 … and H of outcomes.
fn sparse_factors(outcomes: &[Vec<Outcome>]) -> Vec<String> {
    let of = outcomes.first().and_then(|outcomes| outcomes.first()).map_or(0, |outcome| outcome.hoyer.len());
    (1..of).map(|l| format!("W_{l}")).chain((of > 0).then(|| format!("H_{}", of - 1))).collect()
}

/// Where the NMI is below the printed one, and where another method is best.
fn beside_print(rows: &[Row], outcomes: &[Vec<Outcome>], printed: &[Option<Printed>]) -> Option<String> {
    let all = rows.iter().zip(outcomes).zip(printed);
    let both: Vec<(&str, f64, f64)> = all
        .filter_map(|((row, outcomes), printed)| {
            Some((&*row.name, Statistic::of(values(outcomes, "NMI")).mean, printed.as_ref()?.nmi))
        })
        .collect();
    let below: Vec<_> = both
        .iter()
        .filter(|(_, ours, printed)| ours < printed)
        .map(|(name, ours, printed)| format!("{name} ({ours:.3}, printed {printed})"))
        .collect();
    let best =
        |of: fn(&(&str, f64, f64)) -> f64| both.iter().max_by(|a, b| of(a).total_cmp(&of(b))).map(|(name, ..)| *name);
    let (ours, theirs) = (best(|b| b.1)?, best(|b| b.2)?);
    let mut text = match &*below {
        [] => "No NMI is below the printed one.".to_string(),
        below => format!("The NMI is below the printed one for {}.", below.join(", ")),
    };
    if ours != theirs {
        text += &format!(" The best by NMI is {ours} here and {theirs} in print.");
    }
    Some(text)
}

fn table(rows: &[Row], outcomes: &[Vec<Outcome>], printed: &[Option<Printed>], factors: &[String]) -> Table {
    let any = printed.iter().any(Option::is_some);
    let mut table = Table::new(&["method"]);
    for (name, of_gz) in [("NMI", true), ("NP", true), ("ER", true), ("AC", false)] {
        table.columns.push(name.into());
        table.columns.extend((any && of_gz).then(|| "printed, PIE".to_string()));
    }
    table.columns.extend(["error", "seconds"].map(String::from));
    table.columns.extend(factors.iter().map(|factor| format!("sparseness of {factor}")));
    for ((row, outcomes), printed) in rows.iter().zip(outcomes).zip(printed) {
        let mut cells = vec![row.name.clone()];
        for name in ["NMI", "NP", "ER", "AC"] {
            let digits = if name == "ER" { 2 } else { 3 };
            let Statistic { mean, sd } = Statistic::of(values(outcomes, name));
            cells.push(format!("{mean:.digits$} ± {sd:.digits$}"));
            if any && name != "AC" {
                cells.push(printed.map_or("–".into(), |p| p.of(name).to_string()));
            }
        }
        let mean = |of: fn(&Outcome) -> f64| Statistic::of(outcomes.iter().map(of)).mean;
        cells.push(format!("{:.2} %", 100.0 * mean(|o| o.scored_error)));
        cells.push(format!("{:.1}", mean(|o| o.seconds)));
        let hoyer = |at: usize| Statistic::of(outcomes.iter().map(|o| o.hoyer[at].unwrap_or(f64::NAN))).mean;
        cells.extend((0..factors.len()).map(|at| format!("{:.3}", hoyer(at))));
        table.rows.push(cells);
    }
    table
}

/// A score over all splits and runs.
fn values(outcomes: &[Outcome], name: &str) -> impl Iterator<Item = f64> {
    let of: fn(&Scores) -> f64 = METRICS.iter().find(|(n, _)| *n == name).map_or(|_| f64::NAN, |(_, of)| *of);
    outcomes.iter().flat_map(|o| &o.scores).map(of)
}

/// Scores and sparsity of one model over its penalty constant, which is that of the first of `methods`.
pub(super) fn penalties(s: &mut Session<'_>, comparison: &Comparison) -> Result<()> {
    let outcomes = outcomes(s, comparison)?;
    let constants: Vec<f64> = comparison.rows(s)?.iter().map(|row| row.methods[0].config.mu[0]).collect();
    // A logarithmic axis cannot show 0.
    let over = |label: &str, of: &dyn Fn(&Outcome) -> f64| {
        let points = constants.iter().zip(&outcomes).filter(|(c, _)| **c > 0.0);
        let points = points.map(|(c, outcomes)| {
            let Statistic { mean, sd } = Statistic::of(outcomes.iter().map(of));
            (*c, mean, sd)
        });
        Series::with_deviations(label, points)
    };
    let series = vec![
        over("NMI", &|o| Statistic::of(o.scores.iter().map(|s| s.nmi)).mean),
        over("Sparseness of W_1 (Hoyer)", &|o| o.hoyer[0].unwrap_or(f64::NAN)),
        over("Sparseness of W_2 (Hoyer)", &|o| o.hoyer[1].unwrap_or(f64::NAN)),
    ];
    let axis = Axis::new("Penalty constant c of W").log();
    let title = s.title_of("NMI and sparseness of SDNMF/L");
    let chart = Chart::lines(title, axis, Axis::new("NMI, and Hoyer's sparseness").limits(0.0, 1.0), series);
    s.chart("-constants", &chart.noted("c = 0 has no place on a logarithmic axis: its values are in the table."))
}

#[cfg(test)]
mod tests {
    use super::drawn;

    #[test]
    fn drawn_sizes_decrease_to_the_last_and_differ_between_fits() {
        let sizes: Vec<_> = (0..50).flat_map(|fit| [2, 3, 4].map(|depth| drawn(depth, 40, 1024, fit))).collect();
        for (i, sizes) in sizes.iter().enumerate() {
            assert_eq!((sizes.len(), sizes.last()), (2 + i % 3, Some(&40)));
            assert!(sizes.is_sorted_by(|a, b| a >= b) && sizes[0] <= 1024, "{sizes:?}");
        }
        let first: std::collections::BTreeSet<_> = sizes.iter().map(|s| s[0]).collect();
        assert!(first.len() > 100, "{first:?}");
        let mean = sizes.iter().step_by(3).map(|s| s[0] as f64 - 40.0).sum::<f64>() / 50.0;
        assert!((200.0..400.0).contains(&mean), "{mean}");
    }
}
