//! Which solver reaches an objective first: the measurement behind `--solver auto`.
//!
//! ```text
//! cargo bench --bench solvers -- DATA [K1,K2] [MODEL] [cpu | adapter number]
//! ```
//!
//! The papers' procedure (Nesterov, 10 steps per block, one Lipschitz constant, 40 iterations) sets the objective, for layer 1
//! and for the fine-tuning of both layers from the same pre-trained factors; the other solvers are timed until they are
//! there. Without DATA it takes the embedded images and small layers.

use deepnmf::backend::gpu::{Gpu, GpuOptions};
use deepnmf::backend::{Backend, Cpu};
use deepnmf::bench::cpu_seconds;
use deepnmf::data::{self, Scale};
use deepnmf::model::ModelSpec;
use deepnmf::train::{self, Balance, Config, Extrapolate, Metric, PenaltyScale, Solver, Stage, Start};
use ndarray::Array2;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Seconds since the factors of a stage were there, and the objective, after every iteration.
type Course = Vec<(f64, f64)>;

/// What is timed.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Layer,
    Finetuning,
}

fn main() -> Outcome<()> {
    // `cargo bench` adds flags of its own.
    let args: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let arg = |i: usize, default: &str| args.get(i).map_or(default.to_string(), String::clone);
    let (mut set, layers) = match args.first() {
        Some(path) => (data::load(Path::new(path), &data::LoadOptions::default())?, arg(1, "600,160")),
        None => (data::embedded::fashion_mnist()?, arg(1, "60,20")),
    };
    data::preprocess(&mut set.x, Scale::UnitL2);
    let layers = layers.split(',').map(str::parse).collect::<Result<Vec<usize>, _>>()?;
    let model = ModelSpec::by_name(&arg(2, "sdnmf-l"))?;
    match arg(3, "cpu").as_str() {
        "cpu" => compare(&mut Cpu::<f32>::new(), &set.x, model, &layers),
        index => compare(&mut Gpu::open(index.parse()?, GpuOptions::default())?, &set.x, model, &layers),
    }
}

/// The solvers besides the papers', by name.
fn candidates(papers: &Config) -> Vec<(&'static str, Config)> {
    let cd = Config { solver: Solver::Cd, ..papers.clone() };
    let diagonal = Config { metric: Metric::Diagonal, inner: 20, ..papers.clone() };
    vec![
        ("nesterov, diagonal, 20 steps", diagonal),
        ("cd, 1 pass", Config { passes: Some(1), ..cd.clone() }),
        ("cd, passes by shape", cd.clone()),
        ("cd, 2 passes", Config { passes: Some(2), ..cd.clone() }),
        ("cd, 2 passes, not extrapolated", Config { passes: Some(2), extrapolate: Extrapolate::None, ..cd.clone() }),
        ("cd, 4 passes", Config { passes: Some(4), ..cd }),
    ]
}

fn compare<B: Backend<Elem = f32>>(b: &mut B, x: &Array2<f32>, model: ModelSpec, layers: &[usize]) -> Outcome<()> {
    println!("{}; {} samples × {} features, {}, {layers:?}", b.device_name(), x.nrows(), x.ncols(), model.title);
    let papers = Config {
        solver: Solver::Nesterov,
        metric: Metric::Plain,
        inner: 10,
        pretrain: 10,
        sweeps: 40,
        tol: 0.0,
        balance: Balance { layers: true, penalties: false, lengths: false },
        ..Config::new(model, layers)
    };
    let one = Config { layers: layers[..1].to_vec(), ..papers.clone() };
    report(b, x, "layer 1", &one, None, Part::Layer)?;

    let before = train::fit(b, x.view(), &Config { sweeps: 0, ..papers.clone() }, None, &mut deepnmf::train::silent)?;
    let last = before.factors.h;
    // The H of the hidden layers enter nothing.
    let of_layer =
        |w: &Array2<f32>| if w.ncols() == last.ncols() { last.clone() } else { Array2::ones((x.nrows(), w.ncols())) };
    let start: Start<f32> = before.factors.w.iter().map(|w| (w.clone(), of_layer(w))).collect();
    let from_there = Config {
        pretrain: 0,
        mu: before.penalties.mu,
        lambda: before.penalties.lambda,
        penalty_scale: PenaltyScale::Absolute,
        balance: Balance { layers: false, penalties: true, lengths: false },
        ..papers
    };
    report(b, x, "fine-tuning", &from_there, Some(&start), Part::Finetuning)
}

fn report<B: Backend<Elem = f32>>(
    b: &mut B,
    x: &Array2<f32>,
    what: &str,
    papers: &Config,
    start: Option<&Start<f32>>,
    part: Part,
) -> Outcome<()> {
    let (course, busy) = run(b, x, papers, start, part)?;
    let Some(&(seconds, target)) = course.last() else { return Err("no iterations".into()) };
    println!("{what}: objective {target:.5}");
    println!(
        "{:<34} {:>9} {:>11} {:>7} {:>9} {:>10}",
        "solver", "seconds", "iterations", "ratio", "CPU/wall", "after all"
    );
    let line = |name: &str, reached: Option<(usize, f64)>, busy: f64, last: f64| match reached {
        Some((iterations, s)) => {
            println!("{name:<34} {s:>9.3} {iterations:>11} {:>7.3} {busy:>9.2} {last:>10.5}", s / seconds);
        }
        None => println!("{name:<34} {:>9} {:>11} {:>7} {busy:>9.2} {last:>10.5}", "never", course.len(), ""),
    };
    line("nesterov, plain, 10 steps (papers)", Some((course.len(), seconds)), busy, target);
    for (name, config) in candidates(papers) {
        let (course, busy) = run(b, x, &config, start, part)?;
        let reached = course.iter().position(|(_, f)| *f <= target).map(|i| (i + 1, course[i].0));
        line(name, reached, busy, course.last().map_or(f64::NAN, |c| c.1));
    }
    Ok(())
}

/// The course of the part that is timed, and the process's CPU time per second of it.
fn run<B: Backend<Elem = f32>>(
    b: &mut B,
    x: &Array2<f32>,
    config: &Config,
    start: Option<&Start<f32>>,
    part: Part,
) -> Outcome<(Course, f64)> {
    let (mut course, mut clock, mut cpu) = (Course::new(), Instant::now(), cpu_clock());
    train::fit(b, x.view(), config, start, &mut |p| {
        match p.stage {
            // The next stage begins when the last one of these is done.
            Stage::Init { .. } => (clock, cpu) = (Instant::now(), cpu_clock()),
            Stage::Pretrain { .. } if part == Part::Layer => course.push((clock.elapsed().as_secs_f64(), p.objective)),
            Stage::Finetune if part == Part::Finetuning => course.push((clock.elapsed().as_secs_f64(), p.objective)),
            _ => {}
        }
        ControlFlow::Continue(())
    })?;
    let busy = (cpu_clock() - cpu) / clock.elapsed().as_secs_f64();
    Ok((course, busy))
}

/// CPU time of this process; NaN where the system does not tell. A share below the number of threads says that others were
/// at work on the machine.
fn cpu_clock() -> f64 {
    cpu_seconds().unwrap_or(f64::NAN)
}
