//! Does a device compute what it should? Every operation of [`Backend`](crate::backend::Backend), and small training runs, in f32 on the device
//! against the CPU backend in f64 on the same inputs.
//!
//! The bounds are those of rounding: a sum of k products in any order is off by at most
//! `γ_{k+1} Σ|a||b|`, `γ_n = n u/(1 − n u)`, `u = 2⁻²⁴`; division, square root, exponential and logarithm by what
//! Vulkan's precision rules allow. Products and sums are also run on small whole numbers, where every order gives the
//! exact result and the bound is 0.

mod descent;
mod formulas;
mod fused;
mod products;
mod run;
mod small;
mod stop;
mod training;
mod verifier;

pub use run::{verify, verify_formulas, verify_products};
pub use verifier::Check;
