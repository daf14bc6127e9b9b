//! Samples with what is known of them.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use ndarray::{Array2, Axis};

use super::keys::listed;
use super::labels::{Labels, minus_one};
use super::shape::{ImageShape, PixelOrder, reorder};

/// Samples with their image shape, labels and names. The samples are in memory, or stay in their file
/// ([`FileSamples`](super::FileSamples)).
#[derive(Debug, Clone)]
pub struct ImageSet<X = Array2<f32>> {
    /// `samples × features`. Pixels of 8-bit images are 0..=255, as stored; see [`preprocess`](super::preprocess()).
    pub x: X,
    /// The image shape of a sample; None if unknown.
    pub image_shape: Option<ImageShape>,
    /// The class of every sample, an index into [`ImageSet::classes`]; None for a sample without a label.
    pub labels: Option<Vec<Option<usize>>>,
    /// The names of the classes, as the source spells them: folder names in natural order, label
    /// values in numeric order. Empty without labels.
    pub classes: Vec<String>,
    /// The source of the labels, such as "sub-folders".
    pub label_source: Option<String>,
    /// A name for every sample, such as its path relative to the folder; empty if the samples have no names. See
    /// [`ImageSet::name`].
    pub names: Vec<String>,
    /// A name for every feature, such as the header of its column, all different; empty if the features have no names. Pixels have
    /// none.
    pub feature_names: Vec<String>,
    /// Choices that the reader made on its own, and the options that change them; for people.
    pub notes: Vec<String>,
}

/// Names of features; none where one is empty, or two are the same, of which a note is made.
pub(super) fn all_different(names: Vec<String>, notes: &mut Vec<String>) -> Vec<String> {
    let mut seen = HashSet::new();
    let Some(name) = names.iter().find(|name| name.is_empty() || !seen.insert(*name)) else { return names };
    let what = if name.is_empty() { "one has no name".into() } else { format!("two are called `{name}`") };
    notes.push(format!("features are told apart by their places, not by their names: {what}"));
    Vec::new()
}

/// How far samples are read or packed.
#[derive(Debug, Clone, Copy)]
pub struct SoFar {
    /// Samples that are done, those of an earlier run included.
    pub done: usize,
    /// Samples in all.
    pub of: usize,
    /// Bytes of a sample in the array.
    pub sample_bytes: usize,
}

/// The size of the samples of a set.
pub trait Dim {
    /// `(samples, features)`.
    fn size(&self) -> (usize, usize);
}

impl Dim for Array2<f32> {
    fn size(&self) -> (usize, usize) {
        self.dim()
    }
}

impl<X> ImageSet<X> {
    /// A set without names of samples.
    pub(super) fn new(x: X, image_shape: Option<ImageShape>, labels: Option<Labels>, notes: Vec<String>) -> Self {
        let (classes, names, feature_names) = (Vec::new(), Vec::new(), Vec::new());
        let mut set = Self { x, image_shape, labels: None, classes, label_source: None, names, feature_names, notes };
        match labels {
            Some(l) if l.classes.is_empty() => set.notes.push(format!("{} holds no label: all are missing", l.source)),
            Some(l) => {
                set.notes.extend(minus_one(&l.classes).map(|note| format!("{}: {note}", l.source)));
                (set.labels, set.classes, set.label_source) = (Some(l.of), l.classes, Some(l.source));
            }
            None => {}
        }
        set
    }

    /// The name of the sample in row `row` (from 0); without names the row number.
    pub fn name(&self, row: usize) -> Cow<'_, str> {
        self.names.get(row).map_or_else(|| row.to_string().into(), |name| name.as_str().into())
    }

    /// The same set with its samples in another form.
    pub fn with_x<Y>(self, form: impl FnOnce(X) -> Y) -> ImageSet<Y> {
        let Self { x, image_shape, labels, classes, label_source, names, feature_names, notes } = self;
        ImageSet { x: form(x), image_shape, labels, classes, label_source, names, feature_names, notes }
    }

    /// The set of these rows, whose samples are `x` and have these names.
    pub(super) fn part<Y>(&self, rows: &[usize], x: Y, names: Vec<String>) -> ImageSet<Y> {
        ImageSet {
            x,
            image_shape: self.image_shape,
            labels: self.labels.as_ref().map(|l| rows.iter().map(|&r| l[r]).collect()),
            classes: self.classes.clone(),
            label_source: self.label_source.clone(),
            names,
            feature_names: self.feature_names.clone(),
            notes: self.notes.clone(),
        }
    }

    /// Where the features called `names` are among those of this set, in that order; None if they are these, or if either have no
    /// names.
    ///
    /// # Errors
    /// A sentence without a full stop, if one is not there.
    pub fn columns_of(&self, names: &[String]) -> std::result::Result<Option<Vec<usize>>, String> {
        let own = &self.feature_names;
        if names.is_empty() || own.is_empty() || own == names {
            return Ok(None);
        }
        let places: HashMap<&str, usize> = own.iter().enumerate().map(|(i, name)| (name.as_str(), i)).collect();
        let found: Vec<Option<usize>> = names.iter().map(|name| places.get(name.as_str()).copied()).collect();
        if let Some(missing) = found.iter().position(Option::is_none) {
            let (count, all) = (found.iter().filter(|at| at.is_none()).count(), names.len());
            let (name, like) = (&names[missing], listed(&names[missing], own.iter().map(String::as_str)));
            return Err(format!("{count} of {all} features are missing, the first `{name}`; found {like}"));
        }
        Ok(Some(found.into_iter().flatten().collect()))
    }

    /// The number of samples of each of [`ImageSet::classes`]; empty without labels.
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        for &label in self.labels.iter().flatten().flatten() {
            counts[label] += 1;
        }
        counts
    }
}

impl<X: Dim> ImageSet<X> {
    /// The number of samples, rows of `x`.
    pub fn n_samples(&self) -> usize {
        self.x.size().0
    }

    /// The number of features, columns of `x`.
    pub fn n_features(&self) -> usize {
        self.x.size().1
    }
}

impl ImageSet {
    /// Reorders the pixels of all samples; does nothing without an image shape.
    pub fn reorder(&mut self, order: PixelOrder) {
        self.image_shape = self.image_shape.map(|shape| reorder(&mut self.x, shape, order));
    }

    /// The samples of the given rows (from 0), in that order; a row may occur more than once.
    ///
    /// [`ImageSet::classes`] is kept whole, so that labels mean the same in every part of a split.
    ///
    /// # Panics
    /// If a row is not less than [`ImageSet::n_samples`].
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        let names = rows.iter().map(|&r| self.name(r).into_owned()).collect();
        self.part(rows, self.x.select(Axis(0), rows), names)
    }
}
