//! `deepnmf fit`: from a data set to a model file.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::ArgMatches;
use deepnmf::Error;
use deepnmf::atomic::folder_of;
use deepnmf::backend::{Precision, Storage};
use deepnmf::data::{Dim, Features, LoadOptions, Scale};
use deepnmf::model::activation::ACTIVATIONS;
use deepnmf::model::spec::Layers;
use deepnmf::model::{Activate, Activation, MODELS, ModelSpec};
use deepnmf::ranks::Ranks;
use deepnmf::train::{
    Balance, Config, Extrapolate, GraphConfig, GraphWeights, Init, Metric, Online, PenaltyScale, Solver, host_bytes,
};
use serde_json::json;

use super::Result;
use super::args::{DataArgs, DeviceArg, item, known, named, samples_or_all, time_limit};
use super::checkpoint::CheckpointArgs;
use super::files::{not_data, output, quoted};
use super::job::Job;
use super::labels::LabelsArg;
use super::output::{Output, bytes, name_of, written};
use super::ranks::{self, agreed, by_first, own, read_by_all, same_labels, shared};
use super::samples::{Need, Stream, StreamArg, read, size, split};
use super::unused;

/// Learn the parts of a data set and write them to a model file.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  deepnmf fit faces/ --model sdnmf-rl2 --layers 160,40 --out faces.safetensors
  deepnmf fit PIE_pose27.mat --layers 600,160 --target-error 0.09 --json | jq .relative_error")]
pub(crate) struct Args {
    /// A folder of images (sub-folders are classes), a TIFF of several, .mat, .h5, .h5ad, .npy, .npz, IDX, .csv, .tsv or .parquet (.npy,
    /// IDX, .csv and .tsv also as .gz); - is standard input
    data: PathBuf,
    /// The model file to write; an existing file is replaced
    #[arg(long, value_name = "FILE", default_value = "model.safetensors")]
    out: PathBuf,
    #[command(flatten)]
    device: DeviceArg,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    training: TrainingArgs,
    #[command(flatten)]
    reading: DataArgs,
    #[command(flatten)]
    stream: StreamArg,
    #[command(flatten)]
    checkpoints: CheckpointArgs,
    /// The folder of a scratch file for the coefficients of samples that are streamed; auto: beside the model, where memory has no
    /// room for them
    #[arg(long, value_name = "FOLDER", default_value = "auto", help_heading = "Reading the data")]
    scratch: PathBuf,
    /// How values are scaled: unit (every sample to norm 1), max (the largest value to 1) or none
    #[arg(long, default_value_t, value_parser = named::<Scale>(["unit", "max", "none"]), help_heading = "Reading the data")]
    scale: Scale,
    #[arg(
        long,
        help = with_default("The features of an image: its values, or the directions of its gradients (igo), which have \
                             both signs", name_of(&Features::default())),
        value_parser = named::<Features>(["values", "igo"]),
        help_heading = "Reading the data"
    )]
    features: Option<Features>,
    /// The precision of products with the data: f32, or f16 on a GPU with tensor cores, with f32 again in the last iterations
    #[arg(long, value_name = "P", default_value = "f32", value_parser = named::<Precision>(["f32", "f16"]),
          help_heading = "Training")]
    precision: Precision,
    #[command(flatten)]
    labels: LabelsArg,
    /// Train on N samples of every class only
    #[arg(long, value_name = "N", help_heading = "Reading the data")]
    train_per_class: Option<usize>,
    /// The seed that these samples are drawn with
    #[arg(
        long,
        value_name = "S",
        default_value_t = 0,
        requires = "train_per_class",
        help_heading = "Reading the data"
    )]
    split_seed: u64,
}

#[derive(clap::Args)]
#[command(next_help_heading = "The model")]
struct ModelArgs {
    #[arg(long, default_value = "sdnmf-l", value_parser = known::<ModelSpec>(MODELS.iter().map(|m| m.name)), hide_possible_values = true,
          help = models_help())]
    model: ModelSpec,
    /// Components of every layer, from the first one on
    #[arg(long, value_name = "K1,K2,…", required = true, value_delimiter = ',', value_parser = item::<usize>)]
    layers: Vec<usize>,
    #[arg(long, value_name = "NAME", value_parser = known::<Activation>(ACTIVATIONS.iter().map(|(name, _)| *name)),
          hide_possible_values = true, help = activations_help())]
    activation: Option<Activation>,
    /// Which coefficients pass through the activation: those between two layers (hidden) or the last ones too (all)
    #[arg(long, default_value = "hidden", value_parser = named::<Activate>(["hidden", "all"]), requires = "activation")]
    activate: Activate,
    /// Penalty constant of W, one or one per layer [default: the model's]
    #[arg(long, value_name = "C,…", value_delimiter = ',', value_parser = item::<f64>, allow_negative_numbers = true)]
    mu: Option<Vec<f64>>,
    /// Penalty constant of H, one or one per layer [default: the model's]
    #[arg(long, value_name = "C,…", value_delimiter = ',', value_parser = item::<f64>, allow_negative_numbers = true)]
    lambda: Option<Vec<f64>>,
    /// The meaning of these constants: relative to the data at the initialisation, or absolute, as in the objective
    #[arg(long, default_value = "scale-free", value_parser = named::<PenaltyScale>(["scale-free", "absolute"]))]
    penalties: PenaltyScale,
    /// Smoothing of nsnmf and multilayer-nmf, from 0 to below 1 [default: the model's]
    #[arg(long, value_name = "T", allow_negative_numbers = true)]
    theta: Option<f64>,
    #[arg(long, value_name = "P",
          help = with_default("Neighbours of every sample in the graph of gnmf", GraphConfig::default().neighbors))]
    neighbors: Option<usize>,
    #[arg(long, value_parser = named::<GraphWeights>(["binary", "heat", "cosine"]),
          help = with_default("The weights of the edges of that graph", name_of(&GraphConfig::default().weights)))]
    graph: Option<GraphWeights>,
    #[arg(long, value_name = "C", allow_negative_numbers = true,
          help = with_default("The penalty constant of that graph", GraphConfig::default().lambda))]
    graph_lambda: Option<f64>,
    #[arg(long, value_name = "C", allow_negative_numbers = true,
          help = by_model("A ridge of C·tr(G)/k on the coefficients of new samples, for transform and evaluate; 0 for none",
                          |m| m.ridge))]
    ridge: Option<f64>,
}

#[derive(clap::Args)]
#[command(next_help_heading = "Training")]
struct TrainingArgs {
    #[arg(long, help = by_model("The initialisation of every layer", |m| name_of(&m.init)),
          value_parser = named::<Init>(["nndsvd", "nndsvda", "nndsvdar", "random", "svd"]))]
    init: Option<Init>,
    /// The seed of all random numbers
    #[arg(long, value_name = "S", default_value_t = defaults().seed)]
    seed: u64,
    #[arg(long, value_name = "N", help = by_model("The most iterations of pre-training per layer", |m| m.pretrain))]
    pretrain: Option<usize>,
    #[arg(long, value_name = "N|all", value_parser = samples_or_all,
          help = with_default("Pre-train the layers on N samples, drawn by the seed; fine-tuning is on all",
                              format!("{}, where there are more and fine-tuning follows", Config::PRETRAIN_SAMPLES)))]
    pretrain_samples: Option<usize>,
    #[arg(long, value_name = "N",
          help = by_model("The most sweeps of fine-tuning; with one layer, of its iterations", |m| m.sweeps))]
    sweeps: Option<usize>,
    /// Change W after every batch of samples, not after all of them: for sets too large for many sweeps. With one layer, too, pre-training
    /// comes first
    #[arg(long)]
    online: bool,
    #[arg(long, value_name = "N", requires = "online",
          help = with_default("Samples of a batch of online training", Online::default().batch))]
    batch: Option<usize>,
    #[arg(long, value_name = "F", requires = "online", allow_negative_numbers = true,
          help = with_default("What an online batch leaves of the sums over those before, in (0, 1]; 1: everything",
                              Online::default().forget))]
    forget: Option<f64>,
    #[arg(long, help = with_default("How blocks are solved: by the papers' method, by coordinate descent, or by the one \
                                     that is faster on the device", name_of(&defaults().solver)),
          value_parser = named::<Solver>(["auto", "nesterov", "cd"]))]
    solver: Option<Solver>,
    /// Nesterov steps per block
    #[arg(long, value_name = "N", default_value_t = defaults().inner)]
    inner: usize,
    /// Passes of coordinate descent per block; half as many for W in fine-tuning [default: 2 to 6, by shape]
    #[arg(long, value_name = "N")]
    passes: Option<usize>,
    /// Stages in which factors are extrapolated between iterations: none, pre-training by coordinate descent, or fine-tuning too
    #[arg(long, value_name = "WHERE", default_value = "all", value_parser = named::<Extrapolate>(["none", "pretrain", "all"]))]
    extrapolate: Extrapolate,
    #[arg(long, value_name = "T", allow_negative_numbers = true,
          help = by_model("Stop when the relative change of the objective per iteration is at most this; 0: never", |m| m.tol))]
    tol: Option<f64>,
    /// Stop as soon as the relative error ‖X − H Psiᵀ‖/‖X‖ is at most this
    #[arg(long, value_name = "E", allow_negative_numbers = true)]
    target_error: Option<f64>,
    /// Stop after this time, reading included, and keep the factors as they are then: 90s, 5m, 2h
    #[arg(long, value_name = "TIME", value_parser = time_limit, allow_negative_numbers = true)]
    time_limit: Option<Duration>,
    #[arg(long, help = by_model("The step size: one per block (plain), or one per coordinate (diagonal)", |m| name_of(&m.metric)),
          value_parser = named::<Metric>(["plain", "diagonal"]))]
    metric: Option<Metric>,
    /// How the samples are stored on the device: auto (on a GPU as bytes if that is exact), f32, f16 or u8; the last two round
    #[arg(long, value_name = "S", default_value = "auto", value_parser = named::<Storage>(["auto", "f32", "f16", "u8"]))]
    x_storage: Storage,
    /// Restart the momentum when it points uphill
    #[arg(long)]
    restart: bool,
    /// Which scale freedoms are removed: between layers, between penalties, both or neither
    #[arg(long, default_value = "all", value_parser = ["all", "layers", "penalties", "none"])]
    balance: String,
    /// Also solve for the coefficients of the hidden layers at the end
    #[arg(long)]
    hidden: bool,
    /// Power iterations per Lipschitz bound
    #[arg(long, value_name = "N", default_value_t = defaults().power_iterations)]
    power_iterations: usize,
}

/// The defaults of the library that are the same for all models and layers.
fn defaults() -> Config {
    Config::new(MODELS[0], [1])
}

fn with_default(help: &str, default: impl std::fmt::Display) -> String {
    format!("{help} [default: {default}]")
}

/// Help with the default of most models, and the other defaults.
pub(super) fn by_model<T: PartialEq + std::fmt::Display>(help: &str, of: impl Fn(&ModelSpec) -> T) -> String {
    let usual = of(&MODELS[0]);
    let mut others: Vec<(T, Vec<&str>)> = Vec::new();
    for model in MODELS.iter().filter(|m| of(m) != usual) {
        let value = of(model);
        match others.iter_mut().find(|(v, _)| *v == value) {
            Some((_, names)) => names.push(model.name),
            None => others.push((value, vec![model.name])),
        }
    }
    let others: String = others.iter().map(|(value, names)| format!("; {value}: {}", names.join(", "))).collect();
    with_default(help, format!("{usual}{others}"))
}

fn models_help() -> String {
    let names = |sparse: bool| {
        let of_those = MODELS.iter().filter(|m| (m.mu != Layers::None || m.lambda != Layers::None) == sparse);
        of_those.map(|m| m.name).collect::<Vec<_>>().join(", ")
    };
    format!("The model. With sparse factors: {}; without: {}", names(true), names(false))
}

fn activations_help() -> String {
    let names: Vec<_> = ACTIVATIONS.iter().map(|(name, _)| *name).collect();
    format!("Make the model nonlinear, with this between two layers: {} [default: linear]", names.join(", "))
}

/// The settings that were given, over the library's defaults.
fn config(model: ModelArgs, training: TrainingArgs) -> Config {
    let defaults = Config::new(model.model, model.layers);
    Config {
        activation: model.activation,
        activate: model.activate,
        theta: model.theta.unwrap_or(defaults.theta),
        graph: GraphConfig {
            neighbors: model.neighbors.unwrap_or(defaults.graph.neighbors),
            weights: model.graph.unwrap_or(defaults.graph.weights),
            lambda: model.graph_lambda.unwrap_or(defaults.graph.lambda),
        },
        ridge: model.ridge,
        mu: model.mu.unwrap_or_else(|| defaults.mu.clone()),
        lambda: model.lambda.unwrap_or_else(|| defaults.lambda.clone()),
        penalty_scale: model.penalties,
        init: training.init.unwrap_or(defaults.init),
        seed: training.seed,
        pretrain: training.pretrain.unwrap_or(defaults.pretrain),
        pretrain_samples: training.pretrain_samples,
        sweeps: training.sweeps.unwrap_or(defaults.sweeps),
        online: training.online.then(|| Online {
            batch: training.batch.unwrap_or(Online::default().batch),
            forget: training.forget.unwrap_or(Online::default().forget),
        }),
        solver: training.solver.unwrap_or(defaults.solver),
        x_storage: training.x_storage,
        inner: training.inner,
        passes: training.passes,
        extrapolate: training.extrapolate,
        tol: training.tol.unwrap_or(defaults.tol),
        target_error: training.target_error,
        metric: training.metric.unwrap_or(defaults.metric),
        restart: training.restart,
        balance: Balance {
            layers: matches!(training.balance.as_str(), "all" | "layers"),
            penalties: matches!(training.balance.as_str(), "all" | "penalties"),
            lengths: training.balance != "none",
        },
        hidden: training.hidden,
        power_iterations: training.power_iterations,
        ..defaults
    }
}

pub(crate) fn run(args: Args, given: Option<&ArgMatches>, ranks: Option<Ranks>, out: &Output) -> Result {
    // Invalid options are refused before anything is read.
    let time_limit = args.training.time_limit;
    let mut config = config(args.model, args.training);
    let refuse_unused = |config: &Config| given.map_or(Ok(()), |given| unused::refuse(given, config));
    refuse_unused(&config)?;
    if let Some(given) = given {
        unused::mention(given, &config, out);
    }
    let stream = args.stream.stream;
    (config.stream, config.ranks) = (stream == Stream::Yes, ranks);
    config.validate()?;
    let precision = args.precision;
    if precision == Precision::F16 {
        if !matches!(config.x_storage, Storage::Auto | Storage::F16) {
            let message = format!("--precision f16 stores the samples as f16, found --x-storage {}", config.x_storage);
            return Err(Error::Config(message).into());
        }
        config.x_storage = Storage::F16;
    }
    let features = args.features.unwrap_or_default();
    if features == Features::Igo && !config.model.signed {
        let signed: Vec<_> = MODELS.iter().filter(|m| m.signed).map(|m| m.name).collect();
        let message = format!(
            "--features igo makes negative values, which the model {} does not take; these do: {}",
            config.model.name,
            signed.join(", ")
        );
        return Err(Error::Config(message).into());
    }
    args.checkpoints.check(&args.out)?;
    let inputs = [Some(args.data.as_path()), args.labels.file()];
    let file = by_first(ranks, || output(&args.out, &inputs.into_iter().flatten().collect::<Vec<_>>()))?;
    not_data(&args.out)?;
    if ranks.is_some() && args.scale == Scale::Max {
        return Err(Error::Config("several ranks take --scale unit or none, found --scale max".into()).into());
    }
    let piped = args.data.as_os_str() == "-";
    let data = ranks::data(args.data, ranks)?;
    let mut engine = agreed(ranks, args.device.open_for(precision, out))?;
    if config.solver == Solver::Auto {
        refuse_unused(&Config { solver: config.solver_on(engine.fastest_solver()), ..config.clone() })?;
    }

    let start = Instant::now();
    let (labels, asked) = (args.labels.of(&data)?, args.reading.asked());
    let reading = LoadOptions { n_labels: labels.counts()?, ..args.reading.options() };
    let reading = shared(reading, ranks);
    let on_gpu = engine.stats().is_some();
    let held = |n: usize, m: usize| {
        let m = if features == Features::Igo { m.saturating_mul(2) } else { m };
        // The CPU backend computes with X as it was read, unless it has to divide it by its unit.
        let read = if on_gpu || args.scale != Scale::UnitL2 { size(config.own_rows(n, m).len(), m) } else { 0 };
        host_bytes(&Config { stream: false, ..config.clone() }, n, m, on_gpu).saturating_add(read)
    };
    let need = Need { held: &held, coupled: config.coupled() };
    let mut set = match ranks {
        None => read(&data, &reading, stream, &need, out)?,
        Some(ranks) => read_by_all(&data, &reading, (ranks, stream), out)?,
    };
    asked.check(&set, &data)?;
    agreed(ranks, labels.take(&mut set, out))?;
    if let Some(ranks) = ranks {
        ranks.same("options", json!({ "train_per_class": args.train_per_class, "split_seed": args.split_seed }))?;
    }
    let (set, split) = match args.train_per_class {
        Some(n) => agreed(ranks, split(set, n, args.split_seed, &data))?,
        None => (set, None),
    };
    same_labels(&set, split.as_ref(), ranks)?;
    let (n, m) = set.x.size();
    let (set, part) = own(set, &config, (stream, &need, &reading), out)?;
    if args.scratch != Path::new("auto") {
        config.scratch = Some(args.scratch);
    }
    if set.x.in_file() {
        let needed = |config: &Config| host_bytes(&Config { stream: true, ..config.clone() }, n, m, on_gpu);
        if config.scratch.is_none() && !on_gpu && needed(&config) > reading.budget() {
            let folder = folder_of(&args.out);
            out.note(&format!("the coefficients are in a scratch file in {} (--scratch)", folder.display()));
            config.scratch = Some(folder.into());
        }
        let needed = needed(&config);
        if needed > reading.budget() {
            out.warn(&format!(
                "streamed, the fit takes about {} of memory, which is more than {}; fewer --pretrain-samples or smaller layers \
                 take less",
                bytes(needed),
                bytes(reading.budget())
            ));
        }
    }
    let again = labels.options() + if reading.skip_broken { " --skip-broken" } else { "" };
    let source = if piped { "standard input".into() } else { data.display().to_string() };
    let until = time_limit.and_then(|limit| start.checked_add(limit));
    let checkpoints = Some(args.checkpoints);
    let (scale, path) = (args.scale, args.out.clone());
    let job =
        Job { set, part, source, reading, scale, features, split, precision, start, until, checkpoints, path, file };
    let fitted = job.run(&mut engine, &config, out)?;
    if out.is_json() {
        return out.json(&fitted.json(&args.out));
    }
    fitted.summary(out)?;
    out.summary("written", &written(&args.out))?;
    let data = if piped { String::new() } else { format!(" {}{again}", quoted(&data)) };
    out.summary("next", &format!("deepnmf report {}{data}", quoted(&args.out)))
}
