//! The tables and figures of the papers, made again: ours beside what is printed.
//!
//! An [`Experiment`] is a row of [`EXPERIMENTS`]. Each writes a CSV file, a Markdown table and its charts (SVG and PNG) to a
//! folder, and keeps every fit's outcome there, so that it goes on where it was interrupted.
//!
//! * GZ: Z. Guo, S. Zhang, *Sparse Deep Nonnegative Matrix Factorization*, 2017. The printed values are those of its
//!   Table III; its figures print none.
//! * TR: G. Trigeorgis et al., *A Deep Semi-NMF Model for Learning Hidden Representations*, 2014. Its figures print
//!   curves, no values.
//!
//! Where a title names a table or a figure by its number, the experiment is that one. The others are numbered here, and show what
//! the papers say in words of convergence, sparsity, activations and depth.
//!
//! | file | experiments |
//! |---|---|
//! | `clusters.rs` | tables and box plots of scores: methods, penalty constants, layers |
//! | `curves.rs` | accuracy over the number of components, objectives over iterations and time |
//! | `parts.rs` | pictures of components and of their hierarchy |
//! | `attributes.rs` | scores of every layer by every attribute |
//! | `method.rs`, `trial.rs` | what is fitted, and one fit with its scores |

mod attributes;
mod clusters;
mod curves;
mod method;
mod parts;
mod printed;
mod trial;
mod write;

use std::path::{Path, PathBuf};

use crate::data::ImageSet;
use crate::{Engine, Error, Result};

pub use write::Written;

/// One table or figure.
#[derive(Debug)]
pub struct Experiment {
    /// As the command line spells it.
    pub name: &'static str,
    /// What it shows.
    pub title: &'static str,
    /// The data it wants, and what stands in for data that cannot be had.
    pub data: &'static str,
    run: fn(&mut Session<'_>) -> Result<()>,
}

const PIE: &str = "PIE, pose 27 (PIE_pose27.mat)";
const ORL: &str = "ORL (a folder with a sub-folder for every person)";
const XM2VTS: &str = "ORL, in the place of XM2VTS, which is not public";
const MULTI_PIE: &str =
    "CMU face images (a folder with labels.csv in it), in the place of CMU Multi-PIE, which is not public";

/// All of them.
pub const EXPERIMENTS: &[Experiment] = &[
    experiment("gz-table3", "GZ Table III: clusters of held-out faces, every method", PIE, clusters::table3),
    experiment("gz-fig1", "the objective of the five models over the sweeps", PIE, curves::sweeps),
    experiment("gz-fig2", "the error of one-layer methods over time", PIE, curves::time),
    experiment("gz-fig5", "box plots: scores of the linear models", PIE, clusters::linear_pie),
    experiment("gz-fig6", "box plots: scores of SDNMF/L with every activation", PIE, clusters::nonlinear),
    experiment("gz-fig7", "scores and sparsity over the penalty constant", PIE, clusters::penalties),
    experiment("gz-fig3", "what the layers of the five models learn, and how sparse it is", ORL, parts::layers),
    experiment("gz-fig4", "box plots: scores of the linear models", ORL, clusters::linear_orl),
    experiment("gz-fig8", "GZ Fig. 8: the hierarchy of parts", ORL, parts::hierarchy),
    experiment("tr-table1", "reconstruction errors by the number of layers", PIE, curves::depth),
    experiment("tr-fig3", "accuracy by the number of layers", PIE, curves::layers),
    experiment("tr-fig5", "TR Fig. 5: accuracy over the number of components, pixels", PIE, curves::pixels),
    experiment("tr-fig7", "the same of gradient orientations", PIE, curves::igo),
    experiment("tr-fig4", "accuracy over the number of components, pixels", XM2VTS, curves::pixels),
    experiment("tr-fig6", "the same of gradient orientations", XM2VTS, curves::igo),
    experiment("tr-table2", "TR Table 2: accuracy by layer and attribute", MULTI_PIE, attributes::table),
    experiment("tr-fig8", "how well every layer separates every attribute", MULTI_PIE, attributes::figure),
];

const fn experiment(
    name: &'static str,
    title: &'static str,
    data: &'static str,
    run: fn(&mut Session<'_>) -> Result<()>,
) -> Experiment {
    Experiment { name, title, data, run }
}

impl Experiment {
    /// The experiment of that name.
    ///
    /// # Errors
    /// [`Error::Config`] with those there are.
    pub fn by_name(name: &str) -> Result<&'static Self> {
        EXPERIMENTS.iter().find(|e| e.name == name).ok_or_else(|| {
            let names: Vec<_> = EXPERIMENTS.iter().map(|e| e.name).collect();
            Error::Config(format!("no experiment is called `{name}`; there are {}", names.join(", ")))
        })
    }
}

/// How an experiment is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Splits into training and test samples, or for experiments without a split nothing.
    pub runs: usize,
    /// Runs of k-means per fit.
    pub kmeans_seeds: usize,
    /// Fewer points of a curve.
    pub quick: bool,
}

/// The samples of an experiment: as they were read, with at least one column of labels.
#[derive(Debug)]
pub struct Samples {
    /// Where they are from.
    pub source: String,
    /// The samples, unscaled.
    pub set: ImageSet,
    /// Classes of all samples by the name of the attribute; the first is what clusters are compared with.
    pub labels: Vec<(String, Vec<usize>)>,
}

/// What is being done.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// Fits that are done, or were found done.
    pub done: usize,
    /// All of them.
    pub of: usize,
    /// The next one.
    pub what: &'a str,
}

/// Makes `experiment` of `samples` and writes it to the folder `out`, which is made; returns the files.
///
/// # Errors
/// Whatever a fit or the file system reports; [`Error::Data`] for samples that do not do for the experiment.
pub fn run(
    engine: &mut Engine,
    experiment: &Experiment,
    samples: &Samples,
    options: Options,
    out: &Path,
    progress: &mut dyn FnMut(Step<'_>),
) -> Result<Vec<Written>> {
    let trials = out.join("trials");
    std::fs::create_dir_all(&trials).map_err(|e| Error::io(&trials, e))?;
    let mut session = Session {
        engine,
        experiment,
        samples,
        options,
        out: out.to_path_buf(),
        trials,
        done: 0,
        of: 0,
        progress,
        last_fit: None,
        written: Vec::new(),
    };
    (experiment.run)(&mut session)?;
    Ok(session.written)
}

/// An experiment under way.
struct Session<'a> {
    engine: &'a mut Engine,
    experiment: &'a Experiment,
    samples: &'a Samples,
    options: Options,
    out: PathBuf,
    trials: PathBuf,
    done: usize,
    of: usize,
    progress: &'a mut dyn FnMut(Step<'_>),
    /// The last fit, for methods that differ only in what they read from it.
    last_fit: Option<trial::Fitted>,
    written: Vec<Written>,
}

impl Session<'_> {
    /// Runs whose splits differ.
    fn splits(&self) -> std::ops::Range<u64> {
        0..self.options.runs as u64
    }

    fn step(&mut self, what: &str) {
        (self.progress)(Step { done: self.done, of: self.of, what });
        self.done += 1;
    }

    /// What is clustered against.
    fn classes(&self) -> Result<&[usize]> {
        self.samples
            .labels
            .first()
            .map(|(_, of)| of.as_slice())
            .ok_or_else(|| Error::Data(format!("{}: expected labels, found none", self.samples.source)))
    }
}
