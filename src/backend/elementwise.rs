//! The formulas of the table by name; [`Formula`] says what they compute, [`check_operands`](super::check_operands) what they
//! refuse.

use super::formula::{Apply, FLOOR, Part, Rule};
use super::{ACCEPTED, Device, Formula, Operand};
use crate::Result;
use crate::model::{Activation, HPenalty};

/// By what [`Elementwise::scale`] multiplies `m_ij`.
pub use super::formula::Operand as By;

/// Where the points of a line search may lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// x ≥ 0: every trial is projected.
    Nonnegative,
    /// Entries of any sign.
    Real,
}

/// One multiplicative step; see [`Formula::Multiplicative`]. All matrices have the shape of x.
#[derive(Debug)]
pub struct MultiplicativeStep<'a, M> {
    /// The linear term of the block: its positive part is in the numerator, its negative part in the denominator.
    pub rhs: &'a M,
    /// What else is in the numerator.
    pub attract: Option<&'a M>,
    /// What else is in the denominator.
    pub repel: &'a M,
    /// `d` (1 × rows), of which `d_i x_ij` is in the denominator.
    pub degree: Option<&'a M>,
    /// What the quotient does.
    pub rule: Rule,
    /// The iterate.
    pub x: &'a mut M,
}

/// The elementwise formulas on any device.
pub trait Elementwise: Device {
    /// `to = from`.
    fn copy(&mut self, from: &Self::Matrix, to: &mut Self::Matrix) -> Result<()> {
        self.map(Formula::Copy, &mut [to], &[Operand::Each(from)])
    }

    /// `out = out + c m`.
    fn add(&mut self, out: &mut Self::Matrix, c: f64, m: &Self::Matrix) -> Result<()> {
        self.map(Formula::Add, &mut [out], &[Operand::Each(m), Operand::Number(c)])
    }

    /// `out = gram + lambda 11ᵀ` ([`HPenalty::SquaredL1`]) or `gram + lambda I` ([`HPenalty::Ridge`]).
    fn add_penalty(&mut self, gram: &Self::Matrix, kind: HPenalty, lambda: f64, out: &mut Self::Matrix) -> Result<()> {
        let penalty = match kind {
            HPenalty::SquaredL1 => Operand::Number(lambda),
            HPenalty::Ridge => Operand::Diagonal(lambda),
        };
        self.map(Formula::Sum, &mut [out], &[Operand::Each(gram), penalty])
    }

    /// Multiplies, or divides, the entries of a matrix by those of columns, of rows, or by one entry.
    fn scale(&mut self, m: &mut Self::Matrix, by: By<'_, Self::Matrix>, divide: bool) -> Result<()> {
        self.map(if divide { Formula::Divide } else { Formula::Multiply }, &mut [m], &[by])
    }

    /// `out_j = (coefficient · numerator_j / denominator_j)^¼`, 1 where either is 0.
    fn quarter_root(
        &mut self,
        coefficient: f64,
        numerator: &Self::Matrix,
        denominator: &Self::Matrix,
        out: &mut Self::Matrix,
    ) -> Result<()> {
        let inputs = [Operand::Each(numerator), Operand::Each(denominator), Operand::Number(coefficient)];
        self.map(Formula::QuarterRoot, &mut [out], &inputs)
    }

    /// Applies an activation, entry by entry.
    fn activate(
        &mut self,
        activation: Activation,
        apply: Apply,
        from: &Self::Matrix,
        out: &mut Self::Matrix,
    ) -> Result<()> {
        self.map(Formula::Activate(activation, apply), &mut [out], &[Operand::Each(from)])
    }

    /// A part of every entry.
    fn part(&mut self, m: &Self::Matrix, part: Part, out: &mut Self::Matrix) -> Result<()> {
        self.map(Formula::Part(part), &mut [out], &[Operand::Each(m)])
    }

    /// `to = max(0, x − alpha gradient)`, `moved = to − x`.
    fn gradient_step(
        &mut self,
        x: &Self::Matrix,
        gradient: &Self::Matrix,
        alpha: f64,
        to: &mut Self::Matrix,
        moved: &mut Self::Matrix,
    ) -> Result<()> {
        let inputs = [Operand::Each(x), Operand::Each(gradient), Operand::Number(alpha), Operand::Number(0.0)];
        self.map(Formula::Step, &mut [to, moved], &inputs)
    }

    /// A trial of a line search: the same step, projected or not as the domain says, with the α in `state`
    /// ([`Backend::search_decide`](super::Backend::search_decide)).
    fn search_trial(
        &mut self,
        x: &Self::Matrix,
        gradient: &Self::Matrix,
        state: &Self::Matrix,
        domain: Domain,
        trial: &mut Self::Matrix,
        moved: &mut Self::Matrix,
    ) -> Result<()> {
        // Far below any x, and a number in WGSL too, which has no infinity.
        let least = if domain == Domain::Nonnegative { 0.0 } else { f32::MIN.into() };
        let inputs = [Operand::Each(x), Operand::Each(gradient), Operand::Entry(state, 0), Operand::Number(least)];
        self.map(Formula::Step, &mut [trial, moved], &inputs)
    }

    /// `x = trial` where `taken` is not 0: an entry of the state of a line search or of an extrapolation.
    fn accept(&mut self, trial: &Self::Matrix, taken: By<'_, Self::Matrix>, x: &mut Self::Matrix) -> Result<()> {
        self.map(Formula::Accept, &mut [x], &[Operand::Each(trial), taken])
    }

    /// What is left of a gradient under `x ≥ 0`: `gradient −= rhs`, and `out` is the gradient where `x > 0` or where it is
    /// negative, elsewhere 0.
    fn projected_gradient(
        &mut self,
        x: &Self::Matrix,
        rhs: &Self::Matrix,
        gradient: &mut Self::Matrix,
        out: &mut Self::Matrix,
    ) -> Result<()> {
        self.map(Formula::ProjectedGradient, &mut [gradient, out], &[Operand::Each(x), Operand::Each(rhs)])
    }

    /// One multiplicative step.
    fn multiplicative_step(&mut self, step: MultiplicativeStep<'_, Self::Matrix>) -> Result<()> {
        let MultiplicativeStep { rhs, attract, repel, degree, rule, x } = step;
        let inputs = [
            Operand::Each(rhs),
            attract.map_or(Operand::Number(0.0), Operand::Each),
            Operand::Each(repel),
            degree.map_or(Operand::Number(0.0), Operand::Rows),
            Operand::Number(FLOOR),
        ];
        self.map(Formula::Multiplicative(rule), &mut [x], &inputs)
    }

    /// The point at which an extrapolated block begins: `out = max(0, now + β (now − before))`, β from `state`, which begins as
    /// [`EXTRAPOLATION`](super::EXTRAPOLATION).
    fn look_ahead(
        &mut self,
        now: &Self::Matrix,
        before: &Self::Matrix,
        state: &Self::Matrix,
        out: &mut Self::Matrix,
    ) -> Result<()> {
        let inputs = [Operand::Each(now), Operand::Each(before), Operand::Entry(state, 0)];
        self.map(Formula::LookAhead, &mut [out], &inputs)
    }

    /// The outcome of a trial that [`Backend::judge`](super::Backend::judge) has judged. Accepted:
    /// `best ← point, point ← ahead`. Rejected: `point ← best`.
    fn settle(
        &mut self,
        ahead: &Self::Matrix,
        state: &Self::Matrix,
        best: &mut Self::Matrix,
        point: &mut Self::Matrix,
    ) -> Result<()> {
        self.map(Formula::Settle, &mut [best, point], &[Operand::Each(ahead), Operand::Entry(state, ACCEPTED)])
    }
}

impl<D: Device + ?Sized> Elementwise for D {}
