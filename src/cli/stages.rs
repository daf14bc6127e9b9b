//! How much work the stages of a fit are, beside each other.

use deepnmf::train::{Config, Solver, Stage};

/// The stages of a fit in their order.
pub(crate) struct Stages(Vec<Planned>);

struct Planned {
    stage: Stage,
    /// At most.
    iterations: usize,
    /// Of an iteration, about, in multiplications.
    work: f64,
}

impl Stages {
    /// Of a fit of n × m samples.
    pub(crate) fn of(config: &Config, n: usize, m: usize) -> Self {
        let (layers, depth) = (&config.layers, config.layers.len());
        // XΨ and XᵀH, and the solver's visits of H.
        let work = |n: usize, inner: usize, k: usize| {
            let visits = if config.solver == Solver::Nesterov { config.inner } else { config.passes_of(inner, k) };
            n as f64 * k as f64 * (2 * inner + visits * k) as f64
        };
        let part = config.pretrained_on(n).unwrap_or(n);
        let one_stage = depth == 1 && config.online.is_none();
        let iterations = if one_stage { config.sweeps } else { config.pretrain };
        let below = [m].into_iter().chain(layers.iter().copied());
        let pretrain = below.zip(layers).enumerate().map(|(layer, (inner, &k))| {
            let stage = Stage::Pretrain { layer };
            Planned { stage, iterations, work: work(part, inner, k) }
        });
        let mut all: Vec<_> = pretrain.collect();
        if let Some(&k) = layers.last().filter(|_| !one_stage) {
            all.push(Planned { stage: Stage::Finetune, iterations: config.sweeps, work: work(n, m, k) });
        }
        Self(all)
    }

    /// The work of all stages that follow this one, in iterations of it; None for a stage that is not of a fit.
    pub(crate) fn after(&self, stage: Stage) -> Option<f64> {
        let at = self.0.iter().position(|planned| planned.stage == stage)?;
        let later: f64 = self.0[at + 1..].iter().map(|p| p.iterations as f64 * p.work).sum();
        Some(later / self.0[at].work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use deepnmf::model::MODELS;

    #[test]
    fn later_stages_count_by_their_work() {
        let config = Config { pretrain: 10, sweeps: 40, passes: Some(2), ..Config::new(MODELS[0], [100, 25]) };
        let stages = Stages::of(&config, 1000, 784);
        // Multiplications per sample and iteration of the three stages.
        let (first, second, fine) = (100.0 * 1768.0, 25.0 * 250.0, 25.0 * 1618.0);
        let near = |found: Option<f64>, expected: f64| found.is_some_and(|found| (found / expected - 1.0).abs() < 1e-9);
        assert!(near(stages.after(Stage::Pretrain { layer: 0 }), (10.0 * second + 40.0 * fine) / first));
        assert!(near(stages.after(Stage::Pretrain { layer: 1 }), 40.0 * fine / second));
        assert_eq!(stages.after(Stage::Finetune), Some(0.0));
        assert_eq!(stages.after(Stage::Project), None);
        // Pre-training on a part is a part of the work.
        let large = Stages::of(&config, 10 * Config::PRETRAIN_SAMPLES, 784);
        assert!(near(large.after(Stage::Pretrain { layer: 1 }), 10.0 * 40.0 * fine / second));
        let one = Stages::of(&Config::new(MODELS[0], [10]), 1000, 784);
        assert_eq!(one.after(Stage::Pretrain { layer: 0 }), Some(0.0));
    }
}
