//! Loops that end where their rule is met: after that very iteration, with nothing done behind it.

use super::verifier::Verifier;
use crate::Result;
use crate::backend::{Backend, Course, Element, Stopping};
use crate::model::HPenalty;
use crate::train::{Objective, Stage, Watch, iterate, silent};
use ndarray::{Array2, arr2};

/// ½‖X‖²; the objective is a five-hundredth of it.
const HALF: f64 = 1000.0;
const TOL: f64 = 1e-4;
/// How far from its edge a rule is tried.
const EDGE: f64 = 3e-5;
/// Iterations, at most.
const MAX: usize = 13;
/// From this iteration on a step has an operation of a size of its own: by then some are queued that must not happen.
const LATE: usize = 5;

/// A loop with half squared residuals as they were thought up.
struct Script {
    name: &'static str,
    halves: Vec<f64>,
    stop: Stopping,
    /// Iterations that the rule lets be made.
    made: usize,
}

pub(super) fn run<B: Backend<Elem = f32>>(v: &mut Verifier<'_, B>) -> Result<()> {
    for script in scripts() {
        let [found, expected] = [play(v.b, &script)?, play(&mut v.oracle, &script)?];
        let name = script.name;
        v.compare_number(format!("{name}, iterations"), found.0.len() as f64 - 1.0, script.made as f64, 0.0);
        v.compare_number(format!("{name}, steps"), found.1, script.made as f64, 0.0);
        v.compare_number(format!("{name}, late steps"), found.2, script.made.saturating_sub(LATE) as f64, 0.0);
        let rises = found.0.windows(2).filter(|f| f[1] > f[0]).count();
        if script.stop.course != Course::Plain {
            v.compare_number(format!("{name}, rises"), rises as f64, 0.0, 0.0);
        }
        let row = |f: Vec<f64>| Array2::from_shape_fn((1, f.len()), |(_, i)| f[i]);
        let (found, expected) = (row(found.0), row(expected.0));
        v.compare(format!("{name}, objective"), found.view(), expected.view(), (1e-12 * &expected).view());
    }
    Ok(())
}

/// Both rules and none, either side of their edges, falling and rising, in the first iteration and behind a look.
fn scripts() -> Vec<Script> {
    let changes = Stopping::new(TOL, None);
    let error = Stopping::new(0.0, Some((2.0 / HALF).sqrt()));
    let never = Stopping::new(1e-9, Some(1e-9));
    // From one f to the next: by so much more or less than the rule lets be.
    let by = |f: f64, times: f64| f / (1.0 + TOL * times);
    let edge = |start: f64, sign: f64| {
        let third = by(start, 1.0 + EDGE);
        vec![4.75, start, third, by(third, sign * (1.0 - EDGE))]
    };
    let halves = |f: Vec<f64>| f.into_iter().map(|f| f - PENALTY).collect::<Vec<_>>();
    let near = |target: f64| vec![3.0, target * (1.0 + 2.0 * EDGE), target * (1.0 - 2.0 * EDGE)];
    let long = |halves: Vec<f64>, before: usize| {
        let first = (0..before).map(|i| 4.0 - 0.125 * i as f64);
        first.chain(halves).collect::<Vec<_>>()
    };
    vec![
        Script { name: "loop that settles", halves: halves(edge(3.001, 1.0)), stop: changes, made: 4 },
        Script { name: "loop that settles upwards", halves: halves(edge(3.001, -1.0)), stop: changes, made: 4 },
        Script { name: "loop that settles late", halves: long(halves(edge(3.001, 1.0)), 5), stop: changes, made: 9 },
        Script { name: "loop with an error", halves: near(2.0), stop: error, made: 3 },
        Script { name: "loop with an error late", halves: long(near(2.0), 4), stop: error, made: 7 },
        Script { name: "loop that is over at once", halves: vec![1.5], stop: error, made: 1 },
        Script { name: "loop that stands still", halves: vec![START - PENALTY], stop: changes, made: 1 },
        // Further away than a device may count, and back.
        Script { name: "loop that jumps", halves: vec![4.0, 3e8, 3.3e8, 3.0, 3.0], stop: changes, made: 5 },
        // Taken back and resumed; the fourth in a row ends it, and one that falls enough begins anew.
        Script {
            name: "trials that settle",
            halves: vec![4.0, 3.0, 3.0, 3.5, 3.0, 2.5, 2.5, 2.75, 2.5, 2.5, 2.0],
            stop: changes.of_trials(Stopping::PATIENCE),
            made: 10,
        },
        Script { name: "trials with an error", halves: near(2.0), stop: error.of_trials(Stopping::PATIENCE), made: 3 },
        Script { name: "loop without end", halves: long(Vec::new(), MAX), stop: never, made: MAX },
    ]
}

/// The objective of every loop before its first iteration.
const START: f64 = 6.0;
/// What the objective has beyond the residual: ½ mu s².
const PENALTY: f64 = 1.0;

/// The history; how many steps were made, and how many of the late ones.
fn play<B: Backend>(b: &mut B, script: &Script) -> Result<(Vec<f64>, f64, f64)> {
    let e = |v: f64| B::Elem::of(f64::from(v as f32));
    // In rows of different parts of a sum: large terms that cancel exactly, and what is to be left.
    let mut terms = Vec::with_capacity(MAX);
    for i in 0..MAX {
        let half = script.halves[i.min(script.halves.len() - 1)];
        let whole = half.floor();
        let cross = HALF - whole + 100.0 + 7.25 * i as f64;
        let quadratic = 2.0 * (cross + whole - HALF);
        let mut of_cross = Array2::from_elem((8, 1), e(0.0));
        (of_cross[[0, 0]], of_cross[[4, 0]]) = (e(cross), e(whole - half));
        let mut of_quadratic = Array2::from_elem((8, 1), e(0.0));
        of_quadratic[[0, 0]] = e(quadratic);
        terms.push([b.upload(of_cross.view())?, b.upload(of_quadratic.view())?]);
    }
    let ones = b.upload(Array2::from_elem((8, 1), e(1.0)).view())?;
    let (one, w, s) = (b.upload(arr2(&[[e(1.0)]]).view())?, b.upload(arr2(&[[e(2.0)]]).view())?, b.zeros(1, 1)?);
    let (mut steps, mut late) = (b.zeros(1, 1)?, b.zeros(70, 70)?);
    let many = b.upload(Array2::from_elem((70, 70), e(1.0)).view())?;
    let mut objective = Objective::new(b, 2.0 * HALF, &[0.5], &[1], HPenalty::Ridge, 0.0)?;
    let (stage, rule) = ((Stage::Finetune, MAX), ((START, 1.0), script.stop));
    let (mut silent, mut queued) = (silent, 0);
    let mut watch = Watch::new(&mut silent);
    let history = iterate(b, &mut objective, stage, rule, &mut (), &mut watch, |b, objective, (), turn| {
        let [cross, quadratic] = &terms[queued];
        queued += 1;
        b.add(&mut steps, 1.0, &one)?;
        if queued > LATE {
            b.add(&mut late, 1.0, &many)?;
        }
        objective.record_fit(b, turn, (cross, &ones), (quadratic, &ones))?;
        objective.record_penalties(b, turn, [&w], &s)
    })?;
    Ok((history, b.download(&steps)?[[0, 0]].f64(), b.download(&late)?[[69, 69]].f64()))
}
