//! Settings of a fit that have parts or a choice of their own.

/// What an edge of a neighbour graph weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GraphWeights {
    /// 1.
    Binary,
    /// `exp(−‖x − y‖²/t)`, t the mean of that square over all edges.
    Heat,
    /// The cosine of the angle between the samples, by which neighbours are then chosen too.
    Cosine,
}

/// The neighbour graph of a model that has one.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct GraphConfig {
    /// Neighbours of every sample; two samples are joined if either is a neighbour of the other.
    pub neighbors: usize,
    /// What an edge weighs.
    pub weights: GraphWeights,
    /// The constant of the penalty `½ lambda tr(Hᵀ L H)`.
    pub lambda: f64,
}

impl Default for GraphConfig {
    /// The constant and the number of neighbours are those of Cai et al. Their weights for images are 0 and 1; on faces
    /// under changing light those of the heat kernel are far better (PIE, k = 68: NMI .96 instead of .90).
    fn default() -> Self {
        Self { neighbors: 5, weights: GraphWeights::Heat, lambda: 100.0 }
    }
}

/// Between which iterations the factors are extrapolated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Extrapolate {
    /// None: the objective of every iteration is that of the factors.
    None,
    /// Those of coordinate descent in the pre-training.
    Pretrain,
    /// These, and the sweeps of the fine-tuning by either solver.
    All,
}

/// How the constants `mu` and `lambda` are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PenaltyScale {
    /// As c: `mu_l = c‖S‖₂/k_{l-1}`, `lambda = c‖G‖₂/k` (ridge: `c‖G‖₂`), S = HᵀH and G = WᵀW at the
    /// initialisation. Independent of the number of samples and of the scale of X.
    ScaleFree,
    /// As they stand in the objective.
    Absolute,
}

/// Which scale freedoms are taken out during training; the product of the factors never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Balance {
    /// After a layer's pre-training: `‖w_j‖ = ‖h_j‖` before H is passed to the next layer.
    pub layers: bool,
    /// Where W and H are both penalised (RL1, RL2): the exact minimum of the penalties over all scales,
    /// after every iteration.
    pub penalties: bool,
    /// Extrapolation leaves the lengths of W's columns as they are: a change of scale costs nothing, and extrapolated from
    /// iteration to iteration it would grow until the numbers overflow.
    #[serde(default)]
    pub lengths: bool,
}

/// Fine-tuning that changes W after every few samples instead of after all of them: for sets that are too large for many sweeps. A
/// sweep is then one look at every sample. `X_s: n_s × m` being the next samples,
///
/// ```text
/// H_s from W      C ← f C + X_sᵀH_s      S ← f S + H_sᵀH_s      W from C and S
/// ```
///
/// and after the last sweep all H are solved for once more, under the W that came of it.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Online {
    /// n_s, at most.
    pub batch: usize,
    /// f in (0, 1]: what remains of the sums when the next samples come. 1 forgets nothing.
    pub forget: f64,
}

impl Default for Online {
    fn default() -> Self {
        Self { batch: 1024, forget: 0.8 }
    }
}

/// A penalty on every entry of a factor F: `l1 Σ_ij F_ij + ½ l2 Σ_ij F_ij²`.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Elastic {
    /// The constant of the sum.
    pub l1: f64,
    /// The constant of the sum of squares.
    pub l2: f64,
}

/// Penalties per entry of the factors of one layer, as they stand in the objective.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ElasticNet {
    /// Of W.
    pub w: Elastic,
    /// Of H.
    pub h: Elastic,
}

impl ElasticNet {
    /// Whether there is no such penalty.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}
