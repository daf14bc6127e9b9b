//! AnnData in HDF5 (`.h5ad`): samples are its observations, features its variables. X or a layer is dense, or sparse by rows (CSR) or by
//! columns (CSC); what is sparse is held dense.

use std::path::Path;

use hdf5_pure::{AttrValue, Dataset, File, Group};
use ndarray::Array2;

use super::budget::afford;
use super::hdf5::{Array, Opened, Stored, failed, read_labels, texts};
use super::labels::{Collector, Labels};
use super::set::all_different;
use super::source::product_text;
use super::{LoadOptions, SamplesAxis};
use crate::{Error, Result};

/// Whether the file says that it is one.
pub(super) fn is(file: &File) -> bool {
    let attributes = file.root().attrs().unwrap_or_default();
    attributes.get("encoding-type").and_then(AttrValue::as_str) == Some("anndata")
}

/// Chooses the matrix that `x_key` names, such as `layers/counts`, or else X, and as labels the column of `obs` that `y_key` names.
pub(super) fn open(file: &File, path: &Path, opts: &LoadOptions) -> Result<Opened> {
    if opts.samples == SamplesAxis::Columns {
        return Err(Error::Config(format!("{}: the samples of an .h5ad file are its rows", path.display())));
    }
    let root = file.root();
    let key = opts.x_key.as_deref().unwrap_or("X");
    let x = match (file.dataset(key), file.group(key)) {
        (Ok(dataset), _) => Stored::Dense(Array::cached(file, path, key, &dataset, opts)?),
        (_, Ok(group)) => Stored::Sparse(Sparse::open(&group, path, key)?),
        _ => {
            let layers = root.group("layers").and_then(|layers| Ok([layers.datasets()?, layers.groups()?].concat()));
            let layers: String = layers.unwrap_or_default().iter().map(|name| format!(", `layers/{name}`")).collect();
            let message = format!("expected a matrix `{key}`, found `X`{layers}; --x-key NAME takes another one");
            return Err(Error::format(path, message));
        }
    };
    let (obs, var) = (root.group("obs").ok(), root.group("var").ok());
    let names = |group: &Option<Group>| group.as_ref().map_or(Ok(Vec::new()), |group| index(group, path, opts));
    let (names, feature_names) = (names(&obs)?, names(&var)?);
    let shape = x.shape();
    for (side, names, what) in [(0, &names, "obs"), (1, &feature_names, "var")] {
        if shape.len() != 2 || !names.is_empty() && shape[side] != names.len() as u64 {
            let found = product_text(shape);
            let message = format!("expected `{key}` to fit the {} names in `{what}`, found {found}", names.len());
            return Err(Error::format(path, message));
        }
    }
    let mut notes = Vec::new();
    let columns = obs.as_ref().map_or(Ok(Vec::new()), |obs| columns_of(obs)).map_err(|e| failed(path, e))?;
    let labels = match (&opts.y_key, &obs) {
        (Some(key), Some(obs)) if columns.contains(key) => Some(column(obs, key, path, opts)?),
        (Some(key), _) if opts.y_optional => {
            notes.push(format!("there is no column `{key}`: read without labels"));
            None
        }
        (Some(key), _) => {
            let message = format!("expected a column `{key}` of obs for the labels, found: {}", columns.join(", "));
            return Err(Error::format(path, message));
        }
        (None, _) if columns.is_empty() => None,
        (None, _) => {
            notes.push(format!("no labels were asked for; --y-key NAME takes a column of obs: {}", columns.join(", ")));
            None
        }
    };
    Ok(Opened { x, labels, names, feature_names: all_different(feature_names), notes })
}

/// The names of the rows of a table; none if they are no texts.
fn index(group: &Group, path: &Path, opts: &LoadOptions) -> Result<Vec<String>> {
    let attributes = group.attrs().map_err(|e| failed(path, e))?;
    let name = attributes.get("_index").and_then(AttrValue::as_str).unwrap_or("_index");
    group.dataset(name).map_or(Ok(Vec::new()), |dataset| Ok(texts(&dataset, path, opts)?.unwrap_or_default()))
}

/// The columns of a table without its index.
fn columns_of(group: &Group) -> std::result::Result<Vec<String>, hdf5_pure::Error> {
    let attributes = group.attrs()?;
    let index = attributes.get("_index").and_then(AttrValue::as_str).unwrap_or("_index");
    let mut columns = [group.datasets()?, group.groups()?].concat();
    columns.retain(|name| name != index && name != "__categories");
    columns.sort();
    Ok(columns)
}

/// A column of a table: numbers, texts, or categories with a code for every row, -1 where there is none.
fn column(group: &Group, key: &str, path: &Path, opts: &LoadOptions) -> Result<Labels> {
    let failed = |e| failed(path, e);
    let source = format!("`obs/{key}`");
    if let Ok(dataset) = group.dataset(key) {
        return read_labels(path, &format!("obs/{key}"), &dataset, opts);
    }
    let inner = group.group(key).map_err(failed)?;
    let array = |name: &str| inner.dataset(name).map_err(failed);
    let categories = match texts(&array("categories")?, path, opts)? {
        Some(texts) => texts,
        None => numbers(array("categories")?, path, opts)?.iter().map(f64::to_string).collect(),
    };
    let mut labels = Collector::default();
    for code in numbers(array("codes")?, path, opts)? {
        labels.push(if code < 0.0 { "" } else { categories.get(code as usize).map_or("", String::as_str) });
    }
    Ok(labels.finish(source))
}

fn numbers(dataset: Dataset, path: &Path, opts: &LoadOptions) -> Result<Vec<f64>> {
    Array::new(path, "", dataset)?.values(opts.budget())
}

/// A matrix whose zeros are not stored.
pub(super) struct Sparse {
    shape: [u64; 2],
    by_rows: bool,
    data: Array,
    indices: Array,
    starts: Array,
}

impl Sparse {
    fn open(group: &Group, path: &Path, key: &str) -> Result<Self> {
        let failed = |e| failed(path, e);
        let attributes = group.attrs().map_err(failed)?;
        let by_rows = match attributes.get("encoding-type").and_then(AttrValue::as_str) {
            Some("csr_matrix") => true,
            Some("csc_matrix") => false,
            other => {
                let found = other.unwrap_or("a group");
                return Err(Error::format(
                    path,
                    format!("expected `{key}` to be a matrix, dense, CSR or CSC, found {found}"),
                ));
            }
        };
        let shape = attributes.get("shape").and_then(two).ok_or_else(|| {
            Error::format(path, format!("expected the shape of the sparse matrix `{key}` as two numbers, found none"))
        })?;
        let array = |name: &str| {
            let dataset = group.dataset(name).map_err(failed)?;
            Array::new(path, &format!("{key}/{name}"), dataset)
        };
        Ok(Self { shape, by_rows, data: array("data")?, indices: array("indices")?, starts: array("indptr")? })
    }

    pub(super) fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// All of it, and a note about its zeros.
    pub(super) fn dense(&self, path: &Path, opts: &LoadOptions) -> Result<(Vec<f32>, String)> {
        let wrong = |message: &str| Error::format(path, format!("expected a sparse matrix, but {message}"));
        let [n, m] = self.shape;
        let (major, minor) = if self.by_rows { (n, m) } else { (m, n) };
        let starts: Vec<f64> = self.starts.values(opts.budget())?;
        if starts.len() as u64 != major.saturating_add(1) || starts.windows(2).any(|pair| pair[0] > pair[1]) {
            return Err(wrong("`indptr` does not fit its shape"));
        }
        let needed = n.saturating_mul(m).saturating_mul(8);
        afford(path, &format!("a sparse matrix of {n}×{m}, held dense,"), needed, opts.budget())?;
        let (data, indices): (Vec<f32>, Vec<f64>) =
            (self.data.values(opts.budget())?, self.indices.values(opts.budget())?);
        if data.len() != indices.len() || starts.first() != Some(&0.0) || starts.last() != Some(&(data.len() as f64)) {
            return Err(wrong("`data`, `indices` and `indptr` do not fit each other"));
        }
        let mut x = Array2::<f32>::zeros((n as usize, m as usize));
        for (i, pair) in starts.windows(2).enumerate() {
            for p in pair[0] as usize..pair[1] as usize {
                if !(0.0..minor as f64).contains(&indices[p]) {
                    return Err(wrong(&format!("the index {} is not below {minor}", indices[p])));
                }
                let j = indices[p] as usize;
                x[if self.by_rows { [i, j] } else { [j, i] }] += data[p];
            }
        }
        let share = 100.0 * data.len() as f64 / (n * m).max(1) as f64;
        Ok((
            x.into_raw_vec_and_offset().0,
            format!("the matrix is sparse ({share:.1} % of its values are stored) and is held dense"),
        ))
    }
}

/// An attribute of two whole numbers.
fn two(value: &AttrValue) -> Option<[u64; 2]> {
    let numbers: Vec<u64> = match value {
        AttrValue::I64Array(v) => v.iter().map(|v| u64::try_from(*v).ok()).collect::<Option<_>>()?,
        AttrValue::I32Array(v) => v.iter().map(|v| u64::try_from(*v).ok()).collect::<Option<_>>()?,
        AttrValue::U64Array(v) => v.clone(),
        AttrValue::U32Array(v) => v.iter().copied().map(u64::from).collect(),
        _ => return None,
    };
    numbers.try_into().ok()
}
