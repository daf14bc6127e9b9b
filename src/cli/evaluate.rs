//! `deepnmf evaluate`: how well clusters of the coefficients agree with labels.

use std::path::{Path, PathBuf};

use deepnmf::data::{ImageSet, Samples};
use deepnmf::evaluate::{self, KMeans, METRICS, Scaling, Scores, Statistic};
use deepnmf::model::{Activate, Factors, ModelSpec};
use deepnmf::ranks::Ranks;
use deepnmf::store::Model;
use deepnmf::train::{self, Projection};
use deepnmf::{Engine, Error};
use ndarray::{Array2, Axis};
use serde_json::{Value, json};

use super::Result;
use super::args::{DataArgs, DeviceArg, named};
use super::fit::by_model;
use super::labels::{self, Attribute};
use super::output::{Output, name_of, percent, printable};
use super::ranks::{self, agreed, is_of};
use super::samples::{StreamArg, coefficients, size, source};
use super::transform::{RidgeArg, load};

/// Score a model: cluster the coefficients of samples by k-means and compare the clusters with labels.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  deepnmf fit PIE_pose27.mat --layers 600,160 --train-per-class 36
  deepnmf evaluate model.safetensors PIE_pose27.mat --test-only
  deepnmf evaluate model.safetensors faces/ --labels labels.csv --label person --label pose --layer all

Scores, all from the table of classes against clusters: NMI, normalised mutual information; NP, naive precision, the \
share of a class that is in one cluster; ER, error rate, which grows with the number of samples; AC, accuracy under the \
best assignment of clusters to classes; purity, the share of a cluster that is of one class.")]
pub(crate) struct Args {
    /// A model file that `deepnmf fit` wrote
    model: PathBuf,
    /// The samples the model was trained on, or others; with `fit --train-per-class`, all those that were split
    data: PathBuf,
    /// The labels: a CSV or TSV file with a header line and a line for every sample, an array (.npy, IDX), or one label a line [default:
    /// those in DATA, else those that the model was fitted with]. The column that holds the names of the samples says which one a line
    /// is about; without one the lines are in the order of the samples
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// The column of that file with the labels, without --labels of labels.csv in the folder DATA or of the table DATA; may be given
    /// more than once [default: the first of texts in which values are repeated, else of numbers]
    #[arg(long, value_name = "COLUMN")]
    label: Vec<String>,
    #[arg(long, help = by_model("What is clustered: scaled-unit (components by what they stand for in a sample, samples to norm \
                                 1), unit or raw", |m| name_of(&m.features)),
          value_parser = named::<Scaling>(["scaled-unit", "unit", "raw"]))]
    features: Option<Scaling>,
    #[command(flatten)]
    ridge: RidgeArg,
    /// The layer whose coefficients are clustered, from 1, or all [default: the last]
    #[arg(long, value_name = "L|all")]
    layer: Option<String>,
    /// Clusters [default: as many as there are classes]
    #[arg(long, value_name = "K")]
    clusters: Option<usize>,
    /// Runs of k-means; scores are their mean ± standard deviation
    #[arg(long, value_name = "N", default_value_t = 10)]
    kmeans_seeds: usize,
    /// The seed of the first run; the other runs have the next ones
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// Only samples that the model was not trained on
    #[arg(long)]
    test_only: bool,
    #[command(flatten)]
    device: DeviceArg,
    #[command(flatten)]
    reading: DataArgs,
    #[command(flatten)]
    stream: StreamArg,
}

/// Samples that are scored together: training samples, test samples or all.
struct Part {
    name: &'static str,
    /// Their rows in the data.
    rows: Vec<usize>,
    /// Whether the H of the model is that of these samples.
    stored: bool,
}

pub(crate) fn run(args: Args, ranks: Option<Ranks>, out: &Output) -> Result {
    let path = ranks::data(args.data, ranks)?;
    let labels_file = labels::file_for(args.labels, !args.label.is_empty(), &path)?;
    let model = ranks::model(&args.model, ranks, true)?;
    let layers = layers(args.layer.as_deref(), model.factors.depth())?;
    if args.kmeans_seeds == 0 {
        return Err(Error::Config("--kmeans-seeds: expected at least 1, found 0".into()).into());
    }
    let scaling = match args.features {
        Some(scaling) => scaling,
        None => ModelSpec::by_name(&model.metadata.model)?.features,
    };
    let projections = model.metadata.projections(args.ridge.ridge)?;
    let mut engine = agreed(ranks, args.device.open(out))?;
    if let Some(ranks) = ranks {
        ranks.same("settings", json!({ "layers": layers, "--test-only": args.test_only }))?;
    }

    let k = model.factors.h.ncols();
    // The samples of a part, and coefficients, features and clusters, are copies.
    let held = |n: usize, m: usize| size(n, m).saturating_mul(2).saturating_add(size(n, 4 * k));
    let from = (&model, &*args.model);
    let (mut set, _) = load(&path, (args.reading, args.stream), (&held, ranks), from, out)?;
    let given = match labels_file {
        None => labels::of_set(&set).map(|own| vec![own]),
        Some(file) => Some(labels::chosen(&file, &args.label, &set, out)?),
    };
    let of_model = labels::of_model(&model).filter(|_| given.is_none() && model.metadata.split.is_none());
    if given.is_none() && of_model.is_none() {
        return Err(labels::missing_beside(&model, &path).into());
    }
    set.apply(&model.metadata.preprocess)?;
    let mut parts = parts(&model, &set, (&path, ranks))?;
    let its_own = parts.iter().all(|part| part.stored);
    let of_model = of_model.filter(|_| its_own).map(|of_model| vec![of_model]);
    let attributes = given.or(of_model).ok_or_else(|| labels::missing_beside(&model, &path))?;
    if args.test_only {
        parts.retain(|part| !part.stored);
        if parts.is_empty() {
            let message = "--test-only: expected samples that the model was not trained on, found only its own";
            return Err(Error::format(&path, message).into());
        }
    }

    let how = KMeans { runs: args.kmeans_seeds, seed: args.seed, ..KMeans::new(0) };
    let mut rows = Vec::new();
    for part in &parts {
        for &layer in &layers {
            let of_part = (part, &set, ranks);
            let (h, error_of_part) = coefficients_of(&mut engine, &model, layer, of_part, &projections, out)?;
            // Of several processes the first one has all coefficients, and clusters them.
            if ranks.is_some_and(|ranks| !ranks.is_first()) {
                continue;
            }
            for attribute in &attributes {
                let label = attribute.name.as_str();
                // Samples without a label are not clustered: they may be of other classes.
                let places: Vec<usize> =
                    (0..part.rows.len()).filter(|&i| attribute.of[part.rows[i]].is_some()).collect();
                let of: Vec<usize> = part.rows.iter().filter_map(|&row| attribute.of[row]).collect();
                let unlabelled = part.rows.len() - of.len();
                let h = h.select(Axis(0), &places);
                let features = evaluate::features(h.view(), &model.factors, layer, scaling)?;
                let error = match unlabelled {
                    0 => error_of_part,
                    _ => {
                        let rows: Vec<usize> = places.iter().map(|&i| part.rows[i]).collect();
                        let (mut x, _) = source(set.select(&rows).x)?;
                        train::relative_error(x.as_mut(), &up_to(&model.factors, layer), h.view())?
                    }
                };
                let classes = evaluate::count_classes(&of);
                if classes < 2 {
                    let message = format!(
                        "{}: expected samples of at least 2 classes, found {classes} among the {} {} samples",
                        label,
                        of.len(),
                        part.name
                    );
                    return Err(Error::Data(message).into());
                }
                if classes == of.len() {
                    out.warn(&format!(
                        "{label}: every one of {classes} {} samples is a class of its own, so that these scores mean nothing; \
                         --label takes another column",
                        part.name
                    ));
                }
                let clusters = args.clusters.unwrap_or(classes);
                out.note(&format!(
                    "{} samples, layer {layer}: {} runs of k-means for {clusters} clusters",
                    part.name, how.runs
                ));
                let runs = engine.kmeans(features.view(), &KMeans { clusters, ..how })?;
                let scores = evaluate::score(&runs, &of)?;
                let (part, samples) = (part.name, of.len());
                rows.push(Row { part, samples, unlabelled, layer, label, classes, clusters, scores, error });
            }
        }
    }
    if out.is_json() {
        let f = &model.factors;
        return out.json(&json!({
            "model": model.metadata.model,
            "layers": model.metadata.layers,
            "data": path.display().to_string(),
            "device": engine.device_name(),
            "ranks": ranks.map(|ranks| json!({ "size": ranks.size() })),
            "features": scaling,
            "ridge": projections[0].ridge,
            "labels": attributes.iter().map(Attribute::json).collect::<Vec<_>>(),
            "kmeans": { "runs": how.runs, "seed": how.seed },
            "results": rows.iter().map(Row::json).collect::<Vec<_>>(),
            "sparsity": {
                "w": f.w.iter().map(sparsity).collect::<Vec<_>>(),
                "h": sparsity(&f.h),
            },
        }));
    }
    out.summary("data", &format!("{}: {} samples", path.display(), set.n_samples()))?;
    for attribute in &attributes {
        out.summary("labels", &attribute.text())?;
    }
    out.summary("device", &engine.device_name())?;
    if let Some(ranks) = ranks {
        out.summary("ranks", &ranks.size().to_string())?;
    }
    let (runs, features, ridge) = (how.runs, name_of(&scaling), projections[0].ridge);
    if ridge > 0.0 {
        out.summary(
            "ridge",
            &format!("{ridge} tr(G)/k on the coefficients of new samples (--ridge 0: exact least squares)"),
        )?;
    }
    out.summary("clusters", &format!("k-means on {features} features, mean ± standard deviation of {runs} runs"))?;
    table(&rows, out)
}

/// The layers to score, from 1.
fn layers(text: Option<&str>, depth: usize) -> Result<Vec<usize>> {
    match text {
        None => Ok(vec![depth]),
        Some("all") => Ok((1..=depth).collect()),
        Some(text) => match text.parse() {
            Ok(layer) if (1..=depth).contains(&layer) => Ok(vec![layer]),
            _ => Err(Error::Config(format!("--layer: expected 1 to {depth} or all, found {text}")).into()),
        },
    }
}

/// Training and test samples if the model has a split; else all samples, which are those of the model by [`Model::is_of`] or
/// others.
fn parts(model: &Model, set: &ImageSet<Samples>, (path, ranks): (&Path, Option<Ranks>)) -> Result<Vec<Part>> {
    let n = set.n_samples();
    let Some(split) = &model.metadata.split else {
        let rows: Vec<usize> = (0..n).collect();
        let stored = is_of(model, &set.x, ranks)?;
        return Ok(vec![Part { name: if stored { "training" } else { "new" }, rows, stored }]);
    };
    let Some((train, test)) = split.parts(n) else {
        let message = format!(
            "expected the samples that the model was split from ({} for training, {} for testing), found {n}",
            split.train, split.test
        );
        return Err(Error::format(path, message).into());
    };
    if !is_of(model, &set.select(&train).x, ranks)? {
        let message = "expected the samples that the model was split from, found others: its training samples are not at \
                       their places";
        return Err(Error::format(path, message).into());
    }
    let mut parts = vec![Part { name: "training", rows: train, stored: true }];
    if !test.is_empty() {
        parts.push(Part { name: "test", rows: test, stored: false });
    }
    Ok(parts)
}

/// The coefficients of the samples of a part in a layer, and their relative error.
fn coefficients_of(
    engine: &mut Engine,
    model: &Model,
    layer: usize,
    (part, set, ranks): (&Part, &ImageSet<Samples>, Option<Ranks>),
    how: &[Projection],
    out: &Output,
) -> Result<(Array2<f32>, f64)> {
    let f = &model.factors;
    if part.stored && layer == f.depth() {
        return Ok((f.h.clone(), model.metadata.relative_error));
    }
    coefficients(engine, (set.select(&part.rows).x, ranks), (f, layer), how, out)
}

/// The first layers of a model, without coefficients. Only coefficients of the last layer may have passed through g.
fn up_to(f: &Factors<f32>, layer: usize) -> Factors<f32> {
    let activate = if layer == f.depth() { f.activate } else { Activate::Hidden };
    let (w, h) = (f.w[..layer].to_vec(), Array2::zeros((0, 0)));
    Factors { w, h, hidden: Vec::new(), activation: f.activation, activate }
}

/// The scores of a part by a layer and a label.
struct Row<'a> {
    part: &'static str,
    samples: usize,
    /// The number of samples of the part without a label.
    unlabelled: usize,
    layer: usize,
    label: &'a str,
    classes: usize,
    clusters: usize,
    scores: Vec<Scores>,
    error: f64,
}

impl Row<'_> {
    fn statistics(&self) -> impl Iterator<Item = (&'static str, Statistic)> {
        METRICS.iter().map(|(name, of)| (*name, Statistic::of(self.scores.iter().map(of))))
    }

    fn json(&self) -> Value {
        let mut value = json!({
            "samples": self.part,
            "n_samples": self.samples,
            "unlabelled": self.unlabelled,
            "layer": self.layer,
            "label": self.label,
            "classes": self.classes,
            "clusters": self.clusters,
            "relative_error": self.error,
        });
        for (name, statistic) in self.statistics() {
            value[name.to_lowercase()] = json!(statistic);
        }
        value
    }
}

fn table(rows: &[Row<'_>], out: &Output) -> Result {
    let part = |row: &Row<'_>| format!("{} ({})", row.part, row.samples);
    let label = |row: &Row<'_>| format!("{} ({})", printable(row.label), row.classes);
    let width = |of: &dyn Fn(&Row<'_>) -> String, title: &str| {
        rows.iter().map(|row| of(row).chars().count()).max().unwrap_or(0).max(title.len())
    };
    let (parts, labels) = (width(&part, "samples"), width(&label, "label"));
    let titles: String = METRICS.iter().map(|(name, _)| format!(" {name:>13}")).collect();
    out.line(&format!("{:<parts$} layer {:<labels$}{titles}    error", "samples", "label"))?;
    for row in rows {
        let scores: String = row.statistics().map(|(_, s)| format!(" {:>6.3} ± {:<4.3}", s.mean, s.sd)).collect();
        let (part, label, error) = (part(row), label(row), percent(row.error));
        out.line(&format!("{part:<parts$} {:>5} {label:<labels$}{scores} {error:>8}", row.layer))?;
    }
    Ok(())
}

/// Zeros and Hoyer's sparseness of a factor.
fn sparsity(a: &Array2<f32>) -> Value {
    json!({ "zeros": evaluate::zeros(a), "hoyer": evaluate::hoyer_columns(a) })
}
