//! The CPU backend in f64 against the fixtures of an independent oracle, through the code the product runs.
//!
//! The fixtures are in the papers' orientation: one column per sample.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "golden/baselines.rs"]
mod baselines;
mod common;

use common::fixture::{config, start, x};
use common::{close, golden, matrices, matrix, numbers};
use deepnmf::backend::{Backend, Cpu, Device, MatMul};
use deepnmf::model::{Activate, Activation, ModelSpec};
use deepnmf::train::{self, Balance, Config, Init};
use ndarray::Array2;

fn check(fixture: &str, config: &Config) {
    let golden = golden(fixture);
    let mut cpu = Cpu::<f64>::new();
    let fit =
        train::fit(&mut cpu, x().view(), config, Some(&start(&config.layers)), &mut deepnmf::train::silent).unwrap();
    for (l, trace) in golden["pretrain_trace"].as_array().unwrap().iter().enumerate() {
        close(&format!("{fixture}: objective of pre-training {l}"), &numbers(trace), &fit.history.pretrain[l]);
    }
    close(&format!("{fixture}: objective of fine-tuning"), &numbers(&golden["finetune_trace"]), &fit.history.finetune);
    if let Some(pretrained) = golden.get("pretrain") {
        let before = Config { sweeps: 0, ..config.clone() };
        let before =
            train::fit(&mut cpu, x().view(), &before, Some(&start(&config.layers)), &mut deepnmf::train::silent)
                .unwrap();
        for (l, w) in matrices(&pretrained["W"]).iter().enumerate() {
            common::close_matrix(&format!("{fixture}: pre-trained W_{}", l + 1), w, &before.factors.w[l]);
        }
        let h = matrices(&pretrained["H"]).pop().unwrap();
        common::close_matrix(&format!("{fixture}: pre-trained H_L"), &h.reversed_axes(), &before.factors.h);
    }
    for (l, w) in matrices(&golden["finetune"]["W"]).iter().enumerate() {
        common::close_matrix(&format!("{fixture}: W_{}", l + 1), w, &fit.factors.w[l]);
    }
    let h = matrices(&golden["finetune"]["H"]).pop().unwrap();
    common::close_matrix(&format!("{fixture}: H_L"), &h.reversed_axes(), &fit.factors.h);
    let last = *fit.history.finetune.last().unwrap();
    assert!((fit.objective - last).abs() <= 1e-9 * last, "{fixture}: {} from the residual, {last}", fit.objective);
}

#[test]
fn linear_models() {
    for (fixture, model) in
        [("DNMF", "dnmf"), ("L", "sdnmf-l"), ("R", "sdnmf-r"), ("RL1", "sdnmf-rl1"), ("RL2", "sdnmf-rl2")]
    {
        check(&format!("linear_{fixture}"), &config(model, &[8, 4]));
    }
}

#[test]
fn three_layers() {
    check("linear3_RL2", &config("sdnmf-rl2", &[8, 6, 4]));
}

#[test]
fn restart() {
    check("opt_RL2_restart", &Config { restart: true, ..config("sdnmf-rl2", &[8, 4]) });
}

#[test]
fn balance() {
    let balance = Balance { layers: false, penalties: true, lengths: false };
    check("opt_RL2_balance", &Config { balance, ..config("sdnmf-rl2", &[8, 4]) });
}

fn check_nonlinear(fixture: &str, config: &Config) {
    let config = &Config { hidden: true, ..config.clone() };
    check(fixture, config);
    let golden = golden(fixture);
    let fit_as = |activate| {
        let config = Config { activate, ..config.clone() };
        train::fit(
            &mut Cpu::<f64>::new(),
            x().view(),
            &config,
            Some(&start(&config.layers)),
            &mut deepnmf::train::silent,
        )
        .unwrap()
    };
    let fit = fit_as(Activate::Hidden);
    let h = matrices(&golden["finetune"]["H"]);
    for (l, (expected, found)) in h.iter().zip(&fit.factors.hidden).enumerate() {
        common::close_matrix(&format!("{fixture}: H_{}", l + 1), &expected.t().to_owned(), found);
    }
    let error = (&x() - &fit.factors.reconstruct(fit.factors.h.view()).unwrap()).mapv(|d| d * d).sum().sqrt();
    let expected = fit.relative_error * x().mapv(|x| x * x).sum().sqrt();
    assert!((error - expected).abs() <= 1e-12 * expected, "{fixture}: {error} from the reconstruction, {expected}");
    if let Some(square2) = golden.get("square2_representation") {
        let all = fit_as(Activate::All);
        let expected = matrix(square2).reversed_axes();
        common::close_matrix(&format!("{fixture}: g(H_L)"), &expected, &all.factors.h);
        let [one, other] = [&fit, &all].map(|fit| fit.factors.reconstruct(fit.factors.h.view()).unwrap());
        common::close_matrix(&format!("{fixture}: reconstruction from g(H_L)"), &one, &other);
    }
}

#[test]
fn nonlinear_models() {
    for (fixture, model) in
        [("DNMF", "dnmf"), ("L", "sdnmf-l"), ("R", "sdnmf-r"), ("RL1", "sdnmf-rl1"), ("RL2", "sdnmf-rl2")]
    {
        let config = Config { activation: Some(Activation::Root), ..config(model, &[8, 4]) };
        check_nonlinear(&format!("nonlinear_root_{fixture}"), &config);
    }
    for (name, activation) in
        [("tanh", Activation::Tanh), ("sigmoid", Activation::Sigmoid), ("softplus", Activation::Softplus)]
    {
        let config = Config { activation: Some(activation), ..config("sdnmf-rl2", &[8, 4]) };
        check_nonlinear(&format!("nonlinear_{name}_RL2"), &config);
    }
}

/// No iterations: the fit returns its start, to which nothing was done.
fn nndsvd(init: Init, k: usize) -> (Array2<f64>, Array2<f64>) {
    let config = Config { init, sweeps: 0, ..config("dnmf", &[k]) };
    let fit = train::fit(&mut Cpu::<f64>::new(), x().view(), &config, None, &mut deepnmf::train::silent).unwrap();
    (fit.factors.w[0].clone(), fit.factors.h)
}

#[test]
fn nndsvd_plain_and_filled() {
    let golden = golden("nndsvd");
    let (w, h) = nndsvd(Init::Nndsvd, 8);
    common::close_matrix("NNDSVD, W", &matrix(&golden["W"]), &w);
    common::close_matrix("NNDSVD, H", &matrix(&golden["H"]).reversed_axes(), &h);
    // scikit-learn fills with the mean m of X, which is no size of a factor. Here it is √(m/k), k √(m/k) √(m/k) = m.
    let fill = (golden["mean"].as_f64().unwrap() / 8.0).sqrt();
    for (init, low, high) in [(Init::Nndsvda, fill, fill), (Init::Nndsvdar, 0.0, fill / 100.0)] {
        let (filled_w, filled_h) = nndsvd(init, 8);
        for (plain, filled) in w.iter().chain(&h).zip(filled_w.iter().chain(&filled_h)) {
            if *plain == 0.0 {
                assert!(*filled > 0.0 && (low * (1.0 - 1e-12)..=high * (1.0 + 1e-12)).contains(filled), "{filled}");
            } else {
                assert_eq!(plain, filled);
            }
        }
    }
}

/// What the fine-tuning replaces: H̃_l formed for every layer, and all hidden H_l updated in every sweep.
#[test]
fn chain_equals_the_literal_loop() {
    let layers = [8, 6, 4];
    for (model, sweeps) in [("dnmf", 4), ("sdnmf-rl1", 4)] {
        let config = Config { sweeps, hidden: true, ..config(model, &layers) };
        let fit =
            train::fit(&mut Cpu::<f64>::new(), x().view(), &config, Some(&start(&layers)), &mut deepnmf::train::silent)
                .unwrap();
        let before = Config { sweeps: 0, ..config.clone() };
        let before =
            train::fit(&mut Cpu::<f64>::new(), x().view(), &before, Some(&start(&layers)), &mut deepnmf::train::silent)
                .unwrap();
        let (w, h) = literal::finetune(&x(), before.factors.w, before.factors.h, &config);
        for (l, (expected, found)) in w.iter().zip(&fit.factors.w).enumerate() {
            common::close_matrix(&format!("{model}: W_{}", l + 1), expected, found);
        }
        common::close_matrix(&format!("{model}: H_L"), &h, &fit.factors.h);
        assert_eq!(fit.factors.hidden.len(), 2);
        for (l, hidden) in fit.factors.hidden.iter().enumerate() {
            literal::assert_stationary(&x(), &fit.factors.components(l + 1).unwrap(), hidden);
        }
    }
}

/// Algorithm 2 as the paper writes it, with ndarray alone.
mod literal {
    use super::*;

    fn norm(gram: &Array2<f64>) -> f64 {
        let mut v = ndarray::Array1::<f64>::ones(gram.nrows());
        for _ in 0..2000 {
            v = gram.dot(&v);
            v /= v.dot(&v).sqrt();
        }
        v.dot(&gram.dot(&v))
    }

    fn nesterov(x0: &Array2<f64>, lipschitz: f64, gradient: impl Fn(&Array2<f64>) -> Array2<f64>) -> Array2<f64> {
        let (mut x, mut y, mut a) = (x0.clone(), x0.clone(), 1.0_f64);
        for _ in 0..10 {
            let new = (&y - &(gradient(&y) / lipschitz)).mapv(|v| v.max(0.0));
            let next = (1.0 + (4.0 * a * a + 1.0).sqrt()) / 2.0;
            y = &new + &((&new - &x) * ((a - 1.0) / next));
            (x, a) = (new, next);
        }
        x
    }

    pub(super) fn finetune(
        x: &Array2<f64>,
        mut w: Vec<Array2<f64>>,
        mut h: Array2<f64>,
        config: &Config,
    ) -> (Vec<Array2<f64>>, Array2<f64>) {
        let depth = w.len();
        for _ in 0..config.sweeps {
            let mut psi: Option<Array2<f64>> = None;
            for l in 0..depth {
                let tilde = w[l + 1..].iter().rev().fold(h.clone(), |tilde, w| tilde.dot(&w.t()));
                let (s, mu) = (tilde.t().dot(&tilde), config.mu_of(l).unwrap());
                let a = psi.as_ref().map(|psi| psi.t().dot(psi));
                let c = x.t().dot(&tilde);
                let rhs = psi.as_ref().map_or(c.clone(), |psi| psi.t().dot(&c));
                let lipschitz = norm(&s) * a.as_ref().map_or(1.0, norm) + mu * w[l].nrows() as f64;
                w[l] = nesterov(&w[l], lipschitz, |z| {
                    let curved = a.as_ref().map_or(z.dot(&s), |a| a.dot(&z.dot(&s)));
                    curved - &rhs + &(z.sum_axis(ndarray::Axis(0)) * mu)
                });
                psi = Some(psi.map_or(w[l].clone(), |psi| psi.dot(&w[l])));
            }
            let psi = psi.unwrap();
            let (gram, lambda) = (psi.t().dot(&psi), config.lambda_of(depth - 1).unwrap());
            let lipschitz = norm(&gram) + lambda * gram.nrows() as f64;
            let (rhs, penalised) = (x.dot(&psi), &gram + lambda);
            h = nesterov(&h, lipschitz, |y| y.dot(&penalised) - &rhs);
        }
        (w, h)
    }

    /// The hidden coefficients minimise: the gradient is 0 where they are positive and not negative where they are 0.
    pub(super) fn assert_stationary(x: &Array2<f64>, psi: &Array2<f64>, h: &Array2<f64>) {
        let mut cpu = Cpu::<f64>::new();
        let (on_cpu, mut gram) = (cpu.upload(psi.view()).unwrap(), cpu.zeros(psi.ncols(), psi.ncols()).unwrap());
        cpu.matmul(MatMul::TN, &on_cpu, &on_cpu, &mut gram).unwrap();
        let rhs = x.dot(psi);
        let gradient = h.dot(&gram) - &rhs;
        let scale = rhs.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        for (g, h) in gradient.iter().zip(h) {
            assert!(*g >= -2e-2 * scale && g.abs() * h <= 2e-2 * scale, "gradient {g} at {h}, scale {scale}");
        }
    }
}
