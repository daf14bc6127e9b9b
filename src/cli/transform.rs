//! `deepnmf transform`: coefficients of new samples.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use deepnmf::Error;
use deepnmf::atomic::NewFile;
use deepnmf::data::{Dim, ImageSet, ImageShape, LoadOptions, Samples, npy_header};
use deepnmf::model::ModelSpec;
use deepnmf::ranks::Ranks;
use deepnmf::store::Model;
use ndarray::ArrayView2;
use serde_json::json;

use super::args::{DataArgs, DeviceArg, layer_of, shape_text};
use super::files::{output, refuse_input};
use super::output::{Output, name_of, percent, printable, written};
use super::part::Part;
use super::ranks::{self, agreed, by_first, read_by_all, shared};
use super::samples::{Need, Stream, StreamArg, checked, in_memory, project, read, size};
use super::table::{Table, write_npy};
use super::{Failure, Result};

/// Describe samples by the parts of a model: nonnegative least squares on the components of a layer.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  deepnmf transform faces.safetensors new_faces/ --out H.npy
  python3 -c \"import numpy; print(numpy.load('H.npy').shape)\"")]
pub(crate) struct Args {
    /// A model file that `deepnmf fit` wrote
    model: PathBuf,
    /// Samples of the kind the model was trained on; they are scaled as those were
    data: PathBuf,
    /// The .npy file for the coefficients, one row per sample; an existing file is replaced. Names of samples go to a file beside
    /// it, one line per row: H.names.txt for H.npy. A .csv or .tsv file has them as its first column, below a header line
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The layer whose components are used, from 1 [default: the last]
    #[arg(long, value_name = "L")]
    layer: Option<usize>,
    #[command(flatten)]
    ridge: RidgeArg,
    #[command(flatten)]
    device: DeviceArg,
    #[command(flatten)]
    reading: DataArgs,
    #[command(flatten)]
    stream: StreamArg,
}

pub(crate) fn run(args: Args, ranks: Option<Ranks>, out: &Output) -> Result {
    let start = Instant::now();
    let file = by_first(ranks, || output(&args.out, &[&args.model, &args.data]))?;
    refuse_input(&names_file_of(&args.out), &[&args.model, &args.data])?;
    let ending = args.out.extension().map_or("npy".into(), |e| e.to_string_lossy().to_lowercase());
    let separator = match ending.as_str() {
        "npy" => None,
        "csv" => Some(','),
        "tsv" => Some('\t'),
        other => {
            let message = format!(
                "--out: transform writes .npy, .csv and .tsv, expected a name that ends so, found .{other} in {}",
                args.out.display()
            );
            return Err(Error::Config(message).into());
        }
    };
    let path = ranks::data(args.data, ranks)?;
    let model = ranks::model(&args.model, ranks, false)?;
    let Model { factors, metadata } = &model;
    let depth = factors.depth();
    let layer = layer_of(args.layer.unwrap_or(depth), depth, &args.model)?;
    let mut engine = agreed(ranks, args.device.open(out))?;

    let k = metadata.layers[layer - 1];
    let held = |n: usize, m: usize| size(n, m).saturating_add(size(n, 2 * k));
    let from = (&model, &*args.model);
    let (mut set, zero_samples) = load(&path, (args.reading, args.stream), (&held, ranks), from, out)?;
    set.apply(&metadata.preprocess)?;
    let (samples, features) = set.x.size();
    let streamed = set.x.in_file();
    let file = by_first(ranks, || {
        let room = NPY_HEADER + size(samples, k);
        file.map(|file| file.reserve(room).map(|()| file)).transpose().map_err(Into::into)
    })?;

    let how = metadata.projections(args.ridge.ridge)?;
    let ridge = how[layer - 1].ridge;
    out.detail(&format!("layer {layer} of {depth}, {:?}", how[layer - 1]));
    let make = |take: &mut Take<'_>| project(&mut engine, (set.x, ranks), (factors, layer), &how, out, take);
    let mut names_file = None;
    let names = match (&file, separator) {
        (Some(Some(_)), None) => Names::begin(&args.out, &set.names, out)?,
        _ => None,
    };
    let (error, steps) = match (file.flatten(), separator) {
        // Another process writes it.
        (None, _) => make(&mut |_| Ok(()))?,
        (Some(file), None) => {
            let made = save(file, &npy_header("<f4", (samples, k)), &mut write_npy, make)?;
            names_file = names.map(|names| names.write(&set.names)).transpose()?;
            made
        }
        (Some(file), Some(separator)) => {
            let (header, mut table) = Table::new(separator, &set.names, (0..k).map(|j| format!("h{j}")));
            save(file, header.as_bytes(), &mut |h, out| table.write(h, out), make)?
        }
    };

    if out.is_json() {
        return out.json(&json!({
            "model": metadata.model,
            "layers": metadata.layers,
            "activation": metadata.activation,
            "activate": metadata.activate,
            "layer": layer,
            "device": engine.device_name(),
            "data": path.display().to_string(),
            "n_samples": samples,
            "n_features": features,
            "n_components": k,
            "zero_samples": zero_samples,
            "ridge": ridge,
            "streamed": streamed,
            "ranks": ranks.map(|ranks| json!({ "size": ranks.size() })),
            "relative_error": error,
            "steps": steps,
            "seconds": start.elapsed().as_secs_f64(),
            "out": args.out.display().to_string(),
            "names": names_file.map(|file| file.display().to_string()),
        }));
    }
    out.summary("data", &format!("{}: {samples} samples × {features} features", path.display()))?;
    out.summary("layer", &format!("{layer} of {depth}, {k} components"))?;
    out.summary("device", &engine.device_name())?;
    if let Some(ranks) = ranks {
        out.summary("ranks", &ranks.size().to_string())?;
    }
    if ridge > 0.0 {
        out.summary("ridge", &format!("{ridge} tr(G)/k on the coefficients (--ridge 0: exact least squares)"))?;
    }
    let error = percent(error);
    out.summary("error", &format!("{error} of ‖X‖ is not explained, after {steps} steps"))?;
    out.summary("seconds", &format!("{:.1}", start.elapsed().as_secs_f64()))?;
    out.summary("written", &written(&args.out))?;
    match names_file {
        Some(file) => out.summary("written", &format!("{}, a name for every row", written(&file))),
        None => Ok(()),
    }
}

fn names_file_of(h: &Path) -> PathBuf {
    h.with_extension("names.txt")
}

/// `H.names.txt` beside `H.npy`: the names of the samples, one line per row, with control characters escaped as `\n` or `\u{1b}`.
struct Names(NewFile);

impl Names {
    /// Reserves room for them, so that H is not written without them. None for samples without names.
    fn begin(h: &Path, names: &[String], out: &Output) -> Result<Option<Self>> {
        let path = names_file_of(h);
        if names.is_empty() {
            if path.exists() {
                out.warn(&format!(
                    "{}: these are not the names of the rows of {}, whose samples have none",
                    path.display(),
                    h.display()
                ));
            }
            return Ok(None);
        }
        let file = NewFile::create(&path)?;
        file.reserve(names.iter().map(|name| printable(name).len() as u64 + 1).sum())?;
        Ok(Some(Self(file)))
    }

    fn write(self, names: &[String]) -> Result<PathBuf> {
        let path = self.0.path().to_path_buf();
        self.0.write(|file| names.iter().try_for_each(|name| writeln!(file, "{}", printable(name))))?;
        Ok(path)
    }
}

/// The ridge on new samples.
#[derive(clap::Args)]
pub(super) struct RidgeArg {
    /// A ridge of C·tr(G)/k on the coefficients of new samples, G the Gram of the k components; 0 for exact nonnegative least
    /// squares [default: what the model file says]
    #[arg(long, value_name = "C", allow_negative_numbers = true)]
    pub(super) ridge: Option<f64>,
}

/// Reads and checks samples for a model, which is in a file; not scaled yet. `held` says what memory is needed if they are held. Also
/// returns the number of all-zero samples. Several processes all have all of them, and each checks its share.
pub(super) fn load(
    path: &Path,
    (reading, stream): (DataArgs, StreamArg),
    (held, ranks): (&dyn Fn(usize, usize) -> u64, Option<Ranks>),
    (model, file): (&Model, &Path),
    out: &Output,
) -> Result<(ImageSet<Samples>, usize)> {
    let asked = reading.asked();
    let options = shared(reading.over(&model.metadata.reading, path, out)?, ranks);
    let read = |options: &LoadOptions| match ranks {
        None => read(path, options, stream.stream, &Need { held, coupled: None }, out),
        Some(ranks) => {
            let set = read_by_all(path, options, (ranks, stream.stream), out)?;
            // In their file each reads the shards that it has, and nobody all of them.
            if stream.stream != Stream::No {
                return Ok(set);
            }
            let said = set.notes.len();
            let set = agreed(Some(ranks), in_memory(set, out))?;
            set.notes[said..].iter().for_each(|note| out.note(&format!("{}: {note}", path.display())));
            Ok(set)
        }
    };
    let mut set = read_for(path, options, &read, model, file, out)?;
    asked.check(&set, path)?;
    let signed = ModelSpec::by_name(&model.metadata.model)?.signed;
    let source = path.display().to_string();
    let zero_samples = match ranks {
        None => checked(&mut set, &source, signed, None, out)?,
        Some(ranks) => {
            let (n, _) = set.x.size();
            let (rows, names) = (ranks.share(n, ranks.rank()), set.names.clone());
            let part = Part { ranks, first: rows.start, samples: n, names };
            checked(&mut set.select(&rows.collect::<Vec<_>>()), &source, signed, Some(&part), out)?
        }
    };
    Ok((set, zero_samples))
}

fn read_for(
    path: &Path,
    options: LoadOptions,
    read: &dyn Fn(&LoadOptions) -> Result<ImageSet<Samples>>,
    model: &Model,
    file: &Path,
    out: &Output,
) -> Result<ImageSet<Samples>> {
    let m = &model.metadata;
    let features = model.factors.n_features() / m.preprocess.features_per_value();
    let colour = options.colour || m.image_shape.is_some_and(|s| s.channels == 3);
    let options = LoadOptions { colour, ..options };
    let mut set = match read(&options) {
        // The samples may have the final size already: try without the image shape and size of the training data.
        Err(Failure::Failed(Error::Shape { .. })) if options.image_shape == m.reading.image_shape => {
            read(&LoadOptions { image_shape: None, resize: None, ..options })?
        }
        set => set?,
    };
    // A matrix without an image shape has that of the model.
    if set.image_shape.is_none() && set.n_features() == features {
        set.image_shape = m.image_shape;
    }
    if let (Some(expected), Some(found)) = (m.image_shape, set.image_shape)
        && expected != found
        && expected == found.ordered(expected.order)
    {
        let (from, to) = (name_of(&found.order), name_of(&expected.order));
        out.note(&format!(
            "{}: pixels that lie by {from} are put in the order of the model, by {to}; --pixel-order {to} leaves them as they are",
            path.display()
        ));
        set.reorder(expected.order);
    }
    let columns = set.columns_of(&m.feature_names).map_err(|found| {
        let message = format!(
            "{found}; the features of {} have names, and a table without a header line is taken in its order",
            file.display()
        );
        Error::format(path, message)
    })?;
    if m.feature_names.is_empty() != set.feature_names.is_empty() && m.image_shape.is_none() {
        let (with, without) = if set.feature_names.is_empty() { (file, path) } else { (path, file) };
        let (with, without) = (with.display(), without.display());
        out.note(&format!(
            "the features of {with} have names, those of {without} have none: they are taken in their order"
        ));
    }
    if let Some(columns) = columns {
        let left = set.n_features() - columns.len();
        let ordered = columns.is_sorted();
        set.choose_features(&columns)?;
        out.note(&match (left, ordered) {
            (0, _) => format!("{}: its columns are put in the order of the model", path.display()),
            (left, _) => format!("{}: {left} columns that the model does not know are left out", path.display()),
        });
    }
    let fits = set.n_features() == features
        && match (m.image_shape, set.image_shape) {
            (Some(expected), Some(found)) => expected == found,
            _ => true,
        };
    if fits {
        return Ok(set);
    }
    let say = |features: usize, shape: Option<ImageShape>| match shape {
        Some(s) => format!("{features} features ({})", shape_text(s)),
        None => format!("{features} features"),
    };
    let hint = match (m.image_shape, set.image_shape) {
        (Some(s), Some(_)) => format!("; --resize {}x{} makes them fit", s.width, s.height),
        _ => String::new(),
    };
    let message = format!(
        "expected samples of {} as in {}, found {}{hint}",
        say(features, m.image_shape),
        file.display(),
        say(set.n_features(), set.image_shape),
    );
    Err(Error::format(path, message).into())
}

/// The most bytes of a header in NumPy's format.
const NPY_HEADER: u64 = 256;

/// Takes coefficients, of some samples after the other.
type Take<'a> = dyn FnMut(ArrayView2<'_, f32>) -> deepnmf::Result<()> + 'a;

/// Writes coefficients as a format has them.
type WriteRows<'a> = dyn FnMut(ArrayView2<'_, f32>, &mut dyn Write) -> std::io::Result<()> + 'a;

/// Writes a header, and then the coefficients that `make` hands over, as `write` writes them.
fn save<T>(
    file: NewFile,
    header: &[u8],
    write: &mut WriteRows<'_>,
    make: impl FnOnce(&mut Take<'_>) -> deepnmf::Result<T>,
) -> Result<T> {
    let path = file.path().to_path_buf();
    let mut made = None;
    let written = file.write(|out| {
        out.write_all(header)?;
        made = Some(make(&mut |h| write(h, out).map_err(|e| Error::io(&path, e))));
        match &made {
            Some(Err(_)) => Err(ErrorKind::Other.into()),
            _ => Ok(()),
        }
    });
    match (made, written) {
        // Why nothing was written.
        (Some(Err(e)), _) | (_, Err(e)) => Err(e.into()),
        (Some(Ok(made)), Ok(())) => Ok(made),
        (None, Ok(())) => Err(Error::Data("nothing was written".into()).into()),
    }
}
