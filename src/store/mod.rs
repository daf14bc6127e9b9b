//! The model file: safetensors with everything that projecting new samples needs.
//!
//! Its tensors are `W_1` … `W_L` (`k_{l-1} × k_l`), `H_L` (`samples × k_L`) and, if they were solved for, the hidden `H_1` …
//! `H_{L-1}`, all F32 and row-major; and `training_rows` (U32), if only a part of a set was trained on. The header's
//! `__metadata__` has one key, `deepnmf`, with [`Metadata`] as JSON.

mod check;
mod metadata;
mod model;
mod others;
mod tensors;

pub use metadata::{FORMAT, Metadata, Split, Training};
pub use model::{Model, Writer};

#[cfg(test)]
mod tests;
