//! A CPU backend that gets one operation wrong, by one entry and little; and one that has nothing but the contract.

use deepnmf::backend::{
    Backend, Cadence, ColumnSums, Combination, Course, Cpu, Curvature, Descent, Device, Formula, MatMul, NesterovBlock,
    Operand, Rows, Sparse, StopCheck, Stopping, Storage, Sum, Write,
};
use deepnmf::train::{Metric, Solver};
use deepnmf::{Error, Result};
use ndarray::{ArcArray2, Array2, ArrayRef2, ArrayView2};
use std::cell::Cell;
use std::rc::Rc;

/// A matrix of the CPU.
type M = ArcArray2<f32>;

/// What can be wrong beside the formulas: methods, and what they are asked for.
const METHODS: &[&str] = &[
    "upload",
    "upload of data",
    "download",
    "write",
    "product",
    "transposed product",
    "product with a transpose",
    "product that adds",
    "sparse product",
    "bound",
    "column sums",
    "column sums that add",
    "Nesterov on rows",
    "Nesterov on coupled rows",
    "restart",
    "sum",
    "sum that adds",
    "trace",
    "residual",
    "residual that adds",
    "equalize",
    "decision",
    "read",
    "inverse",
    "coordinate descent by rows",
    "coordinate descent by columns",
    "coordinate descent in the chain",
    "judgement",
    "nearest",
    "change at which a loop ends",
    "patience of a loop",
    "error at which a loop ends",
    "count of a loop",
];

/// One wrong thing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    Nothing,
    Method(&'static str),
    /// That output of a formula.
    Output(Formula, usize),
}

impl Fault {
    /// All there are.
    pub(crate) fn all() -> Vec<Self> {
        let mut all: Vec<Self> = METHODS.iter().map(|what| Self::Method(what)).collect();
        for formula in Formula::all() {
            all.extend((0..formula.row::<f32>().outputs.len()).map(|output| Self::Output(formula, output)));
        }
        all
    }
}

/// Relative: hundreds of roundings, far below what an eye would see.
const WRONG: f32 = 1e-4;

pub(crate) struct Broken {
    cpu: Cpu<f32>,
    fault: Fault,
    /// Products that are made before there is no memory left.
    pub(crate) products: usize,
    /// Whether it is to use halves, and to end loops itself.
    pub(crate) modes: [bool; 2],
    /// What of that it was ever asked for.
    pub(crate) asked: [bool; 2],
    /// Set from outside, where what is asked for from then on is refused.
    pub(crate) found: Rc<Cell<bool>>,
}

impl Broken {
    pub(crate) fn new(fault: Fault) -> Self {
        Self {
            cpu: Cpu::new(),
            fault,
            products: usize::MAX,
            modes: [false; 2],
            asked: [false; 2],
            found: Rc::default(),
        }
    }

    fn set(&mut self, mode: usize, on: bool) {
        self.modes[mode] = on;
        self.asked[mode] |= on;
    }

    fn is(&self, what: &str) -> bool {
        matches!(self.fault, Fault::Method(method) if method == what)
    }

    fn spoil(&self, what: &str, m: &mut ArrayRef2<f32>) {
        if self.is(what) {
            spoil_last(m);
        }
    }

    fn spoil_slot(&self, what: &str, sums: &mut [f64], slot: usize) {
        if self.is(what) {
            sums[slot] += 0.01 * (1.0 + sums[slot].abs());
        }
    }
}

fn spoil_last(m: &mut ArrayRef2<f32>) {
    if let Some(last) = m.iter_mut().last() {
        *last += WRONG * (1.0 + last.abs());
    }
}

impl Device for Broken {
    type Elem = f32;
    type Matrix = M;
    type Scalars = Vec<f64>;
    type Pending = Vec<f64>;
    type Sparse = Sparse<f32>;

    fn zeros(&mut self, rows: usize, cols: usize) -> Result<M> {
        self.cpu.zeros(rows, cols)
    }
    fn upload(&mut self, host: ArrayView2<'_, f32>) -> Result<M> {
        if self.found.get() {
            return Err(Error::DeviceFault("what is wrong was found".into()));
        }
        let mut m = self.cpu.upload(host)?;
        self.spoil("upload", &mut m);
        Ok(m)
    }
    fn upload_data(&mut self, x: Rows<'_, f32>, storage: Storage) -> Result<(M, Storage)> {
        let (mut m, storage) = self.cpu.upload_data(x, storage)?;
        self.spoil("upload of data", &mut m);
        Ok((m, storage))
    }
    fn download(&mut self, m: &M) -> Result<Array2<f32>> {
        let mut m = self.cpu.download(m)?;
        self.spoil("download", &mut m);
        Ok(m)
    }
    fn shape(&self, m: &M) -> (usize, usize) {
        self.cpu.shape(m)
    }
    fn scalars(&mut self, len: usize) -> Result<Vec<f64>> {
        self.cpu.scalars(len)
    }
    fn product(&mut self, op: MatMul, a: &M, b: &M, write: Write, out: &mut M) -> Result<()> {
        self.products = self.products.checked_sub(1).ok_or_else(|| Error::OutOfMemory("as the test wants".into()))?;
        // What was there is forgotten.
        let write = if self.is("product that adds") { Write::Replace } else { write };
        self.cpu.product(op, a, b, write, out)?;
        let name = match op {
            MatMul::NN => "product",
            MatMul::TN => "transposed product",
            MatMul::NT => "product with a transpose",
        };
        self.spoil(name, out);
        Ok(())
    }
    fn sparse(&mut self, host: &Sparse<f32>) -> Result<Sparse<f32>> {
        self.cpu.sparse(host)
    }
    fn sparse_product(&mut self, a: &Sparse<f32>, b: &M, out: &mut M) -> Result<()> {
        self.cpu.sparse_product(a, b, out)?;
        self.spoil("sparse product", out);
        Ok(())
    }
    fn reduce(&mut self, what: Sum<'_, M>, write: Write, out: &mut Vec<f64>, slot: usize) -> Result<()> {
        let name = if matches!(what, Sum::Trace(_)) { "trace" } else { "sum" };
        let write = if self.is("sum that adds") { Write::Replace } else { write };
        self.cpu.reduce(what, write, out, slot)?;
        self.spoil_slot(name, out, slot);
        Ok(())
    }
    fn column_sums(&mut self, m: &M, what: ColumnSums, write: Write, out: &mut M) -> Result<()> {
        let write = if self.is("column sums that add") { Write::Replace } else { write };
        self.cpu.column_sums(m, what, write, out)?;
        if self.is("column sums") {
            // The last row is forgotten.
            let last = m.row(m.nrows() - 1);
            out.row_mut(0).zip_mut_with(&last, |sum, x| *sum -= x);
        }
        Ok(())
    }
    fn map(&mut self, formula: Formula, outputs: &mut [&mut M], inputs: &[Operand<'_, M>]) -> Result<()> {
        self.cpu.map(formula, outputs, inputs)?;
        match self.fault {
            Fault::Output(wrong, output) if wrong == formula => spoil_last(outputs[output]),
            _ => {}
        }
        Ok(())
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
    fn cadence(&self) -> Cadence {
        self.cpu.cadence()
    }
    fn device_name(&self) -> String {
        format!("broken: {:?}", self.fault)
    }
}

impl Backend for Broken {
    fn shard_rows(&self, cols: usize) -> usize {
        self.cpu.shard_rows(cols)
    }
    fn write(&mut self, host: ArrayView2<'_, f32>, to: &mut M) -> Result<()> {
        self.cpu.write(host, to)?;
        self.spoil("write", to);
        Ok(())
    }
    fn restart(&mut self, sums: &Vec<f64>, slot: usize, first: bool, state: &mut M) -> Result<()> {
        // Every step is taken for the first.
        self.cpu.restart(sums, slot, first || self.is("restart"), state)
    }
    fn residual(&mut self, x: &M, h: &M, psi: &M, write: Write, out: &mut Vec<f64>, slot: usize) -> Result<()> {
        let write = if self.is("residual that adds") { Write::Replace } else { write };
        self.cpu.residual(x, h, psi, write, out, slot)?;
        self.spoil_slot("residual", out, slot);
        Ok(())
    }
    fn spectral_bound(&mut self, gram: &M, metric: Metric, iterations: usize, out: &mut Curvature<M>) -> Result<()> {
        self.cpu.spectral_bound(gram, metric, iterations, out)?;
        if self.is("bound") {
            // Too low by little: the step would be too long.
            out.scale *= 0.97;
        }
        Ok(())
    }
    fn fuses_block(&self, shape: (usize, usize), left: bool, mu: f64) -> bool {
        self.cpu.fuses_block(shape, left, mu)
    }
    fn nesterov_block(&mut self, block: NesterovBlock<'_, M>, x: &mut M) -> Result<()> {
        let coupled = block.left.is_some() || block.mu > 0.0;
        self.cpu.nesterov_block(block, x)?;
        self.spoil(if coupled { "Nesterov on coupled rows" } else { "Nesterov on rows" }, x);
        Ok(())
    }
    fn fastest_solver(&self) -> Solver {
        self.cpu.fastest_solver()
    }
    fn descend(&mut self, block: Descent<'_, M>, x: &mut M) -> Result<()> {
        let name = match block.left {
            Some(_) => "coordinate descent in the chain",
            None if block.mu > 0.0 => "coordinate descent by columns",
            None => "coordinate descent by rows",
        };
        self.cpu.descend(block, x)?;
        self.spoil(name, x);
        Ok(())
    }
    fn judge(&mut self, f: Combination<'_, Self>, first: bool, state: &mut M) -> Result<()> {
        let Combination { sums, first: slot, weights, constant } = f;
        self.cpu.judge(Combination { sums, first: slot, weights, constant }, first, state)?;
        if self.is("judgement") {
            state[[0, 0]] *= 1.001;
        }
        Ok(())
    }
    fn equalize(&mut self, weights: &M, sums: &Vec<f64>, first: usize, out: &mut M) -> Result<()> {
        self.cpu.equalize(weights, sums, first, out)?;
        self.spoil("equalize", out);
        Ok(())
    }
    fn search_decide(&mut self, sums: &Vec<f64>, first: bool, state: &mut M) -> Result<()> {
        // Every search is taken for a new one.
        self.cpu.search_decide(sums, first || self.is("decision"), state)
    }
    fn inverse(&mut self, gram: &M, out: &mut M) -> Result<()> {
        self.cpu.inverse(gram, out)?;
        if self.is("inverse") {
            *out *= 1.05;
        }
        Ok(())
    }
    fn nearest(&mut self, products: &M, halves: &M, membership: &mut M) -> Result<()> {
        // Centres count as a little nearer than they are, the first one less so than the others.
        let mut halves = halves.clone();
        if self.is("nearest") {
            halves[[0, 0]] += 0.01;
        }
        self.cpu.nearest(products, &halves, membership)
    }
    fn check_stop(&mut self, check: StopCheck<'_, Self>) -> Result<()> {
        let StopCheck { weights, sums, first, constant, start, stop, verdict } = check;
        let wrong = |what| if self.is(what) { f64::from(1.0 + WRONG) } else { 1.0 };
        let tol = stop.tol * wrong("change at which a loop ends");
        let target_error = stop.target_error.map(|target| target * wrong("error at which a loop ends"));
        let course = if self.is("patience of a loop") { Course::Plain } else { stop.course };
        let stop = Stopping { tol, target_error, course };
        self.cpu.check_stop(StopCheck { weights, sums: &mut *sums, first, constant, start, stop, verdict })?;
        if self.is("count of a loop") && sums[verdict + 1] > 0.0 {
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
}

/// A device that does what the contract says and nothing beyond it: all else is the defaults.
pub(crate) struct Bare(Cpu<f32>);

impl Bare {
    pub(crate) fn new() -> Self {
        Self(Cpu::new())
    }
}

impl Device for Bare {
    type Elem = f32;
    type Matrix = M;
    type Scalars = Vec<f64>;
    type Pending = Vec<f64>;
    type Sparse = Sparse<f32>;

    fn zeros(&mut self, rows: usize, cols: usize) -> Result<M> {
        self.0.zeros(rows, cols)
    }
    fn upload(&mut self, host: ArrayView2<'_, f32>) -> Result<M> {
        self.0.upload(host)
    }
    fn upload_data(&mut self, x: Rows<'_, f32>, storage: Storage) -> Result<(M, Storage)> {
        self.0.upload_data(x, storage)
    }
    fn download(&mut self, m: &M) -> Result<Array2<f32>> {
        self.0.download(m)
    }
    fn shape(&self, m: &M) -> (usize, usize) {
        self.0.shape(m)
    }
    fn scalars(&mut self, len: usize) -> Result<Vec<f64>> {
        self.0.scalars(len)
    }
    fn product(&mut self, op: MatMul, a: &M, b: &M, write: Write, out: &mut M) -> Result<()> {
        self.0.product(op, a, b, write, out)
    }
    fn sparse(&mut self, host: &Sparse<f32>) -> Result<Sparse<f32>> {
        self.0.sparse(host)
    }
    fn sparse_product(&mut self, a: &Sparse<f32>, b: &M, out: &mut M) -> Result<()> {
        self.0.sparse_product(a, b, out)
    }
    fn reduce(&mut self, what: Sum<'_, M>, write: Write, out: &mut Vec<f64>, slot: usize) -> Result<()> {
        self.0.reduce(what, write, out, slot)
    }
    fn column_sums(&mut self, m: &M, what: ColumnSums, write: Write, out: &mut M) -> Result<()> {
        self.0.column_sums(m, what, write, out)
    }
    fn map(&mut self, formula: Formula, outputs: &mut [&mut M], inputs: &[Operand<'_, M>]) -> Result<()> {
        self.0.map(formula, outputs, inputs)
    }
    fn submit(&mut self) -> Result<()> {
        self.0.submit()
    }
    fn start_read(&mut self, scalars: &Vec<f64>) -> Result<Vec<f64>> {
        self.0.start_read(scalars)
    }
    fn finish_read(&mut self, pending: Vec<f64>) -> Result<Vec<f64>> {
        self.0.finish_read(pending)
    }
    fn cadence(&self) -> Cadence {
        self.0.cadence()
    }
    fn device_name(&self) -> String {
        "the contract alone".into()
    }
}

impl Backend for Bare {}
