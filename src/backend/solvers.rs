//! The larger operations, each with a default made of those of a [`Device`].

use super::host::decide;
use super::{
    ColumnSums, Combination, Curvature, Descent, Element, Elementwise, Formula, MatMul, Momentum, NesterovBlock,
    NesterovStep, Operand, SearchSum, Sparse, Standing, StopCheck, Sum, VERDICT, Write, check, host, inverse, momentum,
};
use crate::Result;
use crate::model::{Metric, Solver};
use ndarray::{Array2, ArrayView2};

/// Bytes of a shard of X: enough work for all threads, and little beside a large X.
pub(crate) const SHARD_BYTES: usize = 64 << 20;

/// Rows of `cols` numbers with that many bytes; one at least.
pub(crate) fn rows_of_bytes<E>(bytes: usize, cols: usize) -> usize {
    (bytes / size_of::<E>() / cols.max(1)).max(1)
}

/// A device with all that the algorithm asks of it. Every method has a default made of the operations of [`Device`](super::Device); what is
/// small, and what goes through coordinates one after the other, is computed on the host.
pub trait Backend: Elementwise + Sized {
    /// `out = op(a) op(b)`.
    fn matmul(&mut self, op: MatMul, a: &Self::Matrix, b: &Self::Matrix, out: &mut Self::Matrix) -> Result<()> {
        self.product(op, a, b, Write::Replace, out)
    }

    /// Writes a sum into a slot.
    fn sum(&mut self, what: Sum<'_, Self::Matrix>, out: &mut Self::Scalars, slot: usize) -> Result<()> {
        self.reduce(what, Write::Replace, out, slot)
    }

    /// The most rows into which X (n × `cols`) and H are cut for a pass over the samples.
    fn shard_rows(&self, cols: usize) -> usize {
        rows_of_bytes::<Self::Elem>(SHARD_BYTES, cols)
    }

    /// Replaces the entries of a matrix by those of one on the host.
    fn write(&mut self, host: ArrayView2<'_, Self::Elem>, to: &mut Self::Matrix) -> Result<()> {
        let uploaded = self.upload(host)?;
        self.copy(&uploaded, to)
    }

    /// The sums as they are after all that was queued before; waits.
    fn read(&mut self, scalars: &Self::Scalars) -> Result<Vec<f64>> {
        let pending = self.start_read(scalars)?;
        self.finish_read(pending)
    }

    /// Writes `‖x − h psiᵀ‖²` into a slot, or adds it to what is there, from the residual itself. x: n × m, h: n × k,
    /// psi: m × k.
    fn residual(
        &mut self,
        x: &Self::Matrix,
        h: &Self::Matrix,
        psi: &Self::Matrix,
        write: Write,
        out: &mut Self::Scalars,
        slot: usize,
    ) -> Result<()> {
        let (n, m) = self.shape(x);
        let mut difference = self.zeros(n, m)?;
        self.matmul(MatMul::NT, h, psi, &mut difference)?;
        self.add(&mut difference, -1.0, x)?;
        self.reduce(Sum::Dot(&difference, &difference), write, out, slot)
    }

    // ---- Nesterov's method.

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
    ) -> Result<()> {
        check::spectral(self, gram, out)?;
        let (gram, vector) = (self.download(gram)?, self.download(&out.vector)?);
        let (scale, vector) = host::spectral_bound(&gram, metric, iterations, &vector);
        self.write(scale.view(), &mut out.scale)?;
        self.write(vector.view(), &mut out.vector)
    }

    /// One step of Nesterov's method with projection on x ≥ 0; [`Formula::Nesterov`] has the formula.
    fn nesterov_step(&mut self, step: NesterovStep<'_, Self>) -> Result<()> {
        check::nesterov_step(self, &step)?;
        separate_step(self, step)
    }

    /// The restart test, with the sum `⟨y − x, x − x_before⟩` in a slot, and the next momentum: `state` (1 × 2) is `[α, β]`.
    /// Where the sum is positive `α = 1, β = 0`; else `α' = (1 + √(4α² + 1))/2, β = (α − 1)/α'`. In a block's first step α is 1
    /// and there is no test. O'Donoghue & Candès 2015, gradient scheme.
    fn restart(&mut self, sums: &Self::Scalars, slot: usize, first: bool, state: &mut Self::Matrix) -> Result<()> {
        check::same("momentum", (1, 2), self.shape(state))?;
        let (sums, before) = (self.read(sums)?, self.download(state)?);
        check::slot(sums.len(), slot)?;
        let next = decide::restart(sums[slot], first, before[[0, 0]].f64());
        self.write(row(&next).view(), state)
    }

    /// Whether [`Backend::nesterov_block`] is better than step by step on a block of that shape, with a Gram on the left or not, and with
    /// the penalty `mu`.
    fn fuses_block(&self, _shape: (usize, usize), _left: bool, _mu: f64) -> bool {
        false
    }

    /// All steps of Nesterov's method on a block, from `y = x` on: as often as the block says [`Backend::nesterov_step`] at the gradient
    /// `A Y G`, with `β = (α − 1)/α'`, `α' = (1 + √(4α² + 1))/2` from α = 1.
    fn nesterov_block(&mut self, block: NesterovBlock<'_, Self::Matrix>, x: &mut Self::Matrix) -> Result<()> {
        check::nesterov_block(self, &block, x)?;
        let mut work = Separate::new(self, self.shape(x), block.left.is_some())?;
        work.solve(self, &block, false, x)
    }

    // ---- Coordinate descent and the extrapolation between its iterations.

    /// The solver that reaches an objective first on this device where a penalty or the chain couples rows, as measured.
    fn fastest_solver(&self) -> Solver {
        Solver::Nesterov
    }

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
    fn descend(&mut self, block: Descent<'_, Self::Matrix>, x: &mut Self::Matrix) -> Result<()> {
        check::descent(self, &block, x)?;
        let left = block.left.map(|left| self.download(left)).transpose()?;
        let (gram, rhs, mut there) = (self.download(block.gram)?, self.download(block.rhs)?, self.download(x)?);
        let Descent { mu, sweeps, .. } = block;
        host::descend(Descent { left: left.as_deref(), gram: &gram, rhs: &rhs, mu, sweeps }, &mut there)?;
        self.write(there.view(), x)
    }

    /// Whether a trial with the objective `f` is accepted, and the next β, both into `state` (1 × 5, at first
    /// [`EXTRAPOLATION`](super::EXTRAPOLATION)):
    ///
    /// ```text
    /// f > f_before:  rejected,  β_most ← β_success,  β ← β/η
    /// else:          accepted,  β_success ← β,  β ← min(β_most, γβ),  β_most ← min(1, γ̄ β_most)
    /// ```
    ///
    /// In both cases f is the next f_before. The first trial is always accepted.
    fn judge(&mut self, f: Combination<'_, Self>, first: bool, state: &mut Self::Matrix) -> Result<()> {
        check::judge(self, &f, state)?;
        let (terms, before) = (terms(self, f.weights, f.sums, f.first)?.0, self.download(state)?);
        let value = f.constant + terms.iter().sum::<f64>();
        let next = decide::judge(value, first, std::array::from_fn(|i| before[[0, i]].f64()));
        self.write(row(&next).view(), state)
    }

    /// With `q_l = weights_l · sums_(first + l)`: `out_l = √(geometric mean of q / q_l)`, all 1 where a q is 0; 1 × len.
    fn equalize(
        &mut self,
        weights: &Self::Matrix,
        sums: &Self::Scalars,
        first: usize,
        out: &mut Self::Matrix,
    ) -> Result<()> {
        check::same("balance of the chain", self.shape(weights), self.shape(out))?;
        let q = terms(self, weights, sums, first)?.0;
        self.write(row(&decide::equalize(&q)).view(), out)
    }

    // ---- The line search of nonlinear models, inverses, clusters.

    /// Armijo's rule for `f = f₁ + f₂`, both quadratic, f₁ in something that moves by Δ when x moves by δ, and f₂ in x:
    ///
    /// ```text
    /// ⟨∇f₁, Δ⟩ + ½⟨∇²f₁ Δ, Δ⟩ + ⟨∇f₂, δ⟩ + ½⟨∇²f₂ δ, δ⟩  =  f(trial) − f(x)  ≤  σ⟨g, δ⟩
    /// ```
    ///
    /// from the slots of [`SearchSum`]: no difference of two large numbers. `state` (1 × 3) is
    /// `[α, 1 where the search is over, 1 where the last trial ended it]`. Where the rule holds the search is over and α
    /// doubles for the next one, where not α halves; once the search is over nothing changes until a `first` trial.
    fn search_decide(&mut self, sums: &Self::Scalars, first: bool, state: &mut Self::Matrix) -> Result<()> {
        let sums = self.read(sums)?;
        check::slot(sums.len(), SearchSum::COUNT - 1)?;
        check::same("state of a line search", (1, 3), self.shape(state))?;
        let before = self.download(state)?;
        let next = decide::search(&sums, first, std::array::from_fn(|i| before[[0, i]].f64()));
        self.write(row(&next).view(), state)
    }

    /// A generalised inverse of a symmetric positive semidefinite `gram` (k × k), the inverse where there is one. The host
    /// computes it, in f64: waits.
    fn inverse(&mut self, gram: &Self::Matrix, out: &mut Self::Matrix) -> Result<()> {
        check::square("gram", self.shape(gram))?;
        check::same("inverse", self.shape(gram), self.shape(out))?;
        let gram = self.download(gram)?;
        self.write(inverse::symmetric_inverse(gram.view())?.view(), out)
    }

    /// Whether centre j is the one nearest to sample i: `membership_ij` is 1 for the first j at which
    /// `half_norms_j − products_ij` is least, else 0. With `half_norms_j = ½‖c_j‖²` (1 × k) and `products = F Cᵀ` that is half the
    /// squared distance, but for what does not depend on j.
    fn nearest(
        &mut self,
        products: &Self::Matrix,
        half_norms: &Self::Matrix,
        membership: &mut Self::Matrix,
    ) -> Result<()> {
        check::nearest(self.shape(products), self.shape(half_norms), self.shape(membership))?;
        let (products, half_norms) = (self.download(products)?, self.download(half_norms)?);
        let mut nearest = Array2::zeros(products.dim());
        host::nearest(&products, &half_norms, &mut nearest);
        self.write(nearest.view(), membership)
    }

    // ---- Work of the host.

    /// What the host makes of numbers that it takes from the device: `work`. A device that only counts has none, and does
    /// `shapes` instead, which makes the same matrices on it.
    fn by_host<S, T>(
        &mut self,
        on: S,
        work: impl FnOnce(&mut Self, S) -> Result<T>,
        _shapes: impl FnOnce(&mut Self, S) -> Result<T>,
    ) -> Result<T> {
        work(self, on)
    }

    /// A sparse matrix of this shape with at most so many entries, which the host makes.
    fn sparse_of(
        &mut self,
        _shape: (usize, usize),
        _entries: usize,
        make: impl FnOnce() -> Sparse<Self::Elem>,
    ) -> Result<Self::Sparse> {
        self.sparse(&make())
    }

    // ---- Loops.

    /// Enters or leaves a loop that the device ends by itself. Once [`Backend::check_stop`] finds it over, later operations
    /// except checks and reads are skipped. Returns whether the device supports it; where not, the host has to look after
    /// every iteration. Nothing but iterations and their checks comes between the two calls.
    fn gate(&mut self, _on: bool) -> bool {
        false
    }

    /// Counts an iteration and decides whether the loop is over. The verdict goes into its slots among the sums, so that it is
    /// read with them. Once over, it remains what it was.
    fn check_stop(&mut self, check: StopCheck<'_, Self>) -> Result<()> {
        let (terms, sums) = terms(self, check.weights, check.sums, check.first)?;
        check::stop(self, &check, sums.len())?;
        let StopCheck { sums: to, constant, start, stop, verdict, .. } = check;
        let before = std::array::from_fn(|i| sums[verdict + i]);
        let mut next = decide::stop(&terms, constant, start, stop, before);
        let [.., objective, _, rest] = &mut next;
        let rounded = Self::Elem::of(*objective).f64();
        (*objective, *rest) = (rounded, if rounded.is_finite() { *objective - rounded } else { 0.0 });
        for (i, number) in next.iter().enumerate() {
            let number = self.upload(row(&[*number]).view())?;
            self.sum(Sum::Entries(&number), to, verdict + i)?;
        }
        Ok(())
    }

    /// Where a loop stands by the verdict of [`Backend::check_stop`] as it was read from its slots; `constant` as it had it.
    fn standing(&self, _constant: f64, verdict: &[f64; VERDICT]) -> Standing {
        let [made, _, before, small, rest] = *verdict;
        Standing { made: made as usize, before: before + rest, small: small as u32 }
    }

    /// Whether products with the data are from now on made of halves, with sums of f32: XΨ of Ψ rounded to halves, and XᵀH of
    /// H. False where the device was not opened for that ([`Precision::F16`](super::Precision::F16)).
    fn use_halves(&mut self, _on: bool) -> bool {
        false
    }

    /// `work` with [`Backend::use_halves`] where `on` says so, and without them again afterwards, whatever came of it; `work` is
    /// told whether it has them.
    fn in_halves<T>(&mut self, on: bool, work: impl FnOnce(&mut Self, bool) -> Result<T>) -> Result<T> {
        let on = on && self.use_halves(true);
        let result = work(self, on);
        self.use_halves(false);
        result
    }
}

/// A matrix of one row.
fn row<E: Element>(numbers: &[f64]) -> Array2<E> {
    Array2::from_shape_fn((1, numbers.len()), |(_, i)| E::of(numbers[i]))
}

/// `weights_l · sums_(first + l)`, and all sums. Waits.
fn terms<B: Backend>(b: &mut B, weights: &B::Matrix, sums: &B::Scalars, first: usize) -> Result<(Vec<f64>, Vec<f64>)> {
    let (weights, sums) = (b.download(weights)?, b.read(sums)?);
    check::slots(sums.len(), first, weights.ncols())?;
    Ok((weights.iter().zip(&sums[first..]).map(|(w, s)| w.f64() * s).collect(), sums))
}

/// [`Backend::nesterov_step`] made of smaller operations.
pub(crate) fn separate_step<B: Backend>(b: &mut B, step: NesterovStep<'_, B>) -> Result<()> {
    let NesterovStep { gradient, rhs, mut column_sums, right, left, extra, momentum, first, x, y } = step;
    if let Some((_, sums)) = &mut column_sums {
        b.column_sums(if first { &*x } else { &*y }, ColumnSums::Sum, Write::Replace, sums)?;
    }
    let (rhs, right, extra) = (Operand::Each(rhs), Operand::Columns(right), Operand::Number(extra));
    let left = left.map_or(Operand::Number(1.0), Operand::Rows);
    let (mu, sums) =
        column_sums.as_ref().map_or((0.0, Operand::Number(0.0)), |(mu, sums)| (*mu, Operand::Columns(&**sums)));
    let (mu, first_step) = (Operand::Number(mu), Operand::Number(f64::from(u8::from(first))));
    match momentum {
        Momentum::Fixed(beta) => {
            let beta = Operand::Number(beta);
            let inputs = [Operand::Each(gradient), rhs, right, left, sums, mu, extra, beta, first_step];
            b.map(Formula::Nesterov, &mut [x, y], &inputs)
        }
        Momentum::Restart { state, scalars, slot } => {
            let inputs = [rhs, right, left, sums, mu, extra, first_step];
            b.map(Formula::NesterovOpen, &mut [x, y, gradient], &inputs)?;
            b.sum(Sum::Dot(gradient, y), scalars, slot)?;
            b.restart(scalars, slot, first, state)?;
            b.map(Formula::Extrapolate, &mut [y], &[Operand::Each(x), Operand::Entry(state, 1)])
        }
    }
}

/// What the steps of a block need where they are made of smaller operations.
pub(crate) struct Separate<B: Backend> {
    y: B::Matrix,
    gradient: B::Matrix,
    half: Option<B::Matrix>,
    sums: B::Matrix,
    momentum: B::Matrix,
    test: B::Scalars,
}

impl<B: Backend> Separate<B> {
    /// For an unknown of `rows × k`, with a Gram on the left or not.
    pub(crate) fn new(b: &mut B, (rows, k): (usize, usize), left: bool) -> Result<Self> {
        Ok(Self {
            y: b.zeros(rows, k)?,
            gradient: b.zeros(rows, k)?,
            half: if left { Some(b.zeros(rows, k)?) } else { None },
            sums: b.zeros(1, k)?,
            momentum: b.zeros(1, 2)?,
            test: b.scalars(1)?,
        })
    }

    /// All steps of a block, with momentum that starts anew where it points uphill, or without that.
    pub(crate) fn solve(
        &mut self,
        b: &mut B,
        block: &NesterovBlock<'_, B::Matrix>,
        restart: bool,
        x: &mut B::Matrix,
    ) -> Result<()> {
        let mut alpha = 1.0_f64;
        for k in 0..block.steps {
            let (next, beta) = momentum(alpha);
            alpha = next;
            let at = if k == 0 { &*x } else { &self.y };
            match (block.left, &mut self.half) {
                (Some((a, _)), Some(half)) => {
                    b.matmul(MatMul::NN, at, block.gram, half)?;
                    b.matmul(MatMul::NN, a, half, &mut self.gradient)?;
                }
                _ => b.matmul(MatMul::NN, at, block.gram, &mut self.gradient)?,
            }
            b.nesterov_step(NesterovStep {
                gradient: &mut self.gradient,
                rhs: block.rhs,
                column_sums: (block.mu > 0.0).then_some((block.mu, &mut self.sums)),
                right: block.right,
                left: block.left.map(|(_, left)| left),
                extra: block.extra,
                momentum: if restart {
                    Momentum::Restart { state: &mut self.momentum, scalars: &mut self.test, slot: 0 }
                } else {
                    Momentum::Fixed(beta)
                },
                first: k == 0,
                x,
                y: &mut self.y,
            })?;
        }
        Ok(())
    }
}
