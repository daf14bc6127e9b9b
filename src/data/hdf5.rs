//! HDF5: arrays with names, in groups. MATLAB writes it as version 7.3 of `.mat`, with all axes in reverse order.

use std::path::Path;

use hdf5_pure::{AttrValue, Dataset, File, Group, Layout};

use super::arrange::{self, Located, Raw};
use super::source::{Numbers, not_in_rows};
use super::stored::{Array, Opened, Stored, failed, is_text, number, read_labels};
use super::{ImageSet, ImageShape, LoadOptions, anndata, idx, keys};
use crate::{Error, Result};

/// The most arrays of a file, and groups within each other, that are looked at.
const ARRAYS: usize = 1000;
const DEPTH: usize = 8;
/// Groups that are looked into: those that lead back to themselves by several names would take for ever.
const GROUPS: usize = 4096;

pub(super) fn load(path: &Path, matlab: bool, opts: &LoadOptions) -> Result<ImageSet> {
    let Opened { x, labels, names, feature_names, mut notes } = open(path, matlab, opts)?;
    let values = match &x {
        Stored::Dense(x) => x.values::<f32>(opts.budget())?,
        Stored::Sparse(x) => {
            let (values, note) = x.dense(path, opts)?;
            notes.push(note);
            values
        }
    };
    let raw = Raw { values, shape: in_order(x.shape().to_vec(), matlab), fortran: matlab };
    // Samples with names are rows.
    let opts = if names.is_empty() { opts.clone() } else { idx::by_rows(opts) };
    let mut set = arrange::image_set(raw, labels, path, &opts)?;
    set.notes.extend(notes);
    (set.names, set.feature_names) = (names, feature_names);
    if matlab {
        set.image_shape = ImageShape::square(set.n_features());
    }
    Ok(set)
}

/// Where the samples are, with the labels and notes: in one piece, or else in the chunks that are returned.
pub(super) fn locate(path: &Path, matlab: bool, opts: &LoadOptions) -> Result<(Located, Option<Chunked>)> {
    let Opened { x, labels, names, feature_names, notes } = open(path, matlab, opts)?;
    let Stored::Dense(x) = x else { return Err(not_in_rows(path, "its matrix is sparse")) };
    let (kind, big_endian, shape, bytes) = (x.kind, x.big_endian, in_order(x.shape.clone(), matlab), x.bytes()?);
    let (start, chunked) = match x.dataset.layout().map_err(|e| x.failed(e))? {
        Layout::Contiguous { address: Some(start), size } if size >= bytes => (start, None),
        _ => (0, Some(Chunked(x))),
    };
    let numbers = Numbers { start, kind, big_endian, shape, fortran: matlab };
    Ok((Located { numbers, labels, names, feature_names, notes }, chunked))
}

/// Samples that are not in one piece.
#[derive(Debug)]
pub(super) struct Chunked(Array);

impl Chunked {
    /// Fills `out` with samples of `bytes` bytes from sample `first` on.
    pub(super) fn read(&self, first: usize, bytes: usize, out: &mut [u8]) -> Result<()> {
        let found = self.0.rows(first as u64, (out.len() / bytes) as u64)?;
        if found.len() != out.len() {
            let message = format!("expected {} bytes of samples from {first} on, found {}", out.len(), found.len());
            return Err(Error::format(&self.0.path, message));
        }
        out.copy_from_slice(&found);
        Ok(())
    }
}

fn open(path: &Path, matlab: bool, opts: &LoadOptions) -> Result<Opened> {
    let failed = |e| failed(path, e);
    let file = File::open_streaming(path).map_err(failed)?;
    if anndata::is(&file) {
        return anndata::open(&file, path, opts);
    }
    let mut found = Vec::new();
    list(&file.root(), "", (0, &mut { GROUPS }), &mut found).map_err(failed)?;
    let arrays: Vec<_> = found.iter().map(|(name, dataset)| describe(name, dataset, matlab)).collect();
    let chosen = keys::choose(&arrays, path, opts)?;
    let labels = chosen.y.map(|y| read_labels(path, &found[y].0, &found[y].1, opts)).transpose()?;
    if matlab && arrays[chosen.x].shape.len() != 2 {
        let message = format!("expected a matrix of two dimensions, found {}", arrays[chosen.x].describe());
        return Err(Error::format(path, message));
    }
    let (name, dataset) = found.swap_remove(chosen.x);
    let x = Stored::Dense(Array::cached(&file, path, &name, &dataset, opts)?);
    Ok(Opened { x, labels, names: Vec::new(), feature_names: Vec::new(), notes: chosen.notes })
}

/// All arrays by their paths; those in groups after those beside the groups.
fn list(
    group: &Group,
    prefix: &str,
    (depth, left): (usize, &mut usize),
    found: &mut Vec<(String, Dataset)>,
) -> std::result::Result<(), hdf5_pure::Error> {
    for name in group.datasets()? {
        if found.len() < ARRAYS {
            let dataset = group.dataset(&name)?;
            found.push((format!("{prefix}{name}"), dataset));
        }
    }
    // MATLAB keeps what its own arrays refer to in groups with such names.
    for name in group.groups()?.into_iter().filter(|name| !name.starts_with('#') && depth < DEPTH) {
        if *left > 0 {
            *left -= 1;
            list(&group.group(&name)?, &format!("{prefix}{name}/"), (depth + 1, left), found)?;
        }
    }
    Ok(())
}

fn describe(name: &str, dataset: &Dataset, matlab: bool) -> keys::Array {
    let is = |class: &str| {
        let attributes = dataset.attrs().unwrap_or_default();
        matches!(attributes.get("MATLAB_class"), Some(AttrValue::AsciiString(s) | AttrValue::String(s)) if s == class)
    };
    let odd = match dataset.datatype() {
        Err(_) => Some("unreadable".into()),
        Ok(datatype) if number(&datatype).is_none() && !is_text(&datatype) => Some("of no plain numbers".into()),
        Ok(_) if is("char") => Some("MATLAB text".into()),
        Ok(_) => None,
    };
    let shape = in_order(dataset.shape().unwrap_or_default(), matlab);
    keys::Array { name: name.to_string(), shape, odd }
}

/// A shape as the program means it that wrote the file.
fn in_order(mut shape: Vec<u64>, matlab: bool) -> Vec<u64> {
    if matlab {
        shape.reverse();
    }
    shape
}
