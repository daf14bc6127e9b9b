//! The factors of a deep model: components, reconstruction and its error.

use super::{Activate, Activation};
use crate::element::Element;
use crate::{Error, Result};
use ndarray::{Array2, ArrayView2, Axis};

/// `X ≈ H · (W_1 W_2 … W_L)ᵀ`, or with an activation `X ≈ p(… p(H W_Lᵀ) …) W_1ᵀ`.
#[derive(Debug, Clone)]
pub struct Factors<E> {
    /// `w[l]: k_l × k_{l+1}` with `k_0 = m`, the number of features.
    pub w: Vec<Array2<E>>,
    /// The coefficients of the last layer, `n × k_L`: one row per sample. With [`Activate::All`] this is g(H_L).
    pub h: Array2<E>,
    /// The coefficients of the layers below the last, `n × k_l` each; empty unless they were asked for.
    pub hidden: Vec<Array2<E>>,
    /// The activation between two layers; None in a linear model.
    pub activation: Option<Activation>,
    /// Which coefficients passed through g.
    pub activate: Activate,
}

impl<E: Element> Factors<E> {
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

    /// The activation that the last coefficients passed through, if any.
    pub fn of_last(&self) -> Option<Activation> {
        self.activation.filter(|_| self.activate == Activate::All)
    }

    /// The mean H_L (1 × k_L) of the samples of the fit.
    pub(crate) fn typical(&self) -> Array2<E> {
        let h_l = self.of_last().map_or_else(|| self.h.clone(), |activation| self.h.mapv(|v| activation.p(v)));
        let n = E::of(h_l.nrows().max(1) as f64);
        h_l.sum_axis(Axis(0)).mapv(|sum| sum / n).insert_axis(Axis(0))
    }

    /// `Psi_l = W_1 … W_l` (m × k_l): the components of layer `l` (from 1), as samples.
    ///
    /// With an activation it is the same product, for pictures: what a component adds to a sample then depends on the other
    /// components too; see [`Factors::reconstruct`].
    ///
    /// # Errors
    /// [`Error::Config`] for `l` outside 1 … L; [`Error::Shape`] if the W do not fit each other.
    pub fn components(&self, l: usize) -> Result<Array2<E>> {
        self.check()?;
        let depth = self.depth();
        if l == 0 || l > depth {
            return Err(Error::Config(format!("expected a layer from 1 to {depth}, found {l}")));
        }
        let mut psi = self.w[0].clone();
        for w in &self.w[1..l] {
            psi = psi.dot(w);
        }
        Ok(psi)
    }

    /// [`Error::Shape`] if a W does not fit the one before it.
    fn check(&self) -> Result<()> {
        for pair in self.w.windows(2) {
            let (k, found) = (pair[0].ncols(), pair[1].dim());
            if found.0 != k {
                return Err(Error::shape("W of a layer", (k, found.1), found));
            }
        }
        Ok(())
    }

    /// The reconstruction (samples × m) of samples with the coefficients `h` (samples × k_L), which are as in [`Factors::h`]:
    /// `H Psi_Lᵀ`, or with an activation `p(… p(H W_Lᵀ) …) W_1ᵀ`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the factors, or h and the factors, do not fit each other.
    pub fn reconstruct(&self, h: ArrayView2<'_, E>) -> Result<Array2<E>> {
        self.check()?;
        let k = self.w.last().map_or(h.ncols(), Array2::ncols);
        if h.ncols() != k {
            return Err(Error::shape("coefficients", (h.nrows(), k), h.dim()));
        }
        let mut x = h.to_owned();
        if let Some(activation) = self.of_last() {
            x.mapv_inplace(|v| activation.p(v));
        }
        for (l, w) in self.w.iter().enumerate().rev() {
            x = x.dot(&w.t());
            if let Some(activation) = self.activation.filter(|_| l > 0) {
                x.mapv_inplace(|v| activation.p(v));
            }
        }
        Ok(x)
    }

    /// `‖x_s − x̂_s‖²` of every sample s of `x` (samples × m), x̂ the reconstruction from `h` (samples × k_L). It is made
    /// block by block, never as a whole.
    ///
    /// # Errors
    /// [`Error::Shape`] if x, h and the factors do not fit each other.
    pub fn squared_errors(&self, x: ArrayView2<'_, E>, h: ArrayView2<'_, E>) -> Result<Vec<f64>> {
        let expected = (h.nrows(), self.n_features());
        if x.dim() != expected {
            return Err(Error::shape("samples", expected, x.dim()));
        }
        let rows = ((1 << 22) / self.n_features().max(1)).max(1);
        let blocks = x.axis_chunks_iter(Axis(0), rows).zip(h.axis_chunks_iter(Axis(0), rows));
        let mut errors = Vec::with_capacity(x.nrows());
        for (x, h) in blocks {
            let difference = &x - &self.reconstruct(h)?;
            errors.extend(difference.rows().into_iter().map(|d| d.iter().map(|v| v.f64().powi(2)).sum::<f64>()));
        }
        Ok(errors)
    }

    /// `‖X − X̂‖ / ‖X‖` of the samples `x`, with the arguments of [`Factors::squared_errors`]; NaN if all samples are zero.
    ///
    /// # Errors
    /// As [`Factors::squared_errors`].
    pub fn relative_error(&self, x: ArrayView2<'_, E>, h: ArrayView2<'_, E>) -> Result<f64> {
        let left: f64 = self.squared_errors(x, h)?.iter().sum();
        let all: f64 = x.iter().map(|v| v.f64().powi(2)).sum();
        Ok((left / all).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::arr2;

    #[test]
    fn the_activation_stands_between_the_layers() {
        let (w, h) = (vec![arr2(&[[1.0], [2.0]]), arr2(&[[0.5, 3.0]])], arr2(&[[2.0, 1.0]]));
        let mut factors =
            Factors { w, h, hidden: Vec::new(), activation: Some(Activation::Root), activate: Activate::Hidden };
        // H W_2ᵀ = 4, squared 16.
        assert_eq!(factors.reconstruct(factors.h.view()).unwrap(), arr2(&[[16.0, 32.0]]));
        // H_L = p(h) = (4, 1): 5, squared 25.
        factors.activate = Activate::All;
        assert_eq!(factors.reconstruct(factors.h.view()).unwrap(), arr2(&[[25.0, 50.0]]));
        factors.activation = None;
        let linear = factors.h.dot(&factors.components(2).unwrap().t());
        assert_eq!(factors.reconstruct(factors.h.view()).unwrap(), linear);
    }

    #[test]
    fn errors_of_samples() {
        let (w, h) = (vec![arr2(&[[1.0], [2.0]])], arr2(&[[2.0], [1.0]]));
        let factors = Factors { w, h, hidden: Vec::new(), activation: None, activate: Activate::Hidden };
        let x = arr2(&[[2.0, 4.0], [4.0, 6.0]]);
        assert_eq!(factors.squared_errors(x.view(), factors.h.view()).unwrap(), [0.0, 25.0]);
        assert_eq!(factors.relative_error(x.view(), factors.h.view()).unwrap(), (25.0f64 / 72.0).sqrt());
    }

    /// The fields are anybody's to fill.
    #[test]
    fn factors_that_do_not_fit_are_refused() {
        let zeros = |rows, cols| Array2::<f64>::zeros((rows, cols));
        let (activation, activate) = (None, Activate::Hidden);
        let of = |w| Factors { w, h: zeros(5, 2), hidden: Vec::new(), activation, activate };
        let factors = of(vec![zeros(4, 3), zeros(3, 2)]);
        for layer in [0, 3, usize::MAX] {
            let message = factors.components(layer).unwrap_err().to_string();
            assert!(message.contains("from 1 to 2") && message.contains(&layer.to_string()), "{message}");
        }
        assert_eq!(factors.components(2).unwrap().dim(), (4, 2));
        let message = factors.reconstruct(zeros(5, 3).view()).unwrap_err().to_string();
        assert!(message.contains("5×2") && message.contains("5×3"), "{message}");
        for x in [zeros(6, 4), zeros(5, 3)] {
            assert!(matches!(factors.squared_errors(x.view(), factors.h.view()), Err(Error::Shape { .. })));
        }
        let broken = of(vec![zeros(4, 3), zeros(2, 2)]);
        assert!(matches!(broken.components(1), Err(Error::Shape { .. })));
        assert!(matches!(broken.reconstruct(broken.h.view()), Err(Error::Shape { .. })));
        assert!(of(Vec::new()).components(1).is_err());
    }
}
