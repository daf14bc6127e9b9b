//! Bytes from a file that is not trusted.
//!
//! A size that a header claims is first compared with the most that the file can hold; memory then grows with the bytes
//! that are really read.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use pulp::Arch;

use super::budget::afford;
use super::labels::CLASS_COST;
use crate::{Error, Result};

/// The best ratio that deflate can reach: 258 bytes from two bits.
pub(super) const DEFLATE_RATIO: u64 = 1032;
/// Bytes that are read at a time; a multiple of the size of every number.
const CHUNK: usize = 1 << 16;

/// How a file stores a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F16,
    F32,
    F64,
}

impl Kind {
    /// Bytes of one number.
    pub(super) fn size(self) -> u64 {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 | Self::F16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// As many numbers as `out` has room for.
    pub(super) fn decode<T: Number>(self, bytes: &[u8], big_endian: bool, out: &mut [T]) {
        Arch::new().dispatch(
            #[inline(always)]
            || self.decode_inline(bytes, big_endian, out),
        );
    }

    #[inline(always)]
    fn decode_inline<T: Number>(self, bytes: &[u8], big_endian: bool, out: &mut [T]) {
        macro_rules! each {
            ($t:ty, $n:literal, $v:ident => $f64:expr) => {
                out.iter_mut().zip(bytes.as_chunks::<$n>().0).for_each(|(out, &b)| {
                    let $v = if big_endian { <$t>::from_be_bytes(b) } else { <$t>::from_le_bytes(b) };
                    *out = T::from_f64($f64);
                })
            };
        }
        match self {
            Self::U8 => each!(u8, 1, v => f64::from(v)),
            Self::I8 => each!(i8, 1, v => f64::from(v)),
            Self::U16 => each!(u16, 2, v => f64::from(v)),
            Self::I16 => each!(i16, 2, v => f64::from(v)),
            Self::U32 => each!(u32, 4, v => f64::from(v)),
            Self::I32 => each!(i32, 4, v => f64::from(v)),
            Self::U64 => each!(u64, 8, v => v as f64),
            Self::I64 => each!(i64, 8, v => v as f64),
            Self::F16 => each!(half::f16, 2, v => f64::from(v)),
            Self::F32 => each!(f32, 4, v => f64::from(v)),
            Self::F64 => each!(f64, 8, v => v),
        }
    }

    /// The place and the value of the first of these numbers that is finite and became infinite in `decoded`.
    pub(super) fn overflow<T: Number>(self, bytes: &[u8], big_endian: bool, decoded: &[T]) -> Option<(usize, f64)> {
        // The others hold no number that is too large for f32.
        let decoded = if self == Self::F64 { decoded } else { &[] };
        decoded.iter().enumerate().filter(|(_, v)| v.is_infinite()).find_map(|(at, _)| {
            let mut exact = [0.0f64];
            self.decode(&bytes[at * self.size() as usize..], big_endian, &mut exact);
            exact[0].is_finite().then_some((at, exact[0]))
        })
    }
}

/// Where the numbers of an array are in a file.
pub(super) struct Numbers {
    /// Bytes before the first one.
    pub(super) start: u64,
    pub(super) kind: Kind,
    pub(super) big_endian: bool,
    pub(super) shape: Vec<u64>,
    /// Whether the first index varies fastest (column-major order).
    pub(super) fortran: bool,
}

/// What numbers are read into: `f32` for data, `f64` for labels (exact for every 32-bit integer).
pub(super) trait Number: Copy {
    /// Bytes of memory per number: 4 for data; for a label also its sorted copy and its class.
    const COST: u64;

    fn from_f64(value: f64) -> Self;

    fn is_infinite(self) -> bool;
}

impl Number for f32 {
    const COST: u64 = 4;

    fn is_infinite(self) -> bool {
        self.is_infinite()
    }

    fn from_f64(value: f64) -> Self {
        value as f32
    }
}

impl Number for f64 {
    const COST: u64 = 32;

    fn is_infinite(self) -> bool {
        self.is_infinite()
    }

    fn from_f64(value: f64) -> Self {
        value
    }
}

/// The number of bytes in a source.
#[derive(Debug, Clone, Copy)]
enum Limit {
    /// Exactly this many, as the file system says.
    Exact(u64),
    /// At most this many, from the compressed size.
    AtMost(u64),
}

/// A reader that knows the path of its file and how many bytes it can hold.
pub(super) struct Source<'a> {
    path: PathBuf,
    reader: Box<dyn Read + 'a>,
    limit: Limit,
    taken: u64,
    /// The bytes of memory that reading may take.
    budget: u64,
    /// Whether the compressed data ended before its end mark.
    cut: bool,
}

impl<'a> Source<'a> {
    /// The bytes of a file, unpacked if it is gzip.
    pub(super) fn open(path: &Path, gzip: bool, budget: u64) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, e))?;
        let length = file.metadata().map_err(|e| Error::io(path, e))?.len();
        let file = BufReader::with_capacity(CHUNK, file);
        Ok(match gzip {
            true => Self::deflated(path, MultiGzDecoder::new(file), length, budget),
            false => Self::exact(path, file, length, budget),
        })
    }

    /// A reader over exactly `length` bytes.
    pub(super) fn exact(path: &Path, reader: impl Read + 'a, length: u64, budget: u64) -> Self {
        Self::new(path, Box::new(reader), Limit::Exact(length), budget)
    }

    /// A reader that unpacks `length` compressed bytes.
    pub(super) fn deflated(path: &Path, reader: impl Read + 'a, length: u64, budget: u64) -> Self {
        Self::new(path, Box::new(reader), Limit::AtMost(length.saturating_mul(DEFLATE_RATIO)), budget)
    }

    fn new(path: &Path, reader: Box<dyn Read + 'a>, limit: Limit, budget: u64) -> Self {
        Self { path: path.to_path_buf(), reader, limit, taken: 0, budget, cut: false }
    }

    /// The same source limited to `bytes`, the size that an outer header gives.
    pub(super) fn at_most(mut self, bytes: u64) -> Self {
        self.limit = match self.limit {
            Limit::Exact(n) => Limit::Exact(n.min(bytes)),
            Limit::AtMost(n) => Limit::AtMost(n.min(bytes)),
        };
        self
    }

    /// An [`Error::Format`] for this file.
    pub(super) fn error(&self, message: impl Into<String>) -> Error {
        Error::format(&self.path, message)
    }

    fn left(&self) -> u64 {
        let (Limit::Exact(n) | Limit::AtMost(n)) = self.limit;
        n.saturating_sub(self.taken)
    }

    /// Reads until `buffer` is full or the source ends; returns the number of bytes.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.reader.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) => match e.kind() {
                    ErrorKind::Interrupted => {}
                    // A truncated gzip stream: to the caller a file that ends.
                    ErrorKind::UnexpectedEof => {
                        self.cut = true;
                        break;
                    }
                    ErrorKind::InvalidData | ErrorKind::InvalidInput => {
                        return Err(self.error(format!("the compressed data is corrupt: {e}")));
                    }
                    _ => return Err(Error::io(&self.path, e)),
                },
            }
        }
        self.taken += filled as u64;
        Ok(filled)
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        let bytes = self.bytes(N, what)?;
        bytes.try_into().map_err(|_| self.error(what))
    }

    /// The next `count` bytes. For headers: the caller has checked that `count` is small.
    pub(super) fn bytes(&mut self, count: usize, what: &str) -> Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        let found = self.fill(&mut bytes)?;
        if found < count {
            return Err(self.error(format!("truncated: expected {count} bytes of {what}, found {found}")));
        }
        Ok(bytes)
    }

    /// The number of items of `size` bytes that a header claims by `shape`, or an error if the source cannot hold them or
    /// `cost` bytes of memory for each exceed the budget.
    fn claimed(&self, what: &str, size: u64, shape: &[u64], cost: u64) -> Result<u64> {
        let left = self.left();
        let claim = || format!("the header claims {} {what}", product_text(shape));
        let items = shape.iter().try_fold(1u64, |n, &d| n.checked_mul(d));
        let Some((items, expected)) = items.and_then(|n| Some((n, n.checked_mul(size)?))) else {
            return Err(self.error(format!("{}: more than can be addressed; found at most {left} bytes", claim())));
        };
        if expected > left {
            let found = match self.limit {
                Limit::Exact(_) => format!("found {left} bytes: truncated, or the header is wrong"),
                Limit::AtMost(_) => format!("found compressed data that holds at most {left} bytes"),
            };
            return Err(self.error(format!("{}: expected {expected} bytes, {found}", claim())));
        }
        let what = format!("an array of {} {what}", product_text(shape));
        afford(&self.path, &what, items.saturating_mul(cost), self.budget)?;
        Ok(items)
    }

    /// Calls `take` on `expected` bytes, piece by piece; no piece ends inside an item of `size` bytes.
    fn pieces(&mut self, expected: u64, size: u64, mut take: impl FnMut(&Self, &[u8]) -> Result<()>) -> Result<()> {
        let mut buffer = vec![0; (CHUNK as u64 / size * size).min(expected) as usize];
        let mut done = 0;
        while done < expected {
            let want = buffer.len().min((expected - done) as usize);
            let found = self.fill(&mut buffer[..want])?;
            done += found as u64;
            if found < want {
                return Err(self.error(format!("truncated: expected {expected} bytes, found {done}")));
            }
            take(self, &buffer[..want])?;
        }
        Ok(())
    }

    /// Where an array of numbers of the given shape begins, which nothing may follow.
    pub(super) fn place(&self, kind: Kind, shape: &[u64]) -> Result<u64> {
        let items = self.claimed(&format!("{kind:?} numbers"), kind.size(), shape, 0)?;
        let accounted = self.taken + items * kind.size();
        if self.left() > items * kind.size() {
            return Err(self.more_than(accounted));
        }
        Ok(self.taken)
    }

    /// An array of numbers of the given shape, in the order of the file.
    pub(super) fn numbers<T: Number>(&mut self, kind: Kind, big_endian: bool, shape: &[u64]) -> Result<Vec<T>> {
        let items = self.claimed(&format!("{kind:?} numbers"), kind.size(), shape, T::COST)?;
        let mut out: Vec<T> = Vec::new();
        // Memory is reserved at once only for a size that the file system confirms; unpacked data grow as they are read.
        let vouched = matches!(self.limit, Limit::Exact(_));
        self.pieces(items * kind.size(), kind.size(), |source, bytes| {
            let start = out.len();
            if out.capacity() - start < bytes.len() / kind.size() as usize {
                let all = items as usize - start;
                let more = if vouched { all } else { all.min(start + CHUNK) };
                out.try_reserve_exact(more)
                    .map_err(|e| source.error(format!("no memory for {items} numbers ({e})")))?;
            }
            out.resize(start + bytes.len() / kind.size() as usize, T::from_f64(0.0));
            kind.decode(bytes, big_endian, &mut out[start..]);
            match kind.overflow(bytes, big_endian, &out[start..]) {
                Some((_, value)) => Err(source.error(too_large(&format!("{value:e}")))),
                None => Ok(()),
            }
        })?;
        Ok(out)
    }

    /// Calls `take` on texts of `width` characters, each of four bytes if `wide`, else of one, without their padding of zeros.
    pub(super) fn texts(
        &mut self,
        width: u64,
        wide: bool,
        big_endian: bool,
        shape: &[u64],
        mut take: impl FnMut(&str),
    ) -> Result<()> {
        let size = width.saturating_mul(if wide { 4 } else { 1 }).max(1);
        if size > CHUNK as u64 {
            return Err(self.error(format!("expected texts of at most {CHUNK} bytes as labels, found {size}")));
        }
        let items = self.claimed("texts", size, shape, CLASS_COST + size)?;
        self.pieces(items.saturating_mul(size), size, |_, bytes| {
            for text in bytes.chunks_exact(size as usize) {
                let text: String = match wide {
                    true => text
                        .as_chunks::<4>()
                        .0
                        .iter()
                        .map(|&c| if big_endian { u32::from_be_bytes(c) } else { u32::from_le_bytes(c) })
                        .map(|c| char::from_u32(c).unwrap_or(char::REPLACEMENT_CHARACTER))
                        .collect(),
                    false => String::from_utf8_lossy(text).into_owned(),
                };
                take(text.trim_end_matches('\0'));
            }
            Ok(())
        })
    }

    /// Checks that no bytes follow and, in compressed data, the checksum.
    pub(super) fn end(&mut self) -> Result<()> {
        let taken = self.taken;
        if self.fill(&mut [0])? > 0 {
            return Err(self.more_than(taken));
        }
        if self.cut {
            return Err(self.error("truncated: the compressed data ends before its checksum"));
        }
        Ok(())
    }

    fn more_than(&self, accounted: u64) -> Error {
        self.error(format!("the header accounts for {accounted} bytes, found more after them"))
    }

    /// For compressed data as [`Source::end`], after up to 7 bytes of padding; else nothing.
    pub(super) fn end_padded(&mut self) -> Result<()> {
        if matches!(self.limit, Limit::Exact(_)) {
            return Ok(());
        }
        self.fill(&mut [0; 7])?;
        self.end()
    }
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.reader.read(buffer)
    }
}

/// The error for samples that cannot be read by rows, a few at a time.
pub(super) fn not_in_rows(path: &Path, why: &str) -> Error {
    Error::Config(format!(
        "{}: the samples cannot be streamed: {why}; `deepnmf pack` makes an .npy file of them, which can",
        path.display()
    ))
}

/// The message for a finite number that f32 cannot hold.
pub(super) fn too_large(value: &str) -> String {
    format!(
        "expected numbers up to {:.1e}, the largest of 32-bit floats, found {value}; divide the data by a constant",
        f32::MAX
    )
}

/// `[2, 3]` → `2×3`.
pub(super) fn product_text(shape: &[u64]) -> String {
    shape.iter().map(u64::to_string).collect::<Vec<_>>().join("×")
}
