//! How long the device takes.

use super::super::Gpu;
use super::super::matrix::Buffer;
use crate::Result;
use crate::backend::Storage;
use std::time::Instant;

/// By the device's own clock where it has one, else by the host's.
pub(super) struct Clock {
    device: Option<(wgpu::QuerySet, Buffer)>,
}

impl Clock {
    pub(super) fn new(gpu: &mut Gpu) -> Result<Self> {
        let device = &gpu.context.device;
        if !device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            return Ok(Self { device: None });
        }
        let queries = device.create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("clock"),
            ty: wgpu::QueryType::Timestamp,
            count: 2,
        });
        let raw = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("clock"),
            size: 16,
            usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        gpu.next_id += 1;
        Ok(Self { device: Some((queries, Buffer { id: gpu.next_id, raw, storage: Storage::F32 })) })
    }

    /// The seconds of what `record` records in one compute pass. Waits.
    pub(super) fn seconds(&mut self, gpu: &mut Gpu, record: &mut dyn FnMut(&mut Gpu) -> Result<()>) -> Result<f64> {
        gpu.scheduler.submit(&gpu.context)?;
        let clock = Instant::now();
        let Some((queries, times)) = &self.device else {
            record(gpu)?;
            gpu.scheduler.submit(&gpu.context)?;
            gpu.scheduler.wait(&gpu.context)?;
            return Ok(clock.elapsed().as_secs_f64());
        };
        gpu.scheduler.time_passes(Some(queries.clone()));
        let recorded = record(gpu);
        gpu.scheduler.outside(&gpu.context).resolve_query_set(queries, 0..2, &times.raw, 0);
        gpu.scheduler.time_passes(None);
        recorded?;
        let read = gpu.scheduler.start_read(&gpu.context, times, 0, 16)?;
        let mut ticks = [0; 2];
        gpu.scheduler.finish_read(&gpu.context, read, |words| {
            for (ticks, words) in ticks.iter_mut().zip(words.chunks_exact(2)) {
                *ticks = u64::from(words[1].to_bits()) << 32 | u64::from(words[0].to_bits());
            }
        })?;
        let seconds =
            ticks[1].saturating_sub(ticks[0]) as f64 * 1e-9 * f64::from(gpu.context.queue.get_timestamp_period());
        // A clock that stands still is none.
        Ok(if seconds > 0.0 { seconds } else { clock.elapsed().as_secs_f64() })
    }
}
