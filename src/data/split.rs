//! Training and test samples.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::{Error, Result};

/// Draws `n` samples of every class for training; returns the `(training, test)` rows, each ascending. All others are test
/// rows.
///
/// `labels` has the class of every sample, an index into `classes`, which are for messages and may be empty. The same labels
/// and seed give the same rows, on every platform and in every release.
///
/// # Errors
/// [`Error::Data`] without labels or if a class that occurs has fewer than `n` samples;
/// [`Error::Config`] if `n` is 0.
pub fn train_per_class(labels: &[usize], classes: &[String], n: usize, seed: u64) -> Result<(Vec<usize>, Vec<usize>)> {
    if n == 0 {
        return Err(Error::Config("expected at least 1 training sample per class, found 0".into()));
    }
    if labels.is_empty() {
        return Err(Error::Data("expected labels to draw training samples of every class, found none".into()));
    }
    let mut members = std::collections::BTreeMap::<usize, Vec<usize>>::new();
    for (row, &label) in labels.iter().enumerate() {
        members.entry(label).or_default().push(row);
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut in_training = vec![false; labels.len()];
    for (label, mut rows) in members {
        if rows.len() < n {
            let name = classes.get(label).map_or_else(|| label.to_string(), Clone::clone);
            let message = format!("expected at least {n} samples of class `{name}`, found {}", rows.len());
            return Err(Error::Data(message));
        }
        // Fisher–Yates written out, because a library's shuffle may change between releases.
        for i in 0..n {
            let rest = (rows.len() - i) as u128;
            let j = i + ((u128::from(rng.next_u64()) * rest) >> 64) as usize;
            rows.swap(i, j);
            in_training[rows[i]] = true;
        }
    }
    Ok((0..labels.len()).partition(|&row| in_training[row]))
}
