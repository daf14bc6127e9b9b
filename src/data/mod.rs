//! Files → [`ImageSet`]: one row per sample, whatever the format.

use ndarray::Array2;

/// How the pixels of one sample lie in its row: `height × width × channels`, row-major, channels
/// innermost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ImageShape {
    /// Rows of pixels.
    pub height: usize,
    /// Columns of pixels.
    pub width: usize,
    /// 1 for grey, 3 for colour.
    pub channels: usize,
}

/// Samples with what is known about them.
#[derive(Debug, Clone)]
pub struct ImageSet {
    /// `samples × features`.
    pub x: Array2<f32>,
    /// How a row is an image, where that is known.
    pub image_shape: Option<ImageShape>,
    /// The class of every sample, an index into [`ImageSet::classes`].
    pub labels: Option<Vec<usize>>,
    /// The names of the classes, as the source spells them.
    pub classes: Vec<String>,
    /// A name for every sample: its file, or its row number.
    pub names: Vec<String>,
}
