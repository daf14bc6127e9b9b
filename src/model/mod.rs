//! What is fitted: the table of models and the factors.

pub mod activation;
mod factors;
pub mod spec;
pub mod store;

pub use activation::{Activate, Activation};
pub use factors::Factors;
pub use spec::{Depth, HPenalty, MODELS, Method, ModelSpec};
