//! A device, and what Python asks of it.

use super::errors::spelt;
use super::model::{AnyGiven, Arrays, arrays, config_of, factors, parse, text};
use super::samples::{self, AS_IT_IS, Prepared, Samples, Taken};
use super::watch::Reporter;
use crate::backend::Cpu;
use crate::backend::gpu::GpuOptions;
use crate::element::Element;
use crate::evaluate::KMeans;
use crate::model::Factors;
use crate::store::Metadata;
use crate::train::{self, Checkpoints, Config, Fit, Memory, Progress, Start, Warning};
use crate::{DeviceRequest, Engine, Error, Result};
use ndarray::{Array2, ArrayView2};
use numpy::{IntoPyArray, PyReadonlyArray2};
use pyo3::exceptions::PyMemoryError;
use pyo3::prelude::*;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// An opened device. What is asked of it is done one after another.
#[pyclass(name = "Engine", frozen, module = "deepnmf._engine")]
pub(super) struct PyEngine {
    /// As the driver calls it.
    #[pyo3(get)]
    name: String,
    /// Whether it is a GPU.
    #[pyo3(get)]
    on_gpu: bool,
    /// Never locked while Python's own lock is held: work on the device takes that one now and then.
    device: Mutex<Device>,
}

enum Device {
    Single(Engine),
    /// The CPU in double precision.
    Double(Cpu<f64>),
}

/// A fit that is written down while it runs: the file, the seconds between two checkpoints, and whether it goes on from there.
type Keep = (PathBuf, f64, bool);

/// What a fit returns: factors, metadata, ‖X‖, warnings by kind, and the exception that ended it early.
type Returned<'py> = (Arrays<'py>, String, f64, Vec<(&'static str, String)>, Option<PyErr>);

/// Factors in the precision of the device.
enum AnyFactors {
    Single(Factors<f32>),
    Double(Factors<f64>),
}

/// W and H of every layer.
type Pairs<'py, E> = Vec<(PyReadonlyArray2<'py, E>, PyReadonlyArray2<'py, E>)>;

#[derive(FromPyObject)]
enum AnyStart<'py> {
    #[pyo3(transparent)]
    Single(Pairs<'py, f32>),
    #[pyo3(transparent)]
    Double(Pairs<'py, f64>),
}

/// As [`Memory`].
type Remembers<'py, E> = (PyReadonlyArray2<'py, E>, PyReadonlyArray2<'py, E>, f64, f64);
/// The same for Python.
type Remembered<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>, f64, f64);

#[derive(FromPyObject)]
enum AnyMemory<'py> {
    #[pyo3(transparent)]
    Single(Remembers<'py, f32>),
    #[pyo3(transparent)]
    Double(Remembers<'py, f64>),
}

fn recalled<E: Element + numpy::Element>((c, s, weight, norm): &Remembers<'_, E>) -> Memory<E> {
    Memory { c: c.as_array().to_owned(), s: s.as_array().to_owned(), weight: *weight, squared_norm: *norm }
}

fn remembered<E: Element + numpy::Element>(py: Python<'_>, memory: Memory<E>) -> Remembered<'_> {
    let Memory { c, s, weight, squared_norm } = memory;
    (c.into_pyarray(py).into_any(), s.into_pyarray(py).into_any(), weight, squared_norm)
}

fn owned<E: Element + numpy::Element>(start: &Pairs<'_, E>) -> Start<E> {
    start.iter().map(|(w, h)| (w.as_array().to_owned(), h.as_array().to_owned())).collect()
}

impl PyEngine {
    fn device(&self) -> MutexGuard<'_, Device> {
        self.device.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl PyEngine {
    /// Opens `device`, as the command spells it, to compute in `precision`: f32, f16, or f64 (on the CPU only).
    #[new]
    fn open(py: Python<'_>, device: &str, precision: &str) -> PyResult<Self> {
        let request: DeviceRequest = device.parse()?;
        if precision == "f64" {
            if !matches!(request, DeviceRequest::Auto | DeviceRequest::Cpu) {
                let message = format!("float64 is computed on the CPU only, found the device `{device}`");
                return Err(Error::Config(message).into());
            }
            return Ok(Self { name: "cpu".into(), on_gpu: false, device: Mutex::new(Device::Double(Cpu::new())) });
        }
        #[allow(
            clippy::field_reassign_with_default,
            reason = "the options have a field that is private to the backend"
        )]
        let options = {
            let mut options = GpuOptions::default();
            options.precision = parse(&format!("\"{precision}\""))?;
            options
        };
        let engine = py.detach(|| Engine::open_with(&request, options))?;
        let (name, on_gpu) = (engine.device_name(), engine.adapter().is_some());
        Ok(Self { name, on_gpu, device: Mutex::new(Device::Single(engine)) })
    }

    /// Fits a model with `settings`: factors, metadata, ‖X‖, warnings, and the exception that ended it early. `start`: W and H of
    /// every layer, for a fit that is not written down.
    #[pyo3(signature = (x, settings, stream=None, keep=None, start=None, progress=None))]
    #[allow(clippy::too_many_arguments, reason = "Python gives them by name")]
    fn fit<'py>(
        &self,
        py: Python<'py>,
        x: samples::Given<'py>,
        settings: &str,
        stream: Option<bool>,
        keep: Option<Keep>,
        start: Option<AnyStart<'py>>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Returned<'py>> {
        let config = config_of(settings)?;
        let mut reporter = Reporter::new(progress);
        let x = x.view();
        let (single, double) = match &start {
            Some(AnyStart::Single(start)) => (Some(owned(start)), None),
            Some(AnyStart::Double(start)) => (None, Some(owned(start))),
            None => (None, None),
        };
        let how = How { config, stream, keep: keep.as_ref(), single, double };
        let Fitted { factors, metadata, norm, warnings } = py.detach(|| fit(self, x, how, &mut reporter))?;
        let arrays = match factors {
            AnyFactors::Single(factors) => arrays(py, factors),
            AnyFactors::Double(factors) => arrays(py, factors),
        };
        let warnings = warnings.iter().map(|w| (kind(w), spelt(&w.to_string()))).collect();
        Ok((arrays, text(&metadata)?, norm, warnings, reporter.raised))
    }

    /// The coefficients of samples on layer `layer` (from 1) of a model. `limits`, of one with an activation: the steps at most, and the
    /// relative change of the objective that ends them.
    #[pyo3(signature = (x, model, metadata, layer, ridge, limits, progress=None))]
    #[allow(clippy::too_many_arguments, reason = "Python gives all of them")]
    fn transform<'py>(
        &self,
        py: Python<'py>,
        x: samples::Given<'py>,
        model: AnyGiven<'py>,
        metadata: &str,
        layer: usize,
        ridge: Option<f64>,
        limits: (usize, f64),
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let metadata: Metadata = parse(metadata)?;
        let mut how = metadata.projections(ridge)?;
        how.iter_mut().for_each(|how| (how.max_steps, how.tol) = limits);
        let mut reporter = Reporter::new(progress);
        let x = x.view();
        let h = match &model {
            AnyGiven::Single(given) => {
                let factors = factors(given, &metadata);
                let work = |take: Take<'_, f32>| {
                    let Device::Single(engine) = &mut *self.device() else { return Err(other_precision()) };
                    let x = x.single(&metadata.feature_names, None, &|_, _| 0)?.x;
                    let mut x = Prepared { x, how: metadata.preprocess };
                    engine.transform_samples((&mut x, None), &factors, layer, &how, &mut |p| reporter.report(p), take)
                };
                py.detach(|| gather(work)).map(|h| h.into_pyarray(py).into_any())
            }
            AnyGiven::Double(given) => {
                let factors = factors(given, &metadata);
                let work = |take: Take<'_, f64>| {
                    let Device::Double(cpu) = &mut *self.device() else { return Err(other_precision()) };
                    let mut x = x.double(&metadata.feature_names)?;
                    train::transform_samples(
                        cpu,
                        (&mut x, None),
                        &factors,
                        layer,
                        &how,
                        &mut |p| reporter.report(p),
                        take,
                    )
                };
                py.detach(|| gather(work)).map(|h| h.into_pyarray(py).into_any())
            }
        };
        // What ended it says more than that it was ended.
        reporter.raised.map_or_else(|| Ok(h?), Err)
    }

    /// Lets the W of a model follow after batches of `x`: the factors, and the sums that it remembers with their weight.
    #[pyo3(signature = (x, model, metadata, settings, memory, progress=None))]
    #[allow(clippy::too_many_arguments, reason = "Python gives all of them")]
    fn learn<'py>(
        &self,
        py: Python<'py>,
        x: samples::Given<'py>,
        model: AnyGiven<'py>,
        metadata: &str,
        settings: &str,
        memory: AnyMemory<'py>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<(Arrays<'py>, Remembered<'py>)> {
        let (metadata, config): (Metadata, _) = (parse(metadata)?, config_of(settings)?);
        let mut reporter = Reporter::new(progress);
        let x = x.view();
        let learnt = match (&model, &memory) {
            (AnyGiven::Single(given), AnyMemory::Single(memory)) => {
                let (mut factors, mut memory) = (factors(given, &metadata), recalled(memory));
                py.detach(|| {
                    let Device::Single(engine) = &mut *self.device() else { return Err(other_precision()) };
                    let mut x = x.single(&metadata.feature_names, Some(false), &|_, _| 0)?.x;
                    let (n, _) = x.shape();
                    let known = (&mut factors, &mut memory);
                    engine.learn(x.rows(0..n)?, &config, &metadata.penalties, known, &mut |p| reporter.report(p))
                })?;
                (arrays(py, factors), remembered(py, memory))
            }
            (AnyGiven::Double(given), AnyMemory::Double(memory)) => {
                let (mut factors, mut memory) = (factors(given, &metadata), recalled(memory));
                py.detach(|| {
                    let Device::Double(cpu) = &mut *self.device() else { return Err(other_precision()) };
                    let known = (&mut factors, &mut memory);
                    train::learn(
                        cpu,
                        x.double(&metadata.feature_names)?,
                        &config,
                        &metadata.penalties,
                        known,
                        &mut |p| reporter.report(p),
                    )
                })?;
                (arrays(py, factors), remembered(py, memory))
            }
            _ => return Err(other_precision().into()),
        };
        reporter.raised.map_or(Ok(learnt), Err)
    }

    /// The cluster of every row of `features`: the best of ten runs of k-means.
    fn kmeans(
        &self,
        py: Python<'_>,
        features: PyReadonlyArray2<'_, f32>,
        clusters: usize,
        seed: u64,
    ) -> PyResult<Vec<usize>> {
        let features = features.as_array();
        let runs = py.detach(|| match &mut *self.device() {
            Device::Single(engine) => engine.kmeans(features, &KMeans { seed, ..KMeans::new(clusters) }),
            Device::Double(_) => Err(other_precision()),
        })?;
        let best = runs.into_iter().min_by(|a, b| a.inertia.total_cmp(&b.inertia));
        Ok(best.map_or_else(Vec::new, |best| best.of))
    }
}

/// Takes coefficients in the order of the samples.
type Take<'a, E> = &'a mut dyn FnMut(ArrayView2<'_, E>) -> Result<()>;

/// All coefficients that `work` hands over.
fn gather<E: Element>(work: impl FnOnce(Take<'_, E>) -> Result<(f64, usize)>) -> Result<Array2<E>> {
    let (mut values, mut k) = (Vec::new(), 0);
    work(&mut |h| {
        k = h.ncols();
        values.extend(h.iter().copied());
        Ok(())
    })?;
    let n = values.len() / k.max(1);
    Array2::from_shape_vec((n, k), values).map_err(|e| Error::Data(e.to_string()))
}

fn other_precision() -> Error {
    Error::Config("the factors are of another precision than the engine".into())
}

/// How a fit is made.
struct How<'a> {
    config: Config,
    stream: Option<bool>,
    keep: Option<&'a Keep>,
    /// The start in the precision of the device, if there is one.
    single: Option<Start<f32>>,
    double: Option<Start<f64>>,
}

/// What a fit comes to for Python.
struct Fitted {
    factors: AnyFactors,
    metadata: Metadata,
    norm: f64,
    warnings: Vec<Warning>,
}

fn fit(engine: &PyEngine, x: Samples<'_>, how: How<'_>, reporter: &mut Reporter) -> PyResult<Fitted> {
    let How { config, stream, keep, single, double } = how;
    let mut checkpoints = keep.map(|(path, every, resume)| Checkpoints {
        every: Duration::try_from_secs_f64(*every).unwrap_or(Duration::MAX),
        resume: *resume,
        ..Checkpoints::new(path)
    });
    let mut report = |p: &Progress| reporter.report(p);
    match &mut *engine.device() {
        Device::Single(device) => {
            let Taken { mut x, streamed, names } = x.single(&[], stream, &samples::needed(&config, engine.on_gpu))?;
            let config = Config { stream: streamed, ..config };
            config.validate()?;
            has_memory(&config, x.shape(), (engine.on_gpu, size_of::<f32>()))?;
            let fit = match (&mut checkpoints, single) {
                (Some(to), _) => device.fit_with_checkpoints(x.as_mut(), &config, to, &mut report)?,
                (None, Some(start)) => device.fit_from(x.as_mut(), &config, &start, &mut report)?,
                (None, None) => device.fit_samples(x.as_mut(), &config, &mut report)?,
            };
            Ok(fitted(fit, &config, engine, names, AnyFactors::Single))
        }
        Device::Double(cpu) => {
            let mut x = x.double(&[])?;
            let config = Config { stream: stream == Some(true), ..config };
            config.validate()?;
            has_memory(&config, x.dim(), (false, size_of::<f64>()))?;
            let fit = match &mut checkpoints {
                Some(to) => train::fit_with_checkpoints(cpu, &mut x, &config, to, &mut report)?,
                None => train::fit_samples(cpu, &mut x, &config, double.as_ref(), &mut report)?,
            };
            Ok(fitted(fit, &config, engine, Vec::new(), AnyFactors::Double))
        }
    }
}

/// What Python makes of a warning.
fn kind(warning: &Warning) -> &'static str {
    match warning {
        Warning::StillFalling { .. } | Warning::TargetMissed { .. } => "convergence",
        // Its user asked for it.
        Warning::Stopped { .. } | Warning::UnusedComponents { .. } | Warning::Streamed { .. } => "note",
        _ => "warning",
    }
}

fn has_memory(config: &Config, shape: (usize, usize), how: (bool, usize)) -> PyResult<()> {
    train::check_memory(config, shape, how).map_err(|e| PyMemoryError::new_err(e.to_string()))
}

fn fitted<E: Element>(
    fit: Fit<E>,
    config: &Config,
    engine: &PyEngine,
    feature_names: Vec<String>,
    form: impl FnOnce(Factors<E>) -> AnyFactors,
) -> Fitted {
    let metadata = Metadata { feature_names, ..Metadata::of(config, &fit, AS_IT_IS, engine.name.clone()) };
    Fitted { factors: form(fit.factors), metadata, norm: fit.norm, warnings: fit.warnings }
}
