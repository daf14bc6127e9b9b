//! AnnData in HDF5 (`.h5ad`): samples are its observations, features its variables. X or a layer is dense, or sparse by rows (CSR) or by
//! columns (CSC); what is sparse is held dense.

use std::path::Path;

use hdf5_pure::{AttrValue, Dataset, File, Group};

use super::keys::listed;
use super::labels::{Collector, Labels};
use super::options::unlabelled;
use super::set::all_different;
use super::source::product_text;
use super::stored::{Array, Opened, Sparse, Stored, failed, read_labels, texts};
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
        (_, Ok(group)) => Stored::Sparse(Box::new(Sparse::open(&group, path, key)?)),
        _ => {
            let layers = root.group("layers").and_then(|layers| Ok([layers.datasets()?, layers.groups()?].concat()));
            let layers: String =
                layers.unwrap_or_default().iter().map(|name| format!("; there is `layers/{name}`")).collect();
            let message = format!("expected a matrix `{key}`, found none{layers}; --x-key NAME takes another one");
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
    let columns = obs.as_ref().map_or(Ok(Vec::new()), columns_of).map_err(|e| failed(path, e))?;
    let labels = match (&opts.y_key, &obs) {
        (Some(key), Some(obs)) if columns.contains(key) => Some(column(obs, key, path, opts)?),
        (Some(key), _) if opts.y_optional => {
            notes.push(unlabelled("column", key));
            None
        }
        (Some(key), _) => {
            let message = format!(
                "expected a column `{key}` of obs for the labels, found {}",
                listed(key, columns.iter().map(String::as_str))
            );
            return Err(Error::format(path, message));
        }
        (None, _) if columns.is_empty() => None,
        (None, _) => {
            notes.push(format!("no labels were asked for; --y-key NAME takes a column of obs: {}", columns.join(", ")));
            None
        }
    };
    Ok(Opened { x, labels, names, feature_names: all_different(feature_names, &mut notes), notes })
}

/// The names of the rows of a table; none if they are no texts.
fn index(group: &Group, path: &Path, opts: &LoadOptions) -> Result<Vec<String>> {
    let name = &index_of(group).map_err(|e| failed(path, e))?;
    if let Ok(dataset) = group.dataset(name) {
        return Ok(texts(&dataset, path, opts)?.unwrap_or_default());
    }
    let Ok(inner) = group.group(name) else { return Ok(Vec::new()) };
    // Texts of which some may be missing, or codes of categories.
    if let Ok(values) = inner.dataset("values") {
        return Ok(texts(&values, path, opts)?.unwrap_or_default());
    }
    let Labels { of, classes, .. } = column(group, name, path, opts)?;
    Ok(of.into_iter().map(|class| class.map_or(String::new(), |class| classes[class].clone())).collect())
}

/// The column that is the index of a table.
fn index_of(group: &Group) -> std::result::Result<String, hdf5_pure::Error> {
    Ok(group.attrs()?.get("_index").and_then(AttrValue::as_str).unwrap_or("_index").into())
}

/// The columns of a table without its index.
fn columns_of(group: &Group) -> std::result::Result<Vec<String>, hdf5_pure::Error> {
    let index = index_of(group)?;
    let mut columns = [group.datasets()?, group.groups()?].concat();
    columns.retain(|name| *name != index && name != "__categories");
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
    if let (Ok(values), Ok(mask)) = (inner.dataset("values"), inner.dataset("mask")) {
        let Labels { of, classes, .. } = read_labels(path, &format!("obs/{key}"), &values, opts)?;
        let mut labels = Collector::default();
        for (class, missing) in of.into_iter().zip(numbers(mask, path, opts)?) {
            labels.push(class.filter(|_| missing == 0.0).map_or("", |class| classes[class].as_str()));
        }
        return Ok(labels.finish(source));
    }
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
