//! Who is told how a fit goes on, and may stop it.

use super::checkpoint::{Course, Entered, Keeper, LoopState, is_kept};
use super::history::{Progress, Stage};
use super::state::State;
use crate::backend::Backend;
use crate::ranks::Ranks;
use crate::{Error, Result};
use std::ops::ControlFlow;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::Builder;
use std::time::Duration;

/// Of work that says nothing of its own.
const BETWEEN_REPORTS: Duration = Duration::from_millis(200);

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
    /// The stage that is under way, or was when it was told so.
    stage: Stage,
    /// Those that stop together.
    ranks: Option<Ranks>,
    /// Whether this process was told to stop; of several ranks, all do so once they have told each other.
    asked: bool,
    /// Which part of how many equal ones the iterations that are reported are of.
    pub(crate) part: (usize, usize),
    /// Iterations of the same stage that an earlier loop has made.
    pub(crate) before: usize,
    /// Writes the fit down; None where it is not to be.
    keeper: Option<Keeper<'a>>,
    /// Seconds that were spent on the stage, and on the fit, before it went on.
    spent: (f64, f64),
}

impl<'a> Watch<'a> {
    pub(crate) fn new(progress: &'a mut dyn FnMut(&Progress) -> ControlFlow<()>) -> Self {
        Self::of_ranks(progress, None)
    }

    /// One of several.
    pub(super) fn of_ranks(progress: &'a mut dyn FnMut(&Progress) -> ControlFlow<()>, ranks: Option<Ranks>) -> Self {
        Self {
            progress,
            stopped: false,
            stage: Stage::Init { layer: 0 },
            ranks,
            asked: false,
            part: (0, 1),
            before: 0,
            keeper: None,
            spent: (0.0, 0.0),
        }
    }

    /// Whether the device may go on by itself: ranks look at every iteration.
    pub(super) fn is_alone(&self) -> bool {
        self.ranks.is_none()
    }

    /// The fit is written down, or goes on.
    pub(super) fn keep_by(&mut self, keeper: Keeper<'a>) {
        self.spent = keeper.spent();
        self.keeper = Some(keeper);
    }

    /// Seconds that were spent on the stage before the fit went on.
    pub(super) fn spent_on_stage(&self) -> f64 {
        self.spent.0
    }

    /// Seconds that were spent on the fit before it went on.
    pub(super) fn spent(&self) -> f64 {
        self.spent.1
    }

    /// The stage in which the fit was told to stop; None where it was not.
    pub(super) fn stopped_in(&self) -> Option<Stage> {
        self.stopped.then_some(self.stage)
    }

    /// The iterations of a stage that may make `max`.
    pub(crate) fn iterations(&self, stage: Stage, max: usize) -> usize {
        match self.stopped {
            false => max,
            true => max.min(usize::from(stage != Stage::Finetune)),
        }
    }

    pub(crate) fn report(&mut self, progress: &Progress) {
        let (done, of) = (progress.done + self.before, progress.of + self.before);
        let (part, parts) = self.part;
        if !self.stopped {
            self.stage = progress.stage;
        }
        let (done, of) = (part * of + done, parts * of);
        self.asked |= (self.progress)(&Progress { done, of, ..*progress }).is_break();
        self.stopped |= self.asked && self.ranks.is_none();
    }

    /// The stage that a fit goes on in, and what it had come to at its beginning; None once that is reached.
    pub(super) fn resumes(&self) -> Option<(usize, Course)> {
        self.keeper.as_ref().and_then(Keeper::resumes)
    }

    /// The matrices of that.
    pub(super) fn restore<B: Backend>(&mut self, b: &mut B, base: &mut dyn State<B>) -> Result<()> {
        self.keeper.as_mut().map_or(Ok(()), |keeper| keeper.restore(b, base))
    }

    /// A stage begins, from this; see [`Keeper::begin`].
    pub(super) fn begin<B: Backend>(
        &mut self,
        b: &mut B,
        stage: usize,
        course: &Course,
        base: &mut dyn State<B>,
    ) -> Result<()> {
        if let Some(keeper) = &mut self.keeper {
            keeper.begin(b, stage, course.clone(), base)?;
            self.spent.0 = keeper.spent().0;
        }
        Ok(())
    }

    /// A loop of a stage begins, at `start` or where it goes on.
    pub(super) fn enter<B: Backend>(
        &mut self,
        b: &mut B,
        stage: Stage,
        start: LoopState,
        state: &mut dyn State<B>,
    ) -> Result<Entered> {
        let Some(keeper) = self.keeper.as_mut().filter(|_| is_kept(stage)) else { return Ok(Entered::At(start)) };
        let entered = keeper.enter(b, (stage, start), state)?;
        if let (Entered::At(here), true) = (&entered, self.stopped) {
            // Here the fit that goes on has to begin: what this one still makes is cut short.
            self.keep(b, here, state)?;
        }
        Ok(entered)
    }

    /// Whether a loop is to be written down now; at its end (`ends`) that is so earlier. Where the fit was told to stop, too: it can
    /// go on from there. [`Watch::tell`] says it of several ranks.
    pub(super) fn is_due(&self, stage: Stage, ends: bool) -> bool {
        let due = |keeper: &Keeper<'_>| keeper.is_due(ends) || self.stopped;
        self.ranks.is_none() && is_kept(stage) && self.keeper.as_ref().is_some_and(due)
    }

    /// Of several ranks: whether an iteration was the last one of its loop, as one of them finds, and whether it is to be written down,
    /// as the first one says. One that was told to stop or to end tells the others.
    pub(super) fn tell(&mut self, stage: Stage, ends: bool, over: &mut bool) -> Result<bool> {
        let Some(ranks) = self.ranks.filter(|_| is_kept(stage)) else { return Ok(false) };
        let due = ranks.is_first() && self.keeper.as_ref().is_some_and(|keeper| keeper.is_due(ends));
        let (due, all_over) = self.exchange(ranks, due, *over)?;
        *over = all_over;
        Ok(due)
    }

    fn exchange(&mut self, ranks: Ranks, due: bool, over: bool) -> Result<(bool, bool)> {
        let interrupted = self.keeper.as_ref().is_some_and(Keeper::is_interrupted);
        let [due, over, stopped, interrupted] = ranks.any([due, over, self.asked, interrupted])?;
        self.stopped |= stopped;
        self.keeper.iter_mut().filter(|_| interrupted).for_each(Keeper::end);
        Ok((due || stopped || interrupted, over))
    }

    /// Between two parts of what is not written down: ends it where any rank was told to.
    ///
    /// # Errors
    /// As [`Watch::check`].
    pub(super) fn meet(&mut self) -> Result<()> {
        if let Some(ranks) = self.ranks {
            self.exchange(ranks, false, false)?;
        }
        self.check()
    }

    /// Writes the loop down.
    ///
    /// # Errors
    /// [`Error::Interrupted`] where the fit is to end.
    pub(super) fn keep<B: Backend>(&mut self, b: &mut B, here: &LoopState, state: &mut dyn State<B>) -> Result<()> {
        let Some(keeper) = &mut self.keeper else { return Ok(()) };
        keeper.keep(b, here.clone(), state)?;
        if self.stopped {
            // What follows are the iterations of a fit that was cut short; one that goes on makes others.
            self.keeper = None;
        }
        Ok(())
    }

    /// A loop of a stage is over.
    pub(super) fn leave(&mut self, stage: Stage, history: &[f64]) {
        if let Some(keeper) = self.keeper.as_mut().filter(|_| is_kept(stage)) {
            keeper.leave(history);
        }
    }

    /// Gives the initialisation of a layer up where the fit was told to stop: what follows is no part of a fit that goes on, and not
    /// written down.
    ///
    /// # Errors
    /// [`Error::Interrupted`] where the fit was told to stop, or to end.
    pub(super) fn goes_on(&mut self) -> Result<()> {
        self.check()?;
        if self.stopped {
            self.keeper = None;
            return Err(Error::Interrupted { checkpoint: None });
        }
        Ok(())
    }

    /// What `work` makes, in a thread of its own: it may take long, and cannot be told to end. Whoever gives it up leaves it to end by
    /// itself. `progress` is reported now and then. Ranks, which stop together, wait for it.
    ///
    /// # Errors
    /// As [`Watch::goes_on`]; [`Error::Data`] where it has panicked.
    pub(super) fn beside<T: Send + 'static>(
        &mut self,
        progress: &Progress,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        if !self.is_alone() {
            return Ok(work());
        }
        let (send, made) = channel();
        // Nobody takes what was given up.
        let thread = Builder::new().spawn(move || drop(send.send(work())));
        thread.map_err(|e| Error::OutOfMemory(format!("a thread: {e}")))?;
        loop {
            match made.recv_timeout(BETWEEN_REPORTS) {
                Ok(made) => return Ok(made),
                Err(RecvTimeoutError::Timeout) => {
                    self.report(progress);
                    self.goes_on()?;
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::Data("the decomposition of the data failed".into()));
                }
            }
        }
    }

    /// Ends a fit that was interrupted, between two iterations of what is not written down.
    pub(super) fn check(&self) -> Result<()> {
        self.keeper.as_ref().map_or(Ok(()), Keeper::check)
    }
}
