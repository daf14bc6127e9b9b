//! `deepnmf report`: a page about a model.

use std::path::{Path, PathBuf};

use deepnmf::data::{ImageSet, Samples};
use deepnmf::evaluate::{self, Contingency, KMeans, METRICS};
use deepnmf::model::ModelSpec;
use deepnmf::report::html::{self, Clusters, Page, Report};
use deepnmf::store::Model;
use deepnmf::{Engine, Error};
use ndarray::{Array2, Axis};
use serde_json::json;

use super::Result;
use super::args::{DataArgs, DeviceArg};
use super::files::{existing, output};
use super::labels::{self, Attribute, LabelsArg};
use super::output::{Output, written};
use super::progress::Reporter;
use super::samples::{StreamArg, coefficients, is_of, size};
use super::transform::load;

/// Write a page about a model: curves, components and their parts, reconstructions, clusters.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  deepnmf report faces.safetensors faces/ --out faces.html && open faces.html

The page is one file that opens offline. Without DATA it has no reconstructions, and its clusters are those of the model's \
own samples.")]
pub(crate) struct Args {
    /// A model file that `deepnmf fit` wrote
    model: PathBuf,
    /// Samples to show beside their reconstruction: those the model was trained on, or others
    data: Option<PathBuf>,
    /// The page to write; an existing file is replaced
    #[arg(long, value_name = "FILE", default_value = "report.html")]
    out: PathBuf,
    /// Clusters to show, by k-means on the coefficients; 0 for none [default: as many as there are classes]
    #[arg(long, value_name = "K")]
    clusters: Option<usize>,
    /// The seed of k-means [default: 0]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    #[command(flatten)]
    labels: LabelsArg,
    #[command(flatten)]
    device: DeviceArg,
    #[command(flatten)]
    reading: DataArgs,
    #[command(flatten)]
    stream: StreamArg,
}

pub(crate) fn run(args: Args, out: &Output) -> Result {
    if args.clusters == Some(0) && args.seed.is_some() {
        return Err(Error::Config("--seed means nothing for --clusters 0".into()).into());
    }
    let inputs = [Some(args.model.as_path()), args.data.as_deref(), args.labels.file()];
    let file = output(&args.out, &inputs.into_iter().flatten().collect::<Vec<_>>())?;
    let path = args.data.map(existing).transpose()?;
    let mut model = Model::load(&args.model)?;
    let mut engine = args.device.open(out)?;
    let mut taken = None;
    let shown = match &path {
        None => None,
        Some(path) => {
            let k = model.factors.h.ncols();
            let held = |n: usize, m: usize| size(n, m).saturating_mul(2).saturating_add(size(n, 4 * k));
            let (mut set, _) = load(path, (args.reading, args.stream), (&held, None), (&model, &*args.model), out)?;
            args.labels.of(path)?.take(&mut set, out)?;
            taken = labels::of_set(&set);
            // Of a matrix, a shape may be given now: --image-shape.
            model.metadata.image_shape = model.metadata.image_shape.or(set.image_shape);
            set.apply(&model.metadata.preprocess)?;
            Some(Shown::new(&mut engine, &model, set, path.display().to_string(), out)?)
        }
    };
    if model.metadata.image_shape.is_none() && model.metadata.feature_names.is_empty() {
        out.note("the features have no names, and no places in an image: fit --image-shape HxW, or report with DATA and the same, draws images");
    }
    let what = What { model: &model, name: args.model.display().to_string(), shown };
    let page = what.page(&mut engine, args.clusters, args.seed.unwrap_or(0), out)?;
    page.write_to(file)?;
    if out.is_json() {
        let missing: Vec<_> = page.missing.iter().map(|(part, why)| json!({ "part": part, "why": why })).collect();
        return out.json(&json!({
            "model": args.model.display().to_string(),
            "data": path.map(|p| p.display().to_string()),
            "coefficients": what.shown.as_ref().map(|s| if s.stored() { "stored" } else { "projected" }),
            "labels": taken.as_ref().map(Attribute::json),
            "shown": page.shown,
            "missing": missing,
            "bytes": page.html.len(),
            "out": args.out.display().to_string(),
        }));
    }
    if let Some(labels) = &taken {
        out.summary("labels", &labels.text())?;
    }
    out.summary("shown", &page.shown.join(", "))?;
    for (part, why) in &page.missing {
        out.summary("not shown", &format!("{part}: {why}"))?;
    }
    out.summary("written", &written(&args.out))
}

/// The most samples of a file for a page, and the most bytes of them.
const SHOWN: usize = 65_536;
const SHOWN_BYTES: u64 = 256 << 20;

/// Samples for a page, preprocessed, and their coefficients.
pub(super) struct Shown {
    set: ImageSet,
    source: String,
    /// None: the coefficients of the model.
    h: Option<Array2<f32>>,
    /// Whether they are from the model.
    stored: bool,
}

impl Shown {
    /// With the coefficients of the model if these are its samples, else with new ones. Of samples in a file only some are shown.
    pub(super) fn new(
        engine: &mut Engine,
        model: &Model,
        set: ImageSet<Samples>,
        source: String,
        out: &Output,
    ) -> Result<Self> {
        let (f, how) = (&model.factors, model.metadata.projections(None)?);
        let stored = is_of(model, &set.x)?;
        if !set.x.in_file() {
            let mut set = set.hold()?;
            let mut h = None;
            if !stored {
                // Shared as long as the engine needs it; then it is the set's alone again.
                let x = std::mem::take(&mut set.x).into_shared();
                let mut progress = Reporter::new(out);
                h = Some(engine.transform(x.clone(), f, f.depth(), &how, &mut |p| progress.go_on(p))?.h);
                set.x = x.into_owned();
            }
            return Ok(Self { set, source, h, stored });
        }
        let n = set.n_samples();
        let most = SHOWN.min((SHOWN_BYTES / size(1, set.n_features())).max(1) as usize).min(n);
        let rows: Vec<usize> = (0..most).map(|i| (i as u128 * n as u128 / most as u128) as usize).collect();
        let named = !set.names.is_empty();
        let mut set = set.select(&rows).hold()?;
        if !named {
            set.names = rows.iter().map(|row| format!("sample {row}")).collect();
        }
        let source = format!("{source} ({most} of {n} samples, evenly spread)");
        let h = match stored {
            true => f.h.select(Axis(0), &rows),
            false => coefficients(engine, (Samples::Held(set.x.clone()), None), (f, f.depth()), &how, out)?.0,
        };
        Ok(Self { set, source, h: Some(h), stored })
    }

    fn stored(&self) -> bool {
        self.stored
    }
}

/// The content of a page.
pub(super) struct What<'a> {
    pub(super) model: &'a Model,
    pub(super) name: String,
    pub(super) shown: Option<Shown>,
}

impl What<'_> {
    /// Makes the page with `clusters` clusters; None: as many as classes.
    pub(super) fn page(&self, engine: &mut Engine, clusters: Option<usize>, seed: u64, out: &Output) -> Result<Page> {
        let f = &self.model.factors;
        let h = self.shown.as_ref().and_then(|s| s.h.as_ref()).unwrap_or(&f.h);
        let clusters = self.clusters(engine, h, clusters, seed, out)?;
        let samples = self.shown.as_ref().map(|s| html::Samples {
            source: &s.source,
            x: s.set.x.view(),
            h: h.view(),
            coefficients: match s.stored() {
                true => "those of the training, from the model file",
                false => "projected on the components of the model",
            },
            names: &s.set.names,
        });
        let made = std::time::SystemTime::now();
        Ok(Report { model: self.model, name: &self.name, made, samples, clusters }.page()?)
    }

    /// The classes of the data; without them those of the model, if the samples are its own.
    fn labels(&self) -> Option<(&[Option<usize>], &[String])> {
        let m = &self.model.metadata;
        let of_model = || m.labels.as_deref().map(|labels| (labels, m.classes.as_slice()));
        match &self.shown {
            None => of_model(),
            Some(s) => {
                let own = s.set.labels.as_deref().map(|labels| (labels, s.set.classes.as_slice()));
                own.or_else(|| of_model().filter(|_| s.stored()))
            }
        }
    }

    fn clusters(
        &self,
        engine: &mut Engine,
        h: &Array2<f32>,
        wanted: Option<usize>,
        seed: u64,
        out: &Output,
    ) -> Result<Option<Clusters>> {
        let labels = self.labels();
        let labelled: Vec<usize> = labels.iter().flat_map(|(of, _)| of.iter().copied().flatten()).collect();
        let classes = evaluate::count_classes(&labelled);
        let n = h.nrows();
        let k = match wanted {
            Some(k) if k > n => {
                return Err(
                    Error::Config(format!("--clusters: expected at most {n}, one per sample, found {k}")).into()
                );
            }
            Some(k) => k,
            // One class is not clustered.
            None => {
                if classes > 1 {
                    classes
                } else {
                    0
                }
            }
        };
        if k == 0 {
            return Ok(None);
        }
        let f = &self.model.factors;
        let scaling = ModelSpec::by_name(&self.model.metadata.model)?.features;
        let features = evaluate::features(h.view(), f, f.depth(), scaling)?;
        let how = KMeans { seed, ..KMeans::new(k) };
        out.note(&format!("{n} samples: {} runs of k-means for {k} clusters", how.runs));
        let runs = engine.kmeans(features.view(), &how)?;
        let Some(best) = runs.into_iter().min_by(|a, b| a.inertia.total_cmp(&b.inertia)) else { return Ok(None) };
        let scores = match labels {
            None => Vec::new(),
            Some((of, _)) => {
                let of_labelled: Vec<usize> = of.iter().zip(&best.of).filter_map(|(l, c)| l.map(|_| *c)).collect();
                let scores = Contingency::new(&labelled, &of_labelled)?.scores();
                METRICS.iter().map(|(name, value)| (name.to_string(), value(&scores))).collect()
            }
        };
        let (labels, classes) = labels.map_or((None, Vec::new()), |(of, names)| (Some(of.to_vec()), names.to_vec()));
        Ok(Some(Clusters { runs: how.runs, of: best.of, classes, labels, scores }))
    }
}

/// A page about a model and the preprocessed samples that it was trained on.
pub(super) fn about(
    engine: &mut Engine,
    model: &Model,
    file: &Path,
    (set, source): (ImageSet, &str),
    out: &Output,
) -> Result<Page> {
    let shown = Shown::new(engine, model, set.with_x(Samples::Held), source.into(), out)?;
    What { model, name: file.display().to_string(), shown: Some(shown) }.page(engine, None, 0, out)
}
