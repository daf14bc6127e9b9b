//! What the driver reports besides results: told apart, and told once, but for the loss of the device.

use crate::{Error, Result};
#[cfg(test)]
use std::sync::atomic::{AtomicU32, Ordering};
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
        device.set_device_lost_callback(move |_, message| {
            of_loss.reported().lost.get_or_insert(message);
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

/// What goes wrong on purpose.
#[cfg(test)]
#[derive(Debug, Clone, Default)]
pub(super) struct Planned {
    /// The device is lost by a kernel with this in its text.
    pub(super) losing: Option<&'static str>,
    /// A kernel with this in its text is not compiled.
    pub(super) failing: Option<&'static str>,
    /// Buffers that there is room for, once this is set.
    pub(super) room: Option<Arc<AtomicU32>>,
    /// Bytes of the largest buffer that the driver makes.
    pub(super) largest: Option<u64>,
    /// Multiplications of a dispatch.
    pub(super) work: Option<f64>,
    /// Whether the clock of the device stands still.
    pub(super) stopped_clock: bool,
}

#[cfg(test)]
impl Planned {
    pub(super) fn compile(&self, device: &wgpu::Device, text: &str) -> Result<()> {
        if self.losing.is_some_and(|part| text.contains(part)) {
            device.destroy();
            // Told by the next poll.
            let _ = device.poll(wgpu::PollType::Poll);
        }
        match self.failing.filter(|part| text.contains(*part)) {
            Some(part) => Err(Error::DeviceFault(format!("{part} is not compiled"))),
            None => Ok(()),
        }
    }

    pub(super) fn allocate(&self, bytes: u64) -> Result<()> {
        use std::sync::atomic::Ordering::Relaxed;
        let full = self
            .room
            .as_ref()
            .is_some_and(|room| room.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_err());
        match full || self.largest.is_some_and(|largest| bytes > largest) {
            true => Err(Error::OutOfMemory(format!("{bytes} bytes are too many"))),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::pipeline::{Kernel, Spec};
    use super::super::{Gpu, GpuOptions, Matrix, Tune, list};
    use super::*;
    use crate::backend::{Backend, Clock, Descent, Device, MatMul, NesterovBlock, Rows};
    use crate::train::{Checkpoints, Config, Progress, fit_with_checkpoints};
    use ndarray::Array2;
    use std::ops::ControlFlow;
    use std::path::Path;
    use std::time::Duration;

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
        with(GpuOptions { tune: Tune::Never, ..GpuOptions::default() })
    }

    fn with(options: GpuOptions) -> Option<Gpu> {
        let wish = std::env::var("DEEPNMF_GPU").unwrap_or_else(|_| "require".into());
        let index = list(true).into_iter().find(|d| d.problem.is_none()).map(|d| d.index).filter(|_| wish != "off");
        assert!(index.is_some() || wish != "require", "no usable adapter");
        index.map(|index| Gpu::open(index, options).unwrap())
    }

    /// Dispatches that may do less are more, and handed over sooner; not a bit of what comes out changes.
    #[test]
    fn what_is_cut_into_short_dispatches_is_the_same() {
        let work = |work: Option<f64>| {
            let mut gpu = with(GpuOptions {
                tune: Tune::Never,
                planned: Planned { work, ..Planned::default() },
                ..GpuOptions::default()
            })?;
            let data =
                |n: usize, k: usize| Array2::from_shape_fn((n, k), |(i, j)| ((i * 31 + j * 17) % 97) as f32 / 97.0);
            let [x, h, gram] = [(1000, 200), (1000, 20), (20, 20)].map(|(n, k)| gpu.upload(data(n, k).view()).unwrap());
            let [mut psi, mut rhs, mut back] =
                [(200, 20), (1000, 20), (1000, 200)].map(|(n, k)| gpu.zeros(n, k).unwrap());
            gpu.matmul(MatMul::TN, &x, &h, &mut psi).unwrap();
            gpu.matmul(MatMul::NN, &x, &psi, &mut rhs).unwrap();
            gpu.matmul(MatMul::NT, &rhs, &psi, &mut back).unwrap();
            let right = gpu.upload(Array2::from_elem((1, 20), 20.0).view()).unwrap();
            let (mut by_steps, mut by_descent) =
                (gpu.upload(data(1000, 20).view()).unwrap(), gpu.upload(data(1000, 20).view()).unwrap());
            let block =
                NesterovBlock { left: None, gram: &gram, rhs: &rhs, mu: 0.0, right: &right, extra: 0.1, steps: 3 };
            gpu.nesterov_block(block, &mut by_steps).unwrap();
            gpu.descend(Descent { left: None, gram: &gram, rhs: &rhs, mu: 0.0, sweeps: 2 }, &mut by_descent).unwrap();
            let stats = gpu.stats();
            let all = [psi, rhs, back, by_steps, by_descent].map(|m| gpu.download(&m).unwrap().mapv(f32::to_bits));
            Some((all, stats.dispatches, stats.submissions))
        };
        let (Some(whole), Some(cut)) = (work(None), work(Some(5e4))) else { return };
        assert!(whole.0 == cut.0);
        assert!(
            cut.1 > whole.1 + 30 && cut.2 > whole.2 + 30,
            "{} and {} dispatches, {} and {} times",
            whole.1,
            cut.1,
            whole.2,
            cut.2
        );
    }

    /// A fit of every stage, written down after every look to `path`, going on from there where it is; `look` is called with the
    /// number of every look.
    fn fit(gpu: &mut Gpu, path: &Path, mut look: impl FnMut(usize)) -> Result<Vec<u32>> {
        let x = Array2::from_shape_fn((60, 16), |(i, j)| ((i * 31 + j * 17) % 97) as f32 / 97.0);
        let model = crate::model::ModelSpec::by_name("sdnmf-rl1").unwrap();
        let config = Config { pretrain: 4, sweeps: 4, inner: 3, tol: 1e-9, ..Config::new(model, [5, 3]) };
        let to = Checkpoints { every: Duration::ZERO, resume: path.exists(), ..Checkpoints::new(path) };
        let mut looks = 0;
        let mut progress = |_: &Progress| {
            looks += 1;
            look(looks);
            ControlFlow::Continue(())
        };
        let fit = fit_with_checkpoints(gpu, &mut Rows::from(x.view()), &config, &mut { to }, &mut progress)?;
        Ok(fit.factors.w.iter().chain([&fit.factors.h]).flatten().map(|v| v.to_bits()).collect())
    }

    /// The device is lost wherever a fit looks: it ends with that, another device goes on to the same bits, and the lost one is
    /// refused for good.
    #[test]
    fn a_fit_goes_on_after_its_device_is_lost() {
        let Some(mut whole) = any() else { return };
        let folder = tempfile::tempdir().unwrap();
        let mut looks = 0;
        let expected = fit(&mut whole, &folder.path().join("whole"), |look| looks = look).unwrap();
        assert!(looks > 5);
        for lost_at in [1, looks / 2, looks - 1] {
            let (mut gpu, path) = (any().unwrap(), folder.path().join(lost_at.to_string()));
            let device = gpu.recorder.context.device.clone();
            let lose = |look| {
                if look == lost_at {
                    device.destroy();
                    let _ = device.poll(wgpu::PollType::Poll);
                }
            };
            let error = fit(&mut gpu, &path, lose).unwrap_err();
            assert!(matches!(error, Error::DeviceLost(_)), "{lost_at}: {error}");
            assert!(matches!(gpu.zeros(1, 1), Err(Error::DeviceLost(_))));
            assert_eq!(path.exists(), lost_at > 1, "{lost_at}");
            assert!(fit(&mut any().unwrap(), &path, |_| {}).unwrap() == expected, "{lost_at}");
        }
    }

    /// Whichever buffer there is no room for, the same device goes on from what was written down, to the same bits.
    #[test]
    fn a_fit_goes_on_after_memory_ran_out() {
        let room = Arc::new(AtomicU32::new(u32::MAX));
        let planned = Planned { room: Some(Arc::clone(&room)), ..Planned::default() };
        let Some(mut gpu) = with(GpuOptions { tune: Tune::Never, planned, ..GpuOptions::default() }) else { return };
        let folder = tempfile::tempdir().unwrap();
        let expected = fit(&mut gpu, &folder.path().join("whole"), |_| {}).unwrap();
        let (mut failures, mut resumed) = (0, 0);
        for buffers in (0..).step_by(11) {
            let path = folder.path().join(buffers.to_string());
            room.store(buffers, Ordering::Relaxed);
            let result = fit(&mut gpu, &path, |_| {});
            room.store(u32::MAX, Ordering::Relaxed);
            match result {
                Ok(found) => {
                    assert!(found == expected);
                    break;
                }
                Err(error) => assert!(matches!(error, Error::OutOfMemory(_)), "{buffers}: {error}"),
            }
            failures += 1;
            resumed += usize::from(path.exists());
            assert!(fit(&mut gpu, &path, |_| {}).unwrap() == expected, "{buffers}");
        }
        assert!(failures > 5 && resumed > 1, "{failures} {resumed}");
    }

    /// A kernel that the driver refuses ends the fit with its name, and the device takes others.
    #[test]
    fn a_fit_goes_on_after_a_kernel_was_refused() {
        let Some(mut gpu) = any() else { return };
        let folder = tempfile::tempdir().unwrap();
        let expected = fit(&mut any().unwrap(), &folder.path().join("whole"), |_| {}).unwrap();
        for (i, kernel) in ["All steps of Nesterov's", "out = op(a) op(b)", "part[chunk, j] = "].into_iter().enumerate()
        {
            let path = folder.path().join(i.to_string());
            gpu.recorder.context.options.planned.failing = Some(kernel);
            let error = fit(&mut gpu, &path, |_| {}).expect_err(kernel);
            assert!(matches!(&error, Error::DeviceFault(why) if why.contains(kernel)), "{kernel}: {error}");
            gpu.recorder.context.options.planned.failing = None;
            // What was compiled stays so.
            assert!(fit(&mut gpu, &path, |_| {}).unwrap() == expected, "{kernel}");
            gpu = any().unwrap();
        }
    }

    /// A variant that the device is lost with while it is measured, and one that is refused, are left out, now and the next time.
    #[test]
    fn what_breaks_the_device_is_measured_once() {
        let folder = tempfile::tempdir().unwrap();
        let options = |planned| GpuOptions {
            tune: Tune::Always,
            cache: Some(folder.path().into()),
            planned,
            ..GpuOptions::default()
        };
        let planned = Planned {
            losing: Some("const BM: u32 = 256u"),
            failing: Some("const BN: u32 = 128u"),
            ..Planned::default()
        };
        for planned in [planned, Planned::default()] {
            let Some(mut gpu) = with(options(planned)) else { return };
            let left_out: Vec<usize> = (0..8).filter(|variant| gpu.variants()[*variant].is_none()).collect();
            assert_eq!(left_out, [5, 6, 7]);
            assert!(!gpu.tuned().is_empty());
            let host = Array2::from_shape_fn((5, 5), |(i, j)| (i + j) as f32);
            let (a, mut out) = (gpu.upload(host.view()).unwrap(), gpu.zeros(5, 5).unwrap());
            gpu.matmul(MatMul::NN, &a, &a, &mut out).unwrap();
            assert_eq!(gpu.download(&out).unwrap(), host.dot(&host));
        }
    }

    #[test]
    fn a_clock_that_stands_still_is_none() {
        let planned = Planned { stopped_clock: true, ..Planned::default() };
        let folder = tempfile::tempdir().unwrap();
        let cache = Some(folder.path().into());
        let Some(mut gpu) = with(GpuOptions { tune: Tune::Always, cache, planned, ..GpuOptions::default() }) else {
            return;
        };
        assert!(!gpu.tuned().is_empty());
        let a = gpu.zeros(5, 5).unwrap();
        let mut out = gpu.zeros(5, 5).unwrap();
        assert!(gpu.time_passes(true));
        gpu.matmul(MatMul::NN, &a, &a, &mut out).unwrap();
        assert_eq!(gpu.pass_seconds().unwrap(), None);
    }

    #[test]
    fn bindings_are_no_larger_than_buffers_can_be() {
        let Some(mut gpu) = any() else { return };
        let context = &mut gpu.recorder.context;
        context.fit_bindings().unwrap();
        let before = context.max_binding;
        assert!(before > 70 << 20, "{before}");
        context.options.planned.largest = Some(70 << 20);
        context.fit_bindings().unwrap();
        assert!(context.max_binding <= 70 << 20 && context.max_binding > 35 << 20, "{}", context.max_binding);
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
