//! The algorithm, written once over `Backend`.

mod config;
mod history;

pub use config::{Balance, Config, Init, Metric, PenaltyScale};
pub use history::{Fit, History, Penalties, Progress, Seconds, Stage};
