//! What is fitted: the table of models and the factors.

mod factors;
pub mod spec;
pub mod store;

pub use factors::Factors;
pub use spec::{Depth, HPenalty, MODELS, Method, ModelSpec};
