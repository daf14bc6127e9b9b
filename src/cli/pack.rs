//! `deepnmf pack`: any data set → one `.npy` file with what is known of its samples beside it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use deepnmf::data::{self, Dtype, PackOptions};
use serde_json::json;

use super::args::{DataArgs, named, shape_text};
use super::files::{existing, quoted};
use super::output::{Output, bytes, name_of, written};
use super::progress::Counter;
use super::{Result, signals};

/// Pack a data set into one .npy file, which can be streamed; labels, names and the shape of images go to a .json file beside it,
/// which fit, transform, evaluate and report read with it.
#[derive(clap::Args)]
#[command(after_help = "\
A pack that was stopped leaves X.npy.part and X.npy.part.json; the same command goes on from there.

Example:
  deepnmf pack photos/ --resize 64x64 --out photos.npy
  deepnmf fit photos.npy --layers 200,50")]
pub(crate) struct Args {
    /// A folder of images (sub-folders are classes), a TIFF of several, .mat, .h5, .h5ad, .npy, .npz, IDX, .csv, .tsv or .parquet (.npy,
    /// IDX, .csv and .tsv also as .gz)
    data: PathBuf,
    /// The .npy file to write; an existing file is replaced. What else is known goes to a file beside it: X.json for X.npy
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The type of numbers: u8 (values from 0 to 255, rounded), f32, or auto: u8 for images of 8 bits, and for other data that bytes
    /// hold exactly
    #[arg(long, value_name = "TYPE", default_value = "auto", value_parser = named::<Dtype>(["auto", "u8", "f32"]))]
    dtype: Dtype,
    /// Throw away what a pack that was stopped left, and begin anew
    #[arg(long)]
    restart: bool,
    #[command(flatten)]
    reading: DataArgs,
}

pub(crate) fn run(args: Args, out: &Output) -> Result {
    let path = existing(args.data)?;
    let (start, colour) = (Instant::now(), args.reading.colour);
    let options = PackOptions { reading: args.reading.options(), dtype: args.dtype, restart: args.restart };
    out.note(&format!("reading {}", path.display()));
    signals::leaves("; what is packed stays: the same command goes on with it");
    let mut counter = Counter::new("packing", Duration::ZERO, out);
    let packed = data::pack(&path, &args.out, &options, &mut |p| counter.report(p))?;
    drop(counter);
    let seconds = start.elapsed().as_secs_f64();
    packed.notes.iter().for_each(|note| out.note(&format!("{}: {note}", path.display())));
    let (n, m, dtype) = (packed.n_samples, packed.n_features, name_of(&packed.dtype));
    if colour && packed.image_shape.is_none_or(|shape| shape.channels != 3) {
        out.warn("--colour: the data has no images in colour");
    }
    if packed.rounded > 0 {
        out.note(&format!(
            "{} of {n} samples had values between whole numbers, which were rounded to bytes; --dtype f32 keeps them",
            packed.rounded
        ));
    }
    let rate = (n - packed.resumed) as f64 / seconds;
    if out.is_json() {
        return out.json(&json!({
            "data": path.display().to_string(),
            "out": args.out.display().to_string(),
            "sidecar": packed.sidecar.display().to_string(),
            "n_samples": n,
            "n_features": m,
            "dtype": dtype,
            "image_shape": packed.image_shape,
            "classes": packed.labels.as_ref().map(|(classes, _)| classes),
            "labels": packed.labels.as_ref().map(|(_, source)| source),
            "names": packed.named,
            "rounded": packed.rounded,
            "resumed": packed.resumed,
            "seconds": seconds,
            "samples_per_second": rate,
        }));
    }
    let shape = packed.image_shape.map_or_else(String::new, |shape| format!(" ({})", shape_text(shape)));
    out.summary("data", &format!("{}: {n} samples × {m} features{shape}", path.display()))?;
    if let Some((classes, source)) = &packed.labels {
        out.summary("labels", &format!("{classes} {} from {source}", if *classes == 1 { "class" } else { "classes" }))?;
    }
    if packed.resumed > 0 {
        out.summary("resumed", &format!("after {} samples", packed.resumed))?;
    }
    let of_sample = if packed.dtype == Dtype::U8 { m } else { 4 * m };
    let written_rate = bytes((rate * of_sample as f64) as u64);
    out.summary("seconds", &format!("{seconds:.1}, {rate:.0} samples/s, {written_rate}/s"))?;
    out.summary("written", &format!("{}, numbers of type {dtype}", written(&args.out)))?;
    out.summary("written", &format!("{}, what else is known of them", written(&packed.sidecar)))?;
    out.summary("next", &format!("deepnmf fit {} --layers …", quoted(&args.out)))
}
