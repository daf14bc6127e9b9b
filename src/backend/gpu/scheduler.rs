//! Records dispatches into one open compute pass and hands them over when asked.

use super::context::Context;
use super::matrix::{Buffer, not_numbers};
use super::pace::Pace;
use super::pipeline::Kernel;
use super::timer::Timer;
use crate::backend::Storage;
use crate::{Error, Result};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// What has been asked of the device since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Dispatches recorded.
    pub dispatches: u64,
    /// Command buffers handed over.
    pub submissions: u64,
    /// Times that the host waited for the device.
    pub waits: u64,
    /// Bind groups made; in a running loop there are no new ones.
    pub bind_groups: u64,
    /// Buffers made for matrices and sums.
    pub buffers: u64,
    /// Products of parts that begin between two vectors, for which there is one slow kernel only.
    pub unaligned: u64,
    /// Bytes of the storage buffers that there are: matrices, sums and scratch; not the staging memory of transfers.
    pub bytes: u64,
    /// The most bytes that there were at once.
    pub peak_bytes: u64,
    /// How long the host waited for the device. What else it took for is the host's share: recording, submitting, and
    /// whatever the caller does. An adapter that computes while it is handed work (some software ones) counts as host.
    pub waited: Duration,
}

/// Bytes on their way to the host.
pub(super) struct Read {
    staging: wgpu::Buffer,
    done: Receiver<Result<(), wgpu::BufferAsyncError>>,
    submission: wgpu::SubmissionIndex,
    /// What [`Pace`] counted until then.
    work: f64,
}

/// Larger staging buffers are not kept.
const SPARE_BYTES: u64 = 1 << 20;

/// Where a dispatch has its workgroups from.
#[derive(Clone, Copy)]
pub(super) enum Workgroups<'a> {
    Here([u32; 3]),
    /// A buffer, from this byte on.
    In(&'a wgpu::Buffer, u64),
}

type Key = (usize, [u64; 7]);

/// The recorder.
pub(super) struct Scheduler {
    pass: Option<wgpu::ComputePass<'static>>,
    encoder: Option<wgpu::CommandEncoder>,
    bind_groups: HashMap<Key, wgpu::BindGroup>,
    last: Option<wgpu::SubmissionIndex>,
    /// Staging buffers of small reads, for the next one of that size.
    spare: Vec<wgpu::Buffer>,
    timer: Option<Timer>,
    pub(super) pace: Pace,
    pub(super) stats: Stats,
}

impl Scheduler {
    pub(super) fn new(pace: Pace) -> Self {
        Self {
            pass: None,
            encoder: None,
            bind_groups: HashMap::new(),
            last: None,
            spare: Vec::new(),
            timer: None,
            pace,
            stats: Stats::default(),
        }
    }

    fn encoder<'a>(encoder: &'a mut Option<wgpu::CommandEncoder>, context: &Context) -> &'a mut wgpu::CommandEncoder {
        encoder.get_or_insert_with(|| context.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default()))
    }

    /// Ends the pass, for what cannot happen inside one.
    pub(super) fn outside(&mut self, context: &Context) -> &mut wgpu::CommandEncoder {
        self.pass = None;
        Self::encoder(&mut self.encoder, context)
    }

    /// Records `kernel` on `buffers` with `params`; nothing where there are no workgroups. [`Error::Config`] for a matrix stored
    /// in a way that the kernel does not read.
    pub(super) fn dispatch(
        &mut self,
        context: &Context,
        kernel: &Kernel,
        buffers: &[&Buffer],
        params: &[u8],
        workgroups: Workgroups<'_>,
    ) -> Result<()> {
        for (binding, buffer) in buffers.iter().enumerate() {
            let expected = if binding == 0 { kernel.reads } else { Storage::F32 };
            context.check_own(&buffer.raw)?;
            if buffer.storage != expected {
                return Err(not_numbers(buffer.storage));
            }
        }
        if matches!(workgroups, Workgroups::Here(grid) if grid.contains(&0)) {
            return Ok(());
        }
        let mut ids = [0; 7];
        for (id, buffer) in ids.iter_mut().zip(buffers) {
            *id = buffer.id;
        }
        let bind_group = match self.bind_groups.entry((kernel.id, ids)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let entries: Vec<_> = buffers
                    .iter()
                    .zip(0..)
                    .map(|(buffer, binding)| wgpu::BindGroupEntry { binding, resource: buffer.raw.as_entire_binding() })
                    .collect();
                let bind_group = context.device.create_bind_group(&wgpu::BindGroupDescriptor {
                    label: Some(kernel.label),
                    layout: &kernel.layout,
                    entries: &entries,
                });
                context.check()?;
                self.stats.bind_groups += 1;
                place.insert(bind_group)
            }
        };
        let (encoder, timer) = (&mut self.encoder, &mut self.timer);
        let pass = self.pass.get_or_insert_with(|| {
            let encoder = Self::encoder(encoder, context);
            let timestamp_writes = timer.as_mut().map(|timer| timer.next(context, encoder));
            encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes }).forget_lifetime()
        });
        pass.set_pipeline(&kernel.pipeline);
        pass.set_bind_group(0, &*bind_group, &[]);
        pass.set_immediates(0, params);
        match workgroups {
            Workgroups::Here([x, y, z]) => pass.dispatch_workgroups(x, y, z),
            Workgroups::In(buffer, at) => pass.dispatch_workgroups_indirect(buffer, at),
        }
        self.stats.dispatches += 1;
        Ok(())
    }

    /// Hands over what is recorded, if anything. What is refused was not computed, none of it.
    pub(super) fn submit(&mut self, context: &Context) -> Result<()> {
        self.pass = None;
        if let Some(encoder) = self.encoder.take() {
            self.last = Some(context.queue.submit([encoder.finish()]));
            self.pace.submit();
            self.stats.submissions += 1;
        }
        context.check()
    }

    /// Starts or ends the timing of passes; see [`Clock::time_passes`](crate::backend::Clock::time_passes).
    pub(super) fn time_passes(&mut self, context: &Context, on: bool) -> bool {
        // A pass that has begun is timed to its end, or not at all.
        self.pass = None;
        self.timer = (on && context.timestamps).then(|| Timer::new(context));
        self.timer.is_some()
    }

    /// Device seconds of the passes since this was last asked. Waits.
    pub(super) fn pass_seconds(&mut self, context: &Context) -> Result<Option<f64>> {
        self.pass = None;
        let Some(timer) = &mut self.timer else { return Ok(None) };
        timer.resolve(context, Self::encoder(&mut self.encoder, context));
        self.submit(context)?;
        self.stats.waits += 1;
        let begin = Instant::now();
        let seconds = self.timer.as_mut().map(|timer| timer.take(context)).transpose();
        self.stats.waited += begin.elapsed();
        Ok(seconds?.flatten())
    }

    /// Submits, and waits for all that was handed over.
    pub(super) fn wait(&mut self, context: &Context) -> Result<()> {
        self.submit(context)?;
        context.poll(wgpu::PollType::wait_indefinitely())
    }

    /// Bind groups of buffers that are gone would keep them alive; new buffers come only between loops.
    pub(super) fn forget_bind_groups(&mut self) {
        self.bind_groups.clear();
    }

    /// Submits, and starts to bring `bytes` of `buffer` from `offset` to the host.
    pub(super) fn start_read(&mut self, context: &Context, buffer: &Buffer, offset: u64, bytes: u64) -> Result<Read> {
        context.check_own(&buffer.raw)?;
        let staging = match self.spare.iter().position(|b| b.size() == bytes) {
            Some(i) => self.spare.swap_remove(i),
            None => {
                context.check()?;
                let staging = context.device.create_buffer(&wgpu::BufferDescriptor {
                    label: Some("read"),
                    size: bytes,
                    usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
                    mapped_at_creation: false,
                });
                // Before anything is recorded, so that what is queued is not lost with it.
                context.check_memory("a read", bytes)?;
                staging
            }
        };
        self.outside(context).copy_buffer_to_buffer(&buffer.raw, offset, &staging, 0, bytes);
        self.submit(context)?;
        let (send, done) = channel();
        staging.map_async(wgpu::MapMode::Read, .., move |result| {
            // Nobody listens any more where the read was given up.
            let _ = send.send(result);
        });
        let submission = self.last.clone().ok_or_else(|| Error::DeviceFault("nothing was submitted".into()))?;
        Ok(Read { staging, done, submission, work: self.pace.submitted() })
    }

    /// Waits for a read and gives its words to `take`.
    pub(super) fn finish_read(&mut self, context: &Context, read: Read, take: impl FnOnce(&[f32])) -> Result<()> {
        self.stats.waits += 1;
        let begin = Instant::now();
        let failed = |e: &dyn std::fmt::Display| Error::DeviceFault(format!("a read failed: {e}"));
        context.poll(wgpu::PollType::Wait { submission_index: Some(read.submission), timeout: None })?;
        read.done.recv().map_err(|e| failed(&e))?.map_err(|e| failed(&e))?;
        self.stats.waited += begin.elapsed();
        self.pace.finish(read.work);
        let view = read.staging.get_mapped_range(..).map_err(|e| failed(&e))?;
        take(bytemuck::cast_slice(&view));
        drop(view);
        read.staging.unmap();
        if read.staging.size() <= SPARE_BYTES && self.spare.len() < 8 {
            self.spare.push(read.staging);
        }
        Ok(())
    }
}
