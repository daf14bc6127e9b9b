//! images → data → X → init → W, H → train::pretrain → train::finetune → Factors → evaluate / report / save

pub mod data;
mod error;

pub use error::{Error, Result};
