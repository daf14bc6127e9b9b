//! `deepnmf reproduce`: the tables and figures of the papers.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant};

use deepnmf::Error;
use deepnmf::data::ImageSet;
use deepnmf::reproduce::{self, Data, EXPERIMENTS, Experiment, Options, Repeats, Samples};
use indicatif::HumanDuration;
use serde_json::json;

use super::Result;
use super::args::{DataArgs, DeviceArg, known};
use super::files::{existing, output_folder};
use super::labels;
use super::output::{Output, written};
use super::samples::{checked, hold};

/// Reproduce a table or figure of the papers beside the printed values: CSV, Markdown, SVG and PNG.
#[derive(clap::Args)]
#[command(after_help = experiments())]
pub(crate) struct Args {
    /// Which one; the list is below
    #[arg(value_name = "WHAT", value_parser = known::<Which>(EXPERIMENTS.iter().map(|e| e.name)), hide_possible_values = true)]
    what: Which,
    /// The data set, as `deepnmf fit` takes it; which one is in the list below
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// A CSV file with a header line and a line for every sample [default: labels.csv in the folder of the data, if it is
    /// there, else the labels in the data]
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// The columns of that file that are attributes; clusters are compared with the first [default: all but those with a
    /// different value for every sample]
    #[arg(long, value_name = "COLUMN", requires = "data")]
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
    let of_papers = |e: &&Experiment| e.name.starts_with("gz-") || e.name.starts_with("tr-");
    let (papers, own): (Vec<_>, Vec<_>) = EXPERIMENTS.iter().partition(of_papers);
    for (title, experiments) in [("The papers' tables and figures", papers), ("More experiments", own)] {
        let mut data = "";
        for e in experiments {
            let on = match e.data {
                Data::Given(data) => data,
                Data::Made(_) => "data that they make themselves, without --data",
            };
            if data != on {
                text += &format!("{title}, on {on}:\n");
                data = on;
            }
            text += &format!("  {:<12} {}\n", e.name, e.title);
        }
    }
    text + "\nGZ: Guo & Zhang 2017; TR: Trigeorgis et al. 2014. Other images with labels will do, too: a printed value is then not one to \
            compare with.\n\n\
            Example:\n  deepnmf reproduce gz-table3 --data PIE_pose27.mat --quick --out table3"
}

pub(crate) fn run(args: Args, out: &Output) -> Result {
    let Which(experiment) = args.what;
    let quick = args.quick;
    let options = Options {
        splits: args.splits.unwrap_or(if quick { 1 } else { 5 }),
        fits: args.fits.unwrap_or(if quick { experiment.fits.1 } else { experiment.fits.0 }),
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
    let inputs = [args.data.as_deref(), args.labels.as_deref()];
    output_folder(&args.out, experiment.name, &inputs.into_iter().flatten().collect::<Vec<_>>())?;
    let mut engine = args.device.open(out)?;
    let samples = match (args.data, experiment.data) {
        (Some(path), Data::Given(_)) => of_file(existing(path)?, args.reading, args.labels, &args.label, out)?,
        (None, Data::Made(make)) => make()?,
        (None, Data::Given(data)) => {
            let message = format!("{} needs --data PATH: {data}", experiment.name);
            return Err(Error::Config(message).into());
        }
        (Some(_), Data::Made(_)) => {
            return Err(
                Error::Config(format!("--data means nothing for {}, which makes its own", experiment.name)).into()
            );
        }
    };
    let mut told = Told::new(experiment.name, out);
    let mut progress = |step: reproduce::Step<'_>| told.step(&step);
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

/// The samples of a file or folder, with their labels.
fn of_file(
    path: PathBuf,
    reading: DataArgs,
    labels: Option<PathBuf>,
    columns: &[String],
    out: &Output,
) -> Result<Samples> {
    let asked = reading.asked();
    let reading = reading.options();
    let mut set = hold(&path, &reading, out)?;
    asked.check(&set, &path)?;
    checked(&mut set, &path.display().to_string(), false, None, out)?;
    let set = set.hold()?;
    let beside = labels::beside(&path);
    let attributes = match labels::file_for(labels, !columns.is_empty(), &path)?.or(beside) {
        Some(file) => from_table(&file, columns, &set, out)?,
        None => {
            let own = labels::own(&set, &path)?;
            out.summary("labels", &own.text())?;
            vec![own.complete(&path)?]
        }
    };
    let Some((.., classes)) = attributes.first() else { return Err(labels::missing(&path).into()) };
    let classes = classes.clone();
    let labels = attributes.into_iter().map(|(name, of, _)| (name, of)).collect();
    Ok(Samples { source: path.display().to_string(), set, labels, classes })
}

/// How long a fit may go on without a word.
const SILENT: Duration = Duration::from_secs(10);

/// What is said of the progress: a line for every fit, with the time left, and more of long ones.
struct Told<'a> {
    name: &'static str,
    out: &'a Output,
    since: Instant,
    said: Instant,
}

impl<'a> Told<'a> {
    fn new(name: &'static str, out: &'a Output) -> Self {
        Self { name, out, since: Instant::now(), said: Instant::now() }
    }

    fn step(&mut self, step: &reproduce::Step<'_>) {
        let reproduce::Step { done, made, of, what, fit } = *step;
        let text = match fit {
            // Fits that were kept take no time: those that were made tell how long the others take.
            None if made == 0 => format!("{} {}/{of}: {what}", self.name, done + 1),
            None => {
                let left = self.since.elapsed().div_f64(made as f64).mul_f64((of - done) as f64);
                format!("{} {}/{of}, {} left: {what}", self.name, done + 1, HumanDuration(left))
            }
            Some(p) if self.said.elapsed() >= SILENT => {
                format!("  {what}: {}, {} of at most {}", p.stage, p.done, p.of)
            }
            Some(_) => return,
        };
        self.out.note(&text);
        self.said = Instant::now();
    }
}

/// The columns of the options; else all in which a value occurs more than once.
fn from_table(file: &Path, columns: &[String], set: &ImageSet, out: &Output) -> Result<Vec<labels::Complete>> {
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
