//! The models that the papers compare theirs with, one file for each way to fit one; all on the same backend, in the same
//! [`fit`](crate::train::fit()): start, layers, fine-tuning, score, history, stopping and progress are not theirs.
//!
//! | file | models |
//! |---|---|
//! | `multiplicative.rs` | NMF by multiplicative updates, nsNMF, Multi-layer NMF |
//! | `pgnmf.rs` | PgNMF |
//! | `semi_nmf.rs`, `deep_semi_nmf.rs`, with `pseudo_inverse.rs` and `regression.rs` | Semi-NMF, Deep Semi-NMF |
//! | `gnmf.rs` with `graph.rs` | GNMF |
//!
//! With an activation the layers of Deep Semi-NMF are trained together by `nonlinear.rs`. NeNMF is a row of the table: DNMF with one layer and one step size.

pub(super) mod deep_semi_nmf;
pub(super) mod gnmf;
mod graph;
pub(super) mod multiplicative;
pub(super) mod pgnmf;
mod pseudo_inverse;
mod regression;
pub(super) mod semi_nmf;

pub(super) use super::layer::{Trained, stage_of};
pub(super) use semi_nmf::unit_components;
