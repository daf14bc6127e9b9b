//! What a device has to do: the whole of what a new backend must implement. Everything else is made of it.
//!
//! Rows are samples. A matrix may be held in blocks of rows; what couples samples is only a sum over blocks
//! (`MatMul::TN`, [`Device::reduce`], [`Device::column_sums`]), so a device is free to shard. `&` is a read-only operand and `&mut`
//! a written one: an operand never aliases its output. Shapes are checked at every call, and
//! [`Error::Shape`](crate::Error::Shape) says what was expected. Operations are queued in order; only [`Device::download`] and
//! [`Device::finish_read`] wait.
//!
//! `impl Backend for MyDevice {}` then makes it a backend, `verify` says whether it computes what it should, and a method of
//! [`Backend`](super::Backend) that the device does better is overridden one at a time.

use super::{Element, Formula, Operand, Rows, Sparse, Storage};
use crate::Result;
use ndarray::{Array2, ArrayView2};

/// A device that holds matrices and computes with them.
pub trait Device {
    /// The numbers.
    type Elem: Element;
    /// A row-major matrix on the device; not `Clone`.
    type Matrix: std::fmt::Debug;
    /// Numbered sums on the device, each in f64 or in parts that are added up in f64 when they are read: what the host decides
    /// by them may be the small rest of large sums.
    type Scalars: std::fmt::Debug;
    /// A read of [`Device::Scalars`] under way.
    type Pending;
    /// A sparse matrix on the device.
    type Sparse: std::fmt::Debug;

    // ---- Memory.

    /// A matrix of zeros.
    fn zeros(&mut self, rows: usize, cols: usize) -> Result<Self::Matrix>;
    /// A matrix with these entries.
    fn upload(&mut self, host: ArrayView2<'_, Self::Elem>) -> Result<Self::Matrix>;
    /// The data matrix X (n × m), stored as `storage` says; and how it was stored. Rounding is the same on every device. One
    /// that computes in host memory need not copy [`Rows::Shared`].
    ///
    /// X is only read: a matrix that is not stored as f32 can be the first operand of a product, of [`Sum::Dot`] with
    /// itself, [`Sum::Entries`] and [`Sum::Trace`], the x of a residual, and be downloaded. Elsewhere it may be an
    /// [`Error::Config`](crate::Error::Config), and [`Error::Data`](crate::Error::Data) is what cannot be stored so.
    fn upload_data(&mut self, x: Rows<'_, Self::Elem>, storage: Storage) -> Result<(Self::Matrix, Storage)>;
    /// The entries of a matrix; submits and waits.
    fn download(&mut self, m: &Self::Matrix) -> Result<Array2<Self::Elem>>;
    /// `(rows, columns)`.
    fn shape(&self, m: &Self::Matrix) -> (usize, usize);
    /// `len` sums, all 0.
    fn scalars(&mut self, len: usize) -> Result<Self::Scalars>;

    // ---- Products.

    /// `out = op(a) op(b)`, or that added to `out`.
    fn product(
        &mut self,
        op: MatMul,
        a: &Self::Matrix,
        b: &Self::Matrix,
        write: Write,
        out: &mut Self::Matrix,
    ) -> Result<()>;
    /// Brings a sparse matrix to the device.
    fn sparse(&mut self, host: &Sparse<Self::Elem>) -> Result<Self::Sparse>;
    /// `out = a b` with a sparse `a`.
    fn sparse_product(&mut self, a: &Self::Sparse, b: &Self::Matrix, out: &mut Self::Matrix) -> Result<()>;

    // ---- Sums.

    /// Writes a sum into a slot, or adds it to what is there.
    fn reduce(&mut self, what: Sum<'_, Self::Matrix>, write: Write, out: &mut Self::Scalars, slot: usize)
    -> Result<()>;
    /// Sums of columns, `out: 1 × columns`. Squares of sums are of one matrix: they are not added
    /// ([`Error::Config`](crate::Error::Config)).
    fn column_sums(&mut self, m: &Self::Matrix, what: ColumnSums, write: Write, out: &mut Self::Matrix) -> Result<()>;

    // ---- Elementwise.

    /// Computes an elementwise formula: all entries of the outputs, from what was in them where the formula reads that, and
    /// from the inputs. [`check_operands`](super::check_operands) has the errors.
    fn map(
        &mut self,
        formula: Formula,
        outputs: &mut [&mut Self::Matrix],
        inputs: &[Operand<'_, Self::Matrix>],
    ) -> Result<()>;

    // ---- Queue.

    /// Starts what is queued.
    fn submit(&mut self) -> Result<()>;
    /// Submits, and starts to bring the sums to the host as they are after all that was queued before.
    fn start_read(&mut self, scalars: &Self::Scalars) -> Result<Self::Pending>;
    /// Waits for a read.
    fn finish_read(&mut self, pending: Self::Pending) -> Result<Vec<f64>>;
    /// How often the host should look at the objective.
    fn cadence(&self) -> Cadence;
    /// The name of the device, for people.
    fn device_name(&self) -> String;
}

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

/// What [`Device::column_sums`] computes of column j.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnSums {
    /// `Σ_i m_ij`.
    Sum,
    /// `(Σ_i m_ij)²`.
    SumSquared,
    /// `Σ_i m_ij²`.
    SumOfSquares,
}

/// What [`Device::reduce`] adds up.
#[derive(Debug)]
pub enum Sum<'a, M> {
    /// `⟨a, b⟩ = Σ_ij a_ij b_ij`.
    Dot(&'a M, &'a M),
    /// `Σ_ij a_ij`.
    Entries(&'a M),
    /// `Σ_i a_ii`.
    Trace(&'a M),
}

/// How often the host looks at the objective.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cadence {
    /// Iterations per look.
    pub every: usize,
    /// Looks that may be under way before the host waits for the oldest.
    pub ahead: usize,
}
