//! The model file: safetensors with everything that projecting new samples needs.
//!
//! Tensors `W_1` … `W_L` (`k_{l-1} × k_l`), `H_L` (`samples × k_L`) and, where they were solved for, the hidden
//! `H_1` … `H_{L-1}`: F32, row-major. `training_rows` (U32), where only some of a set were trained on: which. The header's
//! `__metadata__` has one key, `deepnmf`: [`Metadata`] as JSON.

mod check;
mod metadata;
mod model;
mod tensors;

pub use metadata::{FORMAT, Metadata, Split, Training};
pub use model::Model;

#[cfg(test)]
mod tests;
