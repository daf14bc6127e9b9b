//! The section of the curves: objectives, and the relative error where it can be computed from them.

use super::section::Section;
use crate::Result;
use crate::model::{Method, ModelSpec};
use crate::report::charts::{Axis, Chart, Series};
use crate::store::Model;

pub(super) fn section(model: &Model) -> Result<Section> {
    let m = &model.metadata;
    let mut charts = Vec::new();
    let sizes: Vec<_> = std::iter::once(model.factors.n_features()).chain(m.layers.iter().copied()).collect();
    for (l, course) in m.history.pretrain.iter().enumerate() {
        let what = if m.layers.len() == 1 && m.training.online.is_none() {
            "Training".to_string()
        } else {
            format!("Pre-training of layer {}", l + 1)
        };
        let sizes = sizes.get(l..l + 2).map_or(String::new(), |s| format!(": {} → {}", s[0], s[1]));
        charts.extend(chart(format!("{what}{sizes}"), "Iteration", "Objective", course.clone()));
    }
    charts.extend(chart("Fine-tuning of all layers".into(), "Sweep", "Objective", m.history.finetune.clone()));
    let (errors, why) = match errors(model)? {
        Ok((what, errors)) => {
            let percents = errors.iter().map(|e| 100.0 * e).collect();
            (
                chart(
                    format!("Error: {what}"),
                    if what == FINE_TUNING { "Sweep" } else { "Iteration" },
                    "‖X − HΨᵀ‖ / ‖X‖, %",
                    percents,
                ),
                String::new(),
            )
        }
        Err(why) => (None, format!("<p class=\"missing\">No curve of the error: {why}.</p>\n")),
    };
    charts.extend(errors);
    let body = match charts.is_empty() {
        true => Err("the model has no history of its objective".into()),
        false => {
            let svgs = charts.iter().map(Chart::to_inline_svg).collect::<Result<Vec<_>>>()?;
            let text = "<p>The objective is half the squared residual and the penalties; in pre-training that of \
                        approximating the layer below. The first value is that of the initialisation.</p>\n";
            Ok(format!("{text}<div class=\"charts\">\n{}</div>\n{why}", svgs.concat()))
        }
    };
    Ok(Section { id: "course", title: "Course of the training", body })
}

/// A curve over the number of steps, if it has at least two values.
fn chart(title: String, x: &str, y: &str, values: Vec<f64>) -> Option<Chart> {
    // On a logarithmic axis everything is positive.
    let log = values.iter().all(|v| *v > 0.0);
    let y = if log { Axis::new(y).log() } else { Axis::new(y) };
    let last = values.len().checked_sub(1).filter(|last| *last > 0)?;
    let points = values.into_iter().enumerate().map(|(i, v)| (i as f64, v));
    let x = Axis::new(x).limits(0.0, last as f64);
    Some(Chart::lines(title, x, y, vec![Series::new("", points)]))
}

const FINE_TUNING: &str = "fine-tuning";

/// The relative error after every iteration, from the objectives: without penalties these are ½‖X − …‖², so that errors are
/// proportional to their square roots.
fn errors(model: &Model) -> Result<Result<(&'static str, Vec<f64>), String>> {
    let m = &model.metadata;
    let penalties = m.penalties.mu.iter().chain(&m.penalties.lambda);
    if penalties.copied().any(|c| c > 0.0) || ModelSpec::by_name(&m.model)?.method == Method::Graph {
        return Ok(Err("the objective holds penalties, and the error was not kept on the way".into()));
    }
    let (what, course) = match (m.history.finetune.as_slice(), m.history.pretrain.as_slice()) {
        ([], [only]) => ("training", only.as_slice()),
        ([], _) => return Ok(Err("the layers were fitted one after the other, never together".into())),
        (course, _) => (FINE_TUNING, course),
    };
    if m.objective <= 0.0 || course.iter().any(|f| *f < 0.0) {
        return Ok(Err("the objective is not positive".into()));
    }
    Ok(Ok((what, course.iter().map(|f| m.relative_error * (f / m.objective).sqrt()).collect())))
}
