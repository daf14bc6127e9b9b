//! Pictures of components and of their hierarchy.

use std::collections::BTreeSet;

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
/// The layers of GZ Fig. 8, its class, from 1, and the samples of it.
const FIG8: [usize; 3] = [193, 141, 40];
const CLASS: usize = 36;
const OF_CLASS: usize = 10;
/// The most components in a picture.
const SHOWN: usize = 100;
/// The components of the top layer in the hierarchy.
const TOPS: usize = 12;
/// The parts of each of them.
const PARTS: usize = 5;
/// The least pixels of a side of a tile.
const SIDE: u32 = 96;

/// The components of both layers of the five models, and their sparsity.
pub(super) fn components(s: &mut Session<'_>) -> Result<()> {
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

/// Samples of a class with their coefficients, and what they are made of, from the top layer down: GZ Fig. 8.
pub(super) fn of_class(s: &mut Session<'_>) -> Result<()> {
    let shape = shape(s)?;
    let of = s.classes()?;
    let classes: Vec<usize> = of.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    let number = CLASS.min(classes.len());
    let rows: Vec<usize> = (0..of.len()).filter(|i| of[*i] == classes[number - 1]).take(OF_CLASS).collect();
    let method = Method::new("sdnmf-l", FIG8)?;
    s.plan([&method], 1)?;
    let model = s.model(&method)?;
    let factors = &model.factors;
    let (strengths, depth) = (Strengths::of(factors)?, factors.depth());
    let psi = (1..=depth).map(|l| factors.components(l)).collect::<Result<Vec<_>>>()?;

    let picture = |tiles: &Array2<f32>, shape, columns, min_side| {
        let options = GridOptions { columns: Some(columns), min_side, ..GridOptions::default() };
        grid(tiles.view(), shape, &options)
    };
    let path = s.path("-samples.png");
    let samples = s.samples.set.x.select(Axis(0), &rows).reversed_axes();
    save_png(&path, &picture(&samples, shape, OF_CLASS, SIDE)?)?;
    s.wrote(path, "samples of the class");
    // What a component adds to a sample, not its coefficient alone, because the lengths of components are arbitrary.
    let mut h = factors.h.select(Axis(0), &rows);
    h.columns_mut().into_iter().zip(&strengths.lengths[depth - 1]).for_each(|(mut h, length)| h *= *length as f32);
    let path = s.path("-coefficients.png");
    let (n, k) = h.dim();
    let flat = Array2::from_shape_fn((n * k, 1), |(i, _)| h[[i / k, i % k]]);
    save_png(&path, &picture(&flat, ImageShape::new(n, k, 1), 1, 640)?)?;
    s.wrote(path, "their coefficients");

    // The class as a whole above the top layer: its parts are the components, by their mean over its samples.
    let mean = h.mean_axis(Axis(0)).unwrap_or_default();
    let mut order: Vec<usize> = (0..k).collect();
    order.sort_by(|a, b| mean[*b].total_cmp(&mean[*a]));
    let whole = factors.reconstruct(factors.h.select(Axis(0), &rows).view())?.mean_axis(Axis(0)).unwrap_or_default();
    let length = whole.dot(&whole).sqrt();
    let mut lines = vec![(format!("class {number}"), whole, depth, Vec::new())];
    lines[0].3 = order.iter().take(PARTS).map(|j| (*j, mean[*j], f64::from(mean[*j] / length))).collect();
    for layer in (2..=depth).rev() {
        let Some(&(top, ..)) = lines.last().and_then(|line| line.3.first()) else { break };
        let parts = parts_of(&factors.w, &strengths, layer, top, PARTS)?.parts;
        let parts = parts.into_iter().map(|p| (p.component, p.coefficient, p.share)).collect();
        let whole = psi[layer - 1].column(top).to_owned();
        lines.push((format!("component {top} of layer {layer}"), whole, layer - 1, parts));
    }
    let mut table = Table::new(&["whole", "parts of"]);
    table.columns.extend((1..=PARTS).map(|i| format!("part {i}")));
    let mut tiles = Array2::zeros((psi[0].nrows(), lines.len() * (1 + PARTS)));
    let mut values = Vec::new();
    for (i, (name, whole, layer, parts)) in lines.iter().enumerate() {
        let at = i * (1 + PARTS);
        tiles.column_mut(at).assign(whole);
        let mut row = vec![name.clone(), format!("layer {layer}")];
        for (place, (j, coefficient, share)) in parts.iter().enumerate() {
            tiles.column_mut(at + 1 + place).assign(&psi[layer - 1].column(*j));
            row.push(format!("{j} (coefficient {coefficient:.3}, share {share:.2})"));
            values.push(vec![
                name.clone(),
                layer.to_string(),
                j.to_string(),
                coefficient.to_string(),
                share.to_string(),
            ]);
        }
        row.resize(table.columns.len(), String::new());
        table.rows.push(row);
    }
    let path = s.path("-parts.png");
    save_png(&path, &picture(&tiles, shape, 1 + PARTS, SIDE)?)?;
    s.wrote(path, "the class beside its parts, and the strongest part beside its own");
    s.csv(&["whole", "layer", "part", "coefficient", "share"], &values)?;
    let how = format!(
        "Class {number} of {}, its first {} samples. In the picture of the coefficients a line is a sample, a column a \
         component of layer {depth}, white the largest. In the picture of the parts the first line is the mean of the \
         reconstructed samples, and the five components of layer {depth} that add most to it; below it is the strongest of these \
         with its five strongest parts, and so on down to layer 1. Every tile has its own scale, and black is zero. The \
         coefficients of the first line are those of components of length 1.",
        classes.len(),
        rows.len(),
    );
    s.markdown(&table, [&method], &[&how])
}

fn shape(s: &Session<'_>) -> Result<ImageShape> {
    s.samples.set.image_shape.ok_or_else(|| {
        let message = "expected images, found numbers without a shape; --image-shape says it";
        Error::Data(format!("{}: {message}", s.samples.source))
    })
}
