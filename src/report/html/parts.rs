//! The sections of the components and of their hierarchy.

use super::section::{Section, figure, sheet};
use crate::Result;
use crate::model::Activation;
use crate::report::hierarchy::{Part, Strengths, parts_of};
use crate::report::pictures::Pictures;
use crate::store::Model;
use ndarray::Array2;

/// The most components of a layer that are shown.
const TILES: usize = 100;
/// The most components at the top of the hierarchy.
const TOPS: usize = 12;
/// The parts of every component in the hierarchy.
const PARTS: usize = 5;
/// The most pictures of the hierarchy: with many layers there are fewer components at the top.
const TREE: usize = 600;

/// The components of all layers, and the hierarchy.
pub(super) fn sections(model: &Model, pictures: &Pictures<'_>) -> Result<[Section; 2]> {
    let f = &model.factors;
    let psi = (1..=f.depth()).map(|l| f.components(l)).collect::<Result<Vec<_>>>()?;
    let strengths = Strengths::of(f)?;
    let hierarchy = match f.depth() {
        1 => Err("the model has one layer, with nothing below it".into()),
        _ => Ok(hierarchy(model, &psi, &strengths, pictures)?),
    };
    let components = components(&psi, &strengths, pictures, model.factors.activation)?;
    Ok([
        Section { id: "components", title: "Components", body: Ok(components) },
        Section { id: "hierarchy", title: "Hierarchy", body: hierarchy },
    ])
}

fn alt(layer: usize, component: usize) -> String {
    format!("component {component} of layer {layer}")
}

fn components(
    psi: &[Array2<f32>],
    strengths: &Strengths,
    pictures: &Pictures<'_>,
    activation: Option<Activation>,
) -> Result<String> {
    let between = match activation {
        Some(f) if psi.len() > 1 => format!(" They are products without {f}, which the model has between its layers."),
        _ => String::new(),
    };
    let mut html = format!(
        "<p>What the components of every layer look like as samples: the columns of Ψ<sub>l</sub> = W<sub>1</sub> … \
         W<sub>l</sub>, by their numbers, which are the columns from 0, and those of the pictures that \
         <code>deepnmf export</code> writes. Strong is a component whose h<sub>j</sub>ψ<sub>j</sub>ᵀ is long. Every picture has its \
         own scale. {}{between}</p>\n",
        pictures.scale_text()
    );
    for (l, psi) in psi.iter().enumerate() {
        let (layer, k) = (l + 1, psi.ncols());
        let product: String = (1..=layer).map(|i| format!(" W<sub>{i}</sub>")).collect();
        let count = if k > TILES { format!("the {TILES} strongest of {k}") } else { format!("all {k}") };
        html.push_str(&format!(
            "<h3>Layer {layer}:{product}, {count}</h3>\n<div class=\"{}\">\n",
            sheet(pictures, false)
        ));
        let mut shown = strengths.strongest(layer, TILES);
        shown.sort_unstable();
        for j in shown {
            html.push_str(&figure(&pictures.html(psi.column(j), None, &alt(layer, j))?, &format!("{j}"), ""));
        }
        html.push_str("</div>\n");
    }
    Ok(html)
}

fn hierarchy(model: &Model, psi: &[Array2<f32>], strengths: &Strengths, pictures: &Pictures<'_>) -> Result<String> {
    let (w, depth) = (&model.factors.w, psi.len());
    let wanted = if depth > 3 { 3 } else { PARTS };
    let of_one: usize = (0..depth).map(|l| wanted.saturating_pow(l as u32)).fold(0, usize::saturating_add);
    let tops = (TREE / of_one).clamp(1, TOPS);
    let strongest = strengths.strongest(depth, tops);
    let nonlinear = match model.factors.activation {
        Some(_) => " The model is nonlinear: what a part adds depends on the others, too.",
        None => "",
    };
    let mut html = format!(
        "<p>The {} strongest components of layer {depth}, and the {wanted} strongest parts of the layer below that each is \
         made of; click one to open or close it. The share of part i in component j is \
         |W<sub>l</sub>[i,j]| ‖ψ<sub>i</sub>‖ / ‖ψ<sub>j</sub>‖, the length of what it adds by that of the whole. Shares \
         need not add up to 100 %: where parts overlap, their sum is longer than where they do not, and weaker parts are not shown. \
         The coefficient W<sub>l</sub>[i,j] stands in brackets.{nonlinear}</p>\n<div class=\"wholes\">\n",
        strongest.len()
    );
    for (i, j) in strongest.into_iter().enumerate() {
        let top = parts_of(w, strengths, depth, j, wanted)?;
        html.push_str(&whole(
            &top,
            &format!("<strong>Component {j}</strong><br/>of layer {depth}"),
            psi,
            pictures,
            i < 2,
        )?);
    }
    html.push_str("</div>\n");
    Ok(html)
}

fn share(part: &Part) -> String {
    let share = if part.share.is_finite() { format!("{:.0} %", 100.0 * part.share) } else { "cancels".into() };
    let coefficient = format!("{:.3}", part.coefficient).replace('-', "−");
    format!("<strong>{share}</strong> ({coefficient})")
}

/// A component that can be opened to show its parts.
fn whole(part: &Part, caption: &str, psi: &[Array2<f32>], pictures: &Pictures<'_>, open: bool) -> Result<String> {
    let (layer, j) = (part.layer, part.component);
    let picture = pictures.html(psi[layer - 1].column(j), None, &alt(layer, j))?;
    let class = pictures.class();
    let attribute = if open { " open=\"open\"" } else { "" };
    let mut html = format!(
        "<details class=\"whole\"{attribute}><summary><div class=\"pictures{class}\">{picture}</div><span>{caption}</span></summary>\n"
    );
    let deep = part.layer > 2;
    html.push_str(if deep { "<ul class=\"parts deep\">\n" } else { "<ul class=\"parts\">\n" });
    for (i, p) in part.parts.iter().enumerate() {
        // In an open component the strongest part is open too.
        let first = open && i == 0;
        let inner = match p.layer {
            1 => {
                let picture = pictures.html(psi[0].column(p.component), None, &alt(1, p.component))?;
                figure(&picture, &format!("{}<br/>part {}", share(p), p.component), "")
            }
            _ => {
                whole(p, &format!("{}<br/>part {} of layer {}", share(p), p.component, p.layer), psi, pictures, first)?
            }
        };
        html.push_str(&format!("<li>{inner}</li>\n"));
    }
    if part.parts.is_empty() {
        html.push_str("<li>no part: all coefficients are 0</li>\n");
    }
    html.push_str("</ul></details>\n");
    Ok(html)
}
