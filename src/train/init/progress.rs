//! How far an initialisation is.

use crate::Result;
use crate::train::{Progress, Stage, Watch};

/// Steps of an initialisation, after each of which its progress is told and it may be given up.
pub(super) struct Steps<'a, 'w> {
    pub(super) layer: usize,
    pub(super) done: usize,
    pub(super) of: usize,
    pub(super) watch: &'a mut Watch<'w>,
}

impl Steps<'_, '_> {
    fn progress(&self) -> Progress {
        let Self { layer, done, of, .. } = *self;
        Progress { done, of, ..Progress::of(Stage::Init { layer }) }
    }

    pub(super) fn made(&mut self) -> Result<()> {
        self.done += 1;
        self.watch.report(&self.progress());
        self.watch.goes_on()
    }

    /// See [`Watch::beside`].
    pub(super) fn beside<T: Send + 'static>(&mut self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        self.watch.beside(&self.progress(), work)
    }
}
