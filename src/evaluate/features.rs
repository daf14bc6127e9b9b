//! Features to cluster, from coefficients.

use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;

use crate::model::{Activation, Factors, Scaling};
use crate::{Error, Result};

/// The features (samples × k) of samples with the coefficients `h` (samples × k) in layer `layer` (from 1) of a model.
///
/// Samples of zeros stay zero.
///
/// # Errors
/// As [`Factors::components`]; [`Error::Shape`] if `h` does not have as many columns as the layer has components.
pub fn features(h: ArrayView2<'_, f32>, factors: &Factors<f32>, layer: usize, scaling: Scaling) -> Result<Array2<f32>> {
    let mut out = h.to_owned();
    let lengths = match scaling {
        Scaling::Raw => return Ok(out),
        Scaling::Unit => vec![1.0; h.ncols()],
        Scaling::ScaledUnit => lengths(factors, layer)?,
    };
    if lengths.len() != h.ncols() {
        return Err(Error::shape("coefficients", (h.nrows(), lengths.len()), h.dim()));
    }
    out.axis_iter_mut(Axis(0)).into_par_iter().for_each(|mut sample| {
        let squares: f64 = sample.iter().zip(&lengths).map(|(&v, by)| (f64::from(v) * by).powi(2)).sum();
        let length = if squares > 0.0 { squares.sqrt() } else { 1.0 };
        sample.iter_mut().zip(&lengths).for_each(|(v, by)| *v = (f64::from(*v) * by / length) as f32);
    });
    Ok(out)
}

/// The length that a coefficient of 1 adds to a sample. Of the activations only `root` is not about linear near 0.
fn lengths(factors: &Factors<f32>, layer: usize) -> Result<Vec<f64>> {
    let squares = factors.components(layer)?.fold_axis(Axis(0), 0.0, |sum, &v| sum + f64::from(v).powi(2));
    let roots = layer == factors.depth() && factors.of_last() == Some(Activation::Root);
    Ok(squares.iter().map(|s: &f64| if roots { s.sqrt().sqrt() } else { s.sqrt() }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Activate;
    use ndarray::array;

    fn factors(w: Vec<Array2<f32>>) -> Factors<f32> {
        let h = Array2::zeros((2, w.last().map_or(0, Array2::ncols)));
        Factors { w, h, hidden: Vec::new(), activation: None, activate: Activate::Hidden }
    }

    #[test]
    fn scaling_undoes_the_free_scale_between_components() {
        let (h, w) = (array![[3.0, 2.0], [0.0, 0.0]], array![[1.0, 0.0], [0.0, 2.0]]);
        let of = |scaling| features(h.view(), &factors(vec![w.clone()]), 1, scaling).unwrap();
        assert_eq!(of(Scaling::Raw), h);
        assert_eq!(of(Scaling::ScaledUnit), array![[0.6, 0.8], [0.0, 0.0]]);
        let by = array![[4.0, 0.5]];
        let other = features((&h * &by).view(), &factors(vec![&w / &by]), 1, Scaling::ScaledUnit).unwrap();
        assert_eq!(other, of(Scaling::ScaledUnit));
        let length = 13f32.sqrt();
        assert!((of(Scaling::Unit) - array![[3.0 / length, 2.0 / length], [0.0, 0.0]]).iter().all(|d| d.abs() < 1e-6));
    }

    #[test]
    fn roots_are_scaled_by_roots() {
        let (w, by) = (array![[1.0, 0.5], [0.5, 2.0]], array![[4.0, 0.25]]);
        let of = |last: Array2<f32>, h: Array2<f32>| {
            let (activation, activate) = (Some(Activation::Root), Activate::All);
            let factors = Factors { activation, activate, ..factors(vec![w.clone(), last]) };
            features(h.mapv(f32::sqrt).view(), &factors, 2, Scaling::ScaledUnit).unwrap()
        };
        let (last, h) = (array![[1.0, 0.0], [0.0, 2.0]], array![[3.0, 2.0], [1.0, 0.0]]);
        let difference = of(&last / &by, &h * &by) - of(last, h);
        assert!(difference.iter().all(|d| d.abs() < 1e-6), "{difference}");
    }
}
