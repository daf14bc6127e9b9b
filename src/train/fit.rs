//! A whole fit: pre-training layer by layer, then fine-tuning.

use super::checkpoint::{Checkpoints, Course, Identity, Keeper};
use super::cut::Cut;
use super::layer::Start;
use super::layers::{Pretrained, pretrain_layers, psi, refined};
use super::objective::Objective;
use super::part::Part;
use super::project::{Projection, project};
use super::samples::{Samples, Shards, Streamed, download, hold, totals};
use super::shared::machine;
use super::source::Source;
use super::warnings::warnings;
use super::watch::Watch;
use super::{Config, Fit, History, Penalties, Progress, Seconds, Stage, Unit, Warning};
use super::{method, nonlinear};
use crate::backend::{Backend, Rows};
use crate::model::{Activate, Factors};
use crate::{Error, Result};
use ndarray::Array2;
use serde_json::Map;
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
/// the same H; the same bits, where c is a power of two. Only with [`PenaltyScale::Absolute`](super::PenaltyScale::Absolute) does X stay as it is.
///
/// With [`Config::ranks`] the source is asked for [`Config::own_rows`] only, and rank 0 gets the H of all of them, the others their own.
///
/// `progress` is told of every iteration, and of every step of the initialisation of a layer. Where it breaks, the fit ends with the
/// factors that it has: layers that were still to come get one iteration from a random start. [`Warning::Stopped`] says where it was.
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
    fit_kept(b, x, config, (start, None), progress)
}

/// [`fit_samples`] that is written down while it runs, or goes on from where it was written down. Then it ends with the bits of
/// one that was never stopped, on the same kind of device and with the same version of this crate; how X is cut, and whether it is
/// held or streamed, may change where they change no bit otherwise.
///
/// # Errors
/// As [`fit_samples`]. [`Error::Interrupted`] where [`Checkpoints::interrupt`] says so. Where it is to go on, [`Error::Io`],
/// [`Error::Format`] and [`Error::Data`] for a file that is no whole checkpoint, and [`Error::Config`] with all differences for one
/// of other data or settings.
pub fn fit_with_checkpoints<B: Backend>(
    b: &mut B,
    x: &mut dyn Source<B::Elem>,
    config: &Config,
    checkpoints: &mut Checkpoints,
    progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Fit<B::Elem>> {
    fit_kept(b, x, config, (None, Some(checkpoints)), progress)
}

fn fit_kept<B: Backend>(
    b: &mut B,
    x: &mut dyn Source<B::Elem>,
    config: &Config,
    (start, checkpoints): (Option<&Start<B::Elem>>, Option<&mut Checkpoints>),
    progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Fit<B::Elem>> {
    config.validate()?;
    same_fit(b, x.shape(), config, checkpoints.is_some())?;
    let (unit, look) = Unit::of_data(x, config)?;
    let start = start.map(|start| unit.divide_start(start, config));
    let mut report = |p: &Progress| progress(&unit.restored(p, config));
    let mut watch = Watch::of_ranks(&mut report, config.ranks);
    if let Some(to) = checkpoints {
        let keeper = Keeper::new(b, (x.shape(), look.checksum()), &of_device(b, config), to);
        let keeper = config.agreed(keeper)?;
        config.ranks.map_or(Ok(()), |ranks| ranks.same("checkpoint", keeper.resumed()?))?;
        watch.keep_by(keeper);
    }
    let mut fit = fit_divided(b, (x, unit), config, start.as_ref(), &mut watch)?;
    unit.restore(&mut fit)?;
    Ok(fit)
}

/// Refuses ranks whose fit is not that of rank 0.
fn same_fit<B: Backend>(b: &B, shape: (usize, usize), config: &Config, is_kept: bool) -> Result<()> {
    let Some(ranks) = config.ranks else { return Ok(()) };
    let mut settings = Map::new();
    settings.insert("machine".into(), machine(b).into());
    settings.insert("checkpoints".into(), is_kept.into());
    let own = Identity::of::<B::Elem>((shape, 0), &of_device(b, config), &settings)?;
    let all = ranks.all_of(&own)?;
    let differences = all.iter().enumerate().map(|(rank, other)| (rank, all[0].differences(other)));
    match differences.into_iter().find(|(_, differences)| !differences.is_empty()) {
        None => Ok(()),
        Some((rank, differences)) => {
            Err(Error::Config(format!("the fit of rank {rank} is not that of rank 0: {}", differences.join("; "))))
        }
    }
}

/// The solver that `auto` means.
pub(super) fn of_device<B: Backend>(b: &B, config: &Config) -> Config {
    Config { solver: config.solver_on(b.fastest_solver()), ..config.clone() }
}

/// [`fit_samples`] in the unit of `x/unit`.
pub(super) fn fit_divided<B: Backend>(
    b: &mut B,
    (source, unit): (&mut dyn Source<B::Elem>, Unit),
    config: &Config,
    start: Option<&Start<B::Elem>>,
    watch: &mut Watch<'_>,
) -> Result<Fit<B::Elem>> {
    let config = &of_device(b, config);
    let begin = Instant::now();
    let mut seconds = Seconds::default();
    let (n, m) = source.shape();
    let cut = if config.couples_samples() { Cut::whole(n) } else { Cut::of_fit(b, config, (n, m)) };
    let part = match start {
        None => config.pretrained_on(n),
        Some(_) if config.pretrain_samples.is_none_or(|part| part >= n) => None,
        Some(_) => {
            return Err(Error::Config(
                "a start has the H of all samples: pre-training cannot be on a part of them".into(),
            ));
        }
    };
    let pretrain_samples = part;
    // A fit that goes on in its fine-tuning has no pre-training.
    let finetunes = watch.resumes().is_some_and(|(stage, _)| stage == config.layers.len());
    let part = part
        .filter(|_| !finetunes)
        .map(|samples| Part::pretrain(b, (source, unit), samples, config, &mut seconds, watch))
        .transpose()?;
    let (mut held, mut streamed);
    let (x, x_storage): (&mut dyn Shards<B>, _) = if config.stream {
        let storage = config.x_storage.of_stream();
        streamed = Streamed::new(source, unit, storage, cut);
        (&mut streamed, storage)
    } else {
        let storage;
        (held, storage) = hold(b, source, unit, config.x_storage, cut)?;
        (&mut held, storage)
    };
    let sums = totals(b, x)?;
    let xx = sums.1;
    let Pretrained { mut w, mut last, mut hidden, mut course } = match part {
        _ if finetunes => {
            // A pre-training on a part leaves no coefficients of the layers below.
            let hidden = config.hidden && pretrain_samples.is_none();
            Pretrained::of_checkpoint(b, (m, cut), &Config { hidden, ..config.clone() }, watch)?
        }
        Some(part) => part.project(b, (x, xx), config, &mut seconds, watch)?,
        None => pretrain_layers(b, (x, sums, x_storage), config, start, &mut seconds, watch)?,
    };
    if finetunes {
        seconds = course.seconds;
    }
    course.seconds = seconds;
    if !config.is_one_stage() {
        watch.begin(b, w.len(), &course, &mut hidden)?;
    }
    let Course { history, penalties, graph_penalty, halves, .. } = course;
    let mut history = History { pretrain: history, finetune: Vec::new() };

    let (clock, depth) = (Instant::now(), w.len());
    if !config.is_one_stage() {
        let last_ones = refined(config);
        let sweeps = config.sweeps - if halves { last_ones.sweeps } else { 0 };
        let first_ones = &Config { sweeps, ..config.clone() };
        history.finetune =
            b.in_halves(halves, |b, _| method::finetune(b, (x, xx), &mut w, &mut last, &penalties, first_ones, watch))?;
        if halves {
            let rest = method::finetune(b, (x, xx), &mut w, &mut last, &penalties, &last_ones, watch)?;
            history.finetune.extend_from_slice(&rest[1..]);
        }
    }
    let before = if config.is_one_stage() { 0.0 } else { watch.spent_on_stage() };
    seconds.finetune = before + clock.elapsed().as_secs_f64();
    let mut objective = penalties_of(b, xx, (&w, &mut last), &penalties, config)?;
    let (represented, hidden, (objective, relative_error)) = match config.activation {
        None => {
            let psi = psi(b, &w, depth)?;
            let score = objective.exact(b, x, &mut last, &psi)?;
            (last, solve_hidden(b, x, &w, hidden, &penalties, config, watch)?, score)
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
    let factors = Factors { w, h: represented.into_host(b)?, hidden, activation, activate };
    seconds.total = watch.spent() + begin.elapsed().as_secs_f64();
    let mut warnings = warnings(&factors, &history, relative_error, config)?;
    if let Some(stage) = watch.stopped_in() {
        // More iterations would mend the others.
        let untrained = match stage {
            Stage::Init { layer } => depth - layer,
            Stage::Pretrain { layer } => depth - layer - 1,
            Stage::Finetune | Stage::Project => 0,
        };
        warnings = vec![Warning::Stopped { stage, untrained }];
    }
    Ok(Fit {
        factors,
        n_samples: n,
        solver: config.solver,
        x_storage,
        pretrain_samples,
        penalties,
        history,
        objective,
        relative_error,
        norm: xx.sqrt(),
        seconds,
        warnings,
    })
}

impl Progress {
    /// A report without numbers.
    pub(crate) fn of(stage: Stage) -> Self {
        Self { stage, done: 0, of: 0, objective: f64::NAN, relative_error: f64::NAN }
    }
}

/// The objective of the factors as they are, all but its residual.
fn penalties_of<B: Backend>(
    b: &mut B,
    xx: f64,
    (w, last): (&[B::Matrix], &mut Samples<B>),
    penalties: &Penalties,
    config: &Config,
) -> Result<Objective<B>> {
    let ranks: Vec<usize> = w.iter().map(|w| b.shape(w).1).collect();
    let k = ranks[w.len() - 1];
    let of_h = (config.h_penalty(), penalties.lambda[w.len() - 1]);
    let mut objective = Objective::new(b, xx, &penalties.mu, &ranks, of_h.0, of_h.1)?;
    objective.penalise_entries(b, config.elastic_net)?;
    let mut s = b.zeros(k, k)?;
    last.gram(b, &mut s)?;
    objective.record_penalties(b, 0, w, &s)?;
    objective.record_entries(b, 0, &w[0], last)?;
    Ok(objective)
}

/// The coefficients of the hidden layers under the final factors, from those of the pre-training where it was on all samples.
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
    let mut h = h.into_iter();
    for l in 0..w.len() - 1 {
        let psi = psi(b, w, l + 1)?;
        let mut h = match h.next() {
            Some(h) => h,
            None => Samples::zeros(b, x.cut(), b.shape(&psi).1)?,
        };
        let how = Projection {
            h_penalty: config.model.h_penalty,
            lambda: penalties.lambda[l],
            signed: config.model.signed,
            ..Projection::default()
        };
        project(b, x, &psi, &mut h, &how, watch)?;
        hidden.push(h.into_host(b)?);
    }
    Ok(hidden)
}
