//! The formulas in ndarray, in f32 or f64. In f64 it is the oracle of the other backends.

mod map;
mod nesterov;
mod sums;

pub(crate) use map::map;

use super::{
    Backend, Cadence, Clock, ColumnSums, Descent, Device, Element, Formula, MatMul, NesterovBlock, Operand, Rows,
    SHARD_BYTES, Separate, Sparse, Storage, Sum, Write, check, host, rows_of_bytes,
};
use crate::Result;
use crate::model::Solver;
use ndarray::parallel::prelude::*;
use ndarray::{ArcArray2, Array2, ArrayView2, Axis};

/// Matrices in host memory, all cores.
#[derive(Debug, Default)]
pub struct Cpu<E> {
    element: std::marker::PhantomData<E>,
    /// Rows of a shard; None for the default.
    shard_rows: Option<usize>,
}

impl<E: Element> Cpu<E> {
    /// A backend; nothing is opened.
    pub fn new() -> Self {
        Self { element: std::marker::PhantomData, shard_rows: None }
    }

    /// With shards of at most that many rows.
    pub fn with_shard_rows(rows: usize) -> Self {
        Self { shard_rows: Some(rows), ..Self::new() }
    }
}

impl<E: Element> Device for Cpu<E> {
    type Elem = E;
    /// Shared where it is X, or a part of it. What is written is not.
    type Matrix = ArcArray2<E>;
    type Scalars = Vec<f64>;
    type Pending = Vec<f64>;
    type Sparse = Sparse<E>;

    fn zeros(&mut self, rows: usize, cols: usize) -> Result<ArcArray2<E>> {
        Ok(ArcArray2::zeros((rows, cols)))
    }

    fn upload(&mut self, host: ArrayView2<'_, E>) -> Result<ArcArray2<E>> {
        Ok(Rows::View(host).into_shared())
    }

    /// Numbers in any case, rounded as the storage that was asked for would have rounded them. What is shared and not rounded is not
    /// copied.
    fn upload_data(&mut self, x: Rows<'_, E>, storage: Storage) -> Result<(ArcArray2<E>, Storage)> {
        let storage = if storage == Storage::Auto { Storage::F32 } else { storage.resolve(x.view())? };
        Ok((storage.round(x), storage))
    }

    fn download(&mut self, m: &ArcArray2<E>) -> Result<Array2<E>> {
        Ok(m.to_owned())
    }

    fn shape(&self, m: &ArcArray2<E>) -> (usize, usize) {
        m.dim()
    }

    fn scalars(&mut self, len: usize) -> Result<Vec<f64>> {
        Ok(vec![0.0; len])
    }

    fn product(
        &mut self,
        op: MatMul,
        a: &ArcArray2<E>,
        b: &ArcArray2<E>,
        write: Write,
        out: &mut ArcArray2<E>,
    ) -> Result<()> {
        check::product(op, a.dim(), b.dim(), out.dim())?;
        host::products::multiply(op, a.view(), b.view(), write, out.view_mut())
    }

    fn sparse(&mut self, host: &Sparse<E>) -> Result<Sparse<E>> {
        host.validate()?;
        Ok(host.clone())
    }

    fn sparse_product(&mut self, a: &Sparse<E>, b: &ArcArray2<E>, out: &mut ArcArray2<E>) -> Result<()> {
        check::product(MatMul::NN, (a.rows(), a.cols), b.dim(), out.dim())?;
        out.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(i, mut out)| {
            out.fill(E::zero());
            for (c, w) in a.row(i) {
                out.scaled_add(w, &b.row(c));
            }
        });
        Ok(())
    }

    fn reduce(&mut self, what: Sum<'_, ArcArray2<E>>, write: Write, out: &mut Vec<f64>, slot: usize) -> Result<()> {
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

    fn column_sums(&mut self, m: &ArcArray2<E>, what: ColumnSums, write: Write, out: &mut ArcArray2<E>) -> Result<()> {
        check::column_sums(m.dim(), what, write, out.dim())?;
        sums::columns(m, what, write, out);
        Ok(())
    }

    fn map(
        &mut self,
        formula: Formula,
        outputs: &mut [&mut ArcArray2<E>],
        inputs: &[Operand<'_, ArcArray2<E>>],
    ) -> Result<()> {
        check::check_operands(self, formula, outputs, inputs)?;
        map(formula.row().compute, outputs, inputs)
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

    fn cadence(&self) -> Cadence {
        Cadence { every: 1, ahead: 0 }
    }

    fn device_name(&self) -> String {
        format!("cpu (f{}, {} threads)", 8 * size_of::<E>(), rayon::current_num_threads())
    }
}

impl<E: Element> Backend for Cpu<E> {
    fn shard_rows(&self, cols: usize) -> usize {
        self.shard_rows.unwrap_or(rows_of_bytes::<E>(SHARD_BYTES, cols))
    }

    fn write(&mut self, host: ArrayView2<'_, E>, to: &mut ArcArray2<E>) -> Result<()> {
        check::same("entries of a matrix", to.dim(), host.dim())?;
        to.assign(&host);
        Ok(())
    }

    fn residual(
        &mut self,
        x: &ArcArray2<E>,
        h: &ArcArray2<E>,
        psi: &ArcArray2<E>,
        write: Write,
        out: &mut Vec<f64>,
        slot: usize,
    ) -> Result<()> {
        check::product(MatMul::NT, h.dim(), psi.dim(), x.dim())?;
        check::slot(out.len(), slot)?;
        sums::put(sums::residual(x, h, psi)?, write, &mut out[slot]);
        Ok(())
    }

    fn fuses_block(&self, _shape: (usize, usize), left: bool, mu: f64) -> bool {
        !left && mu == 0.0
    }

    fn nesterov_block(&mut self, block: NesterovBlock<'_, ArcArray2<E>>, x: &mut ArcArray2<E>) -> Result<()> {
        check::nesterov_block(self, &block, x)?;
        if self.fuses_block(x.dim(), block.left.is_some(), block.mu) {
            return nesterov::rows(block, x);
        }
        Separate::new(self, x.dim(), block.left.is_some())?.solve(self, &block, false, x)
    }

    /// benches/solvers.rs, faces of PIE (2856 × 1024) on two cores, SDNMF/L: coordinate descent takes 0.10 of the time of the
    /// papers' procedure to its last objective for layer 1 (k = 600), 0.05 for the fine-tuning of [600, 160]; Nesterov in
    /// the diagonal metric 0.37 and 0.55.
    fn fastest_solver(&self) -> Solver {
        Solver::Cd
    }

    fn descend(&mut self, block: Descent<'_, ArcArray2<E>>, x: &mut ArcArray2<E>) -> Result<()> {
        check::descent(self, &block, x)?;
        let Descent { left, gram, rhs, mu, sweeps } = block;
        host::descend(Descent { left: left.map(|left| &**left), gram, rhs, mu, sweeps }, x)
    }

    fn nearest(
        &mut self,
        products: &ArcArray2<E>,
        half_norms: &ArcArray2<E>,
        membership: &mut ArcArray2<E>,
    ) -> Result<()> {
        check::nearest(products.dim(), half_norms.dim(), membership.dim())?;
        host::nearest(products, half_norms, membership);
        Ok(())
    }
}

impl<E: Element> Clock for Cpu<E> {}
