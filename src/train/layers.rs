//! The pre-training of a model: layer by layer, each on the H of the one below.

use super::block::curvature;
use super::layer::{Layer, Start};
use super::pretrain::balance_norms;
use super::samples::{Samples, Shards, totals};
use super::watch::Watch;
use super::{Config, Extrapolate, Init, Metric, Penalties, PenaltyScale, Progress, Seconds, Solver, Stage};
use super::{baselines, init, method, nonlinear};
use crate::backend::{Backend, Element, MatMul, Storage};
use crate::model::{HPenalty, Method};
use crate::{Error, Result};
use ndarray::Array2;
use std::time::Instant;

/// What the pre-training of all layers leaves.
pub(super) struct Pretrained<B: Backend> {
    pub(super) w: Vec<B::Matrix>,
    /// H of the last layer.
    pub(super) last: Samples<B>,
    /// H of the layers below, from the first on, where they are wanted.
    pub(super) hidden: Vec<Samples<B>>,
    /// As they weigh against ‖X‖².
    pub(super) penalties: Penalties,
    /// [`History::pretrain`](super::History::pretrain).
    pub(super) history: Vec<Vec<f64>>,
    /// What of the objective is neither residual nor one of these penalties.
    pub(super) graph_penalty: f64,
    /// Whether products were of halves.
    pub(super) halves: bool,
}

/// Trains all layers one after another on `x`, of which `(entries, xx)` are the sums.
pub(super) fn pretrain_layers<B: Backend>(
    b: &mut B,
    (x, (mut entries, xx), x_storage): (&mut dyn Shards<B>, (f64, f64), Storage),
    config: &Config,
    start: Option<&Start<B::Elem>>,
    seconds: &mut Seconds,
    watch: &mut Watch<'_>,
) -> Result<Pretrained<B>> {
    let (method, solver, depth, cut) = (config.model.method, config.solver, config.layers.len(), x.cut());
    let (mut w, mut h) = (Vec::<B::Matrix>::new(), Vec::<Samples<B>>::new());
    let (mut history, mut penalties, mut graph_penalty) = (Vec::new(), Penalties::default(), 0.0);
    let (mut halves, mut vv) = (false, xx);
    // g(H) of the layer before, in a nonlinear model.
    let mut fed: Option<Samples<B>> = None;
    for layer in 0..depth {
        let clock = Instant::now();
        let v: &mut dyn Shards<B> = match (&mut fed, h.last_mut()) {
            (Some(fed), _) => fed,
            (None, Some(below)) => below,
            (None, None) => &mut *x,
        };
        let (n, m) = v.shape();
        watch.report(&Progress { done: 0, of: 1, ..Progress::of(Stage::Init { layer }) });
        if layer > 0 {
            (entries, vv) = totals(b, v)?;
        }
        let k = config.layers[layer];
        let (mut w_l, mut h_l) = b.by_host(
            &mut *v,
            |b, v| {
                let (w, h) = match start {
                    Some(start) => given(start, layer, (n, m), k)?,
                    None => init::start(b, (v, entries, vv), layer, config)?,
                };
                Ok((b.upload(w.view())?, Samples::upload(b, cut, h.view())?))
            },
            |b, v| {
                init::shapes(b, v, k, config)?;
                Ok((b.zeros(m, k)?, Samples::zeros(b, cut, k)?))
            },
        )?;
        if method == Method::Graph && start.is_none() && config.init != Init::Random {
            // The graph's penalty is of H alone: it weighs the same in any unit of X where H has all of the unit.
            baselines::unit_components(b, &mut w_l, &mut h_l)?;
        }
        let (mu, lambda) = constants(b, layer, &w_l, &h_l, config)?;
        watch.report(&Progress { done: 1, of: 1, ..Progress::of(Stage::Init { layer }) });
        seconds.init += clock.elapsed().as_secs_f64();

        let clock = Instant::now();
        let iterations = if config.is_one_stage() { config.sweeps } else { config.pretrain };
        let this = Layer { index: layer, iterations, mu, lambda };
        let mut trained = b.in_halves(x_storage == Storage::F16, |b, on| {
            halves = on;
            method::train_layer(b, (v, vv), &mut w_l, &mut h_l, &this, config, watch)
        })?;
        if halves && config.is_one_stage() {
            let last = Layer { iterations: iterations.min(REFINEMENT), ..this };
            let last = method::train_layer(b, (v, vv), &mut w_l, &mut h_l, &last, &refined(config), watch)?;
            trained.history.extend_from_slice(&last.history[1..]);
            trained.graph_penalty = last.graph_penalty;
        }
        history.push(trained.history);
        graph_penalty += trained.graph_penalty;
        // What extrapolation does to the scales is undone for the fine-tuning too.
        let passed_on = layer + 1 < depth || depth > 1 && solver == Solver::Cd;
        // Activations that do not go with a scale have one of their own.
        let scaled = config.activation.is_some_and(|a| a.is_bounded() || config.balance.layers && !a.is_homogeneous());
        match method {
            Method::Blocks if config.balance.layers && passed_on => balance_norms(b, &mut w_l, &mut h_l)?,
            Method::SemiNmf if config.balance.layers && layer + 1 < depth && !scaled => {
                baselines::unit_components(b, &mut w_l, &mut h_l)?;
            }
            _ => {}
        }
        if let Some(activation) = config.activation.filter(|_| layer + 1 < depth) {
            fed = Some(nonlinear::feed(b, activation, scaled, &mut w_l, &mut h_l)?);
        }
        // Made against ‖V‖², they are to weigh as much against ‖X‖².
        let share = if config.penalty_scale == PenaltyScale::ScaleFree && vv > 0.0 { xx / vv } else { 1.0 };
        penalties.mu.push(mu * share);
        penalties.lambda.push(lambda * share);
        w.push(w_l);
        h.push(h_l);
        if layer > 0 && (!config.hidden || config.activation.is_some()) {
            // Only the last H is trained on; the others go, and their memory with them.
            h.remove(0);
        }
        b.submit()?;
        seconds.pretrain += clock.elapsed().as_secs_f64();
    }
    let last = h.pop().ok_or_else(|| Error::Config("a model needs a layer".into()))?;
    Ok(Pretrained { w, last, hidden: h, penalties, history, graph_penalty, halves })
}

/// Iterations in f32 after those of halves.
const REFINEMENT: usize = 3;

/// As many of them, whatever they change.
pub(super) fn refined(config: &Config) -> Config {
    let sweeps = config.sweeps.min(REFINEMENT);
    Config { sweeps, tol: 0.0, target_error: None, extrapolate: Extrapolate::None, ..config.clone() }
}

fn given<E: Element>(
    start: &Start<E>,
    layer: usize,
    (n, m): (usize, usize),
    k: usize,
) -> Result<(Array2<E>, Array2<E>)> {
    let (w, h) = start
        .get(layer)
        .ok_or_else(|| Error::Config(format!("the start has {} layers, the model more", start.len())))?;
    for (what, expected, found) in [("W of the start", (m, k), w.dim()), ("H of the start", (n, k), h.dim())] {
        if expected != found {
            return Err(Error::shape(what, expected, found));
        }
    }
    Ok((w.clone(), h.clone()))
}

/// `mu_l = c‖S‖₂/k_{l−1}` and `lambda = c‖G‖₂/k` (ridge: without the /k), S = HᵀH and G = WᵀW at the start: scale-free
/// and independent of n.
fn constants<B: Backend>(
    b: &mut B,
    layer: usize,
    w: &B::Matrix,
    h: &Samples<B>,
    config: &Config,
) -> Result<(f64, f64)> {
    let (mu, lambda) = (config.mu_of(layer)?, config.lambda_of(layer)?);
    if config.penalty_scale == PenaltyScale::Absolute {
        return Ok((mu, lambda));
    }
    let (rows, k) = b.shape(w);
    let mut gram = b.zeros(k, k)?;
    let norm = |b: &mut B, gram: &B::Matrix| -> Result<f64> {
        let mut out = curvature(b, k)?;
        b.spectral_bound(gram, Metric::Plain, 50, &mut out)?;
        Ok(b.download(&out.scale)?[[0, 0]].f64())
    };
    let mut scaled = (0.0, 0.0);
    if mu > 0.0 {
        h.gram(b, &mut gram)?;
        scaled.0 = mu * norm(b, &gram)? / rows as f64;
    }
    let per = if config.model.h_penalty == HPenalty::Ridge { 1.0 } else { k as f64 };
    if lambda > 0.0 {
        b.matmul(MatMul::TN, w, w, &mut gram)?;
        scaled.1 = lambda * norm(b, &gram)? / per;
    }
    Ok(scaled)
}

/// `Ψ_l` of the first `l` factors.
pub(super) fn psi<B: Backend>(b: &mut B, w: &[B::Matrix], l: usize) -> Result<B::Matrix> {
    let (m, k) = b.shape(&w[0]);
    let mut psi = b.zeros(m, k)?;
    b.copy(&w[0], &mut psi)?;
    for w in &w[1..l] {
        let mut next = b.zeros(m, b.shape(w).1)?;
        b.matmul(MatMul::NN, &psi, w, &mut next)?;
        psi = next;
    }
    Ok(psi)
}
