//! images → data → X → init → W, H → train::pretrain → train::finetune → Factors → evaluate / report / save
//!
//! Sparse deep nonnegative matrix factorization of image sets, on the GPU or on the CPU.
//!
//! ```
//! use deepnmf::{DeviceRequest, Engine, data, model::ModelSpec, train::Config};
//!
//! # fn main() -> deepnmf::Result<()> {
//! let mut images = data::embedded::fashion_mnist()?;
//! # images = images.select(&(0..200).collect::<Vec<_>>());
//! data::preprocess(&mut images.x, data::Scale::UnitL2);
//! let config = Config::new(ModelSpec::by_name("sdnmf-l")?, [40, 10]);
//! let fit = Engine::open(&DeviceRequest::Cpu)?.fit(images.x.view(), &config, &mut deepnmf::train::silent)?;
//! assert_eq!(fit.factors.components(2)?.dim(), (28 * 28, 10));
//! # assert_eq!(fit.factors.h.dim(), (200, 10));
//! # assert!(fit.relative_error < 0.6);
//! # Ok(())
//! # }
//! ```
//!
//! **Rows are samples**: `x: n × m`, `h: n × k_L`, `w[l]: k_{l-1} × k_l` with `k_0 = m`, all row-major, and
//!
//! ```text
//! X ≈ H Psi_Lᵀ        Psi_l = W_1 W_2 … W_l   (m × k_l)
//! ```
//!
//! where the papers have a column for every sample: their X and H are the transposes of these, their W_l the same.
//!
//! [`guide`] is the manual: the command, files, the mathematics, settings, clusters, results, testing, and how to extend all this.
//!
//! From the file to the factors:
//!
//! * [`data`] reads image sets into one matrix X and scales it.
//! * [`model`] has the table of models and the factors.
//! * [`backend`] is the seam: what a device must be able to do, on the CPU in ndarray, on the GPU in WGSL.
//! * [`train`] is the algorithm, written once over a [`backend::Backend`]: start, pre-training, fine-tuning, projection of new
//!   samples; [`train::Config`] has the settings.
//! * [`ranks`] are processes, on one machine or on many, that fit one model together.
//! * [`Engine`] joins a device chosen at run time with the algorithm, for those who do not want to be generic.
//! * [`store`] is the model file; [`atomic`] writes files whole or not at all, and [`memory`] asks how much is free.
//! * [`verify`] compares a device with the CPU in `f64`, [`mod@bench`] measures how fast it is.
//! * [`evaluate`] clusters and scores.
//! * [`report`] makes pictures, charts and a page about a fit.
//! * [`reproduce`] makes the papers' tables and figures.
//!
//! # Floors
//!
//! Floor 1 is the lowest. A file uses what is on lower floors and the rest of its own module, not what is beside or above it, and no
//! files use each other in a circle. `tests/floors.rs` reads this list and checks it.
//!
//! 1. `error`, `element`
//! 2. `memory`, `atomic`, `ranks`
//! 3. `model`, `data`, `tensor_file`
//! 4. `backend`
//! 5. `train`
//! 6. `evaluate`, `store`, `verify`, `bench`
//! 7. `engine`, `report`
//! 8. `reproduce`
//! 9. `cli`, `python`
//! 10. `main`
//!
//! `python` has the bindings of the Python package, with the feature of that name. Only the command (`cli`, `main`) prints and reads
//! arguments. Whatever can go wrong is an [`Error`].

pub mod atomic;
pub mod backend;
pub mod bench;
pub mod data;
mod element;
mod engine;
mod error;
pub mod evaluate;
pub mod memory;
pub mod model;
#[cfg(feature = "python")]
mod python;
pub mod ranks;
pub mod report;
pub mod reproduce;
pub mod store;
mod tensor_file;
pub mod train;
pub mod verify;

pub use backend::{DeviceInfo, DeviceRequest};
pub use engine::{Engine, devices, missing_device};
pub use error::{Error, Result};

/// The manual.
#[cfg(any(doc, doctest))]
pub mod guide {
    #[doc = include_str!("guide/command.md")]
    pub mod command {}
    #[doc = include_str!("guide/files.md")]
    pub mod files {}
    #[doc = include_str!("guide/mathematics.md")]
    pub mod mathematics {}
    #[doc = include_str!("guide/settings.md")]
    pub mod settings {}
    #[doc = include_str!("guide/results.md")]
    pub mod results {}
    #[doc = include_str!("guide/cluster.md")]
    pub mod cluster {}
    #[doc = include_str!("guide/testing.md")]
    pub mod testing {}
    #[doc = include_str!("guide/extending.md")]
    pub mod extending {}
}

/// The example of the README is a test as well.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
