//! Samples of a command: read into memory, or streamed from their file where memory has no room.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use deepnmf::backend::Rows;
use deepnmf::data::{self, Dim, ImageSet, LoadOptions, ReadAhead, Reading, Samples};
use deepnmf::model::Factors;
use deepnmf::ranks::Ranks;
use deepnmf::store::{Model, Split};
use deepnmf::train::{Progress, Projection, Source};
use deepnmf::{Engine, Error};
use ndarray::{Array2, ArrayView2, s};

use super::Result;
use super::args::named;
use super::output::{Output, bytes};
use super::part::Part;
use super::progress::{Counter, Reporter};

/// Whether samples are held in memory.
#[derive(clap::Args, Clone, Copy)]
#[command(next_help_heading = "Reading the data")]
pub(crate) struct StreamArg {
    /// Whether samples are read anew in every pass over them instead of being held in memory: auto, where they do not fit. For
    /// .npy, .h5, uncompressed .npz and IDX files and folders of images, which are decoded in every pass
    #[arg(long, value_name = "WHEN", default_value = "auto", value_parser = named::<Stream>(["auto", "yes", "no"]),
          requires = "data")]
    pub(crate) stream: Stream,
}

#[derive(serde::Serialize, serde::Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Stream {
    Auto,
    Yes,
    No,
}

/// What a command needs of memory.
pub(crate) struct Need<'a> {
    /// The bytes in all, if samples of this shape are held.
    pub(crate) held: &'a dyn Fn(usize, usize) -> u64,
    /// Why samples cannot be streamed, if it cannot.
    pub(crate) coupled: Option<String>,
}

/// Reads a data set, or opens its file, and prints the notes of the reader.
pub(crate) fn read(
    path: &Path,
    options: &LoadOptions,
    stream: Stream,
    need: &Need<'_>,
    out: &Output,
) -> Result<ImageSet<Samples>> {
    out.note(&format!("reading {}", path.display()));
    out.detail(&format!("memory: at most {}", limit(options)));
    let opened = match stream {
        Stream::No => None,
        Stream::Yes => {
            out.detail("samples are streamed from their file (--stream yes)");
            Some(data::open(path, options)?)
        }
        // What cannot be opened can perhaps be read; if not, that says why.
        Stream::Auto => match data::open(path, options) {
            Ok(set) if !fits(&set, path, options, need, out)? => Some(set),
            // All of a folder was looked at.
            Ok(set) if set.x.are_images() => Some(in_memory(set, out)?),
            Err(why) if path.is_dir() => return Err(why.into()),
            _ => None,
        },
    };
    let set = match opened {
        Some(set) => set,
        None => {
            let mut counter = reading(out);
            data::load_with(path, options, &mut |p| counter.report(p))?.with_x(Samples::Held)
        }
    };
    set.notes.iter().for_each(|note| out.note(&format!("{}: {note}", path.display())));
    Ok(set)
}

/// Reports while samples are read into memory.
pub(super) fn reading(out: &Output) -> Counter {
    Counter::new("reading", Duration::from_secs(1), out)
}

/// Reads samples that are in their file into memory.
pub(super) fn in_memory(set: ImageSet<Samples>, out: &Output) -> Result<ImageSet<Samples>> {
    let mut counter = reading(out);
    let (mut set, look) = set.hold_with(&mut |p| counter.report(p))?;
    set.notes.extend(look.and_then(|look| look.note()));
    Ok(set.with_x(Samples::Held))
}

/// Reads a data set into memory; as [`read`].
pub(crate) fn hold(path: &Path, options: &LoadOptions, out: &Output) -> Result<ImageSet<Samples>> {
    read(path, options, Stream::No, &Need { held: &|_, _| 0, coupled: None }, out)
}

fn limit(options: &LoadOptions) -> String {
    let from = if options.memory.is_some() { "--memory" } else { "half of what is free, or --memory SIZE" };
    format!("{} ({from})", bytes(options.budget()))
}

/// Whether memory has room for the samples and for what is needed besides; says so. An error where it has not, and samples have to
/// be held.
fn fits(set: &ImageSet<Samples>, path: &Path, options: &LoadOptions, need: &Need<'_>, out: &Output) -> Result<bool> {
    let (n, m) = set.x.size();
    let needed = (need.held)(n, m);
    let text = format!(
        "{n} samples × {m} features take {} in memory, with all that is needed besides {}; at most {}",
        bytes(size(n, m)),
        bytes(needed),
        limit(options)
    );
    if needed <= options.budget() {
        out.detail(&format!("samples are held in memory: {text}"));
        return Ok(true);
    }
    match &need.coupled {
        None => {
            let how = match set.x.are_images() {
                true => "images are decoded in every pass (faster once `deepnmf pack` has made one file of them)",
                false => "samples are streamed from the file",
            };
            out.note(&format!("{}: {how}: {text}", path.display()));
            Ok(false)
        }
        // Without a limit of the user's, what is free decides.
        Some(_) if options.memory.is_none() => Ok(true),
        Some(why) => Err(Error::Config(format!("{}: {why} and cannot be streamed: {text}", path.display())).into()),
    }
}

/// The bytes of samples of this shape in memory.
pub(crate) fn size(n: usize, m: usize) -> u64 {
    (n as u64).saturating_mul(m as u64).saturating_mul(size_of::<f32>() as u64)
}

/// Checks samples for a model; warns of all-zero samples and returns their number.
pub(crate) fn checked(
    set: &mut ImageSet<Samples>,
    source: &str,
    signed: bool,
    part: Option<&Part>,
    out: &Output,
) -> Result<usize> {
    let reading = match &set.x {
        Samples::Held(_) => None,
        Samples::InFile(x) => {
            out.note(&format!("checking {} samples", set.n_samples()));
            Some(x.reading())
        }
    };
    let said = set.notes.len();
    let progress = Reporter::new(out).reading(reading);
    let zeros = match part {
        None => set.validate(signed, source)?,
        Some(part) => part.validate(set, signed, source)?,
    }
    .zero_rows;
    drop(progress);
    set.notes[said..].iter().for_each(|note| out.note(&format!("{source}: {note}")));
    if let Some(first) = zeros.first() {
        let named = || part.map_or_else(|| Some(set.name(*first).into_owned()), |part| part.name(*first));
        let name = named().unwrap_or_else(|| first.to_string());
        let (count, n) = (zeros.len(), part.map_or(set.n_samples(), |part| part.samples));
        out.warn(&format!("{source}: {count} of {n} samples are all zero (the first: {name}); they are kept"));
    }
    Ok(zeros.len())
}

/// Samples to compute with, and what is read of them where they are streamed.
pub(crate) type Opened = (Box<dyn Source<f32>>, Option<Arc<Reading>>);

pub(crate) fn source(x: Samples) -> Result<Opened> {
    Ok(match x {
        Samples::Held(x) => (Box::new(Rows::from(x)), None),
        Samples::InFile(x) => {
            let x = ReadAhead::new(*x)?;
            let reading = x.reading();
            (Box::new(x), Some(reading))
        }
    })
}

/// [`Model::is_of`].
pub(crate) fn is_of(model: &Model, x: &Samples) -> Result<bool> {
    Ok(match x {
        Samples::Held(x) => model.is_of(&mut Rows::from(x.view()))?,
        Samples::InFile(x) => model.is_of(&mut ReadAhead::new((**x).clone())?)?,
    })
}

/// What was read in all passes; by several processes together, and the mean of the seconds that each waited for it.
#[derive(serde::Serialize)]
pub(crate) struct Streamed {
    samples: u64,
    pub(crate) bytes: u64,
    pub(crate) waited: f64,
}

impl Streamed {
    pub(crate) fn of(read: &Reading, ranks: Option<Ranks>) -> deepnmf::Result<Self> {
        let own = (read.samples(), read.bytes(), read.waited().as_secs_f64());
        let all = ranks.map_or(Ok(vec![own]), |ranks| ranks.all_of(&own))?;
        Ok(Self {
            samples: all.iter().map(|of| of.0).sum(),
            bytes: all.iter().map(|of| of.1).sum(),
            waited: all.iter().map(|of| of.2).sum::<f64>() / all.len() as f64,
        })
    }
}

/// The coefficients of samples on a layer of a model, handed to `take` in order; those in a file a shard at a time, and those of several
/// processes, of which the first one takes them. Returns the relative error and the number of steps.
pub(crate) fn project(
    engine: &mut Engine,
    (x, ranks): (Samples, Option<Ranks>),
    (factors, layer): (&Factors<f32>, usize),
    how: &[Projection],
    out: &Output,
    take: &mut dyn FnMut(ArrayView2<'_, f32>) -> deepnmf::Result<()>,
) -> deepnmf::Result<(f64, usize)> {
    let reading = if let Samples::InFile(x) = &x { Some(x.reading()) } else { None };
    let mut progress = Reporter::new(out).reading(reading);
    let mut report = |p: &Progress| progress.go_on(p);
    let (mut held, mut ahead);
    let x: &mut dyn Source<f32> = match x {
        Samples::Held(x) if ranks.is_none() => {
            let projected = engine.transform(x, factors, layer, how, &mut report)?;
            take(projected.h.view())?;
            return Ok((projected.relative_error, projected.steps));
        }
        Samples::Held(x) => {
            held = Rows::from(x);
            &mut held
        }
        Samples::InFile(x) => {
            ahead = ReadAhead::new(*x)?;
            &mut ahead
        }
    };
    engine.transform_samples((x, ranks), factors, layer, how, &mut report, take)
}

/// [`project`], with all coefficients in memory; of several processes, in that of the first.
pub(crate) fn coefficients(
    engine: &mut Engine,
    (x, ranks): (Samples, Option<Ranks>),
    model: (&Factors<f32>, usize),
    how: &[Projection],
    out: &Output,
) -> Result<(Array2<f32>, f64)> {
    let (n, _) = x.size();
    let (mut h, mut done) = (Array2::zeros((0, 0)), 0);
    let (error, _) = project(engine, (x, ranks), model, how, out, &mut |part| {
        if h.is_empty() {
            h = Array2::zeros((n, part.ncols()));
        }
        h.slice_mut(s![done..done + part.nrows(), ..]).assign(&part);
        done += part.nrows();
        Ok(())
    })?;
    Ok((h, error))
}

/// So many samples of every class, drawn by the seed.
pub(crate) fn split(
    set: ImageSet<Samples>,
    per_class: usize,
    seed: u64,
    path: &Path,
) -> Result<(ImageSet<Samples>, Option<Split>)> {
    let Some(labels) = &set.labels else {
        let message =
            "--train-per-class: expected labels (sub-folders, gnd or y, --y-key, or --labels FILE), found none";
        return Err(Error::format(path, message).into());
    };
    // Samples without a label are not trained on.
    let labelled: Vec<usize> = (0..labels.len()).filter(|&row| labels[row].is_some()).collect();
    let of: Vec<usize> = labels.iter().copied().flatten().collect();
    let (train, _) = data::train_per_class(&of, &set.classes, per_class, seed)?;
    let train: Vec<usize> = train.into_iter().map(|i| labelled[i]).collect();
    let (needed, limit) = (labels.len() as u64, u32::MAX.into());
    let too_many = |_| Error::TooLarge { what: "a split".into(), needed, limit, unit: "samples" };
    let rows = train.iter().map(|&row| u32::try_from(row)).collect::<std::result::Result<_, _>>().map_err(too_many)?;
    let split = Split { per_class, seed, train: train.len(), test: labels.len() - train.len(), rows };
    Ok((set.select(&train), Some(split)))
}
