//! What the table of formulas is made of.

use super::lanes::Lines;
use crate::model::Activation;
use crate::model::activation::ACTIVATIONS;

/// An elementwise formula. Operands are those of entry (i, j); outputs come first in [`Device::map`](crate::backend::Device::map).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Formula {
    /// `out = m`.
    Copy,
    /// `out = a + b`.
    Sum,
    /// `out = out + c m`.
    Add,
    /// `m = m d`.
    Multiply,
    /// `m = m / d`.
    Divide,
    /// `out = max(0, now + β (now − before))`.
    LookAhead,
    /// `y = x + β y`.
    Extrapolate,
    /// Where `accepted` is positive `best = point, point = ahead`, else `point = best`.
    Settle,
    /// `to = max(least, x − α gradient)`, `moved = to − x`.
    Step,
    /// `x = trial` where `taken` is not 0.
    Accept,
    /// `gradient = gradient − rhs`, and `out = gradient` where `x > 0` or `gradient < 0`, else 0.
    ProjectedGradient,
    /// `out = (coefficient · n / d)^¼`, 1 where either is 0.
    QuarterRoot,
    /// `max(m, 0)`, `max(−m, 0)` or `|m|`.
    Part(Part),
    /// With `n = max(rhs, 0) + attract` and `d = max(−rhs, 0) + repel + degree x`: `x = x · n/(d + least)`, or
    /// `x = x · √(n / max(d, least))`.
    Multiplicative(Rule),
    /// A projected step of Nesterov's method, from `point = x` where `first` is not 0 and y elsewhere:
    /// `x_new = max(0, point − (gradient − rhs + mu sums) / (left right + extra))`, `y = x_new + β (x_new − x)`. Where the
    /// denominator is 0 the entry stays: nothing depends on it.
    Nesterov,
    /// The same step, which leaves `y = x_new − x` and `gradient = point − x_new`: β is not known yet.
    NesterovOpen,
    /// `out = p(m)`, `out = g(m)` or `out = out · p'(m)`.
    Activate(Activation, Apply),
}

/// Which part of every entry [`Formula::Part`] takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// `max(m, 0)`.
    Positive,
    /// `max(−m, 0)`.
    Negative,
    /// `|m|`.
    Absolute,
}

/// What a quotient does to an entry in [`Formula::Multiplicative`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// `x · n/(d + least)`: Lee & Seung.
    Ratio,
    /// `x · √(n/max(d, least))`: Ding et al., for blocks of mixed signs.
    Root,
}

/// What [`Formula::Activate`] makes of `out` and the entries of a matrix; see [`Activation`] for the functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Apply {
    /// `out = p(m)`.
    P,
    /// `out = g(m)`.
    G,
    /// `out = out · p'(m)`.
    TimesDerivative,
}

/// An operand of a formula: how entry (i, j) is found.
#[derive(Debug)]
pub enum Operand<'a, M> {
    /// `m_ij` of a matrix with the shape of the outputs.
    Each(&'a M),
    /// `d_j` of a d with 1 × columns.
    Columns(&'a M),
    /// `d_i` of a d with 1 × rows.
    Rows(&'a M),
    /// One entry of a d with 1 × any.
    Entry(&'a M, usize),
    /// A number.
    Number(f64),
    /// A number where i = j, else 0.
    Diagonal(f64),
}

// Derived, it would ask for a `Copy` matrix.
impl<M> Clone for Operand<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for Operand<'_, M> {}

/// What kind of [`Operand`] it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// [`Operand::Each`].
    Each,
    /// [`Operand::Columns`].
    Columns,
    /// [`Operand::Rows`].
    Rows,
    /// [`Operand::Entry`].
    Entry,
    /// [`Operand::Number`].
    Number,
    /// [`Operand::Diagonal`].
    Diagonal,
}

impl<M> Operand<'_, M> {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Each(_) => Kind::Each,
            Self::Columns(_) => Kind::Columns,
            Self::Rows(_) => Kind::Rows,
            Self::Entry(..) => Kind::Entry,
            Self::Number(_) => Kind::Number,
            Self::Diagonal(_) => Kind::Diagonal,
        }
    }
}

/// The values for which an operand is defined; those that `verify` draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// Any, from −1 to 1.
    Signed,
    /// At least 0; a quarter of them 0.
    Nonnegative,
    /// At least 1.
    Positive,
    /// 0 and 1, each in its turn.
    Flag,
    /// The least denominator of [`Formula::Multiplicative`].
    Least,
    /// Any, very small and very large ones too.
    Wide,
    /// The same, at least 0.
    WideNonnegative,
}

/// An output: its name in the body, and the range of what is in it before where the formula reads that.
#[derive(Debug, Clone, Copy)]
pub struct Output(pub &'static str, pub Option<Range>);

/// An input: its name in the body, the kinds of operands that it takes, and its range.
#[derive(Debug, Clone, Copy)]
pub struct Input(pub &'static str, pub &'static [Kind], pub Range);

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Row<E> {
    /// The name of the kernel, and in messages.
    pub name: &'static str,
    /// What is written, at least one.
    pub outputs: &'static [Output],
    /// What is only read.
    pub inputs: &'static [Input],
    /// WGSL statements that assign the outputs; outputs and inputs are variables of their names.
    pub body: &'static str,
    /// WGSL functions that the body calls.
    pub functions: &'static str,
    /// The same on the CPU: hands [`Lines::each`] a closure from outputs and inputs to outputs.
    pub compute: fn(Lines<'_, E>),
    /// How far a result in f32 may be off: a closure from results, outputs before and inputs to bounds.
    pub bound: fn(Lines<'_, f64>),
}

/// A matrix with the shape of the outputs, and nothing else.
pub(super) const EACH: &[Kind] = &[Kind::Each];

/// The most inputs that a row has.
pub(crate) const MOST_INPUTS: usize = 9;

/// What keeps a denominator of [`Formula::Multiplicative`] from 0: far below every other that there is beside samples of about
/// norm 1, to which X is scaled. Where a denominator is 0 so is x, or the numerator.
pub(crate) const FLOOR: f64 = 1e-30_f32 as f64;

impl Formula {
    /// All rows of the table.
    pub fn all() -> Vec<Self> {
        use Formula::*;
        let mut all = vec![
            Copy,
            Sum,
            Add,
            Multiply,
            Divide,
            LookAhead,
            Extrapolate,
            Settle,
            Step,
            Accept,
            ProjectedGradient,
            QuarterRoot,
            Nesterov,
            NesterovOpen,
        ];
        all.extend([self::Part::Positive, self::Part::Negative, self::Part::Absolute].map(Part));
        all.extend([Rule::Ratio, Rule::Root].map(Multiplicative));
        let applied = |(_, activation): &(&str, Activation)| {
            [Apply::P, Apply::G, Apply::TimesDerivative].map(|apply| Activate(*activation, apply))
        };
        all.extend(ACTIVATIONS.iter().flat_map(applied));
        all
    }

    /// The combinations of kinds that the inputs may have.
    pub fn combinations(self) -> Vec<Vec<Kind>> {
        self.row::<f64>().inputs.iter().fold(vec![Vec::new()], |before, Input(_, kinds, _)| {
            let with = |kind| before.iter().map(move |some| some.iter().copied().chain([kind]).collect());
            kinds.iter().copied().flat_map(with).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn rows_have_names_of_their_own_and_no_more_inputs_than_there_is_room_for() {
        let all = Formula::all();
        let names: HashSet<&str> = all.iter().map(|formula| formula.row::<f32>().name).collect();
        assert_eq!(names.len(), all.len());
        for formula in all {
            let row = formula.row::<f64>();
            assert!(!row.outputs.is_empty() && row.inputs.len() <= MOST_INPUTS, "{}", row.name);
            let names: HashSet<&str> = row.outputs.iter().map(|o| o.0).chain(row.inputs.iter().map(|i| i.0)).collect();
            assert_eq!(names.len(), row.outputs.len() + row.inputs.len(), "{}", row.name);
        }
    }
}
