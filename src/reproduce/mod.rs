//! The tables and figures of the papers, reproduced beside the printed values.
//!
//! An [`Experiment`] is a row of [`EXPERIMENTS`]. Each writes a CSV file, a Markdown table and its charts (SVG and PNG) to a
//! folder. It also keeps the result of every fit there, so that it continues where it was interrupted, and that experiments share
//! the fits that they have in common. Results are used again only for the same samples, labels, settings, device and version.
//!
//! * GZ: Z. Guo, S. Zhang, *Sparse Deep Nonnegative Matrix Factorization*, 2017. It prints the values of its Table III; of its
//!   figures none.
//! * TR: G. Trigeorgis et al., *A Deep Semi-NMF Model for Learning Hidden Representations*, 2014. It prints the areas under the
//!   curves of its figures.
//!
//! Experiments that are called by a number are that table or figure of the paper. The others show what the papers say in words
//! about convergence, sparsity, activations and depth, or how well known parts are found.
//!
//! | file | experiments |
//! |---|---|
//! | `table.rs` | the table of all |
//! | `scores.rs` | tables and box plots of scores: methods, layers, penalty constants |
//! | `curves.rs` | scores and errors over the number of components |
//! | `course.rs`, `depth.rs` | objectives over iterations and time; models of one to three layers |
//! | `parts.rs` | pictures of components and of their hierarchy |
//! | `attributes.rs` | scores of every layer by every attribute |
//! | `recovery.rs`, `truth.rs` | data of known parts, and how many of these are found |
//! | `method.rs`, `trial.rs` | a model with its settings, and one fit with its scores |

mod attributes;
mod course;
mod curves;
mod depth;
mod method;
mod parts;
mod printed;
mod recovery;
mod scores;
mod session;
mod table;
mod trial;
mod truth;
mod write;

use std::path::Path;

use self::session::Session;
use crate::{Engine, Result};

pub use session::{Data, Experiment, Options, Repeats, Samples, Step, Written};
pub use table::EXPERIMENTS;

/// Runs `experiment` on `samples` and writes its files to the folder `out`, which is created if need be; returns the files.
///
/// # Errors
/// Errors of fits and of the file system; [`Error::Data`](crate::Error::Data) or [`Error::Config`](crate::Error::Config) for samples that the experiment cannot use.
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
        begun: 0,
        made: 0,
        of: 0,
        current: String::new(),
        progress,
        last_fit: None,
        written: Vec::new(),
    };
    (experiment.run)(&mut session)?;
    Ok(session.written)
}
