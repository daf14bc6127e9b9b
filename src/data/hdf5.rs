//! HDF5: arrays with names, in groups. MATLAB writes it as version 7.3 of `.mat`, with all axes in reverse order.

use std::path::{Path, PathBuf};

use hdf5_pure::{
    AttrValue, ChunkCacheConfig, Dataset, DatasetAccessProperties, Datatype, DatatypeByteOrder, File, FixedPointLayout,
    FloatingPointLayout, Group, Layout,
};

use super::anndata::{self, Sparse};
use super::arrange::{self, Located, Raw};
use super::budget::afford;
use super::labels::{self, Collector, Labels};
use super::source::{DEFLATE_RATIO, Kind, Number, Numbers, not_in_rows, product_text, too_large};
use super::{ImageSet, ImageShape, LoadOptions, idx, keys};
use crate::{Error, Result};

/// Bytes that are read at a time.
const WINDOW: u64 = 4 << 20;
/// The most arrays of a file, and groups within each other, that are looked at.
const ARRAYS: usize = 1000;
const DEPTH: usize = 8;

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
    Sparse(Sparse),
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

fn open(path: &Path, matlab: bool, opts: &LoadOptions) -> Result<Opened> {
    let failed = |e| failed(path, e);
    let file = File::open_streaming(path).map_err(failed)?;
    if anndata::is(&file) {
        return anndata::open(&file, path, opts);
    }
    let mut found = Vec::new();
    list(&file.root(), "", 0, &mut found).map_err(failed)?;
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

/// All arrays by their paths; those in groups after those beside the groups.
fn list(
    group: &Group,
    prefix: &str,
    depth: usize,
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
        list(&group.group(&name)?, &format!("{prefix}{name}/"), depth + 1, found)?;
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

fn is_text(datatype: &Datatype) -> bool {
    matches!(datatype, Datatype::String { .. } | Datatype::VariableLength { is_string: true, .. })
}

/// The kind of number, and whether it is big-endian.
fn number(datatype: &Datatype) -> Option<(Kind, bool)> {
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
        } if u32::from(*bit_precision) == 8 * size => {
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
    path: PathBuf,
    dataset: Dataset,
    kind: Kind,
    big_endian: bool,
    /// As in the file.
    shape: Vec<u64>,
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

    fn failed(&self, e: hdf5_pure::Error) -> Error {
        failed(&self.path, e)
    }

    /// Its bytes when unpacked: no more than the file can hold, and from chunks that lie in it.
    fn bytes(&self) -> Result<u64> {
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

    fn rows(&self, first: u64, rows: u64) -> Result<Vec<u8>> {
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
