//! From a data set to a model file: checking, scaling, fitting, and the reports on it.

use std::path::{Path, PathBuf};
use std::time::Instant;

use deepnmf::atomic::NewFile;
use deepnmf::backend::{Precision, Storage};
use deepnmf::data::{Dim, Features, ImageSet, LoadOptions, Samples, Scale};
use deepnmf::evaluate::zeros;
use deepnmf::model::{Activate, Method, ModelSpec};
use deepnmf::store::{Model, Split, Training, Writer};
use deepnmf::train::{Config, Progress, Solver, Stage, Warning, device_bytes};
use deepnmf::{Engine, Error};
use serde_json::{Value, json};

use super::Result;
use super::args::shape_text;
use super::checkpoint::{self, CheckpointArgs};
use super::labels;
use super::output::{Output, arrows, bytes, name_of, percent};
use super::part::{Part, phases, share};
use super::progress::Reporter;
use super::ranks::agreed;
use super::samples::{self, Streamed, checked};
use super::stages::Stages;

/// A data set to fit.
pub(crate) struct Job {
    pub(crate) set: ImageSet<Samples>,
    /// Where several processes fit, what the set is of: it has the samples of this one, and the labels of all.
    pub(crate) part: Option<Part>,
    /// Its name, for messages.
    pub(crate) source: String,
    /// The options that it was read with.
    pub(crate) reading: LoadOptions,
    pub(crate) scale: Scale,
    pub(crate) features: Features,
    pub(crate) split: Option<Split>,
    /// The precision of the engine.
    pub(crate) precision: Precision,
    /// When reading began.
    pub(crate) start: Instant,
    /// When the fit has to end; None for no limit.
    pub(crate) until: Option<Instant>,
    /// Where the fit is written down; None where it is not.
    pub(crate) checkpoints: Option<CheckpointArgs>,
    /// Where the model goes.
    pub(crate) path: PathBuf,
    /// Its file; None where another process writes it.
    pub(crate) file: Option<NewFile>,
}

/// A model that was written, with information that is not in its file.
pub(crate) struct Fitted {
    /// Warnings of the fit.
    warnings: Vec<Warning>,
    pub(crate) model: Model,
    /// The share of zeros in the H of all samples.
    zeros_of_h: f64,
    source: String,
    /// The labels, described for people and as JSON.
    labels: Option<(String, Value)>,
    /// Notes of the reader.
    notes: Vec<String>,
    x_storage: Storage,
    precision: Precision,
    zero_samples: usize,
    /// What was read in all passes, where samples were streamed.
    streamed: Option<Streamed>,
    /// Whether that was images, which are decoded.
    images: bool,
    /// What several processes exchanged.
    exchanged: Option<Value>,
    load_seconds: f64,
    /// The peak of the memory of a GPU in bytes, measured and predicted.
    memory: Option<(u64, Option<u64>)>,
    start: Instant,
}

impl Job {
    /// Checks the samples, scales them, fits the model and writes it.
    pub(crate) fn run(self, engine: &mut Engine, config: &Config, out: &Output) -> Result<Fitted> {
        let Job { mut set, part, source, reading, scale, features, split, precision, .. } = self;
        let Job { start, until, checkpoints, path, file, .. } = self;
        let (own, m) = set.x.size();
        let n = part.as_ref().map_or(own, |part| part.samples);
        let ranks = part.as_ref().map(|part| part.ranks);
        let settings =
            json!({ "scale": scale, "features": features, "reading": reading, "split": split, "precision": precision });
        if let Some(ranks) = ranks {
            ranks.same("settings", settings.clone())?;
        }
        let zero_samples = checked(&mut set, &source, config.model.signed, part.as_ref(), out)?;
        let taken = labels::of_set(&set).map(|labels| (labels.text(), labels.json()));
        let (preprocess, flat) = agreed(ranks, set.preprocess_features(scale, features).map_err(Into::into))?;
        let ImageSet { x, image_shape, labels, classes, feature_names, notes, .. } = set;
        let of_all = |flat: usize| match ranks {
            None => Ok(flat),
            Some(ranks) => ranks.total(vec![flat as f64]).map(|all| all[0] as usize),
        };
        let flat = flat.map(of_all).transpose()?;
        if let Some(flat) = flat.filter(|flat| *flat > zero_samples) {
            out.warn(&format!(
                "{source}: {flat} of {n} images are of one shade: they have no gradients, their features are zero"
            ));
        }
        let load_seconds = start.elapsed().as_secs_f64();
        let shape = image_shape.map_or(String::new(), |s| format!(" ({})", shape_text(s)));
        out.note(&format!("{n} samples × {m} features{shape}"));
        out.detail(&format!("settings: {}", in_words(&Training::from(config))));
        let on_gpu = engine.stats().is_some();
        let x_storage = match &x {
            Samples::Held(x) if on_gpu => config.x_storage.resolve(x.view())?,
            _ => config.x_storage,
        };
        let x_storage = part.as_ref().map_or(Ok(x_storage), |part| part.storage(x_storage))?;
        let config = &Config { x_storage, stream: x.in_file(), ..config.clone() };
        let room = engine.check_memory(config, n, m).and_then(|()| match &file {
            None => Ok(()),
            Some(file) => file.reserve(Model::expected_bytes(config, n, m)),
        });
        agreed(ranks, room.map_err(Into::into))?;

        if let Some(part) = config.pretrained_on(n) {
            out.note(&format!("pre-training on {part} of {n} samples (--pretrain-samples)"));
        }
        let predicted = on_gpu && precision == Precision::F32;
        let expected = predicted.then(|| device_bytes(config, n, m)).transpose()?;
        if let Some(expected) = expected {
            out.detail(&format!("expected device memory {}", bytes(expected)));
        }
        let images = x.are_images();
        let (x, streamed) = samples::source(x)?;
        let mut x = match &part {
            None => x,
            Some(part) => part.placed(x),
        };
        let solver = config.solver_on(engine.fastest_solver());
        let stages = Stages::of(&Config { solver, ..config.clone() }, n, m);
        let mut progress = Reporter::new(out).until(until).of_fit(stages).reading(streamed.clone());
        let (mut checkpoints, checkpoint) = checkpoints.and_then(|args| args.open(&path, settings, out)).unzip();
        let mut report = |p: &Progress| progress.go_on(p);
        let (begin, before) = (Instant::now(), ranks.map(|ranks| ranks.traffic()));
        let fit = match &mut checkpoints {
            Some(to) => engine.fit_with_checkpoints(x.as_mut(), config, to, &mut report),
            None => engine.fit_samples(x.as_mut(), config, &mut report),
        };
        let (fit_seconds, after) = (begin.elapsed().as_secs_f64(), ranks.map(|ranks| ranks.traffic()));
        drop((progress, x));
        let mut fit = checkpoint::finished(fit, checkpoint.as_ref(), ranks, out)?;
        let streamed = streamed.map(|read| Streamed::of(&read, ranks)).transpose()?;
        let warnings = std::mem::take(&mut fit.warnings);
        for warning in &warnings {
            match warning {
                Warning::StillFalling { .. } | Warning::UnusedComponents { .. } => {
                    out.note(&format!("note: {warning}"))
                }
                _ => out.warn(&warning.to_string()),
            }
        }
        out.detail(&format!("penalty constants mu {:?}, lambda {:?}", fit.penalties.mu, fit.penalties.lambda));
        let memory = engine.stats().map(|stats| (stats.peak_bytes, expected));
        if let Some((peak, _)) = memory {
            out.detail(&format!("peak device memory {}", bytes(peak)));
        }
        let x_storage = fit.x_storage;
        if x_storage != Storage::F32 {
            out.detail(&format!("the samples were stored as {x_storage}"));
        }
        let mut model = Model::new(config, fit, preprocess, engine.device_name());
        model.metadata.reading = reading;
        model.metadata.image_shape = image_shape;
        model.metadata.feature_names = feature_names;
        model.metadata.split = split;
        model.metadata.classes = classes;
        model.metadata.labels = labels;
        let writes = file.is_some();
        let zeros_of_h = match ranks {
            None => {
                file.map_or(Ok(()), |file| save(|file| model.write_to(file), file))?;
                zeros(&model.factors.h)
            }
            Some(ranks) => {
                let save = |writer: &Writer<'_>| file.map_or(Ok(()), |file| save(|file| writer.write_to(file), file));
                agreed(Some(ranks), model.write_by(ranks, save)?.unwrap_or(Ok(())))?;
                let h = &model.factors.h;
                let of_all = ranks.total(vec![zeros(h) * h.len() as f64, h.len() as f64])?;
                of_all[0] / of_all[1].max(1.0)
            }
        };
        let exchanged = match (&part, before, after) {
            (Some(part), Some(before), Some(after)) => Some(part.exchanged(&after.since(&before), fit_seconds)?),
            _ => None,
        };
        if writes && checkpoint::stopped(&warnings).is_none() {
            checkpoint.iter().for_each(|written| written.done(out));
        }
        Ok(Fitted {
            warnings,
            model,
            zeros_of_h,
            source,
            labels: taken,
            notes,
            x_storage,
            precision,
            zero_samples,
            streamed,
            images,
            exchanged,
            load_seconds,
            memory,
            start,
        })
    }
}

/// Writes the model to `file`. If that fails, it writes it to another folder, which the error names, so that it is not lost.
fn save(write: impl Fn(NewFile) -> deepnmf::Result<()>, file: NewFile) -> Result {
    let Err(failure) = write(file) else { return Ok(()) };
    let name = format!("deepnmf-{}.safetensors", std::process::id());
    let elsewhere = [PathBuf::from("."), std::env::temp_dir()].map(|folder| folder.join(&name));
    match elsewhere.iter().find(|path| !path.exists() && NewFile::create(path).and_then(&write).is_ok()) {
        Some(path) => Err(Error::Data(format!("{failure}; the model is in {} instead", path.display())).into()),
        None => Err(failure.into()),
    }
}

impl Fitted {
    /// Seconds of everything, those of a fit that went on before it did included.
    fn total_seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64().max(self.load_seconds + self.model.metadata.seconds.total)
    }

    /// The object of `--json`; `file` is the model file.
    pub(crate) fn json(&self, file: &Path) -> Value {
        let (f, m) = (&self.model.factors, &self.model.metadata);
        json!({
            "model": m.model,
            "layers": m.layers,
            "activation": m.activation,
            "activate": m.activate,
            "device": m.device,
            "data": self.source,
            "n_samples": m.n_samples,
            "n_features": f.n_features(),
            "image_shape": m.image_shape,
            "labels": self.labels.as_ref().map(|(_, json)| json),
            "notes": self.notes,
            "zero_samples": self.zero_samples,
            "streamed": self.streamed,
            "ranks": self.exchanged,
            "reading": m.reading,
            "preprocess": m.preprocess,
            "x_storage": self.x_storage,
            "precision": self.precision,
            "split": m.split,
            "training": m.training,
            "penalties": m.penalties,
            "objective": m.objective,
            "relative_error": m.relative_error,
            "history": m.history,
            "stopped": checkpoint::stopped(&self.warnings).is_some(),
            "warnings": self.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "device_memory": self.memory.map(|(peak, expected)| json!({ "peak_bytes": peak, "expected_bytes": expected })),
            "zeros": { "w": f.w.iter().map(zeros).collect::<Vec<_>>(), "h": self.zeros_of_h },
            "seconds": {
                "load": self.load_seconds,
                "init": m.seconds.init,
                "pretrain": m.seconds.pretrain,
                "finetune": m.seconds.finetune,
                "fit": m.seconds.total,
                "total": self.total_seconds(),
            },
            "out": file.display().to_string(),
        })
    }

    /// How many iterations every stage made, of how many, and which option ended those that made fewer.
    fn iterations(&self) -> String {
        let m = &self.model.metadata;
        let t = &m.training;
        // Of a model of one layer, its training is all there is.
        let one_stage = m.layers.len() == 1 && t.online.is_none();
        let of_layer = if one_stage { t.sweeps } else { t.pretrain };
        let layers = m.history.pretrain.iter().enumerate().map(|(l, f)| (format!("layer {}", l + 1), f, of_layer));
        let fine = (!m.history.finetune.is_empty()).then(|| ("fine-tuning".into(), &m.history.finetune, t.sweeps));
        let stages: Vec<_> = layers.chain(fine).collect();
        let by_tol = if t.tol > 0.0 { format!(" (--tol {:e})", t.tol) } else { " (nothing changed any more)".into() };
        let by_target = t.target_error.filter(|target| m.relative_error <= *target);
        // From the stage on that was stopped.
        let stopped = checkpoint::stopped(&self.warnings).map(|stage| match stage {
            Stage::Init { layer } | Stage::Pretrain { layer } => layer,
            Stage::Finetune | Stage::Project => m.layers.len(),
        });
        let text = |(i, (name, objectives, most)): (usize, &(String, &Vec<f64>, usize))| {
            // The first value is that before any iteration, the last one of online training that of its pass for H alone.
            let besides = if t.online.is_some() && i == m.layers.len() { 2 } else { 1 };
            let made = objectives.len().saturating_sub(besides);
            let ended = match by_target {
                _ if made >= *most => String::new(),
                _ if stopped.is_some_and(|from| i >= from) => " (it was stopped)".into(),
                Some(target) if i + 1 == stages.len() => format!(" (--target-error {target})"),
                _ => by_tol.clone(),
            };
            format!("{name} {made} of {most}{ended}")
        };
        stages.iter().enumerate().map(text).collect::<Vec<_>>().join(", ")
    }

    /// Prints the summary for people.
    pub(crate) fn summary(&self, out: &Output) -> Result {
        let (f, m) = (&self.model.factors, &self.model.metadata);
        let shape = m.image_shape.map_or(String::new(), |s| format!(" ({})", shape_text(s)));
        let (n, features) = (m.n_samples, f.n_features());
        out.summary("data", &format!("{}: {n} samples × {features} features{shape}", self.source))?;
        if let Some((text, _)) = &self.labels {
            out.summary("labels", text)?;
        }
        if let Some(read) = &self.streamed {
            let share = percent(read.waited / m.seconds.total);
            let what = if self.images { "of pixels decoded" } else { "read from the file" };
            let text = format!("{} {what}, {share} of the time of the fit waiting", bytes(read.bytes));
            out.summary("streamed", &text)?;
        }
        let title = ModelSpec::by_name(&m.model)?.title;
        let between = match (m.activation, m.activate) {
            (None, _) => String::new(),
            (Some(a), Activate::Hidden) => format!(", {a} between them"),
            (Some(a), Activate::All) => format!(", {a} between and after them"),
        };
        out.summary("model", &format!("{title}, layers {}{between}", arrows(&m.layers)))?;
        out.summary("device", &m.device)?;
        // The other models have one solver only.
        if ModelSpec::by_name(&m.model)?.method == Method::Blocks {
            let solver = match m.training.solver {
                Solver::Cd => "coordinate descent",
                _ => "Nesterov's method",
            };
            out.summary("solver", &format!("{solver} (--solver {})", name_of(&m.training.solver)))?;
        }
        out.summary("iterations", &self.iterations())?;
        if let Some(exchanged) = &self.exchanged {
            let number = |name: &str| exchanged[name].as_u64().unwrap_or_default();
            let (ranks, sent, share) = (number("size"), bytes(number("bytes")), percent(share(exchanged)));
            out.summary(
                "ranks",
                &format!(
                    "{ranks}, which exchanged {sent}; {share} of the time of the fit went into that and into waiting"
                ),
            )?;
            phases(exchanged).iter().for_each(|line| out.detail(line));
        }
        let error = percent(m.relative_error);
        let energy = percent(1.0 - m.relative_error.powi(2));
        let objective = m.objective;
        out.summary(
            "error",
            &format!("{error} of ‖X‖ is not explained, {energy} of ‖X‖² is (objective {objective:.6e})"),
        )?;
        let w: Vec<_> = f.w.iter().enumerate().map(|(l, w)| format!("W_{} {}", l + 1, percent(zeros(w)))).collect();
        out.summary("zeros", &format!("{}, H_{} {}", w.join(", "), f.depth(), percent(self.zeros_of_h)))?;
        let (s, load, total) = (&m.seconds, self.load_seconds, self.total_seconds());
        let parts = [("read", load), ("init", s.init), ("pre-training", s.pretrain), ("fine-tuning", s.finetune)];
        let parts: Vec<_> = parts.iter().map(|(name, s)| format!("{name} {s:.1}")).collect();
        out.summary("seconds", &format!("{total:.1} ({})", parts.join(", ")))
    }
}

/// Settings by their names, without those that are not used.
fn in_words(settings: &Training) -> String {
    let serde_json::Value::Object(all) = json!(settings) else { return String::new() };
    let said = |(name, value): (&String, &serde_json::Value)| {
        let value = match value {
            serde_json::Value::Null => return None,
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        Some(format!("{} {value}", name.replace('_', " ")))
    };
    all.iter().filter_map(said).collect::<Vec<_>>().join(", ")
}
