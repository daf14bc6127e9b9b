//! `deepnmf reproduce`: the tables and figures of the papers.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use deepnmf::Error;
use deepnmf::data::ImageSet;
use deepnmf::reproduce::{self, EXPERIMENTS, Experiment, Options, Repeats, Samples};
use serde_json::json;

use super::Result;
use super::args::{DataArgs, DeviceArg};
use super::files::{existing, output_folder};
use super::labels;
use super::output::{Output, written};
use super::samples::{checked, hold};

/// Reproduce a table or figure of the papers beside the printed values: CSV, Markdown, SVG and PNG.
#[derive(clap::Args)]
#[command(after_help = experiments())]
pub(crate) struct Args {
    /// Which one; the list is below
    #[arg(value_name = "WHAT", value_parser = Which::from_str)]
    what: Which,
    /// The data set, as `deepnmf fit` takes it; which one is in the list below
    #[arg(long, value_name = "PATH")]
    data: PathBuf,
    /// A CSV file with a header line and a line for every sample [default: labels.csv in the folder of the data, if it is
    /// there, else the labels in the data]
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// The columns of that file that are attributes; clusters are compared with the first [default: all but those with a
    /// different value for every sample]
    #[arg(long, value_name = "COLUMN", requires = "labels")]
    label: Vec<String>,
    /// Random splits into training and test samples [default: 5, with --quick 1]
    #[arg(long, value_name = "N", alias = "runs")]
    splits: Option<usize>,
    /// Fits of the training samples of every split, with other seeds [default: 1]
    #[arg(long, value_name = "N")]
    fits: Option<usize>,
    /// Runs of k-means per fit [default: 20, with --quick 10]
    #[arg(long, value_name = "N")]
    kmeans_seeds: Option<usize>,
    /// Fewer runs and fewer points of curves, the same methods
    #[arg(long)]
    quick: bool,
    /// The folder for the results; fits whose results are there are not repeated
    #[arg(long, value_name = "DIR", default_value = "reproduced")]
    out: PathBuf,
    #[command(flatten)]
    device: DeviceArg,
    #[command(flatten)]
    reading: DataArgs,
}

#[derive(Clone)]
struct Which(&'static Experiment);

impl FromStr for Which {
    type Err = Error;

    fn from_str(name: &str) -> std::result::Result<Self, Error> {
        Experiment::by_name(name).map(Self)
    }
}

fn experiments() -> String {
    let mut text = String::new();
    let mut data = "";
    for e in EXPERIMENTS {
        if e.data != data {
            text += &format!("On {}:\n", e.data);
            data = e.data;
        }
        text += &format!("  {:<10} {}\n", e.name, e.title);
    }
    text + "\nGZ: Guo & Zhang 2017; TR: Trigeorgis et al. 2014. Where a title names a table or a figure, the experiment is that one; \
            the others show what the papers say in words.\n\n\
            Example:\n  deepnmf reproduce gz-table3 --data PIE_pose27.mat --quick --out table3"
}

pub(crate) fn run(args: Args, out: &Output) -> Result {
    let Which(experiment) = args.what;
    let quick = args.quick;
    let options = Options {
        splits: args.splits.unwrap_or(if quick { 1 } else { 5 }),
        fits: args.fits.unwrap_or(1),
        kmeans_seeds: args.kmeans_seeds.unwrap_or(if quick { 10 } else { 20 }),
        quick,
    };
    let Repeats { splits, fits, kmeans } = experiment.repeats;
    for (name, given, used) in
        [("--splits", args.splits, splits), ("--fits", args.fits, fits), ("--kmeans-seeds", args.kmeans_seeds, kmeans)]
    {
        if given == Some(0) {
            return Err(Error::Config(format!("{name}: expected at least 1, found 0")).into());
        }
        if given.is_some() && !used {
            return Err(Error::Config(format!("{name} means nothing for {}", experiment.name)).into());
        }
    }
    let inputs = [Some(args.data.as_path()), args.labels.as_deref()];
    output_folder(&args.out, experiment.name, &inputs.into_iter().flatten().collect::<Vec<_>>())?;
    let path = existing(args.data)?;
    let mut engine = args.device.open(out)?;
    let reading = args.reading.options();
    let mut set = hold(&path, &reading, out)?;
    DataArgs::check(reading.colour, &set, &path)?;
    checked(&mut set, &path.display().to_string(), false, out)?;
    let set = set.hold()?;
    let beside = Some(path.join("labels.csv")).filter(|file| file.is_file());
    let attributes = match args.labels.or(beside) {
        Some(file) => from_table(&file, &args.label, &set, out)?,
        None => {
            let own = labels::own(&set, &path)?;
            out.summary("labels", &own.text())?;
            vec![own.complete(&path)?]
        }
    };
    if attributes.is_empty() {
        return Err(labels::missing(&path).into());
    }
    let samples = Samples { source: path.display().to_string(), set, labels: attributes };

    let mut progress = |step: reproduce::Step<'_>| {
        out.note(&format!("{} {}/{}: {}", experiment.name, step.done + 1, step.of, step.what));
    };
    let files = reproduce::run(&mut engine, experiment, &samples, options, &args.out, &mut progress)?;
    if out.is_json() {
        let files: Vec<_> =
            files.iter().map(|f| json!({ "path": f.path.display().to_string(), "what": f.what })).collect();
        return out.json(&json!({
            "experiment": experiment.name,
            "title": experiment.title,
            "data": samples.source,
            "device": engine.device_name(),
            "splits": options.splits,
            "fits": options.fits,
            "kmeans_seeds": options.kmeans_seeds,
            "quick": options.quick,
            "files": files,
        }));
    }
    if !out.is_quiet()
        && let Some(table) = files.iter().find(|f| f.path.extension().is_some_and(|e| e == "md"))
    {
        out.line(&std::fs::read_to_string(&table.path).map_err(|e| Error::io(&table.path, e))?)?;
    }
    files.iter().try_for_each(|file| out.summary("written", &format!("{}, {}", written(&file.path), file.what)))
}

/// The columns of the options; else all in which a value occurs more than once.
fn from_table(file: &Path, columns: &[String], set: &ImageSet, out: &Output) -> Result<Vec<(String, Vec<usize>)>> {
    let asked = !columns.is_empty();
    let mut attributes = Vec::new();
    for attribute in labels::from_table(file, columns, set, out)? {
        let classes = attribute.classes();
        if !asked && (!(2..set.n_samples()).contains(&classes) || attribute.missing() > 0) {
            out.note(&format!("{}: not used, with --label NAME it is", attribute.text()));
            continue;
        }
        out.summary("labels", &attribute.text())?;
        attributes.push(attribute.complete(file)?);
    }
    Ok(attributes)
}
