//! The activations of the nonlinear models: Guo & Zhang 2017, section III-C, with the layers as in Trigeorgis et al. 2014.
//!
//! ```text
//! X ≈ p(… p(p(H_L W_Lᵀ) W_{L−1}ᵀ) …) W_1ᵀ          p = g⁻¹, entry by entry
//! ```
//!
//! A layer is trained on `g(H)` of the layer before it. H is nonnegative, so all forms have g(0) = p(0) = 0:
//!
//! | name | g(h) | p(y) | p'(y) |
//! |---|---|---|---|
//! | root | √h | y² | 2y |
//! | tanh | atanh h | tanh y | 1 − tanh² y |
//! | sigmoid | 2 atanh h | 2/(1 + e⁻ʸ) − 1 | 2e⁻ʸ/(1 + e⁻ʸ)² |
//! | softplus | log(2eʰ − 1) | log(1 + eʸ) − log 2 | 1/(1 + e⁻ʸ) |
//!
//! Where W may have any sign (Deep Semi-NMF), y may too: p is the same formula on all of ℝ. It is increasing except for
//! `root`, whose y² gives H̃ ≥ 0 from either sign of y; softplus is there above −log 2, tanh and sigmoid above −1.
//!
//! The other place with these formulas is `shaders/activation.wgsl`.

use crate::element::Element;
use crate::{Error, Result};

/// The activation between two layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// g = √: the papers' "Square".
    Root,
    /// g = atanh, on [0, 1).
    Tanh,
    /// g = 2 atanh, the inverse of a sigmoid through the origin, on [0, 1).
    Sigmoid,
    /// g is the inverse of a softplus through the origin.
    Softplus,
}

/// Which coefficients pass through g.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activate {
    /// Those between two layers ("Square1").
    #[default]
    Hidden,
    /// The last ones too ("Square2"): the representation of a sample is g(H_L). Where g is bounded, H_L is scaled into
    /// its domain after training and W_L inversely: the product stays, but not the penalties.
    All,
}

/// All activations, with their names on the command line.
pub const ACTIVATIONS: &[(&str, Activation)] = &[
    ("root", Activation::Root),
    ("tanh", Activation::Tanh),
    ("sigmoid", Activation::Sigmoid),
    ("softplus", Activation::Softplus),
];

/// The largest argument of atanh: 1 − 17·2⁻²⁴ < 1 − 10⁻⁶, which is the same number in f32 and f64.
pub const LARGEST: f64 = 1.0 - 17.0 / 16_777_216.0;

/// Coefficients are scaled so that the largest is this before they pass through g, unless g is homogeneous.
pub(crate) const BOUND: f64 = 0.95;

impl Activation {
    /// Whether g is defined on [0, 1) only. Coefficients are scaled into this range, or clamped to [`LARGEST`] where they
    /// cannot be scaled.
    pub fn is_bounded(self) -> bool {
        matches!(self, Self::Tanh | Self::Sigmoid)
    }

    /// Whether g(c·h) is a multiple of g(h) for every c > 0: then the size of the coefficients makes no difference. Those of
    /// the other activations are scaled to one size before they pass through g.
    pub fn is_homogeneous(self) -> bool {
        self == Self::Root
    }

    /// g(h) for h ≥ 0.
    pub fn g<E: Element>(self, h: E) -> E {
        let two = E::of(2.0);
        match self {
            Self::Root => h.sqrt(),
            Self::Tanh => h.min(E::of(LARGEST)).atanh(),
            Self::Sigmoid => two * h.min(E::of(LARGEST)).atanh(),
            // log(2eʰ − 1) = h + log(1 + (1 − e⁻ʰ)): no overflow, and nothing lost at small h.
            Self::Softplus => h + (-(-h).exp_m1()).ln_1p(),
        }
    }

    /// p(y): g⁻¹(y) for y ≥ 0, and the same formula below.
    pub fn p<E: Element>(self, y: E) -> E {
        let half = E::of(0.5);
        match self {
            Self::Root => y * y,
            Self::Tanh => y.tanh(),
            Self::Sigmoid => (half * y).tanh(),
            // log((1 + eʸ)/2) = max(y, 0) + log(1 + (e^−|y| − 1)/2), for the same reasons.
            Self::Softplus => y.max(E::zero()) + (half * (-y.abs()).exp_m1()).ln_1p(),
        }
    }

    /// p'(y).
    pub fn derivative<E: Element>(self, y: E) -> E {
        let (one, two) = (E::one(), E::of(2.0));
        // 1/cosh²(z) = 4t/(1 + t)², t = e^−2|z|.
        let sech2 = |t: E| two * two * t / ((one + t) * (one + t));
        match self {
            Self::Root => two * y,
            Self::Tanh => sech2((-two * y.abs()).exp()),
            Self::Sigmoid => sech2((-y.abs()).exp()) / two,
            Self::Softplus => one / (one + (-y).exp()),
        }
    }
}

impl std::fmt::Display for Activation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = ACTIVATIONS.iter().find(|(_, a)| a == self).map_or("", |(name, _)| name);
        f.write_str(name)
    }
}

impl std::str::FromStr for Activation {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self> {
        let found = ACTIVATIONS.iter().find(|(name, _)| name.eq_ignore_ascii_case(s));
        found.map(|(_, activation)| *activation).ok_or_else(|| {
            let names: Vec<_> = ACTIVATIONS.iter().map(|(name, _)| *name).collect();
            Error::Config(format!("no activation is called `{s}`; there are {}", names.join(", ")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where both are far from the clamp.
    const POINTS: [f64; 9] = [0.0, 1e-9, 1e-4, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95];

    #[test]
    fn p_undoes_g_and_keeps_zero() {
        for &(name, a) in ACTIVATIONS {
            assert_eq!((a.g(0.0), a.p(0.0), a.g(0.0_f32), a.p(0.0_f32)), (0.0, 0.0, 0.0, 0.0), "{name}");
            for h in POINTS {
                let back = a.p(a.g(h));
                assert!((back - h).abs() <= 1e-14 * h, "{name}: {h} came back as {back}");
                let back = a.p(a.g(h as f32)).f64();
                assert!((back - h).abs() <= 1e-5 * h, "{name} in f32: {h} came back as {back}");
            }
        }
    }

    #[test]
    fn the_derivative_is_that_of_p() {
        for &(name, a) in ACTIVATIONS {
            for y in POINTS {
                let d = 1e-5;
                let slope = (a.p(y + 2.0 * d) - a.p(y)) / (2.0 * d);
                let found = a.derivative(y + d);
                assert!((slope - found).abs() <= 1e-9, "{name} at {y}: {found}, by differences {slope}");
            }
        }
    }

    #[test]
    fn nothing_overflows() {
        assert_eq!(f64::from(LARGEST as f32), LARGEST);
        for &(name, a) in ACTIVATIONS {
            for y in [50.0_f32, 1e3, 1e6] {
                for v in [a.g(y), a.p(y), a.derivative(y)] {
                    assert!(v.is_finite() && v >= 0.0, "{name} at {y}: {v}");
                }
            }
        }
    }

    #[test]
    fn names() {
        for &(name, a) in ACTIVATIONS {
            assert_eq!((a.to_string().as_str(), name.parse::<Activation>().unwrap()), (name, a));
            assert_eq!(serde_json::to_value(a).unwrap(), name);
        }
        assert!("cube".parse::<Activation>().unwrap_err().to_string().contains("root, tanh, sigmoid, softplus"));
    }
}
