//! Samples that Python hands over: an array, as it lies in memory, or the path of a file.

use crate::backend::Rows;
use crate::data::{self, Dim, LoadOptions, Preprocess, ReadAhead, Scale};
use crate::train::{Config, Source, host_bytes};
use crate::{Error, Result};
use ndarray::{ArrayView2, s};
use numpy::PyReadonlyArray2;
use pyo3::FromPyObject;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// What Python may hand over.
#[derive(FromPyObject)]
pub(super) enum Given<'py> {
    #[pyo3(transparent)]
    Single(PyReadonlyArray2<'py, f32>),
    #[pyo3(transparent)]
    Double(PyReadonlyArray2<'py, f64>),
    #[pyo3(transparent)]
    Bytes(PyReadonlyArray2<'py, u8>),
    #[pyo3(transparent)]
    File(PathBuf),
}

/// The same to look at, without Python's lock.
pub(super) enum Samples<'a> {
    Single(ArrayView2<'a, f32>),
    Double(ArrayView2<'a, f64>),
    Bytes(ArrayView2<'a, u8>),
    File(&'a Path),
}

impl Given<'_> {
    pub(super) fn view(&self) -> Samples<'_> {
        match self {
            Self::Single(x) => Samples::Single(x.as_array()),
            Self::Double(x) => Samples::Double(x.as_array()),
            Self::Bytes(x) => Samples::Bytes(x.as_array()),
            Self::File(path) => Samples::File(path),
        }
    }
}

/// Whether samples are read in every pass over them; None: where memory has no room for them.
pub(super) type Stream = Option<bool>;

impl<'a> Samples<'a> {
    /// Samples in `f32`; `needed` says what memory a fit takes besides `n × m` samples that are held. Features of a file that have names
    /// are those called `names`, in that order; all as they are, where these are empty.
    ///
    /// # Errors
    /// [`Error::Data`] for numbers of `f64`; for a file, as [`data::open`] and [`data::load`], and [`Error::Format`] where one of these
    /// names is not there.
    pub(super) fn single(
        self,
        names: &[String],
        stream: Stream,
        needed: &dyn Fn(usize, usize) -> u64,
    ) -> Result<Taken<'a>> {
        let opts = LoadOptions::default();
        let streams = |(n, m): (usize, usize)| {
            let held = (n as u64).saturating_mul(m as u64).saturating_mul(4);
            stream.unwrap_or_else(|| needed(n, m).saturating_add(held) > opts.budget())
        };
        match self {
            Self::Single(x) => Ok(Taken { x: Box::new(Rows::from(x)), streamed: streams(x.dim()), names: Vec::new() }),
            Self::Bytes(x) => Ok(Taken { x: Box::new(Bytes(x)), streamed: streams(x.dim()), names: Vec::new() }),
            Self::Double(_) => Err(Error::Data("expected samples of float32 or uint8, found float64".into())),
            Self::File(path) => {
                let opened = match stream {
                    Some(false) => None,
                    Some(true) => Some(data::open(path, &opts)?),
                    // What cannot be opened can perhaps be read; if not, that says why.
                    None if path.is_dir() => Some(data::open(path, &opts)?),
                    None => data::open(path, &opts).ok().filter(|set| set.x.are_images() || streams(set.x.size())),
                };
                let set = match opened {
                    Some(set) if streams(set.x.size()) => set,
                    // All of a folder was looked at.
                    Some(images) => images.hold_with(&mut |_| {})?.0.with_x(data::Samples::Held),
                    None => data::load(path, &opts)?.with_x(data::Samples::Held),
                };
                let set = in_order(set, names, path)?;
                let names = set.feature_names;
                Ok(match set.x {
                    data::Samples::InFile(x) => Taken { x: Box::new(ReadAhead::new(*x)?), streamed: true, names },
                    data::Samples::Held(x) => Taken { x: Box::new(Rows::from(x)), streamed: false, names },
                })
            }
        }
    }

    /// Samples in `f64`; those of a file are read in `f32`, and their features chosen as by [`Samples::single`].
    ///
    /// # Errors
    /// [`Error::Data`] for arrays of other numbers; for a file, as [`Samples::single`].
    pub(super) fn double(self, names: &[String]) -> Result<Rows<'a, f64>> {
        match self {
            Self::Double(x) => Ok(Rows::from(x)),
            Self::File(path) => {
                let set = data::load(path, &LoadOptions::default())?.with_x(data::Samples::Held);
                match in_order(set, names, path)?.x {
                    data::Samples::Held(x) => Ok(Rows::from(x.mapv(f64::from))),
                    data::Samples::InFile(_) => Err(Error::format(path, "expected samples in memory")),
                }
            }
            _ => Err(Error::Data("expected samples of float64".into())),
        }
    }
}

/// Samples as a fit takes them.
pub(super) struct Taken<'a> {
    pub(super) x: Box<dyn Source<f32> + 'a>,
    /// Whether they are read in every pass.
    pub(super) streamed: bool,
    /// The names of their features, if they are in a file and have any.
    pub(super) names: Vec<String>,
}

/// The set with the features of these names, in that order.
fn in_order(
    mut set: data::ImageSet<data::Samples>,
    names: &[String],
    path: &Path,
) -> Result<data::ImageSet<data::Samples>> {
    if let Some(columns) = set.columns_of(names).map_err(|found| Error::format(path, found))? {
        set.choose_features(&columns)?;
    }
    Ok(set)
}

/// Samples of an array are not scaled.
pub(super) const AS_IT_IS: Preprocess = Preprocess { scale: Scale::None, factor: 1.0, igo: None };

/// Samples that are scaled as those of the training were.
pub(super) struct Prepared<'a> {
    pub(super) x: Box<dyn Source<f32> + 'a>,
    pub(super) how: Preprocess,
}

impl Source<f32> for Prepared<'_> {
    fn shape(&self) -> (usize, usize) {
        let (n, m) = self.x.shape();
        (n, m * self.how.features_per_value())
    }

    fn rows(&mut self, rows: Range<usize>) -> Result<Rows<'_, f32>> {
        let rows = self.x.rows(rows)?;
        if self.how == AS_IT_IS {
            return Ok(rows);
        }
        let mut rows = rows.into_owned();
        self.how.apply(&mut rows)?;
        Ok(rows.into())
    }
}

/// What a fit needs besides samples that are held.
pub(super) fn needed(config: &Config, on_gpu: bool) -> impl Fn(usize, usize) -> u64 {
    move |n, m| host_bytes(&Config { stream: false, ..config.clone() }, n, m, on_gpu)
}

/// Bytes, which become numbers a block at a time.
struct Bytes<'a>(ArrayView2<'a, u8>);

impl Source<f32> for Bytes<'_> {
    fn shape(&self) -> (usize, usize) {
        self.0.dim()
    }

    fn rows(&mut self, rows: Range<usize>) -> Result<Rows<'_, f32>> {
        Ok(self.0.slice(s![rows, ..]).mapv(f32::from).into())
    }
}
