//! The number of threads makes no difference.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use deepnmf::evaluate::KMeans;
use deepnmf::model::spec::Depth;
use deepnmf::model::{Activation, MODELS, Method, ModelSpec};
use deepnmf::train::{Config, Init, Projection, Solver};
use deepnmf::{DeviceRequest, Engine};
use ndarray::Array2;

/// Full rank, with no two samples alike.
fn data(n: usize, m: usize) -> Array2<f32> {
    let hash = |i: usize, j: usize| {
        let mut z = (i as u64) << 32 | j as u64 | 1 << 60;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) as f32 / u64::MAX as f32
    };
    Array2::from_shape_fn((n, m), |(i, j)| hash(i, j).powi(4) + (j % (i % 7 + 2) == 0) as u8 as f32)
}

/// The bits of what `work` makes, by pools of so many threads.
fn the_same(what: &str, work: impl Fn() -> Vec<Array2<f32>> + Sync) {
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let made = pool.install(&work);
        made.iter().flat_map(|m| m.iter().map(|v| v.to_bits())).collect::<Vec<_>>()
    };
    let one = with(1);
    for threads in [2, 3, 5] {
        let other = with(threads);
        let differ = one.iter().zip(&other).filter(|(a, b)| a != b).count();
        assert!(one.len() == other.len() && differ == 0, "{what}: {threads} threads change {differ} of {}", one.len());
    }
}

fn fit(x: &Array2<f32>, config: &Config) -> Vec<Array2<f32>> {
    let fit = Engine::open(&DeviceRequest::Cpu).unwrap().fit(x.view(), config, &mut deepnmf::train::silent).unwrap();
    assert!(fit.relative_error < 0.9, "{}", fit.relative_error);
    fit.factors.w.into_iter().chain(fit.factors.hidden).chain([fit.factors.h]).collect()
}

/// Both solvers, with a random subspace, sums over many samples and more columns than a block of them.
#[test]
fn large_shapes() {
    let x = data(8300, 270);
    for solver in [Solver::Cd, Solver::Nesterov] {
        let model = ModelSpec::by_name("sdnmf-rl1").unwrap();
        let config = Config { solver, pretrain: 2, sweeps: 2, inner: 4, ..Config::new(model, [70, 9]) };
        the_same(&format!("{solver:?}"), || fit(&x, &config));
    }
}

/// Every model and start.
#[test]
fn every_model() {
    let x = data(420, 280);
    for &model in MODELS {
        let layers = if model.depth == Depth::One { vec![20] } else { vec![20, 7] };
        let config = Config { pretrain: 3, sweeps: 3, hidden: true, ..Config::new(model, layers) };
        the_same(model.name, || fit(&x, &config));
        if model.depth == Depth::Many && model.method != Method::Multiplicative {
            let config = Config { activation: Some(Activation::Tanh), ..config.clone() };
            the_same(&format!("{} with tanh", model.name), || fit(&x, &config));
        }
    }
    for init in [Init::Nndsvd, Init::Nndsvda, Init::Nndsvdar, Init::Random] {
        let config = Config { init, sweeps: 3, ..Config::new(ModelSpec::by_name("dnmf").unwrap(), [90]) };
        the_same(&format!("{init:?}"), || fit(&x, &config));
    }
}

#[test]
fn projections_and_clusters() {
    let (x, psi) = (data(3000, 260), data(260, 40));
    the_same("projection", || {
        let mut engine = Engine::open(&DeviceRequest::Cpu).unwrap();
        vec![engine.project(x.view(), psi.view(), &Projection::default(), &mut deepnmf::train::silent).unwrap().h]
    });
    the_same("k-means", || {
        let mut engine = Engine::open(&DeviceRequest::Cpu).unwrap();
        let runs = engine.kmeans(x.view(), &KMeans { runs: 2, ..KMeans::new(12) }).unwrap();
        runs.iter().map(|run| Array2::from_shape_fn((1, x.nrows()), |(_, i)| run.of[i] as f32)).collect()
    });
}
