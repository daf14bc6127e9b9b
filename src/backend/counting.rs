//! A device without numbers: it counts the bytes that another device would hold.
//!
//! The loops of [`crate::train`] run on it as they are, so that the memory of a fit is known before it is made. Operations check
//! shapes and compute nothing; whatever the host reads, sums or matrices, is 1 everywhere.

use super::gpu::{self, predict};
use super::tally::{Held, Tally};
use super::{
    Backend, Cadence, ColumnSums, Combination, Curvature, Descent, Device, Formula, MatMul, NesterovBlock, Operand,
    Rows, SHARD_BYTES, Sparse, StopCheck, Storage, Sum, Write, check, rows_of_bytes,
};
use crate::Result;
use crate::model::{Metric, Solver};
use ndarray::{Array2, ArrayView2};
use std::sync::Arc;

/// Which device is counted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rules {
    /// [`Gpu`](super::gpu::Gpu), opened as usual.
    Gpu,
    /// [`Cpu`](super::Cpu) in f32.
    Cpu,
}

/// The device; see the module.
#[derive(Debug)]
pub(crate) struct Counting {
    rules: Rules,
    tally: Arc<Tally>,
    /// What is held from the start on.
    _fixed: Held,
    /// What operations keep for the next call: the product of a residual, the columns of coordinate descent,
    /// and what the steps of a coupled block are made in.
    residual: Option<Shape>,
    columns: Option<Held>,
    steps: Option<Held>,
}

/// A matrix without entries.
#[derive(Debug)]
pub(crate) struct Shape {
    rows: usize,
    cols: usize,
    _held: Held,
}

/// Sums without values.
#[derive(Debug)]
pub(crate) struct Sums {
    len: usize,
    _held: Held,
}

impl Counting {
    pub(crate) fn new(rules: Rules) -> Self {
        let tally = Arc::default();
        let fixed = Held::new(if rules == Rules::Gpu { predict::FIXED_BYTES } else { 0 }, &tally);
        Self { rules, tally, _fixed: fixed, residual: None, columns: None, steps: None }
    }

    /// The most bytes that were held at once.
    pub(crate) fn peak(&self) -> u64 {
        self.tally.bytes().1
    }

    fn held(&self, bytes: u64) -> Held {
        Held::new(bytes, &self.tally)
    }

    fn matrix(&self, rows: usize, cols: usize, storage: Storage) -> Shape {
        let bytes = match self.rules {
            Rules::Gpu => predict::matrix_bytes(storage, rows, cols),
            Rules::Cpu => predict::words(rows, cols),
        };
        Shape { rows, cols, _held: self.held(bytes) }
    }
}

impl Shape {
    fn dim(&self) -> (usize, usize) {
        (self.rows, self.cols)
    }
}

impl Device for Counting {
    type Elem = f32;
    type Matrix = Shape;
    type Scalars = Sums;
    type Pending = usize;
    type Sparse = Shape;

    fn zeros(&mut self, rows: usize, cols: usize) -> Result<Shape> {
        Ok(self.matrix(rows, cols, Storage::F32))
    }

    fn upload(&mut self, host: ArrayView2<'_, f32>) -> Result<Shape> {
        Ok(self.matrix(host.nrows(), host.ncols(), Storage::F32))
    }

    fn upload_data(&mut self, x: Rows<'_, f32>, storage: Storage) -> Result<(Shape, Storage)> {
        let storage = if storage == Storage::Auto { Storage::F32 } else { storage };
        let (rows, cols) = x.dim();
        Ok((self.matrix(rows, cols, storage), storage))
    }

    fn download(&mut self, m: &Shape) -> Result<Array2<f32>> {
        Ok(Array2::ones(m.dim()))
    }

    fn shape(&self, m: &Shape) -> (usize, usize) {
        m.dim()
    }

    fn scalars(&mut self, len: usize) -> Result<Sums> {
        let bytes = if self.rules == Rules::Gpu { predict::sums_bytes(len) } else { 2 * predict::words(len, 1) };
        Ok(Sums { len, _held: self.held(bytes) })
    }

    fn product(&mut self, op: MatMul, a: &Shape, b: &Shape, _: Write, out: &mut Shape) -> Result<()> {
        check::product(op, a.dim(), b.dim(), out.dim()).map(drop)
    }

    fn sparse(&mut self, host: &Sparse<f32>) -> Result<Shape> {
        self.sparse_of((host.rows(), host.cols), host.weights.len(), || host.clone())
    }

    fn sparse_product(&mut self, a: &Shape, b: &Shape, out: &mut Shape) -> Result<()> {
        check::product(MatMul::NN, a.dim(), b.dim(), out.dim()).map(drop)
    }

    fn reduce(&mut self, what: Sum<'_, Shape>, _: Write, out: &mut Sums, slot: usize) -> Result<()> {
        check::slot(out.len, slot)?;
        match what {
            Sum::Dot(a, b) => check::same("inner product", a.dim(), b.dim()),
            Sum::Entries(_) => Ok(()),
            Sum::Trace(a) => check::square("trace", a.dim()).map(drop),
        }
    }

    fn column_sums(&mut self, m: &Shape, what: ColumnSums, write: Write, out: &mut Shape) -> Result<()> {
        check::column_sums(m.dim(), what, write, out.dim())
    }

    fn map(&mut self, formula: Formula, outputs: &mut [&mut Shape], inputs: &[Operand<'_, Shape>]) -> Result<()> {
        check::check_operands(self, formula, outputs, inputs)
    }

    fn submit(&mut self) -> Result<()> {
        Ok(())
    }

    fn start_read(&mut self, scalars: &Sums) -> Result<usize> {
        Ok(scalars.len)
    }

    fn finish_read(&mut self, len: usize) -> Result<Vec<f64>> {
        Ok(vec![1.0; len])
    }

    fn cadence(&self) -> Cadence {
        match self.rules {
            Rules::Gpu => gpu::CADENCE,
            Rules::Cpu => Cadence { every: 1, ahead: 0 },
        }
    }

    fn device_name(&self) -> String {
        "a device that only counts".into()
    }
}

impl Backend for Counting {
    fn shard_rows(&self, cols: usize) -> usize {
        rows_of_bytes::<f32>(if self.rules == Rules::Gpu { gpu::SHARD_BYTES } else { SHARD_BYTES }, cols)
    }

    fn write(&mut self, host: ArrayView2<'_, f32>, to: &mut Shape) -> Result<()> {
        check::same("entries of a matrix", to.dim(), host.dim())
    }

    fn residual(&mut self, x: &Shape, h: &Shape, psi: &Shape, _: Write, out: &mut Sums, slot: usize) -> Result<()> {
        check::product(MatMul::NT, h.dim(), psi.dim(), x.dim())?;
        check::slot(out.len, slot)?;
        let rows = predict::residual_rows(x.rows, x.cols);
        self.residual = self.residual.take().filter(|kept| kept.cols == x.cols && kept.rows >= rows);
        if self.residual.is_none() {
            self.residual = Some(self.matrix(rows, x.cols, Storage::F32));
        }
        if self.rules == Rules::Cpu {
            self.residual = None;
        }
        Ok(())
    }

    fn spectral_bound(&mut self, gram: &Shape, _: Metric, _: usize, out: &mut Curvature<Shape>) -> Result<()> {
        check::spectral(self, gram, out)
    }

    fn restart(&mut self, sums: &Sums, slot: usize, _: bool, state: &mut Shape) -> Result<()> {
        check::slot(sums.len, slot)?;
        check::same("momentum", (1, 2), state.dim())
    }

    fn fuses_block(&self, shape: (usize, usize), left: bool, mu: f64) -> bool {
        let coupled = left || mu > 0.0;
        if self.rules == Rules::Cpu { !coupled } else { predict::fuses_block(shape, left, coupled) }
    }

    fn nesterov_block(&mut self, block: NesterovBlock<'_, Shape>, x: &mut Shape) -> Result<()> {
        check::nesterov_block(self, &block, x)?;
        if self.rules == Rules::Gpu && (block.left.is_some() || block.mu > 0.0) {
            let bytes = predict::steps_bytes(x.rows, x.cols);
            self.steps = self.steps.take().filter(|kept| kept.bytes() >= bytes);
            if self.steps.is_none() {
                self.steps = Some(self.held(bytes));
            }
        }
        Ok(())
    }

    fn fastest_solver(&self) -> Solver {
        if self.rules == Rules::Gpu { gpu::FASTEST_SOLVER } else { Solver::Cd }
    }

    fn descend(&mut self, block: Descent<'_, Shape>, x: &mut Shape) -> Result<()> {
        check::descent(self, &block, x)?;
        if self.rules == Rules::Cpu || x.rows == 0 || x.cols == 0 {
            return Ok(());
        }
        if block.left.is_some() || block.mu > 0.0 || !predict::descends_rows(x.cols) {
            let bytes = predict::columns_bytes(x.rows, x.cols);
            self.columns = self.columns.take().filter(|kept| kept.bytes() >= bytes);
            if self.columns.is_none() {
                self.columns = Some(self.held(bytes));
            }
        }
        Ok(())
    }

    fn judge(&mut self, f: Combination<'_, Self>, _: bool, state: &mut Shape) -> Result<()> {
        check::judge(self, &f, state)?;
        check::slots(f.sums.len, f.first, f.weights.cols)
    }

    fn equalize(&mut self, weights: &Shape, sums: &Sums, first: usize, out: &mut Shape) -> Result<()> {
        check::same("balance of the chain", weights.dim(), out.dim())?;
        check::slots(sums.len, first, weights.cols)
    }

    fn search_decide(&mut self, _: &Sums, _: bool, state: &mut Shape) -> Result<()> {
        check::same("state of a line search", (1, 3), state.dim())
    }

    fn inverse(&mut self, gram: &Shape, out: &mut Shape) -> Result<()> {
        check::square("gram", gram.dim())?;
        check::same("inverse", gram.dim(), out.dim())
    }

    fn gate(&mut self, on: bool) -> bool {
        on && self.rules == Rules::Gpu
    }

    fn check_stop(&mut self, check: StopCheck<'_, Self>) -> Result<()> {
        check::stop(self, &check, check.sums.len)
    }

    fn by_host<S, T>(
        &mut self,
        on: S,
        _: impl FnOnce(&mut Self, S) -> Result<T>,
        shapes: impl FnOnce(&mut Self, S) -> Result<T>,
    ) -> Result<T> {
        shapes(self, on)
    }

    fn sparse_of(
        &mut self,
        (rows, cols): (usize, usize),
        entries: usize,
        _: impl FnOnce() -> Sparse<f32>,
    ) -> Result<Shape> {
        let bytes = predict::words(rows.saturating_add(1), 1) + 2 * predict::words(entries.max(1), 1);
        Ok(Shape { rows, cols, _held: self.held(bytes) })
    }
}
