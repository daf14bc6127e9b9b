//! The operations that a fit spends its time on, at the shapes at which it asks for them.

use deepnmf::backend::{Backend, Curvature, MatMul, Momentum, NesterovStep};
use deepnmf::train::Metric;
use ndarray::Array2;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::devices::{Bench, Work};

/// Images, pixels and components of two layers.
pub(crate) struct Sizes {
    pub(crate) n: usize,
    pub(crate) m: usize,
    pub(crate) k: [usize; 2],
}

/// CMU PIE, pose 27, with the layers of the paper.
const PIE: Sizes = Sizes { n: 2856, m: 1024, k: [600, 160] };
/// An eighth of the images of a quarter of the size.
const SMALL: Sizes = Sizes { n: 357, m: 256, k: [75, 20] };
/// Fashion-MNIST with one layer.
const FASHION: (usize, usize, usize) = (60_000, 784, 100);

pub(crate) fn sizes(small: bool) -> Sizes {
    if small { SMALL } else { PIE }
}

pub(crate) fn run<B: Backend<Elem = f32>>(bench: &mut Bench<'_, B>) {
    let Sizes { n, m, k: [k1, k2] } = sizes(bench.small());
    // Rows × inner size × columns.
    let mut products = vec![
        (MatMul::NN, (n, m, k1)),  // X W_1
        (MatMul::NN, (n, m, k2)),  // X Psi
        (MatMul::NN, (n, k2, k2)), // H G
        (MatMul::NN, (k1, k1, k2)),
        (MatMul::TN, (m, n, k1)),  // XᵀH_1
        (MatMul::TN, (m, n, k2)),  // XᵀH
        (MatMul::TN, (k2, n, k2)), // HᵀH
        (MatMul::NT, (m, k2, k1)), // C Pᵀ
    ];
    if !bench.small() {
        let (n, m, k) = FASHION;
        products.extend([(MatMul::NN, (n, m, k)), (MatMul::TN, (m, n, k)), (MatMul::NN, (n, k, k))]);
    }
    for (op, shape) in products {
        product(bench, op, shape);
    }
    for k in [k2, k1] {
        spectral_bound(bench, k);
    }
    nesterov_step(bench, n, k2);
    if !bench.small() {
        nesterov_step(bench, FASHION.0, FASHION.2);
    }
}

/// Uniform in (0, 1], the same every time: zeros would be quicker and cooler than data.
pub(crate) fn random(seed: u64, rows: usize, cols: usize) -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Array2::from_shape_simple_fn((rows, cols), || 1.0 - rng.random::<f32>())
}

fn product<B: Backend<Elem = f32>>(bench: &mut Bench<'_, B>, op: MatMul, (m, k, n): (usize, usize, usize)) {
    let name = match op {
        MatMul::NN => "matmul_nn",
        MatMul::TN => "matmul_tn",
        MatMul::NT => "matmul_nt",
    };
    bench.operation(
        (name, format!("{m}x{k}x{n}")),
        Work::Flops(2 * (m * k * n) as u64),
        |b| {
            let (of_a, of_b) =
                (if op == MatMul::TN { (k, m) } else { (m, k) }, if op == MatMul::NT { (n, k) } else { (k, n) });
            let a = b.upload(random(1, of_a.0, of_a.1).view())?;
            Ok((a, b.upload(random(2, of_b.0, of_b.1).view())?, b.zeros(m, n)?))
        },
        |b, (left, right, out)| b.matmul(op, left, right, out),
    );
}

fn spectral_bound<B: Backend<Elem = f32>>(bench: &mut Bench<'_, B>, k: usize) {
    const ITERATIONS: usize = 12;
    bench.operation(
        ("spectral_bound", format!("{k}x{k}")),
        Work::Flops(2 * (k * k * (ITERATIONS + 1)) as u64),
        |b| {
            let factor = b.upload(random(3, k, k).view())?;
            let mut gram = b.zeros(k, k)?;
            b.matmul(MatMul::TN, &factor, &factor, &mut gram)?;
            let vector = b.upload(Array2::ones((1, k)).view())?;
            Ok((gram, Curvature { scale: b.zeros(1, k)?, vector }))
        },
        |b, (gram, out)| b.spectral_bound(gram, Metric::Diagonal, ITERATIONS, out),
    );
}

/// Without the product that makes the gradient: that one is `matmul_nn` of H and its Gram.
fn nesterov_step<B: Backend<Elem = f32>>(bench: &mut Bench<'_, B>, n: usize, k: usize) {
    struct Step<M> {
        gradient: M,
        rhs: M,
        right: M,
        x: M,
        y: M,
    }
    bench.operation(
        ("nesterov_step", format!("{n}x{k}")),
        Work::Images(n as u64),
        |b| {
            Ok(Step {
                gradient: b.upload(random(4, n, k).view())?,
                rhs: b.upload(random(5, n, k).view())?,
                right: b.upload(random(6, 1, k).mapv(|v| v + 100.0).view())?,
                x: b.upload(random(7, n, k).view())?,
                y: b.upload(random(8, n, k).view())?,
            })
        },
        |b, Step { gradient, rhs, right, x, y }| {
            let momentum = Momentum::Fixed(0.9);
            let (column_sums, left) = (None, None);
            b.nesterov_step(NesterovStep {
                gradient,
                rhs,
                column_sums,
                right,
                left,
                extra: 0.0,
                momentum,
                first: false,
                x,
                y,
            })
        },
    );
}
