//! Matrices and row numbers as tensors of a model file.

use ndarray::Array2;
use safetensors::{Dtype, SafeTensors, View};

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

/// A tensor to write. Its little-endian bytes are made only when safetensors asks for them.
pub(super) enum Tensor<'a> {
    Matrix([usize; 2], &'a Array2<f32>),
    Rows([usize; 1], &'a [u32]),
}

impl<'a> Tensor<'a> {
    pub(super) fn matrix(values: &'a Array2<f32>) -> Self {
        Self::Matrix([values.nrows(), values.ncols()], values)
    }
}

impl View for Tensor<'_> {
    fn dtype(&self) -> Dtype {
        match self {
            Self::Matrix(..) => Dtype::F32,
            Self::Rows(..) => Dtype::U32,
        }
    }
    fn shape(&self) -> &[usize] {
        match self {
            Self::Matrix(shape, _) => shape,
            Self::Rows(shape, _) => shape,
        }
    }
    fn data(&self) -> std::borrow::Cow<'_, [u8]> {
        match self {
            // In logical order, whatever the layout in memory.
            Self::Matrix(_, values) => values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>().into(),
            Self::Rows(_, rows) => rows.iter().flat_map(|row| row.to_le_bytes()).collect::<Vec<u8>>().into(),
        }
    }
    fn data_len(&self) -> usize {
        4 * self.shape().iter().product::<usize>()
    }
}
