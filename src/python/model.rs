//! Models between Python and their files.

use super::samples::{AS_IT_IS, Prepared, Taken};
use crate::data::ImageShape;
use crate::element::Element;
use crate::evaluate::{self, Contingency, METRICS};
use crate::model::spec::Layers;
use crate::model::{Factors, MODELS, ModelSpec};
use crate::report::html::{Clusters, Report, Samples};
use crate::store::{Metadata, Model};
use crate::train::{Config, Fit, History, Penalties, Seconds, Source, relative_error};
use crate::{Error, Result};
use ndarray::Array2;
use numpy::{IntoPyArray, PyArray2, PyReadonlyArray2};
use pyo3::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// W of every layer, H, and H of the layers below the last.
pub(super) type Arrays<'py> = (Vec<Bound<'py, PyAny>>, Bound<'py, PyAny>, Vec<Bound<'py, PyAny>>);

/// The same from Python.
pub(super) type Given<'py, E> =
    (Vec<PyReadonlyArray2<'py, E>>, PyReadonlyArray2<'py, E>, Vec<PyReadonlyArray2<'py, E>>);

pub(super) fn parse<T: DeserializeOwned>(json: &str) -> Result<T> {
    serde_json::from_str(json).map_err(|e| {
        let message = e.to_string();
        // Where in the JSON, which its user has not seen.
        Error::Config(message.split(" at line ").next().unwrap_or_default().into())
    })
}

pub(super) fn text(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Error::Config(e.to_string()))
}

pub(super) fn arrays<E: Element + numpy::Element>(py: Python<'_>, factors: Factors<E>) -> Arrays<'_> {
    let array = |m: ndarray::Array2<E>| m.into_pyarray(py).into_any();
    let Factors { w, h, hidden, .. } = factors;
    (w.into_iter().map(array).collect(), array(h), hidden.into_iter().map(array).collect())
}

pub(super) fn factors<E: Element + numpy::Element>((w, h, hidden): &Given<'_, E>, metadata: &Metadata) -> Factors<E> {
    let array = |m: &PyReadonlyArray2<'_, E>| m.as_array().to_owned();
    Factors {
        w: w.iter().map(array).collect(),
        h: array(h),
        hidden: hidden.iter().map(array).collect(),
        activation: metadata.activation,
        activate: metadata.activate,
    }
}

/// The settings that Python gives, over the defaults for their model and layers.
pub(super) fn config_of(settings: &str) -> Result<Config> {
    let given: Map<String, Value> = parse(settings)?;
    let field = |name: &str| given.get(name).cloned().unwrap_or_default().to_string();
    let model: String = parse(&field("model"))?;
    let defaults = Config::new(ModelSpec::by_name(&model)?, parse::<Vec<usize>>(&field("layers"))?);
    let mut all: Map<String, Value> = parse(&text(&defaults)?)?;
    for (name, value) in given {
        all.insert(name.clone(), value);
        parse::<Config>(&text(&all)?).map_err(|e| Error::Config(format!("{name}: {e}")))?;
    }
    let config: Config = parse(&text(&all)?)?;
    config.validate()?;
    Ok(config)
}

/// The model of n × m samples that are all zero: all of it is zero, as in scikit-learn. Its arrays and metadata.
#[pyfunction]
pub(super) fn zeros<'py>(
    py: Python<'py>,
    shape: (usize, usize),
    settings: &str,
    double: bool,
    device: String,
) -> PyResult<(Arrays<'py>, String)> {
    fn of<'py, E: Element + numpy::Element>(
        py: Python<'py>,
        (n, m): (usize, usize),
        config: &Config,
        device: String,
    ) -> PyResult<(Arrays<'py>, String)> {
        let (mut w, mut rows) = (Vec::new(), m);
        for &k in &config.layers {
            w.push(Array2::zeros((rows, k)));
            rows = k;
        }
        let (h, hidden) = (Array2::<E>::zeros((n, rows)), Vec::new());
        let none = vec![0.0; w.len()];
        let fit = Fit {
            factors: Factors { w, h, hidden, activation: config.activation, activate: config.activate },
            solver: config.solver,
            x_storage: config.x_storage,
            pretrain_samples: None,
            penalties: Penalties { mu: none.clone(), lambda: none },
            // An iteration that changes nothing.
            history: History { pretrain: vec![vec![0.0; 2]; config.layers.len()], finetune: Vec::new() },
            objective: 0.0,
            relative_error: 0.0,
            n_samples: n,
            norm: 0.0,
            seconds: Seconds::default(),
            warnings: Vec::new(),
        };
        let metadata = text(&Metadata::of(config, &fit, AS_IT_IS, device))?;
        Ok((arrays(py, fit.factors), metadata))
    }
    let config = config_of(settings)?;
    if double { of::<f64>(py, shape, &config, device) } else { of::<f32>(py, shape, &config, device) }
}

/// Factors and arrays of either precision.
#[derive(FromPyObject)]
pub(super) enum AnyGiven<'py> {
    #[pyo3(transparent)]
    Single(Given<'py, f32>),
    #[pyo3(transparent)]
    Double(Given<'py, f64>),
}

/// The reconstruction of samples from their coefficients, which are the H of `model`: `(samples × features, None)`; or, beside
/// `samples × features` to compare it with, `(None, ‖X − X̂‖/‖X‖)`, made without the whole of it.
#[pyfunction]
#[pyo3(signature = (model, metadata, x=None))]
pub(super) fn reconstruct<'py>(
    py: Python<'py>,
    model: AnyGiven<'py>,
    metadata: &str,
    x: Option<super::samples::Given<'py>>,
) -> PyResult<(Option<Bound<'py, PyAny>>, Option<f64>)> {
    let metadata: Metadata = parse(metadata)?;
    fn of<'py, E: Element + numpy::Element>(
        py: Python<'py>,
        f: &Factors<E>,
        x: Option<Box<dyn Source<E> + '_>>,
    ) -> PyResult<(Option<Bound<'py, PyAny>>, Option<f64>)> {
        match x {
            None => Ok((Some(py.detach(|| f.reconstruct(f.h.view()))?.into_pyarray(py).into_any()), None)),
            Some(mut x) => Ok((None, Some(relative_error(x.as_mut(), f, f.h.view())?))),
        }
    }
    let x = x.as_ref().map(|x| x.view());
    match &model {
        AnyGiven::Single(given) => {
            let x = x.map(|x| x.single(&metadata.feature_names, None, &|_, _| 0)).transpose()?;
            let how = metadata.preprocess;
            // As the model was trained on them.
            of(py, &factors(given, &metadata), x.map(|Taken { x, .. }| Box::new(Prepared { x, how }) as _))
        }
        AnyGiven::Double(given) => {
            let x = x.map(|x| x.double(&metadata.feature_names)).transpose()?;
            of(py, &factors(given, &metadata), x.map(|x| Box::new(x) as _))
        }
    }
}

/// The table of models, as JSON: name, and what an estimator has to know.
#[pyfunction]
pub(super) fn models() -> PyResult<String> {
    let row = |m: &ModelSpec| {
        json!({
            "name": m.name, "title": m.title, "signed": m.signed, "one_layer": m.depth == crate::model::Depth::One,
            "online": m.method == crate::model::Method::Blocks,
            "mu": m.mu != Layers::None, "lam": m.lambda != Layers::None, "pretrain": m.pretrain, "sweeps": m.sweeps, "tol": m.tol,
        })
    };
    Ok(text(&MODELS.iter().map(row).collect::<Vec<_>>())?)
}

/// The adapters of this machine, as JSON.
#[pyfunction]
pub(super) fn devices(py: Python<'_>) -> PyResult<String> {
    Ok(text(&py.detach(crate::devices))?)
}

/// Writes a model file.
#[pyfunction]
pub(super) fn save(path: PathBuf, arrays: Given<'_, f32>, metadata: &str) -> PyResult<()> {
    let metadata: Metadata = parse(metadata)?;
    Ok(Model { factors: factors(&arrays, &metadata), metadata }.save(&path)?)
}

/// Reads a model file: arrays and metadata.
#[pyfunction]
pub(super) fn load(py: Python<'_>, path: PathBuf) -> PyResult<(Arrays<'_>, String)> {
    let Model { factors, metadata } = py.detach(|| Model::load(&path))?;
    Ok((arrays(py, factors), text(&metadata)?))
}

/// All scores of clusters against classes, by name.
#[pyfunction]
pub(super) fn scores(classes: Vec<usize>, clusters: Vec<usize>) -> PyResult<Vec<(&'static str, f64)>> {
    let scores = Contingency::new(&classes, &clusters)?.scores();
    Ok(METRICS.iter().map(|(name, value)| (*name, value(&scores))).collect())
}

/// The features to cluster, of coefficients of the last layer: as the model's row of the table scales them.
#[pyfunction]
pub(super) fn features<'py>(
    py: Python<'py>,
    arrays: Given<'py, f32>,
    metadata: &str,
) -> PyResult<Bound<'py, PyArray2<f32>>> {
    let metadata: Metadata = parse(metadata)?;
    let (f, scaling) = (factors(&arrays, &metadata), ModelSpec::by_name(&metadata.model)?.features);
    Ok(evaluate::features(f.h.view(), &f, f.depth(), scaling)?.into_pyarray(py))
}

/// Samples of a page, and their coefficients.
type Shown<'py> = (PyReadonlyArray2<'py, f32>, PyReadonlyArray2<'py, f32>);
/// The cluster of every sample, its class where it has one, and the names of the classes.
type Clustered = (Vec<usize>, Option<Vec<Option<usize>>>, Vec<String>);

/// Titles of sections that are shown, and of those that are not with the reason.
type Sections = (Vec<&'static str>, Vec<(&'static str, String)>);

/// Writes the page about a model to `path`; returns the sections that are shown, and those that are not with the reason.
#[pyfunction]
#[pyo3(signature = (path, name, arrays, metadata, samples=None, clustered=None, image_shape=None))]
pub(super) fn report(
    path: PathBuf,
    name: &str,
    arrays: Given<'_, f32>,
    metadata: &str,
    samples: Option<Shown<'_>>,
    clustered: Option<Clustered>,
    image_shape: Option<&str>,
) -> PyResult<Sections> {
    let mut metadata: Metadata = parse(metadata)?;
    if let Some(shape) = image_shape {
        let shape: ImageShape = parse(shape)?;
        metadata.image_shape = Some(shape);
    }
    let model = Model { factors: factors(&arrays, &metadata), metadata };
    let samples = samples.as_ref().map(|(x, h)| Samples {
        source: "an array",
        x: x.as_array(),
        h: h.as_array(),
        coefficients: "those that the estimator has of these samples",
        names: &[],
    });
    let clusters = clustered.map(|(of, labels, classes)| {
        let scores = scores_of(&of, labels.as_deref())?;
        Ok::<_, Error>(Clusters { runs: 0, of, classes, labels, scores })
    });
    let page =
        Report { model: &model, name, made: std::time::SystemTime::now(), samples, clusters: clusters.transpose()? }
            .page()?;
    page.save(&path)?;
    Ok((page.shown, page.missing))
}

fn scores_of(clusters: &[usize], labels: Option<&[Option<usize>]>) -> Result<Vec<(String, f64)>> {
    let Some(labels) = labels else { return Ok(Vec::new()) };
    let both: (Vec<_>, Vec<_>) = labels.iter().zip(clusters).filter_map(|(l, c)| Some(((*l)?, *c))).unzip();
    let scores = Contingency::new(&both.0, &both.1)?.scores();
    Ok(METRICS.iter().map(|(name, value)| (name.to_string(), value(&scores))).collect())
}
