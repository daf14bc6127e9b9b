//! The tables and figures of the papers, reproduced beside the printed values.
//!
//! An [`Experiment`] is a row of [`EXPERIMENTS`]. Each writes a CSV file, a Markdown table and its charts (SVG and PNG) to a
//! folder. It also keeps the result of every fit there, so that it continues where it was interrupted. Results are used again
//! only for the same samples, labels, settings, device and version.
//!
//! * GZ: Z. Guo, S. Zhang, *Sparse Deep Nonnegative Matrix Factorization*, 2017. The printed values are those of its
//!   Table III; its figures print none.
//! * TR: G. Trigeorgis et al., *A Deep Semi-NMF Model for Learning Hidden Representations*, 2014. Its figures print
//!   curves, no values.
//!
//! If the title of an experiment has the number of a table or figure, it reproduces that one. The others are numbered here and
//! show what the papers say in words about convergence, sparsity, activations and depth.
//!
//! | file | experiments |
//! |---|---|
//! | `clusters.rs` | tables and box plots of scores: methods, penalty constants, layers |
//! | `curves.rs` | accuracy over the number of components, objectives over iterations and time |
//! | `parts.rs` | pictures of components and of their hierarchy |
//! | `attributes.rs` | scores of every layer by every attribute |
//! | `method.rs`, `trial.rs` | a model with its settings, and one fit with its scores |

mod attributes;
mod clusters;
mod curves;
mod method;
mod parts;
mod printed;
mod session;
mod trial;
mod write;

use std::path::Path;

use self::session::Session;
use crate::{Engine, Error, Result};

pub use session::{Experiment, Options, Repeats, Samples, Step, Written};

const HELD_OUT: Repeats = Repeats { splits: true, fits: true, kmeans: true };
const WHOLE: Repeats = Repeats { splits: false, ..HELD_OUT };
const CLUSTERED: Repeats = Repeats { fits: false, ..WHOLE };
const ONCE: Repeats = Repeats { kmeans: false, ..CLUSTERED };

const PIE: &str = "PIE, pose 27 (PIE_pose27.mat)";
const ORL: &str = "ORL (a folder with a sub-folder for every person)";
const XM2VTS: &str = "ORL, in the place of XM2VTS, which is not public";
const MULTI_PIE: &str =
    "CMU face images (a folder with labels.csv in it), in the place of CMU Multi-PIE, which is not public";

/// All experiments.
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
    /// [`Error::Config`] with the names of all experiments.
    pub fn by_name(name: &str) -> Result<&'static Self> {
        EXPERIMENTS.iter().find(|e| e.name == name).ok_or_else(|| {
            let names: Vec<_> = EXPERIMENTS.iter().map(|e| e.name).collect();
            Error::Config(format!("no experiment is called `{name}`; there are {}", names.join(", ")))
        })
    }
}

/// Runs `experiment` on `samples` and writes its files to the folder `out`, which is created if need be; returns the files.
///
/// # Errors
/// Errors of fits and of the file system; [`Error::Data`] or [`Error::Config`] for samples that the experiment cannot use.
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
