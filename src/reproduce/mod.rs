//! The tables and figures of the papers, made again: ours beside what is printed.
//!
//! An [`Experiment`] is a row of [`EXPERIMENTS`]. Each writes a CSV file, a Markdown table and its charts (SVG and PNG) to a
//! folder, and keeps there what came of every fit, so that it goes on where it was interrupted. What is kept is taken only for the
//! same samples and labels, settings, device and version.
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

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use self::method::Method;
use crate::data::{Features, ImageSet};
use crate::train::Init;
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
    /// What its scores are the mean of.
    pub repeats: Repeats,
    run: fn(&mut Session<'_>) -> Result<()>,
}

/// What an experiment does more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeats {
    /// Splits into training and test samples; without it all samples are fitted, and clustered.
    pub splits: bool,
    /// Fits of the same samples, with other seeds.
    pub fits: bool,
    /// Runs of k-means.
    pub kmeans: bool,
}

const HELD_OUT: Repeats = Repeats { splits: true, fits: true, kmeans: true };
const WHOLE: Repeats = Repeats { splits: false, ..HELD_OUT };
const CLUSTERED: Repeats = Repeats { fits: false, ..WHOLE };
const ONCE: Repeats = Repeats { kmeans: false, ..CLUSTERED };

const PIE: &str = "PIE, pose 27 (PIE_pose27.mat)";
const ORL: &str = "ORL (a folder with a sub-folder for every person)";
const XM2VTS: &str = "ORL, in the place of XM2VTS, which is not public";
const MULTI_PIE: &str =
    "CMU face images (a folder with labels.csv in it), in the place of CMU Multi-PIE, which is not public";

/// All of them.
pub const EXPERIMENTS: &[Experiment] = &[
    experiment("gz-table3", "GZ Table III: clusters of held-out faces, every method", PIE, HELD_OUT, clusters::table3),
    experiment("gz-fig1", "the objective of the five models over the sweeps", PIE, ONCE, curves::sweeps),
    experiment("gz-fig2", "the error of one-layer methods over time", PIE, ONCE, curves::time),
    experiment("gz-fig5", "box plots: scores of the linear models", PIE, HELD_OUT, clusters::linear_pie),
    experiment("gz-fig6", "box plots: scores of SDNMF/L with every activation", PIE, HELD_OUT, clusters::nonlinear),
    experiment("gz-fig7", "scores and sparsity over the penalty constant", PIE, HELD_OUT, clusters::penalties),
    experiment("gz-fig3", "what the layers of the five models learn, and how sparse it is", ORL, ONCE, parts::layers),
    experiment("gz-fig4", "box plots: scores of the linear models", ORL, HELD_OUT, clusters::linear_orl),
    experiment("gz-fig8", "GZ Fig. 8: the hierarchy of parts", ORL, ONCE, parts::hierarchy),
    experiment("tr-table1", "reconstruction errors by the number of layers", PIE, WHOLE, curves::depth),
    experiment("tr-fig3", "accuracy by the number of layers", PIE, WHOLE, curves::layers),
    experiment("tr-fig5", "TR Fig. 5: accuracy over the number of components, pixels", PIE, WHOLE, curves::pixels),
    experiment("tr-fig7", "the same of gradient orientations", PIE, WHOLE, curves::igo),
    experiment("tr-fig4", "accuracy over the number of components, pixels", XM2VTS, WHOLE, curves::pixels),
    experiment("tr-fig6", "the same of gradient orientations", XM2VTS, WHOLE, curves::igo),
    experiment("tr-table2", "TR Table 2: accuracy by layer and attribute", MULTI_PIE, CLUSTERED, attributes::table),
    experiment("tr-fig8", "how well every layer separates every attribute", MULTI_PIE, CLUSTERED, attributes::figure),
];

const fn experiment(
    name: &'static str,
    title: &'static str,
    data: &'static str,
    repeats: Repeats,
    run: fn(&mut Session<'_>) -> Result<()>,
) -> Experiment {
    Experiment { name, title, data, repeats, run }
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

/// How an experiment is made; what [`Repeats`] does not have makes no difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Splits into training and test samples.
    pub splits: usize,
    /// Fits of the training samples of every split, with seeds from 0.
    pub fits: usize,
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

impl Samples {
    /// What tells them from others: a hash of every bit of the values, of their shape, and of the labels in their order.
    fn identity(&self) -> String {
        let Self { set, labels, .. } = self;
        let mut hash = DefaultHasher::new();
        set.x.dim().hash(&mut hash);
        set.x.iter().for_each(|value| value.to_bits().hash(&mut hash));
        set.image_shape.map(|s| (s.height, s.width, s.channels, s.order as u8)).hash(&mut hash);
        labels.hash(&mut hash);
        format!("{:016x}", hash.finish())
    }
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
    let identity = samples.identity();
    let trials = out.join("trials");
    let mut session = Session {
        engine,
        experiment,
        samples,
        identity,
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
    /// Of the samples.
    identity: String,
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
    /// Counts the fits that are to come and makes the folder for what is kept of them; what cannot work is refused before the first.
    fn plan<'m>(&mut self, methods: impl IntoIterator<Item = &'m Method>, fits_of_each: usize) -> Result<()> {
        let Samples { source, set, .. } = self.samples;
        for method in methods {
            let what =
                |e: Error| Error::Config(format!("{source}: {} does not go with this experiment: {e}", method.name()));
            method.config.validate().map_err(what)?;
            if method.features == Features::Igo && set.image_shape.is_none() {
                let message = "expected images, of whose gradients the directions can be taken, found numbers without a shape; \
                               --image-shape says it";
                return Err(Error::Data(format!("{source}: {message}")));
            }
            let features = if method.features == Features::Igo { 2 } else { 1 } * set.n_features();
            // The rank of the samples, and samples to fill up with, at most.
            let (most, first) = (set.n_samples().min(features) + set.n_samples(), method.config.layers[0]);
            if first > most && !matches!(method.config.init, Init::Random | Init::Svd) {
                return Err(what(Error::Config(format!(
                    "expected a layer 1 of at most {most} components, found {first}"
                ))));
            }
            self.engine.check_memory(&method.config, set.n_samples(), features)?;
            self.of += fits_of_each;
        }
        std::fs::create_dir_all(&self.trials).map_err(|e| Error::io(&self.trials, e))
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
