//! A CPU backend that gets one operation wrong, by one entry and little.

use deepnmf::backend::{
    Apply, Backend, By, Cadence, ColumnSums, Combination, Course, Cpu, Curvature, Descent, Domain, MatMul, Momentum,
    MultiplicativeStep, NesterovRows, NesterovStep, Part, Sparse, StopCheck, Stopping, Storage, Sum, Write,
};
use deepnmf::model::{Activation, HPenalty};
use deepnmf::train::{Metric, Solver};
use deepnmf::{Error, Result};
use ndarray::{Array2, ArrayView2};

/// What can be wrong.
pub(crate) const OPERATIONS: &[&str] = &[
    "upload",
    "upload of data",
    "download",
    "product",
    "transposed product",
    "product with a transpose",
    "product that adds",
    "copy",
    "bound",
    "penalty",
    "column sums",
    "column sums that add",
    "step",
    "momentum",
    "Nesterov on rows",
    "restart",
    "sum",
    "sum that adds",
    "trace",
    "residual",
    "residual that adds",
    "quarter root",
    "equalize",
    "scale",
    "divide",
    "activation",
    "inverse activation",
    "derivative",
    "addition",
    "trial",
    "free trial",
    "move",
    "decision",
    "acceptance",
    "read",
    "multiplicative step",
    "part",
    "descent",
    "difference of a descent",
    "projected gradient",
    "inverse",
    "sparse product",
    "coordinate descent by rows",
    "coordinate descent by columns",
    "coordinate descent in the chain",
    "look ahead",
    "judgement",
    "settlement",
    "nearest",
    "change at which a loop ends",
    "patience of a loop",
    "error at which a loop ends",
    "count of a loop",
];

/// Relative: hundreds of roundings, far below what an eye would see.
const WRONG: f32 = 1e-4;

pub(crate) struct Broken {
    cpu: Cpu<f32>,
    what: &'static str,
    /// Products that are made before there is no memory left.
    pub(crate) products: usize,
    /// Whether it is to use halves, and to end loops itself.
    pub(crate) modes: [bool; 2],
    /// What of that it was ever asked for.
    pub(crate) asked: [bool; 2],
}

impl Broken {
    pub(crate) fn new(what: &'static str) -> Self {
        Self { cpu: Cpu::new(), what, products: usize::MAX, modes: [false; 2], asked: [false; 2] }
    }

    fn set(&mut self, mode: usize, on: bool) {
        self.modes[mode] = on;
        self.asked[mode] |= on;
    }

    fn spoil(&self, what: &str, m: &mut Array2<f32>) {
        if self.what == what
            && let Some(last) = m.iter_mut().last()
        {
            *last += WRONG * (1.0 + last.abs());
        }
    }

    fn spoil_slot(&self, what: &str, sums: &mut [f64], slot: usize) {
        if self.what == what {
            sums[slot] += 0.01 * (1.0 + sums[slot].abs());
        }
    }
}

impl Backend for Broken {
    type Elem = f32;
    type Matrix = Array2<f32>;
    type Scalars = Vec<f64>;
    type Pending = Vec<f64>;
    type Sparse = Sparse<f32>;

    fn cadence(&self) -> Cadence {
        self.cpu.cadence()
    }
    fn device_name(&self) -> String {
        format!("broken: {}", self.what)
    }
    fn zeros(&mut self, rows: usize, cols: usize) -> Result<Array2<f32>> {
        self.cpu.zeros(rows, cols)
    }
    fn upload(&mut self, host: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        let mut m = self.cpu.upload(host)?;
        self.spoil("upload", &mut m);
        Ok(m)
    }
    fn upload_data(&mut self, x: ArrayView2<'_, f32>, storage: Storage) -> Result<(Array2<f32>, Storage)> {
        let (mut m, storage) = self.cpu.upload_data(x, storage)?;
        self.spoil("upload of data", &mut m);
        Ok((m, storage))
    }
    fn download(&mut self, m: &Array2<f32>) -> Result<Array2<f32>> {
        let mut m = self.cpu.download(m)?;
        self.spoil("download", &mut m);
        Ok(m)
    }
    fn shape(&self, m: &Array2<f32>) -> (usize, usize) {
        self.cpu.shape(m)
    }
    fn scalars(&mut self, len: usize) -> Result<Vec<f64>> {
        self.cpu.scalars(len)
    }
    fn product(
        &mut self,
        op: MatMul,
        a: &Array2<f32>,
        b: &Array2<f32>,
        write: Write,
        out: &mut Array2<f32>,
    ) -> Result<()> {
        self.products = self.products.checked_sub(1).ok_or_else(|| Error::OutOfMemory("as the test wants".into()))?;
        // What was there is forgotten.
        let write = if self.what == "product that adds" { Write::Replace } else { write };
        self.cpu.product(op, a, b, write, out)?;
        let name = match op {
            MatMul::NN => "product",
            MatMul::TN => "transposed product",
            MatMul::NT => "product with a transpose",
        };
        self.spoil(name, out);
        Ok(())
    }
    fn copy(&mut self, from: &Array2<f32>, to: &mut Array2<f32>) -> Result<()> {
        self.cpu.copy(from, to)?;
        self.spoil("copy", to);
        Ok(())
    }
    fn spectral_bound(
        &mut self,
        gram: &Array2<f32>,
        metric: Metric,
        iterations: usize,
        out: &mut Curvature<Array2<f32>>,
    ) -> Result<()> {
        self.cpu.spectral_bound(gram, metric, iterations, out)?;
        if self.what == "bound" {
            // Too low by little: the step would be too long.
            out.scale *= 0.97;
        }
        Ok(())
    }
    fn add_penalty(&mut self, gram: &Array2<f32>, kind: HPenalty, lambda: f64, out: &mut Array2<f32>) -> Result<()> {
        self.cpu.add_penalty(gram, kind, lambda, out)?;
        self.spoil("penalty", out);
        Ok(())
    }
    fn column_sums(&mut self, m: &Array2<f32>, what: ColumnSums, write: Write, out: &mut Array2<f32>) -> Result<()> {
        let write = if self.what == "column sums that add" { Write::Replace } else { write };
        self.cpu.column_sums(m, what, write, out)?;
        if self.what == "column sums" {
            // The last row is forgotten.
            let last = m.row(m.nrows() - 1);
            out.row_mut(0).zip_mut_with(&last, |sum, x| *sum -= x);
        }
        Ok(())
    }
    fn fuses_rows(&self, k: usize) -> bool {
        self.cpu.fuses_rows(k)
    }
    fn nesterov_rows(&mut self, block: NesterovRows<'_, Array2<f32>>, x: &mut Array2<f32>) -> Result<()> {
        self.cpu.nesterov_rows(block, x)?;
        self.spoil("Nesterov on rows", x);
        Ok(())
    }
    fn nesterov_step(&mut self, step: NesterovStep<'_, Self>) -> Result<()> {
        let NesterovStep { gradient, rhs, column_sums, right, left, extra, momentum, first, x, y } = step;
        let restarts = matches!(momentum, Momentum::Restart { .. });
        let momentum = match momentum {
            Momentum::Fixed(beta) if self.what == "momentum" => Momentum::Fixed(beta * 1.001),
            Momentum::Fixed(beta) => Momentum::Fixed(beta),
            Momentum::Restart { state, scalars, slot } => Momentum::Restart { state, scalars, slot },
        };
        let never = self.what == "restart" && restarts;
        let first = first || never;
        self.cpu.nesterov_step(NesterovStep {
            gradient,
            rhs,
            column_sums,
            right,
            left,
            extra,
            momentum,
            first,
            x: &mut *x,
            y,
        })?;
        self.spoil("step", x);
        Ok(())
    }
    fn reduce(&mut self, what: Sum<'_, Array2<f32>>, write: Write, out: &mut Vec<f64>, slot: usize) -> Result<()> {
        let name = if matches!(what, Sum::Trace(_)) { "trace" } else { "sum" };
        let write = if self.what == "sum that adds" { Write::Replace } else { write };
        self.cpu.reduce(what, write, out, slot)?;
        self.spoil_slot(name, out, slot);
        Ok(())
    }
    fn residual(
        &mut self,
        x: &Array2<f32>,
        h: &Array2<f32>,
        psi: &Array2<f32>,
        write: Write,
        out: &mut Vec<f64>,
        slot: usize,
    ) -> Result<()> {
        let write = if self.what == "residual that adds" { Write::Replace } else { write };
        self.cpu.residual(x, h, psi, write, out, slot)?;
        self.spoil_slot("residual", out, slot);
        Ok(())
    }
    fn quarter_root(
        &mut self,
        coefficient: f64,
        numerator: &Array2<f32>,
        denominator: &Array2<f32>,
        out: &mut Array2<f32>,
    ) -> Result<()> {
        self.cpu.quarter_root(coefficient, numerator, denominator, out)?;
        self.spoil("quarter root", out);
        Ok(())
    }
    fn equalize(&mut self, weights: &Array2<f32>, sums: &Vec<f64>, first: usize, out: &mut Array2<f32>) -> Result<()> {
        self.cpu.equalize(weights, sums, first, out)?;
        self.spoil("equalize", out);
        Ok(())
    }
    fn scale(&mut self, m: &mut Array2<f32>, by: By<'_, Array2<f32>>, divide: bool) -> Result<()> {
        self.cpu.scale(m, by, divide)?;
        self.spoil(if divide { "divide" } else { "scale" }, m);
        Ok(())
    }
    fn activate(&mut self, a: Activation, apply: Apply, from: &Array2<f32>, out: &mut Array2<f32>) -> Result<()> {
        self.cpu.activate(a, apply, from, out)?;
        let name = match apply {
            Apply::P => "activation",
            Apply::G => "inverse activation",
            Apply::TimesDerivative => "derivative",
        };
        self.spoil(name, out);
        Ok(())
    }
    fn add(&mut self, out: &mut Array2<f32>, c: f64, m: &Array2<f32>) -> Result<()> {
        self.cpu.add(out, c, m)?;
        self.spoil("addition", out);
        Ok(())
    }
    fn search_trial(
        &mut self,
        x: &Array2<f32>,
        gradient: &Array2<f32>,
        state: &Array2<f32>,
        domain: Domain,
        trial: &mut Array2<f32>,
        moved: &mut Array2<f32>,
    ) -> Result<()> {
        self.cpu.search_trial(x, gradient, state, domain, trial, moved)?;
        self.spoil(if domain == Domain::Real { "free trial" } else { "trial" }, trial);
        self.spoil("move", moved);
        Ok(())
    }
    fn search_decide(&mut self, sums: &Vec<f64>, first: bool, state: &mut Array2<f32>) -> Result<()> {
        // Every search is taken for a new one.
        self.cpu.search_decide(sums, first || self.what == "decision", state)
    }
    fn search_accept(&mut self, state: &Array2<f32>, trial: &Array2<f32>, x: &mut Array2<f32>) -> Result<()> {
        self.cpu.search_accept(state, trial, x)?;
        self.spoil("acceptance", x);
        Ok(())
    }
    fn multiplicative_step(&mut self, step: MultiplicativeStep<'_, Array2<f32>>) -> Result<()> {
        let MultiplicativeStep { x, rhs, attract, repel, degree, rule } = step;
        self.cpu.multiplicative_step(MultiplicativeStep { x: &mut *x, rhs, attract, repel, degree, rule })?;
        self.spoil("multiplicative step", x);
        Ok(())
    }
    fn part(&mut self, m: &Array2<f32>, part: Part, out: &mut Array2<f32>) -> Result<()> {
        self.cpu.part(m, part, out)?;
        self.spoil("part", out);
        Ok(())
    }
    fn gradient_step(
        &mut self,
        x: &Array2<f32>,
        gradient: &Array2<f32>,
        alpha: f64,
        to: &mut Array2<f32>,
        moved: &mut Array2<f32>,
    ) -> Result<()> {
        self.cpu.gradient_step(x, gradient, alpha, to, moved)?;
        self.spoil("descent", to);
        self.spoil("difference of a descent", moved);
        Ok(())
    }
    fn projected_gradient(
        &mut self,
        x: &Array2<f32>,
        rhs: &Array2<f32>,
        gradient: &mut Array2<f32>,
        out: &mut Array2<f32>,
    ) -> Result<()> {
        self.cpu.projected_gradient(x, rhs, gradient, out)?;
        self.spoil("projected gradient", out);
        Ok(())
    }
    fn inverse(&mut self, gram: &Array2<f32>, out: &mut Array2<f32>) -> Result<()> {
        self.cpu.inverse(gram, out)?;
        if self.what == "inverse" {
            *out *= 1.05;
        }
        Ok(())
    }
    fn sparse(&mut self, host: &Sparse<f32>) -> Result<Sparse<f32>> {
        self.cpu.sparse(host)
    }
    fn sparse_product(&mut self, a: &Sparse<f32>, b: &Array2<f32>, out: &mut Array2<f32>) -> Result<()> {
        self.cpu.sparse_product(a, b, out)?;
        self.spoil("sparse product", out);
        Ok(())
    }
    fn fastest_solver(&self) -> Solver {
        self.cpu.fastest_solver()
    }
    fn descend(&mut self, block: Descent<'_, Array2<f32>>, x: &mut Array2<f32>) -> Result<()> {
        let name = match block.left {
            Some(_) => "coordinate descent in the chain",
            None if block.mu > 0.0 => "coordinate descent by columns",
            None => "coordinate descent by rows",
        };
        self.cpu.descend(block, x)?;
        self.spoil(name, x);
        Ok(())
    }
    fn look_ahead(
        &mut self,
        now: &Array2<f32>,
        before: &Array2<f32>,
        state: &Array2<f32>,
        out: &mut Array2<f32>,
    ) -> Result<()> {
        self.cpu.look_ahead(now, before, state, out)?;
        self.spoil("look ahead", out);
        Ok(())
    }
    fn judge(&mut self, f: Combination<'_, Self>, first: bool, state: &mut Array2<f32>) -> Result<()> {
        let Combination { sums, first: slot, weights, constant } = f;
        self.cpu.judge(Combination { sums, first: slot, weights, constant }, first, state)?;
        if self.what == "judgement" {
            state[[0, 0]] *= 1.001;
        }
        Ok(())
    }
    fn settle(
        &mut self,
        ahead: &Array2<f32>,
        state: &Array2<f32>,
        best: &mut Array2<f32>,
        point: &mut Array2<f32>,
    ) -> Result<()> {
        self.cpu.settle(ahead, state, best, point)?;
        self.spoil("settlement", point);
        Ok(())
    }
    fn nearest(&mut self, products: &Array2<f32>, halves: &Array2<f32>, membership: &mut Array2<f32>) -> Result<()> {
        // Centres count as a little nearer than they are, the first one less so than the others.
        let mut halves = halves.clone();
        if self.what == "nearest" {
            halves[[0, 0]] += 0.01;
        }
        self.cpu.nearest(products, &halves, membership)
    }
    fn check_stop(&mut self, check: StopCheck<'_, Self>) -> Result<()> {
        let StopCheck { weights, sums, first, constant, start, stop, verdict } = check;
        let wrong = |what| if self.what == what { f64::from(1.0 + WRONG) } else { 1.0 };
        let tol = stop.tol * wrong("change at which a loop ends");
        let target_error = stop.target_error.map(|target| target * wrong("error at which a loop ends"));
        let course = if self.what == "patience of a loop" { Course::Plain } else { stop.course };
        let stop = Stopping { tol, target_error, course };
        self.cpu.check_stop(StopCheck { weights, sums: &mut *sums, first, constant, start, stop, verdict })?;
        if self.what == "count of a loop" && sums[verdict + 1] > 0.0 {
            sums[verdict] -= 1.0;
        }
        Ok(())
    }
    fn use_halves(&mut self, on: bool) -> bool {
        self.set(0, on);
        on
    }
    fn gate(&mut self, on: bool) -> bool {
        self.set(1, on);
        false
    }
    fn submit(&mut self) -> Result<()> {
        self.cpu.submit()
    }
    fn start_read(&mut self, scalars: &Vec<f64>) -> Result<Vec<f64>> {
        self.cpu.start_read(scalars)
    }
    fn finish_read(&mut self, pending: Vec<f64>) -> Result<Vec<f64>> {
        let mut sums = self.cpu.finish_read(pending)?;
        let last = sums.len().saturating_sub(1);
        self.spoil_slot("read", &mut sums, last);
        Ok(sums)
    }
}
