//! The factors of a deep model and what is read from them.

use ndarray::{Array2, ArrayView2, LinalgScalar};

/// `X ≈ H · (W_1 W_2 … W_L)ᵀ`.
#[derive(Debug, Clone)]
pub struct Factors<E> {
    /// `w[l]: k_l × k_{l+1}` with `k_0 = m`, the number of features.
    pub w: Vec<Array2<E>>,
    /// The coefficients of the last layer, `n × k_L`: one row per sample.
    pub h: Array2<E>,
    /// The coefficients of the layers before it, `n × k_l` each; empty unless they were asked for.
    pub hidden: Vec<Array2<E>>,
}

impl<E: LinalgScalar> Factors<E> {
    /// The number of layers L.
    pub fn depth(&self) -> usize {
        self.w.len()
    }

    /// `[k_1, …, k_L]`.
    pub fn layer_sizes(&self) -> Vec<usize> {
        self.w.iter().map(Array2::ncols).collect()
    }

    /// The number of features m.
    pub fn n_features(&self) -> usize {
        self.w.first().map_or(0, Array2::nrows)
    }

    /// `Psi_l = W_1 … W_l` (m × k_l): what the components of layer `l` (from 1) look like as samples.
    pub fn components(&self, l: usize) -> Array2<E> {
        let mut psi = self.w[0].clone();
        for w in &self.w[1..l.clamp(1, self.depth())] {
            psi = psi.dot(w);
        }
        psi
    }

    /// The reconstruction `H Psi_Lᵀ` of the samples whose coefficients are `h` (samples × k_L).
    pub fn reconstruct(&self, h: ArrayView2<'_, E>) -> Array2<E> {
        let mut x = h.to_owned();
        for w in self.w.iter().rev() {
            x = x.dot(&w.t());
        }
        x
    }
}
