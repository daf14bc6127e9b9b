//! The line search of a projected gradient step.

/// The sums of which a line search decides, by their slots; see
/// [`Backend::search_decide`](super::Backend::search_decide).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchSum {
    /// ⟨g, δ⟩.
    Slope,
    /// ⟨∇f₁, Δ⟩.
    Linear,
    /// ⟨∇²f₁ Δ, Δ⟩.
    Quadratic,
    /// ⟨∇f₂, δ⟩.
    PenaltyLinear,
    /// ⟨∇²f₂ δ, δ⟩.
    PenaltyQuadratic,
}

impl SearchSum {
    /// How many there are.
    pub const COUNT: usize = 5;
    /// The share of the decrease promised by the gradient that a step has to deliver (Armijo's σ).
    pub const SIGMA: f64 = 0.01;
    /// Larger steps do not get: where the gradient is 0 they would double without end.
    pub const LARGEST_STEP: f64 = 1e20;
    /// What each is multiplied by; the step is taken where the sum of all is at most 0.
    pub const WEIGHTS: [f64; Self::COUNT] = [-Self::SIGMA, 1.0, 0.5, 1.0, 0.5];
}
