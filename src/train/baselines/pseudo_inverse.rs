//! Least squares in a tall matrix, accurate where its Gram is not.
//!
//! In f32 a Gram AᵀA has errors of 6e-8 ‖A‖², and its inverse is wrong from a condition number of A of some thousands on. So
//! the columns are made nearly orthonormal first, and the Gram is made again:
//!
//! ```text
//! Q = A T,  T Tᵀ ≈ (AᵀA)⁻¹           A⁺ = M Qᵀ,  M = T (QᵀQ)⁻¹
//! ```
//!
//! (CholeskyQR2: T. Fukaya, Y. Nakatsukasa, Y. Yanagisawa, Y. Yamamoto, *CholeskyQR2: A Simple and Communication-Avoiding
//! Algorithm for Computing a Tall-Skinny QR Factorization on a Large-Scale Parallel System*, ScalA 2014; where Cholesky's factor
//! would be lost in roundings, T comes from eigenvectors.) What A lacks in rank are short columns of Q, which are left out.

use crate::Result;
use crate::backend::inverse::whitening;
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

/// T of a Gram. The decomposition is made on the host.
pub(super) fn whitened<B: Backend>(b: &mut B, gram: &B::Matrix) -> Result<B::Matrix> {
    let work = |b: &mut B, gram: &B::Matrix| {
        let gram = b.download(gram)?;
        b.upload(whitening(gram.view())?.view())
    };
    b.by_host(gram, work, |b, gram| b.zeros(b.shape(gram).0, b.shape(gram).1))
}

impl<B: Backend> PseudoInverse<B> {
    pub(super) fn new(b: &mut B, (n, k): (usize, usize)) -> Result<Self> {
        Ok(Self { gram: b.zeros(k, k)?, inverse: b.zeros(k, k)?, q: b.zeros(n, k)?, m: b.zeros(k, k)? })
    }

    /// Of `a`. The k × k decompositions are made on the host.
    pub(super) fn set(&mut self, b: &mut B, a: &B::Matrix) -> Result<()> {
        b.matmul(MatMul::TN, a, a, &mut self.gram)?;
        let t = whitened(b, &self.gram)?;
        b.matmul(MatMul::NN, a, &t, &mut self.q)?;
        b.matmul(MatMul::TN, &self.q, &self.q, &mut self.gram)?;
        b.inverse(&self.gram, &mut self.inverse)?;
        b.matmul(MatMul::NN, &t, &self.inverse, &mut self.m)
    }
}
