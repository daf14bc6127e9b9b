//! Options of `fit` that have no effect for a model: they are refused, because their user expects one.

use clap::ArgMatches;
use clap::parser::ValueSource;
use deepnmf::Error;
use deepnmf::model::Method;
use deepnmf::model::spec::Layers;
use deepnmf::train::{Config, Solver};

use super::Result;
use super::output::Output;

/// The model or setting for which an option has no effect; None if it has one.
type Unused = fn(&Config) -> Option<String>;

/// Options without effect for some fits, by their names in clap.
const RULES: &[(&str, Unused)] = &[
    ("mu", |c| model_without(c, c.model.mu != Layers::None)),
    ("lambda", |c| model_without(c, c.model.lambda != Layers::None)),
    ("penalties", |c| model_without(c, c.model.mu != Layers::None || c.model.lambda != Layers::None)),
    ("theta", |c| model_without(c, c.model.theta.is_some())),
    ("neighbors", |c| model_without(c, c.model.method == Method::Graph)),
    ("graph", |c| model_without(c, c.model.method == Method::Graph)),
    ("graph_lambda", |c| model_without(c, c.model.method == Method::Graph)),
    ("solver", |c| model_without(c, has_solvers(c))),
    ("inner", nesterov),
    ("metric", nesterov),
    ("restart", nesterov),
    ("power_iterations", nesterov),
    ("passes", descent),
    ("extrapolate", extrapolation),
    ("balance", |c| model_without(c, has_solvers(c))),
    ("online", |c| model_without(c, c.model.method == Method::Blocks)),
    ("pretrain", |c| one_stage(c).map(|one| format!("{one}, whose iterations are --sweeps"))),
    ("pretrain_samples", one_stage),
    ("sweeps", fine_tuning),
    ("target_error", fine_tuning),
    ("hidden", one_layer),
];

fn model_without(c: &Config, used: bool) -> Option<String> {
    (!used).then(|| format!("the model {}", c.model.name))
}

/// Whether the model has a choice of solvers, for its blocks or for H.
fn has_solvers(c: &Config) -> bool {
    matches!(c.model.method, Method::Blocks | Method::SemiNmf)
}

/// For options of Nesterov's method on blocks.
fn nesterov(c: &Config) -> Option<String> {
    let other = || (c.solver == Solver::Cd).then(|| "coordinate descent (--solver cd)".into());
    model_without(c, c.model.method == Method::Blocks).or_else(other)
}

/// For options of coordinate descent.
fn descent(c: &Config) -> Option<String> {
    let other = || (c.solver == Solver::Nesterov).then(|| "Nesterov's method (--solver nesterov)".into());
    model_without(c, has_solvers(c)).or_else(other)
}

/// For options of coordinate descent and, by either solver, of the fine-tuning of a linear chain.
fn extrapolation(c: &Config) -> Option<String> {
    let blocks = c.model.method == Method::Blocks;
    let fine_tuning = c.layers.len() > 1 && c.activation.is_none() && c.online.is_none();
    model_without(c, blocks).or_else(|| descent(c).filter(|_| !fine_tuning))
}

/// For options of the pre-training.
fn one_stage(c: &Config) -> Option<String> {
    one_layer(c).filter(|_| c.online.is_none())
}

fn one_layer(c: &Config) -> Option<String> {
    (c.layers.len() == 1).then(|| "a model of one layer".into())
}

/// For options of the training of all layers together, or of a single one.
fn fine_tuning(c: &Config) -> Option<String> {
    let used = c.layers.len() == 1 || has_solvers(c);
    model_without(c, used).map(|model| format!("more than one layer of {model}, which are trained one by one"))
}

/// Refuses options that were given and have no effect in a fit with `config`. The solver `auto` counts as both.
pub(super) fn refuse(given: &ArgMatches, config: &Config) -> Result {
    for (id, unused) in RULES {
        if given.value_source(id) == Some(ValueSource::CommandLine)
            && let Some(what) = unused(config)
            && !is_other_penalty(id, config)
        {
            let option = id.replace('_', "-");
            return Err(Error::Config(format!("--{option} means nothing for {what}")).into());
        }
    }
    // One value per layer, for a model that does not penalise all of them.
    let depth = config.layers.len();
    for (name, values, layers) in [("mu", &config.mu, config.model.mu), ("lambda", &config.lambda, config.model.lambda)]
    {
        let unused =
            values.iter().enumerate().find(|(l, c)| values.len() > 1 && **c != 0.0 && !layers.contains(*l, depth));
        let unused = unused.filter(|_| layers != Layers::None);
        if let Some((l, value)) = unused {
            let message = format!(
                "--{name} {value} means nothing for layer {} of the model {}; expected 0 there, or one value alone",
                l + 1,
                config.model.name
            );
            return Err(Error::Config(message).into());
        }
    }
    Ok(())
}

/// Whether it is the constant of a factor that this sparse model does not penalise. That is a warning, not an error, so that all
/// sparse models can be run with the same two constants.
fn is_other_penalty(id: &str, config: &Config) -> bool {
    let sparse = config.model.mu != Layers::None || config.model.lambda != Layers::None;
    sparse && matches!(id, "mu" | "lambda")
}

/// Warns of a constant without effect.
pub(super) fn mention(given: &ArgMatches, config: &Config, out: &Output) {
    for (id, unused) in RULES.iter().filter(|(id, _)| is_other_penalty(id, config)) {
        if given.value_source(id) == Some(ValueSource::CommandLine)
            && let Some(what) = unused(config)
        {
            out.warn(&format!("--{id} means nothing for {what}, and is left out"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// A rule for an option that is called otherwise would never hold.
    #[test]
    fn every_rule_is_about_an_option_of_fit() {
        let command = super::super::Cli::command();
        let fit = command.find_subcommand("fit").expect("fit");
        for (id, _) in RULES {
            let option = fit.get_arguments().find(|a| a.get_id() == id).expect(id);
            assert_eq!(option.get_long(), Some(id.replace('_', "-").as_str()));
        }
    }
}
