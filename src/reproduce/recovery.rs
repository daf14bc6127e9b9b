//! How many known parts the models find.

use std::io::Write as _;

use ndarray::{Array2, Axis};

use super::method::Method;
use super::session::{Samples, Session};
use super::truth::{self, Truth};
use super::write::Table;
use crate::Result;
use crate::atomic::write_atomically;
use crate::data::{ImageSet, npy_header};
use crate::evaluate::{Recovery, Statistic};
use crate::report::charts::{Axis as ChartAxis, Bar, Chart};
use crate::report::montage::{GridOptions, grid, save_png};
use crate::train::Init;

/// Iterations, sweeps included: so many that no model stops early for want of them.
const ITERATIONS: usize = 500;
const TOL: f64 = 1e-6;

/// The samples of the swimmers.
pub(super) fn swimmers() -> Result<Samples> {
    Ok(samples("Swimmer, 32×32 pixels", truth::swimmer(0)))
}

/// The planted samples of the first seed.
pub(super) fn plantations() -> Result<Samples> {
    Ok(samples("planted factors, 16×16 pixels, seed 0", truth::planted(0)))
}

fn samples(source: &str, truth: Truth) -> Samples {
    let set = ImageSet {
        x: truth.x,
        image_shape: Some(truth.shape),
        labels: None,
        classes: Vec::new(),
        label_source: None,
        names: Vec::new(),
        feature_names: Vec::new(),
        notes: Vec::new(),
    };
    Samples { source: source.into(), set, labels: Vec::new(), classes: Vec::new() }
}

/// Models that find the parts of swimmers.
pub(super) fn swimmer(s: &mut Session<'_>) -> Result<()> {
    let one = ["nmf-mu", "pgnmf", "nenmf", "nsnmf", "dnmf", "sdnmf-l", "sdnmf-r", "sdnmf-rl1", "sdnmf-rl2", "semi-nmf"];
    let mut methods = one.iter().map(|name| Method::new(name, [17])).collect::<Result<Vec<_>>>()?;
    methods.extend(
        [0.01, 0.1]
            .map(|c| Method::new("sdnmf-l", [17]).map(|m| m.penalised(c)))
            .into_iter()
            .collect::<Result<Vec<_>>>()?,
    );
    for name in ["multilayer-nmf", "dnmf", "sdnmf-l", "deep-semi-nmf"] {
        methods.push(Method::new(name, [32, 17])?);
    }
    let how = "256 images of a torso and four limbs in four positions each: 17 parts that share no pixel. As the torso is in every \
               image, parts of it can hide in the limbs without a larger error. Fits start at random, from another seed each; those of Semi-NMF and Deep Semi-NMF from the SVD.";
    recover(s, truth::swimmer, methods, how)
}

/// Models that find planted components of two layers.
pub(super) fn planted(s: &mut Session<'_>) -> Result<()> {
    let mut methods = Vec::new();
    for k in [24, 8] {
        for name in ["nmf-mu", "nenmf", "sdnmf-l", "semi-nmf"] {
            methods.push(Method::new(name, [k])?);
        }
    }
    for name in ["multilayer-nmf", "dnmf", "sdnmf-l", "sdnmf-r", "sdnmf-rl1", "sdnmf-rl2", "deep-semi-nmf"] {
        methods.push(Method::new(name, [24, 8])?);
    }
    let how = "600 images X = (H W_2ᵀ + E) W_1ᵀ and noise of 5 % of their length: 24 rectangles, and 8 components made of five of them. By E \
               every rectangle is also in a tenth of the images on its own; without it nothing would tell those of a component \
               apart. The data are made anew for every seed. Models of one layer have 24 or 8 components.";
    recover(s, truth::planted, methods, how)
}

/// Fits all methods for all seeds, and matches their components with the parts of the layer of the same size.
fn recover(s: &mut Session<'_>, make: fn(u64) -> Truth, mut methods: Vec<Method>, how: &str) -> Result<()> {
    for method in &mut methods {
        let config = &mut method.config;
        (config.pretrain, config.sweeps, config.tol) = (ITERATIONS, ITERATIONS, TOL);
        if !config.model.signed {
            config.init = Init::Random;
        }
    }
    s.plan(&methods, s.options.fits)?;
    // By method and layer: what is found with every seed, and its error.
    type Outcomes = Vec<(Recovery, f64)>;
    let mut rows: Vec<(usize, usize, Outcomes)> = Vec::new();
    for seed in 0..s.options.fits {
        let truth = make(seed as u64);
        write(s, &truth, seed)?;
        for (i, method) in methods.iter().enumerate() {
            s.step(format!("{}, layers {}, seed {seed}", method.name(), method.layers(" → ")));
            let config = method.clone().seeded(seed as u64).config;
            let fit = s.fit_of(truth.x.clone(), &config, &mut |_| ())?;
            s.made += 1;
            for layer in 1..=fit.factors.depth() {
                let found = fit.factors.components(layer)?;
                let Some(parts) = truth.parts.iter().find(|parts| parts.ncols() == found.ncols()) else { continue };
                let recovery = Recovery::of(found.view(), parts.view())?;
                if seed == 0 {
                    let matched: Vec<usize> = recovery.component.iter().filter_map(|j| *j).collect();
                    let ending = format!("{}-{}-layer{layer}", slug(&method.name()), method.layers("-"));
                    picture(s, &found.select(Axis(1), &matched), &truth, &ending, config.model.signed)?;
                }
                let outcome = (recovery, fit.relative_error);
                match rows.iter_mut().find(|row| (row.0, row.1) == (i, layer)) {
                    Some(row) => row.2.push(outcome),
                    None => rows.push((i, layer, vec![outcome])),
                }
            }
        }
    }

    let mut table = Table::new(&["method", "layers", "components of", "parts", "found", "mean cosine", "error"]);
    let (mut lines, mut bars) = (Vec::new(), Vec::new());
    for (i, layer, outcomes) in &rows {
        let method = &methods[*i];
        let of = |of: fn(&Recovery) -> f64| Statistic::of(outcomes.iter().map(|(recovery, _)| of(recovery)));
        let (found, mean) = (of(Recovery::found), of(Recovery::mean));
        let parts = method.config.layers[*layer - 1];
        table.rows.push(vec![
            method.name(),
            method.layers(" → "),
            format!("layer {layer}"),
            parts.to_string(),
            format!("{:.1} ± {:.1} %", 100.0 * found.mean, 100.0 * found.sd),
            format!("{:.3} ± {:.3}", mean.mean, mean.sd),
            format!("{:.2} %", 100.0 * Statistic::of(outcomes.iter().map(|(_, error)| *error)).mean),
        ]);
        let label = format!("{}, {}, layer {layer}", method.name(), method.layers(" → "));
        bars.push(Bar { label, value: 100.0 * found.mean, deviation: Some(100.0 * found.sd), reference: None });
        for (seed, (recovery, error)) in outcomes.iter().enumerate() {
            let mut line = vec![method.name(), method.layers("-"), layer.to_string(), seed.to_string()];
            line.extend([recovery.found(), recovery.mean(), *error].map(|v| v.to_string()));
            lines.push(line);
        }
    }
    s.csv(&["method", "layers", "layer", "seed", "found", "mean_cosine", "error"], &lines)?;
    let scores = "Components are matched with the parts one to one, so that the sum of cosines is the largest. Found: the share of parts \
                  whose cosine is at least .95. Error: ‖X − X̂‖/‖X‖. The pictures show what was found with seed 0, in the order of the \
                  parts. The data of every seed, and their parts, are in the .npy files.";
    s.markdown(&table, &methods, &[how, scores])?;
    let axis = ChartAxis::new("Parts found, %").limits(0.0, 100.0);
    s.chart("", &Chart::bars(s.title(), axis, bars, "").sized(640, 0))
}

/// Writes the data of a seed, for other programs, and pictures of the parts of the first one.
fn write(s: &mut Session<'_>, truth: &Truth, seed: usize) -> Result<()> {
    for (name, a) in [("x", &truth.x)].into_iter().chain(["parts1", "parts2"].into_iter().zip(&truth.parts)) {
        let path = s.path(&format!("-{seed}-{name}.npy"));
        write_atomically(&path, |file| {
            file.write_all(&npy_header("<f4", a.dim()))?;
            a.iter().try_for_each(|v| file.write_all(&v.to_le_bytes()))
        })?;
        s.wrote(path, if name == "x" { "the data" } else { "their parts" });
    }
    if seed == 0 {
        for (layer, parts) in truth.parts.iter().enumerate() {
            picture(s, parts, truth, &format!("truth-layer{}", layer + 1), false)?;
        }
    }
    Ok(())
}

/// A name as a part of a file name.
fn slug(name: &str) -> String {
    let one = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c.to_ascii_lowercase() } else { '-' };
    let dashed: String = name.chars().map(one).collect();
    dashed.split('-').filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
}

fn picture(s: &mut Session<'_>, tiles: &Array2<f32>, truth: &Truth, ending: &str, diverging: bool) -> Result<()> {
    let path = s.path(&format!("-{ending}.png"));
    let options = GridOptions { columns: Some(8.min(tiles.ncols())), diverging, ..GridOptions::default() };
    save_png(&path, &grid(tiles.view(), truth.shape, &options)?)?;
    s.wrote(path, "components");
    Ok(())
}
