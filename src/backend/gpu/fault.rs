//! What the driver reports besides results: told apart, and told once, but for the loss of the device.

use crate::{Error, Result};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What was reported and nobody has been told yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults(Arc<Mutex<Reported>>);

#[derive(Debug, Default)]
struct Reported {
    lost: Option<String>,
    /// The first one: others follow from it.
    other: Option<Error>,
}

impl Faults {
    /// Listens to what `device` reports.
    pub(super) fn listen(device: &wgpu::Device) -> Self {
        let faults = Self::default();
        let (of_error, of_loss) = (faults.clone(), faults.clone());
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| of_error.note(&error)));
        device.set_device_lost_callback(move |reason, message| {
            if reason != wgpu::DeviceLostReason::Destroyed {
                of_loss.reported().lost.get_or_insert(message);
            }
        });
        faults
    }

    fn note(&self, error: &wgpu::Error) {
        self.reported().other.get_or_insert(match error {
            wgpu::Error::OutOfMemory { .. } => Error::OutOfMemory(error.to_string()),
            wgpu::Error::Validation { .. } | wgpu::Error::Internal { .. } => Error::DeviceFault(error.to_string()),
        });
    }

    /// What is there is whole: nothing is done with it but in one statement.
    fn reported(&self) -> MutexGuard<'_, Reported> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was reported since this was last asked; the loss of the device for good.
    pub(super) fn check(&self) -> Result<()> {
        let mut reported = self.reported();
        if let Some(message) = &reported.lost {
            return Err(Error::DeviceLost(message.clone()));
        }
        reported.other.take().map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::super::pipeline::{Kernel, Spec};
    use super::super::{Gpu, GpuOptions, Matrix, Tune, list};
    use super::*;
    use crate::backend::{Backend, Device, MatMul};
    use ndarray::Array2;

    fn error(description: &str) -> wgpu::Error {
        wgpu::Error::Validation { source: "in the test".into(), description: description.into() }
    }

    #[test]
    fn a_fault_is_told_once_and_what_follows_from_it_not_at_all() {
        let faults = Faults::default();
        faults.note(&wgpu::Error::OutOfMemory { source: "the heap is full".into() });
        faults.note(&error("an invalid buffer"));
        assert!(matches!(faults.check(), Err(Error::OutOfMemory(_))));
        assert!(faults.check().is_ok());
        faults.note(&error("an invalid buffer"));
        assert!(matches!(faults.check(), Err(Error::DeviceFault(m)) if m.contains("an invalid buffer")));
        assert!(faults.check().is_ok());
    }

    #[test]
    fn a_lost_device_stays_lost() {
        let faults = Faults::default();
        faults.note(&error("the device is lost"));
        faults.reported().lost = Some("hung".into());
        for _ in 0..2 {
            assert!(matches!(faults.check(), Err(Error::DeviceLost(m)) if m == "hung"));
        }
    }

    /// Any adapter; none is a failure, unless `DEEPNMF_GPU` is `auto` or `off`.
    fn any() -> Option<Gpu> {
        let wish = std::env::var("DEEPNMF_GPU").unwrap_or_else(|_| "require".into());
        let index = list(true).into_iter().find(|d| d.problem.is_none()).map(|d| d.index).filter(|_| wish != "off");
        assert!(index.is_some() || wish != "require", "no usable adapter");
        index.map(|index| Gpu::open(index, GpuOptions { tune: Tune::Never, ..GpuOptions::default() }).unwrap())
    }

    /// A buffer larger than there may be, a kernel that is none, a copy beyond the end: each is told once, as what it is, and
    /// then the device is as good as before.
    #[test]
    fn after_a_fault_the_device_goes_on() {
        let Some(mut gpu) = any() else { return };
        let host = Array2::from_shape_fn((5, 5), |(i, j)| (i + j) as f32);
        let (a, mut out) = (gpu.upload(host.view()).unwrap(), gpu.zeros(5, 5).unwrap());
        let faults: [fn(&mut Gpu, &Matrix) -> Result<()>; 3] = [
            |gpu, _| {
                let bytes = gpu.recorder.context.device.limits().max_buffer_size + 4;
                let usage = wgpu::BufferUsages::STORAGE;
                let descriptor = wgpu::BufferDescriptor { label: None, size: bytes, usage, mapped_at_creation: false };
                let _ = gpu.recorder.context.device.create_buffer(&descriptor);
                gpu.submit()
            },
            |gpu, _| {
                let source = "@compute @workgroup_size(64) fn main() { undeclared = 1; }";
                let spec = Spec::new::<[u32; 0]>("no kernel", source, &[]);
                Kernel::new(&gpu.recorder.context, usize::MAX, &spec).map(drop)
            },
            |gpu, a| {
                let (from, to) = (&a.shards[0].raw, &gpu.recorder.scratch().raw);
                gpu.recorder.scheduler.outside(&gpu.recorder.context).copy_buffer_to_buffer(from, 0, to, 0, 1 << 20);
                gpu.submit()
            },
        ];
        for fault in faults {
            let error = fault(&mut gpu, &a).unwrap_err();
            assert!(matches!(error, Error::DeviceFault(_)), "{error}");
            gpu.matmul(MatMul::NN, &a, &a, &mut out).unwrap();
            assert_eq!(gpu.download(&out).unwrap(), host.dot(&host));
        }
    }
}
