//! The recorder: kernels are compiled when they are first needed, dispatches are recorded, buffers are made and kept.

use super::adapters::INVOCATIONS;
use super::context::Context;
use super::gate::Gate;
use super::matrix::{Buffer, Matrix};
use super::pace::Pace;
use super::pipeline::{Kernel, Key, Program};
use super::scheduler::{Scheduler, Workgroups};
use crate::backend::Storage;
use crate::{Error, Result};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

/// Bytes for the parts of split products and column sums, unless a binding is smaller.
pub(super) const SCRATCH_BYTES: u64 = 32 << 20;
/// Bytes of each of the three vectors of a power iteration, unless a binding is smaller.
pub(super) const SPECTRAL_BYTES: u64 = 1 << 20;
/// What guard words hold: a NaN that no kernel makes.
pub(super) const GUARD: u32 = 0x7fc0_dead;

/// What a buffer is kept for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    /// The rounded operand of a product of halves.
    Halves,
    /// A copy of a matrix in one piece.
    Whole,
    /// The steps of a coupled block.
    Steps,
}

/// A device with its queue, its kernels, and the buffers that they share.
pub(super) struct Recorder {
    pub(super) context: Context,
    pub(super) scheduler: Scheduler,
    pub(super) gate: Gate,
    pipelines: HashMap<Key, Kernel>,
    scratch: Arc<Buffer>,
    scratch_words: usize,
    spectral: [Arc<Buffer>; 3],
    spectral_len: usize,
    /// Columns of coordinate descent, their gradients, and what these are made of.
    descent: Option<[Arc<Buffer>; 3]>,
    /// For each purpose one.
    kept: [Option<Arc<Buffer>>; 3],
}

impl Recorder {
    pub(super) fn new(context: Context) -> Result<Self> {
        let words = |bytes: u64| usize::try_from(bytes.min(context.max_binding) / 4).unwrap_or(usize::MAX);
        let (scratch_words, spectral_len) = (words(SCRATCH_BYTES), words(SPECTRAL_BYTES));
        let buffer = |label: &str, words: usize| -> Result<Arc<Buffer>> {
            Ok(Arc::new(Buffer::new(context.buffer(label, 4 * words as u64)?, Storage::F32)))
        };
        let scratch = buffer("scratch", scratch_words)?;
        let spectral = || buffer("power iteration", spectral_len);
        let spectral = [spectral()?, spectral()?, spectral()?];
        let gate = Gate::new(&context)?;
        // Nobody waits for a software adapter.
        let told = (!context.is_gpu()).then_some(f64::INFINITY);
        #[cfg(test)]
        let told = context.options.planned.work.or(told);
        Ok(Self {
            context,
            scheduler: Scheduler::new(Pace::new(told)),
            gate,
            pipelines: HashMap::new(),
            scratch,
            scratch_words,
            spectral,
            spectral_len,
            descent: None,
            kept: [None, None, None],
        })
    }

    /// Records a kernel on `buffers` with `params`; nothing where there are no workgroups. Behind a check that found a loop over
    /// it is skipped.
    pub(super) fn dispatch(
        &mut self,
        program: &impl Program,
        buffers: &[&Buffer],
        params: &impl bytemuck::Pod,
        grid: [u32; 3],
    ) -> Result<()> {
        self.dispatch_bytes(program, buffers, bytemuck::bytes_of(params), grid)
    }

    /// [`Recorder::dispatch`] for parameters that are no struct.
    pub(super) fn dispatch_bytes(
        &mut self,
        program: &impl Program,
        buffers: &[&Buffer],
        params: &[u8],
        grid: [u32; 3],
    ) -> Result<()> {
        let most = self.context.max_workgroups;
        if grid.iter().any(|n| *n > most) {
            return Err(Error::DeviceFault(format!(
                "{grid:?} workgroups were asked for, {most} per dimension are allowed"
            )));
        }
        let Some(place) = self.gate.place(grid) else {
            return self.launch(program, buffers, params, Workgroups::Here(grid));
        };
        let gate = self.gate.buffer();
        if let Some(arm) = place.arm {
            self.dispatch_always(&super::gate::ARM, &[&gate], &arm)?;
        }
        self.launch(program, buffers, params, Workgroups::In(&gate.raw, 4 * u64::from(place.word)))
    }

    /// Counts the multiplications of what was recorded last. Where there are many by now, it is handed over.
    pub(super) fn worked(&mut self, multiplications: f64) -> Result<()> {
        if self.scheduler.pace.record(multiplications) { self.scheduler.submit(&self.context) } else { Ok(()) }
    }

    /// Records one workgroup, which is not skipped.
    pub(super) fn dispatch_always(
        &mut self,
        program: &impl Program,
        buffers: &[&Buffer],
        params: &impl bytemuck::Pod,
    ) -> Result<()> {
        self.launch(program, buffers, bytemuck::bytes_of(params), Workgroups::Here([1, 1, 1]))
    }

    fn launch(
        &mut self,
        program: &impl Program,
        buffers: &[&Buffer],
        params: &[u8],
        workgroups: Workgroups<'_>,
    ) -> Result<()> {
        let id = self.pipelines.len();
        let kernel = match self.pipelines.entry(program.key()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(Kernel::new(&self.context, id, &program.spec())?),
        };
        self.scheduler.dispatch(&self.context, kernel, buffers, params, workgroups)
    }

    /// Workgroups for `count` items, `per` each, as far as a dispatch has them.
    pub(super) fn groups(&self, count: usize, per: usize) -> u32 {
        groups(count, per, self.context.max_workgroups)
    }

    /// Workgroups per dimension of a dispatch.
    pub(super) fn most_groups(&self) -> usize {
        self.context.max_workgroups as usize
    }

    /// The grid of the elementwise kernels: 64 columns × 4 rows per workgroup.
    pub(super) fn elementwise(&self, rows: usize, cols: usize) -> [u32; 3] {
        const { assert!(INVOCATIONS == 64 * 4) };
        [self.groups(cols, 64), self.groups(rows, 4), 1]
    }

    /// A buffer of `bytes`. New buffers come between loops, where old bind groups are no longer of use; these would keep alive
    /// what is gone.
    pub(super) fn buffer(&mut self, label: &str, bytes: u64, storage: Storage) -> Result<Buffer> {
        self.scheduler.forget_bind_groups();
        let raw = self.with_room(|recorder| recorder.context.buffer(label, bytes))?;
        self.scheduler.stats.buffers += 1;
        Ok(Buffer::new(raw, storage))
    }

    /// Again, where the device is full: what was let go is freed when the work that it was for is done.
    pub(super) fn with_room<T>(&mut self, work: impl Fn(&Self) -> Result<T>) -> Result<T> {
        match work(self) {
            Err(Error::OutOfMemory(_)) => {
                self.scheduler.wait(&self.context)?;
                work(self)
            }
            other => other,
        }
    }

    /// Brings bytes to a buffer, ahead of all that is recorded and not yet submitted.
    pub(super) fn stage(&mut self, to: &Buffer, at: u64, bytes: &[u8]) -> Result<()> {
        self.stage_by(to, at, bytes.len(), |to| to.copy_from_slice(bytes))
    }

    /// The same for so many bytes that `write` puts where the device takes them from; what it leaves out is 0.
    pub(super) fn stage_by(
        &mut self,
        to: &Buffer,
        at: u64,
        bytes: usize,
        write: impl Fn(&mut wgpu::BufferViewMut),
    ) -> Result<()> {
        self.context.check_own(&to.raw)?;
        if bytes == 0 {
            return Ok(());
        }
        let bytes = bytes as u64;
        self.with_room(|recorder| {
            let context = &recorder.context;
            context.check()?;
            // Not by `write_buffer`, which does the same behind a copy, and whose staging memory is not let go on Metal; nor by a
            // `StagingBelt`, which panics where there is no memory.
            let staging = context.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("transfer"),
                size: bytes,
                usage: wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC,
                mapped_at_creation: true,
            });
            context.check_memory("a transfer", bytes)?;
            let failed = |e: &dyn std::fmt::Display| Error::DeviceFault(format!("a transfer failed: {e}"));
            write(&mut staging.get_mapped_range_mut(..).map_err(|e| failed(&e))?);
            staging.unmap();
            let mut encoder = context.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            encoder.copy_buffer_to_buffer(&staging, 0, &to.raw, at, staging.size());
            context.queue.submit([encoder.finish()]);
            context.check_memory("a transfer", bytes)
        })
    }

    pub(super) fn allocate(&mut self, rows: usize, cols: usize, storage: Storage) -> Result<Matrix> {
        let (mut matrix, guard_words) = Matrix::plan(&self.context, rows, cols, storage)?;
        for start in (0..rows).step_by(matrix.shard_rows).filter(|_| cols > 0) {
            let here = matrix.shard_rows.min(rows - start);
            let bytes = (here + matrix.spare) * matrix.row_bytes() + 4 * guard_words;
            let label = format!("{rows}×{cols} matrix");
            matrix.shards.push(self.buffer(&label, bytes as u64, storage)?);
            if storage == Storage::U8 {
                matrix.scales.push(self.buffer(&label, 4 * here as u64, Storage::F32)?);
            }
        }
        let guard = vec![GUARD; self.context.options.guard_words];
        if !guard.is_empty() {
            for (shard, _, rows) in matrix.each_shard() {
                let at = ((rows + matrix.spare) * matrix.row_bytes()) as u64;
                self.stage(shard, at, bytemuck::cast_slice(&guard))?;
            }
        }
        Ok(matrix)
    }

    /// A matrix of up to `rows` rows, as many as one shard takes.
    pub(super) fn allocate_one_shard(&mut self, rows: usize, cols: usize) -> Result<Matrix> {
        let rows = Matrix::rows_of_one_shard(&self.context, rows, cols)?;
        self.allocate(rows, cols, Storage::F32)
    }

    pub(super) fn scratch(&self) -> Arc<Buffer> {
        Arc::clone(&self.scratch)
    }

    pub(super) fn scratch_words(&self) -> usize {
        self.scratch_words
    }

    pub(super) fn spectral_scratch(&self, k: usize) -> Result<[Arc<Buffer>; 3]> {
        if k > self.spectral_len {
            let (needed, limit) = (4 * k as u64, 4 * self.spectral_len as u64);
            let what = format!("the power iteration on a {k}×{k} Gram");
            return Err(Error::TooLarge { what, needed, limit, unit: "bytes" });
        }
        Ok(self.spectral.clone())
    }

    /// Three buffers of at least `words`, kept for the next call.
    pub(super) fn descent_scratch(&mut self, words: usize) -> Result<[Arc<Buffer>; 3]> {
        let bytes = 4 * words as u64;
        if let Some(three) = self.descent.as_ref().filter(|[first, ..]| first.raw.size() >= bytes) {
            return Ok(three.clone());
        }
        self.descent = None;
        let mut buffer = || self.buffer("columns", bytes, Storage::F32).map(Arc::new);
        let three = [buffer()?, buffer()?, buffer()?];
        self.descent = Some(three.clone());
        Ok(three)
    }

    /// A buffer of at least `words`, kept for the next call. One that is too small goes before the next is made.
    pub(super) fn kept(&mut self, purpose: Purpose, words: usize) -> Result<Arc<Buffer>> {
        let (at, bytes) = (purpose as usize, 4 * words as u64);
        let buffer = match self.kept[at].take().filter(|buffer| buffer.raw.size() >= bytes) {
            Some(buffer) => buffer,
            None => Arc::new(self.buffer(&format!("{purpose:?}"), bytes, Storage::F32)?),
        };
        self.kept[at] = Some(Arc::clone(&buffer));
        Ok(buffer)
    }
}

/// Workgroups for `count` items, `per` each, but no more than `most`: every kernel goes on in strides of its grid.
fn groups(count: usize, per: usize, most: u32) -> u32 {
    u32::try_from(count.div_ceil(per)).map_or(most, |all| all.min(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids() {
        let groups = |count, per| groups(count, per, 65_535);
        assert_eq!((groups(0, 64), groups(1, 64), groups(64, 64), groups(65, 64)), (0, 1, 1, 2));
        assert_eq!(
            (groups(65_535 * 64, 64), groups(65_535 * 64 + 1, 64), groups(usize::MAX, 1)),
            (65_535, 65_535, 65_535)
        );
    }
}
