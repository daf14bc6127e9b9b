//! The table of models, activations, and the factors of a fitted model.

pub mod activation;
mod choices;
mod factors;
pub mod spec;

pub use activation::{Activate, Activation};
pub use choices::{Init, Metric, Scaling, Solver};
pub use factors::Factors;
pub use spec::{Depth, HPenalty, MODELS, Method, ModelSpec};
