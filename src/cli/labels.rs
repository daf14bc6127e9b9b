//! Labels that came with the samples, or stand in a table beside them.

use std::path::Path;

use deepnmf::Error;
use deepnmf::data::{self, ImageSet};

use super::Result;

/// The classes of all samples by one attribute, and what it is called.
pub(super) type Attribute = (String, Vec<usize>);

/// Those that came with the samples of `path`.
pub(super) fn own(set: &ImageSet, path: &Path) -> Result<Attribute> {
    Ok(("class".into(), set.labels.clone().ok_or_else(|| missing(path))?))
}

/// There are none for the samples of `path`.
pub(super) fn missing(path: &Path) -> Error {
    let message = "expected labels (sub-folders, gnd or y, or --y-key), found none; --labels reads them from a file";
    Error::format(path, message)
}

/// Those of a column of a table, which has a line for every sample.
pub(super) fn of_column(file: &Path, column: &str, set: &ImageSet) -> Result<Attribute> {
    let names = data::read_labels(file, column)?;
    if names.len() != set.n_samples() {
        let (expected, found) = (set.n_samples(), names.len());
        let message = format!("expected {expected} labels, one for every sample, found {found}");
        return Err(Error::format(file, message).into());
    }
    Ok((column.into(), data::classes(&names).0))
}
