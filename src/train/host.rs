//! The host memory that a fit takes, told from its shapes alone.

use super::{Config, Extrapolate, Solver};
use crate::model::Method;
use crate::{Error, Result, memory};

/// The host memory that [`fit`](crate::train::fit()) of `n × m` data takes besides the caller's samples, in bytes, about: what
/// has to be there at once, in f32, but scratch that does not grow with the data.
///
/// With `r(a, b) = 4ab`, `k₀ = m`, on the CPU backend the larger of
///
/// ```text
/// a layer       r(n, m) + Σ_{i<l} r(k_{i−1}, k_i) + c (r(n, k_l) + r(k_{l−1}, k_l)) + 3 r(k_l, k_l)
/// fine-tuning   r(n, m) + 3 r(n, k_L) + Σ_l 2 r(k_{l−1}, k_l) + r(m, k_l) + 2 r(k_l, k_L)
/// ```
///
/// over all layers l: the samples again, the factors with their start, right sides and Gram matrices. c is 5 where
/// coordinate descent extrapolates or H is updated multiplicatively, else 3. On a GPU it is the start of the largest layer
/// alone. `u64::MAX` where it is beyond counting.
pub fn host_bytes(config: &Config, n: usize, m: usize, on_gpu: bool) -> u64 {
    // Sizes may be absurd; in floating point they stay comparable.
    let r = |a: usize, b: usize| 4.0 * a as f64 * b as f64;
    let data = if on_gpu || config.stream { 0.0 } else { r(n, m) };
    let extrapolates = config.solver != Solver::Nesterov && config.extrapolate != Extrapolate::None;
    let copies = match (on_gpu, extrapolates || config.model.method != Method::Blocks) {
        (true, _) => 1.0,
        (false, true) => 5.0,
        (false, false) => 3.0,
    };
    let grams = if on_gpu { 0.0 } else { 3.0 };
    let (mut below, mut peak, mut rows) = (0.0, 0.0_f64, m);
    let last = config.layers.last().copied().unwrap_or(0);
    let mut chain = data + 3.0 * r(n, last);
    for &k in &config.layers {
        peak = peak.max(data + below + copies * (r(n, k) + r(rows, k)) + grams * r(k, k));
        below += if on_gpu { 0.0 } else { r(rows, k) };
        chain += 2.0 * r(rows, k) + r(m, k) + 2.0 * r(k, last);
        rows = k;
    }
    let peak = if config.layers.len() > 1 && !on_gpu { peak.max(chain) } else { peak };
    peak as u64
}

/// Refuses a fit of `n × m` data, which the caller has in memory, that this machine has no more memory for: nothing can be done once
/// an allocation fails.
///
/// # Errors
/// [`Error::Config`] with what is needed and what is available.
pub(crate) fn check_memory(config: &Config, n: usize, m: usize, on_gpu: bool) -> Result<()> {
    let needed = host_bytes(config, n, m, on_gpu);
    let Some(available) = memory::available().filter(|available| *available < needed) else { return Ok(()) };
    let size = |bytes: u64| match bytes as f64 / f64::from(1 << 30) {
        gib if gib >= 0.1 => format!("{gib:.1} GiB"),
        gib => format!("{:.1} MiB", 1024.0 * gib),
    };
    let layers = config.layers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    Err(Error::Config(format!(
        "layers {layers} of {n} samples × {m} features need about {} of memory, and {} are available; choose smaller layers, \
         or fewer samples or features",
        size(needed),
        size(available)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MODELS;

    #[test]
    fn what_no_machine_has_is_refused_before_anything_is_allocated() {
        for layers in [vec![usize::MAX], vec![i64::MAX as usize, 2], vec![4, 1 << 40], vec![100_000_000_000]] {
            for model in MODELS {
                for on_gpu in [false, true] {
                    let config = Config::new(*model, layers.clone());
                    let message = check_memory(&config, 60, 36, on_gpu).unwrap_err().to_string();
                    assert!(message.contains("60 samples × 36 features need about"), "{message}");
                }
            }
        }
        assert!(check_memory(&Config::new(MODELS[0], [4, 2]), usize::MAX, usize::MAX, false).is_err());
        assert!(check_memory(&Config::new(MODELS[0], [4, 2]), 60, 36, false).is_ok());
    }
}
