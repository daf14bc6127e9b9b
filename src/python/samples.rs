//! Samples that Python hands over: an array, as it lies in memory, or the path of a file.

use crate::backend::Rows;
use crate::data::{self, Dim, LoadOptions, ReadAhead};
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
    /// Samples in `f32`, and whether they are streamed; `needed` says what memory a fit takes besides `n × m` samples that are held.
    ///
    /// # Errors
    /// [`Error::Data`] for numbers of `f64`; for a file, as [`data::open`] and [`data::load`].
    pub(super) fn single(
        self,
        stream: Stream,
        needed: &dyn Fn(usize, usize) -> u64,
    ) -> Result<(Box<dyn Source<f32> + 'a>, bool)> {
        let opts = LoadOptions::default();
        let streams = |(n, m): (usize, usize)| {
            let held = (n as u64).saturating_mul(m as u64).saturating_mul(4);
            stream.unwrap_or_else(|| needed(n, m).saturating_add(held) > opts.budget())
        };
        match self {
            Self::Single(x) => Ok((Box::new(Rows::from(x)), streams(x.dim()))),
            Self::Bytes(x) => Ok((Box::new(Bytes(x)), streams(x.dim()))),
            Self::Double(_) => Err(Error::Data("expected samples of float32 or uint8, found float64".into())),
            Self::File(path) => {
                let opened = match stream {
                    Some(false) => None,
                    Some(true) => Some(data::open(path, &opts)?),
                    // What cannot be opened can perhaps be read; if not, that says why.
                    None => data::open(path, &opts).ok().filter(|set| streams(set.x.size())),
                };
                Ok(match opened.map(|set| set.x) {
                    Some(data::Samples::InFile(x)) => (Box::new(ReadAhead::new(*x)?), true),
                    Some(data::Samples::Held(x)) => (Box::new(Rows::from(x)), false),
                    None => (Box::new(Rows::from(data::load(path, &opts)?.x)), false),
                })
            }
        }
    }

    /// Samples in `f64`; those of a file are read in `f32`.
    ///
    /// # Errors
    /// [`Error::Data`] for arrays of other numbers; for a file, as [`data::load`].
    pub(super) fn double(self) -> Result<Rows<'a, f64>> {
        match self {
            Self::Double(x) => Ok(Rows::from(x)),
            Self::File(path) => Ok(Rows::from(data::load(path, &LoadOptions::default())?.x.mapv(f64::from))),
            _ => Err(Error::Data("expected samples of float64".into())),
        }
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
