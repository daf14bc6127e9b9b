//! MATLAB version 5 files: their dense numeric matrices, compressed or not.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::read::ZlibDecoder;

use super::source::{Kind, Number, Source};
use super::{ImageSet, ImageShape, LoadOptions, arrange, keys, labels};
use crate::{Error, Result};

pub(super) fn load(path: &Path, opts: &LoadOptions) -> Result<ImageSet> {
    let mut file = MatFile::open(path, opts.budget())?;
    let arrays: Vec<_> = file.matrices.iter().map(Matrix::array).collect();
    let chosen = keys::choose(&arrays, path, opts)?;
    let x = file.matrices[chosen.x].clone();
    if x.dims.len() != 2 {
        let message = format!("expected a matrix of two dimensions, found {}", arrays[chosen.x].describe());
        return Err(Error::format(path, message));
    }
    let labels = match chosen.y.map(|y| file.matrices[y].clone()) {
        Some(y) => Some(labels::from_numbers(&file.values(&y)?, path, format!("`{}`", y.name))?),
        None => None,
    };
    let raw = arrange::Raw { values: file.values(&x)?, shape: x.dims, fortran: true };
    let mut set = arrange::image_set(raw, labels, path, opts)?;
    set.notes.extend(chosen.notes);
    set.image_shape = ImageShape::square(set.n_features());
    Ok(set)
}

/// The header of a matrix.
#[derive(Debug, Clone)]
struct Matrix {
    name: String,
    dims: Vec<u64>,
    class: u8,
    complex: bool,
    /// The offset of its element in the file, in bytes.
    at: u64,
}

impl Matrix {
    fn array(&self) -> keys::Array {
        let odd = match self.class {
            1 => "cell",
            2 => "struct",
            3 => "object",
            4 => "char",
            5 => "sparse",
            6..=15 if self.complex => "complex",
            6..=15 => "",
            _ => "other",
        };
        let odd = (!odd.is_empty()).then(|| odd.to_string());
        keys::Array { name: self.name.clone(), shape: self.dims.clone(), odd }
    }
}

/// The tag before every element.
struct Tag {
    kind: u32,
    size: u32,
    /// The content of an element of up to four bytes, which lies in the tag itself.
    inside: Option<[u8; 4]>,
}

impl Tag {
    fn number(&self) -> Option<Kind> {
        Some(match self.kind {
            1 => Kind::I8,
            2 => Kind::U8,
            3 => Kind::I16,
            4 => Kind::U16,
            5 => Kind::I32,
            6 => Kind::U32,
            7 => Kind::F32,
            9 => Kind::F64,
            12 => Kind::I64,
            13 => Kind::U64,
            _ => return None,
        })
    }
}

const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;

struct MatFile {
    path: PathBuf,
    file: File,
    length: u64,
    big_endian: bool,
    /// The bytes of memory that reading may take.
    budget: u64,
    matrices: Vec<Matrix>,
}

impl MatFile {
    /// Reads the headers of all matrices.
    fn open(path: &Path, budget: u64) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, e))?;
        let length = file.metadata().map_err(|e| Error::io(path, e))?.len();
        let head = Source::exact(path, &file, length, budget).array::<128>("the MATLAB header")?;
        let big_endian = match &head[126..] {
            b"IM" => false,
            b"MI" => true,
            other => {
                return Err(Error::format(path, format!("expected the byte-order mark IM or MI, found {other:?}")));
            }
        };
        let mut mat = Self { path: path.to_path_buf(), file, length, big_endian, budget, matrices: Vec::new() };
        let mut at = 128;
        while at < length {
            let (matrix, next) = mat.element(at, |mat, source| mat.header(source, at))?;
            mat.matrices.extend(matrix);
            at = next;
        }
        Ok(mat)
    }

    /// The numbers of a matrix, column by column.
    fn values<T: Number>(&mut self, matrix: &Matrix) -> Result<Vec<T>> {
        let (values, _) = self.element(matrix.at, |mat, source| {
            mat.header(source, matrix.at)?;
            let tag = mat.tag(source)?;
            let count = matrix.dims.iter().try_fold(1u64, |n, &d| n.checked_mul(d));
            let expected = tag.number().and_then(|kind| Some((kind, count?.checked_mul(kind.size())?)));
            let Some((kind, _)) = expected.filter(|&(_, bytes)| bytes == u64::from(tag.size)) else {
                let message =
                    format!("{} does not fit its {} bytes of type {}", matrix.array().describe(), tag.size, tag.kind);
                return Err(source.error(message));
            };
            let values = match tag.inside {
                Some(bytes) => Source::exact(&mat.path, Cursor::new(bytes), 4, mat.budget).numbers(
                    kind,
                    mat.big_endian,
                    &matrix.dims,
                )?,
                None => source.numbers(kind, mat.big_endian, &matrix.dims)?,
            };
            source.end_padded()?;
            Ok(values)
        })?;
        Ok(values)
    }

    /// Calls `read` on the unpacked content of the element at offset `at`; also returns the offset of the next one.
    fn element<T>(&mut self, at: u64, read: impl FnOnce(&Self, &mut Source<'_>) -> Result<T>) -> Result<(T, u64)> {
        let failed = |e| Error::io(&self.path, e);
        (&self.file).seek(SeekFrom::Start(at)).map_err(failed)?;
        let mut plain = Source::exact(&self.path, BufReader::new(&self.file), self.length - at, self.budget);
        let tag = self.tag(&mut plain)?;
        let size = u64::from(tag.size);
        let next = at + 8 + size;
        if tag.inside.is_some() || !matches!(tag.kind, MATRIX | COMPRESSED) {
            return Err(plain.error(format!("expected a matrix at byte {at}, found an element of type {}", tag.kind)));
        }
        if next > self.length {
            let found = self.length - at - 8;
            return Err(plain.error(format!("truncated: expected {size} bytes at byte {}, found {found}", at + 8)));
        }
        if tag.kind == MATRIX {
            return Ok((read(self, &mut plain.at_most(8 + size))?, next));
        }
        let mut source = Source::deflated(&self.path, ZlibDecoder::new(plain.take(size)), size, self.budget);
        let inner = self.tag(&mut source)?;
        if inner.kind != MATRIX || inner.inside.is_some() {
            return Err(source.error(format!("expected a compressed matrix at byte {at}, found type {}", inner.kind)));
        }
        Ok((read(self, &mut source.at_most(8 + u64::from(inner.size)))?, next))
    }

    /// The header of a matrix; None for objects that are not laid out as matrices.
    fn header(&self, source: &mut Source<'_>, at: u64) -> Result<Option<Matrix>> {
        let flags = self.small_element(source, "array flags", 8)?;
        let Some(&[a, b, c, d]) = flags.first_chunk::<4>() else {
            return Err(source.error(format!("expected array flags at byte {at}, found too few bytes")));
        };
        let [_, _, bits, class] = if self.big_endian { [a, b, c, d] } else { [d, c, b, a] };
        if class > 15 {
            return Ok(None);
        }
        let dims = self.small_element(source, "dimensions", 128)?;
        let dims = dims.as_chunks::<4>().0.iter();
        let dims = dims.map(|&d| if self.big_endian { i32::from_be_bytes(d) } else { i32::from_le_bytes(d) });
        let Ok(dims) = dims.map(u64::try_from).collect::<std::result::Result<Vec<_>, _>>() else {
            return Err(source.error(format!("found a negative dimension in the matrix at byte {at}")));
        };
        let name = self.small_element(source, "a name", 4096)?;
        let name = String::from_utf8_lossy(&name).into_owned();
        Ok(Some(Matrix { name, dims, class, complex: bits & 8 != 0, at }))
    }

    /// The content of an element of at most `limit` bytes, whose padding is skipped.
    fn small_element(&self, source: &mut Source<'_>, what: &str, limit: u32) -> Result<Vec<u8>> {
        let Tag { size, inside, .. } = self.tag(source)?;
        if let Some(bytes) = inside {
            return Ok(bytes[..size as usize].to_vec());
        }
        if size > limit {
            return Err(source.error(format!("expected {what} of at most {limit} bytes, found {size}")));
        }
        let mut bytes = source.bytes(size.next_multiple_of(8) as usize, what)?;
        bytes.truncate(size as usize);
        Ok(bytes)
    }

    fn tag(&self, source: &mut Source<'_>) -> Result<Tag> {
        let [a, b, c, d, inside @ ..] = source.array::<8>("an element's tag")?;
        let word = |bytes| if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) };
        let first = word([a, b, c, d]);
        let (kind, size) = (first & 0xffff, first >> 16);
        if size == 0 {
            return Ok(Tag { kind: first, size: word(inside), inside: None });
        }
        if size > 4 {
            return Err(source.error(format!("expected at most 4 bytes inside a tag, found {size}")));
        }
        Ok(Tag { kind, size, inside: Some(inside) })
    }
}
