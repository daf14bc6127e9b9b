//! Pictures of components and of their hierarchy.

use ndarray::{Array2, Axis};

use super::method::Method;
use super::session::Session;
use super::write::Table;
use crate::data::ImageShape;
use crate::evaluate::{hoyer_columns, zeros};
use crate::report::hierarchy::{Strengths, parts_of};
use crate::report::montage::{GridOptions, grid, save_png};
use crate::{Error, Result};

const LAYERS: [usize; 2] = [160, 40];
/// The most components in a picture.
const SHOWN: usize = 100;
/// The components of the top layer in the hierarchy.
const TOPS: usize = 12;
/// The parts of each of them.
const PARTS: usize = 5;

/// The components of both layers of the five models, and their sparsity.
pub(super) fn layers(s: &mut Session<'_>) -> Result<()> {
    let shape = shape(s)?;
    let names = ["dnmf", "sdnmf-l", "sdnmf-r", "sdnmf-rl1", "sdnmf-rl2"];
    let methods = names.iter().map(|name| Method::new(name, LAYERS)).collect::<Result<Vec<_>>>()?;
    s.plan(&methods, 1)?;
    let mut table = Table::new(&["method", "factor", "zeros", "sparseness (Hoyer)", "error"]);
    let mut lines = Vec::new();
    for (name, method) in names.iter().zip(&methods) {
        let model = s.model(method)?;
        let (factors, of_x) = (&model.factors, model.metadata.relative_error);
        let strengths = Strengths::of(factors)?;
        for layer in 1..=factors.depth() {
            let shown = factors.components(layer)?.select(Axis(1), &strengths.strongest(layer, SHOWN));
            let path = s.path(&format!("-{name}-layer{layer}.png"));
            save_png(&path, &grid(shown.view(), shape, &GridOptions::default())?)?;
            s.wrote(path, "the strongest components");
        }
        let depth = factors.depth();
        let of_w = factors.w.iter().enumerate().map(|(l, w)| (format!("W_{}", l + 1), w));
        for (factor, a) in of_w.chain([(format!("H_{depth}"), &factors.h)]) {
            let (zeros, hoyer) = (zeros(a), hoyer_columns(a).unwrap_or(f64::NAN));
            let error = format!("{:.2} %", 100.0 * of_x);
            let shown = [format!("{:.1} %", 100.0 * zeros), format!("{hoyer:.3}"), error];
            table.rows.push([method.name(), factor.clone()].into_iter().chain(shown).collect());
            let values = [zeros, hoyer, of_x].map(|v| v.to_string());
            lines.push([method.name(), factor].into_iter().chain(values).collect());
        }
    }
    s.csv(&["method", "factor", "zeros", "hoyer", "error"], &lines)?;
    let notes = ["The pictures show the components W_1 and W_1 W_2 as images, the strongest 100 of a layer \
                  first; black is zero, and every tile has its own scale."];
    s.markdown(&table, &methods, &notes)
}

/// The strongest top components beside their parts.
pub(super) fn hierarchy(s: &mut Session<'_>) -> Result<()> {
    let shape = shape(s)?;
    let method = Method::new("sdnmf-l", LAYERS)?;
    s.plan([&method], 1)?;
    let model = s.model(&method)?;
    let factors = &model.factors;
    let (strengths, depth) = (Strengths::of(factors)?, factors.depth());
    let (whole, parts) = (factors.components(depth)?, factors.components(depth - 1)?);
    let columns: Vec<String> = (1..=PARTS).map(|i| format!("part {i}")).collect();
    let mut table = Table::new(&["component"]);
    table.columns.extend(columns);
    let mut lines = Vec::new();
    // A line of tiles for every component; those with fewer parts are filled up with empty tiles.
    let tops = strengths.strongest(depth, TOPS);
    let mut tiles = Array2::zeros((whole.nrows(), tops.len() * (1 + PARTS)));
    for (i, &top) in tops.iter().enumerate() {
        let mut at = i * (1 + PARTS);
        tiles.column_mut(at).assign(&whole.column(top));
        let mut row = vec![format!("{top}")];
        for part in parts_of(&factors.w, &strengths, depth, top, PARTS)?.parts {
            at += 1;
            tiles.column_mut(at).assign(&parts.column(part.component));
            row.push(format!("{} (coefficient {:.3}, share {:.2})", part.component, part.coefficient, part.share));
            let values = [part.coefficient.to_string(), part.share.to_string()];
            lines.push([top.to_string(), part.component.to_string()].into_iter().chain(values).collect());
        }
        row.resize(1 + PARTS, String::new());
        table.rows.push(row);
    }
    let path = s.path(".png");
    save_png(&path, &grid(tiles.view(), shape, &GridOptions { columns: Some(1 + PARTS), ..GridOptions::default() })?)?;
    s.wrote(path, "every component beside its parts");
    s.csv(&["component", "part", "coefficient", "share"], &lines)?;
    let notes = ["In the picture every line is one of the strongest components W_1 W_2 e_j and, to its \
                  right, the five columns of W_1 that add most to it. The coefficient is the entry of W_2; the share is the \
                  length of what the part adds, of the length of the whole."];
    s.markdown(&table, [&method], &notes)
}

fn shape(s: &Session<'_>) -> Result<ImageShape> {
    s.samples.set.image_shape.ok_or_else(|| {
        let message = "expected images, found numbers without a shape; --image-shape says it";
        Error::Data(format!("{}: {message}", s.samples.source))
    })
}
