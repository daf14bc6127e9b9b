//! Arguments that several commands share.

use std::ffi::OsStr;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use deepnmf::backend::Precision;
use deepnmf::backend::gpu::{GpuOptions, Tune};
use deepnmf::data::{self, ImageSet, ImageShape, LoadOptions, PixelOrder, SamplesAxis};
use deepnmf::{DeviceRequest, Engine, Error};

use super::Result;
use super::output::{Output, name_of};

/// Where to compute.
#[derive(clap::Args, Clone)]
pub(crate) struct DeviceArg {
    /// Where to compute: auto (a real GPU, else the CPU), gpu (any adapter), cpu, or an adapter's number or part of its
    /// name as `deepnmf devices` lists them [default: auto, or what DEEPNMF_DEVICE says]
    #[arg(long, value_name = "D", value_parser = DeviceRequest::from_str)]
    device: Option<DeviceRequest>,
    /// Do not measure, the first time a GPU is opened, which kernels are fastest on it
    #[arg(long)]
    no_tune: bool,
    /// The memory of a GPU that may be taken, as in 512M or 8G; samples that it has no room for are streamed to it [default: all
    /// that it has]
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    device_memory: Option<u64>,
}

impl DeviceArg {
    pub(crate) fn request(self) -> Result<DeviceRequest> {
        let device = match (self.device, std::env::var("DEEPNMF_DEVICE")) {
            (Some(device), _) => device,
            (None, Ok(name)) if !name.trim().is_empty() => name.parse()?,
            _ => DeviceRequest::Auto,
        };
        Ok(if deepnmf::ranks::launched().is_some() { device_of_rank(device) } else { device })
    }

    pub(crate) fn open(self, out: &Output) -> Result<Engine> {
        self.open_for(Precision::F32, out)
    }

    pub(crate) fn open_for(self, precision: Precision, out: &Output) -> Result<Engine> {
        let tune = if self.no_tune { Tune::Never } else { Tune::Auto };
        let max_bytes = self.device_memory;
        let options = GpuOptions { tune, precision, max_bytes, ..GpuOptions::default() };
        let engine = Engine::open_with(&self.request()?, options)?;
        if max_bytes.is_some() && engine.stats().is_none() {
            out.note("--device-memory is of a GPU, and the device is the CPU: --memory is of the host");
        }
        out.detail(&format!("device {}", engine.device_name()));
        Ok(engine)
    }
}

/// Of the real GPUs of this machine the one of this process, in turn; without any, what was asked for.
fn device_of_rank(request: DeviceRequest) -> DeviceRequest {
    if !matches!(request, DeviceRequest::Auto | DeviceRequest::Gpu) {
        return request;
    }
    let real = |d: &deepnmf::DeviceInfo| d.problem.is_none() && d.backend != "gl" && d.kind.ends_with("-gpu");
    let gpus: Vec<usize> = deepnmf::devices().iter().filter(|d| real(d)).map(|d| d.index).collect();
    let (local, _) = deepnmf::ranks::on_this_machine();
    match gpus.len() {
        0 => request,
        count => DeviceRequest::Index(gpus[local % count]),
    }
}

/// Options for reading a data set.
#[derive(clap::Args)]
#[command(next_help_heading = "Reading the data")]
pub(crate) struct DataArgs {
    /// Resize every image to W×H pixels; other proportions are stretched to these
    #[arg(long, value_name = "WxH", value_parser = size, requires = "data")]
    resize: Option<(usize, usize)>,
    /// The array of the samples in a .mat, .h5 or .npz file [default: fea, x, data, …, or the only matrix]
    #[arg(long, value_name = "NAME", requires = "data")]
    x_key: Option<String>,
    /// The labels: an array of a .mat, .h5 or .npz file [default: gnd, y, labels, …], or a column of a .csv file [default: label,
    /// labels or class]
    #[arg(long, value_name = "NAME", requires = "data")]
    y_key: Option<String>,
    /// How a row of a matrix is an image: height × width, and 3 for colour
    #[arg(long, value_name = "HxW[xC]", value_parser = image_shape, requires = "data")]
    image_shape: Option<ImageShape>,
    /// Whether samples are the rows or the columns of a matrix; auto: the side as long as the labels, else rows [default: auto]
    #[arg(long, value_parser = named::<SamplesAxis>(["auto", "rows", "columns"]), requires = "data")]
    samples: Option<SamplesAxis>,
    /// Keep the colours of images; otherwise they become grey
    #[arg(long, requires = "data")]
    pub(crate) colour: bool,
    /// The order of the pixels of an image: row by row or column by column [default: columns in .mat files, else rows]
    #[arg(long, value_name = "ORDER", value_parser = named::<PixelOrder>(["rows", "columns"]), requires = "data")]
    pixel_order: Option<PixelOrder>,
    /// Leave out images that do not decode, and say how many; every image is decoded once more for that
    #[arg(long, requires = "data")]
    skip_broken: bool,
    /// A column of a table that is no feature; may be given more than once
    #[arg(long, value_name = "COLUMN", requires = "data")]
    leave_out: Vec<String>,
    /// Replace negative values by 0
    #[arg(long, requires = "data")]
    clip_negative: bool,
    /// The memory that may be taken, as in 512M or 8G; samples that it has no room for are streamed [default: half of what is free]
    #[arg(long, value_name = "SIZE", value_parser = memory, requires = "data")]
    memory: Option<u64>,
}

impl DataArgs {
    pub(crate) fn options(self) -> LoadOptions {
        LoadOptions {
            resize: self.resize,
            x_key: self.x_key,
            y_key: self.y_key,
            y_optional: false,
            leave_out: self.leave_out,
            n_labels: Vec::new(),
            image_shape: self.image_shape,
            samples: self.samples.unwrap_or_default(),
            colour: self.colour,
            pixel_order: self.pixel_order,
            skip_broken: self.skip_broken,
            clip_negative: self.clip_negative,
            memory: self.memory,
        }
    }

    /// These options, completed by those that the data of a model were read with, as far as they apply to the format of `path`.
    /// Notes say which are taken over and which are overridden.
    pub(crate) fn over(self, of_model: &LoadOptions, path: &Path, out: &Output) -> Result<LoadOptions> {
        let kept = data::applicable(path, of_model)?;
        let auto = self.samples == Some(SamplesAxis::Auto);
        let mut options = self.options();
        let before = flags(&options);
        options.resize = options.resize.or(kept.resize);
        options.x_key = options.x_key.or_else(|| kept.x_key.clone());
        // No option asks for labels: data without them are read too.
        options.y_optional = options.y_key.is_none();
        options.y_key = options.y_key.or_else(|| kept.y_key.clone());
        if options.leave_out.is_empty() {
            options.leave_out.clone_from(&kept.leave_out);
        }
        options.image_shape = options.image_shape.or(kept.image_shape);
        options.pixel_order = options.pixel_order.or(kept.pixel_order);
        options.colour |= kept.colour;
        options.clip_negative |= kept.clip_negative;
        if options.samples == SamplesAxis::Auto && !auto {
            options.samples = kept.samples;
        }
        let (after, kept) = (flags(&options), flags(&kept));
        let said = |flags: Vec<&Flag>| {
            flags.iter().map(|(f, v)| format!("{f} {v}").trim_end().to_string()).collect::<Vec<_>>()
        };
        let taken = said(after.iter().filter(|flag| !before.contains(flag)).collect());
        let overruled = said(kept.iter().filter(|flag| !after.contains(flag)).collect());
        if !taken.is_empty() {
            out.note(&format!("reading as the data of the model were read: {}", taken.join(" ")));
        }
        if !overruled.is_empty() {
            out.note(&format!("not as the data of the model were read: {}", overruled.join(" ")));
        }
        Ok(options)
    }

    /// What [`Asked::check`] needs of these options.
    pub(crate) fn asked(&self) -> Asked {
        Asked { colour: self.colour, leave_out: self.leave_out.clone() }
    }
}

/// What was asked for of the data, and not taken over from a model.
pub(crate) struct Asked {
    colour: bool,
    leave_out: Vec<String>,
}

impl Asked {
    /// Refuses --colour for data without colours, and --leave-out of columns that are not there.
    pub(crate) fn check<X>(&self, set: &ImageSet<X>, path: &Path) -> Result {
        if let Some(name) = self.leave_out.iter().find(|name| set.notes.contains(&LoadOptions::no_column(name))) {
            return Err(Error::format(path, format!("--leave-out: {}", LoadOptions::no_column(name))).into());
        }
        if self.colour && set.image_shape.is_none_or(|shape| shape.channels != 3) {
            return Err(
                Error::format(path, "--colour: expected images in colour, found grey ones, or no images").into()
            );
        }
        Ok(())
    }
}

/// An option and its value.
type Flag = (&'static str, String);

/// The options that differ from the default, as on the command line.
fn flags(options: &LoadOptions) -> Vec<Flag> {
    let LoadOptions {
        resize, x_key, y_key, image_shape, pixel_order, samples, colour, clip_negative, leave_out, ..
    } = options;
    let shape = |s: &ImageShape| format!("{}x{}{}", s.height, s.width, if s.channels == 3 { "x3" } else { "" });
    let values = [
        ("--resize", resize.map(|(width, height)| format!("{width}x{height}"))),
        ("--x-key", x_key.clone()),
        ("--y-key", y_key.clone()),
        ("--leave-out", (!leave_out.is_empty()).then(|| leave_out.join(" --leave-out "))),
        ("--image-shape", image_shape.as_ref().map(shape)),
        ("--samples", (*samples != SamplesAxis::Auto).then(|| name_of(samples))),
        ("--colour", colour.then(String::new)),
        ("--pixel-order", pixel_order.as_ref().map(name_of)),
        ("--clip-negative", clip_negative.then(String::new)),
    ];
    values.into_iter().filter_map(|(flag, value)| Some((flag, value?))).collect()
}

/// Parses a value by its serialised name, one of `names`.
pub(crate) fn named<T>(names: impl Into<PossibleValuesParser>) -> impl TypedValueParser<Value = T>
where
    T: serde::de::DeserializeOwned + Clone + Send + Sync + 'static,
{
    names.into().try_map(|name| serde_json::from_value::<T>(serde_json::Value::String(name)))
}

/// Parses a value by its name, one of `names`, with the errors of the library; shells complete the names.
#[derive(Clone)]
pub(crate) struct Known<T> {
    names: Vec<&'static str>,
    parse: fn(&str) -> deepnmf::Result<T>,
}

pub(crate) fn known<T: FromStr<Err = Error>>(names: impl Iterator<Item = &'static str>) -> Known<T> {
    Known { names: names.collect(), parse: T::from_str }
}

impl<T: Clone + Send + Sync + 'static> TypedValueParser for Known<T> {
    type Value = T;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&clap::Arg>,
        value: &OsStr,
    ) -> std::result::Result<T, clap::Error> {
        TypedValueParser::parse_ref(&self.parse, command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.names.iter().map(PossibleValue::new)))
    }
}

/// Parses an item of a list, which may have blanks around it.
pub(crate) fn item<T: FromStr>(text: &str) -> std::result::Result<T, T::Err> {
    text.trim().parse()
}

/// `32×32`, or `32×32×3` in colour.
pub(crate) fn shape_text(shape: ImageShape) -> String {
    let ImageShape { height, width, channels, .. } = shape;
    if channels == 1 { format!("{height}×{width}") } else { format!("{height}×{width}×{channels}") }
}

fn numbers(text: &str) -> Option<Vec<usize>> {
    text.split(['x', 'X', '×']).map(|n| n.trim().parse().ok().filter(|n| *n > 0)).collect()
}

fn size(text: &str) -> std::result::Result<(usize, usize), String> {
    match numbers(text).as_deref() {
        Some(&[width, height]) => Ok((width, height)),
        _ => Err("expected width and height in pixels, as in 64x48".into()),
    }
}

fn image_shape(text: &str) -> std::result::Result<ImageShape, String> {
    match numbers(text).as_deref() {
        Some(&[height, width]) => Ok(ImageShape::new(height, width, 1)),
        Some(&[height, width, channels @ (1 | 3)]) => Ok(ImageShape::new(height, width, channels)),
        _ => Err("expected height and width in pixels, and 3 for colour, as in 48x64 or 48x64x3".into()),
    }
}

/// Parses a number of bytes. K, M, G and T are powers of 1024; B or iB may follow them.
fn memory(text: &str) -> std::result::Result<u64, String> {
    let upper = text.trim().to_ascii_uppercase();
    let at = upper.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(upper.len());
    let (number, unit) = upper.split_at(at);
    let unit = unit.trim();
    let power = ["", "K", "M", "G", "T"]
        .iter()
        .position(|p| unit.strip_prefix(p).is_some_and(|u| matches!(u, "" | "B" | "IB")));
    match (number.parse::<f64>(), power) {
        (Ok(number), Some(power)) if number > 0.0 => Ok((number * 1024f64.powi(power as i32)) as u64),
        _ => Err("expected a size, as in 512M or 8G".into()),
    }
}

/// Seconds of wall time.
pub(crate) fn seconds(text: &str) -> std::result::Result<f64, String> {
    let seconds = text.parse().ok().filter(|s: &f64| *s > 0.0 && *s <= 1e7);
    seconds.ok_or_else(|| "expected a number of seconds above 0, at most 1e7".into())
}

/// A [`duration`] that is not 0.
pub(crate) fn time_limit(text: &str) -> std::result::Result<Duration, String> {
    duration(text).and_then(|time| if time.is_zero() { Err("expected a time above 0".into()) } else { Ok(time) })
}

/// A number of samples; `all` is more than there are.
pub(crate) fn samples_or_all(text: &str) -> std::result::Result<usize, String> {
    let samples = if text == "all" { Some(usize::MAX) } else { text.parse().ok().filter(|n| *n > 0) };
    samples.ok_or_else(|| "expected a number of samples from 1 on, or all".into())
}

/// A time: seconds, or with the unit s, m or h.
pub(crate) fn duration(text: &str) -> std::result::Result<Duration, String> {
    let (number, unit) = text.split_at(text.trim_end_matches(char::is_alphabetic).len());
    let unit = match unit {
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => f64::NAN,
    };
    let seconds = number.parse().map(|number: f64| number * unit).ok().filter(|s| (0.0..=1e7).contains(s));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "expected a time, as in 30s, 5m or 2h, at most 1e7 s".into())
}

/// The layer that `--layer` names, of the `depth` layers of the model in `file`.
pub(super) fn layer_of(layer: usize, depth: usize, file: &Path) -> Result<usize> {
    if (1..=depth).contains(&layer) {
        return Ok(layer);
    }
    let message = format!("--layer: expected 1 to {depth}, the layers of {}, found {layer}", file.display());
    Err(Error::Config(message).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_memory_have_units_of_1024() {
        for (text, bytes) in
            [("100", 100), ("2k", 2048), ("512M", 512 << 20), ("1.5GiB", 3 << 29), ("8 GB", 8 << 30), ("1TB", 1 << 40)]
        {
            assert_eq!(memory(text), Ok(bytes), "{text}");
        }
        for bad in ["", "0", "-1", "G", "1.2.3", "8 GiBs", "8E", "eight"] {
            assert!(memory(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_are_two_positive_numbers() {
        assert_eq!(size("64x48"), Ok((64, 48)));
        assert_eq!(size("64×48"), Ok((64, 48)));
        for bad in ["", "64", "64x", "0x4", "-1x4", "64x48x3", "a×b", "99999999999999999999x1"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn image_shapes_are_height_and_width_and_maybe_channels() {
        assert_eq!(image_shape("48x64"), Ok(ImageShape::new(48, 64, 1)));
        assert_eq!(image_shape("48x64x3"), Ok(ImageShape::new(48, 64, 3)));
        for bad in ["48", "48x64x2", "48x64x0", "48x64x3x1", "48 by 64"] {
            assert!(image_shape(bad).is_err(), "{bad}");
        }
    }
}
