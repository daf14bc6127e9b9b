//! `shaders/matmul_tiled.wgsl`: products in register tiles of several sizes, and which of them suits a product.

use super::super::pipeline::{self, Key, Spec};
use super::super::template::expand;
use crate::backend::{MatMul, Storage};
use bytemuck::{Pod, Zeroable};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(super) struct Params {
    pub(super) m: u32,
    pub(super) n: u32,
    pub(super) k: u32,
    pub(super) chunk: u32,
    pub(super) lda: u32,
    pub(super) ldb: u32,
    pub(super) ldc: u32,
    pub(super) split_stride: u32,
    pub(super) a_off: u32,
    pub(super) b_off: u32,
    pub(super) c_off: u32,
    pub(super) a_row: u32,
    pub(super) accumulate: u32,
}

/// A way to compute a product.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in super::super) struct Variant {
    /// By which it is found again in a file.
    pub(in super::super) name: &'static str,
    /// Rows and columns of a workgroup's tile.
    pub(in super::super) tile: (usize, usize),
    /// Rows and columns of an invocation's.
    thread: (usize, usize),
    /// Terms of a slab.
    depth: usize,
    /// What a term of a tile costs, relative to the best, by the loads from workgroup memory that it takes.
    cost: f64,
}

/// The variants, by number. The first is the reference, `shaders/matmul.wgsl`: it loads numbers one by one, from anywhere.
/// What they cost was measured on an H200.
pub(in super::super) const VARIANTS: [Variant; 8] = [
    Variant { name: "64x64 scalar", tile: (64, 64), thread: (4, 4), depth: 16, cost: 4.0 },
    Variant { name: "32x32 4x4", tile: (32, 32), thread: (4, 4), depth: 16, cost: 1.6 },
    Variant { name: "64x64 4x4", tile: (64, 64), thread: (4, 4), depth: 16, cost: 1.3 },
    Variant { name: "64x64 8x8", tile: (64, 64), thread: (8, 8), depth: 8, cost: 1.15 },
    Variant { name: "128x64 8x8", tile: (128, 64), thread: (8, 8), depth: 8, cost: 0.94 },
    Variant { name: "128x128 8x8", tile: (128, 128), thread: (8, 8), depth: 8, cost: 1.0 },
    Variant { name: "128x128 8x8 deep", tile: (128, 128), thread: (8, 8), depth: 16, cost: 0.93 },
    Variant { name: "256x64 8x8", tile: (256, 64), thread: (8, 8), depth: 8, cost: 1.05 },
];

/// The version of this table, of its shader and of what is measured, for choices that are kept in files.
pub(in super::super) const VERSION: u32 = 3;

/// Workgroups that a large GPU keeps busy.
pub(super) const BUSY: usize = 512;
/// Terms per split, at least: fewer are not worth the second pass.
const MIN_CHUNK: usize = 256;
/// Chunks begin at multiples of this, the depth of the deepest slab.
const CHUNK: usize = 16;
/// Bytes of workgroup memory that most devices have.
const WORKGROUP_BYTES: usize = 32 << 10;
/// So many tiles side by side that it hardly matters how full the last one is.
const MANY: usize = 8;
/// Invocations of a workgroup, at least.
const MIN_THREADS: usize = 32;

impl Variant {
    fn threads(&self) -> usize {
        self.tile.0 / self.thread.0 * (self.tile.1 / self.thread.1)
    }

    /// The same in tiles that divide `m × n` up evenly, where there are few of them, each way: less is computed in vain. Tiles of
    /// sizes that are no powers of two are slower, so they have to save a quarter; deep slabs do not bear it at all.
    pub(in super::super) fn fitted(self, m: usize, n: usize) -> Self {
        let fit = |len: usize, most: usize, step: usize| match len.div_ceil(most) {
            tiles @ 1..MANY => len.div_ceil(tiles).next_multiple_of(step),
            _ => most,
        };
        let tile = (fit(m, self.tile.0, self.thread.0), fit(n, self.tile.1, self.thread.1));
        let fitted = Self { tile, ..self };
        let saves = 4 * tile.0 * tile.1 <= 3 * self.tile.0 * self.tile.1;
        if saves && self.depth < CHUNK && fitted.threads() >= MIN_THREADS { fitted } else { self }
    }

    /// Quads of workgroup memory from term to term of the slabs of a and of b: odd, so that what is transposed on its way there goes to
    /// different banks, as far as there is room.
    fn pitches(&self) -> (usize, usize) {
        let quads = (self.tile.0 / 4, self.tile.1 / 4);
        let padded = (quads.0 + 1, quads.1 + 1);
        if self.bytes(padded) <= WORKGROUP_BYTES { padded } else { quads }
    }

    /// Bytes of two slabs of each operand.
    fn bytes(&self, (a, b): (usize, usize)) -> usize {
        2 * 16 * self.depth * (a + b)
    }

    /// Bytes of workgroup memory.
    pub(in super::super) fn workgroup_bytes(&self) -> usize {
        if self == &VARIANTS[0] { 2 * 17 * 16 * 16 } else { self.bytes(self.pitches()) }
    }

    /// Whether an adapter of these limits can run it.
    pub(in super::super) fn runs_on(&self, workgroup_bytes: u32, invocations: u32) -> bool {
        self.threads() <= invocations as usize && self.workgroup_bytes() <= workgroup_bytes as usize
    }

    /// Tiles of `m × n`.
    fn tiles(&self, m: usize, n: usize) -> usize {
        m.div_ceil(self.tile.0) * n.div_ceil(self.tile.1)
    }

    /// The terms of every split of a product. There are at most `most_splits`.
    pub(in super::super) fn chunk(
        &self,
        (m, k, n): (usize, usize, usize),
        scratch_words: usize,
        most_splits: usize,
    ) -> usize {
        let room = scratch_words / (m * n.next_multiple_of(4)).max(1);
        let splits = (BUSY / self.tiles(m, n).max(1)).min(k / MIN_CHUNK).min(room).min(most_splits).max(1);
        k.div_ceil(splits).next_multiple_of(CHUNK)
    }

    fn values(&self, op: MatMul, storage: Storage) -> Vec<(&'static str, usize)> {
        let ((bm, bn), (tm, tn), threads) = (self.tile, self.thread, self.threads());
        let (a_pitch, b_pitch) = self.pitches();
        let (a_quads, b_quads) = (bm * self.depth / 4, bn * self.depth / 4);
        let down = bm / tm;
        // Four rows and eight columns for 32 invocations: fewest quads of both slabs.
        let strip = [4, 2, 1].into_iter().find(|strip| down % strip == 0).unwrap_or(1);
        let mut values = storage_values(storage).to_vec();
        values.extend([
            ("QUADS", 1),
            ("A_T", (op == MatMul::TN).into()),
            ("B_T", (op == MatMul::NT).into()),
            ("BM", bm),
            ("BN", bn),
            ("TM", tm),
            ("TN", tn),
            ("THREADS", threads),
            ("ACROSS", bn / tn),
            ("DOWN", down),
            ("STRIP", strip),
            ("DEPTH", self.depth),
            ("TERM_QUADS", self.depth / 4),
            ("ROW_QUADS", tm / 4),
            ("COL_QUADS", tn / 4),
            ("A_QUADS", a_quads),
            ("B_QUADS", b_quads),
            ("A_LOADS", a_quads.div_ceil(threads)),
            ("B_LOADS", b_quads.div_ceil(threads)),
            ("A_PITCH", a_pitch),
            ("B_PITCH", b_pitch),
            ("A_SIZE", a_pitch * self.depth),
            ("B_SIZE", b_pitch * self.depth),
            ("A_BOTH", 2 * a_pitch * self.depth),
            ("B_BOTH", 2 * b_pitch * self.depth),
        ]);
        values
    }
}

/// What `shaders/stored.wgsl` asks for.
pub(in super::super) fn storage_values(storage: Storage) -> [(&'static str, usize); 3] {
    [("F16", storage == Storage::F16), ("U8", storage == Storage::U8), ("F32", storage == Storage::F32)]
        .map(|(name, is)| (name, is.into()))
}

/// A product of a variant, as a kernel: what is compiled when it is first needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in super::super) struct Program {
    pub(in super::super) op: MatMul,
    /// Its number.
    pub(in super::super) variant: usize,
    /// Rows and columns of its tiles.
    pub(in super::super) tile: (usize, usize),
    /// How a is stored.
    pub(in super::super) storage: Storage,
}

pub(in super::super) const STORED: &str = include_str!("../../../../shaders/stored.wgsl");

impl pipeline::Program for Program {
    fn key(&self) -> Key {
        let label = if self.variant == 0 { "matmul" } else { "matmul_tiled" };
        let numbers = [self.variant, self.op as usize, self.storage as usize, self.tile.0, self.tile.1];
        Key { label, variant: numbers.iter().fold(0, |all, n| all << 10 | *n as u64) }
    }

    fn spec(&self) -> Spec {
        let file = match self.variant {
            0 => include_str!("../../../../shaders/matmul.wgsl"),
            _ => include_str!("../../../../shaders/matmul_tiled.wgsl"),
        };
        let mut values = Variant { tile: self.tile, ..VARIANTS[self.variant] }.values(self.op, self.storage);
        values.retain(|(name, _)| self.variant > 0 || *name != "QUADS");
        Spec {
            source: (expand(STORED, &values) + &expand(file, &values)).into(),
            reads: self.storage,
            // The reference is what all others are tested against.
            trusted: self.variant > 0,
            constants: match (self.variant, self.op) {
                (0, MatMul::TN) => &[("A_T", 1.0)],
                (0, MatMul::NT) => &[("B_T", 1.0)],
                _ => &[],
            },
            ..Spec::new::<Params>(self.key().label, file, stored_bindings(self.storage))
        }
    }
}

/// Of a kernel whose first operand is stored: that one, another, what is written, and the scales of bytes.
pub(super) fn stored_bindings(storage: Storage) -> &'static [bool] {
    if storage == Storage::U8 { &[false, false, true, false] } else { &[false, false, true] }
}

/// The variant that should be fastest on `m × k × n`, of those that `runs` allows, on a device that works on `tiles_at_a_time`
/// tiles at once: as many rounds as that takes, times the terms of a tile, times what one costs.
pub(in super::super) fn choose(
    shape: (usize, usize, usize),
    tiles_at_a_time: usize,
    runs: impl Fn(usize) -> bool,
) -> usize {
    let (m, k, n) = shape;
    let estimate = |variant: Variant| {
        let variant = variant.fitted(m, n);
        let chunk = variant.chunk(shape, usize::MAX, BUSY);
        let workgroups = variant.tiles(m, n) * k.div_ceil(chunk);
        let rounds = (workgroups as f64 / tiles_at_a_time as f64).max(1.0);
        rounds * (variant.tile.0 * variant.tile.1 * chunk) as f64 * variant.cost
    };
    let runnable = (1..VARIANTS.len()).filter(|i| runs(*i));
    runnable.min_by(|a, b| estimate(VARIANTS[*a]).total_cmp(&estimate(VARIANTS[*b]))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_are_made_of_whole_ones_and_fit_the_workgroup() {
        for v in VARIANTS {
            for (m, n) in [(1, 1), (20, 20), (60_000, 20), (784, 100), (784, 300), (5000, 784), (60_000, 60_000)] {
                let fitted = v.fitted(m, n);
                let (tall, wide) = fitted.tile;
                assert!(tall <= v.tile.0 && wide <= v.tile.1 && CHUNK.is_multiple_of(v.depth), "{} {m}x{n}", v.name);
                assert!(tall % v.thread.0 == 0 && wide % v.thread.1 == 0, "{} {m}x{n}: {tall}x{wide}", v.name);
                assert!(fitted.threads() >= MIN_THREADS && fitted.threads() <= 256, "{} {m}x{n}", v.name);
                assert!(fitted.workgroup_bytes() <= WORKGROUP_BYTES, "{} {m}x{n}", v.name);
                assert!(fitted.tiles(m, n) == v.tiles(m, n), "{} {m}x{n}", v.name);
            }
        }
        let fitted = |variant: usize, m, n| VARIANTS[variant].fitted(m, n).tile;
        assert_eq!((fitted(4, 60_000, 40), fitted(5, 784, 100)), ((128, 40), (112, 104)));
        // Hardly less would be computed.
        assert_eq!((fitted(5, 60_000, 100), fitted(4, 784, 300)), ((128, 128), (128, 64)));
        // Too few invocations would be left, or the slabs are deep.
        assert_eq!((fitted(3, 20, 20), fitted(1, 784, 20)), ((64, 64), (32, 32)));
    }

    #[test]
    fn chunks_fit_the_scratch_and_are_long_enough() {
        for v in VARIANTS {
            assert_eq!(v.chunk((60_000, 784, 100), 1 << 23, BUSY), 784);
            assert_eq!(v.chunk((100, 60_000, 100), 1 << 23, 1), 60_000);
            for (m, k, n, words) in [(784, 60_000, 100, 1 << 23), (1, 1 << 20, 1, 64), (1024, 2856, 600, 1 << 18)] {
                let chunk = v.chunk((m, k, n), words, BUSY);
                let splits = k.div_ceil(chunk);
                assert!(chunk % CHUNK == 0 && splits >= 1, "{m} {n} {k}: {chunk}");
                assert!(splits == 1 || splits * m * n <= words && chunk >= MIN_CHUNK, "{m} {n} {k}: {chunk}");
            }
            assert!(60_000 / v.chunk((784, 60_000, 100), 1 << 23, BUSY) >= 5, "{}", v.name);
        }
    }

    #[test]
    fn a_variant_that_the_adapter_cannot_run_is_left_out() {
        let running = |bytes, invocations| VARIANTS.map(|v| v.runs_on(bytes, invocations));
        assert_eq!(running(32 << 10, 1024), [true; 8]);
        let small = running(16 << 10, 128);
        assert_eq!((small[1], small[4], small[5], small[6]), (true, true, false, false));
    }

    #[test]
    fn the_shapes_of_nmf_get_their_tiles() {
        let chosen = |m, k, n| VARIANTS[choose((m, k, n), 128, |_| true)].name;
        // XΨ of 60,000 images of 784 pixels.
        assert_eq!([20, 40, 300].map(|k| chosen(60_000, 784, k)), ["128x64 8x8"; 3]);
        assert_eq!(chosen(60_000, 784, 100), "128x128 8x8 deep");
        // XᵀH and HᵀH.
        assert_eq!((chosen(784, 60_000, 100), chosen(100, 60_000, 100)), ("128x128 8x8", "128x128 8x8"));
        assert_eq!(chosen(20, 60_000, 20), "32x32 4x4");
        // The residual.
        assert_eq!(chosen(60_000, 40, 784), "128x64 8x8");
        // Small ones: a few tiles, so small ones.
        assert_eq!((chosen(100, 100, 100), chosen(40, 784, 40)), ("32x32 4x4", "32x32 4x4"));
        assert_eq!((chosen(784, 100, 100), chosen(1024, 600, 160)), ("32x32 4x4", "32x32 4x4"));
        assert_eq!(choose((60_000, 784, 100), 128, |i| i == 3), 3);
        assert_eq!(choose((60_000, 784, 100), 128, |_| false), 0);
    }
}
