//! The device memory that a fit takes, told from its shapes alone.

use super::{Config, Extrapolate, Solver};
use crate::Result;
use crate::backend::gpu::{
    FASTEST_SOLVER, FIXED_BYTES, LOOK_EVERY, columns_bytes, fuses_rows, matrix_bytes as r, residual_bytes,
    stored_bytes, sums_bytes,
};
use crate::backend::{EXTRAPOLATION, VERDICT};
use crate::model::Method;
use crate::train::init;

/// The peak of the device memory of [`fit`](crate::train::fit()) for `n × m` data on the GPU backend, in bytes; what
/// [`Stats::peak_bytes`](crate::backend::gpu::Stats::peak_bytes) then says of a device on which nothing else ran.
///
/// `None` for models that it does not cover: those with an activation, and those that are not solved block by block
/// (`nmf-mu`, `pgnmf`, `nsnmf`, `multilayer-nmf`, `semi-nmf`, `deep-semi-nmf`, `gnmf`). A device that offers less than
/// 32 MiB per binding has smaller scratch, and takes less. [`Solver::Auto`] is what it means on a GPU, and
/// [`Storage::Auto`](crate::backend::Storage::Auto) counts as f32: [`Storage::resolve`](crate::backend::Storage::resolve)
/// says what it comes to.
///
/// With `r(a, b) = 16 a ⌈b/4⌉` bytes for a matrix, `k₀ = m`, K = k_L, and o(…) for what has no more than a few vectors
/// of k, the largest of
///
/// ```text
/// init of layer l     base + r(n, p) + 2 r(k_{l−1}, p)             p = min(k_l + 12, n, k_{l−1}); nothing but o(1) where
///                                                                  min(n, k_{l−1}) ≤ 256, or at random
/// pre-training of l   base + W_l + H_l + H-block(n, k_l) + W-block(k_{l−1}, k_l) + residual(n, k_{l−1}) + o(k_l)
///                       + 2 W_l + 2 H_l + o(k_l)                   where coordinate descent extrapolates
/// fine-tuning         base + H-block(n, K) + r(m, K) + r(K, K) + residual(n, m) + o(Σk)
///                       + Σ_l W-block(k_{l−1}, k_l) + r(m, k_l)
///                       + Σ_{l<L} 2 r(k_l, K)  +  Σ_{1<l<L} r(k_{l−1}, K)
///                       + 2 Σ_l W_l + 2 H_L + o(Σk)                where it is extrapolated
/// hidden layer l      base + H-block(n, k_l) + r(m, k_l) + r(k_l, k_l) + residual(n, m) + o(k_l)       (Nesterov's)
///
/// base                35 MiB and 3 KiB + x(n, m) + every W_i = r(k_{i−1}, k_i) and H_i = r(n, k_i) that there are by then
///                       (of the hidden H only that of the layer below, unless all are asked for)
/// x(n, m)             r(n, m) as f32, half of it as f16, a quarter of it + 4 n as u8
/// H-block(n, k)       r(k, k) + r(n, k), penalised another r(k, k); Nesterov's: + 2 r(n, k) for k > 512 or with restarts
/// W-block(p, k)       r(k, k) + r(p, k), from the second layer of the chain r(p, p); Nesterov's: + 2 r(p, k) for k > 512, with
///                       restarts or penalised, and 3 in the chain
/// residual(n, m)      r(n, m), at most 16 MiB
/// ```
///
/// and coordinate descent's gathered columns, 8·min(k, 32)·p for the largest W that is penalised. The terms o(…) are
/// counted as well, and what has more than 2⁴⁸ bytes counts as that. For n ≫ m that is about `4 n (m + 2 k)` bytes for one layer with Nesterov's method, X, H and its right side, and
/// `4 n (m + 4 k)` with extrapolated coordinate descent.
///
/// # Errors
/// [`Error::Config`](crate::Error::Config) for settings that make no sense, as [`Config::validate`].
pub fn device_bytes(config: &Config, n: usize, m: usize) -> Result<Option<u64>> {
    config.validate()?;
    if config.model.method != Method::Blocks || config.activation.is_some() {
        return Ok(None);
    }
    let nesterov = matches!(config.solver, Solver::Nesterov)
        || matches!((config.solver, FASTEST_SOLVER), (Solver::Auto, Solver::Nesterov));
    let steps = nesterov.then_some(Steps { restart: config.restart });
    let (layers, depth) = (&config.layers, config.layers.len());
    let last = layers[depth - 1];
    let rows = |l: usize| if l == 0 { m } else { layers[l - 1] };
    let constants = (0..depth).map(|l| Ok((config.mu_of(l)?, config.lambda_of(l)?))).collect::<Result<Vec<_>>>()?;
    let penalised = |l: usize| (constants[l].0 > 0.0, constants[l].1 > 0.0);
    // X, W, H and the fixed scratch; what operations keep for the next call: the residual's, the columns'.
    let mut base = FIXED_BYTES + stored_bytes(config.x_storage, n, m);
    let (mut residual, mut columns) = (0, 0);
    let mut peak = 0;
    for (l, &k) in layers.iter().enumerate() {
        let (p, (mu, lambda)) = (rows(l), penalised(l));
        peak = peak.max(base + residual + columns + init::device_bytes(config.init, (n, p), k));
        base += r(p, k) + r(n, k);
        let balance = if config.balance.penalties && mu && lambda { 3 * r(1, k) } else { 0 };
        let blocks =
            h_block(n, k, lambda, steps) + w_block((p, k), false, constants[l].0, steps) + objective(&[k]) + balance;
        peak = peak.max(base + blocks + residual + columns);
        residual = residual_bytes(n, p);
        let iterations = if depth == 1 { config.sweeps } else { config.pretrain };
        let mut ahead = 0;
        if !nesterov && iterations > 0 {
            columns = if mu { columns_bytes(p, k).max(columns) } else { columns };
            ahead = if config.extrapolate == Extrapolate::None { 0 } else { extrapolation(config, &[(p, k)], n) };
        }
        peak = peak.max(base + blocks + residual + columns + ahead);
        if l > 0 && !config.hidden {
            base -= r(n, layers[l - 1]);
        }
    }
    if depth == 1 {
        return Ok(Some(peak));
    }
    let mut chain = h_block(n, last, penalised(depth - 1).1, steps) + objective(layers) + r(m, last) + r(last, last);
    for (l, &k) in layers.iter().enumerate() {
        chain += w_block((rows(l), k), l > 0, constants[l].0, steps) + r(m, k);
        chain += if l + 1 < depth { 2 * r(k, last) } else { 0 };
        chain += if l > 0 && l + 1 < depth { r(rows(l), last) } else { 0 };
    }
    peak = peak.max(base + chain + residual + columns);
    residual = residual_bytes(n, m);
    if config.extrapolate == Extrapolate::All && config.sweeps > 0 {
        let shapes: Vec<_> = layers.iter().enumerate().map(|(l, &k)| (rows(l), k)).collect();
        chain += extrapolation(config, &shapes, n) + r(last, last);
    }
    let mut vectors: Vec<(usize, usize)> = (1..depth).map(|l| (rows(l), layers[l])).collect();
    vectors.sort_unstable();
    vectors.dedup();
    if !nesterov && config.sweeps > 0 {
        columns += vectors.iter().map(|&(rows, k)| r(1, rows) + r(1, k)).sum::<u64>();
    }
    peak = peak.max(base + chain + residual + columns);
    // Projections restart.
    let of_projection = (FASTEST_SOLVER == Solver::Nesterov).then_some(Steps { restart: true });
    for (l, &k) in layers[..depth - 1].iter().enumerate().filter(|_| config.hidden) {
        let projection = r(m, k) + h_block(n, k, penalised(l).1, of_projection) + objective(&[]);
        peak = peak.max(base + projection + r(k, k) + residual + columns);
        base -= r(n, k);
    }
    Ok(Some(peak))
}

/// Of `Extrapolation`, for W of these shapes and the H above them.
fn extrapolation(config: &Config, w: &[(usize, usize)], n: usize) -> u64 {
    let k = w.last().map_or(0, |w| w.1);
    let lengths = |k| if config.balance.lengths { 3 * r(1, k) } else { 0 };
    let of_w: u64 = w.iter().map(|&(rows, k)| 2 * r(rows, k) + lengths(k)).sum();
    r(1, EXTRAPOLATION.len()) + of_w + 2 * r(n, k)
}

/// Of `HBlock`.
fn h_block(n: usize, k: usize, penalised: bool, steps: Option<Steps>) -> u64 {
    let grams = if penalised { 2 } else { 1 };
    grams * r(k, k) + r(n, k) + steps.map_or(0, |steps| steps.work((n, k), false, 0.0))
}

/// Of `WBlock`.
fn w_block((rows, k): (usize, usize), left: bool, mu: f64, steps: Option<Steps>) -> u64 {
    let a = if left { r(rows, rows) } else { 0 };
    r(k, k) + r(rows, k) + a + steps.map_or(0, |steps| steps.work((rows, k), left, mu))
}

/// Nesterov's method.
#[derive(Clone, Copy)]
struct Steps {
    restart: bool,
}

impl Steps {
    /// Of `BlockWork`: the metrics and their vectors; where the steps are separate y, the gradient, half of it, column sums,
    /// momentum and its test.
    fn work(self, (rows, k): (usize, usize), left: bool, mu: f64) -> u64 {
        let metrics = 2 * r(1, k) + if left { 2 * r(1, rows) } else { 0 };
        if !left && mu == 0.0 && !self.restart && fuses_rows(k) {
            return metrics;
        }
        let half = if left { r(rows, k) } else { 0 };
        metrics + 2 * r(rows, k) + half + r(1, k) + r(1, 2) + sums_bytes(1)
    }
}

/// Of `Objective`.
fn objective(ranks: &[usize]) -> u64 {
    let layers = ranks.len();
    let vectors: u64 = ranks.iter().map(|&k| r(1, k)).sum();
    let terms = super::objective::PENALTIES + layers + 1;
    sums_bytes(LOOK_EVERY * terms + VERDICT) + vectors + 2 * r(1, layers + 1) + r(1, terms)
}
