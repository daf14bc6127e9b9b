//! What of the coefficients is clustered.

use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;

/// How coefficients become features. It decides more than the model does: of one fit of PIE's faces with 160 components,
/// clusters of the raw coefficients agree with the persons with an NMI of .30, of scaled unit ones with .99.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scaling {
    /// Component j times `‖Psi e_j‖`, as much as it stands for in a sample; then every sample to unit length. Takes out
    /// the scale that a factorization leaves free between components.
    #[default]
    ScaledUnit,
    /// Every sample to unit length.
    Unit,
    /// The coefficients as they are.
    Raw,
}

/// The features of samples with the coefficients `h` (samples × k) of the components `psi` (features × k).
///
/// A sample of zeros stays one.
pub fn features(h: ArrayView2<'_, f32>, psi: ArrayView2<'_, f32>, scaling: Scaling) -> Array2<f32> {
    let mut out = h.to_owned();
    if scaling == Scaling::Raw {
        return out;
    }
    let norms: Vec<f64> = match scaling {
        Scaling::ScaledUnit => {
            let squares = psi.fold_axis(Axis(0), 0.0, |sum, &v| sum + f64::from(v).powi(2));
            squares.iter().map(|s: &f64| s.sqrt()).collect()
        }
        _ => vec![1.0; h.ncols()],
    };
    out.axis_iter_mut(Axis(0)).into_par_iter().for_each(|mut sample| {
        let squares: f64 = sample.iter().zip(&norms).map(|(&v, norm)| (f64::from(v) * norm).powi(2)).sum();
        let length = if squares > 0.0 { squares.sqrt() } else { 1.0 };
        sample.iter_mut().zip(&norms).for_each(|(v, norm)| *v = (f64::from(*v) * norm / length) as f32);
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn scaling_undoes_the_free_scale_between_components() {
        let (h, psi) = (array![[3.0, 2.0], [0.0, 0.0]], array![[1.0, 0.0], [0.0, 2.0]]);
        let of = |scaling| features(h.view(), psi.view(), scaling);
        assert_eq!(of(Scaling::Raw), h);
        assert_eq!(of(Scaling::ScaledUnit), array![[0.6, 0.8], [0.0, 0.0]]);
        let other =
            features((&h * &array![[4.0, 0.5]]).view(), (&psi / &array![[4.0, 0.5]]).view(), Scaling::ScaledUnit);
        assert_eq!(other, of(Scaling::ScaledUnit));
        let length = 13f32.sqrt();
        assert!((of(Scaling::Unit) - array![[3.0 / length, 2.0 / length], [0.0, 0.0]]).iter().all(|d| d.abs() < 1e-6));
    }
}
