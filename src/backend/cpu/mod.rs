//! The formulas in ndarray, in f32 or f64. In f64 it is the oracle of the other backends.

mod activation;
mod descent;
mod multiplicative;
mod nearest;
mod nesterov;
mod products;
mod rows;
mod stop;
mod sums;

use crate::Result;
use crate::backend::{
    Apply, Backend, By, Cadence, ColumnSums, Combination, Curvature, Descent, Domain, Element, MatMul,
    MultiplicativeStep, NesterovRows, NesterovStep, Part, Sparse, StopCheck, Storage, Sum, Write, check, check_descent,
    check_state, check_three,
};
use crate::model::{Activation, HPenalty, Metric, Solver};
use ndarray::{Array1, Array2, ArrayView2, Axis, Zip};

/// Matrices in host memory, all cores.
#[derive(Debug, Default)]
pub struct Cpu<E> {
    element: std::marker::PhantomData<E>,
}

impl<E: Element> Cpu<E> {
    /// A backend; nothing is opened.
    pub fn new() -> Self {
        Self { element: std::marker::PhantomData }
    }
}

/// Rows that one task takes, so that small matrices are not spread over threads.
fn rows_per_task(cols: usize) -> usize {
    (1 << 15) / cols.max(1) + 1
}

impl<E: Element> Backend for Cpu<E> {
    type Elem = E;
    type Matrix = Array2<E>;
    type Scalars = Vec<f64>;
    type Pending = Vec<f64>;
    type Sparse = Sparse<E>;

    fn cadence(&self) -> Cadence {
        Cadence { every: 1, ahead: 0 }
    }

    fn device_name(&self) -> String {
        format!("cpu (f{}, {} threads)", 8 * size_of::<E>(), rayon::current_num_threads())
    }

    fn zeros(&mut self, rows: usize, cols: usize) -> Result<Array2<E>> {
        Ok(Array2::zeros((rows, cols)))
    }

    fn upload(&mut self, host: ArrayView2<'_, E>) -> Result<Array2<E>> {
        Ok(host.as_standard_layout().into_owned())
    }

    /// Numbers in any case, rounded as the storage that was asked for would have rounded them.
    fn upload_data(&mut self, x: ArrayView2<'_, E>, storage: Storage) -> Result<(Array2<E>, Storage)> {
        let storage = if storage == Storage::Auto { Storage::F32 } else { storage.resolve(x)? };
        Ok((storage.round(x), storage))
    }

    fn download(&mut self, m: &Array2<E>) -> Result<Array2<E>> {
        Ok(m.clone())
    }

    fn shape(&self, m: &Array2<E>) -> (usize, usize) {
        m.dim()
    }

    fn scalars(&mut self, len: usize) -> Result<Vec<f64>> {
        Ok(vec![0.0; len])
    }

    fn product(&mut self, op: MatMul, a: &Array2<E>, b: &Array2<E>, write: Write, out: &mut Array2<E>) -> Result<()> {
        check::product(op, a.dim(), b.dim(), out.dim())?;
        products::multiply(op, a.view(), b.view(), write, out.view_mut())
    }

    fn copy(&mut self, from: &Array2<E>, to: &mut Array2<E>) -> Result<()> {
        check::same("copy", from.dim(), to.dim())?;
        to.assign(from);
        Ok(())
    }

    fn spectral_bound(
        &mut self,
        gram: &Array2<E>,
        metric: Metric,
        iterations: usize,
        out: &mut Curvature<Array2<E>>,
    ) -> Result<()> {
        let k = check::square("gram", gram.dim())?;
        check::same("metric of a gram", (1, k), out.scale.dim())?;
        check::same("vector of a power iteration", (1, k), out.vector.dim())?;
        let d: Array1<E> = match metric {
            Metric::Plain => Array1::ones(k),
            Metric::Diagonal => gram.diag().to_owned(),
        };
        // Any positive vector gives a bound; the floor keeps it positive.
        let floor = E::of(1e-6);
        let mut v = out.vector.row(0).to_owned();
        let mut bound = E::zero();
        for i in 0..=iterations {
            let max = v.fold(E::zero(), |m, &x| m.max(x));
            v.mapv_inplace(|x| if max > E::zero() { (x / max).max(floor) } else { E::one() });
            if i == iterations {
                out.vector.row_mut(0).assign(&v);
            }
            let mut next = gram.dot(&v);
            Zip::from(&mut next).and(&d).for_each(|n, &d| *n = if d > E::zero() { *n / d } else { E::zero() });
            let (low, high) = next.iter().zip(&v).fold((E::infinity(), E::zero()), |(low, high), (&n, &v)| {
                let ratio = n / v;
                (low.min(ratio), high.max(ratio))
            });
            bound = high;
            if high - low <= E::of(4.0 * E::UNIT) * high {
                break;
            }
            v = next;
        }
        let slack = E::of(1.0 + 4.0 * (k + 2) as f64 * E::UNIT);
        Zip::from(out.scale.row_mut(0)).and(&d).for_each(|s, &d| *s = bound * slack * d);
        Ok(())
    }

    fn add_penalty(&mut self, gram: &Array2<E>, kind: HPenalty, lambda: f64, out: &mut Array2<E>) -> Result<()> {
        check::square("gram", gram.dim())?;
        check::same("penalised gram", gram.dim(), out.dim())?;
        out.assign(gram);
        match kind {
            HPenalty::SquaredL1 => *out += E::of(lambda),
            HPenalty::Ridge => out.diag_mut().mapv_inplace(|x| x + E::of(lambda)),
        }
        Ok(())
    }

    fn column_sums(&mut self, m: &Array2<E>, what: ColumnSums, write: Write, out: &mut Array2<E>) -> Result<()> {
        check::column_sums(m.dim(), what, write, out.dim())?;
        sums::columns(m, what, write, out);
        Ok(())
    }

    fn nesterov_step(&mut self, step: NesterovStep<'_, Self>) -> Result<()> {
        check::nesterov_step(self, &step)?;
        nesterov::step(step)
    }

    fn fuses_rows(&self, _k: usize) -> bool {
        true
    }

    fn nesterov_rows(&mut self, block: NesterovRows<'_, Array2<E>>, x: &mut Array2<E>) -> Result<()> {
        check::nesterov_rows(self, &block, x)?;
        nesterov::rows(block, x)
    }

    fn reduce(&mut self, what: Sum<'_, Array2<E>>, write: Write, out: &mut Vec<f64>, slot: usize) -> Result<()> {
        check::slot(out.len(), slot)?;
        let sum = match what {
            Sum::Dot(a, b) => {
                check::same("inner product", a.dim(), b.dim())?;
                sums::dot(a, b)
            }
            Sum::Entries(a) => sums::entries(a),
            Sum::Trace(a) => {
                check::square("trace", a.dim())?;
                a.diag().iter().map(|&a| a.f64()).sum()
            }
        };
        sums::put(sum, write, &mut out[slot]);
        Ok(())
    }

    fn residual(
        &mut self,
        x: &Array2<E>,
        h: &Array2<E>,
        psi: &Array2<E>,
        write: Write,
        out: &mut Vec<f64>,
        slot: usize,
    ) -> Result<()> {
        check::product(MatMul::NT, h.dim(), psi.dim(), x.dim())?;
        check::slot(out.len(), slot)?;
        sums::put(sums::residual(x, h, psi)?, write, &mut out[slot]);
        Ok(())
    }

    fn quarter_root(
        &mut self,
        coefficient: f64,
        numerator: &Array2<E>,
        denominator: &Array2<E>,
        out: &mut Array2<E>,
    ) -> Result<()> {
        check::same("balance, numerator", out.dim(), numerator.dim())?;
        check::same("balance, denominator", out.dim(), denominator.dim())?;
        Zip::from(out).and(numerator).and(denominator).for_each(|out, &n, &d| {
            let (n, d) = (n.f64() * coefficient, d.f64());
            *out = if n > 0.0 && d > 0.0 { E::of((n / d).sqrt().sqrt()) } else { E::one() };
        });
        Ok(())
    }

    fn equalize(&mut self, weights: &Array2<E>, sums: &Vec<f64>, first: usize, out: &mut Array2<E>) -> Result<()> {
        check::same("balance of the chain", weights.dim(), out.dim())?;
        let len = weights.ncols();
        check::slot(sums.len(), first + len.max(1) - 1)?;
        let q: Vec<f64> = weights.iter().zip(&sums[first..]).map(|(w, s)| w.f64() * s).collect();
        let log_mean = q.iter().map(|q| q.ln()).sum::<f64>() / len as f64;
        let usable = q.iter().all(|&q| q > 0.0);
        for (out, q) in out.iter_mut().zip(&q) {
            *out = if usable { E::of((0.5 * (log_mean - q.ln())).exp()) } else { E::one() };
        }
        Ok(())
    }

    fn scale(&mut self, m: &mut Array2<E>, by: By<'_, Array2<E>>, divide: bool) -> Result<()> {
        check::scale(self, m, by)?;
        let factor = |d: E| if divide { E::one() / d } else { d };
        match by {
            By::Columns(d) => *m *= &d.row(0).mapv(factor),
            By::Rows(d) => *m *= &d.row(0).mapv(factor).insert_axis(Axis(1)),
            By::Entry(d, at) => *m *= factor(d[[0, at]]),
        }
        Ok(())
    }

    fn activate(&mut self, a: Activation, apply: Apply, from: &Array2<E>, out: &mut Array2<E>) -> Result<()> {
        activation::activate(a, apply, from, out)
    }

    fn add(&mut self, out: &mut Array2<E>, c: f64, m: &Array2<E>) -> Result<()> {
        activation::add(out, c, m)
    }

    fn search_trial(
        &mut self,
        x: &Array2<E>,
        gradient: &Array2<E>,
        state: &Array2<E>,
        domain: Domain,
        trial: &mut Array2<E>,
        moved: &mut Array2<E>,
    ) -> Result<()> {
        activation::search_trial((x, gradient), state, domain, (trial, moved))
    }

    fn search_decide(&mut self, sums: &Vec<f64>, first: bool, state: &mut Array2<E>) -> Result<()> {
        activation::search_decide(sums, first, state)
    }

    fn search_accept(&mut self, state: &Array2<E>, trial: &Array2<E>, x: &mut Array2<E>) -> Result<()> {
        activation::search_accept(state, trial, x)
    }

    fn multiplicative_step(&mut self, step: MultiplicativeStep<'_, Array2<E>>) -> Result<()> {
        multiplicative::step(self, step)
    }

    fn part(&mut self, m: &Array2<E>, part: Part, out: &mut Array2<E>) -> Result<()> {
        multiplicative::part(m, part, out)
    }

    fn gradient_step(
        &mut self,
        x: &Array2<E>,
        gradient: &Array2<E>,
        alpha: f64,
        to: &mut Array2<E>,
        moved: &mut Array2<E>,
    ) -> Result<()> {
        multiplicative::gradient_step((x, gradient), alpha, E::zero(), (to, moved))
    }

    fn projected_gradient(
        &mut self,
        x: &Array2<E>,
        rhs: &Array2<E>,
        gradient: &mut Array2<E>,
        out: &mut Array2<E>,
    ) -> Result<()> {
        multiplicative::projected_gradient(x, rhs, gradient, out)
    }

    fn inverse(&mut self, gram: &Array2<E>, out: &mut Array2<E>) -> Result<()> {
        multiplicative::inverse(gram, out)
    }

    fn sparse(&mut self, host: &Sparse<E>) -> Result<Sparse<E>> {
        host.validate()?;
        Ok(host.clone())
    }

    fn sparse_product(&mut self, a: &Sparse<E>, b: &Array2<E>, out: &mut Array2<E>) -> Result<()> {
        multiplicative::sparse_product(a, b, out)
    }

    /// benches/solvers.rs, faces of PIE (2856 × 1024) on two cores, SDNMF/L: coordinate descent takes 0.10 of the time of the
    /// papers' procedure to its last objective for layer 1 (k = 600), 0.05 for the fine-tuning of [600, 160]; Nesterov in
    /// the diagonal metric 0.37 and 0.55.
    fn fastest_solver(&self) -> Solver {
        Solver::Cd
    }

    fn descend(&mut self, block: Descent<'_, Array2<E>>, x: &mut Array2<E>) -> Result<()> {
        check_descent(self, &block, x)?;
        if x.is_empty() {
            return Ok(());
        }
        match block.left {
            Some(left) => descent::chained(left, block, x),
            None if block.mu > 0.0 => descent::columns(block, x),
            None => rows::descend(block, x),
        }
    }

    fn look_ahead(
        &mut self,
        now: &Array2<E>,
        before: &Array2<E>,
        state: &Array2<E>,
        out: &mut Array2<E>,
    ) -> Result<()> {
        check_three(self, [now, before, out], state)?;
        let beta = state[[0, 0]];
        Zip::from(out).and(now).and(before).par_for_each(|out, &now, &before| {
            *out = (now + beta * (now - before)).max(E::zero());
        });
        Ok(())
    }

    fn judge(&mut self, f: Combination<'_, Self>, first: bool, state: &mut Array2<E>) -> Result<()> {
        check_state(self, state)?;
        check::slot(f.sums.len(), f.first + f.weights.ncols().max(1) - 1)?;
        descent::judge(&f, first, state);
        Ok(())
    }

    fn settle(
        &mut self,
        ahead: &Array2<E>,
        state: &Array2<E>,
        best: &mut Array2<E>,
        point: &mut Array2<E>,
    ) -> Result<()> {
        check_three(self, [ahead, best, point], state)?;
        if state[[0, 4]] > E::zero() {
            std::mem::swap(best, point);
            point.assign(ahead);
        } else {
            point.assign(best);
        }
        Ok(())
    }

    fn nearest(&mut self, products: &Array2<E>, halves: &Array2<E>, membership: &mut Array2<E>) -> Result<()> {
        check::nearest(products.dim(), halves.dim(), membership.dim())?;
        nearest::nearest(products, halves, membership);
        Ok(())
    }

    fn check_stop(&mut self, check: StopCheck<'_, Self>) -> Result<()> {
        check.check(self, check.sums.len())?;
        stop::check(check);
        Ok(())
    }

    fn submit(&mut self) -> Result<()> {
        Ok(())
    }

    fn start_read(&mut self, scalars: &Vec<f64>) -> Result<Vec<f64>> {
        Ok(scalars.clone())
    }

    fn finish_read(&mut self, pending: Vec<f64>) -> Result<Vec<f64>> {
        Ok(pending)
    }
}
