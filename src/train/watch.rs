//! Who is told how a fit goes on, and may stop it.

use super::history::{Progress, Stage};
use std::ops::ControlFlow;

/// For fits that nobody watches: `train::fit(b, x, &config, None, &mut train::silent)`.
pub fn silent(_: &Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// A caller's report of progress, and whether the fit was told to stop.
pub(crate) struct Watch<'a> {
    progress: &'a mut dyn FnMut(&Progress) -> ControlFlow<()>,
    /// Every loop then ends where it is. Of those that follow a layer still makes one iteration, so that the model has some
    /// use, and the fine-tuning none.
    pub(crate) stopped: bool,
    /// Which part of how many equal ones the iterations that are reported are of.
    pub(crate) part: (usize, usize),
}

impl<'a> Watch<'a> {
    pub(crate) fn new(progress: &'a mut dyn FnMut(&Progress) -> ControlFlow<()>) -> Self {
        Self { progress, stopped: false, part: (0, 1) }
    }

    /// The iterations of a stage that may make `max`.
    pub(crate) fn iterations(&self, stage: Stage, max: usize) -> usize {
        match self.stopped {
            false => max,
            true => max.min(usize::from(stage != Stage::Finetune)),
        }
    }

    pub(crate) fn report(&mut self, progress: &Progress) {
        let Progress { done, of, .. } = *progress;
        let (part, parts) = self.part;
        self.stopped |= (self.progress)(&Progress { done: part * of + done, of: parts * of, ..*progress }).is_break();
    }
}
