//! What a fit came to that its user should know, although it is no error.

use super::{Config, History, Warning};
use crate::backend::{Element, Stopping};
use crate::model::Factors;
use crate::{Error, Result};
use ndarray::ArrayView2;

/// The share of ‖X‖ above which next to nothing is explained.
const NOTHING: f64 = 0.99;
/// The share of ‖X‖ below which more iterations are of no use: that of rounding.
const EVERYTHING: f64 = 5e-5;

/// The warnings about a finished fit, which is that of all ranks.
///
/// # Errors
/// [`Error::Data`] where a whole factor is zero: that is no model.
pub(crate) fn warnings<E: Element>(
    factors: &Factors<E>,
    history: &History,
    relative_error: f64,
    config: &Config,
) -> Result<Vec<Warning>> {
    let depth = factors.w.len();
    let mut of_samples = columns_alive(factors.h.view());
    if let Some(ranks) = config.ranks {
        let of_all = ranks.total(of_samples.iter().map(|alive| f64::from(u8::from(*alive))).collect())?;
        of_samples = of_all.iter().map(|alive| *alive > 0.0).collect();
    }
    let mut warnings = Vec::new();
    for (l, w) in factors.w.iter().enumerate() {
        // A component of a hidden layer is used by the layer above, one of the last layer by the samples.
        let mut alive = columns_alive(w.view());
        let used = factors.w.get(l + 1).map_or_else(|| of_samples.clone(), |above| columns_alive(above.t()));
        alive.iter_mut().zip(used).for_each(|(alive, used)| *alive &= used);
        let dead = alive.iter().filter(|alive| !**alive).count();
        if dead == alive.len() {
            return Err(Error::Data(format!(
                "the model is all zero from layer {} on: no component has both weights and samples; the penalties outweigh the \
                 data (lower --mu and --lambda) or the start has nothing in common with them (--init random)",
                l + 1
            )));
        }
        let (layer, of) = (l + 1, alive.len());
        match dead {
            0 => {}
            unused if layer < depth => warnings.push(Warning::UnusedComponents { layer, unused, of }),
            dead => warnings.push(Warning::DeadComponents { layer, dead, of }),
        }
    }
    if relative_error > NOTHING {
        warnings.push(Warning::NothingExplained { relative_error });
    }
    let missed = config.target_error.filter(|target| relative_error > *target * (1.0 + 1e-6));
    warnings.extend(missed.map(|target| Warning::TargetMissed { target, relative_error }));
    if relative_error > EVERYTHING {
        warnings.extend(still_falling(history, config));
    }
    Ok(warnings)
}

/// Of every column, whether it has an entry that is not 0.
fn columns_alive<E: Element>(m: ArrayView2<'_, E>) -> Vec<bool> {
    let mut alive = vec![false; m.ncols()];
    for row in m.rows() {
        alive.iter_mut().zip(row).for_each(|(alive, v)| *alive |= !v.is_zero());
    }
    alive
}

/// By the mean change over the last iterations: an extrapolated course stands still now and then.
fn still_falling(history: &History, config: &Config) -> Option<Warning> {
    let tuned = Some(&history.finetune).filter(|history| history.len() > 1);
    let (course, most) = match tuned {
        Some(course) => (course, config.sweeps),
        None => (history.pretrain.last()?, if config.layers.len() == 1 { config.sweeps } else { config.pretrain }),
    };
    // The last value of online training is that of its pass for H alone.
    let iterations = course.len() - if config.online.is_some() && tuned.is_some() { 2 } else { 1 };
    let over = (Stopping::PATIENCE as usize).min(iterations);
    if config.tol == 0.0 || config.target_error.is_some() || iterations < most || over == 0 {
        return None;
    }
    let (before, last) = (course[iterations - over], course[iterations]);
    let change = 1.0 - (last / before).powf(1.0 / over as f64);
    (change > config.tol).then_some(Warning::StillFalling { iterations, change, tol: config.tol })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Activate, ModelSpec};
    use ndarray::{Array2, arr2};

    fn check(w: Array2<f64>, h: Array2<f64>, course: Vec<f64>, error: f64, config: &Config) -> Result<Vec<Warning>> {
        let factors = Factors { w: vec![w], h, hidden: Vec::new(), activation: None, activate: Activate::Hidden };
        let history = History { pretrain: vec![course], finetune: Vec::new() };
        warnings(&factors, &history, error, config)
    }

    #[test]
    fn odd_fits_are_told_apart() {
        let config = Config { sweeps: 4, tol: 1e-3, ..Config::new(ModelSpec::by_name("dnmf").unwrap(), [2]) };
        let (w, h) = (arr2(&[[1.0, 0.0], [0.0, 2.0]]), arr2(&[[1.0, 1.0], [0.0, 3.0], [2.0, 0.0]]));
        let flat = vec![1.0; 5];
        assert_eq!(check(w.clone(), h.clone(), flat.clone(), 0.5, &config).unwrap(), []);
        let dead = Warning::DeadComponents { layer: 1, dead: 1, of: 2 };
        let unused = arr2(&[[1.0, 0.0], [2.0, 0.0]]);
        assert_eq!(check(w.clone(), unused.clone(), flat.clone(), 0.5, &config).unwrap(), std::slice::from_ref(&dead));
        assert_eq!(check(unused.clone(), h.clone(), flat.clone(), 0.5, &config).unwrap(), [dead]);
        // Each factor has something, but no component has both.
        let other = arr2(&[[0.0, 1.0]]);
        assert!(matches!(check(unused, other, flat.clone(), 1.0, &config), Err(Error::Data(_))));
        let nothing = check(w.clone(), h.clone(), flat.clone(), 0.995, &config).unwrap();
        assert_eq!(nothing, [Warning::NothingExplained { relative_error: 0.995 }]);
        let aim = Config { target_error: Some(0.1), ..config.clone() };
        let missed = check(w.clone(), h.clone(), flat, 0.2, &aim).unwrap();
        assert_eq!(missed, [Warning::TargetMissed { target: 0.1, relative_error: 0.2 }]);
        let falling = check(w.clone(), h.clone(), vec![5.0, 4.0, 3.0, 2.0, 1.0], 0.2, &config).unwrap();
        let change = 1.0 - 0.2_f64.powf(0.25);
        assert_eq!(falling, [Warning::StillFalling { iterations: 4, change, tol: 1e-3 }]);
        let exact = check(w.clone(), h.clone(), vec![5.0, 4.0, 3.0, 2.0, 1.0], 1e-6, &config).unwrap();
        assert_eq!(exact, [], "nothing is left to explain");
        // It ended before its last iteration, or was to make just so many.
        let ended = check(w.clone(), h.clone(), vec![5.0, 4.0, 3.0], 0.2, &config).unwrap();
        let wanted = check(w, h, vec![5.0, 4.0, 3.0, 2.0, 1.0], 0.2, &Config { tol: 0.0, ..config }).unwrap();
        assert_eq!((ended, wanted), (vec![], vec![]));
    }
}
