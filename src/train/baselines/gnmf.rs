//! GNMF: samples that are neighbours get coefficients that are (Cai, He, Han & Huang 2011, eq. 14 and 15).
//!
//! ```text
//! f = ½‖X − H Wᵀ‖² + ½ lambda tr(Hᵀ L H),  L = D − A, A the weights of a neighbour graph, D their sums
//! H ← H · (XW + lambda A H) / (H WᵀW + lambda D H)        W ← W · XᵀH / W HᵀH
//! ```
//!
//! What makes its features good or bad for clustering is the start and the weights. f leaves the scale between W and H free,
//! so lambda means something only beside the scale of the start. As in the authors' code that is uniform random numbers, W with
//! columns of unit length and H far larger than the data ask for. Then with their lambda = 100 the step of H is at first all
//! but `H ← D⁻¹ A H`: every iteration spreads what a sample has to its neighbours, and W follows. k random signals become k
//! smooth ones, nearly constant within a class. From an H as large as the data ask for the fit wins before they are smooth; and
//! NNDSVD is smooth over the whole set before the first step, so that spreading brings no classes out.
//!
//! k-means on PIE with k = 68 after 100 iterations, NMI with weights of the heat kernel and random H: .96; an H of a
//! hundredth of that size: .38 (of about the size of the data: .59); NNDSVDa, however scaled: below .8. Weights of 0 and 1, which
//! are what the paper takes: .90, because under changing light the fifth neighbour is often someone else; cosines, all near 1: the
//! same. More iterations spread across classes: .85 after 500 with weights of 0 and 1, while the heat kernel has .96 from 100 to
//! 400. So 100 iterations are made, and the reconstruction is poor by design.
//!
//! New samples have no neighbours; they are projected without the penalty.

use super::graph::Graph;
use super::{Trained, stage_of};
use crate::Result;
use crate::backend::{Backend, MatMul, MultiplicativeStep, Rule, Sum};
use crate::model::HPenalty;
use crate::train::{Config, Layer, Objective, State, Visitor, Watch, iterate};

/// Alternates H and W; the objective never rises.
pub(crate) fn train<B: Backend>(
    b: &mut B,
    (v, vv): (&B::Matrix, f64),
    w: &mut B::Matrix,
    h: &mut B::Matrix,
    layer: &Layer,
    config: &Config,
    watch: &mut Watch<'_>,
) -> Result<Trained> {
    let ((n, m), k) = (b.shape(v), b.shape(w).1);
    let lambda = config.graph.lambda;
    let graph =
        b.by_host(v, |b, v| Graph::of(b, v, &config.graph, (layer.index, watch)), |b, v| Graph::shapes(b, v))?;
    let edges = Graph::most_edges(n, &config.graph);
    let weights = b.sparse_of((n, n), edges, || graph.weights(lambda))?;
    let laplacian = b.sparse_of((n, n), edges.saturating_add(n), || graph.laplacian())?;
    let degrees = b.by_host((), |b, ()| b.upload(graph.degrees(lambda).view()), |b, ()| b.zeros(1, n))?;
    let mut objective = Objective::new(b, vv, &[], &[], HPenalty::Ridge, lambda)?;
    let (mut rhs, mut spread, mut of_h) = (b.zeros(n, k)?, b.zeros(n, k)?, b.zeros(n, k)?);
    let (mut cross, mut of_w) = (b.zeros(m, k)?, b.zeros(m, k)?);
    let (mut gram, mut s) = (b.zeros(k, k)?, b.zeros(k, k)?);

    b.matmul(MatMul::TN, w, w, &mut gram)?;
    b.sparse_product(&laplacian, h, &mut spread)?;
    objective.record_product_penalty(b, 0, &spread, h)?;
    let start = objective.exact_whole(b, v, h, w)?;
    let (stage, stop) = stage_of(layer, config);
    let mut state = Updates { w, h, gram };
    let history = iterate(b, &mut objective, stage, (start, stop), &mut state, watch, |b, objective, state, turn| {
        let Updates { w, h, gram } = state;
        b.matmul(MatMul::NN, v, w, &mut rhs)?;
        b.matmul(MatMul::NN, h, gram, &mut of_h)?;
        b.sparse_product(&weights, h, &mut spread)?;
        let (attract, degree) = (Some(&spread), Some(&degrees));
        let step = MultiplicativeStep { rhs: &rhs, attract, repel: &of_h, degree, rule: Rule::Ratio, x: h };
        b.multiplicative_step(step)?;

        b.matmul(MatMul::TN, v, h, &mut cross)?;
        b.matmul(MatMul::TN, h, h, &mut s)?;
        b.matmul(MatMul::NN, w, &s, &mut of_w)?;
        let (attract, degree) = (None, None);
        let step = MultiplicativeStep { rhs: &cross, attract, repel: &of_w, degree, rule: Rule::Ratio, x: w };
        b.multiplicative_step(step)?;

        b.matmul(MatMul::TN, w, w, gram)?;
        objective.record_fit(b, turn, (&cross, w), (gram, &s))?;
        b.sparse_product(&laplacian, h, &mut spread)?;
        objective.record_product_penalty(b, turn, &spread, h)
    })?;

    let h = state.h;
    let mut last = b.scalars(1)?;
    b.sparse_product(&laplacian, h, &mut spread)?;
    b.sum(Sum::Dot(&spread, h), &mut last, 0)?;
    let graph_penalty = 0.5 * lambda * b.read(&last)?[0];
    Ok(Trained { history, graph_penalty })
}

/// Between two iterations.
struct Updates<'a, B: Backend> {
    w: &'a mut B::Matrix,
    h: &'a mut B::Matrix,
    /// `WᵀW`.
    gram: B::Matrix,
}

impl<B: Backend> State<B> for Updates<'_, B> {
    fn visit(&mut self, b: &mut B, visitor: &mut Visitor<'_>) -> Result<()> {
        visitor.matrix(b, "W", self.w)?;
        visitor.matrix(b, "H", self.h)?;
        visitor.matrix(b, "Gram of W", &mut self.gram)
    }
}
