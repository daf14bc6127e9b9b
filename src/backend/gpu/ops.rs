//! [`Backend`] on the GPU: shapes are checked here, the kernels record.

use super::kernels;
use super::matrix::{Matrix, Run, pieces};
use super::memory::{residual_rows, sums_bytes};
use super::sparse::SparseMatrix;
use super::{FASTEST_SOLVER, Gpu, LOOK_EVERY, Pending, Scalars, TRANSFER_BYTES};
use crate::backend::{
    Apply, Backend, By, Cadence, ColumnSums, Combination, Curvature, Descent, Domain, Element, MatMul, Momentum,
    MultiplicativeStep, NesterovRows, NesterovStep, Part, SearchSum, Sparse, StopCheck, Storage, Sum, Write, check,
    check_descent, check_state, check_three, multiplicative,
};
use crate::model::{Activation, HPenalty, Metric, Solver};
use crate::{Error, Result};
use ndarray::{Array2, ArrayView2};
use std::time::Duration;

impl Backend for Gpu {
    type Elem = f32;
    type Matrix = Matrix;
    type Scalars = Scalars;
    type Pending = Pending;
    type Sparse = SparseMatrix;

    fn cadence(&self) -> Cadence {
        Cadence { every: LOOK_EVERY, ahead: 1 }
    }

    fn device_name(&self) -> String {
        self.context.name.clone()
    }

    fn zeros(&mut self, rows: usize, cols: usize) -> Result<Matrix> {
        // New buffers are zero.
        self.allocate(rows, cols, Storage::F32)
    }

    fn upload(&mut self, host: ArrayView2<'_, f32>) -> Result<Matrix> {
        let matrix = self.allocate(host.nrows(), host.ncols(), Storage::F32)?;
        self.write(&matrix, host)?;
        Ok(matrix)
    }

    fn upload_data(&mut self, host: ArrayView2<'_, f32>, storage: Storage) -> Result<(Matrix, Storage)> {
        let automatic = self.context.fragment.map_or(Storage::Auto, |_| Storage::F16);
        let storage = if storage == Storage::Auto { automatic } else { storage }.resolve(host)?;
        if storage == Storage::F32 {
            return Ok((self.upload(host)?, storage));
        }
        if storage == Storage::F16 && !self.context.halves {
            return Err(Error::Config(format!("{} cannot read an X stored as f16", self.context.name)));
        }
        let matrix = self.allocate(host.nrows(), host.ncols(), storage)?;
        self.write_stored(&matrix, host)?;
        Ok((matrix, storage))
    }

    fn download(&mut self, m: &Matrix) -> Result<Array2<f32>> {
        if m.storage != Storage::F32 {
            return self.download_stored(m);
        }
        let mut host = Array2::zeros(m.shape());
        let rows_at_a_time = (TRANSFER_BYTES / (4 * m.ld)).max(1);
        let mut dirty = None;
        for (shard, first, rows) in m.each() {
            for start in (0..rows).step_by(rows_at_a_time) {
                let end = rows.min(start + rows_at_a_time);
                let (at, bytes) = (4 * (start * m.ld) as u64, 4 * ((end - start) * m.ld) as u64);
                let read = self.scheduler.start_read(&self.context, shard, at, bytes)?;
                self.scheduler.finish_read(&self.context, read, |words| {
                    for (row, words) in (first + start..).zip(words.chunks_exact(m.ld)) {
                        host.row_mut(row).assign(&ndarray::aview1(&words[..m.cols]));
                        if words[m.cols..].iter().any(|w| *w != 0.0) {
                            dirty = Some(row);
                        }
                    }
                })?;
            }
        }
        self.check_guard(m)?;
        match dirty {
            Some(row) => Err(Error::DeviceFault(format!("a kernel wrote into the padding of row {row}"))),
            None => Ok(host),
        }
    }

    fn shape(&self, m: &Matrix) -> (usize, usize) {
        m.shape()
    }

    fn scalars(&mut self, len: usize) -> Result<Scalars> {
        Ok(Scalars { buffer: self.buffer("sums", sums_bytes(len), Storage::F32)?, len })
    }

    fn product(&mut self, op: MatMul, a: &Matrix, b: &Matrix, write: Write, out: &mut Matrix) -> Result<()> {
        let (_, k, _) = check::product(op, a.shape(), b.shape(), out.shape())?;
        if k == 0 {
            out.numbers()?;
            for (shard, _, rows) in out.each().filter(|_| write == Write::Replace) {
                let bytes = 4 * (rows * out.ld) as u64;
                self.context.check_own(&shard.raw)?;
                self.scheduler.outside(&self.context).clear_buffer(&shard.raw, 0, Some(bytes));
            }
            return Ok(());
        }
        kernels::matmul::record(self, op, a, b, write, out)
    }

    fn copy(&mut self, from: &Matrix, to: &mut Matrix) -> Result<()> {
        check::same("copy", from.shape(), to.shape())?;
        kernels::copy::record(self, from, to)
    }

    fn spectral_bound(
        &mut self,
        gram: &Matrix,
        metric: Metric,
        iterations: usize,
        out: &mut Curvature<Matrix>,
    ) -> Result<()> {
        let k = check::square("gram", gram.shape())?;
        check::same("metric of a gram", (1, k), out.scale.shape())?;
        check::same("vector of a power iteration", (1, k), out.vector.shape())?;
        kernels::spectral::record(self, gram, metric == Metric::Diagonal, iterations, out)
    }

    fn add_penalty(&mut self, gram: &Matrix, kind: HPenalty, lambda: f64, out: &mut Matrix) -> Result<()> {
        check::square("gram", gram.shape())?;
        check::same("penalised gram", gram.shape(), out.shape())?;
        kernels::add_penalty::record(self, gram, kind == HPenalty::Ridge, f32::of(lambda), out)
    }

    fn column_sums(&mut self, m: &Matrix, what: ColumnSums, write: Write, out: &mut Matrix) -> Result<()> {
        check::column_sums(m.shape(), what, write, out.shape())?;
        kernels::column_sums::record(self, m, what, write, out)
    }

    fn nesterov_step(&mut self, step: NesterovStep<'_, Self>) -> Result<()> {
        check::nesterov_step(self, &step)?;
        if let Momentum::Restart { scalars, slot, .. } = &step.momentum {
            check::slot(scalars.len, *slot)?;
        }
        kernels::nesterov_step::record(self, step)
    }

    fn fuses_rows(&self, k: usize) -> bool {
        self.fused_tile(k).is_some()
    }

    fn nesterov_rows(&mut self, block: NesterovRows<'_, Matrix>, x: &mut Matrix) -> Result<()> {
        check::nesterov_rows(self, &block, x)?;
        kernels::nesterov_rows::record(self, &block, x)
    }

    fn reduce(&mut self, what: Sum<'_, Matrix>, write: Write, out: &mut Scalars, slot: usize) -> Result<()> {
        use kernels::sum::{Mode, record};
        check::slot(out.len, slot)?;
        match what {
            Sum::Dot(a, b) => {
                check::same("inner product", a.shape(), b.shape())?;
                // A stored matrix is read from the left alone.
                match a.storage != Storage::F32 && std::ptr::eq(a, b) {
                    true => record(self, Mode::Squares, a, None, write, out, slot),
                    false => record(self, Mode::Dot, a, Some(b), write, out, slot),
                }
            }
            Sum::Entries(a) => record(self, Mode::Entries, a, None, write, out, slot),
            Sum::Trace(a) => {
                check::square("trace", a.shape())?;
                record(self, Mode::Trace, a, None, write, out, slot)
            }
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
        // One of another shape goes before the next is made.
        let kept = self.residual.take().filter(|product| product.cols == x.cols && product.rows <= rows);
        let product = match kept {
            Some(product) => product,
            None => self.allocate_one_shard(rows, x.cols)?,
        };
        let mut write = write;
        for piece in pieces(x.rows, x.shard_rows, h.shard_rows) {
            for start in (0..piece.rows).step_by(product.rows) {
                let rows = product.rows.min(piece.rows - start);
                let (of_x, of_h) = (piece.a, piece.b);
                kernels::matmul::record_rows_nt(self, h, (of_h.shard, of_h.row + start, rows), psi, &product)?;
                let run = Run { shard: of_x.shard, row: of_x.row + start };
                kernels::sum::record_difference(self, x, run, rows, &product, (out, slot), write)?;
                write = Write::Add;
            }
        }
        self.residual = Some(product);
        Ok(())
    }

    fn quarter_root(
        &mut self,
        coefficient: f64,
        numerator: &Matrix,
        denominator: &Matrix,
        out: &mut Matrix,
    ) -> Result<()> {
        check::same("balance, numerator", out.shape(), numerator.shape())?;
        check::same("balance, denominator", out.shape(), denominator.shape())?;
        kernels::quarter_root::record(self, f32::of(coefficient), numerator, denominator, out)
    }

    fn equalize(&mut self, weights: &Matrix, sums: &Scalars, first: usize, out: &mut Matrix) -> Result<()> {
        check::same("balance of the chain", weights.shape(), out.shape())?;
        check::slot(sums.len, first.saturating_add(weights.cols.max(1) - 1))?;
        kernels::equalize::record(self, weights, sums, first, out)
    }

    fn scale(&mut self, m: &mut Matrix, by: By<'_, Matrix>, divide: bool) -> Result<()> {
        check::scale(self, m, by)?;
        kernels::scale::record(self, m, by, divide)
    }

    fn activate(&mut self, activation: Activation, apply: Apply, from: &Matrix, out: &mut Matrix) -> Result<()> {
        check::same("activation", from.shape(), out.shape())?;
        kernels::activate::record(self, activation, apply, from, out)
    }

    fn add(&mut self, out: &mut Matrix, c: f64, m: &Matrix) -> Result<()> {
        check::same("addition", out.shape(), m.shape())?;
        kernels::add::record(self, out, f32::of(c), m)
    }

    fn search_trial(
        &mut self,
        x: &Matrix,
        gradient: &Matrix,
        state: &Matrix,
        domain: Domain,
        trial: &mut Matrix,
        moved: &mut Matrix,
    ) -> Result<()> {
        check::search_trial(x.shape(), [gradient.shape(), trial.shape(), moved.shape()], state.shape())?;
        kernels::search_trial::record(self, (x, gradient), state, domain, (trial, moved))
    }

    fn search_decide(&mut self, sums: &Scalars, first: bool, state: &mut Matrix) -> Result<()> {
        check::slot(sums.len, SearchSum::COUNT - 1)?;
        check::search_state(state.shape())?;
        kernels::search_decide::record(self, sums, first, state)
    }

    fn search_accept(&mut self, state: &Matrix, trial: &Matrix, x: &mut Matrix) -> Result<()> {
        check::search_state(state.shape())?;
        check::same("line search, trial", x.shape(), trial.shape())?;
        kernels::search_accept::record(self, state, trial, x)
    }

    fn multiplicative_step(&mut self, step: MultiplicativeStep<'_, Matrix>) -> Result<()> {
        multiplicative::check_step(self, &step)?;
        kernels::multiplicative_step::record(self, step)
    }

    fn part(&mut self, m: &Matrix, part: Part, out: &mut Matrix) -> Result<()> {
        check::same("part", m.shape(), out.shape())?;
        kernels::part::record(self, m, part, out)
    }

    fn gradient_step(
        &mut self,
        x: &Matrix,
        gradient: &Matrix,
        alpha: f64,
        to: &mut Matrix,
        moved: &mut Matrix,
    ) -> Result<()> {
        check::same("descent, gradient", x.shape(), gradient.shape())?;
        check::same("descent, result", x.shape(), to.shape())?;
        check::same("descent, difference", x.shape(), moved.shape())?;
        kernels::gradient_step::record(self, x, gradient, f32::of(alpha), (to, moved))
    }

    fn projected_gradient(&mut self, x: &Matrix, rhs: &Matrix, gradient: &mut Matrix, out: &mut Matrix) -> Result<()> {
        check::same("projected gradient, right side", x.shape(), rhs.shape())?;
        check::same("projected gradient, gradient", x.shape(), gradient.shape())?;
        check::same("projected gradient", x.shape(), out.shape())?;
        kernels::projected_gradient::record(self, x, rhs, gradient, out)
    }

    fn inverse(&mut self, gram: &Matrix, out: &mut Matrix) -> Result<()> {
        check::square("gram", gram.shape())?;
        check::same("inverse", gram.shape(), out.shape())?;
        let host = self.download(gram)?;
        // The download has submitted whatever was to read `out` as it was.
        self.write(out, multiplicative::symmetric_inverse(host.view())?.view())
    }

    fn sparse(&mut self, host: &Sparse<f32>) -> Result<SparseMatrix> {
        self.upload_sparse(host)
    }

    fn sparse_product(&mut self, a: &SparseMatrix, b: &Matrix, out: &mut Matrix) -> Result<()> {
        check::product(MatMul::NN, (a.rows, a.cols), b.shape(), out.shape())?;
        kernels::sparse_product::record(self, a, b, out)
    }

    fn fastest_solver(&self) -> Solver {
        FASTEST_SOLVER
    }

    fn descend(&mut self, block: Descent<'_, Matrix>, x: &mut Matrix) -> Result<()> {
        check_descent(self, &block, x)?;
        match block.left {
            _ if x.shards.is_empty() => Ok(()),
            Some(left) => kernels::descend_chain::record(self, left, block, x),
            None if block.mu > 0.0 => kernels::descend_columns::record(self, block, x),
            None => kernels::descend_rows::record(self, block, x),
        }
    }

    fn look_ahead(&mut self, now: &Matrix, before: &Matrix, state: &Matrix, out: &mut Matrix) -> Result<()> {
        check_three(self, [now, before, out], state)?;
        kernels::look_ahead::record(self, now, before, state, out)
    }

    fn judge(&mut self, f: Combination<'_, Self>, first: bool, state: &mut Matrix) -> Result<()> {
        check_state(self, state)?;
        check::slot(f.sums.len, f.first.saturating_add(f.weights.cols.max(1) - 1))?;
        kernels::judge::record(self, &f, first, state)
    }

    fn settle(&mut self, ahead: &Matrix, state: &Matrix, best: &mut Matrix, point: &mut Matrix) -> Result<()> {
        check_three(self, [ahead, best, point], state)?;
        kernels::settle::record(self, ahead, state, best, point)
    }

    fn nearest(&mut self, products: &Matrix, halves: &Matrix, membership: &mut Matrix) -> Result<()> {
        check::nearest(products.shape(), halves.shape(), membership.shape())?;
        kernels::nearest::record(self, products, halves, membership)
    }

    fn gate(&mut self, on: bool) -> bool {
        self.gate.set(on && self.context.stops);
        on && self.context.stops
    }

    fn check_stop(&mut self, check: StopCheck<'_, Self>) -> Result<()> {
        check.check(self, check.sums.len)?;
        kernels::stop::record(self, &check)
    }

    fn submit(&mut self) -> Result<()> {
        self.scheduler.submit(&self.context)
    }

    fn start_read(&mut self, scalars: &Scalars) -> Result<Pending> {
        let bytes = sums_bytes(scalars.len);
        Ok(Pending(self.scheduler.start_read(&self.context, &scalars.buffer, 0, bytes)?))
    }

    fn finish_read(&mut self, pending: Pending) -> Result<Vec<f64>> {
        let mut sums = Vec::new();
        self.scheduler.finish_read(&self.context, pending.0, |words| {
            sums.extend(
                words.chunks(kernels::sum::PARTS).map(|parts| parts.iter().map(|p| f64::from(*p)).sum::<f64>()),
            );
        })?;
        Ok(sums)
    }

    fn use_halves(&mut self, on: bool) -> bool {
        self.uses_halves = on && self.context.fragment.is_some();
        self.uses_halves
    }

    fn waited(&self) -> Option<Duration> {
        Some(self.scheduler.stats.waited)
    }

    fn time_passes(&mut self, on: bool) -> bool {
        self.scheduler.time_passes(&self.context, on)
    }

    fn pass_seconds(&mut self) -> Result<Option<f64>> {
        self.scheduler.pass_seconds(&self.context)
    }
}
