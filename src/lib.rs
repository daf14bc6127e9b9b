//! images → data → X → init → W, H → train::pretrain → train::finetune → Factors → evaluate / report / save

pub mod backend;
mod baselines;
pub mod data;
mod engine;
mod error;
pub mod model;
pub mod report;
pub mod train;
pub mod verify;

pub use engine::{DeviceInfo, DeviceRequest, Engine, Projected, devices};
pub use error::{Error, Result};
