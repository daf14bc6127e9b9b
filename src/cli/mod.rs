//! The command line: one file per subcommand, its arguments and its few lines of glue.

mod args;
mod bench;
mod bench_ranks;
mod checkpoint;
mod completions;
mod demo;
mod devices;
mod evaluate;
mod export;
mod failure;
mod files;
mod fit;
mod job;
mod labels;
pub(crate) mod output;
mod pack;
mod part;
mod progress;
mod ranks;
mod report;
mod reproduce;
mod samples;
mod signals;
mod stages;
mod table;
mod transform;
mod unused;
mod verify;

use std::num::NonZeroUsize;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use deepnmf::Error;
use deepnmf::ranks::{Connected, Ranks};

pub(crate) use failure::{Failure, Result};
use output::Output;

// Paragraphs are one line each: clap breaks them where the terminal ends. The examples are not broken in 80 columns.
const ABOUT: &str = "\
Learns the parts that a large set of images is made of, in layers, on the GPU or on the CPU: a sparse deep \
nonnegative matrix factorization.

images → data → X → init → W, H → train::pretrain → train::finetune → Factors → evaluate / report / save";

const EXAMPLE: &str = "\
Examples:
  deepnmf demo                                         look at parts of clothes
  deepnmf fit photos/ --resize 64x64 --layers 200,50   learn parts of your images
  deepnmf report model.safetensors photos/             a page to look at
  deepnmf transform model.safetensors more/ --out H.npy
                                                       describe others by them";

#[derive(Parser)]
#[command(name = "deepnmf", version, about = ABOUT, after_help = EXAMPLE)]
struct Cli {
    #[command(flatten)]
    how: How,
    #[command(subcommand)]
    command: Command,
}

/// The position of the common options in every help: after those of the command, before `--help`.
const LAST: usize = 900;

/// The options of every command.
#[derive(clap::Args)]
struct How {
    /// Print one JSON object on standard output; everything else goes to standard error.
    #[arg(long, global = true, display_order = LAST)]
    json: bool,
    /// Print no progress and no summaries.
    #[arg(short, long, global = true, display_order = LAST, conflicts_with = "verbose")]
    quiet: bool,
    /// Compute with N threads of the CPU [default: as many as it has]; the results are the same.
    #[arg(long, value_name = "N", global = true, display_order = LAST)]
    threads: Option<NonZeroUsize>,
    /// Print more: settings, penalty constants, every step of the progress.
    #[arg(short, long, global = true, display_order = LAST)]
    verbose: bool,
}

#[derive(Subcommand)]
enum Command {
    Fit(Box<fit::Args>),
    Transform(transform::Args),
    Evaluate(evaluate::Args),
    Report(report::Args),
    Export(export::Args),
    Pack(pack::Args),
    Reproduce(reproduce::Args),
    Verify(verify::Args),
    Devices(devices::Args),
    Bench(bench::Args),
    Demo(demo::Args),
    Completions(completions::Args),
    /// Print the manual, in the form that `man` reads: deepnmf man | man -l -
    Man,
}

impl Command {
    /// Whether several processes share its work.
    fn is_shared(&self) -> bool {
        match self {
            Self::Fit(_) | Self::Transform(_) | Self::Evaluate(_) => true,
            Self::Bench(args) => args.ranks,
            _ => false,
        }
    }
}

pub(crate) fn run() -> Result {
    let given = Cli::command().try_get_matches().map_err(Failure::Usage)?;
    let Cli { how, command } = Cli::from_arg_matches(&given).map_err(Failure::Usage)?;
    let of_several = deepnmf::ranks::launched().and_then(|_| NonZeroUsize::new(deepnmf::ranks::threads()));
    if let Some(threads) = how.threads.or(of_several) {
        limit_threads(threads)?;
    }
    // MPI may start threads: after the variable was set.
    let connected = ranks::connect(command.is_shared())?;
    let ranks = connected.as_ref().map(|connected| connected.ranks);
    ranks.map_or(Ok(()), |ranks| ranks.same("command", given.subcommand_name().unwrap_or_default()))?;
    signals::watch();
    let given = given.subcommand().map(|(_, given)| given);
    let is_first = ranks.is_none_or(|ranks| ranks.is_first());
    let out = Output::new(how.json, how.quiet || !is_first, how.verbose && is_first);
    let done = run_command(command, (given, ranks), &out).map_err(|failure| match failure {
        Failure::Failed(error) => Failure::Failed(files::named_input(error)),
        other => other,
    });
    if done.as_ref().err().is_none_or(Failure::is_no_fault) {
        connected.into_iter().for_each(Connected::end);
    }
    files::forget_input();
    done
}

fn run_command(command: Command, (given, ranks): (Option<&clap::ArgMatches>, Option<Ranks>), out: &Output) -> Result {
    match command {
        Command::Fit(args) => fit::run(*args, given, ranks, out),
        Command::Transform(args) => transform::run(args, ranks, out),
        Command::Evaluate(args) => evaluate::run(args, ranks, out),
        Command::Report(args) => report::run(args, out),
        Command::Export(args) => export::run(args, out),
        Command::Pack(args) => pack::run(args, out),
        Command::Reproduce(args) => reproduce::run(args, out),
        Command::Verify(args) => verify::run(args, out),
        Command::Devices(args) => devices::run(args, out),
        Command::Bench(args) if args.ranks => bench_ranks::run(args, ranks, out),
        Command::Bench(args) => bench::run(args, out),
        Command::Demo(args) => demo::run(args, out),
        Command::Completions(args) => completions::run(args, Cli::command(), out),
        Command::Man => completions::man(Cli::command(), out),
    }
}

/// As many as a large machine has, and not so many that they stop it.
const MOST_THREADS: usize = 256;

/// For everything that computes in threads.
fn limit_threads(threads: NonZeroUsize) -> Result {
    let most = std::thread::available_parallelism().map_or(MOST_THREADS, |n| n.get().max(MOST_THREADS));
    if threads.get() > most {
        return Err(Error::Config(format!("--threads: expected at most {most}, found {threads}")).into());
    }
    // What ndarray multiplies with has threads of its own, as many as this variable says when it multiplies first.
    // SAFETY: the program has only this thread yet.
    unsafe { std::env::set_var("MATMUL_NUM_THREADS", threads.to_string()) };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.get()).build_global();
    pool.map_err(|e| Error::Config(format!("--threads {threads}: {e}")).into())
}
