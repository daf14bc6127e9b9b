//! [`Device`] and [`Backend`] on the GPU: shapes are checked here, the kernels record.

use super::handle::{Gpu, Pending};
use super::kernels;
use super::matrix::Scalars;
use super::matrix::{Matrix, Position, pieces};
use super::pipeline::PARTS;
use super::predict::{residual_rows, sums_bytes};
use super::sparse::SparseMatrix;
use crate::backend::{
    Backend, Cadence, Clock, ColumnSums, Combination, Curvature, Descent, Device, Formula, MatMul, NesterovBlock,
    Operand, Rows, SearchSum, Separate, Sparse, Standing, StopCheck, Storage, Sum, VERDICT, Write, check,
    rows_of_bytes,
};
use crate::model::{Metric, Solver};
use crate::{Error, Result};
use ndarray::{Array2, ArrayView2};
use std::time::Duration;

/// All matrix products, where coordinate descent has a single workgroup at work wherever W is penalised or in the chain.
/// benches/solvers.rs has not yet run on a real GPU, and a software one says nothing about it.
pub(crate) const FASTEST_SOLVER: Solver = Solver::Nesterov;
/// How often the host looks at the objective.
pub(crate) const CADENCE: Cadence = Cadence { every: 4, ahead: 1 };
/// Four shards of the usual size: launches cost nothing beside the work on one.
pub(crate) const SHARD_BYTES: usize = 4 * super::super::SHARD_BYTES;

impl Device for Gpu {
    type Elem = f32;
    type Matrix = Matrix;
    type Scalars = Scalars;
    type Pending = Pending;
    type Sparse = SparseMatrix;

    fn zeros(&mut self, rows: usize, cols: usize) -> Result<Matrix> {
        // New buffers are zero.
        self.recorder.allocate(rows, cols, Storage::F32)
    }

    fn upload(&mut self, host: ArrayView2<'_, f32>) -> Result<Matrix> {
        let matrix = self.recorder.allocate(host.nrows(), host.ncols(), Storage::F32)?;
        self.recorder.fill(&matrix, host)?;
        Ok(matrix)
    }

    fn upload_data(&mut self, host: Rows<'_, f32>, storage: Storage) -> Result<(Matrix, Storage)> {
        let host = host.view();
        let automatic = self.recorder.context.fragment.map_or(Storage::Auto, |_| Storage::F16);
        let storage = if storage == Storage::Auto { automatic } else { storage }.resolve(host)?;
        if storage == Storage::F32 {
            return Ok((self.upload(host)?, storage));
        }
        if storage == Storage::F16 && !self.recorder.context.halves {
            return Err(Error::Config(format!("{} cannot read an X stored as f16", self.recorder.context.name)));
        }
        let matrix = self.recorder.allocate(host.nrows(), host.ncols(), storage)?;
        self.recorder.write_stored(&matrix, host)?;
        Ok((matrix, storage))
    }

    fn download(&mut self, m: &Matrix) -> Result<Array2<f32>> {
        self.recorder.download(m)
    }

    fn shape(&self, m: &Matrix) -> (usize, usize) {
        m.shape()
    }

    fn scalars(&mut self, len: usize) -> Result<Scalars> {
        Ok(Scalars { buffer: self.recorder.buffer("sums", sums_bytes(len), Storage::F32)?, len })
    }

    fn product(&mut self, op: MatMul, a: &Matrix, b: &Matrix, write: Write, out: &mut Matrix) -> Result<()> {
        let (_, k, _) = check::product(op, a.shape(), b.shape(), out.shape())?;
        if k == 0 {
            out.numbers()?;
            for (shard, _, rows) in out.each_shard().filter(|_| write == Write::Replace) {
                let bytes = 4 * (rows * out.ld) as u64;
                self.recorder.context.check_own(&shard.raw)?;
                self.recorder.scheduler.outside(&self.recorder.context).clear_buffer(&shard.raw, 0, Some(bytes));
            }
            return Ok(());
        }
        kernels::matmul::record(&mut self.recorder, &self.products, op, a, b, write, out)
    }

    fn sparse(&mut self, host: &Sparse<f32>) -> Result<SparseMatrix> {
        self.recorder.upload_sparse(host)
    }

    fn sparse_product(&mut self, a: &SparseMatrix, b: &Matrix, out: &mut Matrix) -> Result<()> {
        check::product(MatMul::NN, (a.rows, a.cols), b.shape(), out.shape())?;
        kernels::sparse_product::record(&mut self.recorder, a, b, out)
    }

    fn reduce(&mut self, what: Sum<'_, Matrix>, write: Write, out: &mut Scalars, slot: usize) -> Result<()> {
        use kernels::sum::{Mode, record};
        check::slot(out.len, slot)?;
        match what {
            Sum::Dot(a, b) => {
                check::same("inner product", a.shape(), b.shape())?;
                // A stored matrix is read from the left alone.
                match a.storage != Storage::F32 && std::ptr::eq(a, b) {
                    true => record(&mut self.recorder, Mode::Squares, a, None, write, out, slot),
                    false => record(&mut self.recorder, Mode::Dot, a, Some(b), write, out, slot),
                }
            }
            Sum::Entries(a) => record(&mut self.recorder, Mode::Entries, a, None, write, out, slot),
            Sum::Trace(a) => {
                check::square("trace", a.shape())?;
                record(&mut self.recorder, Mode::Trace, a, None, write, out, slot)
            }
        }
    }

    fn column_sums(&mut self, m: &Matrix, what: ColumnSums, write: Write, out: &mut Matrix) -> Result<()> {
        check::column_sums(m.shape(), what, write, out.shape())?;
        kernels::column_sums::record(&mut self.recorder, m, what, write, out)
    }

    fn map(&mut self, formula: Formula, outputs: &mut [&mut Matrix], inputs: &[Operand<'_, Matrix>]) -> Result<()> {
        check::check_operands(self, formula, outputs, inputs)?;
        kernels::map::record(&mut self.recorder, formula, outputs, inputs)
    }

    fn submit(&mut self) -> Result<()> {
        self.recorder.scheduler.submit(&self.recorder.context)
    }

    fn start_read(&mut self, scalars: &Scalars) -> Result<Pending> {
        let bytes = sums_bytes(scalars.len);
        Ok(Pending(self.recorder.scheduler.start_read(&self.recorder.context, &scalars.buffer, 0, bytes)?))
    }

    fn finish_read(&mut self, pending: Pending) -> Result<Vec<f64>> {
        let mut sums = Vec::new();
        self.recorder.scheduler.finish_read(&self.recorder.context, pending.0, |words| {
            sums.extend(words.chunks(PARTS).map(|parts| parts.iter().map(|p| f64::from(*p)).sum::<f64>()));
        })?;
        Ok(sums)
    }

    fn cadence(&self) -> Cadence {
        CADENCE
    }

    fn device_name(&self) -> String {
        self.recorder.context.name.clone()
    }
}

impl Backend for Gpu {
    fn shard_rows(&self, cols: usize) -> usize {
        self.recorder.context.options.max_shard_rows.unwrap_or(rows_of_bytes::<f32>(SHARD_BYTES, cols))
    }

    /// What is queued still reads what was there.
    fn write(&mut self, host: ArrayView2<'_, f32>, to: &mut Matrix) -> Result<()> {
        check::same("entries of a matrix", to.shape(), host.dim())?;
        self.submit()?;
        self.recorder.fill(to, host)
    }

    fn spectral_bound(
        &mut self,
        gram: &Matrix,
        metric: Metric,
        iterations: usize,
        out: &mut Curvature<Matrix>,
    ) -> Result<()> {
        check::spectral(self, gram, out)?;
        kernels::spectral::record(&mut self.recorder, gram, metric == Metric::Diagonal, iterations, out)
    }

    fn restart(&mut self, sums: &Scalars, slot: usize, first: bool, state: &mut Matrix) -> Result<()> {
        check::same("momentum", (1, 2), state.shape())?;
        check::slot(sums.len, slot)?;
        kernels::momentum::record(&mut self.recorder, sums, slot, first, state)
    }

    fn fuses_block(&self, shape: (usize, usize), left: bool, mu: f64) -> bool {
        match left || mu > 0.0 {
            true => kernels::nesterov_columns::tile(&self.recorder.context, shape, left).is_some(),
            false => kernels::nesterov_rows::takes(&self.recorder.context, shape.1),
        }
    }

    fn nesterov_block(&mut self, block: NesterovBlock<'_, Matrix>, x: &mut Matrix) -> Result<()> {
        check::nesterov_block(self, &block, x)?;
        let left = block.left.is_some();
        let coupled = left || block.mu > 0.0;
        let too_long = !coupled && block.steps > kernels::nesterov_rows::most_steps(x.shape().1);
        if too_long || !self.fuses_block(x.shape(), left, block.mu) {
            return Separate::new(self, x.shape(), left)?.solve(self, &block, false, x);
        }
        match kernels::nesterov_columns::tile(&self.recorder.context, x.shape(), left) {
            Some(tile) if coupled => kernels::nesterov_columns::record(&mut self.recorder, tile, &block, x),
            _ => kernels::nesterov_rows::record(&mut self.recorder, &block, x),
        }
    }

    fn residual(
        &mut self,
        x: &Matrix,
        h: &Matrix,
        psi: &Matrix,
        write: Write,
        out: &mut Scalars,
        slot: usize,
    ) -> Result<()> {
        check::product(MatMul::NT, h.shape(), psi.shape(), x.shape())?;
        check::slot(out.len, slot)?;
        // The product of some rows at a time, kept for the next call.
        let rows = residual_rows(x.rows, x.cols);
        // One that is too small, or of other columns, goes before the next is made.
        let kept = self.residual.take().filter(|(asked, product)| product.cols == x.cols && *asked >= rows);
        let (asked, product) = match kept {
            Some(kept) => kept,
            None => (rows, self.recorder.allocate_one_shard(rows, x.cols)?),
        };
        let mut write = write;
        for piece in pieces(x.rows, x.shard_rows, h.shard_rows) {
            for start in (0..piece.rows).step_by(product.rows) {
                let rows = product.rows.min(piece.rows - start);
                let (of_x, of_h) = (piece.a, piece.b);
                kernels::matmul::record_rows_nt(
                    &mut self.recorder,
                    &self.products,
                    h,
                    (of_h.shard, of_h.row + start, rows),
                    psi,
                    &product,
                )?;
                let run = Position { shard: of_x.shard, row: of_x.row + start };
                kernels::sum::record_difference(&mut self.recorder, x, run, rows, &product, (out, slot), write)?;
                write = Write::Add;
            }
        }
        self.residual = Some((asked, product));
        Ok(())
    }

    fn equalize(&mut self, weights: &Matrix, sums: &Scalars, first: usize, out: &mut Matrix) -> Result<()> {
        check::same("balance of the chain", weights.shape(), out.shape())?;
        check::slots(sums.len, first, weights.cols)?;
        kernels::equalize::record(&mut self.recorder, weights, sums, first, out)
    }

    fn search_decide(&mut self, sums: &Scalars, first: bool, state: &mut Matrix) -> Result<()> {
        check::slot(sums.len, SearchSum::COUNT - 1)?;
        check::same("state of a line search", (1, 3), state.shape())?;
        kernels::search_decide::record(&mut self.recorder, sums, first, state)
    }

    fn fastest_solver(&self) -> Solver {
        FASTEST_SOLVER
    }

    fn descend(&mut self, block: Descent<'_, Matrix>, x: &mut Matrix) -> Result<()> {
        check::descent(self, &block, x)?;
        match block.left {
            _ if x.shards.is_empty() => Ok(()),
            Some(left) => kernels::descend_chain::record(&mut self.recorder, &self.products, left, block, x),
            None if block.mu == 0.0 && kernels::descend_rows::record(&mut self.recorder, block, x)? => Ok(()),
            None => kernels::descend_columns::record(&mut self.recorder, &self.products, block, x),
        }
    }

    fn judge(&mut self, f: Combination<'_, Self>, first: bool, state: &mut Matrix) -> Result<()> {
        check::judge(self, &f, state)?;
        check::slots(f.sums.len, f.first, f.weights.cols)?;
        kernels::judge::record(&mut self.recorder, &f, first, state)
    }

    fn nearest(&mut self, products: &Matrix, half_norms: &Matrix, membership: &mut Matrix) -> Result<()> {
        check::nearest(products.shape(), half_norms.shape(), membership.shape())?;
        kernels::nearest::record(&mut self.recorder, products, half_norms, membership)
    }

    fn gate(&mut self, on: bool) -> bool {
        self.recorder.gate.set(on && self.recorder.context.stops);
        on && self.recorder.context.stops
    }

    fn check_stop(&mut self, check: StopCheck<'_, Self>) -> Result<()> {
        check::stop(self, &check, check.sums.len)?;
        kernels::stop::record(&mut self.recorder, &check)
    }

    fn standing(&self, constant: f64, verdict: &[f64; VERDICT]) -> Standing {
        kernels::stop::standing(constant, *verdict)
    }

    fn use_halves(&mut self, on: bool) -> bool {
        self.products.halves = on && self.recorder.context.fragment.is_some();
        self.products.halves
    }
}

impl Clock for Gpu {
    fn waited(&self) -> Option<Duration> {
        Some(self.recorder.scheduler.stats.waited)
    }

    fn time_passes(&mut self, on: bool) -> bool {
        self.recorder.scheduler.time_passes(&self.recorder.context, on)
    }

    fn pass_seconds(&mut self) -> Result<Option<f64>> {
        self.recorder.scheduler.pass_seconds(&self.recorder.context)
    }
}
