//! Copies and products, with the shapes that they have in a fit.

use super::Row;
use super::data::random;
use super::stopwatch::{Bench, Taken, longest, shrink};
use crate::Result;
use crate::backend::{Clock, MatMul, Storage};

/// The unit of products.
pub(super) const FLOPS: &str = "GFLOP/s";

/// Rows and columns of the copied matrix, which has 256 MiB.
const COPY: [usize; 2] = [8192, 8192];

/// From one matrix on the device to another.
pub(super) fn copy<B: Clock<Elem = f32>>(bench: &mut Bench<'_, B>) -> Result<()> {
    let share = bench.share(4.0);
    let time = |bench: &mut Bench<'_, B>, [rows, cols]: [usize; 2], share| {
        let from = bench.b.upload(random(1, rows, cols).view())?;
        let mut to = bench.b.zeros(rows, cols)?;
        bench.time(share, |b| b.copy(&from, &mut to))
    };
    let bytes = |[rows, cols]: [usize; 2]| (8 * rows * cols) as f64;
    let row = Row { name: "copy", unit: "GB/s", ..Row::default() };
    bench.begin(&row);
    let small = [512, 512];
    let rate = bytes(small) / time(bench, small, 0.1 * share)?.seconds;
    let shape = shrink(COPY, 0.8 * share, longest, |shape| bytes(shape) / rate);
    let taken = time(bench, shape, 0.8 * share)?;
    let note = (shape != COPY).then(|| format!("instead of {}×{}", COPY[0], COPY[1]));
    let row = Row { shape: format!("{}×{}", shape[0], shape[1]), note, ..row };
    bench.rows.push(taken.fill(bytes(shape) * 1e-9, row));
    Ok(())
}

/// Name, operands, rows × inner size × columns, weight. The shapes are those of Fashion-MNIST with 100 components and of PIE
/// with 600 and 160, and the square one of other benchmarks.
const PRODUCTS: [(&str, MatMul, [usize; 3], f64); 7] = [
    ("product XΨ", MatMul::NN, [60_000, 784, 100], 3.0),
    ("product XᵀH", MatMul::TN, [784, 60_000, 100], 3.0),
    ("product HᵀH", MatMul::TN, [100, 60_000, 100], 3.0),
    ("product HG", MatMul::NN, [60_000, 100, 100], 3.0),
    ("product PIE XW", MatMul::NN, [2856, 1024, 600], 3.0),
    ("product PIE WW", MatMul::NN, [1024, 600, 160], 3.0),
    ("product square", MatMul::NN, [4096, 4096, 4096], 10.0),
];

fn operations([m, k, n]: [usize; 3]) -> f64 {
    2.0 * (m * k * n) as f64
}

pub(super) fn products<B: Clock<Elem = f32>>(bench: &mut Bench<'_, B>) -> Result<()> {
    // A first estimate of the rate of the device.
    let probe = [256; 3];
    bench.flops = operations(probe) / product(bench, MatMul::NN, probe, Storage::F32, 0.1)?.seconds;
    for (name, op, usual, weight) in PRODUCTS {
        let share = bench.share(weight);
        let flops = bench.flops;
        // At two thirds of the best rate, which not every shape reaches.
        let shape = shrink(usual, share, longest, |shape| 1.5 * operations(shape) / flops);
        let text = |[m, k, n]: [usize; 3]| format!("{m}×{k}×{n}");
        let note = (shape != usual).then(|| format!("instead of {}", text(usual)));
        let row = Row { name, shape: text(shape), unit: FLOPS, note, ..Row::default() };
        bench.begin(&row);
        let taken = product(bench, op, shape, Storage::F32, share)?;
        bench.flops = bench.flops.max(operations(shape) / taken.seconds);
        bench.rows.push(taken.fill(operations(shape) * 1e-9, row));
    }
    Ok(())
}

/// The large products with X as bytes, and with X as halves on tensor cores.
const STORED: [(&str, MatMul, [usize; 3], Storage, bool); 4] = [
    ("product XΨ u8", MatMul::NN, [60_000, 784, 100], Storage::U8, false),
    ("product XᵀH u8", MatMul::TN, [784, 60_000, 100], Storage::U8, false),
    ("product XΨ f16", MatMul::NN, [60_000, 784, 100], Storage::F16, true),
    ("product XᵀH f16", MatMul::TN, [784, 60_000, 100], Storage::F16, true),
];

/// Products with stored X, for devices with memory of their own: in host memory, X is always f32.
pub(super) fn stored_products<B: Clock<Elem = f32>>(bench: &mut Bench<'_, B>) -> Result<()> {
    for (name, op, usual, storage, halves) in STORED {
        let share = bench.share(2.0);
        let flops = bench.flops;
        let shape = shrink(usual, share, longest, |shape| 1.5 * operations(shape) / flops);
        let [m, k, n] = shape;
        let row = Row { name, shape: format!("{m}×{k}×{n}"), unit: FLOPS, ..Row::default() };
        bench.begin(&row);
        let lacks = if bench.b.waited().is_none() {
            Some("left out: the host's memory keeps X as f32")
        } else if halves && !bench.b.use_halves(true) {
            Some("left out: the device lists no cooperative matrices of F16→F32")
        } else {
            None
        };
        if let Some(why) = lacks {
            bench.rows.push(Row { note: Some(why.into()), ..row });
            continue;
        }
        let taken = product(bench, op, shape, storage, share);
        bench.b.use_halves(false);
        let taken = taken?;
        let note = (shape != usual).then(|| format!("instead of {}×{}×{}", usual[0], usual[1], usual[2]));
        bench.rows.push(taken.fill(operations(shape) * 1e-9, Row { note, ..row }));
    }
    Ok(())
}

fn product<B: Clock<Elem = f32>>(
    bench: &mut Bench<'_, B>,
    op: MatMul,
    [m, k, n]: [usize; 3],
    storage: Storage,
    share: f64,
) -> Result<Taken> {
    let of_a = if op == MatMul::TN { (k, m) } else { (m, k) };
    let (left, _) = bench.b.upload_data(random(1, of_a.0, of_a.1).into(), storage)?;
    let right = bench.b.upload(random(2, k, n).view())?;
    let mut out = bench.b.zeros(m, n)?;
    bench.time(share, |b| b.matmul(op, &left, &right, &mut out))
}
