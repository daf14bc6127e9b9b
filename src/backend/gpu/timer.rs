//! How long the device was in compute passes, by its own clock.

use super::context::Context;
use crate::{Error, Result};
use std::sync::mpsc::channel;

/// Timestamps in a set, the most that WebGPU takes; two for every pass.
const QUERIES: u32 = 4096;
const BYTES: u64 = QUERIES as u64 * 8;

/// Writes timestamps around passes. They are brought to the host when somebody asks, or when the set is full: a submission
/// costs no more than without them.
pub(super) struct Timer {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    used: u32,
    /// Timestamps on their way.
    under_way: Vec<wgpu::Buffer>,
}

impl Timer {
    pub(super) fn new(context: &Context) -> Self {
        let label = Some("passes");
        let queries = context.device.create_query_set(&wgpu::QuerySetDescriptor {
            label,
            ty: wgpu::QueryType::Timestamp,
            count: QUERIES,
        });
        let resolved = context.device.create_buffer(&wgpu::BufferDescriptor {
            label,
            size: BYTES,
            usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        Self { queries, resolved, used: 0, under_way: Vec::new() }
    }

    /// What the next pass writes.
    pub(super) fn next(
        &mut self,
        context: &Context,
        encoder: &mut wgpu::CommandEncoder,
    ) -> wgpu::ComputePassTimestampWrites<'_> {
        if self.used == QUERIES {
            self.resolve(context, encoder);
        }
        let begin = self.used;
        self.used += 2;
        wgpu::ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: Some(begin),
            end_of_pass_write_index: Some(begin + 1),
        }
    }

    /// Starts to bring what was written to the host; the set is free again.
    pub(super) fn resolve(&mut self, context: &Context, encoder: &mut wgpu::CommandEncoder) {
        if self.used == 0 {
            return;
        }
        let staging = context.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("passes"),
            size: u64::from(self.used) * 8,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        encoder.resolve_query_set(&self.queries, 0..self.used, &self.resolved, 0);
        encoder.copy_buffer_to_buffer(&self.resolved, 0, &staging, 0, staging.size());
        self.under_way.push(staging);
        self.used = 0;
    }

    /// The seconds of what was resolved, all of it submitted; None where the clock stands still, as some do. Waits.
    pub(super) fn take(&mut self, context: &Context) -> Result<Option<f64>> {
        let failed = |e: &dyn std::fmt::Display| Error::DeviceFault(format!("a read of times failed: {e}"));
        let (mut ticks, mut passes) = (0, 0);
        for staging in self.under_way.drain(..) {
            let (send, done) = channel();
            staging.map_async(wgpu::MapMode::Read, .., move |result| {
                // Nobody listens any more where an error came first.
                let _ = send.send(result);
            });
            context.poll(wgpu::PollType::wait_indefinitely())?;
            done.recv().map_err(|e| failed(&e))?.map_err(|e| failed(&e))?;
            let view = staging.get_mapped_range(..).map_err(|e| failed(&e))?;
            let times: &[u64] = bytemuck::cast_slice(&view);
            passes += times.len() / 2;
            ticks += times.chunks_exact(2).map(|pass| pass[1].saturating_sub(pass[0])).sum::<u64>();
        }
        context.check()?;
        #[cfg(test)]
        if context.options.planned.stopped_clock {
            ticks = 0;
        }
        let seconds = ticks as f64 * f64::from(context.queue.get_timestamp_period()) * 1e-9;
        Ok((ticks > 0 || passes == 0).then_some(seconds))
    }
}
