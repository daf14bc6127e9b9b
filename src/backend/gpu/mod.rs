//! The GPU backend: WGSL kernels on any Vulkan, Metal or DX12 device, through wgpu.
//!
//! Everything stays on the device; one call of [`Backend::submit`] is one command buffer. Matrices lie in shards of
//! rows that fit a binding, cut by the device's limits alone, and every operation takes any cut.

mod context;
mod kernels;
mod matrix;
mod scheduler;

pub use context::GpuOptions;
pub(crate) use context::{find, list};
pub use matrix::Matrix;
pub use scheduler::Stats;

use super::{Backend, By, Cadence, ColumnSums, Curvature, MatMul, Momentum, NesterovStep, Sum, check};
use crate::model::HPenalty;
use crate::train::Metric;
use crate::{Error, Result};
use context::Context;
use kernels::Id;
use matrix::Buffer;
use ndarray::{Array2, ArrayView2, s};
use scheduler::{Kernel, Read, Scheduler};
use std::rc::Rc;

/// Bytes for the parts of split products and column sums, unless a binding is smaller.
const SCRATCH_BYTES: u64 = 32 << 20;
/// Bytes of a transfer between host and device at a time.
const TRANSFER_BYTES: usize = 32 << 20;
/// Bytes of the product that a residual is taken of at a time.
const RESIDUAL_BYTES: usize = 16 << 20;
/// What guard words hold: a NaN that no kernel makes.
const GUARD: u32 = 0x7fc0_dead;

/// Sums on the device: 256 parts each.
#[derive(Debug)]
pub struct Scalars {
    buffer: Buffer,
    len: usize,
}

/// A read of sums under way.
pub struct Pending(Read);

/// A GPU with its compiled kernels.
pub struct Gpu {
    context: Context,
    scheduler: Scheduler,
    kernels: Vec<Kernel>,
    scratch: Rc<Buffer>,
    scratch_words: usize,
    spectral: [Rc<Buffer>; 3],
    spectral_len: usize,
    residual: Option<Matrix>,
    next_id: u64,
}

impl std::fmt::Debug for Gpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gpu").field("name", &self.context.name).finish_non_exhaustive()
    }
}

impl Gpu {
    /// Opens the adapter of that number in the list of [`devices`](crate::devices) and compiles the kernels.
    ///
    /// # Errors
    /// [`Error::NoDevice`] where there is none of that number or it lacks what is needed.
    pub fn open(index: usize, options: GpuOptions) -> Result<Self> {
        let context = Context::open(index, options)?;
        let kernels = kernels::compile(&context);
        context.check()?;
        let scratch_bytes = SCRATCH_BYTES.min(context.max_binding) / 4 * 4;
        let spectral_bytes = (context.max_binding / 4 * 4).min(1 << 20);
        let mut next_id = 0;
        let mut buffer = |label: &str, bytes| -> Result<Rc<Buffer>> {
            next_id += 1;
            Ok(Rc::new(Buffer { id: next_id, raw: context.buffer(label, bytes)? }))
        };
        let scratch = buffer("scratch", scratch_bytes)?;
        let mut spectral = || buffer("power iteration", spectral_bytes);
        let spectral = [spectral()?, spectral()?, spectral()?];
        Ok(Self {
            context,
            scheduler: Scheduler::new(),
            kernels,
            scratch,
            scratch_words: (scratch_bytes / 4) as usize,
            spectral,
            spectral_len: (spectral_bytes / 4) as usize,
            residual: None,
            next_id,
        })
    }

    /// What has been asked of the device so far.
    pub fn stats(&self) -> Stats {
        self.scheduler.stats
    }

    fn dispatch(&mut self, id: Id, buffers: &[&Buffer], params: &impl bytemuck::Pod, grid: [u32; 3]) {
        self.scheduler.dispatch(&self.context, &self.kernels[id as usize], buffers, params, grid);
    }

    fn scratch(&self) -> Rc<Buffer> {
        Rc::clone(&self.scratch)
    }

    fn scratch_words(&self) -> usize {
        self.scratch_words
    }

    fn spectral_scratch(&self, k: usize) -> Result<[Rc<Buffer>; 3]> {
        if k > self.spectral_len {
            let (needed, limit) = (4 * k as u64, 4 * self.spectral_len as u64);
            return Err(Error::TooLarge { what: format!("the power iteration on a {k}×{k} Gram"), needed, limit });
        }
        Ok(self.spectral.clone())
    }

    fn allocate(&mut self, rows: usize, cols: usize) -> Result<Matrix> {
        // New buffers come between loops, where old bind groups are no longer of use.
        self.scheduler.forget_bind_groups();
        let matrix = Matrix::new(&self.context, rows, cols, &mut self.next_id)?;
        self.scheduler.stats.buffers += matrix.shards.len() as u64;
        let guard = vec![GUARD; self.context.options.guard_words];
        if !guard.is_empty() {
            for (shard, _, rows) in matrix.each() {
                let at = 4 * (rows * matrix.ld) as u64;
                self.context.queue.write_buffer(&shard.raw, at, bytemuck::cast_slice(&guard));
            }
        }
        Ok(matrix)
    }

    /// A matrix of up to `rows` rows, as many as one shard takes.
    fn allocate_one_shard(&mut self, rows: usize, cols: usize) -> Result<Matrix> {
        let rows = Matrix::rows_of_one_shard(&self.context, rows, cols)?;
        self.allocate(rows, cols)
    }

    /// Writes rows into a new matrix, whose padding is 0.
    fn write(&mut self, matrix: &Matrix, host: ArrayView2<'_, f32>) -> Result<()> {
        let rows_at_a_time = (TRANSFER_BYTES / (4 * matrix.ld)).max(1);
        for (shard, first, rows) in matrix.each() {
            for start in (0..rows).step_by(rows_at_a_time) {
                let end = rows.min(start + rows_at_a_time);
                let mut padded = Array2::<f32>::zeros((end - start, matrix.ld));
                padded.slice_mut(s![.., ..matrix.cols]).assign(&host.slice(s![first + start..first + end, ..]));
                let words = padded.as_slice().unwrap_or_default();
                self.context.queue.write_buffer(
                    &shard.raw,
                    4 * (start * matrix.ld) as u64,
                    bytemuck::cast_slice(words),
                );
                // Lets the staging memory of this part go.
                self.context.queue.submit([]);
            }
        }
        self.context.check()
    }

    /// The guard words behind every shard, and the padding, as they must be.
    fn check_guard(&mut self, matrix: &Matrix) -> Result<()> {
        let words = self.context.options.guard_words;
        for (shard, _, rows) in matrix.each().filter(|_| words > 0) {
            let at = 4 * (rows * matrix.ld) as u64;
            let read = self.scheduler.start_read(&self.context, shard, at, 4 * words as u64)?;
            let mut intact = true;
            self.scheduler
                .finish_read(&self.context, read, |words| intact = words.iter().all(|w| w.to_bits() == GUARD))?;
            if !intact {
                let (rows, cols) = matrix.shape();
                return Err(Error::DeviceLost(format!("a kernel wrote behind a shard of a {rows}×{cols} matrix")));
            }
        }
        Ok(())
    }
}

impl Backend for Gpu {
    type Elem = f32;
    type Matrix = Matrix;
    type Scalars = Scalars;
    type Pending = Pending;

    fn cadence(&self) -> Cadence {
        Cadence { every: 4, ahead: 1 }
    }

    fn device_name(&self) -> String {
        self.context.name.clone()
    }

    fn zeros(&mut self, rows: usize, cols: usize) -> Result<Matrix> {
        // New buffers are zero.
        self.allocate(rows, cols)
    }

    fn upload(&mut self, host: ArrayView2<'_, f32>) -> Result<Matrix> {
        let matrix = self.allocate(host.nrows(), host.ncols())?;
        self.write(&matrix, host)?;
        Ok(matrix)
    }

    fn download(&mut self, m: &Matrix) -> Result<Array2<f32>> {
        let mut host = Array2::zeros(m.shape());
        let rows_at_a_time = (TRANSFER_BYTES / (4 * m.ld)).max(1);
        let mut dirty = None;
        for (shard, first, rows) in m.each() {
            for start in (0..rows).step_by(rows_at_a_time) {
                let end = rows.min(start + rows_at_a_time);
                let (at, bytes) = (4 * (start * m.ld) as u64, 4 * ((end - start) * m.ld) as u64);
                let read = self.scheduler.start_read(&self.context, shard, at, bytes)?;
                self.scheduler.finish_read(&self.context, read, |words| {
                    for (row, words) in (first + start..).zip(words.chunks_exact(m.ld)) {
                        host.row_mut(row).assign(&ndarray::aview1(&words[..m.cols]));
                        if words[m.cols..].iter().any(|w| *w != 0.0) {
                            dirty = Some(row);
                        }
                    }
                })?;
            }
        }
        self.check_guard(m)?;
        match dirty {
            Some(row) => Err(Error::DeviceLost(format!("a kernel wrote into the padding of row {row}"))),
            None => Ok(host),
        }
    }

    fn shape(&self, m: &Matrix) -> (usize, usize) {
        m.shape()
    }

    fn scalars(&mut self, len: usize) -> Result<Scalars> {
        self.next_id += 1;
        self.scheduler.forget_bind_groups();
        self.scheduler.stats.buffers += 1;
        let raw = self.context.buffer("sums", 4 * (len.max(1) * kernels::sum::PARTS) as u64)?;
        Ok(Scalars { buffer: Buffer { id: self.next_id, raw }, len })
    }

    fn matmul(&mut self, op: MatMul, a: &Matrix, b: &Matrix, out: &mut Matrix) -> Result<()> {
        let (_, k, _) = check::product(op, a.shape(), b.shape(), out.shape())?;
        if k == 0 {
            for shard in &out.shards {
                self.scheduler.outside(&self.context).clear_buffer(&shard.raw, 0, None);
            }
            return Ok(());
        }
        kernels::matmul::record(self, op, a, b, out)
    }

    fn copy(&mut self, from: &Matrix, to: &mut Matrix) -> Result<()> {
        check::same("copy", from.shape(), to.shape())?;
        kernels::copy::record(self, from, to)
    }

    fn spectral_bound(
        &mut self,
        gram: &Matrix,
        metric: Metric,
        iterations: usize,
        out: &mut Curvature<Matrix>,
    ) -> Result<()> {
        let k = check::square("gram", gram.shape())?;
        check::same("metric of a gram", (1, k), out.scale.shape())?;
        check::same("vector of a power iteration", (1, k), out.vector.shape())?;
        kernels::spectral::record(self, gram, metric == Metric::Diagonal, iterations, out)
    }

    fn add_penalty(&mut self, gram: &Matrix, kind: HPenalty, lambda: f64, out: &mut Matrix) -> Result<()> {
        check::square("gram", gram.shape())?;
        check::same("penalised gram", gram.shape(), out.shape())?;
        kernels::add_penalty::record(self, gram, kind == HPenalty::Ridge, lambda as f32, out)
    }

    fn column_sums(&mut self, m: &Matrix, what: ColumnSums, out: &mut Matrix) -> Result<()> {
        check::same("column sums", (1, m.cols), out.shape())?;
        kernels::column_sums::record(self, m, what, out)
    }

    fn nesterov_step(&mut self, step: NesterovStep<'_, Self>) -> Result<()> {
        check::nesterov_step(self, &step)?;
        if let Momentum::Restart { scalars, slot, .. } = &step.momentum {
            check::slot(scalars.len, *slot)?;
        }
        kernels::nesterov_step::record(self, step)
    }

    fn sum(&mut self, what: Sum<'_, Matrix>, out: &mut Scalars, slot: usize) -> Result<()> {
        use kernels::sum::{Mode, record};
        check::slot(out.len, slot)?;
        match what {
            Sum::Dot(a, b) => {
                check::same("inner product", a.shape(), b.shape())?;
                record(self, Mode::Dot, a, Some(b), out, slot)
            }
            Sum::Entries(a) => record(self, Mode::Entries, a, None, out, slot),
            Sum::Trace(a) => {
                check::square("trace", a.shape())?;
                record(self, Mode::Trace, a, None, out, slot)
            }
        }
    }

    fn residual(&mut self, x: &Matrix, h: &Matrix, psi: &Matrix, out: &mut Scalars, slot: usize) -> Result<()> {
        check::product(MatMul::NT, h.shape(), psi.shape(), x.shape())?;
        check::slot(out.len, slot)?;
        // The product of some rows at a time, kept for the next call.
        let rows = (RESIDUAL_BYTES / (4 * x.ld)).clamp(1, x.rows.max(1));
        let product = match self.residual.take() {
            Some(product) if product.cols == x.cols && product.rows <= rows => product,
            _ => self.allocate_one_shard(rows, x.cols)?,
        };
        let mut accumulate = false;
        for piece in matrix::pieces(x.rows, x.shard_rows, h.shard_rows) {
            for start in (0..piece.rows).step_by(product.rows) {
                let rows = product.rows.min(piece.rows - start);
                let (of_x, of_h) = (piece.a, piece.b);
                kernels::matmul::record_rows_nt(self, h, (of_h.shard, of_h.row + start, rows), psi, &product)?;
                let run = matrix::Run { shard: of_x.shard, row: of_x.row + start };
                kernels::sum::record_difference(self, x, run, rows, &product, (out, slot), accumulate);
                accumulate = true;
            }
        }
        self.residual = Some(product);
        Ok(())
    }

    fn quarter_root(
        &mut self,
        coefficient: f64,
        numerator: &Matrix,
        denominator: &Matrix,
        out: &mut Matrix,
    ) -> Result<()> {
        check::same("balance, numerator", out.shape(), numerator.shape())?;
        check::same("balance, denominator", out.shape(), denominator.shape())?;
        kernels::quarter_root::record(self, coefficient as f32, numerator, denominator, out)
    }

    fn equalize(&mut self, weights: &Matrix, sums: &Scalars, first: usize, out: &mut Matrix) -> Result<()> {
        check::same("balance of the chain", weights.shape(), out.shape())?;
        check::slot(sums.len, first + weights.cols.max(1) - 1)?;
        kernels::equalize::record(self, weights, sums, first, out)
    }

    fn scale(&mut self, m: &mut Matrix, by: By<'_, Matrix>, divide: bool) -> Result<()> {
        check::scale(self, m, by)?;
        kernels::scale::record(self, m, by, divide)
    }

    fn submit(&mut self) -> Result<()> {
        self.scheduler.submit(&self.context)
    }

    fn start_read(&mut self, scalars: &Scalars) -> Result<Pending> {
        let bytes = 4 * (scalars.len.max(1) * kernels::sum::PARTS) as u64;
        Ok(Pending(self.scheduler.start_read(&self.context, &scalars.buffer, 0, bytes)?))
    }

    fn finish_read(&mut self, pending: Pending) -> Result<Vec<f64>> {
        let mut sums = Vec::new();
        self.scheduler.finish_read(&self.context, pending.0, |words| {
            sums.extend(
                words.chunks(kernels::sum::PARTS).map(|parts| parts.iter().map(|p| f64::from(*p)).sum::<f64>()),
            );
        })?;
        Ok(sums)
    }
}
