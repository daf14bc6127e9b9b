//! Samples wherever they are: in memory, or in their file.

use ndarray::{Array2, Axis};

use super::shape::{PixelOrder, reorder};
use super::{Checked, Dim, Features, FileSamples, ImageSet, Look, Preprocess, Scale, SoFar};
use crate::{Error, Result};

/// The samples of a set.
#[derive(Debug, Clone)]
pub enum Samples {
    /// In memory.
    Held(Array2<f32>),
    /// In the file, or the files, of [`open`](super::open).
    InFile(Box<FileSamples>),
}

impl Dim for Samples {
    fn size(&self) -> (usize, usize) {
        match self {
            Self::Held(x) => x.dim(),
            Self::InFile(x) => x.dim(),
        }
    }
}

impl Samples {
    /// Whether they are images that are decoded whenever they are read.
    pub fn are_images(&self) -> bool {
        matches!(self, Self::InFile(x) if x.is_images())
    }

    /// Whether they stay in their file.
    pub fn in_file(&self) -> bool {
        matches!(self, Self::InFile(_))
    }
}

impl ImageSet<Samples> {
    /// With its samples in memory: all of them are read where they are in a file.
    ///
    /// # Errors
    /// As [`FileSamples::rows`].
    pub fn hold(mut self) -> Result<ImageSet> {
        let all = 0..self.n_samples();
        let x = match std::mem::replace(&mut self.x, Samples::Held(Array2::default((0, 0)))) {
            Samples::Held(x) => x,
            Samples::InFile(mut x) => x.rows(all)?,
        };
        Ok(self.with_x(|_| x))
    }

    /// [`ImageSet::hold`] within the memory that the options of reading allow, which says how many it has read. Also returns a look at
    /// those that were to be clipped: its note is in none of the set.
    ///
    /// # Errors
    /// As [`ImageSet::hold`], and [`Error::Config`] where they take more memory.
    pub fn hold_with(mut self, progress: &mut dyn FnMut(&SoFar)) -> Result<(ImageSet, Option<Look>)> {
        let (x, look) = match std::mem::replace(&mut self.x, Samples::Held(Array2::default((0, 0)))) {
            Samples::Held(x) => (x, None),
            Samples::InFile(x) => x.hold(progress)?,
        };
        Ok((self.with_x(|_| x), look))
    }

    /// As [`ImageSet::select`] of samples in memory. Those in a file that have no names get none.
    ///
    /// # Panics
    /// If a row is not less than [`ImageSet::n_samples`].
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        let names = || rows.iter().map(|&r| self.name(r).into_owned()).collect();
        match &self.x {
            Samples::Held(x) => self.part(rows, Samples::Held(x.select(Axis(0), rows)), names()),
            Samples::InFile(x) => {
                let names = if self.names.is_empty() { Vec::new() } else { names() };
                self.part(rows, Samples::InFile(Box::new(x.select(rows))), names)
            }
        }
    }

    /// Keeps these features only, in that order.
    ///
    /// # Errors
    /// [`Error::Config`] for samples that stay in their file.
    ///
    /// # Panics
    /// If there is no such feature.
    pub fn choose_features(&mut self, columns: &[usize]) -> Result<()> {
        let Samples::Held(x) = &mut self.x else {
            let message = "the features are not in the order of the model, and samples that are streamed are read as they lie; \
                           --stream no holds them";
            return Err(Error::Config(message.into()));
        };
        *x = x.select(Axis(1), columns);
        self.feature_names = columns.iter().map(|&c| self.feature_names.get(c).cloned().unwrap_or_default()).collect();
        Ok(())
    }

    /// Reorders the pixels of all samples; does nothing without an image shape.
    pub fn reorder(&mut self, order: PixelOrder) {
        let Some(shape) = self.image_shape else { return };
        match &mut self.x {
            Samples::Held(x) => drop(reorder(x, shape, order)),
            Samples::InFile(x) => x.reorder(order),
        }
        self.image_shape = Some(shape.ordered(order));
    }

    /// Looks at all samples once: those in a file are all read.
    ///
    /// # Errors
    /// As [`FileSamples::rows`].
    pub fn look(&self) -> Result<Look> {
        match &self.x {
            Samples::Held(x) => Ok(Look::at(x.view())),
            Samples::InFile(x) => x.look_at_all(),
        }
    }

    /// [`validate_finite`](super::validate_finite) for a model that is `signed`, else
    /// [`validate_nonnegative`](super::validate_nonnegative). What is clipped of samples in a file is only known then:
    /// [`ImageSet::notes`] says so.
    ///
    /// # Errors
    /// As these, and as [`ImageSet::look`].
    pub fn validate(&mut self, signed: bool, source: &str) -> Result<Checked> {
        let look = self.look()?;
        let note = look.note();
        let name = |row: usize| match &self.x {
            Samples::InFile(x) if self.names.is_empty() => x.name(row),
            _ => self.names.get(row).cloned(),
        };
        let checked = look.checked(signed, name, &self.feature_names, source)?;
        self.notes.extend(note);
        Ok(checked)
    }

    /// [`preprocess_features`](super::preprocess_features). Also returns how many samples are all zero then, where that may be
    /// another number than before: of gradient orientations. Those in a file are preprocessed when they are read.
    ///
    /// # Errors
    /// As [`preprocess_features`](super::preprocess_features) and [`FileSamples::rows`].
    pub fn preprocess_features(&mut self, scale: Scale, features: Features) -> Result<(Preprocess, Option<usize>)> {
        let mut how = Preprocess::of_features(scale, features, self.image_shape)?;
        let zeros = match &mut self.x {
            Samples::Held(x) => how.learn_and_apply(x)?,
            Samples::InFile(x) => x.preprocess(&mut how)?,
        };
        Ok((how, zeros.filter(|_| features == Features::Igo)))
    }

    /// Preprocesses the samples as those of a training were.
    ///
    /// # Errors
    /// As [`Preprocess::apply`].
    pub fn apply(&mut self, how: &Preprocess) -> Result<()> {
        match &mut self.x {
            Samples::Held(x) => how.apply(x),
            Samples::InFile(x) => x.apply(*how),
        }
    }
}
