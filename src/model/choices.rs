//! What a row of the table of models chooses: start, solver, metric of the steps, and what is clustered.

/// How the first W and H of a layer are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Init {
    /// NNDSVD (Boutsidis & Gallopoulos 2008): sparse, zeros stay zero under multiplicative updates.
    Nndsvd,
    /// NNDSVDa: zeros become `√(mean(X)/k)`, so that a product of two of them has the unit of X, and k products its mean.
    /// (Boutsidis & Gallopoulos, and scikit-learn, take the mean itself, which in factors has another weight in every unit.)
    Nndsvda,
    /// NNDSVDar: zeros become small random numbers, up to a hundredth of that.
    Nndsvdar,
    /// Uniform random numbers, up to `2√(mean(X)/k)`.
    Random,
    /// An H ≥ 0 with the span of the leading singular vectors, where there is one, as for all X ≥ 0; else these shifted until H ≥ 0
    /// (Gillis & Kumar 2015). Only where W may be negative.
    Svd,
}

/// The metric of a Nesterov step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// The papers' step `1/L` with one Lipschitz constant for the block.
    Plain,
    /// A step `1/(L̂ d_j)` for every coordinate, `d = diag(G)`, `L̂ = ‖D^-½ G D^-½‖₂`.
    Diagonal,
}

/// How a block is solved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Solver {
    /// The one that reaches an objective first on the device:
    /// [`fastest_solver`](crate::backend::Backend::fastest_solver).
    Auto,
    /// The papers': Nesterov's method with projection.
    Nesterov,
    /// Coordinate descent (HALS).
    Cd,
}

/// How coefficients become features. It decides more than the model does: of one fit of PIE's faces with 160 components,
/// clusters of the raw coefficients agree with the persons with an NMI of .30, of scaled unit ones with .99. What suits a model is
/// in its row of the table, [`ModelSpec::features`](super::ModelSpec::features).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scaling {
    /// Component j times `‖Psi e_j‖`, as much as it stands for in a sample, or times the root of that where the coefficients
    /// are roots themselves; then every sample to unit length. Takes out the scale that a factorization leaves free between
    /// components.
    ScaledUnit,
    /// Every sample to unit length.
    Unit,
    /// The coefficients as they are.
    Raw,
}
