//! Matrices and row numbers as tensors of a model file.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use ndarray::Array2;
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use super::others::Others;
use crate::atomic::NewFile;
use crate::tensor_file::{self, Entry};
use crate::{Error, Result};

pub(super) const ROWS: &str = "training_rows";

/// A file of tensors, which are read when they are asked for.
pub(super) struct Tensors {
    file: File,
    header: Metadata,
    /// Where the numbers begin.
    start: u64,
}

impl Tensors {
    /// Reads the header. Memory is allocated for what the file has, whatever its header says.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let mut file = File::open(path).map_err(|e| Error::io(path, e))?;
        let length = file.metadata().map_err(|e| Error::io(path, e))?.len();
        let wrong = |found: &dyn std::fmt::Display| {
            let message = format!("expected a safetensors file, found something else or a part of one: {found}");
            Error::format(path, message)
        };
        let mut size = [0; 8];
        file.read_exact(&mut size).map_err(|e| wrong(&e))?;
        let size = u64::from_le_bytes(size);
        let start = size.checked_add(8).filter(|start| *start <= length);
        let start = start.ok_or_else(|| wrong(&format!("a header of {size} bytes in a file of {length}")))?;
        let mut json = vec![0; size as usize];
        file.read_exact(&mut json).map_err(|e| wrong(&e))?;
        // The places of the tensors are checked against their shapes.
        let header: Metadata = serde_json::from_slice(&json).map_err(|e| wrong(&e))?;
        let (expected, found) = (header.data_len() as u64, length - start);
        if expected != found {
            return Err(wrong(&format!("{found} bytes of numbers instead of {expected}")));
        }
        Ok(Self { file, header, start })
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.header.metadata().as_ref()?.get(key).map(String::as_str)
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.header.offset_keys()
    }

    /// The numbers of a tensor that is there.
    fn bytes(&self, of: &TensorInfo) -> Result<Vec<u8>, String> {
        let (from, to) = of.data_offsets;
        let mut bytes = vec![0; to - from];
        let mut file = &self.file;
        let place = SeekFrom::Start(self.start + from as u64);
        let read = file.seek(place).and_then(|_| file.read_exact(&mut bytes));
        read.map_err(|e| format!("expected {} bytes of a tensor, found that they cannot be read: {e}", to - from))?;
        Ok(bytes)
    }

    /// A matrix; its numbers only where they are `wanted`, else it has no rows.
    pub(super) fn matrix(&self, name: &str, wanted: bool) -> Result<Array2<f32>, String> {
        let tensor = self.header.info(name);
        let tensor = tensor.ok_or_else(|| format!("expected a tensor {name}, found {}", self.names().join(", ")))?;
        let (Dtype::F32, &[rows, cols]) = (tensor.dtype, &tensor.shape[..]) else {
            return Err(format!("{name}: expected an F32 matrix, found {} of shape {:?}", tensor.dtype, tensor.shape));
        };
        if !wanted {
            return Ok(Array2::zeros((0, cols)));
        }
        let bytes = self.bytes(tensor)?;
        let values = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        Array2::from_shape_vec((rows, cols), values).map_err(|e| format!("{name}: {e}"))
    }

    /// The row numbers; files of earlier versions lack them.
    pub(super) fn rows(&self) -> Result<Vec<u32>, String> {
        let missing =
            "expected the rows of the training samples, found none; the model is of an earlier version: fit it again";
        let tensor = self.header.info(ROWS).ok_or(missing)?;
        if (tensor.dtype, tensor.shape.len()) != (Dtype::U32, 1) {
            return Err(format!("{ROWS}: expected a U32 vector, found {} of shape {:?}", tensor.dtype, tensor.shape));
        }
        let bytes = self.bytes(tensor)?;
        Ok(bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    }
}

/// A tensor to write.
pub(super) enum Tensor<'a> {
    Matrix(&'a Array2<f32>),
    /// Coefficients, which other ranks may have more rows of: those that these call by this number.
    Samples(&'a Array2<f32>, &'a Others, usize),
    Rows(&'a [u32]),
}

impl Tensor<'_> {
    fn entry(&self, name: &str) -> Entry {
        let (dtype, shape) = match self {
            Self::Matrix(values) => ("F32", vec![values.nrows(), values.ncols()]),
            Self::Samples(values, others, _) => ("F32", vec![values.nrows() + others.rows(), values.ncols()]),
            Self::Rows(rows) => ("U32", vec![rows.len()]),
        };
        Entry { name: name.into(), dtype, shape, size: 4 }
    }

    /// In logical order, whatever the layout in memory.
    fn write(&self, path: &Path, out: &mut dyn Write) -> Result<()> {
        let mut all = |values: &Array2<f32>| {
            values.iter().try_for_each(|v| out.write_all(&v.to_le_bytes())).map_err(|e| Error::io(path, e))
        };
        match self {
            Self::Matrix(values) => all(values),
            Self::Samples(values, others, number) => {
                all(values)?;
                others.each(*number, values.ncols(), &mut all)
            }
            Self::Rows(rows) => {
                rows.iter().try_for_each(|row| out.write_all(&row.to_le_bytes())).map_err(|e| Error::io(path, e))
            }
        }
    }
}

/// Writes a file of these tensors with one entry of metadata.
pub(super) fn write(file: NewFile, metadata: (&str, &str), tensors: &[(String, Tensor<'_>)]) -> Result<()> {
    let path = file.path().to_path_buf();
    let entries: Vec<_> = tensors.iter().map(|(name, tensor)| tensor.entry(name)).collect();
    let body = |out: &mut dyn Write| tensors.iter().try_for_each(|(_, tensor)| tensor.write(&path, out));
    tensor_file::write(file, metadata, &entries, body).map(drop)
}
