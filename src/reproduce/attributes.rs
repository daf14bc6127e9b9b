//! Scores of the coefficients of every layer by every attribute (column of labels).

use super::curves::first_layer;
use super::method::Method;
use super::printed::table2 as table2_printed;
use super::session::Session;
use super::write::Table;
use crate::Result;
use crate::evaluate::{self, KMeans, Scores, Statistic};
use crate::report::charts::{Axis, Bar, Chart};
use crate::train::Projection;

/// Two layers; the upper one has enough components for the many persons.
const LAYERS: [usize; 2] = [100, 40];

/// The scores of a layer by an attribute.
struct Row {
    method: String,
    layer: usize,
    attribute: String,
    classes: usize,
    scores: Vec<Scores>,
    /// The AC that TR prints.
    printed: Option<f64>,
}

impl Row {
    fn of(&self, score: fn(&Scores) -> f64) -> Statistic {
        Statistic::of(self.scores.iter().map(score))
    }
}

/// AC of every layer of Deep Semi-NMF by every attribute, as TR Table 2.
pub(super) fn table2(s: &mut Session<'_>) -> Result<()> {
    let first = first_layer(s);
    let methods = [60, 70].map(|k| Method::new("deep-semi-nmf", [first, k]));
    all(s, methods.into_iter().collect::<Result<_>>()?)
}

/// The same of more models.
pub(super) fn models(s: &mut Session<'_>) -> Result<()> {
    let deep = Method::new("deep-semi-nmf", LAYERS)?;
    all(s, vec![deep.clone(), deep.igo(), Method::new("sdnmf-l", LAYERS)?])
}

/// A table, and bars beside 1 ÷ classes, the AC of a guess.
fn all(s: &mut Session<'_>, methods: Vec<Method>) -> Result<()> {
    let rows = rows(s, &methods)?;
    files(s, &methods, &rows)?;
    let bars = rows.iter().map(|row| {
        let ac = row.of(|s| s.ac);
        let label = format!("{}, {} from H_{}", row.method, row.attribute, row.layer);
        Bar { label, value: ac.mean, deviation: Some(ac.sd), reference: Some(1.0 / row.classes as f64) }
    });
    let bars: Vec<_> = bars.collect();
    s.chart("", &Chart::bars(s.title(), Axis::new("AC").limits(0.0, 1.0), bars, "A guess: 1 ÷ classes").sized(720, 0))
}

fn rows(s: &mut Session<'_>, methods: &[Method]) -> Result<Vec<Row>> {
    s.classes()?;
    s.plan(methods, 1)?;
    let mut rows = Vec::new();
    for method in methods {
        let fitted = s.model(method)?;
        let mut x = s.samples.set.x.clone();
        fitted.metadata.preprocess.apply(&mut x)?;
        let x = x.into_shared();
        let model = &method.config.model;
        let ridge = method.config.projection_ridge();
        let how = Projection::of_layers(model.h_penalty, model.signed, ridge, &fitted.metadata.penalties.lambda);
        let factors = &fitted.factors;
        for layer in 1..=factors.depth() {
            let h = match layer == factors.depth() {
                true => factors.h.clone(),
                false => s.engine.transform(x.clone(), factors, layer, &how, &mut crate::train::silent)?.h,
            };
            let features = evaluate::features(h.view(), factors, layer, method.scaling)?;
            for (attribute, of) in &s.samples.labels {
                let classes = evaluate::count_classes(of);
                let kmeans = KMeans { runs: s.options.kmeans_seeds, ..KMeans::new(classes) };
                let scores = evaluate::score(&s.engine.kmeans(features.view(), &kmeans)?, of)?;
                let (printed, attribute) = (table2_printed(method, attribute, layer), attribute.clone());
                let method = format!("{}, {}", method.name(), method.layers(" → "));
                rows.push(Row { method, layer, attribute, classes, scores, printed });
            }
        }
    }
    Ok(rows)
}

fn shown(s: Statistic) -> String {
    format!("{:.3} ± {:.3}", s.mean, s.sd)
}

fn files(s: &mut Session<'_>, methods: &[Method], rows: &[Row]) -> Result<()> {
    let printed = rows.iter().any(|row| row.printed.is_some());
    let mut table = Table::new(&["method", "from"]);
    let mut lines = Vec::new();
    for row in rows {
        let (ac, nmi, from) = (row.of(|s| s.ac), row.of(|s| s.nmi), format!("H_{}", row.layer));
        let title = format!("{} (1/{})", row.attribute, row.classes);
        if !table.columns.contains(&title) {
            table.columns.push(title);
            table.columns.extend(printed.then(|| "printed, on MultiPIE".to_string()));
        }
        let mut cells = vec![shown(ac)];
        cells.extend(printed.then(|| row.printed.map_or("–".into(), |p| format!("{p:.3}"))));
        // In the order of layers, then of attributes.
        match table.rows.last_mut().filter(|last| last[..2] == [row.method.clone(), from.clone()]) {
            Some(last) => last.extend(cells),
            None => table.rows.push([vec![row.method.clone(), from.clone()], cells].concat()),
        }
        let mut line = vec![row.method.clone(), row.attribute.clone(), row.classes.to_string(), from];
        line.extend([ac.mean, ac.sd, nmi.mean, nmi.sd].map(|v| v.to_string()));
        lines.push(line);
    }
    s.csv(&["method", "attribute", "classes", "from", "ac", "ac_sd", "nmi", "nmi_sd"], &lines)?;
    let notes = [
        "AC by k-means on the features of all samples, with as many clusters as classes; in brackets the AC of a guess.",
        "The paper's claim: layer 1 tells poses apart better, layer 2 persons. Its data set, CMU Multi-PIE with 147 persons, is \
         not public; another with such labels stands in, so that printed values do not compare.",
    ];
    s.markdown(&table, methods, &notes)
}
