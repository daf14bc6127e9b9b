//! Matrices and row numbers as tensors of a model file.

use std::io::Write;

use ndarray::Array2;
use safetensors::{Dtype, SafeTensors};

use crate::atomic::NewFile;
use crate::tensor_file::{self, Entry};
use crate::{Error, Result};

pub(super) const ROWS: &str = "training_rows";

pub(super) fn not_safetensors(e: safetensors::SafeTensorError) -> String {
    format!("expected a safetensors file, found something else or a part of one: {e}")
}

pub(super) fn matrix(file: &SafeTensors<'_>, name: &str) -> Result<Array2<f32>, String> {
    let tensor =
        file.tensor(name).map_err(|_| format!("expected a tensor {name}, found {}", file.names().join(", ")))?;
    let (dtype, shape) = (tensor.dtype(), tensor.shape());
    let (Dtype::F32, &[rows, cols]) = (dtype, shape) else {
        return Err(format!("{name}: expected an F32 matrix, found {dtype} of shape {shape:?}"));
    };
    let values = tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    Array2::from_shape_vec((rows, cols), values).map_err(|e| format!("{name}: {e}"))
}

/// The row numbers; files of earlier versions lack them.
pub(super) fn rows(file: &SafeTensors<'_>) -> Result<Vec<u32>, String> {
    let missing =
        "expected the rows of the training samples, found none; the model is of an earlier version: fit it again";
    let tensor = file.tensor(ROWS).map_err(|_| missing)?;
    let (dtype, shape) = (tensor.dtype(), tensor.shape());
    if (dtype, shape.len()) != (Dtype::U32, 1) {
        return Err(format!("{ROWS}: expected a U32 vector, found {dtype} of shape {shape:?}"));
    }
    Ok(tensor.data().chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
}

/// A tensor to write.
pub(super) enum Tensor<'a> {
    Matrix(&'a Array2<f32>),
    Rows(&'a [u32]),
}

impl Tensor<'_> {
    fn entry(&self, name: &str) -> Entry {
        let (dtype, shape) = match self {
            Self::Matrix(values) => ("F32", vec![values.nrows(), values.ncols()]),
            Self::Rows(rows) => ("U32", vec![rows.len()]),
        };
        Entry { name: name.into(), dtype, shape, size: 4 }
    }

    /// In logical order, whatever the layout in memory.
    fn write(&self, out: &mut dyn Write) -> std::io::Result<()> {
        match self {
            Self::Matrix(values) => values.iter().try_for_each(|v| out.write_all(&v.to_le_bytes())),
            Self::Rows(rows) => rows.iter().try_for_each(|row| out.write_all(&row.to_le_bytes())),
        }
    }
}

/// Writes a file of these tensors with one entry of metadata.
pub(super) fn write(file: NewFile, metadata: (&str, &str), tensors: &[(String, Tensor<'_>)]) -> Result<()> {
    let path = file.path().to_path_buf();
    let entries: Vec<_> = tensors.iter().map(|(name, tensor)| tensor.entry(name)).collect();
    let body = |out: &mut dyn Write| {
        tensors.iter().try_for_each(|(_, tensor)| tensor.write(out)).map_err(|e| Error::io(&path, e))
    };
    tensor_file::write(file, metadata, &entries, body).map(drop)
}
