//! Options for reading.

use super::shape::{ImageShape, PixelOrder};

/// Which axis of a matrix holds the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SamplesAxis {
    /// The axis whose length is the number of labels; rows if both axes fit, or without labels.
    #[default]
    Auto,
    /// One sample per row.
    Rows,
    /// One sample per column.
    Columns,
}

/// Options for reading; the default suits every format.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct LoadOptions {
    /// The array of a `.mat` or `.npz` file that holds the samples.
    pub x_key: Option<String>,
    /// The array (`.mat`, `.npz`) or column (`.csv`) that holds the labels.
    pub y_key: Option<String>,
    /// Whether data without the array or column [`LoadOptions::y_key`] are read without labels instead of refused.
    #[serde(skip)]
    pub y_optional: bool,
    /// Columns of a table that are no features, whatever they hold. Those that a table does not have are noted.
    pub leave_out: Vec<String>,
    /// How many labels there may be for the samples, if that is known from elsewhere: [`SamplesAxis::Auto`] takes the side that fits.
    #[serde(skip)]
    pub n_labels: Vec<usize>,
    /// Resize every image to `(width, height)` pixels.
    pub resize: Option<(usize, usize)>,
    /// The image shape, if the file has none or a wrong one: as in the file, before grey and resizing. Its order of pixels
    /// is [`LoadOptions::pixel_order`].
    pub image_shape: Option<ImageShape>,
    /// The order of the pixels of an image; None: column by column in `.mat`, else row by row.
    pub pixel_order: Option<PixelOrder>,
    /// Which axis of a `.mat`, `.npy` or `.npz` matrix holds the samples.
    pub samples: SamplesAxis,
    /// Keeps three channels; otherwise colours become grey (luma: 0.2126 R + 0.7152 G + 0.0722 B).
    pub colour: bool,
    /// Leaves out the images of a folder that do not decode; a note counts them.
    #[serde(skip)]
    pub skip_broken: bool,
    /// Replaces negative values by 0.
    pub clip_negative: bool,
    /// The bytes of memory that reading may take; None: half of what is free.
    #[serde(skip)]
    pub memory: Option<u64>,
}

impl LoadOptions {
    /// Whether a column of this name is to be left out.
    pub(super) fn leaves_out(&self, heading: &str) -> bool {
        self.leave_out.iter().any(|name| name.eq_ignore_ascii_case(heading))
    }

    /// The note about a column of [`LoadOptions::leave_out`] that is not there.
    pub fn no_column(name: &str) -> String {
        format!("there is no column `{name}` to leave out")
    }

    /// Notes about columns that are to be left out and are not there.
    pub(super) fn not_left_out(&self, headings: &[&str]) -> Vec<String> {
        let missing = |name: &&String| !headings.iter().any(|heading| name.eq_ignore_ascii_case(heading));
        self.leave_out.iter().filter(missing).map(|name| Self::no_column(name)).collect()
    }
}

/// The note about data without what [`LoadOptions::y_key`] names, where [`LoadOptions::y_optional`].
pub(super) fn unlabelled(what: &str, key: &str) -> String {
    format!("there is no {what} `{key}`: read without labels")
}
