//! Files → [`ImageSet`]: one row per sample, whatever the format.
//!
//! [`load`] recognises the format by content and reads it; sizes that a file claims are checked against the bytes it has.
//! [`open`] leaves the samples in their file, to be read a few at a time whenever they are needed.
//! [`pack()`] writes them to such a file. [`preprocess()`] scales, [`validate_nonnegative`] refuses data that a nonnegative factorization cannot take,
//! [`train_per_class`] splits into training and test samples.
//!
//! | source | samples | labels |
//! |---|---|---|
//! | folder | the images in it, in natural order (`s2` before `s10`), and the pages of TIFFs | the sub-folders |
//! | TIFF of several pages | the pages | none |
//! | `.mat`, HDF5 (`.h5`), `.npz` | `fea`, `x`, `data`, `features` or `arr_0`, or the only matrix | `gnd`, `y`, `labels`, `label` or `arr_1` |
//! | `.npy` | the array | those in the sidecar of [`pack()`] |
//! | AnnData (`.h5ad`) | `X`, or a layer; dense or sparse | a column of `obs`, when asked for |
//! | IDX (MNIST) | `…images-idx3…` | `…labels-idx1…` beside it |
//! | `.csv`, `.tsv`, Parquet | the rows | a column named `label`, `labels` or `class` |
//!
//! Names of arrays and columns may be in upper or lower case. The first column of a CSV file names the samples if it is text,
//! or if its header is empty, `index`, `id`, `name`, `file` or the like. A label that is empty, NaN or NA means: no label.
//! Choices that the reader makes on its own are reported in [`ImageSet::notes`].

mod anndata;
mod arrange;
mod budget;
mod check;
mod columns;
mod csv;
mod dialect;
pub mod embedded;
mod folder;
mod format;
mod hdf5;
mod headings;
mod idx;
mod igo;
mod inputs;
mod keys;
mod labels;
mod load;
mod mat;
mod npy;
mod npz;
mod options;
mod pack;
mod parquet;
mod picture;
mod preprocess;
mod resize;
mod samples;
mod set;
mod shape;
mod sidecar;
mod source;
mod split;
mod stored;
mod stream;
mod table;

pub use check::{Checked, Look, validate_finite, validate_nonnegative};
pub use inputs::{applicable, reads};
pub use labels::minus_one;
pub use load::{load, load_with};
pub use npy::npy_header;
pub use options::{LoadOptions, SamplesAxis};
pub use pack::{Dtype, PackOptions, Packed, pack};
pub use preprocess::{Features, Preprocess, Scale, preprocess, preprocess_features};
pub use samples::Samples;
pub use set::{Dim, ImageSet, SoFar};
pub use shape::{ImageShape, PixelOrder};
pub use sidecar::sidecar_of;
pub use split::train_per_class;
pub use stream::{FileSamples, ReadAhead, Reading, open, open_by};
pub use table::{Join, Table};
