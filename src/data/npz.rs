//! NumPy's `.npz`: a zip archive of `.npy` files.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use zip::ZipArchive;
use zip::result::ZipError;

use super::source::Source;
use super::{ImageSet, LoadOptions, arrange, labels, npy};
use crate::{Error, Result};

const X_KEYS: [&str; 4] = ["x", "X", "data", "arr_0"];
const Y_KEYS: [&str; 3] = ["y", "labels", "arr_1"];

type Archive = ZipArchive<BufReader<File>>;

pub(super) fn load(path: &Path, opts: &LoadOptions) -> Result<ImageSet> {
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let length = file.metadata().map_err(|e| Error::io(path, e))?.len();
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|e| failed(path, e))?;
    // A member whose name is not text cannot be asked for.
    let names: Vec<String> =
        archive.file_names().flatten().filter_map(|n| n.strip_suffix(".npy").map(String::from)).collect();
    let found = |key: &str| names.iter().any(|n| n == key);
    let missing = |what: &str, wanted: &str| {
        Error::format(path, format!("expected an array {wanted} for the {what}, found: {}", names.join(", ")))
    };
    let x_key = match &opts.x_key {
        Some(key) => found(key).then_some(key.as_str()).ok_or_else(|| missing("samples", &format!("`{key}`")))?,
        None => {
            let known = X_KEYS.into_iter().find(|key| found(key));
            known.ok_or_else(|| missing("samples", &format!("`{}` (or another by its key)", X_KEYS.join("`, `"))))?
        }
    };
    let y_key = match &opts.y_key {
        Some(key) => Some(found(key).then_some(key.as_str()).ok_or_else(|| missing("labels", &format!("`{key}`")))?),
        None => Y_KEYS.into_iter().find(|key| found(key)),
    };
    let labels = match y_key {
        Some(key) => {
            let values = with_array(&mut archive, key, path, length, npy::read_labels)?;
            Some(labels::from_numbers(&values, path)?)
        }
        None => None,
    };
    let raw = with_array(&mut archive, x_key, path, length, npy::read_values)?;
    arrange::image_set(raw, labels, path, opts)
}

/// Lets `read` take one member, and no more of it than the archive's directory and size allow.
fn with_array<T>(
    archive: &mut Archive,
    key: &str,
    path: &Path,
    length: u64,
    read: impl FnOnce(&mut Source<'_>) -> Result<T>,
) -> Result<T> {
    let member = archive.by_name(&format!("{key}.npy")).map_err(|e| failed(path, e))?;
    let (unpacked, packed) = (member.size(), member.compressed_size().min(length));
    // Errors name the member too.
    let name = path.join(format!("{key}.npy"));
    read(&mut Source::deflated(&name, member, packed).at_most(unpacked))
}

fn failed(path: &Path, error: ZipError) -> Error {
    match error {
        ZipError::Io(e) if e.kind() != std::io::ErrorKind::UnexpectedEof => Error::io(path, e),
        other => Error::format(path, format!("expected a zip archive of .npy files: {other}")),
    }
}
