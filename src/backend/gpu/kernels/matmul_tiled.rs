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
pub(in super::super) const VARIANTS: [Variant; 7] = [
    Variant { name: "64x64 scalar", tile: (64, 64), thread: (4, 4), depth: 16, cost: 4.0 },
    Variant { name: "32x32 4x4", tile: (32, 32), thread: (4, 4), depth: 16, cost: 2.0 },
    Variant { name: "64x64 4x4", tile: (64, 64), thread: (4, 4), depth: 16, cost: 1.7 },
    Variant { name: "64x64 8x8", tile: (64, 64), thread: (8, 8), depth: 16, cost: 1.1 },
    Variant { name: "128x32 8x4", tile: (128, 32), thread: (8, 4), depth: 16, cost: 1.4 },
    Variant { name: "128x64 8x8", tile: (128, 64), thread: (8, 8), depth: 16, cost: 1.05 },
    Variant { name: "128x128 8x8", tile: (128, 128), thread: (8, 8), depth: 8, cost: 1.0 },
];

/// The version of this table and of its shader, for choices that are kept in files.
pub(in super::super) const VERSION: u32 = 1;

/// Workgroups that a large GPU keeps busy.
pub(super) const BUSY: usize = 512;
/// Terms per split, at least: fewer are not worth the second pass.
const MIN_CHUNK: usize = 256;
/// Chunks begin at multiples of this, the depth of the deepest slab.
const CHUNK: usize = 16;

impl Variant {
    fn threads(&self) -> usize {
        self.tile.0 / self.thread.0 * (self.tile.1 / self.thread.1)
    }

    /// Quads of workgroup memory from row to row of a slab that is `wide` as it is stored, and of all of it.
    fn slab(&self, wide: usize, transposed: bool) -> (usize, usize) {
        if transposed { (self.depth / 4 + 1, wide) } else { (wide / 4 + 1, self.depth) }
    }

    /// Bytes of workgroup memory.
    pub(in super::super) fn workgroup_bytes(&self, op: MatMul) -> usize {
        if self == &VARIANTS[0] {
            return 2 * 17 * 16 * 16;
        }
        let ((a, a_rows), (b, b_rows)) = self.slabs(op);
        2 * 16 * (a * a_rows + b * b_rows)
    }

    fn slabs(&self, op: MatMul) -> ((usize, usize), (usize, usize)) {
        (self.slab(self.tile.0, op != MatMul::TN), self.slab(self.tile.1, op == MatMul::NT))
    }

    /// Whether an adapter of these limits can run it.
    pub(in super::super) fn runs_on(&self, workgroup_bytes: u32, invocations: u32) -> bool {
        let ops = [MatMul::NN, MatMul::TN, MatMul::NT];
        self.threads() <= invocations as usize
            && ops.iter().all(|op| self.workgroup_bytes(*op) <= workgroup_bytes as usize)
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
        let ((a_pitch, a_rows), (b_pitch, b_rows)) = self.slabs(op);
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
            ("DOWN", bm / tm),
            ("DEPTH", self.depth),
            ("TERM_QUADS", self.depth / 4),
            ("ROW_QUADS", tm / 4),
            ("COL_QUADS", tn / 4),
            ("A_LOADS", bm * self.depth / 4 / threads),
            ("B_LOADS", bn * self.depth / 4 / threads),
            ("A_PITCH", a_pitch),
            ("B_PITCH", b_pitch),
            ("A_SIZE", a_pitch * a_rows),
            ("B_SIZE", b_pitch * b_rows),
            ("A_BOTH", 2 * a_pitch * a_rows),
            ("B_BOTH", 2 * b_pitch * b_rows),
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
    /// How a is stored.
    pub(in super::super) storage: Storage,
}

pub(in super::super) const STORED: &str = include_str!("../../../../shaders/stored.wgsl");

impl pipeline::Program for Program {
    fn key(&self) -> Key {
        let label = if self.variant == 0 { "matmul" } else { "matmul_tiled" };
        Key { label, variant: (self.variant as u64 * 4 + self.op as u64) * 4 + self.storage as u64 }
    }

    fn spec(&self) -> Spec {
        let file = match self.variant {
            0 => include_str!("../../../../shaders/matmul.wgsl"),
            _ => include_str!("../../../../shaders/matmul_tiled.wgsl"),
        };
        let mut values = VARIANTS[self.variant].values(self.op, self.storage);
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
    let estimate = |variant: &Variant| {
        let chunk = variant.chunk(shape, usize::MAX, BUSY);
        let workgroups = variant.tiles(m, n) * k.div_ceil(chunk);
        let rounds = (workgroups as f64 / tiles_at_a_time as f64).max(1.0);
        rounds * (variant.tile.0 * variant.tile.1 * chunk) as f64 * variant.cost
    };
    let runnable = (1..VARIANTS.len()).filter(|i| runs(*i));
    runnable.min_by(|a, b| estimate(&VARIANTS[*a]).total_cmp(&estimate(&VARIANTS[*b]))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPS: [MatMul; 3] = [MatMul::NN, MatMul::TN, MatMul::NT];

    #[test]
    fn every_number_of_a_slab_is_loaded_once() {
        for v in VARIANTS {
            let threads = v.threads();
            assert!(threads % 64 == 0 && v.depth % 4 == 0 && CHUNK.is_multiple_of(v.depth), "{}", v.name);
            for side in [v.tile.0, v.tile.1] {
                assert_eq!(side * v.depth / 4 % threads, 0, "{}", v.name);
            }
            for op in OPS {
                assert!(v.workgroup_bytes(op) <= 32 << 10, "{} {op:?}: {}", v.name, v.workgroup_bytes(op));
            }
        }
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
        assert_eq!(running(32 << 10, 1024), [true; 7]);
        let small = running(16 << 10, 128);
        assert_eq!((small[1], small[5], small[6]), (true, false, false));
    }

    #[test]
    fn the_shapes_of_nmf_get_their_tiles() {
        let chosen = |m, k, n| VARIANTS[choose((m, k, n), 128, |_| true)].name;
        // XΨ and XᵀH of 60,000 images of 784 pixels.
        assert_eq!((chosen(60_000, 784, 20), chosen(60_000, 784, 32)), ("128x32 8x4", "128x32 8x4"));
        assert_eq!((chosen(60_000, 784, 64), chosen(60_000, 784, 128)), ("128x64 8x8", "128x128 8x8"));
        // The residual.
        assert_eq!(chosen(60_000, 40, 784), "128x64 8x8");
        // A Gram of a chain: a few tiles, so small ones.
        assert_eq!((chosen(100, 100, 100), chosen(40, 784, 40)), ("32x32 4x4", "32x32 4x4"));
        assert_eq!(choose((60_000, 784, 100), 128, |i| i == 3), 3);
        assert_eq!(choose((60_000, 784, 100), 128, |_| false), 0);
    }
}
