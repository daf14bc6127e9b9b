//! The GPU backend: WGSL kernels on any Vulkan, Metal or DX12 device, through wgpu.
//!
//! Everything stays on the device; one call of [`Backend::submit`](super::Backend::submit) is one command buffer. Matrices lie in shards of
//! rows that fit a binding, cut by the device's limits alone, and every operation takes any cut.

#![warn(clippy::cast_possible_truncation)]

mod context;
mod fault;
mod gate;
mod kernels;
mod matrix;
mod memory;
mod ops;
mod options;
mod scheduler;
mod sparse;
mod stored;
mod timer;
mod tune;

pub(crate) use context::{find, list};
pub use matrix::Matrix;
pub(crate) use memory::{
    FIXED_BYTES, columns_bytes, fuses_rows, matrix_bytes, residual_bytes, stored_bytes, sums_bytes,
};
pub use options::{GpuOptions, Tune};
pub use scheduler::Stats;
pub use sparse::SparseMatrix;

use crate::backend::DeviceInfo;
use crate::backend::{MatMul, Storage};
use crate::model::Solver;
use crate::{Error, Result};
use context::Context;
use gate::Gate;
use kernels::matmul_tiled::{self, VARIANTS};
use kernels::{Id, Lazy};
use matrix::Buffer;
use ndarray::{Array2, ArrayView2, s};
use scheduler::{Kernel, Read, Scheduler};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use tune::Class;

/// Bytes for the parts of split products and column sums, unless a binding is smaller.
const SCRATCH_BYTES: u64 = 32 << 20;
/// Bytes of each of the three vectors of a power iteration, unless a binding is smaller.
const SPECTRAL_BYTES: u64 = 1 << 20;
/// Bytes of a transfer between host and device at a time.
const TRANSFER_BYTES: usize = 32 << 20;
/// Bytes of the product that a residual is taken of at a time.
const RESIDUAL_BYTES: usize = 16 << 20;
/// All matrix products, where coordinate descent has a single workgroup at work wherever W is penalised or in the chain.
/// benches/solvers.rs has not yet run on a real GPU, and a software one says nothing about it.
pub(crate) const FASTEST_SOLVER: Solver = Solver::Nesterov;
/// Iterations between two looks of the host at the objective.
pub(crate) const LOOK_EVERY: usize = 4;
/// Bytes of the gate: room for the distinct grids of any loop there is, ten times over.
const GATE_BYTES: u32 = 3 << 10;
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
    lazy: HashMap<Lazy, Kernel>,
    /// Which variants of a product the adapter can run.
    runs: [bool; VARIANTS.len()],
    tuned: tune::Table,
    scratch: Arc<Buffer>,
    scratch_words: usize,
    spectral: [Arc<Buffer>; 3],
    spectral_len: usize,
    residual: Option<Matrix>,
    /// The rounded operand of a product of halves.
    halves: Option<Arc<Buffer>>,
    /// Whether products of halves are made of them.
    uses_halves: bool,
    gate: Gate,
    /// Columns of coordinate descent and their gradients.
    descent: Option<[Arc<Buffer>; 2]>,
    /// `X G_:j` and the column sums of coordinate descent in the chain.
    chain: Vec<(Matrix, Matrix)>,
}

impl std::fmt::Debug for Gpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gpu").field("name", &self.context.name).finish_non_exhaustive()
    }
}

impl Gpu {
    /// Opens the adapter of that number in the list of [`devices`](crate::devices) and compiles the kernels; measures
    /// products where [`GpuOptions::tune`] says so.
    ///
    /// # Errors
    /// [`Error::NoDevice`] where there is none of that number or it lacks what is needed.
    pub fn open(index: usize, options: GpuOptions) -> Result<Self> {
        let context = Context::open(index, options)?;
        let limits = context.device.limits();
        let (bytes, invocations) =
            (limits.max_compute_workgroup_storage_size, limits.max_compute_invocations_per_workgroup);
        let runs = VARIANTS.map(|v| v.runs_on(bytes, invocations));
        if let Some(forced) = context.options.force_variant.filter(|i| runs.get(*i) != Some(&true)) {
            let message = format!("{}: products have no variant {forced} that it can run", context.name);
            return Err(Error::Config(message));
        }
        let kernels = kernels::compile(&context)?;
        let words = |bytes: u64| usize::try_from(bytes.min(context.max_binding) / 4).unwrap_or(usize::MAX);
        let (scratch_words, spectral_len) = (words(SCRATCH_BYTES), words(SPECTRAL_BYTES));
        let buffer = |label: &str, words: usize| -> Result<Arc<Buffer>> {
            Ok(Arc::new(Buffer::new(context.buffer(label, 4 * words as u64)?, Storage::F32)))
        };
        let scratch = buffer("scratch", scratch_words)?;
        let spectral = || buffer("power iteration", spectral_len);
        let spectral = [spectral()?, spectral()?, spectral()?];
        let gate = Gate::new(&context)?;
        let mut gpu = Self {
            context,
            scheduler: Scheduler::new(),
            kernels,
            lazy: HashMap::new(),
            runs,
            tuned: tune::Table::new(),
            scratch,
            scratch_words,
            spectral,
            spectral_len,
            residual: None,
            halves: None,
            uses_halves: false,
            gate,
            descent: None,
            chain: Vec::new(),
        };
        gpu.tuned = tune::table(&mut gpu)?;
        Ok(gpu)
    }

    /// The ways to compute a product, by name; None for one that the adapter has not the limits for.
    pub fn variants(&self) -> Vec<Option<&'static str>> {
        VARIANTS.iter().zip(self.runs).map(|(v, runs)| runs.then_some(v.name)).collect()
    }

    /// What has been asked of the device so far.
    pub fn stats(&self) -> Stats {
        let (bytes, peak_bytes) = self.context.memory.bytes();
        Stats { bytes, peak_bytes, ..self.scheduler.stats }
    }

    /// The adapter.
    pub fn info(&self) -> &DeviceInfo {
        &self.context.info
    }

    fn dispatch(&mut self, id: Id, buffers: &[&Buffer], params: &impl bytemuck::Pod, grid: [u32; 3]) -> Result<()> {
        let at = self.gated(grid)?;
        let workgroups = self.gate.workgroups(grid, at);
        self.scheduler.dispatch(
            &self.context,
            &self.kernels[id as usize],
            buffers,
            bytemuck::bytes_of(params),
            workgroups,
        )
    }

    /// [`Gpu::dispatch`] for a kernel that may have to be compiled first.
    fn dispatch_lazy(&mut self, lazy: Lazy, buffers: &[&Buffer], params: &[u8], grid: [u32; 3]) -> Result<()> {
        let at = self.gated(grid)?;
        let id = self.kernels.len() + self.lazy.len();
        let kernel = match self.lazy.entry(lazy) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(lazy.compile(&self.context, id)?),
        };
        let workgroups = self.gate.workgroups(grid, at);
        self.scheduler.dispatch(&self.context, kernel, buffers, params, workgroups)
    }

    /// How rows of k columns are taken through a block at once; None where they are too long, or the Gram is in pieces.
    fn fused_tile(&self, k: usize) -> Option<kernels::nesterov_rows::Tile> {
        let whole = Matrix::rows_of_one_shard(&self.context, k, k).is_ok_and(|rows| rows >= k);
        let bytes = self.context.info.max_workgroup_bytes;
        kernels::nesterov_rows::Tile::of(k, bytes).filter(|_| whole && !self.context.options.unfused)
    }

    /// The number of the variant for a product whose parts allow any.
    fn variant(&self, op: MatMul, shape: (usize, usize, usize)) -> usize {
        let measured = || self.tuned.get(&Class::of(op, shape)).copied();
        match self.context.options.force_variant.or_else(measured) {
            Some(variant) if self.runs[variant] => variant,
            _ => matmul_tiled::choose(shape, self.context.tiles_at_a_time(), |i| self.runs[i]),
        }
    }

    fn scratch(&self) -> Arc<Buffer> {
        Arc::clone(&self.scratch)
    }

    fn scratch_words(&self) -> usize {
        self.scratch_words
    }

    fn spectral_scratch(&self, k: usize) -> Result<[Arc<Buffer>; 3]> {
        if k > self.spectral_len {
            let (needed, limit) = (4 * k as u64, 4 * self.spectral_len as u64);
            let what = format!("the power iteration on a {k}×{k} Gram");
            return Err(Error::TooLarge { what, needed, limit, unit: "bytes" });
        }
        Ok(self.spectral.clone())
    }

    /// Two buffers of at least `words`, kept for the next call.
    fn descent_scratch(&mut self, words: usize) -> Result<[Arc<Buffer>; 2]> {
        let bytes = 4 * words as u64;
        if let Some(pair) = self.descent.as_ref().filter(|[first, _]| first.raw.size() >= bytes) {
            return Ok(pair.clone());
        }
        self.descent = None;
        let mut buffer = || self.buffer("columns", bytes, Storage::F32).map(Arc::new);
        let pair = [buffer()?, buffer()?];
        self.descent = Some(pair.clone());
        Ok(pair)
    }

    /// A buffer of at least `words`, kept for the next call.
    fn halves_scratch(&mut self, words: usize) -> Result<Arc<Buffer>> {
        let bytes = 4 * words as u64;
        if let Some(buffer) = self.halves.as_ref().filter(|buffer| buffer.raw.size() >= bytes) {
            return Ok(Arc::clone(buffer));
        }
        self.halves = None;
        let buffer = Arc::new(self.buffer("halves", bytes, Storage::F32)?);
        self.halves = Some(Arc::clone(&buffer));
        Ok(buffer)
    }

    /// The size of the fragments that a product is made of on tensor cores; None where it is not.
    fn fragments(&self, op: MatMul, a: &Buffer) -> Option<usize> {
        let suits = self.uses_halves && op != MatMul::NT && a.storage == Storage::F16;
        self.context.fragment.filter(|_| suits)
    }

    /// Vectors of these lengths, of which there is a pair for every layer.
    fn chain_vectors(&mut self, rows: usize, cols: usize) -> Result<(Matrix, Matrix)> {
        match self.chain.iter().position(|(t, sums)| (t.cols, sums.cols) == (rows, cols)) {
            Some(kept) => Ok(self.chain.swap_remove(kept)),
            None => Ok((self.allocate(1, rows, Storage::F32)?, self.allocate(1, cols, Storage::F32)?)),
        }
    }

    fn keep_chain_vectors(&mut self, pair: (Matrix, Matrix)) {
        self.chain.push(pair);
    }

    /// A buffer of `bytes`. New buffers come between loops, where old bind groups are no longer of use; these would keep alive
    /// what is gone.
    fn buffer(&mut self, label: &str, bytes: u64, storage: Storage) -> Result<Buffer> {
        self.scheduler.forget_bind_groups();
        let raw = self.with_room(|gpu| gpu.context.buffer(label, bytes))?;
        self.scheduler.stats.buffers += 1;
        Ok(Buffer::new(raw, storage))
    }

    /// Again, where the device is full: what was let go is freed when the work that it was for is done.
    fn with_room<T>(&mut self, work: impl Fn(&Self) -> Result<T>) -> Result<T> {
        match work(self) {
            Err(Error::OutOfMemory(_)) => {
                self.scheduler.wait(&self.context)?;
                work(self)
            }
            other => other,
        }
    }

    /// Brings bytes to a buffer, ahead of all that is recorded and not yet submitted.
    fn stage(&mut self, to: &Buffer, at: u64, bytes: &[u8]) -> Result<()> {
        self.context.check_own(&to.raw)?;
        self.with_room(|gpu| {
            gpu.context.check()?;
            gpu.context.queue.write_buffer(&to.raw, at, bytes);
            // Lets the staging memory go.
            gpu.context.queue.submit([]);
            gpu.context.check_memory("a transfer", bytes.len() as u64)
        })
    }

    fn allocate(&mut self, rows: usize, cols: usize, storage: Storage) -> Result<Matrix> {
        let matrix = Matrix::new(self, rows, cols, storage)?;
        let guard = vec![GUARD; self.context.options.guard_words];
        if !guard.is_empty() {
            for (shard, _, rows) in matrix.each() {
                let at = ((rows + matrix.spare) * matrix.row_bytes()) as u64;
                self.stage(shard, at, bytemuck::cast_slice(&guard))?;
            }
        }
        Ok(matrix)
    }

    /// A matrix of up to `rows` rows, as many as one shard takes.
    fn allocate_one_shard(&mut self, rows: usize, cols: usize) -> Result<Matrix> {
        let rows = Matrix::rows_of_one_shard(&self.context, rows, cols)?;
        self.allocate(rows, cols, Storage::F32)
    }

    /// Writes rows into a matrix, and zeros into its padding.
    fn fill(&mut self, matrix: &Matrix, host: ArrayView2<'_, f32>) -> Result<()> {
        matrix.numbers()?;
        let rows_at_a_time = (TRANSFER_BYTES / (4 * matrix.ld)).max(1);
        for (shard, first, rows) in matrix.each() {
            for start in (0..rows).step_by(rows_at_a_time) {
                let end = rows.min(start + rows_at_a_time);
                let mut padded = Array2::<f32>::zeros((end - start, matrix.ld));
                padded.slice_mut(s![.., ..matrix.cols]).assign(&host.slice(s![first + start..first + end, ..]));
                let words = padded.as_slice().unwrap_or_default();
                self.stage(shard, 4 * (start * matrix.ld) as u64, bytemuck::cast_slice(words))?;
            }
        }
        Ok(())
    }

    /// The guard words behind every shard, and the padding, as they must be.
    fn check_guard(&mut self, matrix: &Matrix) -> Result<()> {
        let words = self.context.options.guard_words;
        for (shard, _, rows) in matrix.each().filter(|_| words > 0) {
            let at = ((rows + matrix.spare) * matrix.row_bytes()) as u64;
            let read = self.scheduler.start_read(&self.context, shard, at, 4 * words as u64)?;
            let mut intact = true;
            self.scheduler
                .finish_read(&self.context, read, |words| intact = words.iter().all(|w| w.to_bits() == GUARD))?;
            if !intact {
                let (rows, cols) = matrix.shape();
                return Err(Error::DeviceFault(format!("a kernel wrote behind a shard of a {rows}×{cols} matrix")));
            }
        }
        Ok(())
    }
}
