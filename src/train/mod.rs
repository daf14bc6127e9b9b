//! The algorithm, written once over [`Backend`](crate::backend::Backend).

mod block;
mod config;
mod descent;
mod exact;
mod finetune;
mod fit;
mod history;
mod host;
mod init;
mod memory;
mod nonlinear;
mod objective;
mod pretrain;
mod project;
mod unit;
mod warnings;

pub(crate) use crate::backend::Stopping;
pub(crate) use block::{BlockSolver, HBlock, WBlock};
pub use config::{Balance, Config, Extrapolate, GraphConfig, GraphWeights, Init, Metric, PenaltyScale, Solver};
pub(crate) use exact::iterate_exactly;
pub(crate) use finetune::finetune;
pub(crate) use fit::check_data;
pub use fit::{Start, fit};
pub use history::{Fit, History, Penalties, Progress, Seconds, Stage};
pub(crate) use host::check_memory;
pub use host::host_bytes;
pub use memory::device_bytes;
pub(crate) use nonlinear::{apply, finetune as finetune_nonlinear};
pub(crate) use objective::{Objective, iterate};
pub(crate) use pretrain::{Layer, pretrain};
pub use project::Projection;
pub(crate) use project::{norm_squared, project, project_layers};
pub(crate) use unit::Unit;
pub use warnings::Warning;
