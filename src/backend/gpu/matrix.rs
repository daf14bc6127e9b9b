//! Matrices on the device, in shards of rows.

use super::context::Context;
use super::memory::Counted;
use super::pipeline::word;
use crate::backend::Storage;
use crate::{Error, Result};
use std::sync::atomic::{AtomicU64, Ordering};

/// A buffer with a number, by which bind groups are found again.
#[derive(Debug)]
pub(super) struct Buffer {
    pub(super) id: u64,
    pub(super) raw: Counted,
    /// What its numbers are stored as: only kernels that know how read others than f32.
    pub(super) storage: Storage,
}

impl Buffer {
    pub(super) fn new(raw: Counted, storage: Storage) -> Self {
        // One count for all devices.
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self { id: NEXT.fetch_add(1, Ordering::Relaxed), raw, storage }
    }
}

/// Sums on the device: 256 parts each.
#[derive(Debug)]
pub struct Scalars {
    pub(super) buffer: Buffer,
    pub(super) len: usize,
}

/// A row-major matrix. Every shard but the last has `shard_rows` rows; rows are `ld ≥ cols` numbers apart and what
/// lies between is 0.
#[derive(Debug)]
pub struct Matrix {
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) ld: usize,
    pub(super) shard_rows: usize,
    /// Rows of zeros behind every shard.
    pub(super) spare: usize,
    pub(super) shards: Vec<Buffer>,
    /// How it is stored, never [`Storage::Auto`].
    pub(super) storage: Storage,
    /// For every shard the scales of its rows, where it is stored as [`Storage::U8`].
    pub(super) scales: Vec<Buffer>,
}

/// Rows are padded to a multiple of this, for loads of whole vectors.
pub(super) const PAD: usize = 4;
/// Rows behind every shard of halves, all 0: fragments reach that far.
const SPARE_ROWS: usize = 32;

/// Where some rows begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    /// Which shard.
    pub(super) shard: usize,
    /// The first row, counted in the shard.
    pub(super) row: usize,
}

/// Rows that lie in one shard of each of two matrices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) rows: usize,
    pub(super) a: Position,
    pub(super) b: Position,
}

/// The pieces of `rows` rows of which shards of `a` and of `b` rows are both made up.
pub(super) fn pieces(rows: usize, a: usize, b: usize) -> impl Iterator<Item = Piece> {
    let mut start = 0;
    std::iter::from_fn(move || {
        (start < rows).then(|| {
            let end = rows.min((start / a + 1) * a).min((start / b + 1) * b);
            let position = |per: usize| Position { shard: start / per, row: start % per };
            let piece = Piece { rows: end - start, a: position(a), b: position(b) };
            start = end;
            piece
        })
    })
}

/// What a shard may be.
#[derive(Debug, Clone, Copy)]
struct Room {
    /// Bytes of a binding.
    binding: u64,
    /// Words behind every shard.
    guard: usize,
    most_rows: usize,
    /// To what multiple rows are padded, and how many rows of zeros follow: fragments are read whole.
    pad: usize,
    spare: usize,
}

impl Room {
    fn of(context: &Context, storage: Storage) -> Self {
        let (pad, spare) = match context.fragment.filter(|_| storage == Storage::F16) {
            Some(size) => (size, SPARE_ROWS),
            None => (PAD, 0),
        };
        let most_rows = context.options.max_shard_rows.map_or(usize::MAX, |rows| rows.max(1));
        Self { binding: context.max_binding, guard: context.options.guard_words, most_rows, pad, spare }
    }

    /// How `rows × cols` are laid out: `(ld, rows per shard)`.
    fn layout(self, rows: usize, cols: usize, storage: Storage) -> Result<(usize, usize)> {
        // Kernels know the first row of a shard.
        word(rows)?;
        let words = self.binding / 4;
        let too_large = |needed: u64| Error::TooLarge {
            what: format!("one row of a {rows}×{cols} matrix"),
            needed: needed.saturating_mul(4),
            limit: self.binding,
            unit: "bytes",
        };
        // Far beyond any binding, and far from what overflows.
        if cols >= 1 << 40 {
            return Err(too_large(cols as u64));
        }
        let ld = cols.div_ceil(self.pad).max(1) * self.pad;
        let (row_words, guard) = ((ld * storage.bytes() / 4) as u64, self.guard as u64);
        let fit = (words.saturating_sub(guard) / row_words).saturating_sub(self.spare as u64);
        if fit == 0 {
            return Err(too_large(row_words.saturating_add(guard)));
        }
        // There is a scale for every row.
        let most = usize::try_from(fit.min(words)).unwrap_or(usize::MAX).min(self.most_rows);
        // Whole tiles, where there is more than one.
        let most = if most > 64 { most / 64 * 64 } else { most };
        Ok((ld, most.min(rows.max(1))))
    }
}

impl Matrix {
    /// A matrix without its shards, and the words of guards behind each.
    pub(super) fn plan(context: &Context, rows: usize, cols: usize, storage: Storage) -> Result<(Self, usize)> {
        let room = Room::of(context, storage);
        let (ld, shard_rows) = room.layout(rows, cols, storage)?;
        let (spare, shards, scales) = (room.spare, Vec::new(), Vec::new());
        Ok((Self { rows, cols, ld, shard_rows, spare, shards, storage, scales }, room.guard))
    }

    /// [`Error::Config`] for a stored one.
    pub(super) fn numbers(&self) -> Result<()> {
        if self.storage == Storage::F32 { Ok(()) } else { Err(not_numbers(self.storage)) }
    }

    /// At most `rows`, and as many as one shard takes.
    pub(super) fn rows_of_one_shard(context: &Context, rows: usize, cols: usize) -> Result<usize> {
        Ok(Room::of(context, Storage::F32).layout(rows, cols, Storage::F32)?.1)
    }

    /// From row to row.
    pub(super) fn row_bytes(&self) -> usize {
        self.ld * self.storage.bytes()
    }

    pub(super) fn shape(&self) -> (usize, usize) {
        (self.rows, self.cols)
    }

    /// The shards with their first row and their number of rows.
    pub(super) fn each_shard(&self) -> impl Iterator<Item = (&Buffer, usize, usize)> {
        let (per, rows) = (self.shard_rows, self.rows);
        self.shards.iter().enumerate().map(move |(i, shard)| (shard, i * per, per.min(rows - i * per)))
    }

    /// A matrix of one row lies in one shard.
    pub(super) fn vector(&self) -> Result<&Buffer> {
        match self.shards.as_slice() {
            [one] if self.rows == 1 => Ok(one),
            _ => Err(Error::shape("vector", (1, self.cols), self.shape())),
        }
    }
}

/// A region of a matrix that lies in one shard: its buffer, the word at which it begins, and the words from row to row.
#[derive(Clone, Copy)]
pub(super) struct Region<'a> {
    pub(super) buffer: &'a Buffer,
    /// Of its rows, where they have some.
    pub(super) scales: Option<&'a Buffer>,
    pub(super) row: usize,
    pub(super) offset: usize,
    pub(super) ld: usize,
}

impl<'a> Region<'a> {
    pub(super) fn of(m: &'a Matrix, shard: usize, row: usize, col: usize) -> Self {
        Self { buffer: &m.shards[shard], scales: m.scales.get(shard), row, offset: row * m.ld + col, ld: m.ld }
    }

    /// All of a buffer of numbers that is no matrix.
    pub(super) fn scratch(buffer: &'a Buffer, ld: usize) -> Self {
        Self { buffer, scales: None, row: 0, offset: 0, ld }
    }

    /// What is left of it from that row and column on.
    pub(super) fn at(self, row: usize, col: usize) -> Self {
        Self { row: self.row + row, offset: self.offset + row * self.ld + col, ..self }
    }

    /// The bindings of a kernel that has this for its first operand.
    pub(super) fn before(&self, others: &[&'a Buffer]) -> Vec<&'a Buffer> {
        [self.buffer].into_iter().chain(others.iter().copied()).chain(self.scales).collect()
    }
}

/// For whatever is done with a stored matrix but what can be done with one.
pub(super) fn not_numbers(storage: Storage) -> Error {
    Error::Config(format!(
        "expected a matrix of f32, found one stored as {storage}, which can only be the first operand of a product, summed up, \
         subtracted from in a residual, and downloaded"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_every_row_once_and_stay_in_their_shards() {
        for rows in [0, 1, 5, 64, 97] {
            for a in [1, 3, 64, 200] {
                for b in [1, 2, 7, 97] {
                    let mut next = 0;
                    for piece in pieces(rows, a, b) {
                        assert!(piece.rows > 0);
                        assert_eq!(piece.a.shard * a + piece.a.row, next);
                        assert_eq!(piece.b.shard * b + piece.b.row, next);
                        assert!(piece.a.row + piece.rows <= a && piece.b.row + piece.rows <= b);
                        next += piece.rows;
                    }
                    assert_eq!(next, rows);
                }
            }
        }
    }

    /// The widest bindings that there are, whatever the length of a row and the padding: a shard fits, and 32 bits count its
    /// numbers with some rows to spare.
    #[test]
    fn no_shard_has_more_numbers_than_32_bits_count() {
        let fragments = [(16, SPARE_ROWS, 64), (8, SPARE_ROWS, 1)];
        for (storage, padding) in [
            (Storage::F32, [(PAD, 0, 0), (PAD, 0, 64)]),
            (Storage::U8, [(PAD, 0, 0), (PAD, 0, 64)]),
            (Storage::F16, [(PAD, 0, 0), (PAD, 0, 64)]),
            (Storage::F16, fragments),
        ] {
            for (pad, spare, guard) in padding {
                let room = Room { binding: (1 << 31) - 1, guard, most_rows: usize::MAX, pad, spare };
                for cols in [1, 3, 4, 5, 17, 784, 1023, 65_537, 20_000_003] {
                    let (ld, rows) = room.layout(u32::MAX as usize, cols, storage).unwrap();
                    assert!(ld >= cols && ld.is_multiple_of(pad), "{cols} {pad}: {ld}");
                    let bytes = ((rows + spare) * ld * storage.bytes() + 4 * guard) as u64;
                    assert!(
                        bytes <= room.binding && 4 * rows as u64 <= room.binding,
                        "{cols} {storage}: {bytes} bytes"
                    );
                    assert!(((rows + spare + 64) * ld) as u64 <= 1 << 32, "{cols} {storage}: {rows} rows of {ld}");
                    // No more than a tile's rows are wasted.
                    assert!(bytes + (65 * ld * storage.bytes()) as u64 > room.binding, "{cols} {storage}: {rows} rows");
                }
                for (rows, cols) in [(1 << 32, 1), (1, 1 << 40), (1, usize::MAX), (usize::MAX, usize::MAX)] {
                    assert!(matches!(room.layout(rows, cols, storage), Err(Error::TooLarge { .. })), "{rows}×{cols}");
                }
            }
        }
        let room = Room { binding: 4096, guard: usize::MAX, most_rows: 1, pad: PAD, spare: 0 };
        assert!(room.layout(1, 1, Storage::F32).is_err());
    }
}
