//! Choices that a row of the table of models makes: initialisation, metric of the steps, solver, features to cluster.

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
    /// The one that reaches an objective first on the device: [`Config::solver_on`](crate::train::Config::solver_on).
    Auto,
    /// The papers': Nesterov's method with projection.
    Nesterov,
    /// Coordinate descent (HALS).
    Cd,
}

/// How coefficients become the features that are clustered. It matters more than the model: of one fit of PIE's faces with 160
/// components, clusters of the raw coefficients have an NMI of .30 with the persons, of [`Scaling::ScaledUnit`] ones .99. The
/// choice for a model is [`ModelSpec::features`](super::ModelSpec::features).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scaling {
    /// Coefficient j times `‖Psi e_j‖`, its share of a sample, or times the root of that if the coefficients passed through a
    /// root; then every sample to unit length. This removes the free scale between components.
    ScaledUnit,
    /// Every sample to unit length.
    Unit,
    /// The coefficients as they are.
    Raw,
}
