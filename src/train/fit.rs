//! A whole fit: pre-training layer by layer, then fine-tuning.

use super::block::curvature;
use super::layer::{Layer, Start};
use super::objective::Objective;
use super::pretrain::balance_norms;
use super::project::{Projection, project};
use super::samples::{Cut, Samples, Shards, Streamed, download, hold, totals};
use super::source::Source;
use super::warnings::warnings;
use super::watch::Watch;
use super::{
    Config, Extrapolate, Fit, History, Init, Metric, Penalties, PenaltyScale, Progress, Seconds, Solver, Stage, Unit,
    Warning,
};
use super::{baselines, init, method, nonlinear};
use crate::backend::{Backend, Element, MatMul, Rows, Storage};
use crate::model::{Activate, Factors, HPenalty, Method};
use crate::{Error, Result};
use ndarray::Array2;
use std::ops::ControlFlow;
use std::time::Instant;

/// [`fit_samples`] to samples in memory, from a start of the caller's where there is one. The CPU backend copies a view, and not an
/// array that is given away or shared.
///
/// # Errors
/// As [`fit_samples`].
pub fn fit<'x, B: Backend>(
    b: &mut B,
    x: impl Into<Rows<'x, B::Elem>>,
    config: &Config,
    start: Option<&Start<B::Elem>>,
    progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Fit<B::Elem>> {
    fit_samples(b, &mut x.into(), config, start, progress)
}

/// Fits the model of `config` to `x` (samples × features, nonnegative unless the model is signed), whatever the unit it was
/// measured in: X is divided by a power of two near the norm of its samples, and what is returned is in the unit of X again.
/// Of a linear model the coefficients carry it, with an activation W_1 does: `cX` gives the same W and `cH`, or `cW_1` and
/// the same H; the same bits, where c is a power of two. Only with [`PenaltyScale::Absolute`] does X stay as it is.
///
/// `progress` is told of every iteration. Where it breaks, the fit ends with the factors that it has: layers that were still to
/// come get one iteration, and [`Warning::Stopped`] says so.
///
/// # Errors
/// [`Error::Config`] and [`Error::Data`] for settings or data that make no sense, [`Error::Diverged`], and whatever
/// the backend and the source report.
pub fn fit_samples<B: Backend>(
    b: &mut B,
    x: &mut dyn Source<B::Elem>,
    config: &Config,
    start: Option<&Start<B::Elem>>,
    progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Fit<B::Elem>> {
    config.validate()?;
    let unit = Unit::of_data(x, config)?;
    let start = start.map(|start| unit.divide_start(start, config));
    let mut report = |p: &Progress| progress(&unit.restored(p, config));
    let mut fit = fit_divided(b, (x, unit), config, start.as_ref(), &mut Watch::new(&mut report))?;
    unit.restore(&mut fit)?;
    Ok(fit)
}

/// [`fit_samples`] in the unit of `x/unit`.
pub(super) fn fit_divided<B: Backend>(
    b: &mut B,
    (source, unit): (&mut dyn Source<B::Elem>, Unit),
    config: &Config,
    start: Option<&Start<B::Elem>>,
    watch: &mut Watch<'_>,
) -> Result<Fit<B::Elem>> {
    let method = config.model.method;
    let solver = if config.solver == Solver::Auto { b.fastest_solver() } else { config.solver };
    let config = &Config { solver, ..config.clone() };
    let begin = Instant::now();
    let mut seconds = Seconds::default();
    let (n, m) = source.shape();
    let cut = if config.couples_samples() { Cut::whole(n) } else { Cut::new(n, b.shard_rows(m)) };
    let (mut held, mut streamed);
    let (x, x_storage): (&mut dyn Shards<B>, _) = if config.stream {
        let storage = if config.x_storage == Storage::Auto { Storage::F32 } else { config.x_storage };
        streamed = Streamed::new(source, unit, storage, cut);
        (&mut streamed, storage)
    } else {
        let storage;
        (held, storage) = hold(b, source, unit, config.x_storage, cut)?;
        (&mut held, storage)
    };
    let (mut entries, xx) = totals(b, x)?;

    let (mut w, mut h) = (Vec::<B::Matrix>::new(), Vec::<Samples<B>>::new());
    let (mut history, mut penalties) = (History::default(), Penalties::default());
    let mut graph_penalty = 0.0;
    let depth = config.layers.len();
    let (mut halves, mut vv) = (false, xx);
    // g(H) of the layer before, in a nonlinear model.
    let mut fed: Option<Samples<B>> = None;
    for layer in 0..depth {
        let clock = Instant::now();
        let v: &mut dyn Shards<B> = match (&mut fed, h.last_mut()) {
            (Some(fed), _) => fed,
            (None, Some(below)) => below,
            (None, None) => x,
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
        let iterations = if depth == 1 { config.sweeps } else { config.pretrain };
        let this = Layer { index: layer, iterations, mu, lambda };
        let mut trained = b.in_halves(x_storage == Storage::F16, |b, on| {
            halves = on;
            method::train_layer(b, (v, vv), &mut w_l, &mut h_l, &this, config, watch)
        })?;
        if halves && depth == 1 {
            let last = Layer { iterations: iterations.min(REFINEMENT), ..this };
            let last = method::train_layer(b, (v, vv), &mut w_l, &mut h_l, &last, &refined(config), watch)?;
            trained.history.extend_from_slice(&last.history[1..]);
            trained.graph_penalty = last.graph_penalty;
        }
        history.pretrain.push(trained.history);
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

    let clock = Instant::now();
    let mut last = h.pop().ok_or_else(|| Error::Config("a model needs a layer".into()))?;
    drop(fed);
    if depth > 1 {
        history.finetune =
            b.in_halves(halves, |b, _| method::finetune(b, (x, xx), &mut w, &mut last, &penalties, config, watch))?;
        if halves {
            let config = &refined(config);
            let rest = method::finetune(b, (x, xx), &mut w, &mut last, &penalties, config, watch)?;
            history.finetune.extend_from_slice(&rest[1..]);
        }
    }
    seconds.finetune = clock.elapsed().as_secs_f64();
    let kind = config.model.h_penalty;
    let mut objective = penalties_of(b, xx, (&w, &last), &penalties, kind)?;
    let (represented, hidden, (objective, relative_error)) = match config.activation {
        None => {
            let psi = psi(b, &w, depth)?;
            let score = objective.exact(b, x, &last, &psi)?;
            (last, solve_hidden(b, x, &w, h, &penalties, config, watch)?, score)
        }
        Some(activation) => {
            let hidden = nonlinear::hidden(b, activation, &w, last.whole()?)?;
            let score = objective.exact_whole(b, x.whole()?, &hidden[0], &w[0])?;
            let wanted = hidden.iter().filter(|_| config.hidden).map(|h| download(b, h)).collect::<Result<_>>()?;
            // Last of all: a bounded activation moves some scale from H to W_L, and penalties are of the factors before.
            let represented = match config.activate {
                Activate::All => nonlinear::feed(b, activation, activation.is_bounded(), &mut w[depth - 1], &mut last)?,
                Activate::Hidden => last,
            };
            (represented, wanted, score)
        }
    };
    let objective = objective + graph_penalty;

    let w = w.iter().map(|w| download(b, w)).collect::<Result<_>>()?;
    let (activation, activate) = (config.activation, config.activate);
    let factors = Factors { w, h: represented.download(b)?, hidden, activation, activate };
    seconds.total = begin.elapsed().as_secs_f64();
    let mut warnings = warnings(&factors, &history, relative_error, config)?;
    if watch.stopped {
        // More iterations would mend the others.
        warnings = vec![Warning::Stopped];
    }
    Ok(Fit { factors, solver, x_storage, penalties, history, objective, relative_error, seconds, warnings })
}

/// Iterations in f32 after those of halves.
const REFINEMENT: usize = 3;

/// As many of them, whatever they change.
fn refined(config: &Config) -> Config {
    let sweeps = config.sweeps.min(REFINEMENT);
    Config { sweeps, tol: 0.0, target_error: None, extrapolate: Extrapolate::None, ..config.clone() }
}

impl Progress {
    /// A report without numbers.
    pub(crate) fn of(stage: Stage) -> Self {
        Self { stage, done: 0, of: 0, objective: f64::NAN, relative_error: f64::NAN }
    }
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
fn psi<B: Backend>(b: &mut B, w: &[B::Matrix], l: usize) -> Result<B::Matrix> {
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

/// The objective of the factors as they are, all but its residual.
fn penalties_of<B: Backend>(
    b: &mut B,
    xx: f64,
    (w, last): (&[B::Matrix], &Samples<B>),
    penalties: &Penalties,
    kind: HPenalty,
) -> Result<Objective<B>> {
    let ranks: Vec<usize> = w.iter().map(|w| b.shape(w).1).collect();
    let k = ranks[w.len() - 1];
    let mut objective = Objective::new(b, xx, &penalties.mu, &ranks, kind, penalties.lambda[w.len() - 1])?;
    let mut s = b.zeros(k, k)?;
    last.gram(b, &mut s)?;
    objective.record_penalties(b, 0, w, &s)?;
    Ok(objective)
}

/// The coefficients of the hidden layers under the final factors, from those of the pre-training.
fn solve_hidden<B: Backend>(
    b: &mut B,
    x: &mut dyn Shards<B>,
    w: &[B::Matrix],
    h: Vec<Samples<B>>,
    penalties: &Penalties,
    config: &Config,
    watch: &mut Watch<'_>,
) -> Result<Vec<Array2<B::Elem>>> {
    let mut hidden = Vec::new();
    if !config.hidden {
        return Ok(hidden);
    }
    for (l, mut h) in h.into_iter().enumerate() {
        let psi = psi(b, w, l + 1)?;
        let how = Projection {
            h_penalty: config.model.h_penalty,
            lambda: penalties.lambda[l],
            signed: config.model.signed,
            ..Projection::default()
        };
        project(b, x, &psi, &mut h, &how, watch)?;
        hidden.push(h.download(b)?);
    }
    Ok(hidden)
}
