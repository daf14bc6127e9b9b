//! What the host computes: for the CPU backend, and for devices that have no kernel of their own for it.

pub(super) mod decide;
mod descent;
pub(crate) mod inverse;
mod nearest;
pub(super) mod products;
mod rows;
mod spectral;

pub(super) use descent::descend;
pub(super) use nearest::nearest;
pub(super) use products::rows_per_task;
pub(super) use spectral::spectral_bound;
