//! How files are read.

use super::shape::{ImageShape, PixelOrder};

/// Which axis of a matrix is the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SamplesAxis {
    /// The axis as long as the labels; rows if both fit, or without labels.
    #[default]
    Auto,
    /// One sample a row.
    Rows,
    /// One sample a column.
    Columns,
}

/// How to read; the default suits every format.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct LoadOptions {
    /// The array of a `.mat` or `.npz` file that holds the samples.
    pub x_key: Option<String>,
    /// The array (`.mat`, `.npz`) or column (`.csv`) that holds the labels.
    pub y_key: Option<String>,
    /// Data without that array or column are read without labels.
    #[serde(skip)]
    pub y_optional: bool,
    /// Resize every image to `(width, height)` pixels.
    pub resize: Option<(usize, usize)>,
    /// The shape of an image where the file does not say it, or says it wrongly; as in the file,
    /// before grey and resizing. [`LoadOptions::pixel_order`] says the order of its pixels.
    pub image_shape: Option<ImageShape>,
    /// In which order the pixels of an image lie in a row of a matrix; None: column by column in `.mat`, else row by row.
    pub pixel_order: Option<PixelOrder>,
    /// Which axis is the samples, in `.mat`, `.npy` and `.npz` matrices.
    pub samples: SamplesAxis,
    /// Keep three channels; else colour becomes grey by luma (0.2126 R + 0.7152 G + 0.0722 B).
    pub colour: bool,
    /// Make negative values 0.
    pub clip_negative: bool,
    /// How many bytes of memory reading may take; None: half of what is free.
    #[serde(skip)]
    pub memory: Option<u64>,
}
