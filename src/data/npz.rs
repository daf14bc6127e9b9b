//! NumPy's `.npz`: a zip archive of `.npy` files.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::arrange::Located;
use super::labels::Labels;
use super::source::{Source, not_in_rows};
use super::{ImageSet, LoadOptions, arrange, keys, npy};
use crate::{Error, Result};

type Archive = ZipArchive<BufReader<File>>;

pub(super) fn load(path: &Path, opts: &LoadOptions) -> Result<ImageSet> {
    let Opened { mut archive, length, x, labels, notes } = open(path, opts)?;
    let raw = with_array(&mut archive, &x, path, length, opts.budget(), npy::read_values)?;
    let mut set = arrange::image_set(raw, labels, path, opts)?;
    set.notes.extend(notes);
    Ok(set)
}

/// Where the samples are, with the labels and notes.
///
/// # Errors
/// As [`load`], and [`Error::Config`] for an array that is compressed.
pub(super) fn locate(path: &Path, opts: &LoadOptions) -> Result<Located> {
    let Opened { mut archive, x, labels, notes, .. } = open(path, opts)?;
    let member = archive.by_name(&format!("{x}.npy")).map_err(|e| failed(path, e))?;
    let (Some(start), CompressionMethod::Stored) = (member.data_start(), member.compression()) else {
        return Err(not_in_rows(path, &format!("`{x}` is compressed")));
    };
    let size = member.size();
    let mut numbers = npy::locate(&mut Source::exact(&path.join(format!("{x}.npy")), member, size, u64::MAX))?;
    numbers.start += start;
    Ok(Located::new(numbers, labels, notes))
}

/// An archive whose arrays were chosen.
struct Opened {
    archive: Archive,
    /// Its size in bytes.
    length: u64,
    /// The array of the samples.
    x: String,
    labels: Option<Labels>,
    /// Choices that no option made.
    notes: Vec<String>,
}

fn open(path: &Path, opts: &LoadOptions) -> Result<Opened> {
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let length = file.metadata().map_err(|e| Error::io(path, e))?.len();
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|e| failed(path, e))?;
    // Members whose names are not text are skipped: no option can name them.
    let member = |name: &str| archive.file_names().flatten().any(|member| member == name);
    if let Some(what) = [("xl/workbook.xml", "an Excel workbook"), ("content.xml", "an OpenDocument file")]
        .into_iter()
        .find_map(|(name, what)| member(name).then_some(what))
    {
        return Err(Error::format(path, format!("this is {what}, which is not read; save it as CSV")));
    }
    let names: Vec<String> =
        archive.file_names().flatten().filter_map(|n| n.strip_suffix(".npy").map(String::from)).collect();
    let has = |name: &str| names.iter().any(|n| n == name);
    if has("format") && has("shape") && has("data") && (has("indices") || has("row") || has("offsets")) {
        let message = "this is a sparse matrix as scipy.sparse.save_npz writes it, which is not read; in Python: \
                       numpy.savez(file, x=scipy.sparse.load_npz(file).toarray())";
        return Err(Error::format(path, message));
    }
    let mut arrays = Vec::with_capacity(names.len());
    for name in names {
        // An array that cannot be described may not be needed.
        let described = with_array(&mut archive, &name, path, length, u64::MAX, npy::describe);
        let (shape, odd) = described.unwrap_or_else(|_| (Vec::new(), Some("unreadable".into())));
        arrays.push(keys::Array { name, shape, odd });
    }
    let chosen = keys::choose(&arrays, path, opts)?;
    let labels = match chosen.y.map(|y| &arrays[y].name) {
        Some(key) => Some(with_array(&mut archive, key, path, length, opts.budget(), |source| {
            npy::read_labels(source, path, format!("`{key}`"))
        })?),
        None => None,
    };
    Ok(Opened { archive, length, x: arrays.swap_remove(chosen.x).name, labels, notes: chosen.notes })
}

/// Calls `read` on one member, with no more bytes than the directory and the size of the archive (`length`) allow.
fn with_array<T>(
    archive: &mut Archive,
    key: &str,
    path: &Path,
    length: u64,
    budget: u64,
    read: impl FnOnce(&mut Source<'_>) -> Result<T>,
) -> Result<T> {
    let member = archive.by_name(&format!("{key}.npy")).map_err(|e| failed(path, e))?;
    let (unpacked, packed) = (member.size(), member.compressed_size().min(length));
    // Errors name the member too.
    let name = path.join(format!("{key}.npy"));
    read(&mut Source::deflated(&name, member, packed, budget).at_most(unpacked))
}

fn failed(path: &Path, error: ZipError) -> Error {
    match error {
        ZipError::Io(e) if e.kind() != std::io::ErrorKind::UnexpectedEof => Error::io(path, e),
        other => Error::format(path, format!("expected a zip archive of .npy files: {other}")),
    }
}
