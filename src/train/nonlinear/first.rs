//! W_1 of a nonlinear model, the coefficients H̃_1 above it fixed.

use crate::Result;
use crate::backend::inverse::regularised_inverse;
use crate::backend::{Backend, MatMul};
use crate::train::Config;
use crate::train::block::{BlockSolver, WBlock};

/// ε. With it PIE (layers 60,20, 60 sweeps) ends at .165 (tanh) and .138 (softplus) of ‖X‖, without at .187 and .175, and
/// f32 stays with f64 for longer; `root` is indifferent to it.
const DAMPING: f64 = 1e-4;

/// How W_1 is found.
pub(super) enum First<B: Backend> {
    /// W_1 ≥ 0: the block of [`crate::train`].
    Nonnegative(WBlock<B>),
    /// Of any sign.
    Free(LeastSquares<B>),
}

impl<B: Backend> First<B> {
    /// For W_1 of `shape` and `n` samples.
    pub(super) fn new(b: &mut B, n: usize, shape: (usize, usize), mu: f64, config: &Config) -> Result<Self> {
        Ok(match config.model.signed {
            true => Self::Free(LeastSquares::new(b, shape)?),
            false => Self::Nonnegative(WBlock::new(b, shape, mu, false, BlockSolver::of(config, n, shape.1))?),
        })
    }

    /// From H̃_1.
    pub(super) fn solve(&mut self, b: &mut B, x: &B::Matrix, h: &B::Matrix, w: &mut B::Matrix) -> Result<()> {
        let (gram, rhs) = match self {
            Self::Nonnegative(block) => (&mut block.gram, &mut block.rhs),
            Self::Free(block) => (&mut block.gram, &mut block.rhs),
        };
        b.matmul(MatMul::TN, h, h, gram)?;
        b.matmul(MatMul::TN, x, h, rhs)?;
        match self {
            Self::Nonnegative(block) => block.solve(b, w),
            Self::Free(block) => block.step(b, w),
        }
    }
}

/// Least squares, damped: with `S = H̃_1ᵀH̃_1`, `D = diag(S)` and `C = XᵀH̃_1`
///
/// ```text
/// W_1 ← argmin_W ½‖X − H̃_1Wᵀ‖² + ½ε‖(W − W_1)D^½‖²  =  W_1 − (W_1 S − C)(S + εD)⁻¹
/// ```
///
/// which lowers the objective and stands still where plain least squares do. S of few layers above is nearly of their rank.
/// Plain least squares would make of what is left a W_1 of large entries, which no two roundings share, and which leave the
/// steps on the layers above hardly any length.
pub(super) struct LeastSquares<B: Backend> {
    gram: B::Matrix,
    rhs: B::Matrix,
    /// `W_1 S − C`.
    gradient: B::Matrix,
    moved: B::Matrix,
}

impl<B: Backend> LeastSquares<B> {
    fn new(b: &mut B, (rows, k): (usize, usize)) -> Result<Self> {
        let gram = b.zeros(k, k)?;
        Ok(Self { gram, rhs: b.zeros(rows, k)?, gradient: b.zeros(rows, k)?, moved: b.zeros(rows, k)? })
    }

    /// The inverse is made on the host.
    fn step(&mut self, b: &mut B, w: &mut B::Matrix) -> Result<()> {
        let work = |b: &mut B, gram: &B::Matrix| {
            let gram = b.download(gram)?;
            b.upload(regularised_inverse(gram.view(), DAMPING)?.view())
        };
        let inverse = b.by_host(&self.gram, work, |b, gram| b.zeros(b.shape(gram).0, b.shape(gram).1))?;
        b.matmul(MatMul::NN, w, &self.gram, &mut self.gradient)?;
        b.add(&mut self.gradient, -1.0, &self.rhs)?;
        b.matmul(MatMul::NN, &self.gradient, &inverse, &mut self.moved)?;
        b.add(w, -1.0, &self.moved)
    }
}
