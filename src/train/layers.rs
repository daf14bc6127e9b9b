//! The pre-training of a model: layer by layer, each on the H of the one below.

use super::checkpoint::Course;
use super::cut::Cut;
use super::layer::{Layer, Start};
use super::nesterov::curvature;
use super::pretrain::{balance_norms, pretrain};
use super::samples::{Samples, Shards, totals};
use super::state::{State, Visitor};
use super::watch::Watch;
use super::{Config, ElasticNet, Extrapolate, Init, Metric, PenaltyScale, Progress, Seconds, Solver, Stage};
use super::{baselines, init, method, nonlinear};
use crate::backend::{Backend, Element, MatMul, Storage};
use crate::model::{HPenalty, Method};
use crate::{Error, Result};
use ndarray::{Array2, s};
use std::ops::ControlFlow;
use std::time::Instant;

/// What the pre-training of all layers leaves.
pub(super) struct Pretrained<B: Backend> {
    pub(super) w: Vec<B::Matrix>,
    /// H of the last layer.
    pub(super) last: Samples<B>,
    /// H of the layers below, from the first on, where they are wanted.
    pub(super) hidden: Vec<Samples<B>>,
    pub(super) course: Course,
}

impl<B: Backend> Pretrained<B> {
    /// For a fit that goes on in the fine-tuning: all that it does not take from its loop.
    pub(super) fn of_checkpoint(
        b: &mut B,
        (m, cut): (usize, Cut),
        config: &Config,
        watch: &mut Watch<'_>,
    ) -> Result<Self> {
        let (_, course) = watch.resumes().ok_or_else(nothing_trained)?;
        let Trained { w, mut h, .. } = Trained::zeros(b, config.layers.len(), (m, cut), config)?;
        let last = h.pop().ok_or_else(nothing_trained)?;
        watch.restore(b, &mut h)?;
        Ok(Self { w, last, hidden: h, course })
    }
}

fn nothing_trained() -> Error {
    Error::Config("a model needs a layer".into())
}

/// The layers that are trained.
struct Trained<B: Backend> {
    w: Vec<B::Matrix>,
    /// H of the last of them, behind those of the layers below where they are wanted.
    h: Vec<Samples<B>>,
    /// g(H) of the last of them, in a nonlinear model.
    fed: Option<Samples<B>>,
}

impl<B: Backend> Trained<B> {
    /// So many layers, all 0.
    fn zeros(b: &mut B, layers: usize, (m, cut): (usize, Cut), config: &Config) -> Result<Self> {
        let (ranks, mut rows) = (&config.layers[..layers], m);
        let (mut w, mut h) = (Vec::new(), Vec::new());
        for (l, &k) in ranks.iter().enumerate() {
            w.push(b.zeros(rows, k)?);
            if l + 1 == layers || config.keeps_hidden() {
                h.push(Samples::zeros_in(b, cut, k, config.scratch.as_deref())?);
            }
            rows = k;
        }
        let feeds = config.activation.is_some() && (1..config.layers.len()).contains(&layers);
        let fed = if feeds { Some(Samples::zeros(b, cut, rows)?) } else { None };
        Ok(Self { w, h, fed })
    }

    /// What the next layer is trained on.
    fn below<'a>(&'a mut self, x: &'a mut dyn Shards<B>) -> &'a mut dyn Shards<B> {
        match (&mut self.fed, self.h.last_mut()) {
            (Some(fed), _) => fed,
            (None, Some(below)) => below,
            (None, None) => x,
        }
    }
}

impl<B: Backend> State<B> for Trained<B> {
    fn visit(&mut self, b: &mut B, visitor: &mut Visitor<'_>) -> Result<()> {
        self.w.iter_mut().try_for_each(|w| visitor.matrix(b, "W of a layer", w))?;
        self.h.visit(b, visitor)?;
        self.fed.as_mut().map_or(Ok(()), |fed| fed.visit(b, visitor))
    }
}

/// Trains all layers one after another on `x`, of which `(entries, xx)` are the sums; those that a fit which goes on has trained are
/// taken from its checkpoint.
pub(super) fn pretrain_layers<B: Backend>(
    b: &mut B,
    (x, (mut entries, xx), x_storage): (&mut dyn Shards<B>, (f64, f64), Storage),
    config: &Config,
    start: Option<&Start<B::Elem>>,
    seconds: &mut Seconds,
    watch: &mut Watch<'_>,
) -> Result<Pretrained<B>> {
    let (method, solver, depth, cut) = (config.model.method, config.solver, config.layers.len(), x.cut());
    let (stage, mut course) = watch.resumes().unwrap_or_default();
    let mut trained = Trained::zeros(b, stage, (x.shape().1, cut), config)?;
    watch.restore(b, &mut trained)?;
    if watch.resumes().is_some() {
        *seconds = course.seconds;
    }
    let mut vv = xx;
    for layer in stage..depth {
        let clock = Instant::now();
        let v = trained.below(&mut *x);
        let (n, m) = v.shape();
        let (k, scratch) = (config.layers[layer], config.scratch.as_deref());
        let steps = if start.is_none() { init::steps(&*v, k, config) } else { 1 };
        watch.report(&Progress { of: steps, ..Progress::of(Stage::Init { layer }) });
        if layer > 0 {
            (entries, vv) = totals(b, v)?;
        }
        let (mut w_l, mut h_l);
        if watch.resumes().is_some() {
            (w_l, h_l) = (b.zeros(m, k)?, Samples::zeros_in(b, cut, k, scratch)?);
        } else {
            (w_l, h_l) = b.by_host(
                &mut *v,
                |b, v| {
                    let (w, h) = match start {
                        Some(start) => {
                            let (w, h) = given(start, layer, (n, m), k)?;
                            (w, h.slice_move(s![cut.own(), ..]))
                        }
                        None => init::start(b, (v, entries, vv), layer, config, watch)?,
                    };
                    Ok((b.upload(w.view())?, Samples::upload_in(b, cut, h.view(), scratch)?))
                },
                |b, v| {
                    init::shapes(b, v, k, config)?;
                    Ok((b.zeros(m, k)?, Samples::zeros_in(b, cut, k, scratch)?))
                },
            )?;
            if start.is_none() && config.init == Init::Random && !config.elastic_net.is_none() {
                without_penalties(b, (&mut *v, vv), (&mut w_l, &mut h_l), layer, config, watch)?;
            }
            if method == Method::Graph && start.is_none() && config.init != Init::Random {
                // The graph's penalty is of H alone: it weighs the same in any unit of X where H has all of the unit.
                baselines::unit_components(b, &mut w_l, &mut h_l)?;
            }
            course.constants = constants(b, layer, &w_l, &mut h_l, config)?;
        }
        watch.report(&Progress { done: steps, of: steps, ..Progress::of(Stage::Init { layer }) });
        seconds.init += clock.elapsed().as_secs_f64();
        course.seconds = *seconds;
        watch.begin(b, layer, &course, &mut trained)?;
        seconds.pretrain += watch.spent_on_stage();

        let clock = Instant::now();
        let v = trained.below(&mut *x);
        let (mu, lambda) = course.constants;
        let iterations = if config.is_one_stage() { config.sweeps } else { config.pretrain };
        let this = Layer { index: layer, iterations, mu, lambda };
        let refinement = if config.is_one_stage() { iterations.min(REFINEMENT) } else { 0 };
        let mut outcome = b.in_halves(x_storage == Storage::F16, |b, on| {
            course.halves = on;
            let this = Layer { iterations: iterations - if on { refinement } else { 0 }, ..this };
            method::train_layer(b, (v, vv), &mut w_l, &mut h_l, &this, config, watch)
        })?;
        if course.halves && config.is_one_stage() {
            let last = Layer { iterations: refinement, ..this };
            let last = method::train_layer(b, (v, vv), &mut w_l, &mut h_l, &last, &refined(config), watch)?;
            outcome.history.extend_from_slice(&last.history[1..]);
            outcome.graph_penalty = last.graph_penalty;
        }
        course.history.push(outcome.history);
        course.graph_penalty += outcome.graph_penalty;
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
        trained.fed = None;
        if let Some(activation) = config.activation.filter(|_| layer + 1 < depth) {
            trained.fed = Some(nonlinear::feed(b, activation, scaled, &mut w_l, &mut h_l)?);
        }
        // Made against ‖V‖², they are to weigh as much against ‖X‖².
        let share = if config.penalty_scale == PenaltyScale::ScaleFree && vv > 0.0 { xx / vv } else { 1.0 };
        course.penalties.mu.push(mu * share);
        course.penalties.lambda.push(lambda * share);
        trained.w.push(w_l);
        trained.h.push(h_l);
        if layer > 0 && !config.keeps_hidden() {
            // Only the last H is trained on; the others go, and their memory with them.
            trained.h.remove(0);
        }
        b.submit()?;
        seconds.pretrain += clock.elapsed().as_secs_f64();
    }
    let Trained { w, mut h, .. } = trained;
    let last = h.pop().ok_or_else(nothing_trained)?;
    Ok(Pretrained { w, last, hidden: h, course })
}

/// Iterations without penalties that a random start gets before entries are penalised.
const WITHOUT_PENALTIES: usize = 3;

/// Brings a random start near the data. Blocks that are solved for from random numbers with penalties on their entries leave components
/// at zero that the data need, and a component that is zero in W and in H stays so: of the breast cancer data, k = 5, four of five.
fn without_penalties<B: Backend>(
    b: &mut B,
    v: (&mut dyn Shards<B>, f64),
    (w, h): (&mut B::Matrix, &mut Samples<B>),
    index: usize,
    config: &Config,
    watch: &mut Watch<'_>,
) -> Result<()> {
    let layer = Layer { index, iterations: WITHOUT_PENALTIES, mu: 0.0, lambda: 0.0 };
    let config = &Config {
        elastic_net: ElasticNet::default(),
        extrapolate: Extrapolate::None,
        tol: 0.0,
        target_error: None,
        ..config.clone()
    };
    let (stage, of) = (Stage::Init { layer: index }, WITHOUT_PENALTIES);
    let mut report = |p: &Progress| {
        watch.report(&Progress { done: p.done, of, ..Progress::of(stage) });
        if watch.stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    // A fit that goes on from a checkpoint begins behind them.
    pretrain(b, v, w, h, &layer, config, &mut Watch::of_ranks(&mut report, config.ranks))?;
    Ok(())
}

/// The last iterations of a fit in halves, which are in f32.
pub(super) const REFINEMENT: usize = 3;

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
    h: &mut Samples<B>,
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
