//! Activations and the line search.

use super::elementwise::{DIVISION, SQRT, U};
use super::{Data, Verifier, gamma, wide};
use crate::Result;
use crate::backend::{Apply, Backend, Domain, SearchSum, Sum};
use crate::model::Activation;
use crate::model::activation::{ACTIVATIONS, LARGEST};
use ndarray::{Array2, Zip};

/// Vulkan: a logarithm between ½ and 2, in all.
const LOG_NEAR_ONE: f64 = 4.76837158203125e-7;
/// Vulkan: a logarithm elsewhere, 3 units in the last place of up to 2u.
const LOG: f64 = 6.0 * U;
/// Results below it may be taken for 0.
const SMALLEST: f64 = f32::MIN_POSITIVE as f64;

pub(super) fn run<B: Backend<Elem = f32>>(v: &mut Verifier<'_, B>) -> Result<()> {
    for shape in [(1, 1), (64, 64), (65, 63), (131, 67), (1031, 3)] {
        for &(name, activation) in ACTIVATIONS {
            activate(v, shape, (name, activation))?;
        }
        add(v, shape)?;
        search_steps(v, shape)?;
    }
    search_decisions(v)
}

/// Vulkan: e⁻ˣ to 3 + 2x units in the last place; relative.
fn exp(x: f64) -> f64 {
    2.0 * U * (3.0 + 2.0 * x)
}

/// What `shaders/activate.wgsl` may be off by at x ≥ 0, relative to the result: of p, g and p'. A CPU is off by less.
fn errors(activation: Activation, x: f64) -> [f64; 3] {
    // The series and the continued fraction: below 1e-10, 5e-9 and 3e-8 relative where they are cut off; their terms
    // fall off, so that hardly more than the roundings of the first two count. All are well within this.
    let series = gamma(12) + 2.0 * DIVISION;
    let tanh = |y: f64| {
        let t = (-2.0 * y).exp();
        if y < 0.5 { series } else { 2.0 * t / (1.0 - t * t) * exp(2.0 * y) + gamma(4) + DIVISION }
    };
    let atanh = |h: f64| {
        let log = (h.min(LARGEST)).atanh() * 2.0;
        let of_log = LOG_NEAR_ONE.max(LOG * log) + DIVISION + gamma(3);
        if h < 0.25 { series } else { of_log / log + gamma(2) }
    };
    let bell = |y: f64| exp(y) + gamma(6) + DIVISION;
    match activation {
        Activation::Root => [U, SQRT, gamma(1)],
        Activation::Tanh => [tanh(x), atanh(x), bell(2.0 * x)],
        Activation::Sigmoid => [tanh(0.5 * x), atanh(x), bell(x)],
        Activation::Softplus => {
            let e = (-x).exp();
            let of_p = LOG_NEAR_ONE + 0.5 * e * exp(x) + gamma(3);
            let of_g = LOG_NEAR_ONE + e * exp(x) + gamma(3);
            [
                if x < 1.0 { series } else { of_p / activation.p(x) + gamma(2) },
                if x < 0.25 { 3.0 * series + 2.0 * DIVISION } else { of_g / activation.g(x) + gamma(2) },
                e * exp(x) + gamma(2) + DIVISION,
            ]
        }
    }
}

/// The same of p and p' at −x. Only softplus is neither even nor odd there.
fn errors_below(activation: Activation, x: f64) -> [f64; 2] {
    let [p, _, derivative] = errors(activation, x);
    if activation != Activation::Softplus {
        return [p, derivative];
    }
    // The terms of the series: −x/2 and x²/8, of which x/2 − x²/8 is left.
    let series = (gamma(12) + 2.0 * DIVISION) * (1.0 + 0.25 * x) / (1.0 - 0.25 * x);
    let of_log = LOG_NEAR_ONE + 0.5 * (-x).exp() * exp(x) / 0.5 + gamma(3);
    [if x < 1.0 { series } else { of_log / -activation.p(-x) + gamma(2) }, exp(x) + gamma(2) + DIVISION]
}

fn activate<B: Backend<Elem = f32>>(
    v: &mut Verifier<'_, B>,
    (rows, cols): (usize, usize),
    (name, activation): (&str, Activation),
) -> Result<()> {
    // Small, large, beyond every overflow, at and past the clamp.
    const SPECIAL: [f32; 14] = [0.0, 1e-20, 1e-6, 1e-3, 0.249, 0.25, 0.5, 0.95, 1.0, 1.5, 20.0, 90.0, 1e4, 1e9];
    let mut host = v.data(rows, cols, Data::Nonnegative);
    for (i, x) in host.iter_mut().enumerate() {
        match i % 3 {
            0 => *x *= 6.0,
            1 => *x = SPECIAL[(i / 3) % SPECIAL.len()],
            _ => {}
        }
    }
    let before = v.data(rows, cols, Data::Signed);
    for (sign, all) in
        [(1.0_f32, &[Apply::P, Apply::G, Apply::TimesDerivative][..]), (-1.0, &[Apply::P, Apply::TimesDerivative])]
    {
        activate_at(v, &host * sign, &before, (name, activation), all)?;
    }
    Ok(())
}

fn activate_at<B: Backend<Elem = f32>>(
    v: &mut Verifier<'_, B>,
    host: Array2<f32>,
    before: &Array2<f32>,
    (name, activation): (&str, Activation),
    all: &[Apply],
) -> Result<()> {
    let (rows, cols) = host.dim();
    let on_device = v.b.upload(host.view())?;
    let (host, wide_before) = (wide(&host), wide(before));
    let below = host.iter().any(|x| *x < 0.0);
    let side = if below { " below 0" } else { "" };
    for &apply in all {
        let mut out = v.b.upload(before.view())?;
        let mut expected = wide_before.clone();
        v.b.activate(activation, apply, &on_device, &mut out)?;
        v.oracle.activate(activation, apply, &host, &mut expected)?;
        let product = if apply == Apply::TimesDerivative { U } else { 0.0 };
        let bound = Zip::from(&host).and(&expected).map_collect(|x, e| match (*x, apply) {
            // What keeps zeros zero is exact.
            (0.0, Apply::P | Apply::G) => 0.0,
            (x, _) => {
                let [p, g, derivative] = errors(activation, x.abs());
                let [p, derivative] = if below { errors_below(activation, -x) } else { [p, derivative] };
                let error = match apply {
                    Apply::P => p,
                    Apply::G => g,
                    Apply::TimesDerivative => derivative,
                };
                e.abs() * (error + product) + SMALLEST
            }
        });
        v.compare_matrix(format!("{name} {apply:?}{side} {rows}×{cols}"), &out, &expected, &bound)?;
    }
    Ok(())
}

fn add<B: Backend<Elem = f32>>(v: &mut Verifier<'_, B>, (rows, cols): (usize, usize)) -> Result<()> {
    let (a, b) = (v.data(rows, cols, Data::Signed), v.data(rows, cols, Data::Signed));
    let (mut out, on_b) = (v.b.upload(a.view())?, v.b.upload(b.view())?);
    let (mut expected, b) = (wide(&a), wide(&b));
    let c = -0.375;
    v.b.add(&mut out, c, &on_b)?;
    v.oracle.add(&mut expected, c, &b)?;
    let bound = gamma(2) * (wide(&a).mapv(f64::abs) + c.abs() * b.mapv(f64::abs));
    v.compare_matrix(format!("addition {rows}×{cols}"), &out, &expected, &bound)
}

/// A trial, and whether it replaces x when it should and only then.
fn search_steps<B: Backend<Elem = f32>>(v: &mut Verifier<'_, B>, (rows, cols): (usize, usize)) -> Result<()> {
    let (x, g) = (v.data(rows, cols, Data::Nonnegative), v.data(rows, cols, Data::Signed));
    let name = format!("{rows}×{cols}");
    for (taken, domain) in [(0.0, Domain::Nonnegative), (1.0, Domain::Nonnegative), (1.0, Domain::Real)] {
        let (least, name) = match domain {
            Domain::Nonnegative => (0.0, name.clone()),
            Domain::Real => (f64::NEG_INFINITY, format!("of any sign {name}")),
        };
        let alpha = 0.3_f32;
        let state = ndarray::arr2(&[[alpha, taken, taken]]);
        let (mut on_x, on_g, state) = (v.b.upload(x.view())?, v.b.upload(g.view())?, v.b.upload(state.view())?);
        let (mut trial, mut moved) = (v.b.zeros(rows, cols)?, v.b.zeros(rows, cols)?);
        v.b.search_trial(&on_x, &on_g, &state, domain, &mut trial, &mut moved)?;
        let found = v.b.download(&trial)?;
        let (x, g, alpha) = (wide(&x), wide(&g), f64::from(alpha));
        let expected = Zip::from(&x).and(&g).map_collect(|x, g| (x - alpha * g).max(least));
        let bound = gamma(2) * (&x + alpha * g.mapv(f64::abs));
        v.compare(format!("line search, trial {name}"), wide(&found).view(), expected.view(), bound.view());
        let bound = bound + gamma(1) * (&expected - &x).mapv(f64::abs);
        v.compare_matrix(format!("line search, move {name}"), &moved, &(&expected - &x), &(2.0 * bound))?;
        v.b.search_accept(&state, &trial, &mut on_x)?;
        let expected = if taken > 0.0 { wide(&found) } else { x };
        v.compare_matrix(format!("line search, taken {taken} {name}"), &on_x, &expected, &Array2::zeros((rows, cols)))?;
    }
    Ok(())
}

/// Steps double and halve exactly; what is over stays as it is; what overflows is refused.
fn search_decisions<B: Backend<Elem = f32>>(v: &mut Verifier<'_, B>) -> Result<()> {
    /// What it is called, the sums, whether it is a first trial, the state before and after.
    type Case = (&'static str, [f32; SearchSum::COUNT], bool, [f32; 3], [f64; 3]);
    let over = [1.0, 1.0, 1.0];
    let cases: [Case; 8] = [
        ("enough", [-1.0, -0.5, 0.25, -0.25, 0.25], true, [0.5, 0.0, 0.0], over),
        ("enough after another search", [-1.0, -0.5, 0.25, -0.25, 0.25], true, [0.5, 1.0, 0.0], over),
        // −0.005 of the −0.01 that are asked for.
        ("too little", [-1.0, -0.5, 0.99, 0.0, 0.0], true, [0.5, 0.0, 0.0], [0.25, 0.0, 0.0]),
        ("more", [-1.0, -0.5, 1.0, 0.25, 0.25], false, [0.5, 0.0, 0.0], [0.25, 0.0, 0.0]),
        ("over", [-1.0, -0.5, 1.0, 0.0, 0.0], false, [0.5, 1.0, 1.0], [0.5, 1.0, 0.0]),
        ("overflow", [-1.0, -2e38, 3e38, 3e38, 3e38], true, [0.5, 0.0, 0.0], [0.25, 0.0, 0.0]),
        ("infinite", [-1.0, f32::NEG_INFINITY, 0.0, 0.0, 0.0], true, [0.5, 0.0, 0.0], [0.25, 0.0, 0.0]),
        (
            "nothing moves",
            [0.0; SearchSum::COUNT],
            true,
            [SearchSum::LARGEST_STEP as f32, 0.0, 0.0],
            [f64::from(SearchSum::LARGEST_STEP as f32), 1.0, 1.0],
        ),
    ];
    for (name, sums, first, state, expected) in cases {
        let mut scalars = v.b.scalars(SearchSum::COUNT)?;
        for (slot, sum) in sums.into_iter().enumerate() {
            let one = v.b.upload(ndarray::arr2(&[[sum]]).view())?;
            v.b.sum(Sum::Entries(&one), &mut scalars, slot)?;
        }
        let mut state = v.b.upload(ndarray::arr2(&[state]).view())?;
        v.b.search_decide(&scalars, first, &mut state)?;
        v.compare_matrix(format!("line search, {name}"), &state, &ndarray::arr2(&[expected]), &Array2::zeros((1, 3)))?;
    }
    Ok(())
}
