//! Matrices in an HDF5 file, dense or sparse, and the texts beside them.

use std::path::{Path, PathBuf};

use hdf5_pure::{
    AttrValue, ChunkCacheConfig, Dataset, DatasetAccessProperties, Datatype, DatatypeByteOrder, File, FixedPointLayout,
    FloatingPointLayout, Group,
};
use ndarray::Array2;

use super::LoadOptions;
use super::budget::afford;
use super::labels::{self, Collector, Labels};
use super::source::{DEFLATE_RATIO, Kind, Number, product_text, too_large};
use crate::{Error, Result};

/// Bytes that are read at a time.
const WINDOW: u64 = 4 << 20;

/// A file whose arrays were chosen.
pub(super) struct Opened {
    pub(super) x: Stored,
    pub(super) labels: Option<Labels>,
    /// Of samples and features; empty where they have none.
    pub(super) names: Vec<String>,
    pub(super) feature_names: Vec<String>,
    /// Choices that no option made.
    pub(super) notes: Vec<String>,
}

/// A matrix in a file.
pub(super) enum Stored {
    Dense(Array),
    Sparse(Box<Sparse>),
}

impl Stored {
    /// As in the file.
    pub(super) fn shape(&self) -> &[u64] {
        match self {
            Self::Dense(x) => &x.shape,
            Self::Sparse(x) => x.shape(),
        }
    }
}

pub(super) fn is_text(datatype: &Datatype) -> bool {
    matches!(datatype, Datatype::String { .. } | Datatype::VariableLength { is_string: true, .. })
}

/// The kind of number, and whether it is big-endian.
pub(super) fn number(datatype: &Datatype) -> Option<(Kind, bool)> {
    let order = |order: &DatatypeByteOrder| match order {
        DatatypeByteOrder::LittleEndian => Some(false),
        DatatypeByteOrder::BigEndian => Some(true),
        DatatypeByteOrder::Vax => None,
    };
    match datatype {
        Datatype::FixedPoint {
            size,
            byte_order,
            layout: FixedPointLayout { signed, bit_offset: 0, bit_precision },
        } if size.checked_mul(8) == Some(u32::from(*bit_precision)) => {
            let kind = match (size, signed) {
                (1, false) => Kind::U8,
                (1, true) => Kind::I8,
                (2, false) => Kind::U16,
                (2, true) => Kind::I16,
                (4, false) => Kind::U32,
                (4, true) => Kind::I32,
                (8, false) => Kind::U64,
                (8, true) => Kind::I64,
                _ => return None,
            };
            Some((kind, order(byte_order)?))
        }
        Datatype::FloatingPoint { size, byte_order, layout } => {
            let FloatingPointLayout { exponent_size, mantissa_size, .. } = *layout;
            let kind = match (size, exponent_size, mantissa_size) {
                (2, 5, 10) => Kind::F16,
                (4, 8, 23) => Kind::F32,
                (8, 11, 52) => Kind::F64,
                _ => return None,
            };
            Some((kind, order(byte_order)?))
        }
        // Truth values of h5py.
        Datatype::Enumeration { base_type, .. } => number(base_type),
        _ => None,
    }
}

/// The texts of an array, if it holds texts.
pub(super) fn texts(dataset: &Dataset, path: &Path, opts: &LoadOptions) -> Result<Option<Vec<String>>> {
    let failed = |e| failed(path, e);
    if !is_text(&dataset.datatype().map_err(failed)?) {
        return Ok(None);
    }
    let texts = dataset.shape().map_err(failed)?.iter().fold(1u64, |n, &d| n.saturating_mul(d));
    let size = dataset.element_size().map_err(failed)?;
    let cost = (labels::CLASS_COST + size).saturating_mul(texts);
    afford(path, &format!("{texts} texts"), cost, opts.budget())?;
    let texts = dataset.read_string().map_err(failed)?;
    Ok(Some(texts.iter().map(|text| text.trim_end_matches('\0').trim().to_string()).collect()))
}

pub(super) fn read_labels(path: &Path, name: &str, dataset: &Dataset, opts: &LoadOptions) -> Result<Labels> {
    let named = format!("`{name}`");
    let failed = |e| failed(path, e);
    if number(&dataset.datatype().map_err(failed)?).is_some() {
        let array = Array::new(path, name, dataset.clone())?;
        return labels::from_numbers(&array.values(opts.budget())?, path, named);
    }
    let mut labels = Collector::default();
    texts(dataset, path, opts)?.unwrap_or_default().iter().for_each(|text| labels.push(text));
    Ok(labels.finish(named))
}

/// An array of numbers.
#[derive(Debug)]
pub(super) struct Array {
    /// For messages.
    pub(super) path: PathBuf,
    pub(super) dataset: Dataset,
    pub(super) kind: Kind,
    pub(super) big_endian: bool,
    /// As in the file.
    pub(super) shape: Vec<u64>,
    /// The bytes of the file.
    length: u64,
}

impl Array {
    /// One whose chunks are kept while they are needed.
    pub(super) fn cached(file: &File, path: &Path, name: &str, dataset: &Dataset, opts: &LoadOptions) -> Result<Self> {
        let cache = DatasetAccessProperties::new().with_chunk_cache(cache(path, dataset, opts)?);
        Self::new(path, name, file.dataset_with_options(name, cache).map_err(|e| failed(path, e))?)
    }

    pub(super) fn new(path: &Path, name: &str, dataset: Dataset) -> Result<Self> {
        let length = std::fs::metadata(path).map_err(|e| Error::io(path, e))?.len();
        let failed = |e| failed(path, e);
        let (datatype, shape) = (dataset.datatype().map_err(failed)?, dataset.shape().map_err(failed)?);
        let Some((kind, big_endian)) = number(&datatype) else {
            return Err(Error::format(path, format!("expected plain numbers, found `{name}` of another type")));
        };
        Ok(Self { path: path.join(name), dataset, kind, big_endian, shape, length })
    }

    pub(super) fn failed(&self, e: hdf5_pure::Error) -> Error {
        failed(&self.path, e)
    }

    /// Its bytes when unpacked: no more than the file can hold, and from chunks that lie in it.
    pub(super) fn bytes(&self) -> Result<u64> {
        if self.dataset.is_chunked() {
            for chunk in self.dataset.chunks().map_err(|e| self.failed(e))? {
                if chunk.address.saturating_add(chunk.storage_size) > self.length {
                    let (size, at) = (chunk.storage_size, chunk.address);
                    let message =
                        format!("expected a chunk of {size} bytes from byte {at} on, found {} bytes", self.length);
                    return Err(Error::format(&self.path, message));
                }
            }
        }
        let bytes = self.shape.iter().try_fold(self.kind.size(), |bytes, &d| bytes.checked_mul(d));
        let chunk = self.dataset.chunk_shape().map_err(|e| self.failed(e))?;
        let ratio = if self.dataset.filters().is_empty() { 1 } else { DEFLATE_RATIO };
        let most = self.length.saturating_mul(ratio);
        let chunk = chunk.iter().flatten().fold(self.kind.size(), |bytes, &d| bytes.saturating_mul(d));
        match bytes.filter(|bytes| *bytes <= most && chunk <= most.max(WINDOW)) {
            Some(bytes) => Ok(bytes),
            None => {
                let claim = product_text(&self.shape);
                let message =
                    format!("the header claims {claim} {:?} numbers, found at most {most} bytes for them", self.kind);
                Err(Error::format(&self.path, message))
            }
        }
    }

    pub(super) fn rows(&self, first: u64, rows: u64) -> Result<Vec<u8>> {
        self.dataset.read_raw_rows(first, rows).map_err(|e| self.failed(e))
    }

    /// All of its numbers, a window after the other.
    pub(super) fn values<T: Number>(&self, budget: u64) -> Result<Vec<T>> {
        let (bytes, size) = (self.bytes()?, self.kind.size());
        let what = format!("an array of {} {:?} numbers", product_text(&self.shape), self.kind);
        afford(&self.path, &what, (bytes / size).saturating_mul(T::COST), budget)?;
        // Rows of nothing take no time, however many there are.
        let rows = if bytes == 0 { 0 } else { self.shape.first().copied().unwrap_or(1) };
        let per_window = (WINDOW / (bytes / rows.max(1)).max(1)).max(1);
        let mut values = Vec::new();
        let mut first = 0;
        while first < rows {
            let read = self.rows(first, per_window.min(rows - first))?;
            let start = values.len();
            values.resize(start + read.len() / size as usize, T::from_f64(0.0));
            self.kind.decode(&read, self.big_endian, &mut values[start..]);
            if let Some((_, value)) = self.kind.overflow(&read, self.big_endian, &values[start..]) {
                return Err(Error::format(&self.path, too_large(&format!("{value:e}"))));
            }
            first += per_window;
        }
        match values.len() as u64 == bytes / size {
            true => Ok(values),
            false => Err(Error::format(&self.path, format!("expected {bytes} bytes, found fewer"))),
        }
    }
}

pub(super) fn failed(path: &Path, error: hdf5_pure::Error) -> Error {
    match error {
        hdf5_pure::Error::Io(e) => Error::io(path, e),
        other => Error::format(path, format!("expected an HDF5 file that can be read: {other}")),
    }
}

/// Room for the chunks side by side in which a sample lies, and for the next ones: they are needed again where a window ends inside
/// them.
fn cache(path: &Path, dataset: &Dataset, opts: &LoadOptions) -> Result<ChunkCacheConfig> {
    let failed = |e| failed(path, e);
    let (shape, size) = (dataset.shape().map_err(failed)?, dataset.element_size().map_err(failed)?);
    let Some(chunk) = dataset.chunk_shape().map_err(failed)? else { return Ok(ChunkCacheConfig::new()) };
    let across: Vec<u64> = shape.iter().zip(&chunk).skip(1).map(|(d, c)| d.div_ceil(*c.max(&1))).collect();
    let chunks = across.iter().fold(2u64, |n, &d| n.saturating_mul(d));
    let bytes = chunk.iter().fold(size, |n, &d| n.saturating_mul(d)).saturating_mul(chunks);
    afford(path, &format!("an array in chunks of {}", product_text(&chunk)), bytes, opts.budget())?;
    Ok(ChunkCacheConfig::new().with_max_bytes(bytes as usize).with_max_slots(chunks as usize))
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
    pub(super) fn open(group: &Group, path: &Path, key: &str) -> Result<Self> {
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
