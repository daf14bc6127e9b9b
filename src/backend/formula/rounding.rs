//! How far results in f32 may be off: by the roundings of IEEE 754 where it counts, by what Vulkan allows elsewhere.

use crate::backend::Element;
use crate::model::Activation;
use crate::model::activation::LARGEST;

/// The unit roundoff.
pub(crate) const U: f64 = f32::UNIT;
/// Vulkan: 2.5 units in the last place, one of which is up to 2u.
pub(crate) const DIVISION: f64 = 5.0 * U;
/// Vulkan: as a division by a reciprocal square root of 2 units in the last place.
pub(crate) const SQRT: f64 = 4.0 * U + DIVISION;
/// Vulkan: a logarithm between ½ and 2, in all.
const LOG_NEAR_ONE: f64 = 4.76837158203125e-7;
/// Vulkan: a logarithm elsewhere, 3 units in the last place of up to 2u.
const LOG: f64 = 6.0 * U;
/// Results below it may be taken for 0.
const SMALLEST: f64 = f32::MIN_POSITIVE as f64;

/// `γ_n = n u/(1 − n u)`: n roundings one after the other, relative.
pub(crate) fn gamma(n: usize) -> f64 {
    let nu = n as f64 * U;
    nu / (1.0 - nu)
}

/// Vulkan: e⁻ˣ to 3 + 2x units in the last place; relative.
fn exp(x: f64) -> f64 {
    2.0 * U * (3.0 + 2.0 * x)
}

/// What `shaders/activation.wgsl` may be off by at x ≥ 0, relative to the result: of p, g and p'. A CPU is off by less.
fn errors(activation: Activation, x: f64) -> [f64; 3] {
    // The series and the continued fraction: below 1e-10, 5e-9 and 3e-8 relative where they are cut off; their terms
    // fall off, so that hardly more than the roundings of the first two count. All are well within this.
    let series = gamma(12) + 2.0 * DIVISION;
    let tanh = |y: f64| {
        let t = (-2.0 * y).exp();
        if y < 0.5 { series } else { 2.0 * t / (1.0 - t * t) * exp(2.0 * y) + gamma(4) + DIVISION }
    };
    let atanh = |h: f64| {
        let log = (h.min(LARGEST)).atanh() * 2.0;
        let of_log = LOG_NEAR_ONE.max(LOG * log) + DIVISION + gamma(3);
        if h < 0.25 { series } else { of_log / log + gamma(2) }
    };
    let bell = |y: f64| exp(y) + gamma(6) + DIVISION;
    match activation {
        Activation::Root => [U, SQRT, gamma(1)],
        Activation::Tanh => [tanh(x), atanh(x), bell(2.0 * x)],
        Activation::Sigmoid => [tanh(0.5 * x), atanh(x), bell(x)],
        Activation::Softplus => {
            let e = (-x).exp();
            let of_p = LOG_NEAR_ONE + 0.5 * e * exp(x) + gamma(3);
            let of_g = LOG_NEAR_ONE + e * exp(x) + gamma(3);
            [
                if x < 1.0 { series } else { of_p / activation.p(x) + gamma(2) },
                if x < 0.25 { 3.0 * series + 2.0 * DIVISION } else { of_g / activation.g(x) + gamma(2) },
                e * exp(x) + gamma(2) + DIVISION,
            ]
        }
    }
}

/// The same at x of any sign. Only softplus is neither even nor odd.
fn errors_at(activation: Activation, x: f64) -> [f64; 3] {
    let [p, g, derivative] = errors(activation, x.abs());
    if x >= 0.0 || activation != Activation::Softplus {
        return [p, g, derivative];
    }
    let x = -x;
    // The terms of the series: −x/2 and x²/8, of which x/2 − x²/8 is left.
    let series = (gamma(12) + 2.0 * DIVISION) * (1.0 + 0.25 * x) / (1.0 - 0.25 * x);
    let of_log = LOG_NEAR_ONE + 0.5 * (-x).exp() * exp(x) / 0.5 + gamma(3);
    [if x < 1.0 { series } else { of_log / -activation.p(-x) + gamma(2) }, g, exp(x) + gamma(2) + DIVISION]
}

/// Of `p(x)` and `g(x)`. What keeps zeros zero is exact.
pub(super) fn of_function(activation: Activation, which: usize, result: f64, x: f64) -> f64 {
    if x == 0.0 { 0.0 } else { result.abs() * errors_at(activation, x)[which] + SMALLEST }
}

/// Of a product with `p'(x)`.
pub(super) fn of_derivative(activation: Activation, result: f64, x: f64) -> f64 {
    result.abs() * (errors_at(activation, x)[2] + U) + SMALLEST
}
