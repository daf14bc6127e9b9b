//! How a loop ends, as soon as its rule is met.

use super::Device;

/// When a loop ends before its last iteration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stopping {
    /// Ends the loop where the objective changes by no more than `tol f` in an iteration; never, where it is 0.
    pub tol: f64,
    /// Where `‖X − H Ψᵀ‖ ≤ target_error ‖X‖`.
    pub target_error: Option<f64>,
    /// What the rules are about: [`Course::Plain`], or trials of which some are taken back.
    pub course: Course,
}

/// What an iteration of a loop does to the objective.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// Every iteration counts, and `tol` is met by the first that has `|f_before − f| ≤ tol f`.
    Plain,
    /// Iterations are extrapolated, and those that do not lower the objective are taken back. `f_before` is the least
    /// objective so far. `tol` is met by `patience` iterations in a row that have `f_before − f ≤ tol f`: the objective of an
    /// extrapolated course stands still for an iteration or two between a fall and a rise. An iteration that is taken back
    /// meets no target.
    Trials {
        /// Iterations in a row.
        patience: u32,
    },
}

impl Stopping {
    /// Extrapolated iterations in a row that change too little, before a loop ends.
    pub(crate) const PATIENCE: u32 = 4;
    /// The same of sweeps over a chain: the one after a sweep that was taken back moves H alone, and changes little too.
    pub(crate) const PATIENCE_OF_SWEEPS: u32 = 6;

    /// Of a plain course.
    pub fn new(tol: f64, target_error: Option<f64>) -> Self {
        Self { tol, target_error, course: Course::Plain }
    }

    /// Of extrapolated iterations.
    pub(crate) fn of_trials(self, patience: u32) -> Self {
        Self { course: Course::Trials { patience }, ..self }
    }

    /// Whether there is any such rule.
    pub(crate) fn is_any(self) -> bool {
        self.tol > 0.0 || self.target_error.is_some()
    }

    /// By two objectives in a row, the half of the squared residual against that of X, and how many iterations before this
    /// one changed too little: whether the loop is over, the next `f_before`, and how many there are now.
    pub(crate) fn judge(
        self,
        (before, now): (f64, f64),
        (half_residual, half_of_x): (f64, f64),
        small: u32,
    ) -> (bool, f64, u32) {
        let near = self.target_error.is_some_and(|target| half_residual <= target * target * half_of_x);
        let (change, patience, is_best) = match self.course {
            Course::Plain => ((before - now).abs(), 1, true),
            Course::Trials { patience } => (before - now, patience, now <= before),
        };
        let small = if self.tol > 0.0 && change <= self.tol * now { small + 1 } else { 0 };
        (small >= patience || near && is_best, if is_best { now } else { before }, small)
    }
}

/// Slots of a verdict: how many iterations were made, 1 where the last of them ended the loop, and three that are the backend's, of
/// which [`Backend::standing`](super::Backend::standing) makes a [`Standing`].
pub const VERDICT: usize = 5;

/// Where a loop stands between two iterations, as far as its rule depends on it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    /// Iterations that were made.
    pub made: usize,
    /// `f_before`; NaN where it is not known.
    pub before: f64,
    /// Iterations in a row, up to here, that changed too little.
    pub small: u32,
}

impl Standing {
    /// Before the first iteration, with the objective as it is.
    pub fn start(objective: f64) -> Self {
        Self { made: 0, before: objective, small: 0 }
    }
}

/// The end of an iteration; see [`Backend::check_stop`](super::Backend::check_stop).
pub struct StopCheck<'a, B: Device + ?Sized> {
    /// `[−1, ½, …]`, 1 × the number of sums, two at least: the first two and the constant are half the squared residual.
    pub weights: &'a B::Matrix,
    /// The sums.
    pub sums: &'a mut B::Scalars,
    /// The slot of the first of them.
    pub first: usize,
    /// `½‖X‖²`.
    pub constant: f64,
    /// Where the loop stood before, where this is the first iteration that the device makes of it.
    pub start: Option<Standing>,
    /// The rule.
    pub stop: Stopping,
    /// The slot, among the sums, of the first of [`VERDICT`] of its own.
    pub verdict: usize,
}
