//! How the data matrix is kept on a device.

/// How [`Backend::upload_data`](super::Backend::upload_data) keeps X.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Storage {
    /// As bytes where that loses nothing but roundings of f32, else as f32.
    Auto,
    /// As it is.
    F32,
    /// Rounded to halves: a relative error of 2⁻¹¹, half the memory.
    F16,
    /// As a byte and a scale per sample, `x_ij = s_i b_ij`: a quarter of the memory.
    U8,
}
