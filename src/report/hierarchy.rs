//! The hierarchy of parts: the components of the layer below that a component is made of (Guo & Zhang 2017, figure 8).

use ndarray::{Array2, Axis};

use crate::model::Factors;
use crate::{Error, Result};

/// A component with its strongest parts.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Its layer, from 1.
    pub layer: usize,
    /// Its column in `W_layer`.
    pub component: usize,
    /// `W_{l+1}[component, whole]`, its coefficient in a component of the layer above; 1 at the top.
    pub coefficient: f32,
    /// Its length relative to that of the whole: `|coefficient| ‖Psi_l e_i‖ / ‖Psi_{l+1} e_j‖`.
    ///
    /// Coefficients alone do not tell the strength of a part, because the lengths of components are arbitrary.
    pub share: f64,
    /// Its parts, the strongest first; empty in layer 1.
    pub parts: Vec<Part>,
}

/// Lengths and strengths of the components of every layer.
#[derive(Debug, Clone)]
pub struct Strengths {
    /// `‖Psi_l e_j‖`, by layer from 0 and component.
    pub lengths: Vec<Vec<f64>>,
    /// `‖Psi_l e_j‖ ‖H_l e_j‖`, what component j adds to all samples, H_l the coefficients of the layer; by layer from 0 and
    /// component.
    pub strengths: Vec<Vec<f64>>,
}

impl Strengths {
    /// Of the components of `factors`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the factors do not fit each other.
    pub fn of(factors: &Factors<f32>) -> Result<Self> {
        let lengths = |l: usize| factors.components(l).map(|psi| column_lengths(&psi));
        let lengths = (1..=factors.depth()).map(lengths).collect::<Result<Vec<_>>>()?;
        let k = lengths.last().map_or(0, Vec::len);
        if factors.h.ncols() != k {
            return Err(Error::shape("coefficients", (factors.h.nrows(), k), factors.h.dim()));
        }
        let mut strengths = vec![Vec::new(); factors.depth()];
        let mut h = match factors.of_last() {
            Some(activation) => factors.h.mapv(|v| activation.p(v)),
            None => factors.h.clone(),
        };
        for l in (0..factors.depth()).rev() {
            strengths[l] = column_lengths(&h).iter().zip(&lengths[l]).map(|(h, psi)| h * psi).collect();
            if l > 0 {
                h = h.dot(&factors.w[l].t());
                if let Some(activation) = factors.activation {
                    h.mapv_inplace(|v| activation.p(v));
                }
            }
        }
        Ok(Self { lengths, strengths })
    }

    /// The at most `count` strongest components of layer `layer` (from 1), the strongest first; none if there is no such layer.
    pub fn strongest(&self, layer: usize, count: usize) -> Vec<usize> {
        layer.checked_sub(1).and_then(|l| self.strengths.get(l)).map_or(Vec::new(), |all| strongest(all, count))
    }
}

/// Component `component` (from 0) of layer `layer` (from 1) with at most `count` parts, and these with theirs, down to layer 1.
/// Parts with coefficient 0 are left out.
///
/// # Errors
/// [`Error::Config`] if there is no such component; [`Error::Shape`] if `strengths` is of other factors.
pub fn parts_of(
    w: &[Array2<f32>],
    strengths: &Strengths,
    layer: usize,
    component: usize,
    count: usize,
) -> Result<Part> {
    if layer == 0 || layer > w.len() || component >= w[layer - 1].ncols() {
        let sizes: Vec<usize> = w.iter().map(Array2::ncols).collect();
        let message =
            format!("expected a component of layers of {sizes:?}, found component {component} of layer {layer}");
        return Err(Error::Config(message));
    }
    for (l, w) in w[..layer].iter().enumerate() {
        let (of_w, lengths) = (w.ncols(), strengths.lengths.get(l).map_or(0, Vec::len));
        if of_w != lengths {
            return Err(Error::shape("lengths of components", (1, of_w), (1, lengths)));
        }
    }
    Ok(below(w, strengths, (layer, component), (1.0, 1.0), count))
}

fn below(
    w: &[Array2<f32>],
    strengths: &Strengths,
    (layer, component): (usize, usize),
    (coefficient, share): (f32, f64),
    count: usize,
) -> Part {
    let mut parts = Vec::new();
    if layer > 1 {
        let column = w[layer - 1].column(component);
        let whole = strengths.lengths[layer - 1][component];
        let added: Vec<f64> =
            column.iter().zip(&strengths.lengths[layer - 2]).map(|(c, length)| f64::from(c.abs()) * length).collect();
        for i in strongest(&added, count).into_iter().filter(|i| added[*i] > 0.0) {
            // A whole has length 0 if its parts cancel each other.
            let share = if whole > 0.0 { added[i] / whole } else { f64::INFINITY };
            parts.push(below(w, strengths, (layer - 1, i), (column[i], share), count));
        }
    }
    Part { layer, component, coefficient, share, parts }
}

/// The indices of the largest values, the largest first; equal values in their order.
fn strongest(values: &[f64], count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*b].total_cmp(&values[*a]));
    order.truncate(count);
    order
}

fn column_lengths(a: &Array2<f32>) -> Vec<f64> {
    a.fold_axis(Axis(0), 0.0, |sum, &v| sum + f64::from(v).powi(2)).iter().map(|s: &f64| s.sqrt()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Activate, Activation};
    use ndarray::array;

    fn factors(w: Vec<Array2<f32>>, h: Array2<f32>) -> Factors<f32> {
        Factors { w, h, hidden: Vec::new(), activation: None, activate: Activate::Hidden }
    }

    /// Parts of lengths 1, 10 and 1 on pixels of their own.
    fn three_layers() -> Factors<f32> {
        let w1 = array![[1.0, 0.0, 0.0], [0.0, 10.0, 0.0], [0.0, 0.0, 1.0]];
        let w2 = array![[3.0, 0.0], [0.4, 0.0], [0.0, 2.0]];
        let w3 = array![[1.0], [-1.0]];
        factors(vec![w1, w2, w3], array![[1.0], [2.0]])
    }

    #[test]
    fn strong_parts_are_those_that_add_most_not_those_with_large_coefficients() {
        let f = three_layers();
        let top = parts_of(&f.w, &Strengths::of(&f).unwrap(), 3, 0, 5).unwrap();
        assert_eq!((top.layer, top.component, top.coefficient, top.share), (3, 0, 1.0, 1.0));
        let second: Vec<_> = top.parts.iter().map(|p| (p.layer, p.component, p.coefficient)).collect();
        assert_eq!(second, [(2, 0, 1.0), (2, 1, -1.0)]);
        // 0.4 · 10 is more than 3 · 1.
        let first: Vec<_> = top.parts[0].parts.iter().map(|p| (p.layer, p.component, p.coefficient)).collect();
        assert_eq!(first, [(1, 1, 0.4), (1, 0, 3.0)]);
        assert!((top.parts[0].parts[0].share - 4.0 / 5.0).abs() < 1e-6, "{top:?}");
        assert!(top.parts.iter().flat_map(|p| &p.parts).all(|p| p.parts.is_empty()));
        // Of three parts one adds nothing; and no more than are asked for.
        assert_eq!(top.parts[1].parts.len(), 1);
        let strengths = Strengths::of(&f).unwrap();
        assert_eq!(parts_of(&f.w, &strengths, 2, 0, 1).unwrap().parts.len(), 1);
        for (layer, component) in [(0, 0), (4, 0), (3, 1), (1, 3)] {
            assert!(matches!(parts_of(&f.w, &strengths, layer, component, 1), Err(Error::Config(_))));
        }
        assert!(parts_of(&f.w, &Strengths { lengths: Vec::new(), ..strengths.clone() }, 2, 0, 1).is_err());
        assert!(strengths.strongest(0, 1).is_empty() && strengths.strongest(4, 1).is_empty());
        assert!(Strengths::of(&Factors { h: array![[1.0, 2.0]], ..f }).is_err());
    }

    #[test]
    fn a_component_is_strong_by_what_it_adds_to_all_samples() {
        let f = three_layers();
        let s = Strengths::of(&f).unwrap();
        // H_3 = (1, 2), H_2 = H_3 (1, −1), H_1 = H_2 W_2ᵀ = H_3 (3, .4, −2).
        let five = 5f64.sqrt();
        let expected = [vec![3.0 * five, 4.0 * five, 2.0 * five], vec![5.0 * five, 2.0 * five]];
        for (found, expected) in s.strengths.iter().zip(&expected) {
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{found:?} {expected:?}");
        }
        assert_eq!(s.strongest(1, 2), [1, 0]);
        // The same components with other lengths: nothing changes.
        let scaled = factors(vec![&f.w[0] * 4.0, &f.w[1] / 4.0, f.w[2].clone()], f.h.clone());
        assert_eq!(Strengths::of(&scaled).unwrap().strongest(1, 3), s.strongest(1, 3));
    }

    #[test]
    fn coefficients_of_the_layers_below_pass_through_the_activation() {
        let mut f = factors(vec![array![[1.0, 0.0], [0.0, 1.0]], array![[1.0], [3.0]]], array![[2.0]]);
        f.activation = Some(Activation::Root);
        // H_1 = (2, 6)², the components of layer 1 are of length 1.
        assert_eq!(Strengths::of(&f).unwrap().strengths[0], [4.0, 36.0]);
        f.activate = Activate::All;
        // H_2 = 2² = 4, H_1 = (4, 12)².
        assert_eq!(Strengths::of(&f).unwrap().strengths[0], [16.0, 144.0]);
    }

    #[test]
    fn parts_that_cancel_make_no_division_by_zero() {
        let f = factors(vec![array![[1.0, 1.0]], array![[1.0], [-1.0]]], array![[1.0]]);
        let top = parts_of(&f.w, &Strengths::of(&f).unwrap(), 2, 0, 5).unwrap();
        assert!(top.parts.iter().all(|p| p.share == f64::INFINITY), "{top:?}");
    }
}
