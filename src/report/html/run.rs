//! The sections of the settings, the results in numbers, and the sparsity.

use super::section::{Report, Section, percent, rows};
use crate::Result;
use crate::evaluate::{hoyer_columns, zeros};
use crate::model::{Activate, Method, ModelSpec};
use crate::report::escape;
use crate::store::Model;
use crate::train::Solver;

fn arrows(sizes: impl IntoIterator<Item = usize>) -> String {
    sizes.into_iter().map(|k| k.to_string()).collect::<Vec<_>>().join(" → ")
}

/// The title of the page: the model and its layers.
pub(super) fn title(model: &Model) -> Result<String> {
    let m = &model.metadata;
    Ok(format!("{}, layers {}", escape(ModelSpec::by_name(&m.model)?.title), arrows(m.layers.iter().copied())))
}

/// The data, or without them the model, and the day.
pub(super) fn subtitle(report: &Report<'_>) -> String {
    let of = report.samples.as_ref().map_or(report.name, |s| s.source);
    format!("{}, {}", escape(of), day(report.made))
}

/// Such as `2026-11-26`, in UTC.
pub(super) fn day(time: std::time::SystemTime) -> String {
    // A clock before 1970 is wrong.
    let time = time.max(std::time::UNIX_EPOCH);
    humantime::format_rfc3339_seconds(time).to_string().chars().take_while(|c| *c != 'T').collect()
}

/// The result in a sentence.
pub(super) fn lead(report: &Report<'_>) -> String {
    let m = &report.model.metadata;
    let (error, energy) = (percent(m.relative_error), percent(1.0 - m.relative_error.powi(2)));
    format!(
        "<p class=\"lead\">The parts of {} samples explain {energy} of ‖X‖²; ‖X − X̂‖ is {error} of ‖X‖.</p>",
        m.n_samples
    )
}

pub(super) fn section(report: &Report<'_>) -> Result<Section> {
    let (f, m) = (&report.model.factors, &report.model.metadata);
    let spec = ModelSpec::by_name(&m.model)?;
    let mut shown: Vec<(&str, String)> = Vec::new();
    shown.push(("Model", format!("{} (<code>{}</code>)", escape(spec.title), escape(&m.model))));
    let sizes = std::iter::once(f.n_features()).chain(f.layer_sizes());
    shown.push(("Layers", format!("{}, from features to components", arrows(sizes))));
    let activation = match (m.activation, m.activate) {
        (None, _) => "none: the model is linear".to_string(),
        (Some(a), Activate::Hidden) => format!("{a} between the layers"),
        (Some(a), Activate::All) => format!("{a} between the layers and after the last one"),
    };
    shown.push(("Activation", activation));
    let shape = m.image_shape.map_or(String::new(), |s| {
        let colour = if s.channels == 3 { ", colour" } else { "" };
        format!(", images of {}×{} pixels{colour}", s.height, s.width)
    });
    let classes = if m.classes.is_empty() { String::new() } else { format!(", {} classes", m.classes.len()) };
    shown.push(("Training data", format!("{} samples × {} features{shape}{classes}", m.n_samples, f.n_features())));
    if let Some(split) = &m.split {
        let text = format!("{} samples of every class, seed {}; {} left out", split.per_class, split.seed, split.test);
        shown.push(("Split", text));
    }
    let igo = if m.preprocess.igo.is_some() { ", of the directions of the gradients" } else { "" };
    shown.push(("Scale", format!("{}{igo}", m.preprocess.scale)));
    if spec.method == Method::Blocks {
        let solver = match m.training.solver {
            Solver::Cd => "coordinate descent",
            _ => "Nesterov’s method",
        };
        shown.push(("Solver", solver.into()));
    }
    let numbers = |v: &[f64]| v.iter().map(|c| format!("{c:.3e}")).collect::<Vec<_>>().join(", ");
    for (name, constants) in [("Penalties of W", &m.penalties.mu), ("Penalties of H", &m.penalties.lambda)] {
        if constants.iter().any(|c| *c != 0.0) {
            shown.push((name, numbers(constants)));
        }
    }
    shown.push(("Device", escape(&m.device)));
    let s = &m.seconds;
    let parts = format!("init {:.1}, pre-training {:.1}, fine-tuning {:.1}", s.init, s.pretrain, s.finetune);
    shown.push(("Seconds", format!("{:.1} ({parts})", s.total)));
    shown.push(("Objective", format!("{:.6e}", m.objective)));
    let error = percent(m.relative_error);
    shown.push((
        "Error",
        match m.activation {
            None => format!("‖X − HΨᵀ‖ / ‖X‖ = {error}"),
            Some(f) => format!("‖X − X̂‖ / ‖X‖ = {error}, X̂ from H through all layers, with {f} between them"),
        },
    ));
    if let Some(samples) = &report.samples {
        let text =
            format!("{}: {} samples; {}", escape(samples.source), samples.x.nrows(), escape(samples.coefficients));
        shown.push(("Shown data", text));
    }
    let version = escape(&m.crate_version);
    shown.push(("Model file", format!("<code>{}</code>, by deepnmf {version}", escape(report.name))));
    let body = format!("<div class=\"settings wide\">\n{}{}</div>\n", rows(shown), settings(report.model));
    Ok(Section { id: "run", title: "What was run", body: Ok(body) })
}

/// All settings of the training, to unfold.
fn settings(model: &Model) -> String {
    let Ok(serde_json::Value::Object(settings)) = serde_json::to_value(&model.metadata.training) else {
        return String::new();
    };
    let text = |v: &serde_json::Value| match v {
        serde_json::Value::String(s) => escape(s),
        other => escape(&other.to_string()),
    };
    let table = rows(settings.iter().map(|(name, v)| (name.as_str(), format!("<code>{}</code>", text(v)))));
    format!("<details>\n<summary>All settings of the training</summary>\n{table}</details>\n")
}

/// The table of zeros and Hoyer's sparseness of all factors.
pub(super) fn sparsity(model: &Model) -> Section {
    let f = &model.factors;
    let factors = f.w.iter().enumerate().map(|(l, w)| (format!("W<sub>{}</sub>", l + 1), w));
    let lines: String = factors
        .chain([(format!("H<sub>{}</sub>", f.depth()), &f.h)])
        .map(|(name, a)| {
            let (rows, columns) = a.dim();
            let hoyer = hoyer_columns(a).map_or("–".into(), |v| format!("{v:.3}"));
            let cells = [format!("{rows} × {columns}"), percent(zeros(a)), hoyer];
            let cells: String = cells.iter().map(|c| format!("<td class=\"number\">{c}</td>")).collect();
            format!("<tr><th>{name}</th>{cells}</tr>\n")
        })
        .collect();
    let body = format!(
        "<div class=\"wide\">\n<table>\n<thead>\n<tr><th>Factor</th><th class=\"number\">Size</th>\
         <th class=\"number\">Zeros</th><th class=\"number\">Hoyer</th></tr>\n</thead>\n<tbody>\n{lines}</tbody>\n</table>\n\
         </div>\n<p class=\"soft\">Zeros: the share of entries that are exactly 0. Hoyer: (√n − ‖v‖₁/‖v‖₂) / (√n − 1), the \
         mean over the columns v of n entries that are not zero; 0 where all entries are equal, 1 where there is only \
         one.</p>\n"
    );
    Section { id: "sparsity", title: "Sparsity", body: Ok(body) }
}
