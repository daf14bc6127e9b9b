//! Arguments that several commands share, and how they are read.

use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use deepnmf::backend::Precision;
use deepnmf::backend::gpu::{GpuOptions, Tune};
use deepnmf::data::{ImageShape, LoadOptions, SamplesAxis};
use deepnmf::{DeviceRequest, Engine, Error};

use super::Result;
use super::output::Output;

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
}

impl DeviceArg {
    pub(crate) fn request(self) -> Result<DeviceRequest> {
        if let Some(device) = self.device {
            return Ok(device);
        }
        match std::env::var("DEEPNMF_DEVICE") {
            Ok(name) if !name.trim().is_empty() => Ok(name.parse()?),
            _ => Ok(DeviceRequest::Auto),
        }
    }

    pub(crate) fn open(self, out: &Output) -> Result<Engine> {
        self.open_for(Precision::F32, out)
    }

    pub(crate) fn open_for(self, precision: Precision, out: &Output) -> Result<Engine> {
        let tune = if self.no_tune { Tune::Never } else { Tune::Auto };
        let engine = Engine::open_with(&self.request()?, GpuOptions { tune, precision, ..GpuOptions::default() })?;
        out.detail(&format!("device {}", engine.device_name()));
        Ok(engine)
    }
}

/// How a data set is read.
#[derive(clap::Args)]
#[command(next_help_heading = "Reading the data")]
pub(crate) struct DataArgs {
    /// Resize every image to W×H pixels
    #[arg(long, value_name = "WxH", value_parser = size)]
    resize: Option<(usize, usize)>,
    /// The array of the samples in a .mat or .npz file [default: fea, x, …, or the only matrix]
    #[arg(long, value_name = "NAME")]
    x_key: Option<String>,
    /// The array of the labels in a .mat or .npz file [default: gnd, y, …]
    #[arg(long, value_name = "NAME")]
    y_key: Option<String>,
    /// How a row of a matrix is an image: height × width, and 3 for colour
    #[arg(long, value_name = "HxW[xC]", value_parser = image_shape)]
    image_shape: Option<ImageShape>,
    /// Which side of a matrix is the samples: auto (the one as long as the labels, else rows), rows or columns
    #[arg(long, default_value = "auto", value_parser = ["auto", "rows", "columns"])]
    samples: String,
    /// Keep the colours of images; otherwise they become grey
    #[arg(long)]
    colour: bool,
}

impl DataArgs {
    pub(crate) fn options(self) -> LoadOptions {
        LoadOptions {
            resize: self.resize,
            x_key: self.x_key,
            y_key: self.y_key,
            image_shape: self.image_shape,
            samples: match self.samples.as_str() {
                "rows" => SamplesAxis::Rows,
                "columns" => SamplesAxis::Columns,
                _ => SamplesAxis::Auto,
            },
            colour: self.colour,
        }
    }
}

/// A value by the name it is serialised by, one of `names`.
pub(crate) fn named<T>(names: impl Into<PossibleValuesParser>) -> impl TypedValueParser<Value = T>
where
    T: serde::de::DeserializeOwned + Clone + Send + Sync + 'static,
{
    names.into().try_map(|name| serde_json::from_value::<T>(serde_json::Value::String(name)))
}

/// A path that has to exist: said before anything else is done, and in the words of the file system.
pub(crate) fn existing(path: PathBuf) -> Result<PathBuf> {
    std::fs::metadata(&path).map_err(|e| Error::io(&path, e))?;
    Ok(path)
}

/// `32×32`, or `32×32×3` in colour.
pub(crate) fn shape_text(shape: ImageShape) -> String {
    let ImageShape { height, width, channels } = shape;
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
        Some(&[height, width]) => Ok(ImageShape { height, width, channels: 1 }),
        Some(&[height, width, channels @ (1 | 3)]) => Ok(ImageShape { height, width, channels }),
        _ => Err("expected height and width in pixels, and 3 for colour, as in 48x64 or 48x64x3".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(image_shape("48x64"), Ok(ImageShape { height: 48, width: 64, channels: 1 }));
        assert_eq!(image_shape("48x64x3"), Ok(ImageShape { height: 48, width: 64, channels: 3 }));
        for bad in ["48", "48x64x2", "48x64x0", "48x64x3x1", "48 by 64"] {
            assert!(image_shape(bad).is_err(), "{bad}");
        }
    }
}
