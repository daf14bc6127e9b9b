//! Least squares in a tall matrix, accurate where its Gram is not.
//!
//! In f32 a Gram AᵀA has errors of 6e-8 ‖A‖², and its inverse is wrong from a condition number of A of some thousands on. So
//! the columns are made nearly orthonormal first, and the Gram is made again:
//!
//! ```text
//! Q = A T,  T Tᵀ ≈ (AᵀA)⁻¹           A⁺ = M Qᵀ,  M = T (QᵀQ)⁻¹
//! ```
//!
//! (shifted CholeskyQR2, with the roots of eigenvalues instead of Cholesky's factor: T. Fukaya, R. Kannan, Y. Nakatsukasa, Y.
//! Yamamoto, Y. Yanagisawa, *Shifted Cholesky QR for Computing the QR Factorization of Ill-Conditioned Matrices*, SIAM J.
//! Scientific Computing 42(1), 2020). What A lacks in rank, QᵀQ lacks too, and its generalised inverse leaves out.

use crate::Result;
use crate::backend::multiplicative::whitening;
use crate::backend::{Backend, MatMul};

/// A⁺ of an n × k matrix.
pub(super) struct PseudoInverse<B: Backend> {
    gram: B::Matrix,
    inverse: B::Matrix,
    /// Q, n × k.
    pub(super) q: B::Matrix,
    /// M, k × k.
    pub(super) m: B::Matrix,
}

impl<B: Backend> PseudoInverse<B> {
    pub(super) fn new(b: &mut B, (n, k): (usize, usize)) -> Result<Self> {
        Ok(Self { gram: b.zeros(k, k)?, inverse: b.zeros(k, k)?, q: b.zeros(n, k)?, m: b.zeros(k, k)? })
    }

    /// Of `a`. The k × k decompositions are made on the host.
    pub(super) fn set(&mut self, b: &mut B, a: &B::Matrix) -> Result<()> {
        b.matmul(MatMul::TN, a, a, &mut self.gram)?;
        let gram = b.download(&self.gram)?;
        let t = b.upload(whitening(gram.view())?.view())?;
        b.matmul(MatMul::NN, a, &t, &mut self.q)?;
        b.matmul(MatMul::TN, &self.q, &self.q, &mut self.gram)?;
        b.inverse(&self.gram, &mut self.inverse)?;
        b.matmul(MatMul::NN, &t, &self.inverse, &mut self.m)
    }
}
