//! The only seam of the crate: what a device must be able to do for the algorithm in [`crate::train`].
//!
//! Rows are samples. A matrix may be held in blocks of rows; what couples samples is only a sum over
//! blocks (`MatMul::TN`, [`Backend::sum`], [`Backend::column_sums`]), so a backend is free to shard.
//! `&` is a read-only operand and `&mut` a written one: an operand never aliases its output.

pub(crate) mod check;
mod cpu;
mod descent;
mod device;
pub mod gpu;
pub(crate) mod multiplicative;
mod nesterov;
mod nonlinear;
mod stop;
mod storage;

pub use cpu::Cpu;
pub(crate) use descent::LEAST_CURVATURE;
pub use descent::{Combination, Descent, EXTRAPOLATION, GROWTH, GROWTH_OF_MOST, SHRINKAGE};
pub(crate) use descent::{check_descent, check_state, check_three};
pub use device::{DeviceInfo, DeviceRequest};
pub use multiplicative::{MultiplicativeStep, Part, Rule, Sparse};
pub(crate) use nesterov::momentum;
pub use nesterov::{Curvature, Momentum, NesterovRows, NesterovStep};
pub use nonlinear::{Apply, Domain, SearchSum};
pub use stop::{Course, StopCheck, Stopping, VERDICT};
pub use storage::{Precision, Storage};

use crate::Result;
pub use crate::element::Element;
use crate::model::{Activation, HPenalty, Metric, Solver};
use ndarray::{Array2, ArrayView2};
use std::time::Duration;

/// Which operand of a product is transposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MatMul {
    /// `A B`.
    NN,
    /// `Aᵀ B`; over samples: a sum that couples them.
    TN,
    /// `A Bᵀ`.
    NT,
}

impl MatMul {
    /// `(rows, inner, columns)` of the product, or None where the operands do not fit each other.
    pub fn shape(self, a: (usize, usize), b: (usize, usize)) -> Option<(usize, usize, usize)> {
        let (m, k) = if self == Self::TN { (a.1, a.0) } else { a };
        let (k2, n) = if self == Self::NT { (b.1, b.0) } else { b };
        (k == k2).then_some((m, k, n))
    }
}

/// What an operation does with what is in its output. Sums over samples are made shard by shard: the first replaces what
/// was there, the others add to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// The result replaces it.
    Replace,
    /// The result is added to it.
    Add,
}

impl Write {
    /// For the shard of that number: the first replaces.
    pub(crate) fn of_shard(shard: usize) -> Self {
        if shard == 0 { Self::Replace } else { Self::Add }
    }
}

/// What [`Backend::column_sums`] computes of column j.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnSums {
    /// `Σ_i m_ij`.
    Sum,
    /// `(Σ_i m_ij)²`.
    SumSquared,
    /// `Σ_i m_ij²`.
    SumOfSquares,
}

/// What [`Backend::sum`] adds up.
#[derive(Debug)]
pub enum Sum<'a, M> {
    /// `⟨a, b⟩ = Σ_ij a_ij b_ij`.
    Dot(&'a M, &'a M),
    /// `Σ_ij a_ij`.
    Entries(&'a M),
    /// `Σ_i a_ii`.
    Trace(&'a M),
}

/// By what [`Backend::scale`] multiplies `m_ij`.
#[derive(Debug)]
pub enum By<'a, M> {
    /// By `d_j`, d: 1 × columns.
    Columns(&'a M),
    /// By `d_i`, d: 1 × rows.
    Rows(&'a M),
    /// By one entry of d: 1 × any.
    Entry(&'a M, usize),
}

// Derived, it would ask for a `Copy` matrix.
impl<M> Clone for By<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for By<'_, M> {}

/// How often the host looks at the objective.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cadence {
    /// Iterations per look.
    pub every: usize,
    /// Looks that may be under way before the host waits for the oldest.
    pub ahead: usize,
}

/// A device that holds matrices and computes with them.
///
/// Operations are queued in order; [`Backend::submit`] starts what is queued. Only [`Backend::download`] and
/// [`Backend::finish_read`] wait. Shapes are checked at every call ([`Error::Shape`](crate::Error::Shape)).
pub trait Backend {
    /// The numbers.
    type Elem: Element;
    /// A row-major matrix on the device; not `Clone`.
    type Matrix: std::fmt::Debug;
    /// Numbered sums on the device.
    type Scalars: std::fmt::Debug;
    /// A read of [`Backend::Scalars`] under way.
    type Pending;
    /// A sparse matrix on the device.
    type Sparse: std::fmt::Debug;

    /// How often the host should look.
    fn cadence(&self) -> Cadence;
    /// As a person would call the device.
    fn device_name(&self) -> String;

    /// A matrix of zeros.
    fn zeros(&mut self, rows: usize, cols: usize) -> Result<Self::Matrix>;
    /// A matrix with these entries.
    fn upload(&mut self, host: ArrayView2<'_, Self::Elem>) -> Result<Self::Matrix>;
    /// The data matrix X (n × m), stored as `storage` says; and what that came to. What is rounded, is so on every backend alike.
    ///
    /// X is only read: a matrix that is not stored as f32 can be the first operand of a product, of [`Sum::Dot`] with
    /// itself, [`Sum::Entries`] and [`Sum::Trace`], the x of a residual, and be downloaded. Elsewhere it may be an
    /// [`Error::Config`](crate::Error::Config), and [`Error::Data`](crate::Error::Data) is what cannot be stored so.
    fn upload_data(&mut self, x: ArrayView2<'_, Self::Elem>, storage: Storage) -> Result<(Self::Matrix, Storage)>;
    /// The entries of a matrix; submits and waits.
    fn download(&mut self, m: &Self::Matrix) -> Result<Array2<Self::Elem>>;
    /// `(rows, columns)`.
    fn shape(&self, m: &Self::Matrix) -> (usize, usize);
    /// `len` sums, all 0.
    fn scalars(&mut self, len: usize) -> Result<Self::Scalars>;

    /// `out = op(a) op(b)`, or that added to `out`.
    fn product(
        &mut self,
        op: MatMul,
        a: &Self::Matrix,
        b: &Self::Matrix,
        write: Write,
        out: &mut Self::Matrix,
    ) -> Result<()>;

    /// `out = op(a) op(b)`.
    fn matmul(&mut self, op: MatMul, a: &Self::Matrix, b: &Self::Matrix, out: &mut Self::Matrix) -> Result<()> {
        self.product(op, a, b, Write::Replace, out)
    }

    /// `to = from`.
    fn copy(&mut self, from: &Self::Matrix, to: &mut Self::Matrix) -> Result<()>;

    /// `out.scale = L d` for the symmetric nonnegative `gram` (k × k): `d = 1` and `L ≥ ‖G‖₂` for [`Metric::Plain`],
    /// `d = diag(G)` and `L ≥ ‖D^-½ G D^-½‖₂` for [`Metric::Diagonal`].
    ///
    /// L is the Collatz–Wielandt bound `max_i (D⁻¹Gv)_i / v_i`, which holds for every v > 0, with the v of `iterations`
    /// power iterations; a little more than rounding can take away is added.
    fn spectral_bound(
        &mut self,
        gram: &Self::Matrix,
        metric: Metric,
        iterations: usize,
        out: &mut Curvature<Self::Matrix>,
    ) -> Result<()>;

    /// `out = gram + lambda 11ᵀ` ([`HPenalty::SquaredL1`]) or `gram + lambda I` ([`HPenalty::Ridge`]).
    fn add_penalty(&mut self, gram: &Self::Matrix, kind: HPenalty, lambda: f64, out: &mut Self::Matrix) -> Result<()>;

    /// Sums of columns, `out: 1 × columns`. Squares of sums are of one matrix: they are not added.
    fn column_sums(&mut self, m: &Self::Matrix, what: ColumnSums, write: Write, out: &mut Self::Matrix) -> Result<()>;

    /// One step of Nesterov's method with projection on x ≥ 0:
    ///
    /// ```text
    /// x_new = max(0, y − (gradient − rhs + mu s) / (left_i right_j + extra))
    /// y_new = x_new + β (x_new − x)
    /// ```
    ///
    /// Where the denominator is 0 the entry stays as it is: nothing depends on it.
    fn nesterov_step(&mut self, step: NesterovStep<'_, Self>) -> Result<()>;

    /// Whether [`Backend::nesterov_rows`] takes blocks of k columns.
    fn fuses_rows(&self, k: usize) -> bool;

    /// All steps of Nesterov's method on rows that nothing couples, from `y = x` on: as often as the block says
    /// [`Backend::nesterov_step`] at the gradient `Y G`, without a matrix on the left and penalties on columns, with
    /// `β = (α − 1)/α'`, `α' = (1 + √(4α² + 1))/2` from α = 1. Every row stays where it is from the first step to the last.
    fn nesterov_rows(&mut self, block: NesterovRows<'_, Self::Matrix>, x: &mut Self::Matrix) -> Result<()>;

    /// Writes a sum into a slot, or adds it to what is there.
    fn reduce(&mut self, what: Sum<'_, Self::Matrix>, write: Write, out: &mut Self::Scalars, slot: usize)
    -> Result<()>;

    /// Writes a sum into a slot.
    fn sum(&mut self, what: Sum<'_, Self::Matrix>, out: &mut Self::Scalars, slot: usize) -> Result<()> {
        self.reduce(what, Write::Replace, out, slot)
    }

    /// Writes `‖x − h psiᵀ‖²` into a slot, or adds it to what is there, from the residual itself.
    fn residual(
        &mut self,
        x: &Self::Matrix,
        h: &Self::Matrix,
        psi: &Self::Matrix,
        write: Write,
        out: &mut Self::Scalars,
        slot: usize,
    ) -> Result<()>;

    /// `out_j = (coefficient · numerator_j / denominator_j)^¼`, 1 where either is 0; all 1 × k.
    fn quarter_root(
        &mut self,
        coefficient: f64,
        numerator: &Self::Matrix,
        denominator: &Self::Matrix,
        out: &mut Self::Matrix,
    ) -> Result<()>;

    /// With `q_l = weights_l · sums_(first + l)`: `out_l = √(geometric mean of q / q_l)`, all 1 where a q is 0; 1 × len.
    fn equalize(
        &mut self,
        weights: &Self::Matrix,
        sums: &Self::Scalars,
        first: usize,
        out: &mut Self::Matrix,
    ) -> Result<()>;

    /// Multiplies (or divides) the entries of a matrix.
    fn scale(&mut self, m: &mut Self::Matrix, by: By<'_, Self::Matrix>, divide: bool) -> Result<()>;

    // ---- Nonlinear models: activations, and the line search of a projected gradient step.

    /// Applies an activation, entry by entry; see [`Activation`] for the formulas.
    fn activate(
        &mut self,
        activation: Activation,
        apply: Apply,
        from: &Self::Matrix,
        out: &mut Self::Matrix,
    ) -> Result<()>;

    /// `out = out + c m`.
    fn add(&mut self, out: &mut Self::Matrix, c: f64, m: &Self::Matrix) -> Result<()>;

    /// A trial of a line search: `trial = max(0, x − α gradient)` or `x − α gradient`, as the domain says,
    /// `moved = trial − x`, α in `state`.
    ///
    /// `state` (1 × 3) is `[α, 1 where the search is over, 1 where the last trial ended it]`.
    fn search_trial(
        &mut self,
        x: &Self::Matrix,
        gradient: &Self::Matrix,
        state: &Self::Matrix,
        domain: Domain,
        trial: &mut Self::Matrix,
        moved: &mut Self::Matrix,
    ) -> Result<()>;

    /// Armijo's rule for `f = f₁ + f₂`, both quadratic, f₁ in something that moves by Δ when x moves by δ, and f₂ in x:
    ///
    /// ```text
    /// ⟨∇f₁, Δ⟩ + ½⟨∇²f₁ Δ, Δ⟩ + ⟨∇f₂, δ⟩ + ½⟨∇²f₂ δ, δ⟩  =  f(trial) − f(x)  ≤  σ⟨g, δ⟩
    /// ```
    ///
    /// from the slots of [`SearchSum`]: no difference of two large numbers. Where it holds the search is over and α
    /// doubles for the next one, where not α halves; once the search is over nothing changes until a `first` trial.
    fn search_decide(&mut self, sums: &Self::Scalars, first: bool, state: &mut Self::Matrix) -> Result<()>;

    /// `x = trial` where the last trial ended the search.
    fn search_accept(&mut self, state: &Self::Matrix, trial: &Self::Matrix, x: &mut Self::Matrix) -> Result<()>;

    // ---- The other models: multiplicative updates, projected gradient, graphs.

    /// With `n = max(rhs, 0) + attract` and `d = max(−rhs, 0) + repel + degree_i x`: `x ← x · n/d` or `x · √(n/d)`, as the
    /// rule says.
    fn multiplicative_step(&mut self, step: MultiplicativeStep<'_, Self::Matrix>) -> Result<()>;

    /// A part of every entry.
    fn part(&mut self, m: &Self::Matrix, part: Part, out: &mut Self::Matrix) -> Result<()>;

    /// `to = max(0, x − alpha gradient)`, `moved = to − x`.
    fn gradient_step(
        &mut self,
        x: &Self::Matrix,
        gradient: &Self::Matrix,
        alpha: f64,
        to: &mut Self::Matrix,
        moved: &mut Self::Matrix,
    ) -> Result<()>;

    /// `gradient −= rhs`, and in `out` the gradient where `x > 0` or where it is negative, elsewhere 0: what is left of
    /// it under `x ≥ 0`.
    fn projected_gradient(
        &mut self,
        x: &Self::Matrix,
        rhs: &Self::Matrix,
        gradient: &mut Self::Matrix,
        out: &mut Self::Matrix,
    ) -> Result<()>;

    /// A generalised inverse of a symmetric positive semidefinite `gram`, the inverse where there is one. On every
    /// backend the host computes it, in f64: it may wait.
    fn inverse(&mut self, gram: &Self::Matrix, out: &mut Self::Matrix) -> Result<()>;

    /// Brings a sparse matrix to the device.
    fn sparse(&mut self, host: &Sparse<Self::Elem>) -> Result<Self::Sparse>;

    /// `out = a b` with a sparse `a`.
    fn sparse_product(&mut self, a: &Self::Sparse, b: &Self::Matrix, out: &mut Self::Matrix) -> Result<()>;

    // ---- Coordinate descent and the extrapolation between its iterations.

    /// The solver that reaches an objective first on this device, as measured; what [`Solver::Auto`] means.
    fn fastest_solver(&self) -> Solver;

    /// Sweeps of coordinate descent on `min_{X ≥ 0} ½⟨X, A X G⟩ − ⟨B, X⟩ + ½ mu Σ_j s_j²`, s the column sums of X:
    ///
    /// * A = I, mu = 0: rows are independent, and in each j goes from first to last:
    ///   `x_j ← max(0, x_j − (Gx − b)_j / G_jj)`.
    /// * A = I, mu > 0: the column sums couple the rows, so that rows in parallel would not descend. Columns from first to
    ///   last, each solved exactly (`r = G_jj x_:j − (XG − B)_:j`): `x_:j ← max(0, (r − t)/G_jj)`, the prox of the squared
    ///   L1 norm, with the t at which `t = mu Σ_i x_ij`.
    /// * A given: everything is coupled. Columns from first to last, in each i from first to last:
    ///   `x_ij ← max(0, x_ij − ((AXG − B)_ij + mu s_j) / (A_ii G_jj + mu))`, s kept up to date.
    ///
    /// Where G_jj (or the denominator) is not above 1e-30 the entry stays as it is: nothing depends on it.
    fn descend(&mut self, block: Descent<'_, Self::Matrix>, x: &mut Self::Matrix) -> Result<()>;

    /// `out = max(0, now + β (now − before))`, β from `state`, which begins as [`EXTRAPOLATION`].
    fn look_ahead(
        &mut self,
        now: &Self::Matrix,
        before: &Self::Matrix,
        state: &Self::Matrix,
        out: &mut Self::Matrix,
    ) -> Result<()>;

    /// Whether a trial with the objective `f` is accepted, and the next β, both into `state`:
    ///
    /// ```text
    /// f > f_before:  rejected,  β_most ← β_success,  β ← β/η
    /// else:          accepted,  β_success ← β,  β ← min(β_most, γβ),  β_most ← min(1, γ̄ β_most)
    /// ```
    ///
    /// In both cases f is the next f_before. The first trial is always accepted.
    fn judge(&mut self, f: Combination<'_, Self>, first: bool, state: &mut Self::Matrix) -> Result<()>;

    /// Accepted: `best ← point, point ← ahead`. Rejected: `point ← best`.
    fn settle(
        &mut self,
        ahead: &Self::Matrix,
        state: &Self::Matrix,
        best: &mut Self::Matrix,
        point: &mut Self::Matrix,
    ) -> Result<()>;

    // ---- Clusters.

    /// Whether centre j is the one nearest to sample i: `membership_ij` is 1 for the first j at which
    /// `halves_j − products_ij` is least, else 0. With `halves_j = ½‖c_j‖²` (1 × k) and `products = F Cᵀ` that is half the
    /// squared distance, but for what does not depend on j.
    fn nearest(&mut self, products: &Self::Matrix, halves: &Self::Matrix, membership: &mut Self::Matrix) -> Result<()>;

    // ---- Queue.

    /// Begins (or ends) a loop that the device may end by itself: from then on every operation that is queued behind a
    /// [`Backend::check_stop`] which found the loop over is skipped, checks and reads aside. Whether it does so; a device that
    /// does not has to be asked after every iteration. Nothing but iterations and their checks comes between the two.
    fn gate(&mut self, _on: bool) -> bool {
        false
    }
    /// Counts an iteration and says whether the loop is over, into the verdict among the sums: what is read with them is
    /// what happened. Once over, it remains what it was.
    fn check_stop(&mut self, check: StopCheck<'_, Self>) -> Result<()>;
    /// Starts what is queued. One call is one command buffer.
    fn submit(&mut self) -> Result<()>;
    /// Submits, and starts to bring the sums to the host as they are after all that was queued before.
    fn start_read(&mut self, scalars: &Self::Scalars) -> Result<Self::Pending>;
    /// Waits for a read.
    fn finish_read(&mut self, pending: Self::Pending) -> Result<Vec<f64>>;

    /// Whether products with the data are from now on made of halves, with sums of f32: XΨ of Ψ rounded to halves, and XᵀH of
    /// H. False where the device was not opened for that ([`Precision::F16`]).
    fn use_halves(&mut self, _on: bool) -> bool {
        false
    }

    /// `work` with [`Backend::use_halves`] where `on` says so, and without them again afterwards, whatever came of it; `work` is
    /// told whether it has them.
    fn in_halves<T>(&mut self, on: bool, work: impl FnOnce(&mut Self, bool) -> Result<T>) -> Result<T>
    where
        Self: Sized,
    {
        let on = on && self.use_halves(true);
        let result = work(self, on);
        self.use_halves(false);
        result
    }

    // ---- Clocks.

    /// How long the host has waited for the device so far; None where the host is the device. What else it took for is the
    /// host's share of the work.
    fn waited(&self) -> Option<Duration> {
        None
    }
    /// Whether the device is to time what it computes, from now on; counting begins at 0. False where it has no clock of its
    /// own. Off, as at first, it costs nothing.
    fn time_passes(&mut self, _on: bool) -> bool {
        false
    }
    /// Seconds that the device computed since this was last asked; None where it is not timed. Submits, and waits.
    fn pass_seconds(&mut self) -> Result<Option<f64>> {
        Ok(None)
    }
}
